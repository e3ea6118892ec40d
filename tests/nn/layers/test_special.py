"""Layers of one function: nonlinearity, bias, scale, expression."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init, nonlinearities
from symgraph.nn.layers import (
    BiasLayer,
    ExpressionLayer,
    NonlinearityLayer,
    ScaleLayer,
    standardize,
)


@pytest.fixture
def x(generator):
    return generator.randn(2, 3, 4)


def test_nonlinearity(run_layer, x):
    assert np.array_equal(run_layer(NonlinearityLayer((2, 3, 4)), x), np.maximum(x, 0))
    layer = NonlinearityLayer((2, 3, 4), nonlinearities.tanh)
    np.testing.assert_allclose(run_layer(layer, x), np.tanh(x))
    assert np.array_equal(run_layer(NonlinearityLayer((2, 3, 4), None), x), x)


@pytest.mark.parametrize(
    ("axes", "own", "expand"),
    [
        ("auto", (3,), (0, 2)),
        (0, (3, 4), (0,)),
        ((0, 1), (4,), (0, 1)),
        ((0, -1), (3,), (0, 2)),
        ((), (2, 3, 4), ()),
        ((0, 1, 2), (), (0, 1, 2)),
    ],
)
def test_bias_and_scale_repeat_along_shared_axes(axes, own, expand, run_layer, x):
    layer = BiasLayer((2, 3, 4), init.Normal(1.0), shared_axes=axes)
    b = layer.b.get_value()
    assert b.shape == own
    np.testing.assert_allclose(run_layer(layer, x), x + np.expand_dims(b, expand))
    layer = ScaleLayer((2, 3, 4), init.Normal(1.0), shared_axes=axes)
    scales = layer.scales.get_value()
    assert scales.shape == own
    np.testing.assert_allclose(run_layer(layer, x), x * np.expand_dims(scales, expand))


@pytest.mark.parametrize("make", [BiasLayer, ScaleLayer])
def test_gradients(make, check_gradients, x):
    check_gradients(make((None, 3, 4), init.Normal(1.0)), x)


def test_defaults_change_nothing(run_layer, x):
    for layer in (
        BiasLayer((2, 3, 4)),
        ScaleLayer((2, 3, 4)),
        BiasLayer((2, 3, 4), None),
    ):
        assert np.array_equal(run_layer(layer, x), x)
    assert BiasLayer((2, 3, 4), None).get_params() == []


def test_biases_and_scales_are_not_regularized():
    for layer in (BiasLayer((2, 3)), ScaleLayer((2, 3))):
        assert layer.get_params(regularizable=True) == []
        assert len(layer.get_params(trainable=True)) == 1


def test_standardize(run_layer, value, generator):
    x = generator.randn(50, 3) * [1, 2, 3] + [4, 5, 6]
    offset, scale = x.mean(axis=0), x.std(axis=0)
    layer = standardize((None, 3), offset, scale)
    inner = layer.input_layer
    found = run_layer(layer, value(inner.get_output_for(T.constant(x))))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=0), 1)
    for each in (layer, inner):
        assert each.get_params(trainable=True) == []
        assert len(each.get_params()) == 1


def test_standardize_by_shared_variables():
    offset, scale = sg.shared(np.ones(3)), sg.shared(np.ones(3))
    layer = standardize((None, 3), offset, scale)
    assert layer.get_params() == [scale]
    assert layer.input_layer.get_params() == [offset]


@pytest.mark.parametrize("shape", [(None, 3), lambda shape: shape[:2], "auto"])
def test_expression_with_another_shape(shape, run_layer, x):
    layer = ExpressionLayer(
        (None, 3, 4), lambda x: T.max(x, axis=2), output_shape=shape
    )
    assert layer.output_shape == (None, 3)
    if callable(shape) or shape == "auto":
        assert np.array_equal(run_layer(layer, x), x.max(axis=2))


def test_expression_of_the_same_shape(run_layer, x):
    layer = ExpressionLayer((2, 3, 4), lambda x: 1 - x)
    np.testing.assert_allclose(run_layer(layer, x), 1 - x)


def test_extents_that_are_not_shared_must_be_known():
    text = r"known extents .* the input shape is \(None, None\), shared are \(0,\)"
    with pytest.raises(ShapeError, match="a bias needs " + text):
        BiasLayer((None, None))
    with pytest.raises(ShapeError, match="a scale needs " + text):
        ScaleLayer((None, None))


def test_arguments_that_are_refused():
    with pytest.raises(ArgumentError, match="shared axis 2 of 2 axes"):
        BiasLayer((None, 3), shared_axes=2)
    with pytest.raises(ArgumentError, match="shared_axes='both'; use 'auto', 'all'"):
        ScaleLayer((None, 3), shared_axes="both")
    with pytest.raises(ArgumentError, match="output_shape='same'; use None, a tuple"):
        ExpressionLayer((None, 3), lambda x: x, output_shape="same")
