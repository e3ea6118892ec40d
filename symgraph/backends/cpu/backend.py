"""The CPU as a device: LLVM's object code in this process, on its own memory.

In: portable programs. Out: an `Executable` over mapped object code. What compiling needs
is imported when something is compiled; loading from the cache needs little.
"""

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from symgraph.backends.base import ArgumentSpec, Artifact, Backend, Options
from symgraph.backends.cpu import entry, support, threads, tile_objects, watch
from symgraph.backends.cpu.library import blas
from symgraph.backends.cpu.loader import Library, load
from symgraph.backends.cpu.target import fingerprint as machine
from symgraph.backends.roofline import Peak
from symgraph.core.cache import default_cache
from symgraph.core.graph import Graph
from symgraph.core.memory import HOST, address_of
from symgraph.core.stamp import source_stamp
from symgraph.lower.steps import Program

#: inner extents below which a product is probably no matter for tiles
THIN = 32
#: channels and filters from which on Winograd's method is used
LEAST = 16


class CpuBackend(Backend):
    """Compiles programs for this machine."""

    memory = HOST

    def fingerprint(self, options: Options) -> Any:
        """Features of the CPU, symbols of the BLAS, and what may be used."""
        library = blas()
        known = library and (library.ilp64, sorted(library.symbols))
        return machine(), known, options.blas, options.winograd

    def prepare(self, graph: Graph, options: Options) -> Callable[[], None]:
        """Compile, or load, the tiles that a graph will probably call in a thread.

        LLVM works without the interpreter's lock, so rewriting and lowering go on
        meanwhile.
        """
        families = sorted(likely_families(graph, options.winograd))
        if not families:
            return lambda: None

        def work() -> None:
            with contextlib.suppress(Exception):  # `needed` meets it again, and tells
                tile_objects.have(families, source_stamp())

        thread = threading.Thread(target=work, name="symgraph-tiles", daemon=True)
        thread.start()
        return thread.join

    def describe(self) -> Sequence[tuple[str, str]]:
        """The BLAS that NumPy multiplies matrices with, and its threads."""
        build = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        text = f"{build.get('name', 'unknown')} {build.get('version', '')}".strip()
        found = blas()
        if found is None:
            return (("blas", f"{text}, which compiled functions cannot call"),)
        return (("blas", f"{text}, {found.get_threads()} threads ({found.config})"),)

    @contextlib.contextmanager
    def calm(self) -> Iterator[None]:
        """Keep BLAS to one thread."""
        found = blas()
        before = found.get_threads() if found else 1
        try:
            if found:
                found.set_threads(1)
            yield
        finally:
            if found:
                found.set_threads(before)

    def legalize(self, program: Program, options: Options) -> Program:
        """The program with BLAS, tiles and parts for threads (native.py)."""
        from symgraph.backends.cpu.native import native
        from symgraph.backends.cpu.select import Choice

        wish = options.blas if blas() is not None else "own"
        return native(program, Choice(wish, options.winograd))

    def compile(
        self,
        program: Any,
        options: Options,
        lap: Callable[[str], None],
        ready: Callable[[], None],
    ) -> Artifact:
        """Object code with the functions `step` and `run` (driver.py)."""
        from symgraph.backends.cpu.device import module_text, needs
        from symgraph.backends.cpu.unit import compile_module, import_numba

        calls = needs(program)
        ready()
        found = symbols(calls)
        lap("libraries")
        import_numba()
        lap("import numba")
        library = blas()
        text = module_text(program, library is not None and library.ilp64)
        lap("emit")
        code = compile_module(text, found)
        lap("llvm")
        return Artifact(code, tuple(calls))

    def timed(self, program: Any, options: Options) -> "CpuTimed":
        """Object code with a clock beside each step (timed.py)."""
        from symgraph.backends.cpu.device import compile_program, needs

        library, found = blas(), symbols(needs(program))
        ilp64 = library is not None and library.ilp64
        code = compile_program(program, ilp64, found, timed=True)
        return CpuTimed(load(code, found))

    def load(self, artifact: Artifact, program: Program | None) -> "CpuExecutable":
        """Map object code."""
        return CpuExecutable(load(artifact.code, symbols(artifact.needs)))


def symbols(needs: Sequence[str]) -> dict[str, int]:
    """Addresses of BLAS, and of what `device.needs` lists."""
    library = blas()
    found = dict(library.symbols) if library is not None else {}
    found |= support.symbols()
    if needs:
        found |= threads.symbols()
        found |= tile_objects.symbols(needs[1:], source_stamp())
    return found


