"""Penalties on tensors, layers and networks."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.nn import layers, regularization


@pytest.fixture
def network():
    x = layers.InputLayer((None, 3))
    hidden = layers.DenseLayer(x, 4, b=np.ones(4))
    return hidden, layers.DenseLayer(hidden, 2)


def total(*params, power=2):
    return sum((np.abs(p.get_value()) ** power).sum() for p in params)


def test_l1_and_l2(value):
    x = np.array([[1.0, -2.0], [3.0, 0.0]])
    assert value(regularization.l1(x)) == 6.0
    assert value(regularization.l2(x)) == 14.0


def test_apply_penalty_takes_one_or_many_and_passes_keywords(value):
    a, b = T.constant(np.array([1.0, 2.0])), T.constant(np.array([3.0]))

    def scaled(x, factor=1):
        return factor * T.sum(x)

    assert value(regularization.apply_penalty(a, scaled)) == 3.0
    assert value(regularization.apply_penalty([a, b], scaled, factor=2)) == 12.0
    assert value(regularization.apply_penalty(iter([a, b]), scaled)) == 6.0
    assert regularization.apply_penalty([], scaled) == 0


def test_of_layers_leaves_biases_out(network, value):
    hidden, out = network
    found = regularization.regularize_layer_params(out, regularization.l2)
    assert value(found) == pytest.approx(total(out.W))
    found = regularization.regularize_layer_params([hidden, out], regularization.l1)
    assert value(found) == pytest.approx(total(hidden.W, out.W, power=1))


def test_of_layers_with_tags(network, value):
    hidden, _ = network
    found = regularization.regularize_layer_params(
        hidden, regularization.l2, tags={"trainable": True}
    )
    assert value(found) == pytest.approx(total(hidden.W, hidden.b))


def test_weighted_by_layer(network, value):
    hidden, out = network
    found = regularization.regularize_layer_params_weighted(
        {hidden: 0.5, out: 2.0}, regularization.l2
    )
    assert value(found) == pytest.approx(0.5 * total(hidden.W) + 2 * total(out.W))


def test_of_a_network(network, value):
    hidden, out = network
    found = regularization.regularize_network_params(out, regularization.l2)
    assert value(found) == pytest.approx(total(hidden.W, out.W))
    only_biases = {"regularizable": False}
    found = regularization.regularize_network_params(
        out, regularization.l2, tags=only_biases
    )
    assert value(found) == pytest.approx(4.0)
