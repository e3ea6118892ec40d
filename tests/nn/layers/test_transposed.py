"""Transposed convolutions: values against loops, lengths, gradients."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init, nonlinearities
from symgraph.nn.layers import (
    Conv2DLayer,
    Deconv2DLayer,
    Deconv3DLayer,
    TransposedConv2DLayer,
    TransposedConv3DLayer,
)

LAYERS = {2: TransposedConv2DLayer, 3: TransposedConv3DLayer}


def spread(x, w, stride, crop, extents):
    """Each place adds its filter, scaled, to the output; then the border is cut off."""
    n = x.ndim - 2
    whole = [e + 2 * c + max(s, k) for e, c, s, k in zip(
        extents, crop, stride, w.shape[2:], strict=True)]  # fmt: skip
    out = np.zeros((x.shape[0], w.shape[1], *whole))
    for place in np.ndindex(*x.shape[2:]):
        at = tuple(
            slice(i * s, i * s + k)
            for i, s, k in zip(place, stride, w.shape[2:], strict=True)
        )
        scaled = np.tensordot(x[(slice(None), slice(None), *place)], w, [[1], [0]])
        out[(slice(None), slice(None), *at)] += scaled
    kept = tuple(slice(c, c + e) for c, e in zip(crop, extents, strict=True))
    assert len(kept) == n
    return out[(slice(None), slice(None), *kept)]


CASES = [
    # extents in, filter, stride, crop, crop in elements, output_size, extents out
    ((4, 5), 3, 1, 0, (0, 0), None, (6, 7)),
    ((4, 5), (3, 2), 2, "valid", (0, 0), None, (9, 10)),
    ((4, 5), 3, 2, "same", (1, 1), None, (7, 9)),
    ((4, 5), 3, 2, "same", (1, 1), (8, 10), (8, 10)),
    ((4, 5), 3, (1, 3), "full", (2, 2), None, (2, 11)),
    ((4, 3), (4, 5), 3, (1, 2), (1, 2), None, (11, 7)),
    ((2, 3, 2), 2, (1, 2, 2), 0, (0, 0, 0), None, (3, 6, 4)),
    ((2, 3, 2), 3, 2, 1, (1, 1, 1), (4, 6, 3), (4, 6, 3)),
]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("inside", "size", "stride", "crop", "cut", "output_size", "outside"), CASES
)
def test_values_and_shapes(
    inside, size, stride, crop, cut, output_size, outside, flip, run_layer, generator
):
    n = len(inside)
    layer = LAYERS[n](
        (None, 3, *inside), 2, size, stride, crop, b=init.Normal(1.0),
        nonlinearity=nonlinearities.tanh, flip_filters=flip, output_size=output_size,
    )  # fmt: skip
    assert layer.output_shape == (None, 2, *outside)
    w = layer.W.get_value()
    assert w.shape[:2] == (3, 2)
    if not flip:  # what slides unflipped over the spread input arrives turned around
        w = w[(slice(None), slice(None), *(slice(None, None, -1),) * n)]
    x = generator.randn(2, 3, *inside)
    sums = spread(x, w, layer.stride, cut, outside)
    expected = np.tanh(sums + layer.b.get_value().reshape(-1, *(1,) * n))
    np.testing.assert_allclose(run_layer(layer, x), expected, atol=1e-12)


def test_extents_that_are_not_known_until_the_call(run_layer, generator):
    layer = TransposedConv2DLayer((None, 2, None, None), 3, 4, stride=2, crop=1)
    assert layer.output_shape == (None, 3, None, None)
    out = run_layer(layer, generator.randn(2, 2, 3, 5))
    assert out.shape == (2, 3, 6, 10)


def test_an_output_size_that_is_a_variable(value, generator):
    size = T.lvector("size")
    layer = TransposedConv2DLayer(
        (None, 2, 4, 4), 3, 3, 2, nonlinearity=None, output_size=size
    )
    assert layer.output_shape == (None, 3, None, None)
    x = generator.randn(1, 2, 4, 4)
    out = layer.get_output_for(T.constant(x))
    found = value(out, {size: np.array([10, 9])})
    expected = spread(x, layer.W.get_value()[..., ::-1, ::-1], (2, 2), (0, 0), (10, 9))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("n", [2, 3])
def test_gradients(n, check_gradients, generator):
    inside = (2, 3, 2)[:n]
    layer = LAYERS[n](
        (None, 2, *inside), 2, 2, 2, b=init.Normal(1.0),
        nonlinearity=nonlinearities.tanh,
    )  # fmt: skip
    check_gradients(layer, generator.randn(2, 2, *inside))


def test_names():
    assert Deconv2DLayer is TransposedConv2DLayer
    assert Deconv3DLayer is TransposedConv3DLayer
    layer = TransposedConv2DLayer((None, 2, 4, 4), 3, 3, crop="same", name="up")
    assert (layer.crop, layer.W.name, layer.flip_filters) == ("same", "up.W", False)


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="one value or 2 values"):
        TransposedConv2DLayer((None, 2, 4, 4), 3, 3, output_size=(1, 2, 3))
    for size in ((8, 9), (11, 9)):  # 9 and 10 fit
        with pytest.raises(ShapeError, match="not to the input's extents"):
            TransposedConv2DLayer((None, 2, 4, 4), 3, 3, 2, output_size=size)
    with pytest.raises(ArgumentError, match="stride=0"):
        TransposedConv2DLayer((None, 2, 4, 4), 3, 3, 0)


@pytest.mark.parametrize("size", [2, 4, (2, 3)])
@pytest.mark.parametrize(
    ("stride", "output", "known"),
    [(1, None, True), (2, None, False), (2, (8, 10), True), (3, (12, 13), True),
     (3, None, False)],
)  # fmt: skip
def test_same_crop_of_even_filters_is_the_adjoint(
    size, stride, output, known, run_layer, generator
):
    shape = (None, 3, 4, 5) if known else (None, 3, None, None)
    layer = TransposedConv2DLayer(
        shape, 2, size, stride, "same", b=None, nonlinearity=None, output_size=output
    )
    x = generator.randn(2, 3, 4, 5)
    out = run_layer(layer, x)
    if output is None:
        assert out.shape[2:] == (3 * stride + 1, 4 * stride + 1)
    forward = Conv2DLayer(
        (None, *out.shape[1:]), 3, size, stride, "same", W=layer.W, b=None,
        nonlinearity=None,
    )  # fmt: skip
    v = generator.randn(*out.shape)
    taken = run_layer(forward, v)
    assert taken.shape == x.shape
    np.testing.assert_allclose((out * v).sum(), (x * taken).sum())
