"""DimShuffle, Reshape, Concatenate: static reasoning, printing and run-time errors."""

import numpy as np
import pytest
from sampling import Public

import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import scalar_constant
from symgraph.core.text import expression
from symgraph.errors import DtypeError, ShapeError
from symgraph.ops.movement import Concatenate, DimShuffle, Reshape
from symgraph.ops.shape import Extent, MakeVector

P = Public()


def test_identity_patterns_make_no_node() -> None:
    x = T.tensor3("x", shape=(None, 3, 4))
    assert x.dimshuffle(0, 1, 2) is x
    assert x.transpose(0, 1, 2) is x
    assert x.flatten(3) is x
    assert T.concatenate([x]) is x
    known = T.matrix("k", shape=(2, 3))
    assert known.reshape((2, 3)) is known


def test_gradient_of_a_new_axis_sums_a_gradient_that_is_wider() -> None:
    x, g = T.vector("x"), T.matrix("g")
    op = DimShuffle(("x", 0))
    (slope,) = op.grad([x], [op(x)], [g])
    array = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(evaluate([slope], {g: array})[0], array.sum(0))


def test_gradient_through_integers_is_none() -> None:
    i = T.ivector("i")
    assert DimShuffle((0, "x")).grad([i], [i], [i]) == (None,)
    assert Concatenate(0).grad([i, i], [i], [i]) == (None, None)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x: x.reshape((x.shape[0], -1)), (None, 60)),
        (lambda x: x.reshape((-1, x.shape[0])), (60, None)),
        (lambda x: x.reshape((x.shape[0], -1, 5)), (None, 12, 5)),
        (lambda x: x.reshape((x.shape[0], 3, -1)), (None, 3, 20)),
        (lambda x: T.exp(x).reshape((x.shape[0], -1)), (None, 60)),
        (lambda x: x.flatten(2).reshape((x.shape[0], 4, -1)), (None, 4, 15)),
        (lambda x: x.reshape((x.shape[0] * 2, -1)), (None, 30)),
        (lambda x: x.reshape((-1, 60)), (None, 60)),
        (lambda x: x.reshape((T.lscalar("n"), 60)), (None, 60)),
        (lambda x: T.dot(x.flatten(2), np.ones((60, 6))).reshape((x.shape[0], -1, 2)),
         (None, 3, 2)),
    ],
)  # fmt: skip
def test_a_missing_extent_is_found_by_cancelling(make, expected) -> None:
    x = T.tensor4("x", shape=(None, 3, 4, 5))
    assert make(x).type.shape == expected


def test_a_cancelled_batch_axis_stays_one_extent() -> None:
    x = T.tensor3("x", shape=(None, 3, 4))
    rows = x.reshape((-1, 12)).owner.inputs[1]
    assert isinstance(rows.owner.op, Extent)
    assert rows.owner.inputs == (x,)


def test_a_missing_extent_that_does_not_cancel_is_divided_when_it_runs() -> None:
    x, n = T.matrix("x"), T.lscalar("n")
    y = x.reshape((n, -1))
    array = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(
        evaluate([y], {x: array, n: 2})[0], array.reshape(2, 6)
    )
    with pytest.raises(ShapeError, match="12 elements do not fit"):
        evaluate([y], {x: array, n: 5})


def test_reshape_finds_the_last_extent_of_a_known_operand() -> None:
    x, n = T.matrix("x", shape=(4, 6)), T.lscalar("n")
    assert x.reshape((n, 8)).type.shape == (3, 8)


def test_reshape_refuses_counts_that_no_extent_can_mend() -> None:
    x = T.matrix("x", shape=(None, 6))
    with pytest.raises(ShapeError, match="no multiple of"):
        x.reshape((5, 5))
    with pytest.raises(ShapeError, match="tuple"):
        x.reshape(3, 4)


