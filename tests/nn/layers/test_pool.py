"""Pooling layers: values against loops, shapes, gradients, what is refused."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers import (
    GlobalPoolLayer,
    MaxPool1DLayer,
    MaxPool2DLayer,
    MaxPool3DLayer,
    Pool1DLayer,
    Pool2DLayer,
    Pool3DLayer,
    pool_output_length,
)

POOL = {1: Pool1DLayer, 2: Pool2DLayer, 3: Pool3DLayer}
MAX_POOL = {1: MaxPool1DLayer, 2: MaxPool2DLayer, 3: MaxPool3DLayer}


def pooled(x, size, stride, pad, ignore_border, mode):
    """Pooling by loops over windows; what lies outside is padding or nothing."""
    extents = x.shape[2:]
    counts = []
    for e, k, s, p in zip(extents, size, stride, pad, strict=True):
        starts = [i for i in range(0, e + 2 * p, s) if i + k <= e + 2 * p]
        if not ignore_border:
            reached = starts[-1] + k if starts else 0
            if reached < e and len(starts) * s < e:
                starts.append(len(starts) * s)
        counts.append(len(starts))
    out = np.empty((*x.shape[:2], *counts))
    for place in np.ndindex(*counts):
        inside, whole = [], 1
        for i, e, k, s, p in zip(place, extents, size, stride, pad, strict=True):
            start = i * s - p
            inside.append(slice(max(start, 0), min(start + k, e)))
            whole *= min(start + k, e + p) - start
        part = x[(slice(None), slice(None), *inside)].reshape(*x.shape[:2], -1)
        at = (slice(None), slice(None), *place)
        if mode == "max":
            out[at] = part.max(-1)
        elif mode == "average_inc_pad":
            out[at] = part.sum(-1) / whole
        else:
            out[at] = part.mean(-1) if mode == "average_exc_pad" else part.sum(-1)
    return out


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize(
    ("extents", "size", "stride", "pad", "border"),
    [
        ((7,), 2, None, 0, True),
        ((7,), 2, None, 0, False),
        ((8,), 3, 2, 1, True),
        ((8, 7), 2, 2, 0, True),
        ((8, 7), (3, 2), (2, 1), (1, 0), True),
        ((8, 7), 3, 2, 0, False),
        ((5, 9), 2, 3, 0, False),
        ((5, 4, 6), 2, None, 0, True),
        ((5, 4, 6), (1, 2, 3), (1, 1, 2), (0, 1, 1), True),
        ((5, 4, 6), 2, 2, 0, False),
    ],
)
def test_values_are_those_of_loops(
    extents, size, stride, pad, border, mode, run_layer, generator
):
    x = generator.randn(2, 3, *extents)
    layer = POOL[len(extents)]((None, 3, *extents), size, stride, pad, border, mode)
    expected = pooled(x, layer.pool_size, layer.stride, layer.pad, border, mode)
    np.testing.assert_allclose(run_layer(layer, x), expected, atol=1e-12)
    if mode == "max":
        layer = MAX_POOL[len(extents)]((None, 3, *extents), size, stride, pad, border)
        np.testing.assert_array_equal(run_layer(layer, x), expected)


@pytest.mark.parametrize("border", [True, False])
def test_extents_that_are_not_known_until_the_call(border, run_layer, generator):
    layer = MaxPool2DLayer((None, 2, None, 6), 3, 2, ignore_border=border)
    assert layer.output_shape[:3] == (None, 2, None)
    for rows in (5, 8):
        assert run_layer(layer, generator.randn(2, 2, rows, 6)).shape[3] in (2, 3)


def test_defaults():
    layer = MaxPool2DLayer((None, 3, 8, 8), 2)
    settings = (layer.pool_size, layer.stride, layer.pad, layer.ignore_border)
    assert settings == ((2, 2), (2, 2), (0, 0), True)
    assert layer.mode == "max"
    assert isinstance(layer, Pool2DLayer)
    assert layer.params == {}


@pytest.mark.parametrize("mode", ["max", "sum", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize(
    ("extents", "settings"),
    [
        ((5,), {"pool_size": 2, "stride": 1}),
        ((4, 5), {"pool_size": (2, 3), "stride": 2, "pad": 1}),
        ((2, 3, 2), {"pool_size": 2, "ignore_border": False}),
    ],
)
def test_gradients(extents, settings, mode, generator):
    layer = POOL[len(extents)]((None, 2, *extents), mode=mode, **settings)
    places = generator.permutation(2 * 2 * int(np.prod(extents)))
    x = places.reshape(2, 2, *extents) / 10  # no two elements are near one another
    sg.verify_grad(layer.get_output_for, [x], n_tests=1, mode="FAST_COMPILE")


def test_the_gradient_of_a_tie_goes_to_every_maximum(value):
    x = T.dtensor3("x")
    out = MaxPool1DLayer((None, 1, 4), 4).get_output_for(x)
    found = value(sg.grad(T.sum(out), x), {x: np.array([[[1.0, 3.0, 3.0, 2.0]]])})
    assert found.tolist() == [[[0, 1, 1, 0]]]


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"shape": (None, 3, 8)}, ShapeError, r"2D pooling takes .*\(None, 3, 8\)"),
        ({"shape": (None, 3, 8, 1)}, ShapeError, r"window \(2, 2\).* does not fit"),
        ({"pool_size": 0}, ArgumentError, "pool_size=0; use 1 or more"),
        ({"stride": (0, 1)}, ArgumentError, r"stride=\(0, 1\); use 1 or more"),
        ({"pad": -1}, ArgumentError, "pad=-1; use 0 or more"),
        ({"pad": 2}, ArgumentError, "pad=2 must be smaller than pool_size=2"),
        ({"pad": 1, "ignore_border": False}, ArgumentError, "needs ignore_border=True"),
        ({"mode": "mean"}, ArgumentError, "mode='mean'; use max, average_inc_pad"),
        ({"pool_size": (2, 2, 2)}, ArgumentError, "one value or 2 values"),
    ],
)
def test_what_pooling_refuses(settings, error, text):
    settings = {"shape": (None, 3, 8, 8), "pool_size": 2, **settings}
    with pytest.raises(error, match=text):
        Pool2DLayer(settings.pop("shape"), **settings)


def test_lengths_of_pooling():
    assert pool_output_length(None, 2, 2, 0, True) is None
    assert pool_output_length(2, 4, 3, 0, False) == 1
    assert pool_output_length(9, 3, 2, 1, True) == 5
    with pytest.raises(ArgumentError, match="pad=1 needs ignore_border=True"):
        pool_output_length(9, 3, 2, 1, False)


# --- over everything ---


def test_global_pooling(run_layer, generator):
    x = generator.randn(2, 3, 4, 5)
    np.testing.assert_allclose(
        run_layer(GlobalPoolLayer((None, 3, None, 5)), x), x.mean((2, 3))
    )
    found = run_layer(GlobalPoolLayer((None, 3, 4, 5), pool_function=T.max), x)
    np.testing.assert_array_equal(found, x.max((2, 3)))
    with pytest.raises(ShapeError, match="nothing behind the channels"):
        GlobalPoolLayer((None, 3))
