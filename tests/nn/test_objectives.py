"""Losses and accuracies against NumPy."""

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.special import rel_entr

import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
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


SOFT = np.array([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5], [0.1, 0.9, 0.0], [0.3, 0.3, 0.4]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_label_smoothing_of_labels_and_of_rows(dtype, value):
    _, y, t, given = symbols(dtype)
    expected = 0.8 * ONE_HOT + 0.2 / 3
    out = ob.label_smoothing(t, smoothing=0.2)
    assert out.dtype == dtype
    np.testing.assert_allclose(value(out, given), expected, rtol=1e-6)
    np.testing.assert_allclose(value(ob.label_smoothing(y, 3, 0.2), given), expected)


def test_label_smoothing_refuses():
    with pytest.raises(ArgumentError, match="integer labels need num_classes"):
        ob.label_smoothing(T.ivector("y"))
    with pytest.raises(ArgumentError, match=r"smoothing=1\.5 is not in 0 \.\. 1"):
        ob.label_smoothing(T.matrix("t"), smoothing=1.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kl_divergence(dtype, value):
    p, _, t, given = symbols(dtype)
    out = ob.kl_divergence(p, t)
    assert out.dtype == dtype
    found = value(out, {**given, t: SOFT.astype(dtype)})
    np.testing.assert_allclose(found, rel_entr(SOFT, P).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("gamma", [0, 1, 2, 2.5])
@pytest.mark.parametrize("alpha", [None, 0.4, [0.2, 0.3, 0.5]])
def test_focal_loss(gamma, alpha, value):
    p, y, t, given = symbols()
    weights = np.broadcast_to(1 if alpha is None else alpha, 3)
    expected = -(weights * ONE_HOT * (1 - P) ** gamma * np.log(P)).sum(axis=1)
    for targets in (y, t):
        out = ob.focal_loss(p, targets, gamma, alpha)
        np.testing.assert_allclose(value(out, given), expected, rtol=1e-10)


@pytest.mark.parametrize("alpha", [None, 0.25])
def test_binary_focal_loss(alpha, value):
    p, _, t, given = symbols()
    ones, zeros = (1, 1) if alpha is None else (alpha, 1 - alpha)
    expected = np.where(
        ONE_HOT == 1, -ones * (1 - P) ** 2 * np.log(P), -zeros * P**2 * np.log(1 - P)
    )
    found = value(ob.binary_focal_loss(p, t, alpha=alpha), given)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    with pytest.raises(ArgumentError, match="gamma=-1; use 0 or more"):
        ob.binary_focal_loss(p, t, gamma=-1)


def test_dice_loss(value):
    p, t = T.dtensor3("p"), T.itensor3("t")
    a = np.random.default_rng(0).random((2, 3, 4))
    b = (a > 0.6).astype("int32")
    both = (a * b).sum(axis=(1, 2))
    sums = a.sum(axis=(1, 2)) + b.sum(axis=(1, 2))
    found = value(ob.dice_loss(p, t, smooth=0.5), {p: a, t: b})
    np.testing.assert_allclose(found, 1 - (2 * both + 0.5) / (sums + 0.5))
    empty = {p: np.zeros((1, 2, 2)), t: np.zeros((1, 2, 2), "int32")}
    assert value(ob.dice_loss(p, t), empty) == 0


def test_cosine_loss_and_its_gradient_at_zero(value):
    a, b = T.dmatrix("a"), T.dmatrix("b")
    x, y = np.random.default_rng(0).standard_normal((2, 3, 5))
    found = value(ob.cosine_loss(a, b), {a: x, b: y})
    np.testing.assert_allclose(
        found, [cosine(*rows) for rows in zip(x, y, strict=True)]
    )
    loss = ob.cosine_loss(a, b, axis=0)
    assert value(loss, {a: x, b: y}).shape == (5,)
    g = value(grad(T.sum(loss), a), {a: np.zeros((3, 5)), b: y})
    assert np.isfinite(g).all()
    assert value(loss, {a: np.zeros((3, 5)), b: y}).tolist() == [1.0] * 5


@pytest.mark.parametrize("loss", [ob.kl_divergence, ob.dice_loss, ob.cosine_loss])
def test_ranks_must_agree(loss):
    with pytest.raises(ShapeError, match="both must have the same rank"):
        loss(T.matrix("p"), T.vector("t"))


@pytest.mark.parametrize(
    "loss", [ob.kl_divergence, ob.focal_loss, ob.binary_focal_loss, ob.dice_loss,
             ob.cosine_loss],
)  # fmt: skip
def test_gradients_of_losses_against_differences(loss, value):
    p, t = T.dmatrix("p"), T.dmatrix("t")
    total = T.sum(loss(p, t) * 1.5)
    found = value(grad(total, p), {p: P, t: SOFT})
    for place in np.ndindex(P.shape):
        move = np.zeros_like(P)
        move[place] = 1e-6
        ends = [value(total, {p: P + s * move, t: SOFT}) for s in (1, -1)]
        wanted = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(found[place], wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "loss", [ob.kl_divergence, ob.focal_loss, ob.binary_focal_loss]
)
def test_certain_predictions_that_are_right_have_a_finite_gradient(loss, value):
    p, t = T.dmatrix("p"), T.dmatrix("t")
    given = {p: np.eye(3), t: np.eye(3)}
    total = T.sum(loss(p, t))
    assert value(total, given) == 0
    assert np.isfinite(value(grad(total, p), given)).all()
