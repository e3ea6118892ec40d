"""Reductions: dtypes of results, ties, zeros and NaN in gradients, decompositions."""

from typing import Any

import numpy as np
import pytest
from sampling import SPECIAL

import symgraph as sg
import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.text import expression
from symgraph.core.traverse import applies
from symgraph.errors import ArgumentError, AxisError, DtypeError, ShapeError
from symgraph.ops.reduction import ArgReduce, Reduce


@pytest.mark.parametrize(
    ("method", "dtype", "expected"),
    [
        ("sum", "int8", "int64"), ("sum", "int32", "int64"), ("sum", "bool", "int64"),
        ("sum", "uint8", "uint64"), ("sum", "float32", "float32"),
        ("prod", "int8", "int64"), ("mean", "int32", "float64"),
        ("mean", "bool", "float64"), ("mean", "float32", "float32"),
        ("var", "int16", "float64"), ("std", "float32", "float32"),
        ("var", "complex64", "float32"), ("max", "int8", "int8"),
        ("argmax", "float32", "int64"), ("any", "float32", "bool"),
        ("all", "int8", "bool"), ("norm", "float32", "float32"),
        ("norm", "int32", "float64"),
    ],
)  # fmt: skip
def test_dtype_of_the_result_is_that_of_theano(
    method: str, dtype: str, expected: str
) -> None:
    assert getattr(T, method)(T.vector("x", dtype)).type.dtype == expected


def test_explicit_dtypes_are_obeyed() -> None:
    x = T.fmatrix("x")
    assert x.sum(dtype="float64").type.dtype == "float64"
    assert x.mean(dtype="float64", acc_dtype="float32").type.dtype == "float64"
    assert T.imatrix("i").mean(dtype="float32").type.dtype == "float32"


def test_keepdims_gives_axes_that_broadcast() -> None:
    x = T.matrix("x", shape=(None, 5))
    assert x.max(axis=0, keepdims=True).type.broadcastable == (True, False)
    assert (x - x.mean(axis=1, keepdims=True)).type.shape == (None, 5)
    assert x.argmax(axis=1, keepdims=True).type.shape == (None, 1)


@pytest.mark.parametrize("combine", ["max", "min"])
def test_gradient_of_an_extreme_goes_to_all_that_equal_it(combine: str) -> None:
    x = T.vector("x")
    slope = grad(getattr(T, combine)(x), x)
    array = np.array([1.0, 3.0, 1.0, 3.0, 2.0])
    extreme = array.max() if combine == "max" else array.min()
    np.testing.assert_array_equal(
        evaluate([slope], {x: array})[0], (array == extreme).astype(float)
    )


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]),
        ([0.0, 0.0, 4.0], [0.0, 0.0, 0.0]),
        ([-0.0, 3.0, 4.0], [12.0, 0.0, 0.0]),
        ([], []),
    ],
)
def test_gradient_of_a_product_is_right_beside_zeros(
    array: list[float], expected: list[float]
) -> None:
    x = T.vector("x")
    found = evaluate([grad(x.prod(), x)], {x: np.array(array)})[0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_both_derivatives_of_products_beside_none_one_and_more_zeros(
    axes: tuple[int, ...], mode: str
) -> None:
    random = np.random.default_rng(3)
    x = T.tensor3("x", dtype="float64")
    weights = random.normal(size=(2, 2, 3))
    value = T.sum(T.prod(x, axis=axes) * T.sum(T.constant(weights), axis=axes))
    first = grad(value, x)
    total = T.sum(first * T.constant(weights))
    f = sg.function([x], [value, total, first, grad(total, x)], mode=mode)
    for _ in range(4):
        a = random.integers(-1, 3, (2, 2, 3)).astype("float64")
        one, other, slope, bend = f(a)
        for place in np.ndindex(*a.shape):  # both are linear in each element
            moved = a.copy()
            moved[place] += 1
            there = f(moved)
            assert slope[place] == pytest.approx(there[0] - one, abs=1e-11)
            assert bend[place] == pytest.approx(there[1] - other, abs=1e-11)


def test_second_derivative_of_a_product() -> None:
    x = T.vector("x")
    second = grad(grad(x.prod(), x)[0], x)
    found = evaluate([second], {x: np.array([2.0, 3.0, 5.0])})[0]
    np.testing.assert_allclose(found, [0.0, 5.0, 3.0], atol=1e-14)


def test_gradient_of_a_mean_divides_by_the_number_of_elements() -> None:
    x = T.matrix("x")
    found = evaluate([grad(x.mean(), x)], {x: np.zeros((2, 5))})[0]
    np.testing.assert_allclose(found, np.full((2, 5), 0.1))


def test_gradient_through_integers_is_none() -> None:
    i = T.ivector("i")
    assert Reduce("sum", (0,)).grad([i], [i.sum()], [i]) == (None,)
    assert Reduce("any", (0,)).connection() == (False,)
    assert ArgReduce("max", (0,)).grad([i], [i], [i]) == (None,)


@pytest.mark.parametrize("combine", ["max", "min"])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (0, 2)])
def test_decomposed_argument_reductions_agree(
    combine: str, axes: tuple[int, ...]
) -> None:
    random = np.random.default_rng(0)
    tied = random.integers(0, 3, (3, 4, 2)).astype("float64")
    for nans in (0, 5):
        tied.flat[random.permutation(24)[:nans]] = np.nan
        x = T.tensor3("x")
        op = ArgReduce(combine, axes)
        parts = op.decompose(x)
        assert parts.type == op(x).type
        assert not any(isinstance(n.op, ArgReduce) for n in applies([parts]))
        whole, made = evaluate([op(x), parts], {x: tied})
        np.testing.assert_array_equal(made, whole)


