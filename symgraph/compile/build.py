"""Graph → executor: the optimising pipeline behind the cache of object code.

The key of the cache is the graph before optimisation, its static shapes, the features
of the CPU and all versions that matter; a hit needs neither rewriting nor Numba. In:
a frozen Graph. Out: an Executor. `Timings` tells where the time went.
"""

import contextlib
import functools
import gc
import os
import re
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
from symgraph.core.node import Variable
from symgraph.core.record import Record
from symgraph.core.shared import SharedVariable
from symgraph.runtime.cache import default_cache
from symgraph.runtime.executor import Executor
from symgraph.runtime.image import from_json, image_of, to_json
from symgraph.version import VERSION

if TYPE_CHECKING:
    from symgraph.lower.program import Program
    from symgraph.rewrite.engine import Optimized


class Timings(Record, mutable=True):
    """Seconds that each stage of compilation took; `cached` on a hit of the cache."""

    stages: dict[str, float]
    cached: bool

    def __init__(self) -> None:
        super().__init__({}, False)

    def lap(self, name: str, start: float) -> float:
        """Record a stage; returns the present time."""
        now = time.perf_counter()
        self.stages[name] = self.stages.get(name, 0.0) + now - start
        return now


def optimized(graph: Graph) -> "Optimized":
    """The rewritten graph and the record of rewrites."""
    from symgraph.lower.settle import settle
    from symgraph.rewrite.pipeline import optimize

    return optimize(settle(graph), assume_equal=True)


def planned(
    graph: Graph, leaves: Sequence[Variable], original: Graph | None = None
) -> "Program":
    """The program of a rewritten graph; `leaves` are its shared variables.

    `original` is the graph before rewriting, whose sizes a call must satisfy.
    """
    from symgraph.lower.program import plan

    return plan(graph, list(leaves), blas() is not None, original)


def build(
    graph: Graph, leaves: Sequence[Variable], shared: Sequence[SharedVariable]
) -> tuple[Executor, Timings]:
    """An executor for a graph, from the cache or compiled.

    Parameters
    ----------
    graph : frozen; its shared leaves may be refined copies of the user's variables
    leaves : those leaves, in the order of `shared`
    shared : the variables whose storage the executor uses
    """
    timings = Timings()
    start = time.perf_counter()
    library = blas()
    used = set(graph.leaves())
    names = [v.name for v in (*graph.inputs, *leaves)]
    extra = (
        VERSION, source_stamp(), np.__version__, machine(), names, [v.type for v in leaves],
        [position for position, v in enumerate(leaves) if v in used],
        library and (library.ilp64, sorted(library.symbols)),
    )  # fmt: skip
    key = fingerprint(graph, [repr(extra)])
    start = timings.lap("key", start)
    cache = default_cache()
    places = _places(graph)
    symbols = dict(library.symbols) if library is not None else {}
    found = cache.get(key) if config.cache else None
    if found is not None:
        metadata, code = found
        image = from_json(metadata["image"], lambda text: _sighted(text, places))
        start = timings.lap("read cache", start)
        executor = Executor(image, load(code, symbols), shared)
        timings.lap("load", start)
        timings.cached = True
        return executor, timings
    with _no_collection():
        from symgraph.backends.cpu.device import compile_program

        start = timings.lap("import", start)
        result = optimized(graph)
        start = timings.lap("rewrite", start)
        program = planned(result.graph, leaves, graph)
        start = timings.lap("lower", start)
        code = compile_program(program, library is not None and library.ilp64, symbols)
        start = timings.lap("compile", start)
    image = image_of(program)
    if config.cache:
        cache.put(key, {"image": to_json(image, lambda t: _blind(t, places))}, code)
    executor = Executor(image, load(code, symbols), shared)
    timings.lap("load", start)
    return executor, timings


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
    for folder in ("core", "ops", "autodiff", "rewrite", "rewrite/rules", "lower",
                   "backends", "backends/cpu", "runtime", "compile"):  # fmt: skip
        with os.scandir(package / folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    status = entry.stat()
                    found.append(
                        (folder, entry.name, status.st_size, status.st_mtime_ns)
                    )
    return digest(repr(sorted(found)).encode()).hexdigest()


def _places(graph: Graph) -> list[str]:
    """file:line of leaves and nodes, in an order that equal graphs share."""
    variables = [*graph.inputs, *graph.leaves()]
    variables += [node.outputs[0] for node in graph.applies()]
    return [f"{v.place[0]}:{v.place[1]}" for v in variables]


def _blind(text: str, places: list[str]) -> str:
    for number, place in sorted(enumerate(places), key=lambda p: -len(p[1])):
        text = text.replace(place, f"\x00{number}\x00")
    return text


def _sighted(text: str, places: list[str]) -> str:
    def put(match: re.Match[str]) -> str:
        number = int(match.group(1))
        return places[number] if number < len(places) else "?"

    return re.sub("\x00(\\d+)\x00", put, text)
