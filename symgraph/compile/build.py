"""Graph → executor: the optimising pipeline behind the cache of object code.

The key of the cache is the graph before optimisation, its static shapes, the features
of the CPU and all versions that matter; a hit needs neither rewriting nor Numba. In:
a frozen Graph. Out: an Executor. `Timings` tells where the time went.
"""

import contextlib
import functools
import gc
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from symgraph.backends.cpu.library import blas
from symgraph.backends.cpu.loader import load
from symgraph.backends.cpu.target import fingerprint as machine
from symgraph.config import config
from symgraph.core.digest import digest
from symgraph.core.graph import Graph, fingerprint
from symgraph.core.inner import all_applies
from symgraph.core.node import Apply, Variable
from symgraph.core.record import Record, fresh
from symgraph.core.shared import SharedVariable
from symgraph.errors import KernelError, ProgramError
from symgraph.rewrite.registry import stamp
from symgraph.runtime.cache import default_cache
from symgraph.runtime.executor import Executor
from symgraph.runtime.image import from_json, image_of, to_json
from symgraph.version import VERSION

#: values of `config.verify` with which the sizes of each call are inspected
THOROUGH = ("on", "bounds")
#: inner extents below which a product is probably no matter for tiles
THIN = 32
#: channels and filters from which on Winograd's method is used
LEAST = 16

if TYPE_CHECKING:
    from symgraph.lower.steps import Program
    from symgraph.rewrite.engine import Optimized


class Timings(Record, frozen=False):
    """Seconds that each stage of compilation took; `cached` on a hit of the cache.

    `passes` divides the time of rewriting.
    """

    stages: dict[str, float] = fresh(factory=dict)
    cached: bool = False
    passes: dict[str, float] = fresh(factory=dict)

    def lap(self, name: str, start: float) -> float:
        """Record a stage; returns the present time."""
        now = time.perf_counter()
        self.stages[name] = self.stages.get(name, 0.0) + now - start
        return now


def optimized(graph: Graph) -> "Optimized":
    """The rewritten graph and the record of rewrites."""
    from symgraph.lower.guards import with_conditions
    from symgraph.lower.settle import settle
    from symgraph.rewrite.pipeline import optimize

    return optimize(settle(with_conditions(graph)), assume_equal=True)


def planned(
    graph: Graph,
    leaves: Sequence[Variable],
    original: Graph | None = None,
    lengths: Sequence[int | None] = (),
    verify: str = "steps",
) -> "Program":
    """The program of a rewritten graph; `leaves` are its shared variables.

    `original` is the graph before rewriting, whose sizes a call must satisfy; with
    `lengths` it is for inputs of these numbers of rows only; `verify` as in the config.
    """
    from symgraph.lower.program import plan

    library = blas() is not None
    try:
        return plan(graph, list(leaves), library, original, lengths, verify)
    except (KernelError, ProgramError):
        if verify != "steps":  # tests want to know
            raise
    # what cannot be proven in place is copied
    return plan(graph, list(leaves), library, original, lengths, verify, False)


def build(
    graph: Graph,
    leaves: Sequence[Variable],
    shared: Sequence[SharedVariable],
    lengths: Sequence[int | None] = (),
    debug: bool = False,
) -> tuple[Executor, Timings]:
    """An executor for a graph, from the cache or compiled.

    Parameters
    ----------
    graph : frozen; its shared leaves may be refined copies of the user's variables
    leaves : those leaves, in the order of `shared`
    shared : the variables whose storage the executor uses
    lengths : numbers of rows of the inputs that the executor is for; none: all
    debug : verify the program and have its kernels check their accesses
    """
    verify = "bounds" if debug else config.verify
    timings = Timings()
    start = time.perf_counter()
    library = blas()
    used = set(graph.leaves())
    names = [v.name for v in (*graph.inputs, *leaves)]
    rules = stamp()
    extra = (
        VERSION, source_stamp(), np.__version__, machine(), names, [v.type for v in leaves],
        [position for position, v in enumerate(leaves) if v in used],
        library and (library.ilp64, sorted(library.symbols)), list(lengths),
        config.blas, config.winograd, config.floatX, rules,
    )  # fmt: skip
    key = fingerprint(graph, [repr(extra)])
    start = timings.lap("key", start)
    cache = default_cache()
    places = _Places(graph)
    symbols = dict(library.symbols) if library is not None else {}
    keeps = (
        config.cache
        and rules is not None
        and is_portable(graph)
        and verify != "bounds"  # such a program is to be verified each time
    )
    found = cache.get(key) if keeps else None
    if found is not None:
        metadata, code = found
        image = from_json(metadata["image"], places.sighted)
        start = timings.lap("read cache", start)
        symbols |= needed(image.needs)
        known = host_nodes(graph)
        calls_back = [known[text] for text, *_ in image.calls]
        executor = Executor(image, load(code, symbols), shared, calls_back)
        timings.lap("load", start)
        timings.cached = True
        return executor, timings
    with _no_collection():
        from symgraph.backends.cpu.device import module_text, needs
        from symgraph.backends.cpu.unit import compile_module, import_numba

        start = timings.lap("import", start)
        early = _prepared_tiles(graph)
        result = optimized(graph)
        start = timings.lap("rewrite", start)
        timings.passes = dict(result.statistics.seconds)
        program = planned(result.graph, leaves, graph, lengths, verify)
        start = timings.lap("lower", start)
        calls = needs(program)
        if early is not None:
            early.join()
        symbols |= needed(calls)
        start = timings.lap("libraries", start)
        import_numba()
        start = timings.lap("import numba", start)
        text = module_text(program, library is not None and library.ilp64)
        start = timings.lap("emit", start)
        code = compile_module(text, symbols)
        start = timings.lap("llvm", start)
    image = image_of(program, calls)
    # who finds the object again knows the graph before rewriting alone
    if keeps and {text for text, *_ in image.calls} <= host_nodes(graph).keys():
        cache.put(key, {"image": to_json(image, places.blind)}, code)
    calls_back = [call.node for call in program.calls]
    inspection = None
    if verify in THOROUGH:
        from symgraph.runtime.inspection import Inspection

        inspection = Inspection(program)
    executor = Executor(image, load(code, symbols), shared, calls_back, inspection)
    timings.lap("load", start)
    return executor, timings


