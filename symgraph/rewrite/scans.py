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

from symgraph.core.graph import Graph, freeze
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Variable, at_place_of
from symgraph.core.traverse import applies
from symgraph.loops.scan import Scan
from symgraph.ops.broadcast import SumTo
from symgraph.ops.movement import DimShuffle
from symgraph.ops.reduction import Reduce
from symgraph.ops.shape import Extent
from symgraph.rewrite.context import Context
from symgraph.rewrite.engine import Optimized
from symgraph.rewrite.firings import Recorder
from symgraph.rewrite.loop import CollectedRow, OpenLoop
from symgraph.rewrite.loop_after import PRODUCTS, SUMS, later, push_after, sources
from symgraph.rewrite.loop_before import PUSHED, push_before
from symgraph.rewrite.loop_ends import (
    LAST,
    Users,
    ends_of,
    keep_ends,
    read_ends,
    sum_read,
)
from symgraph.rewrite.loop_merge import MERGED, known_as, merged

LESS = "loop_to_what_is_used"
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
            record.cycles += cleaned.cycles
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
                op = self._rewritten(op, inputs, self._finish, context, record)
                loop = OpenLoop(op, inputs)
                loop.drop(range(len(node.outputs)))
                op, inputs = loop.closed()
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
            op = self._rewritten(op, inputs, self._clean, context, record)
            settled.add(op.inner.digest)
        loop = OpenLoop(op, inputs)
        loop.changed = op != node.op
        rules = {STEP: loop.changed}

        def noted(name: str, work: Callable[[], object]) -> None:
            before, loop.changed = loop.changed, False
            work()
            rules[name] = rules.get(name, False) or loop.changed
            loop.changed |= before

        wanted = [i for i, v in enumerate(node.outputs) if users.get(v)]
        noted(LESS, lambda: loop.drop(wanted))
        ends = ends_of(node, loop, users)
        noted(LAST, lambda: keep_ends(loop, ends))
        noted(PUSHED, lambda: push_before(loop))
        after = push_after(loop)
        for position, _, _ in after:
            product = isinstance(loop.slots[position], CollectedRow)
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
            out = later_ones[i] if i in later_ones else found.of(loop.slots[i])
            if out is None:
                continue
            if i in ends:
                rank = node.outputs[i].ndim
                made.update(read_ends(ends[i], out, rank, loop.n, found.count))
            elif out.ndim < node.outputs[i].ndim:  # the sum over all steps
                made.update(sum_read(node.outputs[i], out, users))
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
        record: Recorder,
    ) -> Scan:
        """The scan with its step rewritten."""
        inner, equal = op.inner, context.assumes_equal
        graph = freeze(inner.inputs, inner.outputs)
        with graph.interner:
            graph = graph.with_roots(settled_sums(graph.roots, equal))
        found = optimizer(graph, equal, ties_of(op, operands, context))
        record.cycles += found.cycles
        return op.replace(inner=Inner(inner.inputs, found.graph.outputs))


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
