"""Loops, made to do as little as possible in each step.

In: a graph with scans. Out: new roots. Round after round, until nothing changes:

    loops over the same operands that do the same become one
    the step is rewritten by the same rules as the graph around it
    what nobody asks for is left out; of states, only the last rows are kept if only
    these are asked for
    what does not depend on the states is computed before the loop (loop_before.py)
    what later steps do not read is computed after it (loop_after.py)

`finish_scans`, at the end of the pipeline, takes the step through all passes.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

from symgraph.core.graph import Graph, freeze
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Variable, at_place_of
from symgraph.core.traverse import applies
from symgraph.loops.scan import Scan
from symgraph.ops.broadcast import SumTo
from symgraph.ops.indexing import Subtensor
from symgraph.ops.movement import DimShuffle
from symgraph.ops.reduction import Reduce
from symgraph.ops.shape import Extent, SpecifyShape
from symgraph.ops.slices import ALL
from symgraph.rewrite.context import Context
from symgraph.rewrite.engine import Optimized, Recorder
from symgraph.rewrite.loop import Loop, Row, State
from symgraph.rewrite.loop_after import PRODUCTS, SUMS, later, push_after, sources
from symgraph.rewrite.loop_before import PUSHED, push_before

MERGED = "equal_loops_to_one"
LESS = "loop_to_what_is_used"
LAST = "last_rows_of_state_to_kept"
STEP = "step_to_simpler"
#: what the passes do, for the list of rules
LOOP_RULES = (
    (MERGED, "`scan`s over the same operands that make the same states become one"),
    (STEP, "the step of a `scan` is rewritten by the rules of the graph around it"),
    (LESS, "outputs, states and operands of a `scan` that nothing needs are left out"),
    (LAST, "only the last rows of a state are kept where only these are read"),
    (
        PUSHED,
        "what does not depend on the states of a `scan` is computed before it: "
        "x[t] @ W of all steps is one product; what all steps share is computed once",
    ),
    (
        PRODUCTS,
        "a product that no step reads is computed after the loop, for all steps at once",
    ),
    (
        SUMS,
        "a state that only adds up becomes a sum over the rows of all steps: of "
        "a[t].T @ b[t], one product",
    ),
)
STEP_RULES = ((STEP, "the step of a `scan` goes through all passes"),)
ROUNDS = 12
#: pairs of extents that are equal
Ties = Sequence[tuple[Variable, Variable]]
#: rewrites a whole graph: graph, whether unknown extents that meet are equal, ties
Optimizer = Callable[[Graph, bool, Ties], Optimized]
Users = dict[Variable, list[Apply | None]]


class ScanRewriter:
    """The transforms of the passes for loops.

    Parameters
    ----------
    clean : brings a graph into normal form, its loops included
    simplify : brings a graph into normal form, without looking at its loops
    finish : all passes
    """

    def __init__(
        self, clean: Optimizer, simplify: Optimizer, finish: Optimizer
    ) -> None:
        self._clean = clean
        self._simplify = simplify
        self._finish = finish

    def reduce_scans(
        self, graph: Graph, context: Context, record: Recorder
    ) -> Sequence[Variable]:
        """Move work out of loops, until there is nothing more to move."""
        if not has_scans(graph):
            return graph.roots
        equal = context.assumes_equal
        settled: set[str] = set()
        for _ in range(ROUNDS):
            before = graph.roots
            graph = graph.with_roots(merged(graph, record))
            graph = graph.with_roots(self._round(graph, context, settled, record))
            if all(a is b for a, b in zip(graph.roots, before, strict=True)):
                break
            cleaned = self._simplify(graph, equal, ())
            for firing in cleaned.firings:
                record(firing.rule, firing.old, firing.new)
            graph = cleaned.graph
        return graph.roots

    def finish_scans(
        self, graph: Graph, context: Context, record: Recorder
    ) -> Sequence[Variable]:
        """Take the steps of all loops through all passes."""
        if not has_scans(graph):
            return graph.roots
        made: dict[Variable, Variable] = {}
        for node in graph.applies():
            inputs = [made.get(v, v) for v in node.inputs]
            op = node.op
            if isinstance(op, Scan):
                op = self._rewritten(op, inputs, self._finish, context)
            if op == node.op and all(
                a is b for a, b in zip(inputs, node.inputs, strict=True)
            ):
                continue
            with at_place_of(node.outputs[0]):
                made.update(zip(node.outputs, op.make(*inputs), strict=True))
            if isinstance(op, Scan):
                for old in node.outputs:
                    record(STEP, old, made[old])
        return [made.get(v, v) for v in graph.roots]

    # --- one round -----------------------------------------------------------------

    def _round(
        self, graph: Graph, context: Context, settled: set[str], record: Recorder
    ) -> Sequence[Variable]:
        users = users_of(graph)
        made: dict[Variable, Variable] = {}
        for node in graph.applies():
            inputs = [made.get(v, v) for v in node.inputs]
            if isinstance(node.op, Scan):
                with at_place_of(node.outputs[0]):
                    made.update(
                        self._reduced(node, inputs, users, context, settled, record)
                    )
            elif any(
                made.get(v, v) is not v and out not in made
                for out in node.outputs
                for v in node.inputs
            ):
                with at_place_of(node.outputs[0]):
                    copies = node.op.make(*inputs)
                for old, new in zip(node.outputs, copies, strict=True):
                    made.setdefault(old, new)
        return [made.get(v, v) for v in graph.roots]

    def _reduced(
        self,
        node: Apply,
        inputs: Sequence[Variable],
        users: Users,
        context: Context,
        settled: set[str],
        record: Recorder,
    ) -> dict[Variable, Variable]:
        """What takes the place of the outputs of a scan, and of reads of its ends."""
        op = node.op
        assert isinstance(op, Scan)
        if op.inner.digest not in settled:
            op = self._rewritten(op, inputs, self._clean, context)
            settled.add(op.inner.digest)
        loop = Loop(op, inputs)
        loop.changed = op != node.op
        rules = {STEP: loop.changed}

        def noted(name: str, work: Callable[[], object]) -> None:
            before, loop.changed = loop.changed, False
            work()
            rules[name] = rules.get(name, False) or loop.changed
            loop.changed |= before

        wanted = [i for i, v in enumerate(node.outputs) if users.get(v)]
        noted(LESS, lambda: loop.drop(wanted))
        ends = _ends(node, loop, users)
        noted(LAST, lambda: _keep(loop, ends))
        noted(PUSHED, lambda: push_before(loop))
        after = push_after(loop)
        for position, _, _ in after:
            product = isinstance(loop.slots[position], Row)
            rules[PRODUCTS if product else SUMS] = True
        if not loop.changed:
            if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
                return {}
            return dict(zip(node.outputs, op.make(*inputs), strict=True))
        for position, v, _ in after:
            loop.slots[position] = v
        loop.drop(held=sources(after))
        found = loop.finished()
        made: dict[Variable, Variable] = {}
        later_ones = later(after, found.where)
        for i in wanted:
            out = later_ones.get(i) or found.of(loop.slots[i])
            if out is None:
                continue
            if i in ends:
                made.update(_read(ends[i], out, node.outputs[i].ndim))
            elif out.ndim < node.outputs[i].ndim:  # the sum over all steps
                made.update(_total(node.outputs[i], out, users))
            else:
                made[node.outputs[i]] = known_as(out, node.outputs[i])
        for name, fired in rules.items():
            if fired:
                for old, new in list(made.items()):
                    record(name, old, new)
        return made

    def _rewritten(
        self,
        op: Scan,
        operands: Sequence[Variable],
        optimizer: Optimizer,
        context: Context,
    ) -> Scan:
        """The scan with its step rewritten."""
        inner, equal = op.inner, context.assumes_equal
        graph = freeze(inner.inputs, inner.outputs)
        with graph.interner:
            graph = graph.with_roots(settled_sums(graph.roots, equal))
        found = optimizer(graph, equal, ties_of(op, operands, context)).graph
        return op.replace(inner=Inner(inner.inputs, found.outputs))


def ties_of(op: Scan, operands: Sequence[Variable], context: Context) -> Ties:
    """Extents inside a step that are equal because those outside are."""
    given, inside = op.parts(operands), op.inner_parts()
    pairs = [(v, x, 1) for v, x in zip(inside.rows, given.sequences, strict=True)]
    for taps, x in zip(inside.taps, given.initial, strict=True):
        pairs += [(v, x, 1) for v in taps]
    pairs += [(v, x, 0) for v, x in zip(inside.rest, given.rest, strict=True)]
    first: dict[object, Variable] = {}
    ties = []
    for v, x, lead in pairs:
        axes = context.axes(x)
        if axes is None:
            continue
        for axis, extent in enumerate(v.type.shape):
            if extent is None:
                own = Extent(axis).make(v)[0]
                other = first.setdefault(axes[axis + lead], own)
                if other is not own:
                    ties.append((own, other))
    return ties


def _total(old: Variable, total: Variable, users: Users) -> dict[Variable, Variable]:
    """A state of one row, and what reads that row, as the sum that it is."""
    made: dict[Variable, Variable] = {}
    for user in users[old]:
        if user is not None and isinstance(user.op, Subtensor):
            first, *rest = user.op.spec
            if user.inputs[0] is old and first in (0, -1):
                if all(entry == ALL for entry in rest):
                    made[user.outputs[0]] = known_as(total, user.outputs[0])
                    continue
        pattern = ("x", *range(total.ndim))
        made[old] = known_as(DimShuffle(pattern).make(total)[0], old)
    return made


def known_as(new: Variable, old: Variable) -> Variable:
    """`new`, told what the type of the variable that it replaces knew."""
    shape = tuple(
        n if o is None else o
        for n, o in zip(new.type.shape, old.type.shape, strict=True)
    )
    return new if shape == new.type.shape else SpecifyShape(shape).make(new)[0]


def has_scans(graph: Graph) -> bool:
    """Whether there is a loop."""
    return any(isinstance(node.op, Scan) for node in graph.applies())


def users_of(graph: Graph) -> Users:
    """Variable → the nodes that read it; None stands for a root."""
    users: Users = {}
    for node in graph.applies():
        for v in node.inputs:
            users.setdefault(v, []).append(node)
    for v in graph.roots:
        users.setdefault(v, []).append(None)
    return users


def settled_sums(roots: Sequence[Variable], equal: bool) -> Sequence[Variable]:
    """Without `SumTo`, where what it sums over is known, or taken to be nothing."""
    made: dict[Variable, Variable] = {}
    for node in applies(roots):
        inputs = [made.get(v, v) for v in node.inputs]
        if isinstance(node.op, SumTo):
            g, x = inputs
            pairs = list(zip(g.type.shape, x.type.shape, strict=True))
            if equal or all(None not in pair for pair in pairs):
                axes = tuple(k for k, (a, b) in enumerate(pairs) if b == 1 and a != 1)
                made[node.outputs[0]] = _summed(g, axes)
                continue
        if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            made.update(zip(node.outputs, node.op.make(*inputs), strict=True))
    return [made.get(v, v) for v in roots]


def _summed(g: Variable, axes: tuple[int, ...]) -> Variable:
    if not axes:
        return g
    rest = iter(range(g.ndim))
    total = Reduce("sum", axes).make(g)[0]
    pattern = tuple("x" if k in axes else next(rest) for k in range(g.ndim))
    return DimShuffle(pattern).make(total)[0]


# --- loops that do the same ------------------------------------------------------------


def merged(graph: Graph, record: Recorder) -> Sequence[Variable]:
    """Loops over the same operands whose steps make the same states become one."""
    roots: Sequence[Variable] = graph.roots
    tried: set[tuple[Apply, Apply]] = set()
    while True:
        table = _one_pair(roots, tried)
        if not table:
            return roots
        for old, new in table.items():
            record(MERGED, old, new)
        roots = substituted(roots, table)


def _one_pair(
    roots: Sequence[Variable], tried: set[tuple[Apply, Apply]]
) -> dict[Variable, Variable]:
    groups: dict[tuple[object, ...], list[Apply]] = {}
    for node in applies(roots):
        op = node.op
        if isinstance(op, Scan):
            key = (node.inputs, op.sequences, op.states, op.until, op.backwards)
            groups.setdefault(key, []).append(node)
    for nodes in groups.values():
        for pair in combinations(nodes, 2):
            if pair not in tried:
                tried.add(pair)
                table = _joined(*pair)
                if table is not None:
                    return table
    return {}


def substituted(
    roots: Sequence[Variable], table: dict[Variable, Variable]
) -> list[Variable]:
    """Roots with variables replaced; the replacements stay as they are."""
    made = dict(table)
    for node in applies(roots):
        inputs = [made.get(v, v) for v in node.inputs]
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            continue
        with at_place_of(node.outputs[0]):
            copies = node.op.make(*inputs)
        for old, new in zip(node.outputs, copies, strict=True):
            made.setdefault(old, new)
    return [made.get(v, v) for v in roots]


def _joined(one: Apply, other: Apply) -> dict[Variable, Variable] | None:
    """Outputs of two loops → those of one that does both; None if they differ."""
    a, b = one.op, other.op
    assert isinstance(a, Scan)
    assert isinstance(b, Scan)
    if len(a.inner.inputs) != len(b.inner.inputs):
        return None
    inputs = a.inner.inputs
    if any(u.type != v.type for u, v in zip(inputs, b.inner.inputs, strict=True)):
        return None
    both = freeze(inputs, [*a.inner.outputs, *b.inner.apply(inputs)])
    count = len(a.inner.outputs)
    left, right = a.results(both.outputs[:count]), b.results(both.outputs[count:])
    if left.states != right.states or left.last is not right.last:
        return None
    rows = list(dict.fromkeys([*left.collected, *right.collected]))
    ends = [] if left.last is None else [left.last]
    keep = tuple(
        None if i is None or j is None else max(i, j)
        for i, j in zip(a.keep, b.keep, strict=True)
    )
    op = a.replace(
        inner=Inner(inputs, [*left.states, *rows, *ends]), keep=keep, truncate=None
    )
    found = op.results(op.make(*one.inputs))
    table: dict[Variable, Variable] = {}
    for node, mine, kept in ((one, left, a.keep), (other, right, b.keep)):
        outs = node.op.results(node.outputs)  # type: ignore[attr-defined]
        for old, new, k in zip(outs.states, found.states, kept, strict=True):
            if k is not None and new.type.shape[0] != k:
                spec = (("slice", -k, None, None), *(ALL,) * (new.ndim - 1))
                new = Subtensor(spec).make(new)[0]
            table[old] = known_as(new, old)
        for old, row in zip(outs.collected, mine.collected, strict=True):
            table[old] = known_as(found.collected[rows.index(row)], old)
        if outs.last is not None:
            table[outs.last] = found.last
    return table


# --- last rows ---------------------------------------------------------------------

#: reads of a state: the variable that is read out, its index, further operands
Read = tuple[Variable, Subtensor, tuple[Variable, ...], int]


def _ends(node: Apply, loop: Loop, users: Users) -> dict[int, list[Read]]:
    """States of which only the last rows are read: position → the reads."""
    found: dict[int, list[Read]] = {}
    for i, s in enumerate(loop.slots):
        if not isinstance(s, State) or s.keep is not None:
            continue
        v = node.outputs[i]
        reads = _reads(v, -s.places[0], loop.condition is not None, users)
        if reads and all(0 < depth <= -s.places[0] for *_, depth in reads):
            found[i] = reads
    return found


def _reads(v: Variable, length: int, until: bool, users: Users) -> list[Read]:
    """All reads of a state, with how many of the last rows each needs (0: too many)."""
    found: list[Read] = []
    for user in users[v]:
        if (
            user is None
            or not isinstance(user.op, Subtensor)
            or user.inputs[0] is not v
        ):
            return []
        out, entry = user.outputs[0], user.op.spec[0]
        new_rows = entry == ("slice", length, "v" if until else None, None)
        if new_rows and all(e == ALL for e in user.op.spec[1:]):
            inner = [] if out not in users else users[out]
            if not inner or any(
                u is None or not isinstance(u.op, Subtensor) or u.inputs[0] is not out
                for u in inner
            ):
                return []
            for u in inner:
                assert u is not None
                assert isinstance(u.op, Subtensor)
                depth = _depth(u.op.spec[0], None)
                found.append((u.outputs[0], u.op, u.inputs[1:], depth))
        elif until:
            return []
        else:
            depth = _depth(entry, v.type.shape[0])
            found.append((out, user.op, user.inputs[1:], depth))
    return found


def _depth(entry: object, rows: int | None) -> int:
    """How many of the last rows an index reads; 0 where that is not known."""
    if isinstance(entry, int):
        if entry < 0:
            return -entry
        return 0 if rows is None else rows - entry
    if isinstance(entry, tuple) and entry[3] in (None, 1):
        start = entry[1]
        if isinstance(start, int) and entry[2] in (None, rows):
            if start < 0:
                return -start
            return 0 if rows is None else max(rows - start, 0)
    return 0


def _keep(loop: Loop, ends: dict[int, list[Read]]) -> None:
    for i, reads in ends.items():
        slot = loop.slots[i]
        assert not isinstance(slot, Variable)
        slot.keep = max(depth for *_, depth in reads)  # type: ignore[union-attr]
        loop.changed = True


def _read(reads: list[Read], kept: Variable, rank: int) -> dict[Variable, Variable]:
    """The reads of a state, from the last rows alone; of a sum there is one, bare."""
    made: dict[Variable, Variable] = {}
    for out, op, scalars, depth in reads:
        entry = op.spec[0]
        source = kept
        spec: tuple[object, ...] = op.spec[1:]
        if kept.ndim < rank and isinstance(entry, tuple):
            source = DimShuffle(("x", *range(kept.ndim))).make(kept)[0]
        if source.ndim == rank:
            last = ("slice", -depth, None, None) if isinstance(entry, tuple) else -depth
            spec = (last, *spec)
        if any(part != ALL for part in spec):
            source = Subtensor(spec).make(source, *scalars)[0]  # type: ignore[arg-type]
        made[out] = known_as(source, out)
    return made
