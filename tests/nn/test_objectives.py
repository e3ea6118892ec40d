"""Losses and accuracies against NumPy."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import objectives as ob

P = np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25], [0.1, 0.3, 0.6], [0.3, 0.3, 0.4]])
LABELS = np.array([1, 2, 0, 2])
ONE_HOT = np.eye(3)[LABELS]


def symbols(dtype="float64"):
    """Predictions, labels and targets of unknown extents, with values for them."""
    p = T.matrix("p", dtype)
    y, t = T.ivector("y"), T.matrix("t", dtype)
    return p, y, t, {p: P.astype(dtype), y: LABELS, t: ONE_HOT.astype(dtype)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_crossentropy(dtype, value):
    p, _, t, given = symbols(dtype)
    out = ob.binary_crossentropy(p, t)
    expected = -ONE_HOT * np.log(P) - (1 - ONE_HOT) * np.log(1 - P)
    assert out.dtype == dtype
    np.testing.assert_allclose(value(out, given), expected, rtol=1e-5)


def test_integer_targets_keep_float32(value):
    p, t = T.fvector("p"), T.ivector("t")
    out = ob.binary_crossentropy(p, t)
    assert out.dtype == "float32"
    found = value(out, {p: [0.25, 0.25], t: [0, 1]})
    np.testing.assert_allclose(found, -np.log([0.75, 0.25]), rtol=1e-6)
    assert ob.binary_hinge_loss(p, t).dtype == "float32"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_categorical_crossentropy_of_labels_and_of_rows(dtype, value):
    p, y, t, given = symbols(dtype)
    expected = -np.log(P[np.arange(4), LABELS])
    for targets in (y, t):
        out = ob.categorical_crossentropy(p, targets)
        assert out.dtype == dtype
        np.testing.assert_allclose(value(out, given), expected, rtol=1e-6)


def test_squared_error(value):
    p, _, t, given = symbols()
    out = value(ob.squared_error(p, t), given)
    np.testing.assert_allclose(out, (P - ONE_HOT) ** 2)


@pytest.mark.parametrize(
    "loss",
    [ob.binary_crossentropy, ob.squared_error, ob.binary_accuracy, ob.huber_loss,
     ob.binary_hinge_loss],
)  # fmt: skip
def test_a_column_of_predictions_takes_a_vector_of_targets(loss, value):
    p, t = T.col("p"), T.vector("t")
    column, targets = np.array([[0.2], [0.7], [0.6]]), np.array([0.0, 1.0, 0.0])
    found = value(loss(p, t), {p: column, t: targets})
    assert found.shape == (3, 1)
    expected = value(loss(p, targets[:, None]), {p: column})
    np.testing.assert_allclose(found, expected)


def test_aggregate(value):
    loss, weights = np.array([1.0, 2.0, 6.0]), np.array([1.0, 0.0, 3.0])
    x, w = T.vector("x"), T.vector("w")
    given = {x: loss, w: weights}
    assert value(ob.aggregate(x), given) == 3.0
    assert value(ob.aggregate(x, mode="sum"), given) == 9.0
    assert value(ob.aggregate(x, w), given) == pytest.approx(19 / 3)
    assert value(ob.aggregate(x, w, mode="sum"), given) == 19.0
    assert value(ob.aggregate(x, w, mode="normalized_sum"), given) == 19 / 4
    assert value(ob.aggregate(x, weights, mode="normalized_sum"), given) == 19 / 4


def test_aggregate_refuses_unknown_modes_and_missing_weights():
    x = T.vector("x")
    with pytest.raises(ArgumentError, match="mode='median'; use one of"):
        ob.aggregate(x, mode="median")
    with pytest.raises(ArgumentError, match=r"normalized_sum.* needs weights"):
        ob.aggregate(x, mode="normalized_sum")


@pytest.mark.parametrize("delta", [1, 0.5])
def test_binary_hinge_loss(delta, value):
    z, t = np.array([-2.0, 0.3, 0.8, 2.0]), np.array([0, 0, 1, 1])
    sign = 2 * t - 1
    expected = np.maximum(0, delta - sign * z)
    x = T.vector("x")
    found = value(ob.binary_hinge_loss(x, t, delta), {x: z})
    np.testing.assert_allclose(found, expected)
    found = value(ob.binary_hinge_loss(x, sign, delta, binary=False), {x: z})
    np.testing.assert_allclose(found, expected)
    probabilities = 1 / (1 + np.exp(-z))
    found = value(ob.binary_hinge_loss(x, t, delta, log_odds=False), {x: probabilities})
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("delta", [1, 0.2])
def test_multiclass_hinge_loss(delta, value):
    p, y, t, given = symbols()
    own = P[np.arange(4), LABELS]
    rest = np.where(ONE_HOT > 0, -np.inf, P).max(axis=1)
    expected = np.maximum(0, rest - own + delta)
    for targets in (y, t):
        out = ob.multiclass_hinge_loss(p, targets, delta)
        np.testing.assert_allclose(value(out, given), expected)


def test_multiclass_hinge_loss_keeps_float32():
    p, y, t, _ = symbols("float32")
    assert ob.multiclass_hinge_loss(p, y).dtype == "float32"
    assert ob.multiclass_hinge_loss(p, t).dtype == "float32"


@pytest.mark.parametrize("delta", [1, 0.5, 3])
def test_huber_loss(delta, value):
    a, b = np.array([0.0, 0.4, 2.0, -3.0]), np.array([0.2, 0.0, 0.0, 1.0])
    d = np.abs(a - b)
    expected = np.where(d <= delta, d**2 / 2, delta * (d - delta / 2))
    x = T.vector("x")
    np.testing.assert_allclose(value(ob.huber_loss(x, b, delta), {x: a}), expected)


def test_binary_accuracy(value):
    p = np.array([0.2, 0.5, 0.9, 0.4])
    t = np.array([0, 0, 1, 1])
    x, y = T.vector("x"), T.ivector("y")
    given = {x: p, y: t}
    found = value(ob.binary_accuracy(x, y), given)
    assert found.tolist() == [True, False, True, False]
    found = value(ob.binary_accuracy(x, y, threshold=0.3), given)
    assert found.tolist() == [True, False, True, True]


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_categorical_accuracy(top_k, value):
    generator = np.random.RandomState(0)
    scores, labels = generator.rand(50, 6), generator.randint(0, 6, 50)
    best = np.argsort(scores, axis=1)[:, -top_k:]
    expected = (best == labels[:, None]).any(axis=1)
    assert 0 < expected.sum() < 50
    p, y, t = T.matrix("p"), T.ivector("y"), T.matrix("t")
    given = {p: scores, y: labels, t: np.eye(6)[labels]}
    for targets in (y, t):
        found = value(ob.categorical_accuracy(p, targets, top_k), given)
        assert found.tolist() == expected.tolist()


def test_top_k_with_ties_and_nan(value):
    p = np.array([[1.0, 1.0, 1.0], [np.nan, 0.0, 1.0], [np.nan, 0.0, 1.0]])
    x = T.matrix("x")
    out = ob.categorical_accuracy(x, np.array([0, 0, 1]), top_k=2)
    assert value(out, {x: p}).tolist() == [True, False, False]


@pytest.mark.parametrize("loss", [ob.multiclass_hinge_loss, ob.categorical_accuracy])
def test_targets_of_another_rank(loss):
    with pytest.raises(ShapeError, match=r"rank of the predictions(.|\n)*p : float64"):
        loss(T.dmatrix("p"), T.dtensor3("t"))


@pytest.mark.parametrize("top_k", [0, -1, 1.5, True])
def test_top_k_must_be_a_positive_int(top_k):
    with pytest.raises(ArgumentError, match=f"top_k={top_k}; use 1 or more"):
        ob.categorical_accuracy(T.matrix("p"), T.ivector("y"), top_k)
