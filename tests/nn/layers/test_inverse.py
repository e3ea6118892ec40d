"""InverseLayer against transposed products, written out."""

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers import (
    Conv2DLayer,
    DenseLayer,
    DropoutLayer,
    ElemwiseSumLayer,
    FlattenLayer,
    InputLayer,
    InverseLayer,
    MaxPool2DLayer,
    get_output,
    get_output_shape,
)


def value(layer, below, x):
    f = sg.function([below.input_var], get_output(layer), mode="FAST_COMPILE")
    found = f(x)
    assert found.shape == get_output_shape(layer, x.shape)
    return found


def test_a_dense_layer_backwards_is_the_transposed_product(generator):
    below = InputLayer((None, 5))
    dense = DenseLayer(below, 3, nonlinearity=None)
    x = generator.randn(4, 5)
    W, b = dense.W.get_value(), dense.b.get_value()
    np.testing.assert_allclose(
        value(InverseLayer(dense, dense), below, x), (x @ W + b) @ W.T
    )


def test_a_rectifier_lets_through_only_where_it_did(generator):
    below = InputLayer((None, 5))
    dense = DenseLayer(below, 3)
    x = generator.randn(4, 5)
    W = dense.W.get_value()
    sums = x @ W
    wanted = (np.maximum(sums, 0) * (sums > 0)) @ W.T
    np.testing.assert_allclose(value(InverseLayer(dense, dense), below, x), wanted)


def test_pooling_backwards_puts_each_value_where_the_maximum_was(generator):
    below = InputLayer((None, 2, 4, 6))
    pool = MaxPool2DLayer(below, 2)
    x = generator.permutation(2 * 48).reshape(2, 2, 4, 6).astype("float64")
    blocks = x.reshape(2, 2, 2, 2, 3, 2)
    top = blocks.max(axis=(3, 5), keepdims=True)
    wanted = np.where(blocks == top, top, 0).reshape(x.shape)
    assert np.array_equal(value(InverseLayer(pool, pool), below, x), wanted)


def test_a_convolution_backwards_is_the_adjoint(generator):
    below = InputLayer((None, 2, 5, 6))
    conv = Conv2DLayer(below, 3, 2, b=None, nonlinearity=None, flip_filters=False)
    x, W = generator.randn(2, 2, 5, 6), conv.W.get_value()
    y = np.zeros((2, 3, 4, 5))
    wanted = np.zeros_like(x)
    for p in range(2):
        for q in range(2):
            y += np.einsum(
                "ncij,kc->nkij", x[:, :, p : p + 4, q : q + 5], W[:, :, p, q]
            )
    for p in range(2):
        for q in range(2):
            wanted[:, :, p : p + 4, q : q + 5] += np.einsum(
                "nkij,kc->ncij", y, W[:, :, p, q]
            )
    np.testing.assert_allclose(value(InverseLayer(conv, conv), below, x), wanted)


def test_shapes_of_a_flattened_layer_come_back(generator):
    below = InputLayer((None, 2, 3))
    flat = FlattenLayer(below)
    layer = InverseLayer(DenseLayer(flat, 6, nonlinearity=None, W=np.eye(6)), flat)
    x = generator.randn(4, 2, 3)
    np.testing.assert_allclose(value(layer, below, x), x)
    assert layer.output_shape == (None, 2, 3)


def test_a_layer_that_does_nothing_backwards_does_nothing(generator):
    below = InputLayer((None, 3))
    drop = DropoutLayer(below)
    layer = InverseLayer(DenseLayer(drop, 3, W=np.eye(3), nonlinearity=None), drop)
    out = get_output(layer, deterministic=True)
    x = generator.randn(2, 3)
    np.testing.assert_allclose(out.eval({below.input_var: x}), x)


def test_shapes_must_fit_and_name_the_layer():
    below = InputLayer((None, 5), name="x")
    dense = DenseLayer(below, 3, name="code")
    with pytest.raises(
        ShapeError, match=r"InverseLayer 'back'.*\(None, 5\).*'code'.*\(None, 3\)"
    ):
        InverseLayer(below, dense, name="back")


@pytest.mark.parametrize(
    "layer", [lambda x: DenseLayer((None, 5), 3), lambda x: ElemwiseSumLayer([x, x]),
              lambda x: x, lambda x: "dense"],
)  # fmt: skip
def test_layers_without_a_single_layer_below_are_refused(layer):
    below = InputLayer((None, 3))
    with pytest.raises(ArgumentError, match="must be a layer with one layer below it"):
        InverseLayer(below, layer(below))
