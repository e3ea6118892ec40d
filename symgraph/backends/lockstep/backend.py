"""Lockstep: a device that needs no hardware, for tests of everything that a GPU runs.

Kernels are the text that the CUDA writer makes, products and convolutions among them
(backends/plain.py); the interpreter runs every thread of every block. Values live in a
memory apart from that of this process (memory.py). In: portable programs. Out: an
`Executable` whose steps Python runs one after the other. It is some ten thousand times
slower than the CPU.
"""

from collections.abc import Callable
from typing import Any

from symgraph.backends import plain
from symgraph.backends.base import Artifact, Backend, Options
from symgraph.backends.cuda.writer import CudaKernel, write
from symgraph.backends.lockstep.executable import LockstepExecutable
from symgraph.backends.lockstep.memory import LockstepMemory
from symgraph.core.record import fresh
from symgraph.lower.independence import with_independence
from symgraph.lower.sizes import SizePolynomial
from symgraph.lower.steps import (
    Contraction,
    Convolution,
    Launch,
    Program,
    Step,
    changed,
)


class LockstepProgram(Program, frozen=False):
    """A program all of whose steps are launches, or Python's affair.

    `texts` are its kernels as text; with `races` their threads are watched.
    """

    texts: dict[str, CudaKernel] = fresh(factory=dict)
    races: bool = False


class LockstepBackend(Backend):
    """Interprets programs. Its text is the same everywhere, and it has no speed."""

    def __init__(self) -> None:
        self.memory = LockstepMemory()

    def legalize(self, program: Program, options: Options) -> LockstepProgram:
        """The program with plain kernels, whose independent loops are marked."""
        fields = {name: getattr(program, name) for name in Program.fields}
        made = LockstepProgram(**fields)
        made.slots, made.kernels = list(program.slots), {}
        made.races = options.verify == "bounds"
        table = _Table(made)

        def chosen(step: Step) -> Any:
            match step:
                case Launch():
                    return table.launched(program.kernels[step.kernel], step)
                case Contraction():
                    return table.launched(*plain.product(step, "product", table), False)
                case Convolution():
                    return table.launched(
                        *plain.convolution(step, step.kind, table), False
                    )
            return step

        made.steps = changed(program.steps, chosen)
        made.texts = {name: write(kernel) for name, kernel in made.kernels.items()}
        return made

    def compile(
        self,
        program: Any,
        options: Options,
        lap: Callable[[str], None],
        ready: Callable[[], None],
    ) -> Artifact:
        """Nothing is kept on disk: the text is made in no time."""
        ready()
        return Artifact(b"", ())

    def load(self, artifact: Artifact, program: Any) -> LockstepExecutable:
        """What interprets a legalised program."""
        return LockstepExecutable(self.memory, program, program.texts, program.races)


class _Table:
    """Slots and kernels of a program that is being made."""

    def __init__(self, program: LockstepProgram) -> None:
        self.program = program
        self.names: dict[Any, str] = {}
        self.slots: dict[Any, int] = {}
        for number, what in enumerate(program.slots):
            self.slots.setdefault(what, number)

    def size(self, slot: int) -> SizePolynomial:
        """What a slot means."""
        found = self.program.slots[slot]
        assert isinstance(found, SizePolynomial)
        return found

    def slot(self, key: SizePolynomial) -> int:
        """The slot of a size."""
        found = self.slots.get(key)
        if found is None:
            found = self.slots[key] = len(self.program.slots)
            self.program.slots.append(key)
        return found

    def launched(self, kernel: Any, step: Launch, folds: bool = True) -> Launch:
        """The launch of a kernel whose loops are marked for the sizes of this step.

        Without `folds` a thread adds up all terms of a sum itself.
        """
        for slot in step.buffers:
            what = self.program.slots[slot]
            if what[0] == "temp":  # a launch asks for its size
                self.slot(self.program.temps[what[1]][0])
        slots = zip(kernel.sizes, step.sizes, strict=True)
        sizes = {name: self.size(slot) for name, slot in slots}
        proven = with_independence(kernel, sizes, folds)
        key = proven.replace(name="", origin=())
        name = self.names.get(key)
        if name is None:
            name = self.names[key] = f"{kernel.name}_{len(self.names)}"
            self.program.kernels[name] = proven.replace(name=name)
        return step.replace(kernel=name)


def backend() -> LockstepBackend:
    """The one device of this process."""
    return _backend


_backend = LockstepBackend()