def likely_families(graph: Graph, winograd: int) -> set[tuple[str, str]]:
    """Families of tiles that a graph before rewriting seems to need."""
    found: set[tuple[str, str]] = set()
    for node in graph.applies():
        name, dtype = node.op.name, node.outputs[0].type.dtype
        if dtype not in ("float32", "float64"):
            continue
        if name == "dot" and node.outputs[0].ndim == 2:
            a, b = (v.type.shape for v in node.inputs)
            if min(a[-1] or THIN, b[0] or THIN) >= THIN:
                found.add(("gemm", dtype))
        elif name.startswith("convolution"):
            known = node.inputs[1].type.shape
            suits = name == "convolution" and known[2:] == (3, 3) and dtype == "float32"
            if suits and winograd and min(known[0] or 0, known[1] or 0) >= LEAST:
                found.add((f"winograd{winograd}", dtype))
            else:
                found.add(("convolution", dtype))
    return found


class CpuExecutable:
    """Mapped object code; its entries are native (entry.py)."""

    memory = HOST
    is_direct = True

    def __init__(self, library: Library) -> None:
        self.library = library
        self.step = library.address("step")
        self._run: Any = None

    def entry(
        self,
        slots: np.ndarray,
        arguments: Sequence[ArgumentSpec],
        outputs: Sequence[int],
    ) -> Callable[..., int]:
        """What runs the program once with arrays of these shapes."""
        return entry.make_entry(
            self.step, slots, arguments, outputs, keep=self.library,
            store=default_cache(),
        )  # fmt: skip

    def direct(
        self,
        fast: Callable[..., int],
        outputs: Sequence[tuple[tuple[int, ...], np.dtype]],
        single: bool,
        guard: Sequence[tuple[Any, int]],
    ) -> Callable[..., Any]:
        """The entry that makes its outputs: one array, or a list of them."""
        return entry.make_direct(fast, outputs, single, default_cache(), guard)

    def close(self, direct: Callable[..., Any]) -> None:
        """Have what `direct` made return None from now on, in every thread."""
        entry.close(direct)

    def lent(
        self,
        arrays: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        sources: Sequence[np.ndarray] = (),
        more: Sequence[int] = (),
    ) -> "HostLent":
        """The addresses of the arrays themselves."""
        return HostLent(arrays, outputs, sources)

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
        """Run the program `steps` times without the interpreter's lock."""
        if self._run is None:
            self._run = entry.make_runner(support.steps(), self.step, default_cache())
        return int(
            self._run(
                address_of(slots), steps, address_of(moves), len(moves),
                address_of(rows), len(rows), address_of(order), batch, watch, notify,
            )
        )  # fmt: skip

    def watch(self) -> np.ndarray:
        """A table by which loops ask whether to go on (watch.py)."""
        return watch.made()

    def callback(
        self, enter: Callable[[int, int], int], raised: list[Any]
    ) -> tuple[Any, int]:
        """A C function that calls `enter`, and its address."""
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        made = kind(entry.guarded(enter, raised, default_cache()))
        return made, ctypes.cast(made, ctypes.c_void_p).value or 0


class CpuTimed:
    """Object code that takes the time of each step."""

    def __init__(self, library: Library) -> None:
        self.executable = CpuExecutable(library)
        self.threads = threads.count()
        self._step = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(
            self.executable.step
        )
        self._on = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda _: 0)

    def watch(self) -> np.ndarray:
        """A watch by which loops go on however long they take."""
        return watch.made(ctypes.cast(self._on, ctypes.c_void_p).value or 0)

    def peak(self, dtype: str) -> Peak:
        """What this machine can do at best, measured once in a process."""
        from symgraph.backends.cpu.roofline import peak

        return peak(dtype, self.threads)

    def run(self, slots: np.ndarray, clock: np.ndarray) -> int:
        """Run once; nanoseconds are added to ``clock[k]`` for step k."""
        return int(self._step(address_of(slots), address_of(clock)))


class HostLent:
    """Arrays of this process where they are."""

    def __init__(
        self,
        arrays: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        sources: Sequence[np.ndarray],
    ) -> None:
        self.arrays = [address_of(a) for a in arrays]
        self.outputs = [address_of(a) for a in outputs]
        self.sources = [address_of(a) for a in sources]

    def __enter__(self) -> "HostLent":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


def backend() -> CpuBackend:
    """The one CPU of this process."""
    return _backend


_backend = CpuBackend()
