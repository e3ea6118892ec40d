"""Loops and branches as steps: the graphs inside `scan` and `ifelse`.

The rows that a step of a loop reads and writes are where the whole arrays are: the
addresses of the inner graph's leaves and outputs move through them, and nothing is
copied. Of a state whose last rows alone are wanted a circular buffer of rows is kept.
In: a node with inner graphs. Out: a `Loop` or a `Branch` in the steps of the graph
around it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.graph import Graph, freeze
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.record import Record
from symgraph.loops.layout import ScanLayout
from symgraph.lower.extents import Extents
from symgraph.lower.extents import Shape as Sizes
from symgraph.lower.inner_graph import (
    bodies,
    leaf_shapes,
    output_shapes,
    preset_values,
)
from symgraph.lower.sizes import (
    ZERO,
    SizePolynomial,
    SizeSymbols,
    lates_of,
    poly,
    product,
)
from symgraph.lower.step_list import StepList
from symgraph.lower.steps import (
    Branch,
    Copy,
    CopyTail,
    Demand,
    Loop,
    Pointer,
    Step,
    ZeroTail,
)
from symgraph.lower.views import view_of


class OuterBuffers(Record):
    """Where the leaves and outputs of an inner graph are, in an outer one.

    Attributes
    ----------
    leaves, outputs : slots of addresses
    shapes : extents of the leaves, in the atoms that both share
    wanted : extents that the outputs must have
    atoms : those that both share
    """

    leaves: Sequence[int]
    outputs: Sequence[int]
    shapes: Sequence[Sizes]
    wanted: Sequence[Sizes]
    atoms: SizeSymbols


class InnerPlanner(Protocol):
    """The planner of an inner graph (lower/body.py)."""

    graph: Graph
    extents: Extents

    def write(self) -> StepList:
        """The steps of the graph."""


class Nested:
    """Writes the graphs inside a node among the steps of the graph around them.

    `plan` makes the planner of an inner graph with these leaves.
    """

    def __init__(
        self,
        w: StepList,
        plan: Callable[[Graph, list[Variable], OuterBuffers], InnerPlanner],
    ) -> None:
        self.w = w
        self.plan = plan
        self.extents = w.extents
        self.builder = w.builder

    def add(self, node: Apply) -> None:
        """The steps of a node with inner graphs."""
        if isinstance(node.op, ScanLayout):
            self._scan(node, node.op)
        else:
            self._ifelse(node)

    # --- inner graphs -------------------------------------------------------------------

    def _inside(
        self, node: Apply, inner: Inner, leaves: Sequence[int], outputs: Sequence[int]
    ) -> tuple[Step, ...]:
        """The steps of an inner graph whose leaves and outputs are at these slots.

        Its leaves are copies, for another loop may run over the same graph (a gradient
        over that of the values), with other values in them.
        """
        own = [Variable(v.type, name=v.name) for v in inner.inputs]
        graph = freeze(
            own, inner.outputs, substitutes=dict(zip(inner.inputs, own, strict=True))
        )
        preset_values(node, self.extents, own)
        atoms = self.extents.atoms
        outer = OuterBuffers(
            leaves, outputs, leaf_shapes(node, self.extents),
            output_shapes(node, self.extents), atoms,
        )  # fmt: skip
        with graph.interner:
            body = self.plan(graph, own, outer)
            for number, wanted in enumerate(outer.wanted):
                self._agree(node, body, number, wanted)
            steps = body.write().steps
        atoms.shape_of = self.extents.stated
        self.builder.program.checks += body.extents.checks
        self.builder.program.ranges += body.extents.ranges
        return tuple(steps)

    def _agree(
        self, node: Apply, body: InnerPlanner, number: int, wanted: Sizes
    ) -> None:
        """Leave a check where an output may have other extents than the loop's rows.

        The outputs of an `IfElse` have the extents of the branch that is chosen.
        """
        if node.op.name == "ifelse":
            return
        found = body.extents.shape(body.graph.outputs[number])
        for axis, (one, other) in enumerate(zip(wanted, found, strict=True)):
            self.extents.equate(
                one, other, node, (), axis, f"output {number}, axis {axis}"
            )

    # --- loops --------------------------------------------------------------------------

    def _scan(self, node: Apply, op: ScanLayout) -> None:
        given, made = op.parts(node.inputs), op.results(node.outputs)
        n = self.extents.atoms.poly(given.n)
        pointers: list[Pointer] = []
        before: list[Copy] = []
        last: list[CopyTail] = []
        clears: list[ZeroTail] = []
        back = n if op.backwards else None
        leaves = [self._row_of(v, pointers, back) for v in given.sequences]
        outputs: list[int] = []
        for taps, keep, initial, state in zip(
            op.states, op.keep, given.initial, made.states, strict=True
        ):
            depth = -taps[0]
            row = self._row_bytes(state)
            ring = None
            if keep is None:
                base = self.w.buffer(state)
                clears.append(ZeroTail(base, self.w.size(row), self.w.size(n), depth))
            else:
                ring = depth + 1
                base = self.w.scratch(row * ring)
            before.append(Copy(base, self.w.address(initial), self.w.size(row * depth)))
            for tap in taps:
                leaves.append(self._pointer_to(pointers, base, row, depth + tap, ring))
            outputs.append(self._pointer_to(pointers, base, row, depth, ring))
            if keep is not None and ring is not None:
                last.append(
                    CopyTail(
                        self.w.buffer(state), base, self.w.size(row), ring, depth - keep,
                        keep,
                    )
                )  # fmt: skip
        leaves += [self.w.address(v) for v in given.rest]
        for collected in made.collected:
            row = self._row_bytes(collected)
            base = self.w.buffer(collected)
            outputs.append(self.builder.row())
            pointers.append(self._walk(outputs[-1], base, ZERO, row, back))
            clears.append(ZeroTail(base, self.w.size(row), self.w.size(n), 0))
        until = done = None
        if op.until:
            until = self.w.scratch(poly(1))
            outputs.append(until)
            done = self.w.buffer(made.last)
        steps = self._inside(node, op.inner, leaves, outputs)
        for copy in before:
            self.w.add(copy)
        self.builder.slot(("watch",))
        self.w.add(
            Loop(
                self.w.size(n), steps, tuple(pointers), tuple(last), until, done,
                tuple(clears) if op.until else (),
            )
        )  # fmt: skip

    def _row_bytes(self, variable: Variable) -> SizePolynomial:
        rows = product(self.extents.shape(variable)[1:])
        return rows * ITEMSIZE[variable.type.dtype]

    def _pointer_to(
        self,
        pointers: list[Pointer],
        base: int,
        row: SizePolynomial,
        shift: int,
        ring: int | None,
    ) -> int:
        """Slot of the address of row t + shift of a buffer, or of a circular one."""
        slot = self.builder.row()
        if ring is None:
            offset = self.w.size(row * shift) if shift else None
            pointers.append(Pointer(slot, base, self.w.size(row), offset))
        else:
            pointers.append(Pointer(slot, base, self.w.size(row), None, shift, ring))
        return slot

    def _row_of(
        self, sequence: Variable, pointers: list[Pointer], back: SizePolynomial | None
    ) -> int:
        """Slot of the address of a row of a sequence, read where it lies."""
        slot = self.builder.row()
        size = ITEMSIZE[sequence.type.dtype]
        source, start, step = sequence, ZERO, self._row_bytes(sequence)
        if not isinstance(sequence, Constant):
            view = view_of(sequence, self.extents)
            assert view is not None
            source, start = view.source, view.offset * size
            step = view.strides[0] * size
        pointers.append(self._walk(slot, self.w.buffer(source), start, step, back))
        return slot

    def _walk(
        self,
        slot: int,
        base: int,
        start: SizePolynomial,
        step: SizePolynomial,
        back: SizePolynomial | None,
    ) -> Pointer:
        """Row t, or in a loop of `back` steps that goes backwards row back - 1 - t."""
        if back is not None:
            start, step = start + (back - poly(1)) * step, -step
        offset = None if start == ZERO else self.w.size(start)
        return Pointer(slot, base, self.w.size(step), offset)

    # --- branches -----------------------------------------------------------------------

    def _ifelse(self, node: Apply) -> None:
        leaves = [self.w.address(v) for v in node.inputs[1:]]
        outputs = [self.w.buffer(v) for v in node.outputs]
        condition = self.w.address(node.inputs[0])
        then, otherwise = (
            self._branch(node, inner, leaves, outputs) for inner in bodies(node)
        )
        self.w.add(Branch(condition, then, otherwise))

    def _branch(
        self,
        node: Apply,
        inner: Inner,
        leaves: Sequence[int],
        outputs: Sequence[int],
    ) -> tuple[Step, ...]:
        """The steps of a branch; its sizes and indices are looked at when it is entered.

        What they are compared with may be computed before the branch, or in it: then
        they are compared as soon as it is.
        """
        program, atoms = self.builder.program, self.extents.atoms
        checks, ranges, lates = (
            len(program.checks),
            len(program.ranges),
            len(atoms.late),
        )
        with atoms.branch():
            steps = self._inside(node, inner, leaves, outputs)

        def here(*sizes: SizePolynomial) -> bool:
            used = set().union(*(size.atoms() for size in sizes))
            return all(k < lates for a in used for k in lates_of(atoms.recipes[a]))

        guards: list[int | None] = []
        for number, check in enumerate(program.checks[checks:], checks):
            if check.guard is None and here(check.left, check.right):
                program.checks[number] = guarded = self.builder.guarded(check, atoms)
                guards.append(guarded.guard)
        for number, entry in enumerate(program.ranges[ranges:], ranges):
            if entry.guard is None and here(entry.index, entry.extent):
                program.ranges[number] = bounded = self.builder.guarded(entry, atoms)
                guards.append(bounded.guard)
        told = tuple(guard for guard in guards if guard is not None)
        return (Demand(told), *steps) if told else steps
