"""Powers of halves become roots, with the values of powers at -inf and -0.0."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.graph import freeze
from symgraph.rewrite.pipeline import optimize

HALVES = (0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3.5, -3.5)
VALUES = [-np.inf, -2, -0.0, 0, 1e-30, 0.25, 4, np.inf, np.nan]


def same(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    known = ~np.isnan(wanted)
    assert np.array_equal(np.signbit(found)[known], np.signbit(wanted)[known])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", HALVES)
def test_powers_of_halves_are_those_of_numpy_everywhere(k: float, dtype: str) -> None:
    x = T.vector("x", dtype)
    graph = freeze([x], [x**k])
    result = optimize(graph).graph
    assert "pow" not in {str(node.op) for node in result.applies()}
    values = {graph.inputs[0]: np.array(VALUES, dtype)}
    with np.errstate(all="ignore"):
        wanted = np.power(np.array(VALUES, dtype), np.array(k, dtype))
        (found,) = evaluate(result.outputs, values)
    same(found, wanted)


def test_powers_of_halves_are_those_of_numpy_when_compiled() -> None:
    x = T.dvector("x")
    found = sg.function([x], [x**k for k in HALVES])(VALUES)
    with np.errstate(all="ignore"):
        for k, one in zip(HALVES, found, strict=True):
            same(one, np.power(np.array(VALUES), np.array(k)))


def test_powers_of_what_is_not_negative_are_plain_roots() -> None:
    x = T.dmatrix("x")
    for out in ((x**2).sum(axis=1) ** 0.5, T.var(x, axis=1) ** -0.5):
        names = [str(node.op) for node in optimize(freeze([x], [out])).graph.applies()]
        assert {"sqrt", "rsqrt"} & set(names)
        assert "where" not in names
