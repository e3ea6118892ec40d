"""HostCallbacks: what Python is asked while a program runs.

A program calls back for two reasons: an op is computed in Python (LAPACK, sorting, an
op of the user), or a value has been computed that decides extents, and the slots that
wait for it are to be filled. `ExtentStages` tells what waits for which value; a `CallState`
holds what belongs to one table of slots; `HostCallbacks` is the callback through which
native code comes in. In: a Program. Out: filled slots, computed arrays; an exception is
kept for the caller.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgraph.backends.base import Executable
from symgraph.backends.reference import located
from symgraph.core.dtypes import ITEMSIZE, NUMPY
from symgraph.core.memory import Block, address_of
from symgraph.core.record import Record, fresh
from symgraph.errors import (
    DtypeError,
    IndexRangeError,
    LinearAlgebraError,
    ShapeError,
)
from symgraph.lower.block_size import block_size
from symgraph.lower.checks import INDEX_FLAG, SHAPE_FLAG
from symgraph.lower.sizes import SizePolynomial, evaluate, lates_of
from symgraph.lower.steps import Program
from symgraph.runtime.buffers import Arena, layout

if TYPE_CHECKING:
    from symgraph.runtime.inspection import Inspection

#: stage of what is known when a call binds its arguments
AT_ONCE = -1

#: makes the exception that says that a size is 1, of a message
Refusal = Callable[[str], Exception]


class Broadcasts(Exception):
    """A size is 1 at run time where the function was compiled for equal sizes."""


class Stage(Record, frozen=False):
    """Positions in a Program of what becomes known together."""

    atoms: list[int] = fresh(factory=list)
    slots: list[int] = fresh(factory=list)
    temps: list[int] = fresh(factory=list)
    outputs: list[int] = fresh(factory=list)
    checks: list[int] = fresh(factory=list)
    ranges: list[int] = fresh(factory=list)


class ExtentStages:
    """For each late value, and for the beginning, what is known from then on."""

    def __init__(self, program: Program) -> None:
        never = len(program.dynamic_extents)
        self.of_atom = [
            max((k if k >= 0 else never for k in lates_of(r)), default=AT_ONCE)
            for r in program.recipes
        ]
        self.stages = {k: Stage() for k in range(AT_ONCE, never + 1)}
        for number in range(len(program.recipes)):
            self.stages[self.of_atom[number]].atoms.append(number)
        for number, (size, *_) in enumerate(program.temps):
            self._stage(size).temps.append(number)
        temp_stage = {n: k for k, stage in self.stages.items() for n in stage.temps}
        for number, what in enumerate(program.slots):
            if isinstance(what, SizePolynomial):
                self._stage(what).slots.append(number)
            elif what[0] == "block_size":
                self._stage(what[1], what[2], what[4]).slots.append(number)
            elif what[0] == "temp":
                self.stages[temp_stage[what[1]]].slots.append(number)
            else:
                self.stages[AT_ONCE].slots.append(number)
        for number, (_, shape) in enumerate(program.outputs):
            self._stage(*shape).outputs.append(number)
        for number, c in enumerate(program.checks):
            self._stage(c.left, c.right).checks.append(number)
        for number, r in enumerate(program.ranges):
            self._stage(r.index, r.extent).ranges.append(number)

    def _stage(self, *sizes: SizePolynomial) -> Stage:
        atoms = [self.of_atom[a] for size in sizes for a in size.atoms()]
        return self.stages[max([AT_ONCE, *atoms])]

    def __getitem__(self, number: int) -> Stage:
        return self.stages[number]

    def may_broadcast(self, program: Program) -> bool:
        """Whether an extent that the function computes may turn out to broadcast."""
        late = [s.checks for k, s in self.stages.items() if k != AT_ONCE]
        return any(
            program.checks[number].broadcast for checks in late for number in checks
        )

    @property
    def late_outputs(self) -> list[int]:
        """Outputs whose shapes the function computes."""
        late = [s.outputs for k, s in self.stages.items() if k != AT_ONCE]
        return sorted(k for outputs in late for k in outputs)


class Made(Record):
    """An output whose shape was computed: its memory, dtype and shape."""

    block: Block
    dtype: str
    shape: tuple[int, ...]


class CallState(Record, frozen=False):
    """What belongs to one table of slots.

    Attributes
    ----------
    slots : int64 table
    atoms : values of the atoms that are known
    shapes, values : shapes of the leaves, and values of those that decide extents
    lates : values of the late ones
    arenas : memory for temporaries, by stage
    made : outputs whose shapes were computed
    """

    slots: np.ndarray
    atoms: list[int]
    shapes: Sequence[tuple[int, ...]]
    values: Mapping[int, np.ndarray]
    lates: dict[int, Any] = fresh(factory=dict)
    arenas: dict[int, Arena] = fresh(factory=dict)
    made: dict[int, Made] = fresh(factory=dict)


class HostCallbacks:
    """Python's side of one compiled function."""

    def __init__(
        self,
        program: Program,
        executable: Executable,
        inspection: "Inspection | None" = None,
    ) -> None:
        self.program = program
        self.executable = executable
        self.memory = executable.memory
        self.inspection = inspection
        self.stages = ExtentStages(program)
        self.used = bool(program.calls or program.dynamic_extents)
        self._raised: list[Any] = []  # the function that is called, then errors
        self._frames: dict[int, CallState] = {}
        self._output_slots = {
            what[1]: position
            for position, what in enumerate(program.slots)
            if not isinstance(what, SizePolynomial) and what[0] == "output"
        }

    @functools.cached_property
    def address(self) -> int:
        """The word by which a program calls Python; made where it is asked for."""
        # what is called lives as long as the frames
        self._door, word = self.executable.callback(self._enter, self._raised)
        return word

    def add(
        self,
        slots: np.ndarray,
        atoms: Sequence[int],
        shapes: Sequence[tuple[int, ...]],
        values: Mapping[int, np.ndarray],
    ) -> None:
        """Make a frame for a table of slots, which the frame keeps alive."""
        self._frames[address_of(slots)] = CallState(slots, list(atoms), shapes, values)

    def copy(self, slots: np.ndarray, of: np.ndarray) -> None:
        """Make a frame for a copy of a table."""
        frame = self._frames[address_of(of)]
        self.add(slots, frame.atoms, frame.shapes, frame.values)

    def drop(self, slots: np.ndarray) -> None:
        """Forget a table."""
        self._frames.pop(address_of(slots), None)

    def clear(self) -> None:
        """Forget all tables, and the memory that belongs to them."""
        self._frames.clear()

    def of(self, slots: np.ndarray) -> CallState:
        """The frame of a table."""
        return self._frames[address_of(slots)]

    def _enter(self, number: int, address: int) -> int:
        frame = self._frames[address]
        if number < 0:
            self._bind(frame, -1 - number)
        else:
            self._call(frame, number)
        return 0

    def error(self) -> BaseException:
        """What Python raised in the run that has been left with RAISED."""
        error: BaseException = self._raised.pop()
        del self._raised[1:]
        return error

    # --- ops ----------------------------------------------------------------------------

    def _call(self, frame: CallState, number: int) -> None:
        called, slots = self.program.calls[number], frame.slots
        node, place = called.node, called.place
        try:
            given = [self._array(slots, *told) for told in called.inputs]
            results = node.op.values_of(node, given)
        except (IndexRangeError, LinearAlgebraError, ShapeError) as error:
            raise located(error, node) from None
        except Exception as error:
            error.add_note(f"computed by {node.op}, at {place}")
            raise
        for k, (told, result) in enumerate(zip(called.outputs, results, strict=True)):
            slot, dtype, extents = told
            shape = tuple(int(slots[e]) for e in extents)
            found = np.asarray(result)
            if found.dtype != NUMPY[dtype]:
                raise DtypeError(
                    f"{node.op}: output {k} has dtype {found.dtype}, expected "
                    f"{dtype}, at {place}"
                )
            if found.shape != shape:
                raise ShapeError(
                    f"{node.op}: output {k} has shape {found.shape}, expected "
                    f"{shape}, at {place}"
                )
            self.memory.write(int(slots[slot]), found)

    def _array(
        self, slots: np.ndarray, slot: int, dtype: str, extents: Sequence[int]
    ) -> np.ndarray:
        """The array whose address and extents are in slots."""
        shape = [int(slots[e]) for e in extents]
        return self.memory.read(int(slots[slot]), dtype, shape)

    # --- late values --------------------------------------------------------------------

    def _bind(self, frame: CallState, number: int) -> None:
        program, stage = self.program, self.stages[number]
        extent = program.dynamic_extents[number]
        found = self._array(frame.slots, extent.slot, extent.dtype, ())
        frame.lates[number] = found.item()
        for atom in stage.atoms:
            frame.atoms[atom] = int(
                evaluate(
                    program.recipes[atom], frame.shapes, frame.values.__getitem__,
                    frame.lates,
                )
            )  # fmt: skip
        check(program, stage, frame.atoms, frame.slots, Broadcasts, late=True)
        if self.inspection is not None:
            late = self.stages.of_atom
            # later ones are those of the call before
            known = [k == AT_ONCE or (k <= number and k in frame.lates) for k in late]
            self.inspection.follow(
                frame.atoms, known, frame.shapes, frame.slots, number
            )
        self._place(frame, number, stage)
        for position in stage.slots:
            fill(program, frame.slots, position, frame.atoms)
        for output in stage.outputs:
            kind, extents = program.outputs[output]
            shape = tuple(e.value(frame.atoms) for e in extents)
            if min(shape, default=0) < 0:
                raise ShapeError(
                    f"output {output}: a computed extent is negative, {shape}"
                )
            block = self.memory.block(ITEMSIZE[kind] * math.prod(shape))
            if self.inspection is not None:
                self.memory.poison(block)
            frame.made[output] = Made(block, kind, shape)
            if output in self._output_slots:
                frame.slots[self._output_slots[output]] = block.address

    def _place(self, frame: CallState, number: int, stage: Stage) -> None:
        """Memory for the temporaries whose sizes are known now."""
        if not stage.temps:
            return
        temps = [
            (size.value(frame.atoms), first, last)
            for size, first, last in (self.program.temps[k] for k in stage.temps)
        ]
        for size, _, _ in temps:
            if size < 0:
                raise ShapeError(f"a computed extent is negative: {size} bytes")
        offsets, total = layout(temps)
        arena = frame.arenas.setdefault(number, Arena(self.memory))
        arena.reserve(total)
        if self.inspection is not None:
            arena.poison()
        starts = dict(zip(stage.temps, offsets, strict=True))
        for position in stage.slots:
            what = self.program.slots[position]
            if not isinstance(what, SizePolynomial) and what[0] == "temp":
                frame.slots[position] = arena.address + starts[what[1]]


