"""Executor: binds and runs a compiled function.

A `Binding` holds the slots for one signature (the shapes of all inputs and shared
variables, and the values of integers that decide extents): made once, then a call is
one native function. In: a Program, the mapped object code, the shared variables. Out: what
a call returns, as fresh NumPy arrays. Converting the user's arguments is left to
compile/.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgraph.backends.base import (
    DONE,
    LEFT,
    RAISED,
    ArgumentSpec,
    Executable,
)
from symgraph.core.dtypes import NUMPY
from symgraph.core.memory import address_of, held
from symgraph.core.node import Variable, listing
from symgraph.core.record import Record
from symgraph.core.shared import SharedVariable, aligned_copy, generation
from symgraph.errors import IndexRangeError, ShapeError, SymgraphError
from symgraph.lower.block_size import SERIAL
from symgraph.lower.checks import INDEX_FLAG, SHAPE_FLAG
from symgraph.lower.sizes import SizePolynomial, evaluate, reads_values
from symgraph.lower.steps import Program
from symgraph.runtime.buffers import Arena, layout, poisoned
from symgraph.runtime.host_callbacks import (
    AT_ONCE,
    Broadcasts,
    HostCallbacks,
    check,
    fill,
)

if TYPE_CHECKING:
    from symgraph.runtime.inspection import Inspection

KEPT_BINDINGS = 512
_NONE = np.zeros(0, np.int64)
#: an extent in the text of a failure; see lower/failures.py
_SLOT = re.compile(r"\{slot (\d+)\}")


class Told(Record, frozen=False):
    """How many steps are done, and who is told so now and then while they run."""

    done: int = 0
    progress: Callable[[int], object] | None = None


class Binding(Record, frozen=False):
    """The slots for one signature.

    Attributes
    ----------
    slots : int64 table, its address fixed
    outputs : (shape, dtype) of each output
    fast : the native entry: arguments, then output arrays
    arena : generation of the arena that the slots point into
    shared : generation of shared storage that the slots point into
    steps : number of steps that native loops have run
    watch : what its loops ask when a call holds the interpreter's lock: how long it
        has been
    long : whether a call lasted, so that others give that lock up
    special : what runs many steps of these shapes, once it has been made
    """

    slots: np.ndarray
    outputs: list[tuple[tuple[int, ...], np.dtype]]
    offsets: list[tuple[int, int]]
    fast: Any
    arena: int
    shared: int
    steps: int
    watch: np.ndarray
    long: bool
    special: "Executor | None" = None


class Executor:
    """Runs one compiled object."""

    def __init__(
        self,
        program: Program,
        executable: Executable,
        shared: Sequence[SharedVariable],
        inspection: "Inspection | None" = None,
    ) -> None:
        self.program = program
        self.inspection = inspection
        self.executable = executable
        self.memory = executable.memory
        self.shared = list(shared)
        self.arena = Arena(self.memory)
        self._run_arenas: list[Arena] = []
        self.bindings: dict[Any, Binding] = {}
        self.input_count = len(program.leaves) - len(self.shared)
        read: set[int] = set()
        for recipe in program.recipes:
            read |= reads_values(recipe)
        self.read_inputs = sorted(k for k in read if k < self.input_count)
        self.read_shared = sorted(k for k in read if k >= self.input_count)
        self.slot_of: dict[Any, int] = {}
        for number, what in enumerate(program.slots):
            if not isinstance(what, SizePolynomial):
                self.slot_of[what] = number
        self._constants = [held(self.memory, a) for a in program.constants]
        self.frames = HostCallbacks(program, executable, inspection)
        #: the user's variables, for error texts
        self.outputs: Sequence[Variable] = ()
        self.late_outputs = self.frames.stages.late_outputs
        #: a step may have to be made again by another form of the function
        self.may_broadcast = self.frames.stages.may_broadcast(program)

    @property
    def is_static(self) -> bool:
        """Whether shapes alone decide a call, and a call leaves them as they are."""
        return not (
            self.read_inputs
            or self.read_shared
            or self.program.resized
            or self.late_outputs
        )

    @property
    def is_native(self) -> bool:
        """Whether a call never enters Python, so that none can come between."""
        direct = self.executable.is_direct
        return direct and self.is_static and not self.frames.used

    def direct(
        self, binding: Binding, single: bool, guard: Sequence[tuple[Any, int]]
    ) -> Any:
        """The native entry that makes its outputs: one array, or a list of them.

        It returns None where a word of the guard has another value.
        """
        return self.executable.direct(binding.fast, binding.outputs, single, guard)

    def bind(self, arrays: Sequence[np.ndarray]) -> Binding:
        """The binding for these arguments.

        Raises
        ------
        ShapeError, IndexRangeError : the shapes do not fit the function
        Broadcasts : they would, with an axis of extent 1 known to broadcast
        """
        values = [v.container.array for v in self.shared]
        leaves = [*arrays, *values]
        key = (
            tuple(a.shape for a in leaves),
            tuple(leaves[k].tobytes() for k in self.read_inputs + self.read_shared),
        )
        binding = self.bindings.get(key)
        if binding is None:
            try:
                binding = self._bind(leaves)
            except SymgraphError:
                raise
            except (OverflowError, MemoryError, ValueError) as error:
                raise ShapeError(
                    f"what is computed for{listing(*self.outputs)}\n  would be too large: "
                    f"{error}\nAn extent is computed from values, or many extents are "
                    "multiplied."
                ) from None
            if len(self.bindings) >= KEPT_BINDINGS:
                oldest = self.bindings.pop(next(iter(self.bindings)))
                self.frames.drop(oldest.slots)
            self.bindings[key] = binding
        self.refresh(binding)
        return binding

    def free(self) -> None:
        """Drop all bindings."""
        self.bindings.clear()
        self.frames.clear()

    def refresh(self, binding: Binding) -> None:
        """Point the slots at the present arena and storage of shared variables."""
        slots = binding.slots
        if binding.arena != self.arena.generation:
            for slot, offset in binding.offsets:
                slots[slot] = self.arena.address + offset
            binding.arena = self.arena.generation
        if binding.shared != generation.count:
            binding.shared = generation.count
            for k, variable in enumerate(self.shared):
                place = self.slot_of.get(("leaf", self.input_count + k))
                if place is not None:
                    slots[place] = variable.container.address

    def _bind(self, leaves: Sequence[np.ndarray]) -> Binding:
        program = self.program
        shapes = [a.shape for a in leaves]
        read = self.read_inputs + self.read_shared
        values = {k: np.array(leaves[k]) for k in read}
        stages = self.frames.stages
        now = stages[AT_ONCE]
        atoms = [0] * len(program.recipes)
        for number in now.atoms:
            recipe = program.recipes[number]
            atoms[number] = int(evaluate(recipe, shapes, values.__getitem__))
        slots = np.zeros(len(program.slots) + 1, np.int64)
        check(program, now, atoms, slots, Broadcasts)
        if self.inspection is not None:
            known = [False] * len(atoms)
            for number in now.atoms:
                known[number] = True
            self.inspection.follow(atoms, known, shapes, slots)
        temps = [
            (size.value(atoms), first, last)
            for size, first, last in (program.temps[k] for k in now.temps)
        ]
        offsets, total = layout(temps)
        self.arena.reserve(total)
        start = dict(zip(now.temps, offsets, strict=True))
        asked = self.executable.watch()
        places: list[tuple[int, int]] = []
        shared_out = len(now.slots) < len(program.slots)
        for number in now.slots:
            what = program.slots[number]
            if isinstance(what, SizePolynomial):
                slots[number] = what.value(atoms)
            elif what[0] == "temp":
                places.append((number, start[what[1]]))
            elif what[0] == "constant":
                slots[number] = self._constants[what[1]].address
            elif what[0] == "block_size":
                fill(program, slots, number, atoms)
                shared_out |= slots[number] != SERIAL
            elif what[0] == "host":
                slots[number] = self.frames.address
            elif what[0] == "watch":
                slots[number] = address_of(asked)
        if shared_out and ("parallel",) in self.slot_of:
            slots[self.slot_of[("parallel",)]] = 1
        if self.frames.used:
            self.frames.add(slots, atoms, shapes, values)
        sized = set(now.outputs)
        outputs = [
            (tuple(e.value(atoms) for e in shape) if k in sized else (0,), NUMPY[dtype])
            for k, (dtype, shape) in enumerate(program.outputs)
        ]
        specs = [
            ArgumentSpec(dtype, shapes[k], self.slot_of.get(("leaf", k), self._spare()))
            for k, (_, dtype, _) in enumerate(program.leaves[: self.input_count])
        ]
        output_slots = [
            self.slot_of.get(("output", k), self._spare()) for k in range(len(outputs))
        ]
        fast = self.executable.entry(slots, specs, output_slots)
        return Binding(slots, outputs, places, fast, -1, -1, 0, asked, False)

    def _spare(self) -> int:
        """The slot that takes what no kernel reads."""
        return len(self.program.slots)

    def space(self, binding: Binding, *lead: int) -> list[np.ndarray]:
        """Fresh arrays for the outputs, behind axes of these extents.

        Raises
        ------
        ShapeError : an extent is negative, or there is not so much memory
        """
        made = []
        new = np.empty if self.inspection is None else poisoned
        for k, (shape, dtype) in enumerate(binding.outputs):
            try:
                made.append(new((*lead, *shape), dtype))
            except (ValueError, MemoryError) as error:
                what = f"output {k}"
                if k < len(self.outputs):
                    what += f"{listing(self.outputs[k])}\n "
                raise ShapeError(
                    f"{what} would have the shape {(*lead, *shape)}: {error}\nExtents "
                    "that are computed from values must not be negative, nor more than "
                    "memory holds."
                ) from None
        return made

    def elements(self, arrays: Sequence[np.ndarray]) -> int:
        """How many elements the arguments and the shared variables have."""
        elements = (math.prod(variable.container.shape) for variable in self.shared)
        return sum(elements, sum(a.size for a in arrays))

    def failure(self, flag: int, slots: np.ndarray | None = None) -> BaseException:
        """The exception for an error flag; `slots` are those of the run."""
        if flag == RAISED:
            return self.frames.error()
        text = self.program.failures.get(flag, f"error flag {flag}")
        kind = ShapeError if SHAPE_FLAG <= flag < INDEX_FLAG else IndexRangeError
        if slots is None:
            return kind(_SLOT.sub("(see the shapes)", text))
        return kind(_SLOT.sub(lambda found: str(slots[int(found[1])]), text))

    def call(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One execution with converted arguments."""
        binding = self.bind(arrays)
        if self.inspection is not None:
            self.arena.poison()
        outputs = self.space(binding)
        # what calls Python may not be begun again: it says at once that it may last
        lasts = ("watch",) in self.slot_of and (binding.long or self.frames.used)
        flag = LEFT if lasts else binding.fast(*arrays, *outputs)
        if flag == LEFT:
            binding.long = True
            flag = self._at_length(binding, arrays, outputs)
        if flag:
            raise self.failure(flag, binding.slots)
        if self.late_outputs:
            made = self.frames.of(binding.slots).made
            for k in self.late_outputs:
                late = made.pop(k)
                outputs[k] = self.memory.taken(late.block, late.dtype, late.shape)
        resized = self.program.resized
        if not resized:
            return outputs
        count = len(outputs) - len(resized)
        for position, array in zip(resized, outputs[count:], strict=True):
            self.shared[position].container.replace(aligned_copy(array))
        return outputs[:count]

    def _at_length(
        self,
        binding: Binding,
        arrays: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
    ) -> int:
        """One execution without the interpreter's lock, which hears signals."""
        asked = self.executable.watch()
        if self.frames.used:  # no thread runs it but this one
            slots, arena = binding.slots, None
        else:
            slots, arena = self._own_slots(binding)
        slots[self.slot_of[("watch",)]] = address_of(asked)
        try:
            with self.executable.lent(arrays, outputs) as lent:
                for kind, given in (("leaf", lent.arrays), ("output", lent.outputs)):
                    for k, address in enumerate(given):
                        slot = self.slot_of.get((kind, k))
                        if slot is not None:
                            slots[slot] = address
                return self.executable.run(
                    slots, 1, _NONE, _NONE, _NONE, 0, asked, None
                )
        finally:
            slots[self.slot_of[("watch",)]] = address_of(binding.watch)
            if arena is not None:
                self._run_arenas.append(arena)

    def _own_slots(self, binding: Binding) -> tuple[np.ndarray, Arena]:
        """A copy of the slots with temporaries of its own, for the time of a run.

        Other threads may call meanwhile, and so may who hears of the progress.
        """
        slots = binding.slots.copy()
        arena = self._run_arenas.pop() if self._run_arenas else Arena(self.memory)
        arena.reserve(self.arena.size)
        for slot, offset in binding.offsets:
            slots[slot] = arena.address + offset
        return slots, arena

    # --- many steps in one native call ------------------------------------------------

    def run(
        self,
        binding: Binding,
        steps: int,
        arrays: Sequence[np.ndarray],
        advance: Sequence[int],
        outputs: Sequence[np.ndarray],
        order: np.ndarray | None = None,
        batch: int = 0,
        sources: Sequence[np.ndarray] = (),
        told: "Told | None" = None,
    ) -> None:
        """`steps` executions in one call, without the GIL.

        Signals are heard meanwhile. What ends the run, such as KeyboardInterrupt, is
        raised between two steps, or where a step can be left without a trace.

        Parameters
        ----------
        binding : that of the arguments
        arrays : arguments of the first step
        advance : bytes by which each argument's address grows after a step
        outputs : arrays with a leading axis of extent `steps`
        order : row numbers, int64; each step gathers the next `batch` of them from
            those `sources` that have axes into `arrays`
        told : how many steps are done is counted there
        """
        told = Told() if told is None else told
        slots, arena = self._own_slots(binding)
        asked = self.executable.watch()
        if self.frames.used:
            self.frames.copy(slots, binding.slots)
        if ("watch",) in self.slot_of:
            slots[self.slot_of[("watch",)]] = address_of(asked)
        kept = [v.container.array for v in self.shared]
        order = _NONE if order is None else order
        before = told.done
        progress = told.progress
        notify = None if progress is None else lambda done: progress(before + done)
        try:
            more = [by * (steps - 1) for by in advance]
            with self.executable.lent(arrays, outputs, sources, more) as lent:
                moves: list[tuple[int, int]] = []
                for k, (address, by) in enumerate(
                    zip(lent.arrays, advance, strict=True)
                ):
                    slot = self.slot_of.get(("leaf", k))
                    if slot is not None:
                        slots[slot] = address
                        moves += [(slot, by)] if by else []
                for k, address in enumerate(lent.outputs):
                    slot = self.slot_of.get(("output", k))
                    if slot is not None:
                        slots[slot] = address
                        moves.append((slot, outputs[k].strides[0]))
                rows: list[tuple[int, int, int]] = []
                for k, address in enumerate(lent.sources if len(order) else ()):
                    slot = self.slot_of.get(("leaf", k))
                    if slot is not None and sources[k].ndim:
                        row = sources[k].itemsize * math.prod(sources[k].shape[1:])
                        rows.append((slot, address, row))
                table = np.array(moves, np.int64).reshape(-1, 2)
                gathers = np.array(rows, np.int64).reshape(-1, 3)
                flag = self.executable.run(
                    slots, steps, table, gathers, order, batch, asked, notify
                )
        finally:
            told.done = before + int(asked[DONE])
            self._run_arenas.append(arena)
            if self.frames.used:
                self.frames.drop(slots)
            del kept  # until here nobody may free what the steps write
        if flag:
            raise self.failure(flag, slots)
