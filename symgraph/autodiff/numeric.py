"""Finite differences, and the check of a symbolic gradient against them.

Differences are central and of fourth order, in float64. Compiling is left to the
caller, who passes `compile`. In: a function of symbolic variables and points. Out:
nothing, or VerifyGradError naming the worst element.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.autodiff.reverse import grad
from symgraph.core.dtypes import is_float
from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError, GradientError, VerifyGradError
from symgraph.ops.families import cast

#: (inputs, outputs) → callable
Compile = Callable[[list[Variable], Any], Callable[..., Any]]

#: dtype in which a function is computed → step relative to the size of an element.
#: Rounding costs (unit roundoff / step), the formula step**4.
STEPS = {"float32": 2e-2, "float64": 1e-4}
#: dtype of the gradient → absolute and relative tolerance
TOLERANCES = {"float32": 1e-3, "float64": 1e-6}


def differences(
    cost: Callable[..., Any],
    points: Sequence[np.ndarray],
    step: float = STEPS["float64"],
) -> list[np.ndarray]:
    """d cost / d x for each element of each point, in float64.

    (cost(x - 2h) - 8 cost(x - h) + 8 cost(x + h) - cost(x + 2h)) / 12h, where h is
    `step` times the larger of 1 and abs(x).

    Parameters
    ----------
    cost : called with arrays of the shapes of `points`; gives a number
    points : float arrays

    References
    ----------
    Fornberg 1988, Generation of finite difference formulas, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> differences(lambda x: (x ** 3).sum(), [np.array([1.0, 2.0])])[0].round(6)
    array([ 3., 12.])
    """
    places = [np.array(p, np.float64) for p in points]
    slopes = []
    for place in places:
        slope = np.empty(place.shape)
        for index in np.ndindex(place.shape):
            middle = float(place[index])
            h = step * max(1.0, abs(middle))
            total, reach = 0.0, 0.0
            for factor, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
                place[index] = middle + factor * h
                total += weight * float(cost(*places))
                if factor == 1:
                    reach = float(place[index]) - middle  # h as it was added
            place[index] = middle
            slope[index] = total / (12 * reach)
        slopes.append(slope)
    return slopes


def verify(
    compile: Compile,
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: str | None = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
) -> None:
    """Compare `grad` of a random projection of `fun` with finite differences.

    As `symgraph.verify_grad`, with `compile` to make functions of expressions.
    """
    points = [np.asarray(p) for p in pt]
    for position, point in enumerate(points):
        if point.dtype.name not in STEPS:
            raise ArgumentError(
                f"verify_grad: point {position} has dtype {point.dtype}; only float32 "
                "and float64 can be moved by small steps"
            )
    random = np.random.default_rng() if rng is None else rng
    leaves = [_leaf(p, k, p.dtype.name) for k, p in enumerate(points)]
    outputs = _outputs(fun, leaves, out_type)
    doubles = [_leaf(p, k, "float64") for k, p in enumerate(points)]
    exact = _outputs(fun, doubles, None)
    shapes = [np.shape(a) for a in compile(leaves, outputs)(*points)]
    weights = [TensorType("float64", s)(f"w{k}") for k, s in enumerate(shapes)]
    slopes = grad(
        _projected(outputs, weights, "float64"), leaves, disconnected_inputs="ignore"
    )
    found = compile([*leaves, *weights], slopes)
    cost = compile([*doubles, *weights], _projected(exact, weights, "float64"))
    step = max(STEPS[v.type.dtype] for v in exact) if eps is None else eps
    for _ in range(n_tests):
        # away from zero, so that no element goes unnoticed
        vectors = [np.asarray(random.uniform(0.5, 1.5, s), np.float64) for s in shapes]
        told = found(*points, *vectors)
        real = differences(lambda *x, v=vectors: cost(*x, *v), points, step)
        dtypes = [v.type.dtype for v in (*leaves, *outputs)]
        _compare(told, real, points, dtypes, abs_tol, rel_tol)


def _leaf(point: np.ndarray, position: int, dtype: str) -> Variable:
    shape = tuple(1 if extent == 1 else None for extent in point.shape)
    made: Variable = TensorType(dtype, shape)(f"input {position}")
    return made


def _outputs(
    fun: Callable[..., Any], leaves: Sequence[Variable], out_type: str | None
) -> list[Variable]:
    result = fun(*leaves)
    values = list(result) if isinstance(result, list | tuple) else [result]
    outputs = [as_variable(v) for v in values]
    if out_type is not None:
        outputs = [cast(v, out_type) for v in outputs]
    for output in outputs:
        if not is_float(output.type.dtype):
            raise GradientError(
                f"verify_grad: the function must give real floats{listing(output)}"
            )
    return outputs


def _projected(
    outputs: Sequence[Variable], weights: Sequence[Variable], dtype: str
) -> Variable:
    terms = [
        PUBLIC["sum"](cast(v, dtype) * w) for v, w in zip(outputs, weights, strict=True)
    ]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _compare(
    told: Sequence[np.ndarray],
    real: Sequence[np.ndarray],
    points: Sequence[np.ndarray],
    dtypes: Sequence[str],
    abs_tol: float | None,
    rel_tol: float | None,
) -> None:
    loosest = max(TOLERANCES[dtype] for dtype in dtypes)
    absolute = loosest if abs_tol is None else abs_tol
    relative = loosest if rel_tol is None else rel_tol
    worst: tuple[float, int, tuple[int, ...], float, float] | None = None
    for position, (symbolic, numeric) in enumerate(zip(told, real, strict=True)):
        point = points[position]
        if symbolic.shape != point.shape or symbolic.dtype != point.dtype:
            raise VerifyGradError(
                f"verify_grad: the gradient of input {position} is {symbolic.dtype} "
                f"{symbolic.shape}, the input {point.dtype} {point.shape}"
            )
        for index in np.ndindex(numeric.shape):
            a, b = float(symbolic[index]), float(numeric[index])
            distance = abs(a - b)
            # how far outside of both tolerances; NaN counts as infinitely far
            excess = min(
                distance / absolute,
                distance / (relative * max(abs(a), abs(b), 1e-300)),
            )
            excess = excess if np.isfinite(excess) else np.inf
            if excess > 1 and (worst is None or excess > worst[0]):
                worst = (excess, position, index, a, b)
    if worst is not None:
        _, position, index, a, b = worst
        raise VerifyGradError(
            "verify_grad: the gradient and finite differences disagree\n"
            f"  input {position}, index {index}, where it is {points[position][index]}\n"
            f"  gradient     {a!r}\n"
            f"  differences  {b!r}\n"
            f"  distance     {abs(a - b):.3g}; tolerances {absolute:g} absolute, "
            f"{relative:g} relative"
        )