def fill(
    program: Program, slots: np.ndarray, position: int, atoms: Sequence[int]
) -> None:
    """Put a size, or the size of the blocks of a launch, into its slot."""
    what = program.slots[position]
    if isinstance(what, SizePolynomial):
        slots[position] = what.value(atoms)
    elif what[0] == "block_size":
        _, units, work, align, scratch = what
        slots[position] = block_size(
            units.value(atoms), work.value(atoms), align, scratch.value(atoms)
        )


def check(
    program: Program,
    stage: Stage,
    atoms: Sequence[int],
    slots: np.ndarray,
    broadcasts: Refusal | None = None,
    late: bool = False,
) -> None:
    """Compare the sizes that must agree, and indices with their axes.

    What has a guard is not refused here, but where the guard is looked at. A size of 1
    that may broadcast is told by `broadcasts`, if it is given; a `late` one only where
    it is not the affair of a branch, which may not be entered. An index outside, or a
    sequence too short, is told before sizes that differ because of it.
    """
    differ = None
    for number in stage.checks:
        sizes = program.checks[number]
        a, b, guard = sizes.left.value(atoms), sizes.right.value(atoms), sizes.guard
        if guard is not None:
            slots[guard] = 0 if a == b else SHAPE_FLAG + guard
        if a == b:
            continue
        text = sizes.message.replace("{left}", str(a)).replace("{right}", str(b))
        harmless = sizes.broadcast and 1 in (a, b) and not (late and guard is not None)
        if harmless and broadcasts is not None:
            raise broadcasts(text)
        if guard is None and differ is None:
            differ = text
    for number in stage.ranges:
        place = program.ranges[number]
        i, n = place.index.value(atoms), place.extent.value(atoms)
        empty, guard = place.empty, place.guard
        fits = n > 0 if empty else -n <= i < n
        if guard is not None:
            flag = SHAPE_FLAG if empty else INDEX_FLAG
            slots[guard] = 0 if fits else flag + guard
        elif not fits:
            text = place.message.replace("{index}", str(i)).replace("{extent}", str(n))
            raise ShapeError(text) if empty else IndexRangeError(text)
    if differ is not None:
        raise ShapeError(differ)
