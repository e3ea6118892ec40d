"""The gradient of a scan: another scan, over the steps in reverse.

Going back over step t, the gradient of the new row of a state is what the outside says
of that row plus what later steps found. With L initial rows, the latter is held in L
"pending" rows, of which number k belongs to the row k before the new one:

    seed         = g[t] + p[0]
    p[k] becomes   p[k+1] + gradient through tap -(k+1)

so every order of recurrence needs states with one tap only. Gradients of non-sequences
add up in states of which the last row counts, those of sequences are collected.

The reverse step needs values of the forward step. Stored rows of states are read;
cheap arithmetic is done again; results of everything else are collected by a second
forward scan that does the same as the first and yields more (residuals.py). When a
function is compiled, the two become one. In: a scan and the gradients of its outputs.
Out: the gradients of its inputs, as expressions, so all orders follow.
"""

from collections.abc import Sequence

from symgraph.autodiff.reverse import propagate
from symgraph.core.dtypes import is_discrete
from symgraph.core.inner import Inner
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.record import Record, fresh
from symgraph.core.traverse import leaves
from symgraph.loops.layout import Parts, ScanLayout
from symgraph.loops.residuals import Residuals
from symgraph.loops.seeds import RowGradients, row_gradients
from symgraph.ops.shape import (
    AnyExtent,
    add,
    extent_key,
    folded,
    inferred_extents,
    offset,
    static,
    subtract,
    variable,
)

Gradients = Sequence[Variable | None]


class _Reverse(Record, frozen=False):
    """The operands and the step of the reverse scan, while they are gathered."""

    #: (row inside, array outside) of sequences
    rows: list[tuple[Variable, Variable]] = fresh(factory=list)
    #: (row inside, initial rows outside, new row inside)
    states: list[tuple[Variable, Variable, Variable]] = fresh(factory=list)
    collected: list[Variable] = fresh(factory=list)


def vjp(
    scan: ScanLayout,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    gradients: Gradients,
) -> list[Variable | None]:
    """Gradient of each input of the scan, None where nothing flows."""
    given, inside = scan.parts(inputs), scan.inner_parts()
    made, wanted = scan.results(scan.inner.outputs), scan.results(gradients)
    found = scan.results(outputs)
    done: AnyExtent = folded(given.n) if found.last is None else found.last
    steps = done if scan.truncate is None else _least(done, scan.truncate)
    order = _Order(scan.backwards, scan.until, done, steps)
    sources = [
        None
        if g is None or is_discrete(new.type.dtype)
        else row_gradients(g, length, keep, scan.until, found.last)
        for g, new, length, keep in zip(
            wanted.states, made.states, scan.lengths, scan.keep, strict=True
        )
    ]
    active = _active(scan, sources, wanted.collected)
    gathered = _Reverse()
    seeds: dict[Variable, Variable] = {}
    pending: dict[int, list[Variable]] = {}
    for j in active:
        new = made.states[j]
        pending[j] = [_leaf(new, "pending") for _ in range(scan.lengths[j])]
        seed = pending[j][0]
        source = sources[j]
        if source is not None and source.body is not None:
            row = _leaf(new, "gradient")
            gathered.rows.append((row, order.states(source.body, 0)))
            seed = row + seed
        seeds[PUBLIC["copy"](new)] = seed
    for new, g in zip(made.collected, wanted.collected, strict=True):
        if g is not None and not is_discrete(new.type.dtype):
            row = _leaf(new, "gradient")
            gathered.rows.append((row, order.rows(g)))
            seeds[PUBLIC["copy"](new)] = row
    if not seeds:
        return [None] * len(inputs)
    targets = [v for v in scan.inner.inputs if not is_discrete(v.type.dtype)]
    flows = propagate(seeds, targets)

    for j in active:
        for k, old in enumerate(pending[j]):
            parts = pending[j][k + 1 : k + 2]
            tap = -(k + 1)
            if tap in scan.states[j]:
                part = flows.get(inside.taps[j][scan.states[j].index(tap)])
                parts = parts if part is None else [*parts, part]
            new = parts[0] if parts else PUBLIC["zeros_like"](old)
            for part in parts[1:]:
                new = new + part
            initial = PUBLIC["zeros_like"](given.initial[j][:1])
            source = sources[j]
            if source is not None and k + 1 in source.tails:
                tail = source.tails[k + 1]
                initial = PUBLIC["dimshuffle"](tail, "x", *range(tail.ndim))
            gathered.states.append((old, initial, new))
    summed = [p for p, v in enumerate(inside.rest) if v in flows]
    for p in summed:
        total = _leaf(inside.rest[p], "sum")
        zeros = PUBLIC["zeros_like"](given.rest[p])
        initial = PUBLIC["dimshuffle"](zeros, "x", *range(zeros.ndim))
        gathered.states.append((total, initial, total + flows[inside.rest[p]]))
    through = [p for p, v in enumerate(inside.rows) if v in flows]
    gathered.collected = [flows[inside.rows[p]] for p in through]

    states, rows = _run(scan, inputs, outputs, gathered, order)
    results = scan.parts([None] * len(inputs))
    for p, rest in zip(summed, states[len(states) - len(summed) :], strict=True):
        results.rest[p] = rest[0]
    position = 0
    for j in active:
        length = scan.lengths[j]
        ends = states[position : position + length]
        position += length
        results.initial[j] = _initial(ends, sources[j], subtract(done, steps))
    for p, part in zip(through, rows, strict=True):
        results.sequences[p] = order.placed(part, given.sequences[p])
    return results.operands()


