"""The same program run in other ways: what comes must be the same.

repeat     three steps in one native call
epoch      batches of rows against calls
cache      compiled again from the disk: the same bits
threads    one thread against two: the same bits
backwards  a rule is applied from right to left somewhere before compiling
debug      DEBUG has nothing to say
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from fuzz.oracles import (
    Arrays,
    Built,
    Expected,
    Skip,
    Wrong,
    arguments,
    by_reference,
    call,
    compare,
    compile_,
    restore,
)

import symgraph as sg
import symgraph.backends.cpu.partition as lowering
import symgraph.lower.block_size as grains
from symgraph.core.node import Variable
from symgraph.core.traverse import applies, leaves, replace
from symgraph.errors import NaNError, SymgraphError
from symgraph.rewrite.context import Context
from symgraph.rewrite.pattern import Bindings, compile_pattern, instantiate
from symgraph.rewrite.pipeline import all_rules
from symgraph.rewrite.rule import _DTYPES, Rule


def same_bits(
    oracle: str, got: Sequence[np.ndarray], want: Sequence[np.ndarray]
) -> None:
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        if a.shape != b.shape or a.tobytes() != b.tobytes():
            raise Wrong(oracle, f"bits: result {k}", b, a)


def near(array: np.ndarray) -> float:
    """How far two ways of one computation may be apart, where nothing else tells."""
    if array.dtype.kind not in "fc":
        return 0.0
    eps = float(np.finfo(array.dtype).eps)
    return 1e5 * eps * (1 + float(np.abs(array).max(initial=0)))


def finite(arrays: Sequence[np.ndarray]) -> bool:
    return all(np.isfinite(a).all() for a in arrays if a.dtype.kind in "fc")


def repeated(function: Any, built: Built, values: Arrays) -> bool:
    """Three calls against three steps in one."""
    start = built.state()
    args = arguments(built, values)
    restore(built, start)
    singles = [call("repeat", function, *args) for _ in range(3)]
    after = built.state()
    if not all(map(finite, singles)):
        return False
    restore(built, start)
    if len({tuple(a.shape for a in s) for s in singles}) > 1:
        return False
    together = call("repeat", lambda: function.repeat(3, *args))
    for k, stacked in enumerate(together):
        for step in range(3):
            one = singles[step][k]
            compare("repeat", f"result {k}", stacked[step], one, near(one))
    for w, b in after.items():
        compare("repeat", f"update of {w}", built.state()[w], b, near(b))
    return True


def in_batches(function: Any, built: Built, values: Arrays) -> bool:
    """Calls with single rows against an epoch."""
    args = arguments(built, values)
    rows = {a.shape[0] for a in args if a.ndim}
    static = any(e.static for e in built.program.inputs)
    if len(rows) != 1 or static or not 1 < (count := rows.pop()) < 8:
        return False
    start = built.state()
    restore(built, start)
    singles = []
    for k in range(count):
        row = [a[k : k + 1] if a.ndim else a for a in args]
        try:
            singles.append([np.asarray(a) for a in function(*row)])
        except SymgraphError:
            return False
    after = built.state()
    same = len({tuple(a.shape for a in s) for s in singles}) == 1
    if not same or not all(map(finite, singles)):
        return False
    restore(built, start)
    together = call("epoch", lambda: function.epoch(*args, batch_size=1))
    for k, stacked in enumerate(together):
        for step in range(count):
            one = singles[step][k]
            compare("epoch", f"result {k}", stacked[step], one, near(one))
    for w, b in after.items():
        compare("epoch", f"update of {w}", built.state()[w], b, near(b))
    return True


def cached(built: Built, values: Arrays, start: Arrays) -> bool:
    """Compiled twice, the second time from the disk."""
    found = []
    with tempfile.TemporaryDirectory() as folder, _cache_at(folder):
        for _ in range(2):
            restore(built, start)
            function = compile_(built, built.results, built.pairs())
            found.append(call("cache", function, *arguments(built, values)))
            found[-1] += list(built.state().values())
    same_bits("cache", found[1], found[0])
    return True


@contextlib.contextmanager
def _cache_at(folder: str) -> Iterator[None]:
    before = os.environ.get("SYMGRAPH_CACHE_DIR")
    os.environ["SYMGRAPH_CACHE_DIR"] = folder
    try:
        with sg.config.override(cache=True):
            yield
    finally:
        if before is None:
            del os.environ["SYMGRAPH_CACHE_DIR"]
        else:
            os.environ["SYMGRAPH_CACHE_DIR"] = before


def in_threads(built: Built, values: Arrays, start: Arrays) -> bool:
    """With one thread and with two, where even small loops are split."""
    found = []
    small = (grains.LEAST, grains.BLOCK, lowering.LEAST)
    grains.LEAST, grains.BLOCK, lowering.LEAST = 1, 1, 0
    try:
        for threads in (1, 2):
            restore(built, start)
            with sg.config.override(threads=threads):
                function = compile_(built, built.results, built.pairs())
                found.append(call("threads", function, *arguments(built, values)))
            found[-1] += list(built.state().values())
    finally:
        grains.LEAST, grains.BLOCK, lowering.LEAST = small
    same_bits("threads", found[1], found[0])
    return True


def debugged(built: Built, values: Arrays) -> bool:
    """DEBUG compares node by node, and must not find anything where values agree."""
    try:
        function = sg.function(
            built.inputs, built.results, updates=built.pairs(), mode="DEBUG",
            on_unused_input="ignore",
        )  # fmt: skip
        function(*arguments(built, values))
    except NaNError:
        return False
    except Exception as error:
        raise Wrong("debug", f"raised {type(error).__name__}: {error}") from error
    return True


# --- rules from right to left -----------------------------------------------------------


def _turned() -> list[tuple[Rule, Any]]:
    """Rules whose right side names all that the left side needs."""
    found = []
    for rule in all_rules():
        if rule.before is None or rule.after is None or rule.after.owner is None:
            continue
        left, right = (
            {v for v in leaves([side]) if hasattr(v, "kind")}
            for side in (rule.before, rule.after)
        )
        if left <= right and rule.when is None:
            found.append((rule, compile_pattern(rule.after)))
    return found


_RULES: list[tuple[Rule, Any]] = []


def turned(
    built: Built, random: np.random.Generator, most: int = 2
) -> tuple[list[Variable], list[str]]:
    """Results and new values with the left sides of rules in place of right ones."""
    if not _RULES:
        _RULES.extend(_turned())
    roots = [*built.results, *built.updates.values()]
    names: list[str] = []
    for _ in range(most):
        nodes = applies(roots)
        context = Context(nodes, roots)
        fits = []
        for node in nodes:
            out = node.outputs[0]
            for rule, match in _RULES:
                if len(node.outputs) == 1 and _DTYPES[rule.dtypes](out.type.dtype):
                    bound: Bindings = {}
                    if match(out, bound):
                        fits.append((rule, out, bound))
        if not fits:
            break
        rule, out, bound = fits[int(random.integers(len(fits)))]
        new = context.fit(instantiate(rule.before, bound, out.type.dtype), out)
        if new is None or new.type.dtype != out.type.dtype:
            break
        roots = replace(roots, {out: new})
        names.append(rule.name)
    return roots, names


def backwards(
    built: Built, values: Arrays, want: Expected, random: np.random.Generator
) -> bool:
    """Programs that are equal give equal values."""
    try:
        roots, names = turned(built, random)
    except SymgraphError:
        return False
    if not names:
        return False
    oracle = f"backwards, {' '.join(names)}"
    arrays, bounds = by_reference(built, roots, values, oracle)
    if not finite(arrays):
        return False
    count = len(built.results)
    wanted = [*want.results, *want.updates.values()]
    slack = [*want.bounds, *want.update_bounds.values()]
    for k, (a, b) in enumerate(zip(arrays, wanted, strict=True)):
        compare(f"{oracle} in the reference", f"root {k}", a, b, bounds[k] + slack[k])
    pairs = list(zip([v for v, _ in built.pairs()], roots[count:], strict=True))
    function = compile_(built, roots[:count], pairs)
    got = call(oracle, function, *arguments(built, values))
    got += [built.state()[w] for w in want.updates]
    for k, (a, b) in enumerate(zip(got, wanted, strict=True)):
        compare(oracle, f"root {k}", a, b, bounds[k] + slack[k])
    return True


__all__ = [
    "Skip", "backwards", "cached", "debugged", "in_batches", "in_threads", "repeated",
    "turned",
]  # fmt: skip
