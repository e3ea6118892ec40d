"""Loops and branches as steps: the graphs inside `scan` and `ifelse`.

The rows that a step of a loop reads and writes are where the whole arrays are: the
addresses of the inner graph's leaves and outputs move through them, and nothing is
copied. Of a state whose last rows alone are wanted a ring of rows is kept. In: a node
with inner graphs. Out: a `Loop` or a `Branch` in the steps of the graph around it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.graph import freeze
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.record import Record
from symgraph.loops.layout import ScanLayout
from symgraph.lower.extents import Extents
from symgraph.lower.extents import Shape as Sizes
from symgraph.lower.inside import (
    bodies,
    leaf_shapes,
    output_shapes,
    preset_values,
)
from symgraph.lower.sheet import Sheet
from symgraph.lower.sizes import ZERO, Atoms, Poly, lates_of, poly, product
from symgraph.lower.steps import (
    Branch,
    Clear,
    Copy,
    Demand,
    Loop,
    Pointer,
    Rows,
    Step,
)
from symgraph.lower.views import view_of


class Homes(Record):
    """Where the leaves and outputs of an inner graph are, in an outer one.

    Attributes
    ----------
    leaves, outputs : slots of addresses
    shapes : extents of the leaves, in the atoms that both share
    wanted : extents that the outputs must have
    atoms : those that both share
    start, scale : the moment of the outer unit, and how long it takes
    """

    leaves: Sequence[int]
    outputs: Sequence[int]
    shapes: Sequence[Sizes]
    wanted: Sequence[Sizes]
    atoms: Atoms
    start: float
    scale: float


class Nested:
    """What the planner of a graph inherits to write the graphs inside it."""

    extents: Extents
    sheet: Sheet
    program: Any
    unit: int

    if TYPE_CHECKING:

        def moment(self, unit: int) -> float: ...
        def end(self, unit: int) -> float: ...
        @property
        def scale(self) -> float: ...
        def _add(self, step: Step) -> None: ...
        def _size(self, size: Poly) -> int: ...
        def _buffer(self, variable: Variable) -> int: ...

    def _body(self, node: Apply) -> None:
        if node.op.name == "scan":
            self._scan(node)
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
        homes = Homes(
            leaves, outputs, leaf_shapes(node, self.extents),
            output_shapes(node, self.extents), atoms, self.moment(self.unit), self.scale,
        )  # fmt: skip
        with graph.interner:
            make: Any = type(self)
            body = make(self.sheet, graph, own, (), homes)
            for number, wanted in enumerate(homes.wanted):
                self._agree(node, body, number, wanted)
            body.write()
        atoms.shape_of = self.extents.stated
        self.sheet.program.checks += body.extents.checks
        self.sheet.program.ranges += body.extents.ranges
        return tuple(body.steps)

    def _agree(self, node: Apply, body: Any, number: int, wanted: Sizes) -> None:
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

    def _scan(self, node: Apply) -> None:
        op = node.op
        assert isinstance(op, ScanLayout)
        given, made = op.parts(node.inputs), op.results(node.outputs)
        n = self.extents.atoms.poly(given.n)
        pointers: list[Pointer] = []
        before: list[Copy] = []
        last: list[Rows] = []
        clears: list[Clear] = []
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
                base = self._buffer(state)
                clears.append(Clear(base, self._size(row), self._size(n), depth))
            else:
                ring = depth + 1
                base = self.sheet.slot(
                    self.sheet.temp(
                        row * ring, self.moment(self.unit), self.end(self.unit)
                    )
                )
            before.append(Copy(base, self._address(initial), self._size(row * depth)))
            for tap in taps:
                leaves.append(self._pointer_to(pointers, base, row, depth + tap, ring))
            outputs.append(self._pointer_to(pointers, base, row, depth, ring))
            if keep is not None and ring is not None:
                last.append(
                    Rows(
                        self._buffer(state), base, self._size(row), ring, depth - keep,
                        keep,
                    )
                )  # fmt: skip
        leaves += [self._address(v) for v in given.rest]
        for collected in made.collected:
            row = self._row_bytes(collected)
            base = self._buffer(collected)
            outputs.append(self.sheet.row())
            pointers.append(self._walk(outputs[-1], base, ZERO, row, back))
            clears.append(Clear(base, self._size(row), self._size(n), 0))
        until = done = None
        if op.until:
            until = self.sheet.slot(
                self.sheet.temp(poly(1), self.moment(self.unit), self.end(self.unit))
            )
            outputs.append(until)
            done = self._buffer(made.last)
        steps = self._inside(node, op.inner, leaves, outputs)
        for copy in before:
            self._add(copy)
        self.sheet.slot(("watch",))
        self._add(
            Loop(
                self._size(n), steps, tuple(pointers), tuple(last), until, done,
                tuple(clears) if op.until else (),
            )
        )  # fmt: skip

    def _row_bytes(self, variable: Variable) -> Poly:
        rows = product(self.extents.shape(variable)[1:])
        return rows * ITEMSIZE[variable.type.dtype]

    def _address(self, variable: Variable) -> int:
        """Slot of the address of a contiguous operand."""
        if isinstance(variable, Constant):
            return self._buffer(variable)
        view = view_of(variable, self.extents)
        return self._buffer(variable if view is None else view.source)

    def _pointer_to(
        self,
        pointers: list[Pointer],
        base: int,
        row: Poly,
        shift: int,
        ring: int | None,
    ) -> int:
        """Slot of the address of row t + shift of a buffer, or of a ring of rows."""
        slot = self.sheet.row()
        if ring is None:
            offset = self._size(row * shift) if shift else None
            pointers.append(Pointer(slot, base, self._size(row), offset))
        else:
            pointers.append(Pointer(slot, base, self._size(row), None, shift, ring))
        return slot

    def _row_of(
        self, sequence: Variable, pointers: list[Pointer], back: Poly | None
    ) -> int:
        """Slot of the address of a row of a sequence, read where it lies."""
        slot = self.sheet.row()
        size = ITEMSIZE[sequence.type.dtype]
        source, start, step = sequence, ZERO, self._row_bytes(sequence)
        if not isinstance(sequence, Constant):
            view = view_of(sequence, self.extents)
            assert view is not None
            source, start = view.source, view.offset * size
            step = view.strides[0] * size
        pointers.append(self._walk(slot, self._buffer(source), start, step, back))
        return slot

    def _walk(
        self, slot: int, base: int, start: Poly, step: Poly, back: Poly | None
    ) -> Pointer:
        """Row t, or in a loop of `back` steps that goes backwards row back - 1 - t."""
        if back is not None:
            start, step = start + (back - poly(1)) * step, -step
        offset = None if start == ZERO else self._size(start)
        return Pointer(slot, base, self._size(step), offset)

    # --- branches -----------------------------------------------------------------------

    def _ifelse(self, node: Apply) -> None:
        leaves = [self._address(v) for v in node.inputs[1:]]
        outputs = [self._buffer(v) for v in node.outputs]
        condition = self._address(node.inputs[0])
        then, otherwise = (
            self._branch(node, inner, leaves, outputs) for inner in bodies(node)
        )
        self._add(Branch(condition, then, otherwise))

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
        program, atoms = self.sheet.program, self.extents.atoms
        checks, ranges, lates = (
            len(program.checks),
            len(program.ranges),
            len(atoms.late),
        )
        with atoms.branch():
            steps = self._inside(node, inner, leaves, outputs)

        def here(*sizes: Poly) -> bool:
            used = set().union(*(size.atoms() for size in sizes))
            return all(k < lates for a in used for k in lates_of(atoms.recipes[a]))

        guards: list[int | None] = []
        for number, check in enumerate(program.checks[checks:], checks):
            if check.guard is None and here(check.left, check.right):
                program.checks[number] = guarded = self.sheet.guarded(check, atoms)
                guards.append(guarded.guard)
        for number, entry in enumerate(program.ranges[ranges:], ranges):
            if entry.guard is None and here(entry.index, entry.extent):
                program.ranges[number] = bounded = self.sheet.guarded(entry, atoms)
                guards.append(bounded.guard)
        told = tuple(guard for guard in guards if guard is not None)
        return (Demand(told), *steps) if told else steps
