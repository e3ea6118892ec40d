"""What a device offers: the only file of the backends that other floors know.

A `Backend` makes of a portable program (lower/steps.py) one of its own steps, compiles
that to bytes which may be kept on disk, and loads such bytes. What is loaded, an
`Executable`, is bound to tables of slots by the runtime, and called. Addresses in slots
are of the backend's memory (core/memory.py). `registry.py` knows which backends there
are.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from symgraph.backends.roofline import Peak
from symgraph.core.graph import Graph
from symgraph.core.memory import Memory
from symgraph.core.record import Record
from symgraph.errors import NotSupportedError

if TYPE_CHECKING:  # not needed where programs come from the cache
    from symgraph.lower.steps import Program

#: an entry's answer that no call was made: the arrays are not as specified
MISMATCH = -1
#: a program was left because its watch said so: whoever called holds the interpreter's
#: lock, and takes another way for what lasts
LEFT = 1 << 61
#: a program was left because Python raised an exception
RAISED = 1 << 62
#: word of a watch: whole steps of `run` so far
DONE = 3


class Options(Record):
    """What a function is compiled with; captured when it is made.

    Attributes
    ----------
    device : where it runs
    blas, winograd, floatX, verify, cache : as in `symgraph.config`
    rules : rules of the user that were registered
    optimize : run all passes; otherwise those without which there is no program
    """

    device: str
    blas: str
    winograd: int
    floatX: str
    verify: str
    cache: bool
    rules: Any = None
    optimize: bool = True


class ArgumentSpec(Record):
    """What an argument must be: dtype, exact shape, and the slot of its address."""

    dtype: str
    shape: tuple[int, ...]
    slot: int


class Artifact(Record):
    """A compiled program: what is kept on disk.

    Attributes
    ----------
    code : bytes that `Backend.load` understands; none where nothing is worth keeping
    needs : what they call, as text
    """

    code: bytes
    needs: tuple[str, ...]


class Executable(Protocol):
    """A loaded program."""

    @property
    def memory(self) -> Memory:
        """Where its slots point."""

    @property
    def is_direct(self) -> bool:
        """Whether `direct` makes entries."""

    def entry(
        self,
        slots: np.ndarray,
        arguments: Sequence[ArgumentSpec],
        outputs: Sequence[int],
    ) -> Callable[..., int]:
        """What runs the program once: ``entry(*arrays, *output_arrays)`` → error flag.

        Parameters
        ----------
        slots : int64 table of the program, which stays where it is
        arguments : what each array must be
        outputs : slot of the address of each output
        """

    def direct(
        self,
        entry: Callable[..., int],
        outputs: Sequence[tuple[tuple[int, ...], np.dtype]],
        single: bool,
        guard: Sequence[tuple[Any, int]],
    ) -> Callable[..., Any]:
        """An entry that makes its outputs; None where a guard's word has changed."""

    def close(self, direct: Callable[..., Any]) -> None:
        """Have what `direct` made return None from now on, in every thread."""

    def lent(
        self,
        arrays: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        sources: Sequence[np.ndarray] = (),
        more: Sequence[int] = (),
    ) -> "Lent":
        """Where the device sees these arrays while a run lasts.

        Parameters
        ----------
        arrays : arguments of the first step
        outputs : what is written
        sources : whole arrays of which rows are gathered
        more : bytes behind each of `arrays` that later steps read
        """

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
        """Run the program `steps` times without the interpreter's lock → error flag.

        Before each step, `batch` rows for each of `rows` (slot of the gathered copy's
        address, address of the source, bytes of a row) are gathered in the order of
        `order`; after it each slot of `moves` (slot, bytes) grows. Signals are heard;
        ``watch[DONE]`` counts whole steps, `notify` is told them now and then.
        """

    def watch(self) -> np.ndarray:
        """A table by which loops ask whether to go on; ("watch",) has its address."""

    def callback(
        self, enter: Callable[[int, int], int], raised: list[Any]
    ) -> tuple[Any, int]:
        """Something to keep, and the word for slot ("host",) that has `enter` called.

        `enter` is given the number of a call and the address of the slots; what it
        raises goes to `raised`, and the program is left with RAISED.
        """


class Timed(Protocol):
    """A program that takes the time of each of its steps."""

    @property
    def executable(self) -> Executable:
        """What the runtime binds."""

    @property
    def threads(self) -> int:
        """How many threads it may use."""

    def watch(self) -> np.ndarray:
        """A watch by which loops go on however long they take."""

    def run(self, slots: np.ndarray, clock: np.ndarray) -> int:
        """Run once; nanoseconds are added to ``clock[k]`` for step k → error flag."""

    def peak(self, dtype: str) -> Peak:
        """What the device can do at best with "float32" or "float64"."""


class Lent(Protocol):
    """Addresses of arrays on the device; outputs come back at the end of a ``with``."""

    @property
    def arrays(self) -> Sequence[int]: ...
    @property
    def outputs(self) -> Sequence[int]: ...
    @property
    def sources(self) -> Sequence[int]: ...

    def __enter__(self) -> Any: ...

    def __exit__(self, *failure: Any) -> None: ...


class Backend(Protocol):
    """A device that compiles and runs programs.

    A class that derives from it states `memory`, `legalize`, `compile` and `load`; what
    else it does not state is as here.
    """

    memory: Memory

    def fingerprint(self, options: Options) -> Any:
        """What of machine and libraries decides the code; part of the cache's key."""
        return ""

    def prepare(self, graph: Graph, options: Options) -> Callable[[], None]:
        """Begin, beside the rewriting of a graph, what it will need; returns the wait."""
        return lambda: None

    def describe(self) -> Sequence[tuple[str, str]]:
        """What ``symgraph doctor`` prints of it: topics, with a line of text each."""
        return ()

    def calm(self) -> AbstractContextManager[None]:
        """A while in which its libraries use one thread: no call waits for others."""
        return nullcontext()

    def legalize(self, program: "Program", options: Options) -> "Program":
        """The program in steps of this device, at the same places."""

    def compile(
        self,
        program: "Program",
        options: Options,
        lap: Callable[[str], None],
        ready: Callable[[], None],
    ) -> Artifact:
        """Compile a legalised program; `lap` is told of the end of each stage."""

    def timed(self, program: "Program", options: Options) -> Timed:
        """The program with a clock beside each step.

        Raises
        ------
        NotSupportedError : a device on which time means nothing
        """
        raise NotSupportedError(
            f"profile: times mean nothing on the device {options.device!r}; profile the "
            "function on the device that it is meant for"
        )

    def load(self, artifact: Artifact, program: "Program | None") -> Executable:
        """Load what was compiled; `program`, if it was compiled just now, is it."""
