"""What a program is compared with: each oracle is independent of the path it checks.

    numpy      NumPy runs the text (plain.py): outputs and updates
    reference  the reference backend, for gradients
    unrolled   loops as straight code, their gradient by the reference
    slopes     finite differences of NumPy's cost
    again      a second call, with other extents and strides, and a third as the first
    alone      outputs without gradients, gradients without outputs

otherwise.py has more. Two disturbed runs tell how well each result is determined; what
hangs on the last bits is not compared (`Unstable`).
"""

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fuzz import plain, unrolled
from fuzz.plain import N, Unstable, raw
from fuzz.program import Program, drawn, run

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Op
from symgraph.core.traverse import leaves
from symgraph.errors import NotSupportedError, SymgraphError
from symgraph.ops.families import Elementwise

Arrays = Mapping[str, np.ndarray]


class Skip(Exception):
    """A program that cannot be judged; says why."""


class Wrong(Exception):
    """A program that failed."""

    def __init__(
        self, oracle: str, text: str, want: Any = None, got: Any = None
    ) -> None:
        super().__init__(f"{oracle}: {text}")
        self.oracle, self.text, self.want, self.got = oracle, text, want, got

    @property
    def kind(self) -> str:
        """What stays the same while the program is made smaller."""
        return f"{self.oracle.split(',')[0]} {self.text.split(':')[0]}"


#: faults that are known and not mended: a pattern of the message → what it is
OPEN = {
    r"ShapeError: .*\b(1 and \d+|\d+ and 1) differ": "a computed extent of 1 broadcasts",
    r"ShapeError: .*do not broadcast together": "a computed extent of 1 broadcasts",
    r"softmax.*zero-size array to reduction": "a softmax of an empty array",
    r"the shape of a result depends on values of the step": "rows of branches",
    r"new values have extent .* the part they go to has": "branches of other shapes",
    r"RewriteError: .*no end after": "rules that do not end",
}  # fmt: skip


def is_open(wrong: Wrong) -> str | None:
    """The known fault that a failure is, if it is one."""
    for pattern, name in OPEN.items():
        if re.search(pattern, wrong.text):
            return name
    return None


@dataclass
class Expected:
    """What one call must give: results and new values of shared variables."""

    results: list[np.ndarray]
    bounds: list[float]
    updates: dict[str, np.ndarray] = field(default_factory=dict)
    update_bounds: dict[str, float] = field(default_factory=dict)


# --- NumPy -------------------------------------------------------------------------------


def plainly(
    program: Program, values: Arrays, extra: Sequence[str] = ()
) -> dict[str, Any]:
    """All names of the program, by NumPy."""
    names = plain.namespace()
    names.update({n: N(np.array(a)) for n, a in values.items()})
    if plain.state.wide:
        names.update({n: plain.kept(a) for n, a in values.items()})
    lines = [*program.body(), *extra]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            run(lines, names)
    except Unstable:
        raise Skip("unstable") from None
    except (ValueError, IndexError, TypeError, AssertionError, KeyError) as error:
        raise Skip(f"numpy: {type(error).__name__}") from error
    return names


def by_numpy(
    program: Program, values: Arrays, calls: int = 0
) -> tuple[Arrays, Mapping[str, float]]:
    """Values of all statements in the call of this number, and how far each may be off."""
    with plain.counting(calls):
        return _by_numpy(program, values)


def _by_numpy(program: Program, values: Arrays) -> tuple[Arrays, Mapping[str, float]]:
    made = [n for s in program.statements for n in s.names]
    first = plainly(program, values, [f"cost = {program.cost}"] if program.wrt else [])
    if program.wrt and not np.isfinite(raw(first["cost"])):
        raise Skip("the cost is not finite")
    arrays = {n: raw(first[n]) for n in made}
    bounds = {n: 0.0 for n in made}
    for name, a in arrays.items():
        if a.dtype.kind in "fc":
            if not np.isfinite(a).all():
                raise Skip("not finite")
            bounds[name] = 64 * np.finfo(a.dtype).eps * float(np.abs(a).max(initial=0))
    for seed in (1, 2):
        with plain.settings(noise=seed):
            names = plainly(program, values)
        for name, a in arrays.items():
            b = raw(names[name])
            if a.shape != b.shape:
                raise Skip("unstable")
            if a.dtype.kind not in "fc":
                if not np.array_equal(a, b):
                    raise Skip("unstable")
            elif a.size:
                bounds[name] += 8 * float(np.abs(a - b).max())
    return arrays, bounds


