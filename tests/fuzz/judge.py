"""Which oracles a program is given to, and in which order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from fuzz import otherwise, quick, unrolled
from fuzz.oracles import (
    Arrays,
    Built,
    Expected,
    Skip,
    Wrong,
    again,
    against_unrolled,
    arguments,
    by_numpy,
    call,
    compare,
    compile_,
    expected,
    once,
    restore,
    slopes,
)
from fuzz.program import Program

from symgraph.errors import SymgraphError

#: oracle → how often it is asked, of the programs that it fits
OFTEN = {
    "unrolled": 0.6, "slopes": 0.3, "again": 0.6, "alone": 0.12, "repeat": 0.3,
    "epoch": 0.3, "cache": 0.015, "threads": 0.03, "backwards": 0.1, "debug": 0.01,
    "optimized": 0.1,
}  # fmt: skip


def check(program: Program, oracles: Sequence[str] | None = None) -> list[str]:
    """Compare a program with its oracles; their names. Raises `Skip` or `Wrong`."""
    random = np.random.default_rng((program.seed, 77))
    asked = {o for o, p in OFTEN.items() if random.random() < p}
    if oracles is not None:
        asked = set(oracles)
    with quick.compiling("optimized" not in asked):
        return _check(program, asked, random)


def _check(program: Program, asked: set[str], random: np.random.Generator) -> list[str]:
    values = dict(program.values)
    by_numpy(program, values)
    built = _built(program)
    want = expected(built, values)
    done = ["numpy", "reference"]

    def did(name: str, answered: bool) -> None:
        if answered:
            done.append(name)

    if "unrolled" in asked and unrolled.fits(program):
        did("unrolled", against_unrolled(program, values, want))
    if "slopes" in asked and program.wrt:
        did("slopes", slopes(program, values, want, random))
    function = compile_(built, built.results, built.pairs())
    start = built.state()
    once(function, built, values, want, "call")
    if "again" in asked:
        done += again(function, built, values, want)
    for name, way in (("repeat", otherwise.repeated), ("epoch", otherwise.in_batches)):
        if name in asked and (built.updates or built.counters):
            restore(built, start)
            did(name, way(function, built, values))
    restore(built, start)
    if "alone" in asked and program.wrt:
        alone(built, values, want)
        done.append("alone")
    restore(built, start)
    for name, other in (("cache", otherwise.cached), ("threads", otherwise.in_threads)):
        if name in asked:
            did(name, other(built, values, start))
            restore(built, start)
    if "backwards" in asked:
        did("backwards", otherwise.backwards(built, values, want, random))
        restore(built, start)
    if "debug" in asked and not built.counters:
        did("debug", otherwise.debugged(built, values))
        restore(built, start)
    return done


def _built(program: Program) -> Built:
    try:
        return Built(program)
    except SymgraphError as error:
        raise Skip(f"refused: {type(error).__name__}: {error}") from error
    except Exception as error:
        raise Wrong("build", f"raised {type(error).__name__}: {error}") from error


def alone(built: Built, values: Arrays, want: Expected) -> None:
    """Outputs without gradients, and gradients without outputs."""
    count = len(built.program.outputs)
    start = built.state()
    parts: list[tuple[Any, Any, Any]] = [
        (built.results[:count], want.results[:count], want.bounds[:count]),
        (built.results[count:], want.results[count:], want.bounds[count:]),
    ]
    for results, some, bounds in parts:
        restore(built, start)
        got = call("alone", compile_(built, results, []), *arguments(built, values))
        for k, a in enumerate(got):
            compare("alone", f"result {k}", a, some[k], bounds[k])
