"""Every differentiable function with samples: both derivatives, Lop against Rop.

The first derivative of single functions is checked with their families; here each
sample goes through ``function(mode="FAST_COMPILE")`` with a cost that is not linear in
the function, so that the derivatives of all adjoints are met as well.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from sampling import Sample
from tables import TABLES

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.node import Variable


def smooth(table: str, name: str) -> list[Sample]:
    """Samples with derivatives: two of each elementwise function, else up to six."""
    found = [s for s in TABLES[table][name] if s.gradient]
    if table == "samples":
        return [found[0], found[-1]] if found else []
    known = [s for s in found if s.static][:1]
    unknown = [s for s in found if not s.static]
    return known + unknown[:: -(-len(unknown) // 5) or 1]


CASES = [
    pytest.param(table, name, id=f"{table}-{name}")
    for table in TABLES
    for name in TABLES[table]
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


def twice(name: str, points: list[np.ndarray]) -> bool:
    """Whether there is a second derivative: that of digamma states that it has none."""
    return name != "digamma"


def directions(
    random: np.random.Generator, points: list[np.ndarray]
) -> list[np.ndarray]:
    return [random.uniform(0.5, 1, p.shape) * random.choice([-1, 1], p.shape)
            for p in points]  # fmt: skip


def inner(a: list[Any], b: list[Any]) -> Variable:
    return sum(T.sum(x * y) for x, y in zip(a, b, strict=True))


def check(name: str, sample: Sample) -> bool:
    """Whether there was something to check; fails where derivatives are wrong."""
    outputs, values = sample.build(name)
    wrt = [v for v in values if v.type.dtype == "float64" and values[v].size]
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
    if twice(name, points):
        second = sg.grad(slope, wrt, disconnected_inputs="ignore")
        bend = compiled(inner(second, other))(*points)
        np.testing.assert_allclose(
            bend, along(lambda *p: both(*p)[1], points, other), **close
        )
        check_products(compiled, outputs, wrt, [weights, points, way], close)
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
    for sample in smooth(table, name):
        check(name, sample)


def test_the_tables_have_something_to_check() -> None:
    checked = sum(check(c.values[1], smooth(*c.values)[0]) for c in CASES[::9])
    assert checked > 15
    assert len(CASES) > 150