# --- the reference ---------------------------------------------------------------------

EXACT = {
    "abs", "neg", "identity", "maximum", "minimum", "fmax", "fmin", "clip", "where",
    "relu", "second", "sign", "floor", "ceil", "trunc", "rint", "round_half_away",
    "copysign", "broadcast_extent", "materialize", "conj", "real", "imag",
}  # fmt: skip
ROUNDED = {
    "SumTo", "ProductOfOthers", "ScatterAdd", "Dot", "BatchedDot", "Cumulate",
    "Recurrence", "Softmax", "LogSoftmax", "LogSumExp", "Cast",
}  # fmt: skip


def _rounds(op: Op) -> bool:
    if isinstance(op, Elementwise):
        return op.scalar not in EXACT
    name = type(op).__name__
    return name in ROUNDED or (name == "Reduce" and op.combine in ("sum", "prod"))


@contextlib.contextmanager
def noisy_reference(seed: int) -> Iterator[None]:
    """The references of all ops give disturbed results."""
    original = Op.values_of

    def values_of(self: Op, node: Any, arrays: Any) -> tuple[np.ndarray, ...]:
        results = original(self, node, arrays)
        if _rounds(node.op):
            return tuple(plain.disturbed(a) for a in results)
        return results

    Op.values_of = values_of  # type: ignore[method-assign]
    try:
        with plain.settings(noise=seed):
            yield
    finally:
        Op.values_of = original  # type: ignore[method-assign]


class Built:
    """The variables of a program."""

    def __init__(self, program: Program, loops: Any = None) -> None:
        self.program = program
        space: Any = sg if loops is None else loops
        self.names: dict[str, Any] = {"sg": space, "T": T, "np": np}
        run(program.lines(), self.names)
        self.inputs = [self.names[e.name] for e in program.inputs if not e.shared]
        self.shared = {e.name: self.names[e.name] for e in program.inputs if e.shared}
        self.results = [self.names[n] for n in program.results()]
        self.updates = {w: eval(text, self.names) for w, text in program.all_updates()}

        self.counters = [
            v
            for v in leaves([*self.results, *self.updates.values()])
            if getattr(v, "default_update", None)
        ]

    def state(self) -> dict[str, np.ndarray]:
        """The present values of shared variables."""
        return {w: v.get_value() for w, v in self.shared.items()}

    def pairs(self) -> list[tuple[Any, Any]]:
        return [(self.shared[w], new) for w, new in self.updates.items()]

    def evaluated(self, roots: Sequence[Any], values: Arrays) -> list[np.ndarray]:
        given = {self.names[e.name]: values[e.name] for e in self.program.inputs}
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return [np.array(a) for a in evaluate(roots, given)]


def by_reference(
    built: Built, roots: Sequence[Any], values: Arrays, oracle: str = "reference"
) -> tuple[list[np.ndarray], list[float]]:
    """Values of roots by the reference backend, and how far each may be off."""
    try:
        arrays = built.evaluated(roots, values)
    except SymgraphError as error:
        raise Wrong(oracle, f"raised {type(error).__name__}: {error}") from error
    bounds = []
    for a in arrays:
        finite = a[np.isfinite(a)] if a.dtype.kind in "fc" else a
        eps = np.finfo(a.dtype).eps if a.dtype.kind in "fc" else 0
        bounds.append(64 * float(eps) * float(np.abs(finite).max(initial=0)))
    for seed in (1, 2):
        with noisy_reference(seed):
            moved = built.evaluated(roots, values)
        for k, (a, b) in enumerate(zip(arrays, moved, strict=True)):
            if a.shape != b.shape:
                raise Skip("unstable")
            if a.dtype.kind in "fc" and a.size:
                with np.errstate(all="ignore"):
                    gap = np.abs(a - b)
                bounds[k] += 8 * float(gap[np.isfinite(gap)].max(initial=0))
    return arrays, bounds


# --- comparisons --------------------------------------------------------------------------


