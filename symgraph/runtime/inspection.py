"""Inspection: what the steps of a program touch in memory, for the sizes of a call.

Where `config.verify` asks for it, each new set of sizes is followed before anything runs:

- every place that a kernel computes from loop indices lies inside its buffer, and so does
  what products, copies and calls of Python read and write;
- a store of a kernel writes no element twice;
- every element of every result is written.

Places that are loaded from memory are checked by the kernels themselves. Sizes that are
computed while the function runs are followed when they are known. Branches are not
followed: the one that is not taken may have sizes that nobody needs. What holds for
every call is proven by lower/verify_program.py. In: a Program, and the values of its atoms.
Out: nothing, or ProgramError.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import ITEMSIZE
from symgraph.errors import ProgramError
from symgraph.lower.ir import Access, Kernel, Load, Loop, Statement, Store, expressions
from symgraph.lower.sizes import ZERO, SizePolynomial
from symgraph.lower.steps import (
    Branch,
    Contraction,
    Convolution,
    Copy,
    Demand,
    HostCall,
    Launch,
    Pointer,
    Program,
    ResolveExtents,
    Step,
)
from symgraph.lower.steps import Loop as Rounds
from symgraph.lower.verify_program import touched, written_in

#: elements up to which it is noted which ones are written
NOTED = 100_000

#: the stage of steps that no `ResolveExtents` precedes
FIRST = -1

Span = tuple[int, int]
Placed = tuple[Step, tuple[Rounds, ...], tuple[int, ...]]


class Inspection:
    """Follows a program for one set of sizes after another."""

    def __init__(self, program: Program) -> None:
        self.program = program
        #: stage → each step, the loops around it, the guards of what is demanded before
        self.steps: dict[int, list[Placed]] = {}
        #: results that a branch or loop writes, or a step after something is computed
        self.elsewhere: set[object] = set()
        self._unroll(program.steps, (), (), FIRST)
        self.pointers = {
            pointer.slot: (pointer, loop)
            for placed in self.steps.values()
            for _, rounds, _ in placed
            for loop in rounds
            for pointer in loop.pointers
        }

    def _unroll(
        self,
        steps: Sequence[Step],
        around: tuple[Rounds, ...],
        guards: tuple[int, ...],
        stage: int,
    ) -> None:
        for step in steps:
            match step:
                case Rounds():
                    self._unroll(step.body, (*around, step), guards, stage)
                case Demand():
                    guards = (*guards, *step.guards)
                case ResolveExtents():
                    stage = step.number
                case Branch():
                    pass
                case _:
                    placed = self.steps.setdefault(stage, [])
                    placed.append((step, around, guards))
            if stage != FIRST or isinstance(step, Branch | Rounds):
                for slot in written_in(self.program, (step,)):
                    self.elsewhere.add(self.program.slots[slot])

    def follow(
        self,
        atoms: Sequence[int],
        known: Sequence[bool],
        shapes: Sequence[Sequence[int]],
        slots: Sequence[int] | np.ndarray,
        stage: int = FIRST,
    ) -> None:
        """Inspect the steps that run before anything is computed, or after a stage.

        Parameters
        ----------
        atoms, known : values of the atoms, and which of them are known
        shapes : of the leaves
        slots : the table, where guards of checks that fail hold an error flag
        stage : number of the `ResolveExtents` that has just run
        """
        view = _View(self, atoms, known, shapes)
        for step, rounds, guards in self.steps.get(stage, ()):
            if any(slots[guard] for guard in guards):
                continue
            if any(view.size(r.count) == 0 for r in rounds):
                continue
            needs = view.atoms_of(step, rounds)
            if not all(known[a] for a in needs):
                continue
            view.inspect(step)
        placed = self.steps.get(stage, ())
        if stage == FIRST and not any(
            slots[g] for *_, guards in placed for g in guards
        ):
            view.is_complete()


class _View:
    """A program with the sizes of one call."""

    def __init__(
        self,
        inspection: Inspection,
        atoms: Sequence[int],
        known: Sequence[bool],
        shapes: Sequence[Sequence[int]],
    ) -> None:
        self.program = inspection.program
        self.pointers = inspection.pointers
        self.atoms, self.known, self.shapes = atoms, known, shapes
        self.marks: dict[int, np.ndarray] = {}
        # outputs that other steps than kernels write
        self.unmarked = {
            what[1]
            for what in inspection.elsewhere
            if isinstance(what, tuple) and what[0] == "output"
        }

    # --- sizes --------------------------------------------------------------------------

    def value(self, size: SizePolynomial) -> int | None:
        """A size, None while it is not known."""
        if all(self.known[a] for a in size.atoms()):
            return size.value(self.atoms)
        return None

    def size(self, slot: int) -> int | None:
        """What a slot of a size holds."""
        return self.value(self.program.slots[slot])

    def number(self, slot: int | None) -> int:
        """What a slot holds that is known; 0 for none."""
        found = 0 if slot is None else self.size(slot)
        assert found is not None
        return found

    def atoms_of(self, step: Step, rounds: Sequence[Rounds]) -> set[int]:
        """The atoms that decide what a step touches."""
        found: set[int] = set()

        def add(slot: int | None) -> None:
            what = ZERO if slot is None else self.program.slots[slot]
            if isinstance(what, SizePolynomial):
                found.update(what.atoms())
            elif what[0] == "temp":
                found.update(self.program.temps[what[1]][0].atoms())
            elif what[0] == "output":
                for extent in self.program.outputs[what[1]][1]:
                    found.update(extent.atoms())
            elif slot in self.pointers:
                pointer, loop = self.pointers[slot]
                for part in (pointer.base, pointer.stride, pointer.offset, loop.count):
                    add(part)

        own = touched(self.program, step)
        for slot in (*own.reads, *own.writes, *own.sizes):
            add(slot)
        for loop in rounds:
            add(loop.count)
        return found

    # --- memory -------------------------------------------------------------------------

    def extent(self, slot: int) -> int:
        """Bytes of the memory whose address a slot holds."""
        kind, number = self.program.slots[slot]
        if kind == "temp":
            found = self.value(self.program.temps[number][0])
            assert found is not None
            return found
        if kind == "constant":
            return self.program.constants[number].nbytes
        if kind == "leaf":
            _, dtype, _ = self.program.leaves[number]
            return math.prod(self.shapes[number]) * ITEMSIZE[dtype]
        dtype, shape = self.program.outputs[number]
        extents: Any = [self.value(e) for e in shape]
        return math.prod(extents) * ITEMSIZE[dtype]

    def base(self, slot: int) -> tuple[int, Span]:
        """The slot of the memory behind an address, and where in it that may point."""
        found = self.pointers.get(slot)
        if found is None:
            return slot, (0, 0)
        pointer, loop = found
        memory, (low, high) = self.base(pointer.base)
        first, last = self.moved(pointer, self.number(loop.count))
        return memory, (low + first, high + last)

    def moved(self, pointer: Pointer, count: int) -> Span:
        """Least and greatest distance of a pointer from its base, in bytes."""
        start, stride = self.number(pointer.offset), self.number(pointer.stride)
        rows = range(max(count, 1))
        if pointer.modulo is not None:
            rows = range(min(pointer.modulo, count + pointer.shift))
        ends = [start + rows[k] * stride for k in (0, -1)] if rows else [start]
        return min(ends), max(ends)

    def inside(self, slot: int, span: Span, step: Step, what: str) -> None:
        """Bytes `span`, the end excluded, of what an address points to exist."""
        low, high = span
        if low == high:
            return
        memory, (first, last) = self.base(slot)
        room = self.extent(memory)
        if first + low < 0 or last + high > room:
            raise ProgramError(
                f"{what} touches bytes {first + low} to {last + high} of "
                f"{self.program.slots[memory]}, which has {room}, in {step}"
            )

    # --- steps --------------------------------------------------------------------------

    def inspect(self, step: Step) -> None:
        for slot in touched(self.program, step).writes:
            what = self.program.slots[slot]
            if not isinstance(step, Launch) and what[0] == "output":
                self.unmarked.add(what[1])
        match step:
            case Launch():
                self.launch(step)
            case Copy():
                size = self.number(step.size)
                for slot in (step.target, step.source):
                    self.inside(slot, (0, size), step, "a copy")
            case HostCall():
                call = self.program.calls[step.number]
                for slot, dtype, extents in (*call.inputs, *call.outputs):
                    count = int(
                        np.prod([self.number(e) for e in extents], dtype=np.int64)
                    )
                    self.inside(slot, (0, count * ITEMSIZE[dtype]), step, call.place)
            case Contraction():
                self.product(step)
            case Convolution():
                self.convolution(step)

    def convolution(self, step: Convolution) -> None:
        """Image, filters, result and bias lie in their memory."""
        batch, channels, filters, depth = (
            self.number(s)
            for s in (step.batch, step.channels, step.filters, step.depth)
        )
        image, made, window = (
            math.prod(self.number(s) for s in slots)
            for slots in (step.extents, step.out_extents, step.window)
        )
        for slot, count in (
            (step.x, batch * channels * image), (step.w, filters * depth * window),
            (step.y, batch * filters * made), (step.bias, filters),
        ):  # fmt: skip
            if slot is not None:
                span = (0, count * ITEMSIZE[step.dtype])
                self.inside(slot, span, step, "a convolution")

    def product(self, step: Contraction) -> None:
        rows, columns, inner = (
            self.number(s) for s in (step.rows, step.columns, step.inner)
        )
        count = 1 if step.count is None else self.number(step.count)
        if not (rows and columns and count):
            return
        size = ITEMSIZE[step.dtype]
        self.inside(step.c, (0, count * rows * columns * size), step, "a product")
        for operand, (m, n) in ((step.a, (rows, inner)), (step.b, (inner, columns))):
            if operand.transposed:
                m, n = n, m
            if not m * n:
                continue
            start = self.number(operand.offset)
            lead, batch = self.number(operand.lead), self.number(operand.batch)
            ends = [
                start + (m - 1) * lead + (n - 1) + k * batch for k in (0, count - 1)
            ]
            low = min(start, start + (count - 1) * batch)
            self.inside(
                operand.buffer, (low * size, (max(ends) + 1) * size), step, "a product"
            )

    def launch(self, step: Launch) -> None:
        kernel = self.program.kernels[step.kernel]
        sizes = {
            name: self.number(slot)
            for name, slot in zip(kernel.sizes, step.sizes, strict=True)
        }
        slots = {b.name: s for b, s in zip(kernel.buffers, step.buffers, strict=True)}
        walk = _KernelWalk(self, kernel, step, sizes, slots)
        walk.block(kernel.body, {})

    # --- results ------------------------------------------------------------------------

    def mark(self, slot: int, places: np.ndarray, item: int) -> None:
        """Note which elements, of `item` bytes, of a result a kernel writes."""
        what = self.program.slots[slot]
        if slot in self.pointers:
            memory, _ = self.base(slot)
            if self.program.slots[memory][0] == "output":
                self.unmarked.add(self.program.slots[memory][1])
        if (
            isinstance(what, SizePolynomial)
            or what[0] != "output"
            or what[1] in self.unmarked
        ):
            return
        count = self.extent(slot) // item
        if count > NOTED:
            self.unmarked.add(what[1])
            return
        marks = self.marks.setdefault(what[1], np.zeros(count, bool))
        marks[places] = True

    def is_complete(self) -> None:
        """Every element of the results that kernels alone write is written."""
        for number, (_, shape) in enumerate(self.program.outputs):
            extents = [self.value(e) for e in shape]
            if number in self.unmarked or None in extents or number not in self.marks:
                continue
            missing = np.flatnonzero(~self.marks[number])
            if missing.size:
                raise ProgramError(
                    f"{missing.size} elements of output {number}, shape {extents}, are "
                    f"not written, the first at {missing[0]}"
                )


class _KernelWalk:
    """The loops of a kernel with the sizes of one launch."""

    def __init__(
        self,
        view: _View,
        kernel: Kernel,
        step: Launch,
        sizes: Mapping[str, int],
        slots: Mapping[str, int],
    ) -> None:
        self.view, self.kernel, self.step = view, kernel, step
        self.sizes, self.slots = sizes, slots
        self.item = {b.name: ITEMSIZE[b.dtype] for b in kernel.buffers}
        self.scratch = {b.name for b in kernel.buffers if b.role == "scratch"}

    def size(self, size: int | str) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def block(self, body: Sequence[Statement], rounds: Mapping[str, int]) -> None:
        for statement in body:
            if isinstance(statement, Loop):
                count = self.size(statement.extent)
                if count > 0:
                    self.block(statement.body, {**rounds, statement.index: count})
                continue
            for expression in expressions(statement):
                if isinstance(expression, Load):
                    self.access(expression.buffer, expression.access, rounds)
            if isinstance(statement, Store):
                self.access(statement.buffer, statement.access, rounds)
                self.store(statement, rounds)

    def access(self, buffer: str, access: Access, rounds: Mapping[str, int]) -> None:
        if access.dynamic is not None:
            return
        low = high = self.size(access.offset)
        for index, stride in access.terms:
            reach = (rounds[index] - 1) * self.size(stride)
            low, high = low + min(reach, 0), high + max(reach, 0)
        item = self.item[buffer]
        self.view.inside(
            self.slots[buffer], (low * item, (high + 1) * item), self.step,
            f"{buffer} of kernel {self.kernel.name}",
        )  # fmt: skip

    def store(self, store: Store, rounds: Mapping[str, int]) -> None:
        if store.buffer in self.scratch:
            return
        slot = self.slots[store.buffer]
        if store.access.dynamic is not None:
            what = self.view.program.slots[slot]
            if not isinstance(what, SizePolynomial) and what[0] == "output":
                self.view.unmarked.add(what[1])
            return
        count = 1
        for index, _ in store.access.terms:
            count *= rounds[index]
        if count > NOTED:
            what = self.view.program.slots[slot]
            if what[0] == "output":
                self.view.unmarked.add(what[1])
            return
        places = np.full(1, self.size(store.access.offset), np.int64)
        for index, stride in store.access.terms:
            steps = np.arange(rounds[index], dtype=np.int64) * self.size(stride)
            places = np.add.outer(places, steps).ravel()
        if np.unique(places).size < places.size:
            raise ProgramError(
                f"kernel {self.kernel.name} stores to {store.buffer} twice, in {store}"
            )
        self.view.mark(slot, places, self.item[store.buffer])
