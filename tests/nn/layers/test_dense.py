"""DenseLayer and NINLayer: values, shapes, gradients, what is refused."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init, nonlinearities
from symgraph.nn.layers import DenseLayer, InputLayer, NINLayer, get_output

tanh = nonlinearities.tanh


@pytest.fixture
def x(generator):
    return generator.randn(2, 3, 4, 5)


def biases():
    return init.Normal(1.0)


def test_dense_of_a_matrix(run_layer, generator):
    layer = DenseLayer((None, 4), 3, b=biases(), nonlinearity=tanh)
    x = generator.randn(6, 4)
    expected = np.tanh(x @ layer.W.get_value() + layer.b.get_value())
    np.testing.assert_allclose(run_layer(layer, x), expected)


def test_dense_defaults():
    layer = DenseLayer(InputLayer((None, 4)), 3, name="hidden")
    assert layer.W.get_value().shape == (4, 3)
    assert layer.b.get_value().tolist() == [0, 0, 0]
    assert layer.nonlinearity is nonlinearities.rectify
    assert layer.params[layer.W] == {"trainable", "regularizable"}
    assert layer.params[layer.b] == {"trainable"}
    assert [p.name for p in layer.params] == ["hidden.W", "hidden.b"]
    assert layer.num_leading_axes == 1


def test_dense_flattens_what_follows_the_leading_axes(run_layer, x):
    layer = DenseLayer((None, 3, 4, 5), 7, b=biases(), nonlinearity=None)
    assert layer.W.get_value().shape == (60, 7)
    expected = x.reshape(2, 60) @ layer.W.get_value() + layer.b.get_value()
    np.testing.assert_allclose(run_layer(layer, x), expected)


@pytest.mark.parametrize(
    ("leading", "kept", "features"), [(2, 2, 20), (3, 3, 5), (-1, 3, 5), (-2, 2, 20)]
)
def test_dense_with_several_leading_axes(leading, kept, features, run_layer, x):
    layer = DenseLayer(
        (None, None, 4, 5) if kept == 2 else (None, 3, None, 5),
        7, nonlinearity=None, num_leading_axes=leading,
    )  # fmt: skip
    W = layer.W.get_value()
    assert W.shape == (features, 7)
    flat = x.reshape(*x.shape[:kept], features)
    found = run_layer(layer, x)
    np.testing.assert_allclose(found, np.dot(flat, W), atol=1e-12)


def test_dense_without_leading_axes(run_layer, generator):
    layer = DenseLayer((2, 3), 4, nonlinearity=None, num_leading_axes=0)
    x = generator.randn(2, 3)
    assert layer.output_shape == (4,)
    np.testing.assert_allclose(run_layer(layer, x), x.ravel() @ layer.W.get_value())


def test_dense_without_biases(run_layer, generator):
    layer = DenseLayer((None, 4), 3, b=None, nonlinearity=None)
    assert layer.b is None
    assert layer.get_params() == [layer.W]
    x = generator.randn(2, 4)
    np.testing.assert_allclose(run_layer(layer, x), x @ layer.W.get_value())


@pytest.mark.parametrize("shape", [(None, 4), (None, 2, 2)])
def test_dense_gradients(shape, check_gradients, generator):
    layer = DenseLayer(shape, 3, b=biases(), nonlinearity=tanh)
    check_gradients(layer, generator.randn(5, *shape[1:]))


def test_float32_stays_float32():
    with sg.config.override(floatX="float32"):
        layer = DenseLayer(InputLayer((None, 4)), 3)
    assert layer.W.dtype == "float32"
    assert get_output(layer).type == T.TensorType("float32", (None, 3))


@pytest.mark.parametrize("leading", [2, -3, 5])
def test_leading_axes_must_leave_features(leading):
    with pytest.raises(
        ArgumentError, match=rf"num_leading_axes={leading} leaves no axis"
    ):
        DenseLayer((None, 4), 3, num_leading_axes=leading)


def test_features_must_be_known():
    with pytest.raises(
        ShapeError, match=r"\(None, None, 4\) must be known from axis 1"
    ):
        DenseLayer((None, None, 4), 3)


@pytest.mark.parametrize("units", [0, -1, 2.5])
@pytest.mark.parametrize("make", [DenseLayer, NINLayer])
def test_units_must_be_a_positive_int(make, units):
    with pytest.raises(ArgumentError, match=f"num_units={units}; use 1 or more"):
        make((None, 4), units)


def test_weights_of_another_shape():
    with pytest.raises(ShapeError, match=r"'out\.W'.* \(3, 4\), should be \(4, 3\)"):
        DenseLayer((None, 4), 3, W=np.zeros((3, 4)), name="out")


# --- network in network ---


def test_nin_is_a_dense_layer_at_every_place(run_layer, x):
    layer = NINLayer((None, 3, 4, 5), 6, b=biases(), nonlinearity=tanh)
    assert layer.output_shape == (None, 6, 4, 5)
    sums = np.einsum("ncij,ck->nkij", x, layer.W.get_value())
    expected = np.tanh(sums + layer.b.get_value()[:, None, None])
    np.testing.assert_allclose(run_layer(layer, x), expected)


def test_nin_with_a_bias_for_each_place(run_layer, x):
    layer = NINLayer((None, 3, 4, 5), 6, True, b=biases(), nonlinearity=None)
    assert layer.b.get_value().shape == (6, 4, 5)
    sums = np.einsum("ncij,ck->nkij", x, layer.W.get_value())
    np.testing.assert_allclose(run_layer(layer, x), sums + layer.b.get_value())


def test_nin_without_places_or_biases(run_layer, generator):
    layer = NINLayer((None, 3), 6, b=None)
    x = generator.randn(2, 3)
    expected = np.maximum(x @ layer.W.get_value(), 0)
    np.testing.assert_allclose(run_layer(layer, x), expected)


@pytest.mark.parametrize("untie", [False, True])
def test_nin_gradients(untie, check_gradients, generator):
    layer = NINLayer((None, 3, 2), 2, untie, b=biases(), nonlinearity=tanh)
    check_gradients(layer, generator.randn(4, 3, 2))


def test_nin_needs_known_extents():
    with pytest.raises(
        ShapeError, match=r"\(None, None, 4\) must be \(batch, channels"
    ):
        NINLayer((None, None, 4), 3)
    with pytest.raises(ShapeError, match="untie_biases=True needs known extents"):
        NINLayer((None, 3, None), 3, untie_biases=True)