def compare(
    oracle: str, name: str, got: np.ndarray, want: np.ndarray, bound: float
) -> None:
    """Raise `Wrong` if an array is not what it must be; NaN and inf are not compared."""
    if got.shape != want.shape:
        raise Wrong(
            oracle, f"shape: {name} {got.shape}, wanted {want.shape}", want, got
        )
    if got.dtype != want.dtype:
        raise Wrong(
            oracle, f"dtype: {name} {got.dtype}, wanted {want.dtype}", want, got
        )
    if got.dtype.kind not in "fc":
        if not np.array_equal(got, want):
            raise Wrong(oracle, f"value: {name}", want, got)
        return
    # what is left where terms of about 1 cancel, such as the variance of one element
    bound = max(bound, 8 * float(np.finfo(got.dtype).eps))
    with np.errstate(all="ignore"):
        off = ~(np.abs(got - want) <= bound) & np.isfinite(want)
    if off.any():
        raise Wrong(oracle, f"value: {name}", want, got)


def expected(built: Built, values: Arrays) -> Expected:
    """What a call must give, with the shared values among `values`."""
    program = built.program
    calls = int(built.counters[0].get_value()) if built.counters else 0
    arrays, bounds = by_numpy(program, values, calls)
    given = {**values, **arrays}
    outputs = [given[n] for n in program.outputs]
    found = Expected(list(outputs), [bounds.get(n, 0.0) for n in program.outputs])
    roots = [*built.results, *built.updates.values()]
    truth, slack = by_reference(built, roots, values)
    for name, a, b, bound in zip(program.outputs, truth, outputs, found.bounds):
        compare("reference against numpy", name, a, b, bound)
    count, all_ = len(program.outputs), len(program.results())
    found.results += truth[count:all_]
    found.bounds += slack[count:all_]
    own = dict(program.updates)
    for k, w in enumerate(built.updates):
        new, bound = truth[all_ + k], slack[all_ + k]
        if w in own:
            new, bound = given[own[w]], max(bounds.get(own[w], 0.0), bound)
        found.updates[w], found.update_bounds[w] = new, bound
    return found


def compile_(built: Built, results: Sequence[Any], updates: Any) -> Any:
    try:
        return sg.function(
            built.inputs, list(results), updates=updates, on_unused_input="ignore"
        )
    except NotSupportedError as error:
        raise Skip(f"not supported: {error}") from error
    except Exception as error:
        raise Wrong("compile", f"raised {type(error).__name__}: {error}") from error


def call(oracle: str, function: Any, *args: Any) -> list[np.ndarray]:
    try:
        return [np.asarray(a) for a in function(*args)]
    except Exception as error:
        raise Wrong(oracle, f"raised {type(error).__name__}: {error}") from error


def arguments(built: Built, values: Arrays, layout: str = "rows") -> list[np.ndarray]:
    """Arguments of a call: with rows, columns, or every second element in memory."""
    arrays = [values[e.name].copy() for e in built.program.inputs if not e.shared]
    if layout == "columns":
        return [np.array(a, order="F") for a in arrays]
    if layout == "strided":
        return [np.repeat(a, 2, -1)[..., ::2] if a.ndim else a for a in arrays]
    return arrays


def restore(built: Built, start: Arrays) -> None:
    """Shared values as at the start, random streams at their first call."""
    for w, value in start.items():
        built.shared[w].set_value(value)
    for counter in built.counters:
        counter.set_value(np.uint64(0))


def once(
    function: Any,
    built: Built,
    values: Arrays,
    want: Expected,
    oracle: str,
    layout: str = "rows",
) -> None:
    """One call, its results, the new shared values, and the arguments as they were."""
    args = arguments(built, values, layout)
    before = [a.copy() for a in args]
    got = call(oracle, function, *args)
    names = built.program.results()
    for name, a, b, bound in zip(names, got, want.results, want.bounds, strict=True):
        compare(oracle, name, a, b, bound)
    for w, b in want.updates.items():
        compare(oracle, f"update of {w}", built.shared[w].get_value(), b,
                want.update_bounds[w])  # fmt: skip
    for w, variable in built.shared.items():
        if w not in want.updates and not np.array_equal(
            variable.get_value(), values[w]
        ):
            raise Wrong(oracle, f"written: {w} has no update")
    for a, b in zip(args, before, strict=True):
        if not np.array_equal(a, b):
            raise Wrong(oracle, "written: an argument")


