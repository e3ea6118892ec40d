"""Compiled pooling: the same values as the reference, and the same refusals."""

import numpy as np
import pytest
from window_cases import Values, poolings

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.errors import ShapeError


@pytest.mark.parametrize("block", range(100, 108))
def test_compiled_pooling_is_the_reference(block: int) -> None:
    values: Values = {}
    outputs = []
    cases = list(poolings(block, 2, dtype=["float32", "float64"][block % 2]))
    for case in cases:
        outputs += case.outputs(values)
    function = sg.function(list(values), outputs, "FAST_RUN")
    found = function(*values.values())
    for k, (a, b) in enumerate(zip(found, evaluate(outputs, values), strict=True)):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b, str(cases[k // 5]))


def test_a_window_larger_than_the_input_of_a_call_is_refused() -> None:
    x = T.ftensor4("x")
    y = T.signal.pool.pool_2d(x, (3, 3), ignore_border=True)
    function = sg.function([x], y, "FAST_RUN")
    assert function(np.zeros((2, 1, 3, 7), "float32")).shape == (2, 1, 1, 2)
    with pytest.raises(ShapeError, match=r"the window exceeds it, at .*test_pooling"):
        function(np.zeros((2, 1, 2, 7), "float32"))


def test_one_function_serves_all_extents() -> None:
    x = T.dtensor4("x")
    y = T.signal.pool.pool_2d(x, (3, 2), False, (2, 2), mode="average_exc_pad")
    function = sg.function([x], [y, T.grad(T.sum(T.sqr(y)), x)], "FAST_RUN")
    random = np.random.default_rng(0)
    for shape in ((2, 3, 7, 8), (1, 1, 1, 1), (3, 2, 2, 9), (0, 2, 4, 4)):
        a = random.normal(size=shape)
        for found, told in zip(
            function(a), evaluate([y, T.grad(T.sum(T.sqr(y)), x)], {x: a}), strict=True
        ):
            np.testing.assert_allclose(found, told, rtol=1e-12)


def test_large_windows_are_loops_and_find_the_first_maximum() -> None:
    random = np.random.default_rng(1)
    a = random.integers(0, 5, (2, 3, 11, 13)).astype("float32")
    x = T.ftensor4("x")
    for ties in ("all", "first"):
        y = T.signal.pool.pool_2d(x, (7, 9), True, (2, 3), (3, 2), ties=ties)
        outputs = [y, T.grad(T.sum(T.sqr(y)), x)]
        function = sg.function([x], outputs, "FAST_RUN")
        for found, told in zip(function(a), evaluate(outputs, {x: a}), strict=True):
            np.testing.assert_array_equal(found, told)


def test_a_nan_goes_through_compiled_windows() -> None:
    a = np.array([[1, np.nan, 3, 4], [5, 6, 7, 8]], "float32")
    x = T.fmatrix("x")
    y = T.signal.pool.pool_2d(x, (2, 2), ignore_border=True)
    found, dx = sg.function([x], [y, T.grad(T.sum(y), x)], "FAST_RUN")(a)
    np.testing.assert_array_equal(found, [[np.nan, 8]])
    np.testing.assert_array_equal(dx, [[0, 0, 0, 0], [0, 0, 0, 1]])
