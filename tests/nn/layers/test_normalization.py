"""Normalisation layers: values, running averages, gradients, what is refused."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, NotSupportedError, ShapeError
from symgraph.nn import init, nonlinearities
from symgraph.nn.layers import (
    BatchNormLayer,
    BiasLayer,
    Conv2DLayer,
    DenseLayer,
    InputLayer,
    LocalResponseNormalization2DLayer,
    NonlinearityLayer,
    ScaleLayer,
    StandardizationLayer,
    batch_norm,
    get_all_layers,
    get_all_params,
    get_output,
    instance_norm,
    layer_norm,
)

tanh = nonlinearities.tanh


# --- local response ---


@pytest.mark.parametrize(("n", "channels"), [(1, 4), (3, 4), (5, 7), (7, 3)])
def test_local_response_divides_by_neighbouring_channels(
    n, channels, run_layer, generator
):
    layer = LocalResponseNormalization2DLayer(
        (None, channels, None, 3), alpha=0.3, k=1.5, beta=0.6, n=n
    )
    x = generator.randn(2, channels, 2, 3)
    expected = np.empty_like(x)
    for c in range(channels):
        near = x[:, max(0, c - n // 2) : c + n // 2 + 1]
        expected[:, c] = x[:, c] / (1.5 + 0.3 * (near**2).sum(1)) ** 0.6
    np.testing.assert_allclose(run_layer(layer, x), expected)


def test_local_response_defaults_and_gradient(generator):
    layer = LocalResponseNormalization2DLayer((None, 6, 2, 2))
    assert (layer.alpha, layer.k, layer.beta, layer.n) == (1e-4, 2, 0.75, 5)
    strong = LocalResponseNormalization2DLayer((None, 6, 2, 2), alpha=0.5)
    x = generator.randn(1, 6, 2, 2)
    sg.verify_grad(strong.get_output_for, [x], n_tests=1, mode="FAST_COMPILE")


def test_local_response_refuses():
    with pytest.raises(NotSupportedError, match="odd n only, not n=4"):
        LocalResponseNormalization2DLayer((None, 6, 2, 2), n=4)
    with pytest.raises(ArgumentError, match="n=0; use an odd int"):
        LocalResponseNormalization2DLayer((None, 6, 2, 2), n=0)
    with pytest.raises(ShapeError, match=r"takes .batch, channels, rows, columns"):
        LocalResponseNormalization2DLayer((None, 6))


# --- batch normalisation ---


def normalised(x, axes, epsilon=1e-4):
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


@pytest.mark.parametrize(
    ("axes", "used"),
    [("auto", (0, 2, 3)), (0, (0,)), ((0, 1), (0, 1)), ((-1, 0), (0, 3))],
)
def test_batch_norm_uses_the_batch_in_training(axes, used, run_layer, generator):
    x = 3 + 2 * generator.randn(6, 4, 2, 3)
    layer = BatchNormLayer(
        x.shape, axes, beta=init.Normal(1.0), gamma=init.Normal(1.0), epsilon=1e-2
    )
    assert layer.axes == used
    own = [e for i, e in enumerate(x.shape) if i not in used]
    assert layer.mean.get_value().shape == tuple(own)
    wide = [1 if i in used else e for i, e in enumerate(x.shape)]
    beta = layer.beta.get_value().reshape(wide)
    gamma = layer.gamma.get_value().reshape(wide)
    expected = normalised(x, used, 1e-2) * gamma + beta
    np.testing.assert_allclose(run_layer(layer, x), expected, atol=1e-12)


def test_batch_norm_uses_the_averages_when_deterministic(run_layer, generator):
    layer = BatchNormLayer(
        (None, 3), mean=init.Normal(1.0), inv_std=init.Uniform((1.0, 2.0))
    )
    x = generator.randn(5, 3)
    expected = (x - layer.mean.get_value()) * layer.inv_std.get_value()
    np.testing.assert_allclose(run_layer(layer, x, deterministic=True), expected)


def test_batch_norm_without_beta_and_gamma(run_layer, generator):
    layer = BatchNormLayer((None, 3), beta=None, gamma=None)
    assert layer.beta is layer.gamma is None
    x = generator.randn(5, 3)
    np.testing.assert_allclose(run_layer(layer, x), normalised(x, 0))


def test_parameters_and_tags_of_batch_norm():
    layer = BatchNormLayer(InputLayer((None, 3)), name="norm")
    names = [p.name for p in get_all_params(layer)]
    assert names == ["norm.beta", "norm.gamma", "norm.mean", "norm.inv_std"]
    assert get_all_params(layer, trainable=True) == [layer.beta, layer.gamma]
    assert get_all_params(layer, regularizable=True) == [layer.gamma]
    found = get_all_params(layer, batch_norm_stat=True)
    assert found == [layer.mean, layer.inv_std]


def test_every_training_call_moves_the_averages(generator):
    x = T.dmatrix("x")
    layer = BatchNormLayer(InputLayer((None, 3), x), alpha=0.25)
    train = sg.function([x], get_output(layer))
    check = sg.function([x], get_output(layer, deterministic=True))
    mean, inv_std = np.zeros(3), np.ones(3)
    for _ in range(3):
        batch = 2 + generator.randn(7, 3)
        train(batch)
        mean = 0.75 * mean + 0.25 * batch.mean(0)
        inv_std = 0.75 * inv_std + 0.25 / np.sqrt(batch.var(0) + 1e-4)
        np.testing.assert_allclose(layer.mean.get_value(), mean)
        np.testing.assert_allclose(layer.inv_std.get_value(), inv_std)
        np.testing.assert_allclose(check(batch), (batch - mean) * inv_std)
    np.testing.assert_allclose(layer.mean.get_value(), mean)  # check moved nothing


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("use", [True, False, None])
@pytest.mark.parametrize("update", [True, False, None])
def test_keywords_choose_statistics_and_updates(
    deterministic, use, update, value, generator
):
    layer = BatchNormLayer(InputLayer((None, 3)), mean=init.Constant(5))
    batch = generator.randn(4, 3)
    out = get_output(
        layer,
        batch,
        deterministic=deterministic,
        batch_norm_use_averages=use,
        batch_norm_update_averages=update,
    )
    by_averages = deterministic if use is None else use
    moves = not deterministic if update is None else update
    expected = batch - 5 if by_averages else normalised(batch, 0)
    np.testing.assert_allclose(value(out), expected)
    sg.function([], out, mode="FAST_COMPILE")()
    moved = bool((layer.mean.get_value() != 5).any())
    assert moved is moves
    assert bool((layer.inv_std.get_value() != 1).any()) is moves


def test_batch_norm_gradients(check_gradients, generator):
    layer = BatchNormLayer((None, 2, 3), beta=init.Normal(1.0), gamma=init.Normal(1.0))
    found = generator.randn(4, 2, 3)
    for statistic in (layer.mean, layer.inv_std):
        del layer.params[statistic]  # in training the output does not depend on them
    check_gradients(layer, found)
    sg.verify_grad(
        lambda x: layer.get_output_for(x, batch_norm_update_averages=False),
        [found],
        n_tests=1,
        mode="FAST_COMPILE",
    )


def test_float32_stays_float32():
    with sg.config.override(floatX="float32"):
        layer = BatchNormLayer(InputLayer((None, 3, 8, 8)))
        out = get_output(layer)
    assert out.dtype == "float32"
    assert {p.dtype for p in layer.params} == {"float32"}


def test_batch_norm_refuses():
    with pytest.raises(ShapeError, match=r"needs known extents.*\(None, 3, None\)"):
        BatchNormLayer((None, 3, None), axes=0)
    with pytest.raises(ArgumentError, match="axes='spatial'; use 'auto', an int"):
        BatchNormLayer((None, 3), axes="spatial")
    with pytest.raises(ArgumentError, match=r"axes=2 for the input shape \(None, 3\)"):
        BatchNormLayer((None, 3), axes=2)
    layer = BatchNormLayer((None, 3), mean=T.constant(np.zeros(3)))
    with pytest.raises(NotSupportedError, match="is an expression, which cannot be"):
        layer.get_output_for(T.matrix())


# --- standardisation of each example ---


@pytest.mark.parametrize(
    ("shape", "axes", "used"),
    [
        ((None, 5), "auto", (1,)),
        ((None, 3, 4), "auto", (2,)),
        ((None, 3, 4, 2), "spatial", (2, 3)),
        ((None, 3, 4, 2), "features", (1, 2, 3)),
        ((None, 3, 4, 2), 3, (3,)),
        ((None, 3, 4, 2), (1, 2), (1, 2)),
    ],
)
def test_standardisation(shape, axes, used, run_layer, generator):
    x = 2 + 3 * generator.randn(6, *shape[1:])
    layer = StandardizationLayer(shape, axes, epsilon=1e-3)
    assert layer.axes == used
    np.testing.assert_allclose(
        run_layer(layer, x), normalised(x, used, 1e-3), atol=1e-12
    )


def test_gradient_of_standardisation(generator):
    layer = StandardizationLayer((None, 3, 4))
    x = generator.randn(2, 3, 4)
    sg.verify_grad(layer.get_output_for, [x], n_tests=1, mode="FAST_COMPILE")


def test_standardisation_refuses():
    with pytest.raises(ArgumentError, match="axes='all'; use 'spatial'"):
        StandardizationLayer((None, 3), axes="all")
    with pytest.raises(ArgumentError, match="leaves no axis"):
        StandardizationLayer((None, 3), axes="spatial")


# --- helpers that change a layer ---


def kinds(layer):
    return [type(each) for each in get_all_layers(layer)]


def test_batch_norm_takes_nonlinearity_and_biases_off():
    dense = DenseLayer(InputLayer((None, 3)), 4, nonlinearity=tanh, name="hidden")
    made = batch_norm(dense, alpha=0.5)
    assert kinds(made) == [InputLayer, DenseLayer, BatchNormLayer, NonlinearityLayer]
    assert made.nonlinearity is tanh
    assert dense.nonlinearity is nonlinearities.identity
    assert dense.b is None
    assert list(dense.params) == [dense.W]
    assert made.input_layer.alpha == 0.5
    assert (made.input_layer.name, made.name) == ("hidden_bn", "hidden_bn_nonlin")


def test_batch_norm_of_a_layer_without_nonlinearity_or_name():
    made = batch_norm(InputLayer((None, 3)))
    assert kinds(made) == [InputLayer, BatchNormLayer]
    assert made.name is None
    assert batch_norm(InputLayer((None, 3)), name="own").name == "own"


def test_values_of_a_normalised_convolution(value, generator):
    x = generator.randn(3, 2, 5, 5)
    layer = Conv2DLayer(InputLayer((None, 2, 5, 5)), 4, 3, b=init.Constant(7))
    plain = value(Conv2DLayer.convolve(layer, T.constant(x)))
    made = batch_norm(layer)
    expected = np.maximum(normalised(plain, (0, 2, 3)), 0)
    np.testing.assert_allclose(value(get_output(made, x)), expected, atol=1e-12)


def test_instance_norm_has_a_scale_and_a_bias_for_each_channel(value, generator):
    x = generator.randn(3, 2, 5, 5)
    conv = Conv2DLayer(InputLayer((None, 2, 5, 5)), 4, 3, nonlinearity=tanh, name="c")
    made = instance_norm(conv)
    behind = [StandardizationLayer, ScaleLayer, BiasLayer, NonlinearityLayer]
    assert kinds(made)[2:] == behind
    names = [layer.name for layer in get_all_layers(made)[2:]]
    assert names == ["c_in", "c_in_scale", "c_in_bias", "c_in_nonlin"]
    plain = value(conv.convolve(T.constant(x)))
    expected = np.tanh(normalised(plain, (2, 3)))
    np.testing.assert_allclose(value(get_output(made, x)), expected, atol=1e-12)
    bare = Conv2DLayer(InputLayer((None, 2, 5, 5)), 4, 3, nonlinearity=None)
    small = instance_norm(bare, learn_scale=False, learn_bias=False, epsilon=0.5)
    assert kinds(small)[2:] == [StandardizationLayer, NonlinearityLayer]
    assert small.input_layer.epsilon == 0.5


def test_layer_norm_normalises_each_example(value, generator):
    x = generator.randn(6, 3)
    dense = DenseLayer(InputLayer((None, 3)), 5, nonlinearity=tanh, name="d")
    made = layer_norm(dense)
    behind = [StandardizationLayer, ScaleLayer, BiasLayer, NonlinearityLayer]
    assert kinds(made)[2:] == behind
    assert made.name == "d_ln_nonlin"
    expected = np.tanh(normalised(x @ dense.W.get_value(), 1))
    np.testing.assert_allclose(value(get_output(made, x)), expected, atol=1e-12)
