"""How samples of functions that move, make and reduce tensors are made and checked.

An argument of a sample may be a tuple or list with arrays in it; those become variables
too (0-d int64 arrays are symbolic extents). The checks compare a function's samples
with NumPy, with the inferred types and extents, with finite differences, and with the
errors they must raise. The tables are in samples_structure.py and the files it names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sampling import Sample, values

from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.text import expression
from symgraph.core.types import TensorType
from symgraph.ops.shape import inferred_extents, static


@dataclass(frozen=True, repr=False)
class Nested(Sample):
    """A sample whose arrays may stand inside tuples and lists."""

    def build(self, name: str) -> tuple[list[Variable], dict[Variable, np.ndarray]]:
        """Return outputs of the public function `name`, and its inputs' values."""
        given: dict[Variable, np.ndarray] = {}

        def made(arg: Any) -> Any:
            if isinstance(arg, list | tuple):
                return type(arg)(map(made, arg))
            if not isinstance(arg, np.ndarray):
                return arg
            shape: tuple[int | None, ...] = arg.shape
            if not self.static:
                shape = tuple(1 if extent == 1 else None for extent in shape)
            variable: Variable = TensorType(arg.dtype.name, shape)(f"x{len(given)}")
            given[variable] = arg
            return variable

        options = {key: made(value) for key, value in self.kwargs.items()}
        result = PUBLIC[name](*map(made, self.args), **options)
        return (list(result) if isinstance(result, list | tuple) else [result]), given


SAMPLES: dict[str, list[Sample]] = {}
ORACLES: dict[str, Callable[..., Any]] = {}


def floats(*shape: int, seed: int = 0, dtype: str = "float64") -> np.ndarray:
    """Return random numbers, all different."""
    return values(shape, dtype, -3, 3, seed)


def ints(*shape: int, dtype: str = "int64", seed: int = 0) -> np.ndarray:
    """Return random small integers."""
    return values(shape, dtype, -4, 4, seed)


def n(value: int) -> np.ndarray:
    """Return an extent that is symbolic."""
    return np.array(value)


def good(*args: Any, **kwargs: Any) -> list[Sample]:
    """One call, with extents unknown and with extents known."""
    return [
        Nested(args, kwargs, gradient=True),
        Nested(args, kwargs, gradient=True, static=True),
    ]


def plain(*args: Any, **kwargs: Any) -> list[Sample]:
    """As `good`, at values where there is no derivative."""
    return [Nested(args, kwargs), Nested(args, kwargs, static=True)]


def bad(error: type[Exception], *args: Any, **kwargs: Any) -> list[Sample]:
    """One call that fails while building."""
    return [Nested(args, kwargs, error=error, static=True)]


def table(oracle: Callable[..., Any], name: str, *samples: list[Sample]) -> None:
    """Register the samples of one function."""
    SAMPLES[name] = [s for group in samples for s in group]
    ORACLES[name] = oracle


ODD = floats(6, 4, 2)[::2, ::-1].T  # neither C nor F contiguous
X = floats(2, 3, 4)


def sizes(shape: Any) -> Any:
    """Return a shape, some of it symbolic, as NumPy wants it."""
    if isinstance(shape, list | tuple):
        return tuple(int(e) for e in shape)
    return tuple(map(int, shape)) if np.ndim(shape) else int(shape)


# --- checks ---------------------------------------------------------------------------


def names_of(*modules: str) -> list[str]:
    """Sampled functions that are defined in these files of ops/."""
    homes = {f"symgraph.ops.{module}" for module in modules}
    return [name for name in SAMPLES if PUBLIC[name].__module__ in homes]


def unsampled(*modules: str) -> list[str]:
    """Public functions of these files that have no samples."""
    homes = {f"symgraph.ops.{module}" for module in modules}
    sampled = {PUBLIC[name] for name in SAMPLES}
    return [
        name
        for name, function in PUBLIC.items()
        if function.__module__ in homes and function not in sampled
    ]