def test_reshape_error_names_operand_place_and_cure() -> None:
    x = T.fmatrix("pixels", shape=(10, 784))
    with pytest.raises(ShapeError) as caught:
        x.reshape((10, 1, 28, 29))
    text = str(caught.value)
    assert "7840 elements do not fit into shape (10, 1, 28, 29)" in text
    assert "pixels : float32 (10, 784)   made at" in text
    assert "test_movement.py" in text
    assert "The product of the extents" in text


def test_reshape_takes_int64_scalars_only() -> None:
    x = T.vector("x")
    with pytest.raises(DtypeError, match="0-d int64"):
        Reshape(1)(x, T.iscalar("n"))
    with pytest.raises(ShapeError, match="1 extents for ndim=2"):
        Reshape(2)(x, T.lscalar("n"))
    with pytest.raises(ShapeError, match="negative"):
        Reshape(1)(x, scalar_constant(-3, "int64"))


def test_concatenate_takes_known_extents_from_any_operand() -> None:
    a, b = T.matrix("a"), T.matrix("b", shape=(None, 3))
    assert T.concatenate([a, b]).type.shape == (None, 3)
    assert T.concatenate([a, b], axis=1).type.shape == (None, None)
    (extents,) = Concatenate(0).infer_shape([a, b], [(2, a.shape[1]), (4, 3)])
    assert extents == (6, 3)


def test_concatenate_error_names_the_axis_that_differs() -> None:
    a, b = T.matrix("a", shape=(None, 3)), T.matrix("b", shape=(None, 4))
    with pytest.raises(ShapeError, match=r"extents \[3, 4\] of axis 1 differ"):
        T.concatenate([a, b])
    with pytest.raises(DtypeError, match="dtypes differ"):
        Concatenate(0)(T.fvector("f"), T.dvector("d"))


def test_joined_shapes_stay_lists_of_extents() -> None:
    x, y = T.matrix("x"), T.vector("y")
    assert isinstance(T.concatenate([x.shape, y.shape]).owner.op, MakeVector)


def test_dropping_an_unknown_axis_tells_the_cure() -> None:
    x = T.matrix("x")
    with pytest.raises(ShapeError, match="addbroadcast"):
        x.dimshuffle(1)
    assert x.squeeze(0).type.shape == (None,)
    with pytest.raises(ShapeError, match="promised was 1"):
        evaluate([x.squeeze(0)], {x: np.zeros((2, 3))})


def test_stack_takes_the_forms_of_theano() -> None:
    x, y = T.vectors("x", "y")
    assert T.stack([x, y]).type.shape == (2, None)
    assert T.stack(x, y).type.shape == (2, None)
    assert T.stack((x, y), 1).type.shape == (None, 2)
    assert T.stack([x, y], axis=-1).type.shape == (None, 2)
    assert T.stack([1, T.iscalar("i")]).type.dtype == "int32"


def test_split_promises_the_extent_of_the_last_part() -> None:
    x = T.vector("x")
    parts = T.split(x, [2, 3])
    with pytest.raises(ShapeError, match="promised was 3"):
        evaluate(parts, {x: np.zeros(6)})


def test_second_derivative_through_movements() -> None:
    x = T.matrix("x")
    y = T.concatenate([x.T, 2 * x.reshape((3, 2))], axis=1).flatten() ** 3
    slope = grad(y.sum(), x)
    second = grad((slope * slope).sum(), x)
    array = np.random.default_rng(0).normal(size=(2, 3))
    expected = 2 * (27 * array**2) * (54 * array)
    np.testing.assert_allclose(evaluate([second], {x: array})[0], expected)


def test_printing_reads_like_python() -> None:
    x = T.matrix("x")
    assert expression(x.T) == "x.T"
    assert expression(x.dimshuffle(0, "x", 1)) == "dimshuffle(x, 0, 'x', 1)"
    assert expression(x.reshape((6,))) == "reshape(x, (6,))"
    assert expression(T.concatenate([x, x], 1)) == "concatenate([x, x], axis=1)"
    assert expression(x.flatten()) == "reshape(x, (x.shape[1] * x.shape[0],))"
