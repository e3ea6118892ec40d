"""Convolutions become operations of the tile library, by algorithm and parameters."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu.steps import Tiles
from symgraph.config import config
from symgraph.errors import ConfigError


def steps(channels, filters, dtype="float32", window=(3, 3), gradient=False, **options):
    x = T.TensorType(dtype, (None, channels, None, None))("x")
    w = T.TensorType(dtype, (filters, channels, *window))("w")
    y = T.nnet.conv2d(x, w, **options)
    if gradient:
        y = sg.grad((y * y).sum(), x)
    f = sg.function([x, w], y, mode="FAST_COMPILE")
    return [s for s in f.lowered.native.steps if isinstance(s, Tiles)]


def operations(*args, **options):
    return [step.operation for step in steps(*args, **options)]


def test_three_by_three_windows_of_many_channels_use_winograd():
    assert operations(16, 32) == ["winograd4"]
    assert operations(16, 32, border_mode="half") == ["winograd4"]


@pytest.mark.parametrize(
    "case",
    [
        {"channels": 3, "filters": 32},
        {"channels": 32, "filters": 10},
        {"channels": 32, "filters": 32, "dtype": "float64"},
        {"channels": 32, "filters": 32, "window": (5, 5)},
        {"channels": 32, "filters": 32, "subsample": (2, 2)},
        {"channels": 32, "filters": 32, "filter_dilation": (2, 2)},
    ],
)
def test_what_winograd_cannot_do_or_should_not_is_summed_directly(case):
    assert operations(**case) == ["convolution"]


def test_the_gradient_of_the_input_is_winograd_of_the_transposed_filters():
    forward, backward = steps(16, 32, gradient=True, border_mode=(2, 1))
    assert forward.operation == backward.operation == "winograd4"
    before, after = dict(forward.parameters), dict(backward.parameters)
    assert (before["adjoint"], after["adjoint"]) == (("literal", 0), ("literal", 1))
    assert after["channels"] == before["filters"]
    assert after["filters"] == before["channels"]
    assert (after["pad_height"], after["pad_width"]) == (("literal", 0), ("literal", 1))
    assert after["height"] == before["out_height"]


def test_the_setting_chooses_the_algorithm():
    with config.override(winograd=0):
        assert operations(16, 32) == ["convolution"]
    with config.override(winograd=2):
        assert operations(16, 32) == ["winograd2"]


@pytest.mark.parametrize("value", [True, 3, "4"])
def test_an_unknown_algorithm_is_refused(value):
    with pytest.raises(ConfigError, match="4, 2 or 0"):
        config.winograd = value


@pytest.mark.parametrize("winograd", [4, 2, 0])
def test_all_algorithms_give_the_same_numbers(winograd):
    random = np.random.default_rng(0)
    values = random.standard_normal((2, 16, 9, 7)).astype("float32")
    filters = random.standard_normal((18, 16, 3, 3)).astype("float32")
    x, w = T.ftensor4("x"), sg.shared(filters)
    y = T.nnet.conv2d(x, w, border_mode="half")
    outputs = [y, sg.grad((y * y).sum(), x)]
    slow = sg.function([x], outputs, mode="FAST_COMPILE")(values)
    with config.override(winograd=winograd):
        fast = sg.function([x], outputs)(values)
    for got, wanted in zip(fast, slow, strict=True):
        close = 5e-5 * np.abs(wanted).max()
        np.testing.assert_allclose(got, wanted, rtol=0, atol=close)


def test_spatial_axes_are_lifted_to_three():
    x = T.TensorType("float64", (None, 2, None))("x")
    w = T.TensorType("float64", (4, 2, 5))("w")
    y = T.nnet.conv1d(x, w, border_mode=(2,), subsample=(3,), filter_dilation=(2,))
    f = sg.function([x, w], y, mode="FAST_COMPILE")
    (step,) = [s for s in f.lowered.native.steps if isinstance(s, Tiles)]
    given = dict(step.parameters)
    for axis in ("depth", "height"):
        assert given[axis] == given[f"window_{axis}"] == ("literal", 1)
        assert given[f"pad_{axis}"] == ("literal", 0)
    assert given["window_width"] == ("literal", 5)
    assert given["stride_width"] == ("literal", 3)
    assert given["dilation_width"] == ("literal", 2)
    assert given["pad_width"] == ("literal", 2)
