"""Depthwise and separable convolutions against loops over channels."""

import numpy as np
import pytest

from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init
from symgraph.nn.layers import (
    Conv1DLayer,
    Conv2DLayer,
    DepthwiseConv1DLayer,
    DepthwiseConv2DLayer,
    SeparableConv1DLayer,
    SeparableConv2DLayer,
    count_params,
)

NORMAL = init.Normal(1.0)
KINDS = {
    1: (Conv1DLayer, DepthwiseConv1DLayer, SeparableConv1DLayer, (7,)),
    2: (Conv2DLayer, DepthwiseConv2DLayer, SeparableConv2DLayer, (7, 6)),
}


def each_channel(kind, x, w, multiplier, run_layer, **settings):
    """One convolution for each channel, side by side."""
    parts = []
    for c in range(x.shape[1]):
        own = w[c * multiplier : (c + 1) * multiplier]
        layer = kind(
            (None, 1, *x.shape[2:]), multiplier, w.shape[2:], W=own, b=None,
            nonlinearity=None, **settings,
        )  # fmt: skip
        parts.append(run_layer(layer, x[:, c : c + 1]))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(
    "settings", [{}, {"stride": 2, "pad": "same"}, {"pad": 1, "flip_filters": False}]
)
def test_each_channel_by_itself_and_then_across(
    rank, multiplier, settings, run_layer, generator
):
    plain, depthwise, separable, extents = KINDS[rank]
    x = generator.randn(2, 3, *extents)
    size = (3, 2)[:rank]
    layer = depthwise(
        (None, 3, *extents), size, depth_multiplier=multiplier, W=NORMAL, b=NORMAL,
        nonlinearity=None, **settings,
    )  # fmt: skip
    middle = each_channel(
        plain, x, layer.W.get_value(), multiplier, run_layer, **settings
    )
    b = layer.b.get_value().reshape(-1, *[1] * rank)
    np.testing.assert_allclose(run_layer(layer, x), middle + b, rtol=1e-8, atol=1e-12)
    whole = separable(
        (None, 3, *extents), 5, size, depth_multiplier=multiplier, W=layer.W,
        W_pointwise=NORMAL, b=NORMAL, **settings,
    )  # fmt: skip
    sums = np.einsum("nc...,ck->nk...", middle, whole.W_pointwise.get_value())
    sums += whole.b.get_value().reshape(-1, *[1] * rank)
    np.testing.assert_allclose(
        run_layer(whole, x), np.maximum(sums, 0), rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize("kind", [DepthwiseConv2DLayer, SeparableConv2DLayer])
def test_gradients(kind, check_gradients, generator):
    settings = {} if kind is DepthwiseConv2DLayer else {"num_filters": 3}
    layer = kind(
        (None, 2, 3, 4), filter_size=2, depth_multiplier=2, b=NORMAL, **settings
    )
    check_gradients(layer, generator.randn(2, 2, 3, 4))


def test_shapes_parameters_and_tags():
    layer = SeparableConv2DLayer((None, 16, None, None), 32, 3, pad="same", name="s")
    assert layer.output_shape == (None, 32, None, None)
    assert [p.name for p in layer.get_params()] == ["s.W", "s.b", "s.W_pointwise"]
    assert count_params(layer) == 16 * 9 + 16 * 32 + 32
    assert [p.name for p in layer.get_params(regularizable=True)] == [
        "s.W",
        "s.W_pointwise",
    ]
    assert DepthwiseConv2DLayer((None, 4, 9, 9), 3, untie_biases=True).b.type.shape == (
        4,
        7,
        7,
    )


@pytest.mark.parametrize(
    ("shape", "settings", "error", "text"),
    [
        ((None, None, 5, 5), {}, ShapeError, "number of channels must be known"),
        ((None, 3, 5), {}, ShapeError, "a 2D convolution takes"),
        ((None, 3, 5, 5), {"depth_multiplier": 0}, ArgumentError, "depth_multiplier=0"),
        (
            (None, 3, 5, 5),
            {"depth_multiplier": 1.5},
            ArgumentError,
            "depth_multiplier=1.5",
        ),
        ((None, 3, 2, 2), {}, ShapeError, "does not fit"),
    ],
)
@pytest.mark.parametrize("kind", [DepthwiseConv2DLayer, SeparableConv2DLayer])
def test_what_is_refused(kind, shape, settings, error, text):
    if kind is SeparableConv2DLayer:
        settings = {**settings, "num_filters": 3}
    with pytest.raises(error, match=rf"'own'.*{text}"):
        kind(shape, filter_size=3, name="own", **settings)