def host_nodes(graph: Graph) -> dict[str, Apply]:
    """Text of an op that is computed in Python → an application of it."""
    nodes = (node for node in all_applies(graph.roots) if node.op.host)
    return {repr(node.op): node for node in nodes}


def is_portable(graph: Graph) -> bool:
    """Whether the graph's text tells all that it computes, in every process."""
    return all(node.op.portable for node in all_applies(graph.roots))


def needed(needs: Sequence[str]) -> dict[str, int]:
    """Addresses of what a program calls beside BLAS (see `device.needs`)."""
    if not needs:
        return {}
    from symgraph.runtime import threads, tile_objects

    return threads.symbols() | tile_objects.symbols(needs[1:], source_stamp())


def _prepared_tiles(graph: Graph) -> threading.Thread | None:
    """A thread that compiles, or loads, the tiles that a graph will probably call.

    LLVM works without the interpreter's lock, so rewriting and lowering go on meanwhile.
    """
    families = sorted(likely_families(graph))
    if not families:
        return None

    def work() -> None:
        from symgraph.runtime import tile_objects

        with contextlib.suppress(Exception):  # `needed` meets it again, and tells
            tile_objects.have(families, source_stamp())

    thread = threading.Thread(target=work, name="symgraph-tiles", daemon=True)
    thread.start()
    return thread


def likely_families(graph: Graph) -> set[tuple[str, str]]:
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
            if suits and config.winograd and min(known[0] or 0, known[1] or 0) >= LEAST:
                found.add((f"winograd{config.winograd}", dtype))
            else:
                found.add(("convolution", dtype))
    return found


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the cyclic garbage collector: compiling makes much and drops little."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@functools.cache
def source_stamp() -> str:
    """Names, sizes and times of the package's own files that decide machine code.

    An object of an edited or another version of the package is never loaded.
    """
    package = Path(__file__).resolve().parent.parent
    found = []
    for folder in ("core", "ops", "autodiff", "loops", "rewrite", "rewrite/rules", "lower",
                   "backends", "backends/cpu", "runtime", "extend", "compile"):  # fmt: skip
        with os.scandir(package / folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    status = entry.stat()
                    found.append(
                        (folder, entry.name, status.st_size, status.st_mtime_ns)
                    )
    return digest(repr(sorted(found)).encode()).hexdigest()


class _Places:
    """Places of the user's code, which a cached object names by numbers.

    file:line of leaves and nodes, in an order that equal graphs share.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @functools.cached_property
    def _found(self) -> list[str]:
        variables = [*self.graph.inputs, *self.graph.leaves()]
        variables += [node.outputs[0] for node in all_applies(self.graph.roots)]
        return [f"{v.place[0]}:{v.place[1]}" for v in variables]

    @functools.cached_property
    def _numbers(self) -> list[tuple[str, str]]:
        first: dict[str, int] = {}
        for number, place in enumerate(self._found):
            first.setdefault(place, number)
        longest = sorted(first.items(), key=lambda p: -len(p[0]))
        return [(place, f"\x00{number}\x00") for place, number in longest]

    def blind(self, text: str) -> str:
        """The text with numbers for places."""
        for place, token in self._numbers:
            text = text.replace(place, token)
        return text

    def sighted(self, text: str) -> str:
        """The text with places for numbers."""
        parts = text.split("\x00")
        for k in range(1, len(parts), 2):
            number = int(parts[k])
            parts[k] = self._found[number] if number < len(self._found) else "?"
        return "".join(parts)