def other_values(program: Program) -> tuple[dict[str, int], dict[str, np.ndarray], str]:
    """Other extents, inputs of these, and how they lie in memory."""
    random = np.random.default_rng((program.seed, 78))
    fixed = {d for e in program.inputs if e.shared for d in e.dims}
    fixed |= {
        d for e in program.inputs for d, n in zip(e.dims, e.static) if n is not None
    }
    sizes = (0, 1, 1, 2, 3, 4, 5, 5, 8, 17)
    extents = {
        d: n if d in fixed or random.random() < 0.4 else int(random.choice(sizes))
        for d, n in program.extents.items()
    }
    layout = str(random.choice(["rows", "rows", "columns", "strided"]))
    return (
        extents,
        {e.name: drawn(e, extents, random) for e in program.inputs if not e.shared},
        layout,
    )


def again(function: Any, built: Built, values: Arrays, first: Expected) -> list[str]:
    """A second call with other extents, and a third with the first ones.

    A program without state must give in the third call what it gave in the first.
    """
    extents, other, layout = other_values(built.program)
    done = []
    for name, given in (("again", other), ("third", values)):
        now = built.state()
        try:
            if name == "third" and not built.updates and not built.counters:
                want = first
            else:
                want = expected(built, {**given, **now})
        except Skip:
            continue
        except Wrong as wrong:  # NumPy broadcasts what a type says does not
            if "raised" in wrong.text:
                continue
            raise
        oracle = f"{name}, extents {extents}, {layout}"
        once(function, built, {**given, **now}, want, oracle, layout)
        done.append(name)
    return done


def against_unrolled(program: Program, values: Arrays, want: Expected) -> bool:
    """The values of the same program without loops, by the reference."""
    steps = unrolled.steps_of(lambda: plainly(program, values))
    try:
        straight = Built(program, unrolled.Straight(steps))
    except SymgraphError:  # a row of a constant is a constant: no part to be written to
        return False
    arrays, bounds = by_reference(straight, straight.results, values, "unrolled")
    for k, name in enumerate(program.results()):
        bound = bounds[k] + want.bounds[k]
        finite = np.isfinite(arrays[k]).all() and np.isfinite(want.results[k]).all()
        if finite:
            compare("unrolled", name, want.results[k], arrays[k], bound)
    return True


def slopes(
    program: Program, values: Arrays, want: Expected, random: np.random.Generator
) -> bool:
    """The gradient along a random direction, by differences of NumPy's cost."""
    way = {n: random.normal(size=values[n].shape) for n in program.wrt}
    step = 1e-5

    def cost(t: float) -> float:
        moved = {
            n: a.astype(np.float64) if a.dtype == np.float32 else a
            for n, a in values.items()
        }
        for n, u in way.items():
            moved[n] = moved[n] + t * u
        with plain.settings(wide=True):
            names = plainly(program, moved, [f"cost = {program.cost}"])
        return float(raw(names["cost"]))

    plain.state.tied = False
    plainly(program, values, [f"cost = {program.cost}"])
    if plain.state.tied:
        return False
    try:
        left, middle, right, far = (cost(k * step) for k in (-1, 0, 1, 4))
    except Skip:
        return False
    ahead, back = (right - middle) / step, (middle - left) / step
    if abs((far - middle) / (4 * step) - ahead) > 1e-2 * (1 + abs(ahead)):
        return False  # a jump, which looks alike from both sides
    found = want.results[len(program.outputs) :]
    if not all(np.isfinite(g).all() for g in found):
        return False
    have = sum(
        float((g.astype(np.float64) * way[n]).sum())
        for n, g in zip(program.wrt, found, strict=False)
    )
    size = 1 + abs(ahead) + abs(middle)
    if not np.isfinite([ahead, back]).all() or abs(ahead - back) > 1e-3 * size:
        return False
    slack = 1e-3 if all(values[n].dtype == np.float64 for n in program.wrt) else 2e-2
    slack *= 1 + sum(float(np.abs(g).sum()) for g in found)
    if abs((ahead + back) / 2 - have) > slack * 2:
        raise Wrong("slopes", "value: gradient", (ahead + back) / 2, have)
    return True
