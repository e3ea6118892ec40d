"""Scaling and centring of arrays and of expressions."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.data import Rescale, Standardize
from symgraph.errors import DataError


@pytest.mark.parametrize("made", [Rescale(0.5), Rescale(2.0, -1.0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_expression_gives_what_an_array_gives(made, dtype):
    x = T.TensorType(dtype, (None, 3))("x")
    rows = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
    found = sg.function([x], made(x))(rows)
    assert found.dtype == dtype
    assert found == pytest.approx(made(rows), rel=1e-6)


def test_standardized_rows_have_mean_0_and_deviation_1():
    rows = np.random.default_rng(0).normal(3, 5, size=(50, 4))
    rows[:, 2] = 7.0
    made = Standardize.of(rows)
    found = made(rows)
    assert found.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-12)
    assert found.std(axis=0) == pytest.approx([1, 1, 0, 1])
    x = T.fmatrix("x")
    single = rows.astype(np.float32)
    assert sg.function([x], made(x))(single) == pytest.approx(found, abs=1e-5)


def test_a_deviation_of_0_is_refused():
    with pytest.raises(DataError, match="not above 0"):
        Standardize([0.0], [0.0])
