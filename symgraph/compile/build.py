"""Graph → executor: the optimising pipeline behind the cache of object code.

The key of the cache is the graph before optimisation, its static shapes, what the
device says of itself and all versions that matter; a hit needs neither rewriting nor
Numba. In: a frozen Graph and options. Out: an Executor. `Timings` tells where the time
went, `Lowered` what was made.
"""

import contextlib
import functools
import gc
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from symgraph.backends.base import Artifact, Options
from symgraph.backends.registry import backend_of
from symgraph.config import config
from symgraph.core.cache import default_cache
from symgraph.core.graph import Graph, fingerprint
from symgraph.core.inner import all_applies
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.record import Record, fresh
from symgraph.core.shared import SharedVariable
from symgraph.core.stamp import source_stamp
from symgraph.errors import KernelError, ProgramError
from symgraph.lower.program_json import from_json, to_json
from symgraph.rewrite.registry import stamp, using
from symgraph.runtime.executor import Executor
from symgraph.version import VERSION

if TYPE_CHECKING:
    from symgraph.lower.steps import Program
    from symgraph.rewrite.engine import Optimized

#: values of `config.verify` with which the sizes of each call are inspected
THOROUGH = ("on", "bounds")


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


def optimized(
    graph: Graph, all_passes: bool = True, leaves: Sequence[Variable] | None = None
) -> "Optimized":
    """The rewritten graph and the record of rewrites; `leaves` as for `planned`."""
    from symgraph.lower.guards import with_requirements
    from symgraph.lower.resolve_sum_to import resolve_sum_to
    from symgraph.rewrite.pipeline import REQUIRED, optimize

    passes = None if all_passes else REQUIRED
    if leaves is None:
        found = [v for v in graph.leaves() if not isinstance(v, Constant)]
        leaves = [v for v in found if v not in graph.inputs]
    kept = with_requirements(graph, [*graph.inputs, *leaves])
    return optimize(resolve_sum_to(kept), passes, assume_equal=True)


def planned(
    graph: Graph,
    leaves: Sequence[Variable],
    original: Graph | None = None,
    fixed_rows: Sequence[int | None] = (),
    verify: str = "steps",
) -> "Program":
    """The program of a rewritten graph; `leaves` are its shared variables.

    `original` is the graph before rewriting, whose sizes a call must satisfy; with
    `fixed_rows` it is for inputs of these numbers of rows only; `verify` as in the config.
    """
    from symgraph.lower.program import plan

    try:
        return plan(graph, list(leaves), original, fixed_rows, verify)
    except (KernelError, ProgramError):
        if verify != "steps":  # tests want to know
            raise
    # what cannot be proven in place is copied
    return plan(graph, list(leaves), original, fixed_rows, verify, False)


class Lowered(Record):
    """What a function runs, as values that print.

    Attributes
    ----------
    rewritten : the rewritten graph and its firings
    program : the portable program
    native : the same in steps of the device
    """

    rewritten: "Optimized"
    program: "Program"
    native: "Program"


def lowered(
    graph: Graph,
    leaves: Sequence[Variable],
    options: Options,
    fixed_rows: Sequence[int | None] = (),
    timings: "Timings | None" = None,
) -> Lowered:
    """Rewrite and lower a graph with a function's options."""
    timings = Timings() if timings is None else timings
    start = time.perf_counter()
    with under(options):
        result = optimized(graph, options.optimize, leaves)
        start = timings.lap("rewrite", start)
        timings.passes = dict(result.statistics.seconds)
        program = planned(result.graph, leaves, graph, fixed_rows, options.verify)
    native = backend_of(options.device).legalize(program, options)
    timings.lap("lower", start)
    return Lowered(result, program, native)


