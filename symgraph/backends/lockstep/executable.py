"""Runs the steps of a program one after the other over its table of slots.

In: a legalised program and its kernels as text; slots whose addresses are of the
device's memory. Out: results in that memory, and the error flag. Arguments are copied to
the device before a call, outputs from it afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from symgraph.backends.base import DONE, MISMATCH, RAISED, ArgumentSpec
from symgraph.backends.cuda.writer import CudaKernel
from symgraph.backends.lockstep.interpreter import launch
from symgraph.backends.lockstep.memory import LockstepMemory
from symgraph.core.dtypes import ITEMSIZE, NUMPY
from symgraph.core.memory import HOST, Block, held
from symgraph.lower.steps import (
    Branch,
    Copy,
    Demand,
    HostCall,
    Launch,
    Loop,
    Program,
    ResolveExtents,
    Step,
)

#: words of a watch, of which only `DONE` is used
WORDS = 8
#: steps between two calls of `notify`
OFTEN = 16


class _Failed(Exception):
    """A step has set the error flag."""


class LockstepExecutable:
    """A program that is interpreted."""

    is_direct = False

    def __init__(
        self,
        memory: LockstepMemory,
        program: Program,
        texts: Mapping[str, CudaKernel],
        races: bool = False,
    ) -> None:
        self.memory = memory
        self.program = program
        self.texts = texts
        self.races = races
        self.seed = 0  # of the order in which threads run
        self._enter: dict[int, tuple[Callable[[int, int], int], list[Any]]] = {}

    # --- what the runtime asks for ----------------------------------------------------

    def entry(
        self,
        slots: np.ndarray,
        arguments: Sequence[ArgumentSpec],
        outputs: Sequence[int],
    ) -> Callable[..., int]:
        """What runs the program once with arrays of these shapes."""
        places = [spec.slot for spec in arguments]

        def call(*arrays: np.ndarray) -> int:
            given, made = arrays[: len(arguments)], arrays[len(arguments) :]
            for array, spec in zip(given, arguments, strict=True):
                fits = array.dtype == NUMPY[spec.dtype] and array.shape == spec.shape
                if not fits or not array.flags.c_contiguous:
                    return MISMATCH
            with self.lent(given, made) as lent:
                slots[places] = lent.arrays
                slots[list(outputs)] = lent.outputs
                return self._step(slots)

        return call

    def direct(self, fast: Any, outputs: Any, single: bool, guard: Any) -> Any:
        """Not made (`is_direct`)."""
        raise AssertionError("this device has no direct entries")

    def close(self, direct: Any) -> None:
        """Nothing is open."""

    def lent(
        self,
        arrays: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        sources: Sequence[np.ndarray] = (),
        more: Sequence[int] = (),
    ) -> "DeviceLent":
        """Copies of the arrays on the device; outputs come back at the end."""
        whole = list(arrays)
        for k, by in enumerate(more):
            if by:
                size = arrays[k].nbytes + by
                whole[k] = HOST.read(arrays[k].ctypes.data, "uint8", (size,))
        return DeviceLent(self.memory, whole, outputs, sources)

    def run(
        self,
        slots: np.ndarray,
        steps: int,
        moves: np.ndarray,
        rows: np.ndarray,
        order: np.ndarray,
        batch: int,
        watch: np.ndarray,
        notify: Callable[[int], object] | None,
    ) -> int:
        """Run the program `steps` times."""
        for number in range(steps):
            watch[DONE] = number
            if notify is not None and number and number % OFTEN == 0:
                notify(number)
            chosen = order[number * batch : (number + 1) * batch]
            for slot, source, size in rows.tolist():
                target = int(slots[slot])
                for place, row in enumerate(chosen.tolist()):
                    self.memory.copy(target + place * size, source + row * size, size)
            flag = self._step(slots)
            if flag:
                return flag
            for slot, by in moves.tolist():
                slots[slot] += by
        watch[DONE] = steps
        return 0

    def watch(self) -> np.ndarray:
        """A table that nobody asks: Python hears signals itself."""
        return np.zeros(WORDS, np.int64)

    def callback(
        self, enter: Callable[[int, int], int], raised: list[Any]
    ) -> tuple[Any, int]:
        """Something to keep, and the word by which a program names `enter`."""
        raised.insert(0, enter)
        word = len(self._enter) + 1
        self._enter[word] = enter, raised
        return enter, word

    # --- steps ------------------------------------------------------------------------

    def _step(self, slots: np.ndarray) -> int:
        """One execution; returns the error flag."""
        slots[0] = 0
        try:
            self._block(self.program.steps, slots)
        except _Failed:
            pass
        return int(slots[0])

    def _block(self, steps: Sequence[Step], slots: np.ndarray) -> None:
        for step in steps:
            match step:
                case Launch():
                    self._launch(step, slots)
                case Copy(target, source, size):
                    addresses = int(slots[target]), int(slots[source])
                    self.memory.copy(*addresses, int(slots[size]))
                case Loop():
                    self._loop(step, slots)
                case Branch(condition, then, otherwise):
                    taken = then if self._bool(slots, condition) else otherwise
                    self._block(taken, slots)
                case HostCall(number):
                    self._call(slots, number)
                case ResolveExtents(number):
                    self._call(slots, -1 - number)
                case Demand(guards):
                    for guard in guards:
                        if slots[guard]:
                            slots[0] = slots[guard]
                            raise _Failed
                case _:
                    raise AssertionError(step)

    def _bool(self, slots: np.ndarray, slot: int) -> bool:
        return bool(self.memory.read(int(slots[slot]), "bool", ()))

    def _call(self, slots: np.ndarray, number: int) -> None:
        place = self.program.slots.index(("host",))
        enter, raised = self._enter[int(slots[place])]
        try:
            flag = enter(number, slots.ctypes.data)
        except BaseException as error:
            raised.append(error)
            flag = RAISED
        if flag:
            slots[0] = flag
            raise _Failed

    def _launch(self, step: Launch, slots: np.ndarray) -> None:
        kernel, text = self.program.kernels[step.kernel], self.texts[step.kernel]
        sizes = {
            n: int(slots[s]) for n, s in zip(kernel.sizes, step.sizes, strict=True)
        }
        grid = text.grid(sizes)
        given: list[Any] = []
        own: list[Block] = []
        widths: list[int] = []
        for buffer, slot in zip(kernel.buffers, step.buffers, strict=True):
            address, what = int(slots[slot]), self.program.slots[slot]
            if buffer.role == "scratch":
                size = self._bytes(what, slots) // ITEMSIZE[buffer.dtype]
                count = grid * (text.block if text.way == "map" else 1)
                block = self.memory.block(count * size * ITEMSIZE[buffer.dtype])
                own.append(block)
                widths.append(size)
                address = block.address
            elif self._is_empty(address):
                given.append(np.empty(0, NUMPY[buffer.dtype]))
                continue
            elements = self.memory.elements(address, buffer.dtype)
            if what[0] == "temp" and buffer.role != "scratch":
                size = self._bytes(what, slots) // ITEMSIZE[buffer.dtype]
                elements = elements[:size]
            given.append(elements)
        given += sizes.values()
        if "error" in text.parameters:
            error = np.zeros(1, np.int64)
            given.append(error)
        given += widths
        launch(text.source, text.name, grid, text.block, given, self.seed, self.races)
        if "error" in text.parameters and error[0]:
            slots[0] = error[0]
            raise _Failed
        del own

    def _is_empty(self, address: int) -> bool:
        return address == 0

    def _bytes(self, what: Any, slots: np.ndarray) -> int:
        size = self.program.temps[what[1]][0]
        return int(slots[self.program.slots.index(size)])

    def _loop(self, step: Loop, slots: np.ndarray) -> None:
        count = int(slots[step.count])
        done = 0
        while done < count:
            for pointer in step.pointers:
                row = done
                if pointer.modulo is not None:
                    row = (done + pointer.shift) % pointer.modulo
                far = 0 if pointer.offset is None else int(slots[pointer.offset])
                by = row * int(slots[pointer.stride])
                slots[pointer.slot] = int(slots[pointer.base]) + far + by
            self._block(step.body, slots)
            done += 1
            if step.until is not None and self._bool(slots, step.until):
                break
        if step.done is not None:
            self.memory.write(int(slots[step.done]), np.array(done, np.int64))
        for last in step.last:
            size = int(slots[last.row])
            base, target = int(slots[last.base]), int(slots[last.target])
            for j in range(last.count):
                row = (done + last.shift + j) % last.ring
                self.memory.copy(target + j * size, base + row * size, size)
        for clear in step.clears:
            size = int(slots[clear.row])
            kept = clear.first + done
            rest = int(slots[clear.count]) - kept
            if rest > 0:
                place = int(slots[clear.buffer]) + kept * size
                self.memory.write(place, np.zeros(rest * size, np.uint8))


class DeviceLent:
    """Copies of arrays on a device while something runs."""

    def __init__(
        self,
        memory: LockstepMemory,
        arrays: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        sources: Sequence[np.ndarray],
    ) -> None:
        self._memory = memory
        self._targets = outputs
        kept = [held(memory, a) for a in (*arrays, *sources)]
        self._kept: list[Block] = kept
        self._made: list[Block] = [memory.block(a.nbytes) for a in outputs]
        self.arrays = [b.address for b in kept[: len(arrays)]]
        self.sources = [b.address for b in kept[len(arrays) :]]
        self.outputs = [b.address for b in self._made]

    def __enter__(self) -> "DeviceLent":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for block, target in zip(self._made, self._targets, strict=True):
            raw = self._memory.read(block.address, "uint8", (target.nbytes,))
            np.copyto(target, raw.view(target.dtype).reshape(target.shape))
