"""Rectifiers with slopes that are learned or drawn."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init
from symgraph.nn.layers import (
    DenseLayer,
    InputLayer,
    ParametricRectifierLayer,
    RandomizedRectifierLayer,
    get_output,
    prelu,
    rrelu,
)


@pytest.fixture
def x(generator):
    return generator.randn(2, 3, 4)


def leaky(x, slope):
    return np.where(x > 0, x, slope * x)


@pytest.mark.parametrize(
    ("axes", "own", "expand"),
    [("auto", (3,), (0, 2)), ("all", (), (0, 1, 2)), (0, (3, 4), (0,)),
     ((0, -1), (3,), (0, 2)), ((), (2, 3, 4), ())],
)  # fmt: skip
def test_parametric_rectifier(axes, own, expand, run_layer, check_gradients, x):
    layer = ParametricRectifierLayer((2, 3, 4), init.Uniform((0, 1)), axes)
    alpha = layer.alpha.get_value()
    assert alpha.shape == own
    wide = np.expand_dims(alpha, expand)
    np.testing.assert_allclose(run_layer(layer, x), leaky(x, wide))
    check_gradients(layer, x)


def test_slopes_start_at_a_quarter_and_are_not_regularizable():
    layer = ParametricRectifierLayer((None, 3))
    assert layer.alpha.get_value().tolist() == [0.25] * 3
    assert layer.get_params(trainable=True) == [layer.alpha]
    assert layer.get_params(regularizable=True) == []


def test_extents_of_slopes_must_be_known():
    with pytest.raises(
        ShapeError, match=r"a slope needs known extents.*\(None, None\)"
    ):
        ParametricRectifierLayer((None, None), name="p")
    with pytest.raises(ArgumentError, match="shared axis 2 of 2 axes"):
        RandomizedRectifierLayer((None, 3), shared_axes=2)


def test_prelu_takes_the_place_of_the_nonlinearity():
    below = DenseLayer(InputLayer((None, 3)), 4, name="hidden")
    layer = prelu(below, alpha=init.Constant(0.5))
    assert below.nonlinearity(7) == 7
    assert layer.input_layer is below
    assert layer.alpha.name == "hidden_prelu.alpha"
    assert layer.alpha.get_value().tolist() == [0.5] * 4


def test_rrelu_takes_the_place_of_the_nonlinearity():
    below = DenseLayer(InputLayer((None, 3)), 4)
    layer = rrelu(below, lower=0.1, upper=0.2)
    assert below.nonlinearity(7) == 7
    assert (layer.lower, layer.upper) == (0.1, 0.2)


@pytest.mark.parametrize("axes", ["auto", "all", (0, 1), ()])
def test_randomized_rectifier_draws_a_slope_for_what_is_not_shared(axes, generator):
    x = generator.randn(50, 7, 3)
    layer = RandomizedRectifierLayer((None, 7, 3), 0.2, 0.6, axes)
    v = T.dtensor3("v")
    f = sg.function([v], layer.get_output_for(v), mode="FAST_COMPILE")
    found = f(x)
    assert np.array_equal(found[x > 0], x[x > 0])
    slopes = np.where(x > 0, np.nan, found / x)
    assert np.nanmin(slopes) >= 0.2
    assert np.nanmax(slopes) < 0.6
    if layer.shared_axes:
        spread = np.nanmax(slopes, axis=layer.shared_axes) - np.nanmin(
            slopes, axis=layer.shared_axes
        )
        np.testing.assert_allclose(spread, 0, atol=1e-12)
    assert not np.array_equal(f(x), found)  # each call draws anew


def test_randomized_rectifier_has_the_mean_slope_if_deterministic(run_layer, x):
    layer = RandomizedRectifierLayer((None, 3, 4), 0.2, 0.6)
    np.testing.assert_allclose(run_layer(layer, x, deterministic=True), leaky(x, 0.4))
    same = RandomizedRectifierLayer((None, 3, 4), 0.3, 0.3)
    np.testing.assert_allclose(run_layer(same, x), leaky(x, 0.3))


def test_bounds_may_be_shared_variables_and_keep_float32(generator):
    with sg.config.override(floatX="float32"):
        upper = sg.shared(np.float32(0.5))
        below = InputLayer((None, 3))
        layer = RandomizedRectifierLayer(below, 0.5, upper)
        for settings in ({}, {"deterministic": True}):
            out = get_output(layer, **settings)
            assert out.dtype == "float32"
            f = sg.function([below.input_var], out, mode="FAST_COMPILE")
            np.testing.assert_allclose(f(np.float32([[-2, 2, -4]])), [[-1, 2, -2]])


def test_bounds_in_the_wrong_order():
    with pytest.raises(
        ArgumentError, match=r"lower=0.8 must not be larger than upper=0.3"
    ):
        RandomizedRectifierLayer((None, 3), 0.8, 0.3)
