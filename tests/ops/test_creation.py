"""Iota, arange and what is made of them: lengths, dtypes, derivatives of ends."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph import config
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import scalar_constant
from symgraph.core.traverse import applies
from symgraph.errors import DtypeError, ShapeError
from symgraph.ops.creation import Iota


def test_iota_takes_a_length_that_is_int64_and_not_negative() -> None:
    with pytest.raises(DtypeError, match="0-d int64"):
        Iota()(T.iscalar("n"))
    with pytest.raises(ShapeError, match="length -1 is negative"):
        Iota()(scalar_constant(-1, "int64"))
    assert Iota().connection() == (False,)


def test_arange_of_an_extent_is_one_node() -> None:
    x = T.vector("x")
    made = T.arange(x.shape[0])
    assert [type(n.op).__name__ for n in applies([made])] == ["Extent", "Iota"]


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_arange_of_integers_is_int64(dtype: str) -> None:
    assert T.arange(T.scalar("n", dtype)).type.dtype == "int64"


@pytest.mark.parametrize("seed", range(40))
def test_symbolic_arange_agrees_with_python(seed: int) -> None:
    random = np.random.default_rng(seed)
    start, stop = (int(v) for v in random.integers(-9, 9, 2))
    step = int(random.choice([-3, -2, -1, 1, 2, 3]))
    a, b, c = T.lscalars("a", "b", "c")
    found = evaluate([T.arange(a, b, c)], {a: start, b: stop, c: step})[0]
    assert found.tolist() == list(range(start, stop, step))
    assert T.arange(start, stop, step).type.shape == (len(range(start, stop, step)),)


def test_linspace_ends_exactly_where_it_should() -> None:
    values = evaluate([T.linspace(0.1, 0.7, 8)])[0]
    assert values[0] == 0.1
    assert values[-1] == 0.7


def test_linspace_has_gradients_of_its_ends() -> None:
    a, b = T.dscalars("a", "b")
    slopes = evaluate(grad(T.linspace(a, b, 5).sum(), [a, b]), {a: 1.0, b: 2.0})
    assert [float(s) for s in slopes] == pytest.approx([2.5, 2.5])


def test_floatx_decides_the_dtype_of_matrices_made_of_nothing() -> None:
    with config.override(floatX="float32"):
        assert T.eye(2).type.dtype == "float32"
        assert T.tri(2).type.dtype == "float32"
        assert T.linspace(0, 1, 3).type.dtype == "float32"
        assert T.arange(0.5, 2.0).type.dtype == "float32"


def test_gradient_of_a_diagonal_lies_on_the_diagonal() -> None:
    x = T.matrix("x")
    found = evaluate([grad(T.trace(x, 1), x)], {x: np.zeros((2, 4))})[0]
    np.testing.assert_array_equal(found, np.eye(2, 4, 1))


def test_gradient_of_a_triangle_ignores_nan_outside_it() -> None:
    x = T.matrix("x")
    array = np.array([[1.0, np.nan], [2.0, 3.0]])
    value, slope = evaluate([T.tril(x).sum(), grad(T.tril(x).sum(), x)], {x: array})
    assert float(value) == 6.0
    np.testing.assert_array_equal(slope, [[1.0, 0.0], [1.0, 1.0]])