def _active(
    scan: ScanLayout, sources: Sequence[RowGradients | None], collected: Gradients
) -> list[int]:
    """States whose rows have a gradient: from outside, or through later steps."""
    made, inside = scan.results(scan.inner.outputs), scan.inner_parts()
    roots = [new for new, g in zip(made.collected, collected, strict=True)
             if g is not None]  # fmt: skip
    active = {j for j, source in enumerate(sources) if source is not None}
    while True:
        reached = set(leaves([*roots, *(made.states[j] for j in active)]))
        more = {
            j
            for j, taps in enumerate(inside.taps)
            if any(v in reached for v in taps) and not is_discrete(taps[0].type.dtype)
        }
        if more <= active:
            return sorted(active)
        active |= more


def _run(
    scan: ScanLayout,
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    gathered: _Reverse,
    order: "_Order",
) -> tuple[list[Variable], list[Variable]]:
    """Apply the reverse scan: the last row of each state, and the collected rows."""
    news = [new for _, _, new in gathered.states]
    held = Residuals(scan, [*news, *gathered.collected])
    arrays = held.arrays(inputs, outputs)
    for row, (array, first) in arrays.items():
        found_rows = order.rows(array) if first is None else order.states(array, first)
        gathered.rows.append((row, found_rows))
    used = set(leaves(held.roots))
    rows = [(row, array) for row, array in gathered.rows if row in used]
    own = {row for row, _ in rows} | {old for old, _, _ in gathered.states}
    given, inside = scan.parts(inputs), scan.inner_parts()
    rest = [
        (v, outer)
        for v, outer in zip(inside.rest, given.rest, strict=True)
        if v in used and v not in own
    ]
    inner = Inner(
        [row for row, _ in rows]
        + [old for old, _, _ in gathered.states]
        + [v for v, _ in rest],
        held.roots,
    )
    count = len(gathered.states)
    reverse = scan.replace(
        inner=inner,
        sequences=len(rows),
        states=((-1,),) * count,
        keep=(1,) * count,
        until=False,
        backwards=not scan.backwards,
        truncate=None,
        recomputed=False,
    )
    operands = Parts(
        variable(order.steps),
        [array for _, array in rows],
        [initial for _, initial, _ in gathered.states],
        [outer for _, outer in rest],
    ).operands()
    found = reverse.refined(operands).make(*operands)
    return list(found[:count]), list(found[count:])


# --- rows in reverse -----------------------------------------------------------------


class _Order(Record):
    """How the rows of the forward scan lie for the reverse one, which starts at its end.

    The reverse scan goes backwards where the forward one does not, so that it reads
    sequences, and makes collected rows, where they belong. Rows of states are in the
    order of the steps: those of a backwards scan have to be turned round.
    """

    backwards: bool
    until: bool
    done: AnyExtent
    steps: AnyExtent

    def rows(self, x: Variable) -> Variable:
        """A sequence of the forward scan, or what it collected."""
        first = 0 if self.backwards else subtract(self.done, self.steps)
        return x if static(first) == 0 else x[first:]

    def states(self, x: Variable, first: int) -> Variable:
        """Rows first, ..., first + done - 1 of x, which are in the order of the steps."""
        if not self.backwards:
            start = add(subtract(self.done, self.steps), first)
            return x if static(start) == 0 else x[start:]
        spare = _difference(inferred_extents(x)[0], add(self.done, first))
        if spare is None or spare < 0:
            return x[first : add(self.done, first)][::-1]
        return (x[first : -spare if spare else None] if first or spare else x)[::-1]

    def placed(self, part: Variable, x: Variable) -> Variable:
        """Zeros of the shape of the sequence x, with `part` as the rows gone over."""
        first, last = subtract(self.done, self.steps), self.done
        if self.backwards:
            first, last = 0, self.steps
        if static(first) == 0 and _difference(inferred_extents(x)[0], last) == 0:
            return part
        zeros = PUBLIC["zeros_like"](x)
        start = None if static(first) == 0 else first
        found: Variable = PUBLIC["set_subtensor"](zeros[start:last], part)
        return found


def _difference(a: AnyExtent, b: AnyExtent) -> int | None:
    """A - b, where that is a known number."""
    (left, one), (right, other) = offset(a), offset(b)
    return one - other if extent_key(left) == extent_key(right) else None


def _least(a: AnyExtent, b: int) -> AnyExtent:
    known = static(a)
    if known is not None:
        return min(known, b)
    found: Variable = PUBLIC["minimum"](variable(a), variable(b))
    return found


def _initial(
    ends: list[Variable], source: RowGradients | None, left_out: AnyExtent
) -> Variable:
    """Gradient of the initial rows from what is pending after the last reverse step.

    With `left_out` steps that truncation does not go back over, what is pending belongs
    to rows that many places later.
    """
    rows = ends[::-1]
    found: Variable = rows[0] if len(rows) == 1 else PUBLIC["concatenate"](rows, axis=0)
    if static(left_out) != 0:
        length = len(rows)
        zeros = PUBLIC["zeros_like"](found)
        shift = _least(left_out, length)
        both = PUBLIC["concatenate"]([zeros, found], axis=0)
        found = PUBLIC["specify_shape"](
            both[subtract(length, shift) : subtract(2 * length, shift)],
            (length, *found.type.shape[1:]),
        )
    if source is not None and source.head is not None:
        found = found + source.head
    return found


def _leaf(like: Variable, role: str) -> Variable:
    name = None if like.name is None else f"{role} of {like.name}"
    return Variable(like.type, None, 0, name, like.place)
