"""Indexing expressions drawn at random: value, gradient and writing agree with NumPy."""

from typing import Any

import numpy as np
from family_checks import check_against_inferred
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_expressions import Indexing, indexings

import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable

DRAWN = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def built(case: Indexing) -> tuple[Variable, Variable, dict[Variable, Any]]:
    """x, x[index] and all values."""
    x = case.variable(case.x, "x")
    index: Any = case.symbolic[0] if len(case.symbolic) == 1 else case.symbolic
    return x, x[index], case.values


@DRAWN
@given(indexings())
def test_value_and_gradient_are_numpys(case: Indexing) -> None:
    x, part, values = built(case)
    wanted = case.x[case.key]
    weights = np.random.default_rng(1).normal(size=wanted.shape)
    (g,) = grad(T.sum(part * weights), [x])
    value, slope = evaluate([part, g], values)
    assert value.shape == wanted.shape
    assert np.array_equal(value, wanted)
    told = np.zeros_like(case.x)
    np.add.at(told, case.key, weights)
    np.testing.assert_allclose(slope, told, 1e-12, 1e-12)
    check_against_inferred([part, g], values)


@DRAWN
@given(indexings(), st.booleans(), st.data())
def test_setting_and_adding_are_numpys(
    case: Indexing, known: bool, data: st.DataObject
) -> None:
    _, part, values = built(case)
    region = case.x[case.key].shape
    shape = [1 if data.draw(st.integers(0, 5)) == 0 else e for e in region]
    shape = shape[data.draw(st.integers(0, len(shape))) :]
    new = np.random.default_rng(2).normal(size=shape)
    y = T.TensorType("float64", tuple(shape) if known else (None,) * len(shape))("y")
    values[y] = new
    put, added = T.set_subtensor(part, y), T.inc_subtensor(part, y)
    wanted, total = case.x.copy(), case.x.copy()
    wanted[case.key] = new
    np.add.at(total, case.key, new)
    got, sums = evaluate([put, added], values)
    assert np.array_equal(got, wanted)
    np.testing.assert_allclose(sums, total, 1e-12, 1e-12)