def test_the_first_nan_wins_then_the_first_extreme() -> None:
    x = T.vector("x")
    found = evaluate([x.argmax(), x.argmin(), x.max()], {x: SPECIAL[1:]})
    assert [int(v) for v in found[:2]] == [0, 1]
    assert np.isinf(found[2])
    found = evaluate([x.argmax(), x.argmin(), x.max()], {x: SPECIAL[[3, 0, 1, 0]]})
    assert [int(v) for v in found[:2]] == [1, 1]
    assert np.isnan(found[2])


def test_float32_sums_are_added_in_float64_by_the_reference() -> None:
    x = T.fvector("x")
    array = np.full(100_000, 0.1, "float32")
    assert float(evaluate([x.sum()], {x: array})[0]) == pytest.approx(1e4, rel=1e-7)


def test_extremes_of_nothing_are_refused() -> None:
    with pytest.raises(ShapeError, match="no elements along axes"):
        T.matrix("x", shape=(0, 3)).max(axis=0)
    assert T.matrix("x", shape=(0, 3)).max(axis=1).type.shape == (0,)


def test_the_op_checks_its_parameters() -> None:
    x = T.matrix("x")
    with pytest.raises(AxisError, match="sorted"):
        Reduce("sum", (1, 0))(x)
    with pytest.raises(AxisError, match="rank 2"):
        Reduce("sum", (2,))(x)
    with pytest.raises(ArgumentError, match="median"):
        Reduce("median", (0,))(x)
    with pytest.raises(ArgumentError, match="sum"):
        ArgReduce("sum", (0,))(x)
    with pytest.raises(DtypeError, match="Cast it first"):
        Reduce("any", (0,))(x)
    with pytest.raises(DtypeError, match="Cast it first"):
        Reduce("sum", (0,))(T.TensorType("bool", (None,))("b"))


def test_corrected_variance_is_nearer_to_the_truth() -> None:
    x = T.fvector("x")
    array = (1e4 + np.random.default_rng(0).normal(size=4000)).astype("float32")
    plain, corrected = evaluate([x.var(), T.var(x, corrected=True)], {x: array})
    truth = array.astype("float64").var()
    assert abs(corrected - truth) <= abs(plain - truth)
    assert float(corrected) == pytest.approx(truth, rel=1e-5)


def test_printing_names_function_and_axes() -> None:
    x = T.matrix("x")
    assert expression(x.sum(axis=0)) == "sum(x, axes=(0,))"
    assert expression(x.argmin()) == "argmin(x, axes=(0, 1))"


@pytest.mark.parametrize("shape,axis", [((0, 2), 1), ((0, 2), 0), ((2, 0), (0, 1))])
@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
def test_both_derivatives_of_a_product_of_nothing_have_its_shape(
    shape: tuple[int, ...], axis: Any, mode: str
) -> None:
    x = T.dmatrix("x")
    first = grad(T.sum(T.prod(x, axis=axis) ** 2), x)
    second = grad(T.sum(first**2), x)
    for slope in sg.function([x], [first, second], mode=mode)(np.ones(shape)):
        assert slope.shape == shape
