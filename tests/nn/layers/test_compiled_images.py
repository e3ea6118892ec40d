"""Networks for images, compiled, against the reference backend: outputs, gradients."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.backends.reference import evaluate

L = nn.layers
tanh = nn.nonlinearities.tanh


def same_sizes(x):
    layer = L.MaxPool2DLayer(L.Conv2DLayer(x, 5, 3, pad="same"), 2)
    return L.DenseLayer(layer, 4)


def strides_and_groups(x):
    layer = L.Conv2DLayer(x, 4, 1, nonlinearity=tanh)
    layer = L.Conv2DLayer(layer, 6, (3, 2), (2, 1), pad="full", num_groups=2)
    return L.Pool2DLayer(layer, 3, 2, 1, mode="average_exc_pad")


def normalised(x):
    layer = L.batch_norm(L.Conv2DLayer(x, 4, 3, flip_filters=False))
    layer = L.LocalResponseNormalization2DLayer(layer, alpha=0.1, n=3)
    return L.layer_norm(L.DenseLayer(L.GlobalPoolLayer(layer), 5))


def larger_again(x):
    layer = L.Conv2DLayer(x, 4, 3, stride=2, pad=1, untie_biases=True)
    layer = L.TransposedConv2DLayer(layer, 3, 2, stride=2, nonlinearity=tanh)
    return L.Upscale2DLayer(L.DilatedConv2DLayer(layer, 2, 2, (2, 1)), 2)


def one_axis(x):
    layer = L.ReshapeLayer(x, ([0], [1], -1))
    layer = L.MaxPool1DLayer(L.Conv1DLayer(layer, 4, 5, 2, "same"), 3, 2)
    return L.FeaturePoolLayer(layer, 2)


def three_axes(x):
    layer = L.DimshuffleLayer(x, (0, "x", 1, 2, 3))
    layer = L.Conv3DLayer(layer, 3, (2, 3, 3), pad=(0, 1, 1), nonlinearity=tanh)
    return L.Pool3DLayer(layer, (1, 2, 2), mode="average_inc_pad")


@pytest.mark.parametrize(
    "network",
    [same_sizes, strides_and_groups, normalised, larger_again, one_axis, three_axes],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_outputs_and_gradients_equal_the_reference(network, dtype, generator):
    with sg.config.override(floatX=dtype):
        kind = T.TensorType(dtype, (None,) * 4)
        inputs = L.InputLayer((None, 3, 6, 6), kind("x"))
        out = network(inputs)
        x = inputs.input_var
        result = L.get_output(out)
        params = L.get_all_params(out, trainable=True)
        wanted = [result, *sg.grad(T.sum(T.sqr(result)), [x, *params])]
        f = sg.function([x], wanted)
    for rows in (1, 5):
        array = generator.randn(rows, 3, 6, 6).astype(dtype)
        found = f(array)
        assert found[0].shape == L.get_output_shape(out, array.shape)
        rounding = 2e-4 if dtype == "float32" else 1e-10
        for ours, truth in zip(found, evaluate(wanted, {x: array}), strict=True):
            assert ours.dtype == dtype
            scale = np.abs(truth).max()
            np.testing.assert_allclose(ours, truth, rounding, rounding * scale)


def test_an_epoch_of_bytes_is_the_steps_of_floats(generator):
    """Batches gathered natively, the tail included, train as single calls do."""
    images = generator.randint(0, 256, (23, 1, 6, 6)).astype("uint8")
    labels = (np.arange(23) % 3).astype("int32")
    losses = []
    for native in (True, False):
        nn.random.set_rng(np.random.RandomState(5))
        with sg.config.override(floatX="float32"):
            x, y = T.TensorType("uint8", (None, 1, 6, 6))("x"), T.ivector("y")
            inputs = T.cast(x, "float32") / np.float32(255)
            layer = L.Conv2DLayer(L.InputLayer((None, 1, 6, 6), inputs), 4, 3)
            layer = L.batch_norm(layer)
            softmax = nn.nonlinearities.softmax
            layer = L.DenseLayer(L.MaxPool2DLayer(layer, 2), 3, nonlinearity=softmax)
            loss = T.nnet.categorical_crossentropy(L.get_output(layer), y).mean()
            params = L.get_all_params(layer, trainable=True)
            updates = nn.updates.adam(loss, params, 0.01)
            step = sg.function([x, y], loss, updates=updates)
        if native:
            losses.append(step.epoch(images, labels, batch_size=5, shuffle=7))
        else:
            order = np.random.default_rng(7).permutation(23)
            cuts = [order[i : i + 5] for i in range(0, 23, 5)]
            losses.append([float(step(images[c], labels[c])) for c in cuts])
        values = L.get_all_param_values(layer)
        losses[-1] = (np.asarray(losses[-1]), values)
    np.testing.assert_allclose(losses[0][0], losses[1][0], rtol=1e-4)
    for a, b in zip(losses[0][1], losses[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
