"""Means of no rows: what divides by their number divides no sum of them by 0."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

x = T.dmatrix("x")
W = T.dmatrix("W")
z = T.dmatrix("z")
s = T.dscalar("s")
ROWS = {"x": np.zeros((0, 2)), "W": np.ones((2, 3)), "z": np.zeros((0, 3)), "s": 2.0}


def gradient(cost):
    return [sg.grad(cost, W)]


PROGRAMS = {
    "sum of quotients": lambda: [(x / x.shape[0]).sum(), (x / x.shape[0]).sum(0)],
    "sum of products": lambda: [(x * (1.0 / x.shape[0])).sum()],
    "number of elements": lambda: [(x / x.size).sum(0)],
    "a factor beside it": lambda: [(x * (s / x.shape[0])).sum(0)],
    "product of matrices": lambda: [T.dot(x.T, x / x.shape[0])],
    "mean square": lambda: gradient(T.sqr(T.dot(x, W) - z).mean()),
    "mean of sums": lambda: gradient(T.sqr(T.dot(x, W) - z).sum(1).mean()),
    "sum by hand": lambda: gradient(T.sqr(T.dot(x, W) - z).sum() / x.shape[0]),
    "sigmoids": lambda: gradient(T.sqr(T.nnet.sigmoid(T.dot(x, W)) - z).mean()),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_sum_of_nothing_is_zero(name: str) -> None:
    outputs = PROGRAMS[name]()
    graph = sg.function([x, W, z, s], outputs, on_unused_input="ignore")
    for found in graph(ROWS["x"], ROWS["W"], ROWS["z"], ROWS["s"]):
        np.testing.assert_array_equal(found, np.zeros_like(found))
    rng = np.random.default_rng(3)
    given = rng.normal(size=(4, 2)), ROWS["W"], rng.normal(size=(4, 3)), 2.0
    plain = sg.function(
        [x, W, z, s], outputs, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    for found, wanted in zip(graph(*given), plain(*given), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_another_extent_stays_as_it_is() -> None:
    """A number of rows that is 0 while the sum is not empty makes it infinite."""
    f = sg.function([x, z], [(x / z.shape[0]).sum(), T.sqr(x).sum() / z.shape[0]])
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(f(np.ones((2, 2)), ROWS["z"]), [np.inf, np.inf])
    rules = sg.function([x], (x / x.shape[0]).sum()).explain()
    assert "scalar_out_of_sum" in str(rules)
