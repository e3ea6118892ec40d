"""What a loop need not do step by step: computed before it.

Hoisting: what depends on neither sequences nor states is computed once. Pushing
before: what depends on sequences but not on states is computed for all steps at once,
if that saves work: a product of each row with the same matrix becomes one product of
all rows. Views and cheap arithmetic stay in the step. In and out: a `OpenLoop`.
"""

from collections.abc import Sequence

from symgraph.core.node import Variable
from symgraph.core.traverse import applies
from symgraph.loops.capture import is_view
from symgraph.loops.conditions import conditions_of, unsafe
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Elementwise, elementwise
from symgraph.ops.shape import extents, variable
from symgraph.rewrite.batching import Timed, batched
from symgraph.rewrite.loop import CollectedRow, OpenLoop, varying

PUSHED = "rows_to_before_loop"


def push_before(loop: OpenLoop) -> None:
    """Compute before the loop what does not depend on its states."""
    _, taps = loop.rows_and_taps()
    inside = loop.depending(taps)
    _gather_sums(loop, inside)
    inside = loop.depending(taps)
    nodes = applies(loop.roots)
    unchosen = unsafe(conditions_of(loop.roots))
    known: dict[Variable, Timed] = {}
    known.update((v, Timed(loop.first_rows(x), True)) for v, x in loop.rows)
    known.update((v, Timed(x, False)) for v, x in loop.rest)
    worth: set[Variable] = set()
    for node in nodes:
        if any(v in inside for v in node.inputs):
            continue
        operands = [known.get(v, Timed(v, False)) for v in node.inputs]
        if any(v.owner is not None and v not in known for v in node.inputs):
            continue
        if node.op.can_fail and loop.condition is not None:
            continue  # a step that is not reached must not fail
        if node in unchosen:
            continue  # nor what a step does not choose
        found = batched(node, operands, loop.n)
        if found is None:
            continue
        known.update(zip(node.outputs, found, strict=True))
        if any(v in worth for v in node.inputs) or not node.op.is_light(node):
            worth.update(node.outputs)
    frontier: list[Variable] = []
    for node in nodes:
        if node.outputs[0] not in known:
            frontier.extend(node.inputs)
    until = loop.condition is not None
    table: dict[Variable, Variable] = {}
    for v in dict.fromkeys(frontier + (loop.roots if until else _news(loop))):
        if v.owner is None or v not in known or not varying(v):
            continue
        outer = known[v]
        if outer.timed and v in worth:
            table[v] = loop.hand_in(v, outer.v, True)
        elif not outer.timed and not is_view(v):
            table[v] = loop.hand_in(v, outer.v, False)
    if not until:
        _known_rows(loop, known)
    if table:
        loop.substitute(table)


def _news(loop: OpenLoop) -> list[Variable]:
    return [s.new for s in loop.states]


def _known_rows(loop: OpenLoop, known: dict[Variable, Timed]) -> None:
    """Collected rows that do not depend on states need no loop."""
    for position, slot in enumerate(loop.slots):
        if not isinstance(slot, CollectedRow):
            continue
        found = known.get(slot.v)
        if found is None:
            if slot.v.owner is not None or not _is_constant(slot.v):
                continue
            found = Timed(slot.v, False)
        outer = found.v
        if not found.timed:
            shape = map(variable, extents(outer))
            outer = BroadcastTo(outer.ndim + 1).make(outer, loop.n, *shape)[0]
        loop.slots[position] = outer
        loop.changed = True
    needed = {id(slot) for slot in loop.slots}
    loop.collected = [c for c in loop.collected if id(c) in needed]


def _is_constant(v: Variable) -> bool:
    return v.owner is None and not varying(v)


# --- sums ----------------------------------------------------------------------------


def _gather_sums(loop: OpenLoop, inside: set[Variable]) -> None:
    """In each sum, terms that do not depend on states are added first.

    (x @ W + h @ U) + b becomes (x @ W + b) + h @ U, so that one row comes in.
    """
    nodes = applies(loop.roots)
    counts: dict[Variable, int] = {}
    for node in nodes:
        for v in node.inputs:
            counts[v] = counts.get(v, 0) + 1
    for v in loop.roots:
        counts[v] = counts.get(v, 0) + 2
    within = {
        v
        for node in nodes
        if _is_sum(node.outputs[0])
        for v in node.inputs
        if _is_sum(v) and counts[v] == 1
    }
    rows, _ = loop.rows_and_taps()
    timed = loop.depending(rows)
    table: dict[Variable, Variable] = {}
    for node in nodes:
        out = node.outputs[0]
        if not _is_sum(out) or out in within or out not in inside:
            continue
        terms = _terms(out, within & inside)
        free = [v for v in terms if v not in inside]
        if len(free) < 2 or not any(v in timed for v in free):
            continue
        held = [v for v in terms if v in inside]
        made = _summed(_summed(None, free), held)
        if made.type == out.type:
            table[out] = made
    if table:
        loop.substitute(table)


def _summed(first: Variable | None, terms: Sequence[Variable]) -> Variable:
    found = first
    for v in terms:
        found = v if found is None else elementwise("add").make(found, v)[0]
    assert found is not None
    return found


def _is_sum(v: Variable) -> bool:
    node = v.owner
    return (
        node is not None
        and isinstance(node.op, Elementwise)
        and node.op.scalar == "add"
    )


def _terms(v: Variable, within: set[Variable]) -> list[Variable]:
    """Terms of a sum, through sums that nothing else reads."""
    found: list[Variable] = []
    stack = [v]
    while stack:
        u = stack.pop()
        if u is v or u in within:
            assert u.owner is not None
            stack.extend(reversed(u.owner.inputs))
        else:
            found.append(u)
    return found
