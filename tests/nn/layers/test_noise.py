"""Dropout and Gaussian noise: statistics, shared masks, deterministic outputs."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.errors import ArgumentError
from symgraph.nn.layers import (
    DropoutLayer,
    GaussianNoiseLayer,
    InputLayer,
    dropout,
    dropout_channels,
    dropout_locations,
    get_output,
    spatial_dropout,
)

ONES = np.ones((200, 100))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.5, 0.2])
def test_dropout_drops_a_share_and_keeps_the_mean(p, dtype, run_layer):
    out = run_layer(DropoutLayer((None, 100), p=p), ONES.astype(dtype))
    assert out.dtype == dtype
    assert (out == 0).mean() == pytest.approx(p, abs=0.02)
    np.testing.assert_allclose(out[out != 0], 1 / (1 - p), rtol=1e-6)
    assert out.mean() == pytest.approx(1, abs=0.03)


def test_dropout_without_rescaling(run_layer):
    out = run_layer(DropoutLayer((None, 100), p=0.3, rescale=False), ONES)
    assert set(np.unique(out)) == {0.0, 1.0}
    assert out.mean() == pytest.approx(0.7, abs=0.02)


def test_dropout_of_everything_without_rescaling(run_layer):
    assert not run_layer(DropoutLayer((None, 100), p=1, rescale=False), ONES).any()


@pytest.mark.parametrize("layer", [DropoutLayer, GaussianNoiseLayer])
def test_deterministic_gives_the_input(layer):
    x = InputLayer((None, 100))
    assert get_output(layer(x), deterministic=True) is x.input_var


def test_nothing_to_drop_and_no_noise_give_the_input():
    x = InputLayer((None, 100))
    assert get_output(DropoutLayer(x, p=0)) is x.input_var
    assert get_output(GaussianNoiseLayer(x, sigma=0)) is x.input_var


@pytest.mark.parametrize(
    ("make", "axes"),
    [
        (lambda s: DropoutLayer(s, shared_axes=(1,)), (1,)),
        (lambda s: DropoutLayer(s, shared_axes=(0, -1)), (0, 2)),
        (dropout_channels, (2,)),
        (spatial_dropout, (2,)),
        (dropout_locations, (1,)),
    ],
)
def test_elements_along_shared_axes_share_the_mask(make, axes, run_layer):
    out = run_layer(make((None, 30, 20)), np.ones((40, 30, 20)))
    spread = np.ptp(out, axis=axes)
    assert not spread.any()
    others = tuple(axis for axis in range(3) if axis not in axes)
    assert np.ptp(out, axis=others).all()
    assert 0.3 < (out == 0).mean() < 0.7


def test_the_probability_may_be_a_variable(value):
    p = sg.shared(0.9, name="p")
    with sg.config.override(floatX="float32"):
        x = InputLayer((None, 100))
        out = get_output(DropoutLayer(x, p=p), ONES.astype("float32"))
    assert out.dtype == "float32"
    assert (value(out) == 0).mean() == pytest.approx(0.9, abs=0.02)
    p.set_value(0.1)
    assert (value(out) == 0).mean() == pytest.approx(0.1, abs=0.02)


def test_gradient_flows_through_what_is_kept(value):
    x = T.dmatrix("x")
    out = get_output(DropoutLayer(InputLayer((None, 100), x), p=0.2))
    found = value(sg.grad(T.sum(out), x), {x: 3 * ONES})
    np.testing.assert_allclose(found, value(out, {x: ONES}))


def test_gaussian_noise_has_its_deviation(run_layer):
    out = run_layer(GaussianNoiseLayer((None, 100), sigma=0.3), 5 * ONES)
    assert out.mean() == pytest.approx(5, abs=0.01)
    assert out.std() == pytest.approx(0.3, rel=0.03)


def test_the_generator_decides_the_noise(value):
    def noise(seed):
        nn.random.set_rng(np.random.RandomState(seed))
        return value(get_output(DropoutLayer(InputLayer((None, 100))), ONES))

    assert np.array_equal(noise(1), noise(1))
    assert (noise(1) != noise(2)).any()


@pytest.mark.parametrize("layer", [DropoutLayer, GaussianNoiseLayer])
def test_two_layers_and_two_calls_draw_differently(layer):
    x = InputLayer((None, 100), T.dmatrix("x"))
    first, second = layer(x), layer(x)
    f = sg.function([x.input_var], get_output([first, second]))
    a, b = f(ONES)
    c, _ = f(ONES)
    assert (a != b).any()
    assert (a != c).any()


def test_one_function_serves_every_batch_size():
    x = InputLayer((None, 20), T.dmatrix("x"))
    f = sg.function([x.input_var], get_output(DropoutLayer(x)))
    for rows in (1, 7, 30):
        assert f(np.ones((rows, 20))).shape == (rows, 20)


def test_dropout_is_an_alias():
    assert dropout is DropoutLayer


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_probabilities_out_of_range(p):
    with pytest.raises(ArgumentError, match=f"<DropoutLayer>: p={p} is not in 0 .. 1"):
        DropoutLayer((None, 3), p=p)


def test_other_settings_out_of_range():
    with pytest.raises(ArgumentError, match="p=1 drops everything"):
        DropoutLayer((None, 3), p=1)
    with pytest.raises(ArgumentError, match="shared axis 2 of an input of 2 axes"):
        DropoutLayer((None, 3), shared_axes=(2,))
    with pytest.raises(ArgumentError, match="sigma=-1 must not be negative"):
        GaussianNoiseLayer((None, 3), sigma=-1)