#: functions that forget an extent, or make one of a value
FORGETFUL = {"unbroadcast", "patternbroadcast", "arange", "nonzero", "flatnonzero",
             "nonzero_values", "compress", "where", "unique", "bincount"}  # fmt: skip


def check_values(name: str) -> None:
    """Value, dtype, static shape, extents and printing of all samples of a function."""
    for sample in SAMPLES[name]:
        if sample.error is not None:
            continue
        outputs, given = sample.build(name)
        found = evaluate(outputs, given)
        with np.errstate(all="ignore"):
            wanted = ORACLES[name](*sample.args, **sample.kwargs)
        wanted = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
        assert len(found) == len(wanted), sample
        for output, array, right in zip(
            outputs, found, map(np.asarray, wanted), strict=True
        ):
            note = f"{name}{sample}, {'known' if sample.static else 'unknown'} extents"
            assert array.dtype.name == output.type.dtype, note
            assert array.shape == right.shape, note
            assert _agree(output.type.shape, array.shape), f"{note}: {output.type}"
            loose = 1e-5 if output.type.dtype in ("float32", "complex64") else 1e-12
            np.testing.assert_allclose(array, right, loose, loose, err_msg=note)
            if all(isinstance(a, np.ndarray) for a in sample.args):
                assert array.dtype == right.dtype, note
            extents = inferred_extents(output)
            unknown = [e for e in extents if static(e) is None]
            known = iter(evaluate(unknown, given))
            read = tuple(
                int(next(known)) if static(e) is None else static(e) for e in extents
            )
            assert read == array.shape, note
            extents_given = any(
                a.dtype == "int64" and a.ndim < 2 for a in given.values()
            )
            if sample.static and name not in FORGETFUL and not extents_given:
                assert None not in output.type.shape, f"{note}: {output.type}"
            assert expression(output), note


def _agree(static_shape: tuple[int | None, ...], shape: tuple[int, ...]) -> bool:
    return len(static_shape) == len(shape) and all(
        a is None or a == b for a, b in zip(static_shape, shape, strict=True)
    )


def check_errors(name: str) -> None:
    """Failing samples raise what they say, with a text that shows the operand."""
    for sample in SAMPLES[name]:
        if sample.error is None:
            continue
        try:
            sample.build(name)
        except sample.error as error:
            text = str(error)
            assert len(text) > 15, f"{name}{sample}: {text}"
            assert "object at 0x" not in text, f"{name}{sample}: {text}"
        else:
            raise AssertionError(
                f"{name}{sample} did not raise {sample.error.__name__}"
            )


def check_gradients(name: str) -> int:
    """Derivatives of all samples against central differences; returns their number."""
    count = 0
    for sample in SAMPLES[name]:
        if not sample.gradient:
            continue
        outputs, given = sample.build(name)
        reals = [v for v in given if v.type.dtype == "float64" and given[v].size]
        outputs = [v for v in outputs if v.type.dtype == "float64"]
        if not reals or not outputs:
            continue
        shapes = [a.shape for a in evaluate(outputs, given)]
        weights = [floats(*shape, seed=9) for shape in shapes]
        cost = sum(PUBLIC["sum"](v * w) for v, w in zip(outputs, weights, strict=True))
        slopes = evaluate(grad(cost, reals, disconnected_inputs="ignore"), given)
        for variable, slope in zip(reals, slopes, strict=True):
            assert slope.shape == given[variable].shape, f"{name}{sample}"
            for place in list(np.ndindex(slope.shape))[:4]:
                numeric = _difference(cost, given, variable, place)
                np.testing.assert_allclose(
                    slope[place], numeric, 2e-5, 2e-5, err_msg=f"{name}{sample}"
                )
                count += 1
    return count


def _difference(
    cost: Any, given: dict[Variable, np.ndarray], x: Variable, place: tuple[int, ...]
) -> float:
    step = 1e-5
    ends = []
    for sign in (1, -1):
        moved = given[x].copy()
        moved[place] += sign * step
        ends.append(float(evaluate([cost], {**given, x: moved})[0]))
    return (ends[0] - ends[1]) / (2 * step)
