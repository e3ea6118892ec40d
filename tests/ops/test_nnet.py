"""Softmax, cross-entropies and one-hot: samples, decompositions, stable gradients."""

import numpy as np
import pytest
import scipy.special as scipy
from family_checks import cases, check_error, check_gradient, check_value, expanded
from samples import Sample
from samples_functions import ORACLES, SAMPLES

import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import applies
from symgraph.core.types import TensorType
from symgraph.errors import DtypeError, IndexRangeError, ShapeError
from symgraph.ops import namespaces, nnet

NAMES = {
    "softmax", "log_softmax", "logsoftmax", "logsumexp", "categorical_crossentropy",
    "crossentropy_categorical_1hot", "binary_crossentropy", "one_hot", "to_one_hot",
    "sigmoid_binary_crossentropy", "crossentropy_softmax_argmax_1hot_with_bias",
}  # fmt: skip
HERE = {name: SAMPLES[name] for name in sorted(NAMES)}
COMPOSED = {name: HERE[name] for name in ("softmax", "log_softmax", "logsumexp")}


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.error is None))
def test_the_value_is_the_formulas(name: str, sample: Sample) -> None:
    check_value(name, sample, ORACLES[name])


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.gradient))
def test_the_gradient_is_the_numeric_derivative(name: str, sample: Sample) -> None:
    check_gradient(name, sample)


@pytest.mark.parametrize("name,sample", cases(HERE, lambda s: s.error is not None))
def test_a_wrong_call_raises_its_named_error(name: str, sample: Sample) -> None:
    check_error(name, sample)


@pytest.mark.parametrize("name,sample", cases(COMPOSED, lambda s: s.error is None))
def test_a_decomposition_has_the_type_and_value_of_its_op(
    name: str, sample: Sample
) -> None:
    (out,), values = sample.build(name)
    plain = expanded(out)
    assert plain.type.dtype == out.type.dtype
    assert plain.ndim == out.ndim
    assert not any(hasattr(node.op, "decompose") for node in applies([plain]))
    if all(array.size for array in values.values()):
        told, found = evaluate([out, plain], values)
        bound = {"rtol": 1e-13, "atol": 0} if told.itemsize == 8 else {"atol": 2e-6}
        np.testing.assert_allclose(found, told, **bound)


def test_softmax_keeps_the_shape_of_a_vector() -> None:
    assert T.nnet.softmax(TensorType("float32", (7,))("v")).type.shape == (7,)


def saturated() -> tuple[Variable, Variable, dict[Variable, np.ndarray], np.ndarray]:
    """Logits so far apart that the probability of the label underflows to 0."""
    z, y = T.fmatrix("z"), T.ivector("y")
    logits = np.array([[900, 0, -900], [0, 1, 2], [-300, 300, 0]], "float32")
    labels = np.array([2, 1, 0], "int32")
    exact = scipy.softmax(logits.astype("float64"), -1) - np.eye(3)[labels]
    return z, y, {z: logits, y: labels}, exact


def losses(z: Variable, y: Variable) -> dict[str, Variable]:
    """Ways to write the cross-entropy of a softmax."""
    p = T.nnet.softmax(z)
    hot = T.nnet.one_hot(y, 3, "float32")
    rows = T.arange(y.shape[0])
    return {
        "categorical": T.sum(T.nnet.categorical_crossentropy(p, y)),
        "one-hot": T.sum(T.nnet.categorical_crossentropy(p, hot)),
        "theano tutorial": -T.sum(T.log(p)[rows, y]),
        "log-softmax": -T.sum(T.nnet.logsoftmax(z)[rows, y]),
    }  # fmt: skip


@pytest.mark.parametrize("way", ["categorical", "one-hot", "theano tutorial",
                                 "log-softmax"])  # fmt: skip
def test_the_gradient_of_cross_entropy_of_softmax_survives_underflow(way: str) -> None:
    z, y, values, exact = saturated()
    g = T.grad(losses(z, y)[way], z)
    (found,) = evaluate([g], values)
    np.testing.assert_allclose(found, exact, atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, "mean", "weights"])
def test_the_stable_gradient_knows_scaled_and_summed_losses(scale: object) -> None:
    z, y, values, exact = saturated()
    each = T.nnet.categorical_crossentropy(T.nnet.softmax(z), y)
    weights = np.array([0.5, 2.0, 1.0], "float32")
    cost, told = {
        0.5: (0.5 * T.sum(each), 0.5 * exact),
        "mean": (T.mean(each), exact / 3),
        "weights": (T.sum(each * weights), exact * weights[:, None]),
    }[scale]  # type: ignore[index]
    (found,) = evaluate([T.grad(cost, z)], values)
    np.testing.assert_allclose(found, told, atol=1e-6)


def test_a_penalty_on_the_probabilities_adds_its_own_gradient() -> None:
    z, y = T.dmatrix("z"), T.lvector("y")
    p = T.nnet.softmax(z)
    cost = T.mean(T.nnet.categorical_crossentropy(p, y)) + T.sum(p**2)
    logits = np.random.default_rng(0).normal(size=(4, 3))
    labels = np.array([0, 2, 1, 1])
    (found,) = evaluate([T.grad(cost, z)], {z: logits, y: labels})
    s = scipy.softmax(logits, -1)
    told = (s - np.eye(3)[labels]) / 4 + s * (2 * s - np.sum(2 * s * s, -1)[:, None])
    np.testing.assert_allclose(found, told, rtol=1e-12)


def test_a_constant_numerator_counts_for_every_class() -> None:
    z = T.dmatrix("z")
    logits = np.random.default_rng(1).normal(size=(2, 5))
    cost = T.sum(T.log(T.nnet.softmax(z)))
    (found,) = evaluate([T.grad(cost, z)], {z: logits})
    np.testing.assert_allclose(found, 1 - 5 * scipy.softmax(logits, -1), rtol=1e-12)


def test_labels_are_checked_at_run_time() -> None:
    p, y = T.dmatrix("p"), T.ivector("y")
    loss = T.nnet.categorical_crossentropy(p, y)
    with pytest.raises(IndexRangeError, match="index 3"):
        evaluate([loss], {p: np.full((2, 3), 1 / 3), y: np.array([0, 3])})


def test_target_mistakes_name_both_operands_and_the_cure() -> None:
    p = TensorType("float32", (None, 10))("p")
    with pytest.raises(DtypeError, match="Cast them to int64") as caught:
        T.nnet.categorical_crossentropy(p, T.fvector("labels"))
    assert "labels : float32" in str(caught.value)
    with pytest.raises(ShapeError, match="rank") as caught:
        T.nnet.categorical_crossentropy(p, T.itensor3("t"))
    assert "p : float32 (None, 10)" in str(caught.value)


def test_the_namespace_offers_what_it_lists() -> None:
    missing = [name for name in nnet.NNET if name not in PUBLIC]
    assert not missing
    inner = {*namespaces.CONVOLUTIONS, *namespaces.NORMALIZATION}
    inner |= {"abstract_conv", "bn", "conv"}
    assert set(dir(T.nnet)) == {*nnet.NNET, *inner}
    assert T.nnet.abstract_conv.conv2d is T.nnet.conv.conv2d is T.nnet.conv2d
    assert T.nnet.sigmoid is PUBLIC["sigmoid"]
    with pytest.raises(AttributeError, match="nosuch"):
        T.nnet.nosuch  # noqa: B018
