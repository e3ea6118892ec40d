"""Whole networks, compiled, against the reference backend: outputs and gradients."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.backends.reference import evaluate

L = nn.layers


def images(shape=(None, 3, 6, 6)):
    return L.InputLayer(shape, T.TensorType("float32", (None,) * len(shape))("x"))


def mlp(x):
    hidden = L.DenseLayer(x, 7, nonlinearity=nn.nonlinearities.tanh)
    return L.DenseLayer(hidden, 4, nonlinearity=nn.nonlinearities.softmax)


def pieces(x):
    padded = L.PadLayer(x, 1, val=0.5)
    part = L.SliceLayer(padded, slice(None, None, -2), axis=2)
    mixed = L.NINLayer(part, 5, nonlinearity=nn.nonlinearities.elu)
    turned = L.DimshuffleLayer(mixed, (0, 2, 3, 1))
    return L.DenseLayer(L.ReshapeLayer(turned, ([0], -1)), 3)


def joined(x):
    flat = L.FlattenLayer(x)
    a, b = L.DenseLayer(flat, 4), L.DenseLayer(flat, 6, b=None)
    total = L.ElemwiseSumLayer([a, b], coeffs=[1, -0.5], cropping=[None, "center"])
    both = L.ConcatLayer([total, b])
    return L.ScaleLayer(L.BiasLayer(both), nn.init.Normal(1.0))


def several_axes(x):
    layer = L.DenseLayer(x, 4, num_leading_axes=-1, nonlinearity=nn.nonlinearities.selu)
    return L.ExpressionLayer(layer, lambda v: T.mean(v, axis=2), output_shape="auto")


@pytest.mark.parametrize("network", [mlp, pieces, joined, several_axes])
def test_compiled_outputs_and_gradients_equal_the_reference(network, generator):
    with sg.config.override(floatX="float32"):
        inputs = images()
        out = network(inputs)
        x = inputs.input_var
        result = L.get_output(out)
        cost = T.sum(T.sqr(result))
        wanted = [result, *sg.grad(cost, L.get_all_params(out))]
        f = sg.function([x], wanted)
    for rows in (1, 5):
        array = generator.randn(rows, 3, 6, 6).astype("float32")
        found = f(array)
        for ours, truth in zip(found, evaluate(wanted, {x: array}), strict=True):
            assert ours.dtype == "float32"
            scale = np.abs(truth).max()
            np.testing.assert_allclose(ours, truth, rtol=1e-4, atol=1e-5 * scale)
        assert found[0].shape == L.get_output_shape(out, array.shape)
