"""Every differentiable function with samples: both derivatives, Lop against Rop.

The first derivative of single functions is checked with their families; here every
sample of every table goes through ``function(mode="FAST_COMPILE")`` with a cost that
is not linear in the function, so that the derivatives of all adjoints are met as well.
What has no derivative, or only the first, is listed with the reason.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from sampling import Sample
from tables import TABLES, rows, samples_of

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.ops.polygamma import HIGHEST

#: functions of floats that give floats and whose derivative is not tested, and why;
#: it must be zero, or refused by a GradientError
WITHOUT_DERIVATIVE = {
    **dict.fromkeys(("sign", "ceil", "floor", "trunc", "rint", "round", "floor_div"),
                    "a step function: 0 where it is not undefined"),
    **dict.fromkeys(("imag", "angle"), "constant for real numbers of one sign"),
    **dict.fromkeys(("disconnected_grad", "zero_grad"), "nothing flows, by their name"),
}  # fmt: skip
#: functions whose gradient is by purpose not their derivative
ON_PURPOSE = {"grad_clip": "it clips the gradient"}
#: functions → the samples whose derivative has none itself, and why; a GradientError
WITHOUT_SECOND: dict[str, tuple[Callable[[Sample], bool], str]] = {
    "polygamma": (lambda s: s.args[0] == HIGHEST - 1, "the derivatives end at nine"),
}


def smooth(table: str, name: str) -> list[Sample]:
    """Samples with derivatives; of those with known extents, which repeat, a fourth."""
    found = [s for s in TABLES[table][name] if s.gradient]
    known = [s for s in found if s.static]
    return [s for s in found if not s.static] + known[::4]


CASES = [
    pytest.param(table, name, id=f"{table}-{name}")
    for table, name, _ in rows()
    if smooth(table, name)
]


def along(
    f: Callable[..., Any], points: list[np.ndarray], ways: list[np.ndarray]
) -> np.ndarray:
    """Derivative of f along a direction: central differences of fourth order."""
    h = 2e-4
    total = 0.0
    for factor, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
        moved = [p + factor * h * w for p, w in zip(points, ways, strict=True)]
        total = total + weight * np.asarray(f(*moved))
    return total / (12 * h)


def directions(
    random: np.random.Generator, points: list[np.ndarray]
) -> list[np.ndarray]:
    return [random.uniform(0.5, 1, p.shape) * random.choice([-1, 1], p.shape)
            for p in points]  # fmt: skip


def inner(a: list[Any], b: list[Any]) -> Variable:
    return sum(T.sum(x * y) for x, y in zip(a, b, strict=True))


def check(name: str, sample: Sample, products: bool = True) -> bool:
    """Whether there was something to check; fails where derivatives are wrong.

    `products` asks for the comparison of Rop with Lop, too.
    """
    outputs, values = sample.build(name)
    wrt = [v for v in values if v.type.dtype == "float64"]
    outputs = [v for v in outputs if v.type.dtype == "float64"]
    if not wrt or not outputs:
        return False
    fixed = {v: a for v, a in values.items() if v not in wrt}
    points = [values[v].copy() for v in wrt]
    random = np.random.default_rng(4)

    def compiled(results: Any) -> Callable[..., Any]:
        made = sg.function(
            [*wrt, *fixed], results, mode="FAST_COMPILE", on_unused_input="ignore"
        )
        return lambda *moved: made(*moved, *fixed.values())

    shapes = [a.shape for a in compiled(outputs)(*points)]
    weights = [random.uniform(0.5, 1.5, s) for s in shapes]
    cost = inner([v + 0.5 * v * v for v in outputs], weights)
    first = sg.grad(cost, wrt, disconnected_inputs="ignore")
    for v, g in zip(wrt, first, strict=True):
        assert g.type.dtype == v.type.dtype
        assert g.ndim == v.ndim
    way, other = directions(random, points), directions(random, points)
    slope = inner(first, way)
    both = compiled([cost, slope, *first])
    close = {"rtol": 1e-6, "atol": 1e-6, "err_msg": f"{name}{sample}"}
    told = both(*points)
    assert [a.shape for a in told[2:]] == [p.shape for p in points]
    np.testing.assert_allclose(
        told[1], along(lambda *p: both(*p)[0], points, way), **close
    )
    if products:
        check_products(compiled, outputs, wrt, [weights, points, way], close)
    if name in WITHOUT_SECOND and WITHOUT_SECOND[name][0](sample):
        with pytest.raises(sg.errors.GradientError):
            sg.grad(slope, wrt)
        return True
    second = sg.grad(slope, wrt, disconnected_inputs="ignore")
    bend, *seconds = compiled([inner(second, other), *second])(*points)
    assert [a.shape for a in seconds] == [p.shape for p in points]
    np.testing.assert_allclose(
        bend, along(lambda *p: both(*p)[1], points, other), **close
    )
    return True


def check_products(
    compiled: Callable[..., Any],
    outputs: list[Variable],
    wrt: list[Variable],
    arrays: list[list[np.ndarray]],
    close: Mapping[str, Any],
) -> None:
    """weights · (J way) = (weights J) · way, with Rop on the left and Lop on the right."""
    weights, points, way = arrays
    pushed = sg.Rop(outputs, wrt, way, disconnected_outputs="ignore")
    pulled = sg.Lop(outputs, wrt, weights, disconnected_inputs="ignore")
    left, right = compiled([inner(pushed, weights), inner(pulled, way)])(*points)
    np.testing.assert_allclose(left, right, **(close | {"rtol": 1e-9, "atol": 1e-9}))


@pytest.mark.parametrize("table,name", CASES)
def test_derivatives_of_both_orders_agree_with_differences(
    table: str, name: str
) -> None:
    for number, sample in enumerate(smooth(table, name)):
        check(name, sample, products=number % 4 == 0)


def test_the_tables_have_something_to_check() -> None:
    checked = sum(check(c.values[1], smooth(*c.values)[0]) for c in CASES[::9])
    assert checked > 15
    assert len(CASES) > 150


def of_floats(name: str, some: list[Sample]) -> Iterator[tuple[Variable, Any, Any]]:
    """Cost, float64 inputs and values of the samples that give float64."""
    for sample in some:
        if sample.error is None and not sample.special:
            outputs, values = sample.build(name)
            leaves = [v for v in values if v.type.dtype == "float64" and values[v].size]
            reals = [T.sum(v) for v in outputs if v.type.dtype == "float64"]
            if leaves and reals:
                yield sum(reals), leaves, values


def test_every_function_of_floats_has_a_derivative_or_is_listed_with_a_reason() -> None:
    found = {
        name
        for _, name, some in rows()
        if not any(s.gradient for s in samples_of(name))
        and any(True for _ in of_floats(name, some))
    }
    assert found == {*WITHOUT_DERIVATIVE, *ON_PURPOSE}


@pytest.mark.parametrize("name", ON_PURPOSE)
def test_what_differs_on_purpose_does_differ(name: str) -> None:
    with pytest.raises(AssertionError):
        check(name, samples_of(name)[0])


@pytest.mark.parametrize("name", WITHOUT_DERIVATIVE)
def test_what_is_listed_without_derivative_has_none(name: str) -> None:
    for cost, leaves, values in of_floats(name, samples_of(name)):
        try:
            slopes = sg.grad(cost, leaves, disconnected_inputs="ignore")
        except sg.errors.GradientError:
            continue
        assert not any(a.any() for a in evaluate(slopes, values)), name