@contextlib.contextmanager
def under(options: Options) -> Iterator[None]:
    """Rewrite with the rules and dtypes that a function was made with."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(using(options.rules))
        if options.floatX != config.floatX:
            stack.enter_context(config.override(floatX=options.floatX))
        yield


def build(
    graph: Graph,
    leaves: Sequence[Variable],
    shared: Sequence[SharedVariable],
    options: Options,
    fixed_rows: Sequence[int | None] = (),
) -> tuple[Executor, Timings, Lowered | None]:
    """An executor for a graph, from the cache or compiled.

    Parameters
    ----------
    graph : frozen; its shared leaves may be refined copies of the user's variables
    leaves : those leaves, in the order of `shared`
    shared : the variables whose storage the executor uses
    options : of the function
    fixed_rows : numbers of rows of the inputs that the executor is for; none: all

    Returns
    -------
    the executor, where the time went, and what was lowered if it was not in the cache
    """
    timings = Timings()
    start = time.perf_counter()
    backend = backend_of(options.device)
    used = set(graph.leaves())
    names = [v.name for v in (*graph.inputs, *leaves)], names_within(graph)
    with using(options.rules):
        rules = stamp()
    extra = (
        VERSION, source_stamp(), np.__version__, options.device,
        backend.fingerprint(options), names, [v.type for v in leaves],
        [position for position, v in enumerate(leaves) if v in used], list(fixed_rows),
        options.floatX, rules, options.optimize,
    )  # fmt: skip
    key = fingerprint(graph, [repr(extra)])
    start = timings.lap("key", start)
    cache = default_cache()
    places, hosts = SourceLocations(graph), HostNodes(graph)
    keeps = (
        options.cache
        and rules is not None
        and is_portable(graph)
        and options.verify != "bounds"  # such a program is to be verified each time
    )
    found = cache.get(key) if keeps else None
    if found is not None:
        metadata, code = found
        program = from_json(metadata["program"], places.restore_locations, hosts.found)
        start = timings.lap("read cache", start)
        loaded = backend.load(Artifact(code, tuple(metadata["needs"])), None)
        executor = Executor(program, loaded, shared)
        timings.lap("load", start)
        timings.cached = True
        return executor, timings, None
    with _no_collection():
        ready = backend.prepare(graph, options)
        made = lowered(graph, leaves, options, fixed_rows, timings)
        start = time.perf_counter()

        def lap(stage: str) -> None:
            nonlocal start
            start = timings.lap(stage, start)

        artifact = backend.compile(made.native, options, lap, ready)
    # who finds the object again knows the graph before rewriting alone
    numbers = {call.node: hosts.number(call.node) for call in made.native.calls}
    if keeps and artifact.code and None not in numbers.values():
        manifest = to_json(made.native, places.strip_locations, host=numbers.get)
        metadata = {"program": manifest, "needs": artifact.needs}
        cache.put(key, metadata, artifact.code)
    inspection = None
    if options.verify in THOROUGH:
        from symgraph.runtime.inspection import Inspection

        inspection = Inspection(made.program)
    loaded = backend.load(artifact, made.native)
    executor = Executor(made.native, loaded, shared, inspection)
    timings.lap("load", start)
    return executor, timings, made


def names_within(graph: Graph) -> list[tuple[int, int, str]]:
    """The names of what is computed, and read in inner graphs: errors tell them."""
    return [
        (number, k, v.name)
        for number, node in enumerate(all_applies(graph.roots))
        for k, v in enumerate((*node.outputs, *node.inputs))
        if v.name
    ]


class HostNodes:
    """What Python computes for a graph, by numbers that equal graphs share."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @functools.cached_property
    def found(self) -> dict[int, Apply]:
        """Number → application."""
        hosts = (node for node in all_applies(self.graph.roots) if node.op.host)
        return dict(enumerate(hosts))

    def number(self, node: Apply) -> int | None:
        """The number of an application, or of what it was before rewriting.

        None where there is none with its op.
        """
        text, place = repr(node.op), node.outputs[0].place
        names = [v.name for v in node.inputs]
        same = [k for k, other in self.found.items() if repr(other.op) == text]

        def distance(k: int) -> tuple[bool, bool, bool]:
            other = self.found[k]
            named = [v.name for v in other.inputs]
            return other is not node, other.outputs[0].place != place, named != names

        return min(same, key=distance, default=None)


def is_portable(graph: Graph) -> bool:
    """Whether the graph's text tells all that it computes, in every process."""
    return all(node.op.portable for node in all_applies(graph.roots))


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


class SourceLocations:
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

    def strip_locations(self, text: str) -> str:
        """The text with numbers for places."""
        for place, token in self._numbers:
            text = text.replace(place, token)
        return text

    def restore_locations(self, text: str) -> str:
        """The text with places for numbers."""
        parts = text.split("\x00")
        for k in range(1, len(parts), 2):
            number = int(parts[k])
            parts[k] = self._found[number] if number < len(self._found) else "?"
        return "".join(parts)
