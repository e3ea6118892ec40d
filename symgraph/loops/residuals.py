"""What the reverse step needs of the forward step, and where it comes from.

A value of the forward step is an operand, a row that is stored anyway, or something in
between. In between, cheap arithmetic on operands is done again; the result of anything
that holds a product, a reduction or a transcendental function is stored: a further
collected output of an augmented forward scan. In: a scan and the roots of its reverse
step. Out: the roots in terms of leaves, and an array for each leaf.
"""

from collections.abc import Container, Sequence

from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Variable, scalar_constant
from symgraph.core.traverse import applies, leaves, replace
from symgraph.loops.conditions import conditions_of, unsafe
from symgraph.loops.layout import ScanLayout
from symgraph.ops.broadcast import BroadcastTo, SumTo
from symgraph.ops.shape import Extent, inferred_extents, variable


class Residuals:
    """Roots of a reverse step, cut where the forward step's values come in.

    Attributes
    ----------
    roots : the same, in terms of leaves
    """

    def __init__(self, scan: ScanLayout, roots: Sequence[Variable]) -> None:
        self._scan = scan
        self._inside = scan.inner_parts()
        self._made = scan.results(scan.inner.outputs)
        #: computed again in the reverse step, and only if it is chosen there
        self._unchosen = unsafe(conditions_of(scan.inner.outputs))
        self._forward: set[Variable] = set()
        self._heavy: set[Variable] = set()
        self._varying: set[Variable] = set(self._inside.rows)
        for taps in self._inside.taps:
            self._varying.update(taps)
        self._stored = {v: j for j, v in reversed([*enumerate(self._made.states)])}
        self._collected = {
            v: m for m, v in reversed([*enumerate(self._made.collected)])
        }
        for node in applies(scan.inner.outputs):
            self._forward.update(node.outputs)
            if any(v in self._varying for v in node.inputs):
                self._varying.update(node.outputs)
            held = any(v in self._heavy and not self._is_output(v) for v in node.inputs)
            if held or not node.op.is_light(node):
                self._heavy.update(node.outputs)
        self._cuts: dict[Variable, Variable] = {}
        self.roots = self._rebuilt(roots)
        self._used = set(leaves(self.roots))

    def _is_output(self, v: Variable) -> bool:
        return v in self._stored or v in self._collected

    # --- cutting -----------------------------------------------------------------

    def _rebuilt(self, roots: Sequence[Variable]) -> list[Variable]:
        nodes = applies(roots, blockers=self._forward)
        tops = [v for node in nodes for v in node.inputs if v in self._forward]
        tops += [v for v in roots if v in self._forward]
        shapes: dict[Variable, Variable] = {}
        for v in tops:
            self._cut(v) if self._needed(v, nodes, roots) else None
        tops = list(dict.fromkeys(tops))
        values = dict(zip(tops, replace(tops, self._cuts), strict=True))
        made: dict[Variable, Variable] = {}
        for node in nodes:
            operands = []
            for position, v in enumerate(node.inputs):
                if v in self._forward and reads_shape(node, position):
                    if v not in shapes:
                        shapes[v] = _shaped(v)
                    operands.append(shapes[v])
                else:
                    operands.append(made.get(v, values.get(v, v)))
            if all(a is b for a, b in zip(operands, node.inputs, strict=True)):
                continue
            copies = node.op.refined(operands).make(*operands)
            made.update(zip(node.outputs, copies, strict=True))
        return [made.get(v, values.get(v, v)) for v in roots]

    def _needed(
        self, v: Variable, nodes: Sequence[Apply], roots: Sequence[Variable]
    ) -> bool:
        """Whether the value of v is read, and not its shape alone."""
        if v in roots:
            return True
        return any(
            u is v and not reads_shape(node, position)
            for node in nodes
            for position, u in enumerate(node.inputs)
        )

    def _cut(self, v: Variable) -> None:
        """Decide how the reverse step gets the value of v."""
        stack = [v]
        while stack:
            u = stack.pop()
            if u in self._cuts or u.owner is None or u not in self._varying:
                continue
            if self._is_output(u):
                self._cuts[u] = Variable(u.type, None, 0, u.name, u.place)
            elif (
                u in self._heavy
                and u.owner not in self._unchosen
                and not u.owner.op.is_view
                and not has_varying_shape(u, self._varying)
            ):
                self._cuts[u] = Variable(u.type, None, 0, u.name, u.place)
            else:
                stack.extend(u.owner.inputs)

    # --- arrays ------------------------------------------------------------------

    def arrays(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable]
    ) -> dict[Variable, tuple[Variable, int | None]]:
        """For each leaf that differs from step to step, an array that has its values.

        With it comes the row of step 0 for rows of states, None for other arrays.
        """
        scan, inside = self._scan, self._inside
        found: dict[Variable, tuple[Variable, int | None]] = {}
        given = scan.parts(inputs)
        for row, x in zip(inside.rows, given.sequences, strict=True):
            if row in self._used:
                found[row] = x, None
        further = [
            v for v, leaf in self._cuts.items()
            if leaf in self._used and not self._is_output(v)
        ]  # fmt: skip
        needed = set()  # states whose rows are read
        for j, taps in enumerate(inside.taps):
            if any(v in self._used for v in taps):
                needed.add(j)
        needed.update(
            self._stored[v] for v, leaf in self._cuts.items()
            if leaf in self._used and v in self._stored
        )  # fmt: skip
        whole = all(scan.keep[j] is None for j in needed)
        forward, results = scan, scan.results(outputs)
        if further or not whole:
            forward = self._augmented(further, needed)
            results = forward.results(forward.make(*inputs))
        for j, (taps, places) in enumerate(zip(inside.taps, scan.states, strict=True)):
            for v, tap in zip(taps, places, strict=True):
                if v in self._used:
                    found[v] = results.states[j], scan.lengths[j] + tap
        extra = results.collected[len(self._made.collected) :]
        rows = dict(zip(further, extra, strict=True))
        for v, leaf in self._cuts.items():
            if leaf not in self._used:
                continue
            if v in self._stored:
                j = self._stored[v]
                found[leaf] = results.states[j], scan.lengths[j]
            elif v in self._collected:
                found[leaf] = results.collected[self._collected[v]], None
            else:
                found[leaf] = rows[v], None
        return found

    def _augmented(self, further: Sequence[Variable], needed: set[int]) -> ScanLayout:
        """The scan with all rows of some states, and further collected outputs."""
        scan, made = self._scan, self._made
        ends = [] if made.last is None else [made.last]
        inner = Inner(
            scan.inner.inputs, [*made.states, *made.collected, *further, *ends]
        )
        keep = tuple(None if j in needed else k for j, k in enumerate(scan.keep))
        return scan.replace(inner=inner, keep=keep)


def has_varying_shape(v: Variable, varying: Container[Variable]) -> bool:
    """Whether steps give v different shapes, so that no array holds them all.

    `varying` are the variables of the step that differ from one step to another.
    """
    stack = [e for e in inferred_extents(v) if isinstance(e, Variable)]
    asked: set[tuple[Variable, int]] = set()
    while stack:
        u = stack.pop()
        node = u.owner
        if node is None:
            if u in varying:
                return True
        elif isinstance(node.op, Extent):
            x, axis = node.inputs[0], node.op.axis
            if (x, axis) not in asked and x.owner is not None:
                told = inferred_extents(x)[axis]
                stack += [told] if isinstance(told, Variable) else []
            asked.add((x, axis))
        else:
            stack += node.inputs
    return False


def reads_shape(node: Apply, position: int) -> bool:
    """Whether a node reads only the shape of one of its inputs."""
    if isinstance(node.op, Extent):
        return True
    same = node.inputs[position]
    return isinstance(node.op, SumTo) and position == 1 and node.inputs[0] is not same


def _shaped(v: Variable) -> Variable:
    """Something cheap of the shape of v."""
    zero = scalar_constant(False, "bool")
    return BroadcastTo(v.ndim)(zero, *map(variable, inferred_extents(v)))
