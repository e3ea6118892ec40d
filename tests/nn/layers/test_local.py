"""LocallyConnected2DLayer against loops over every place."""

import numpy as np
import pytest

from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init
from symgraph.nn.layers import Conv2DLayer, InputLayer, LocallyConnected2DLayer

NORMAL = init.Normal(1.0)


def by_places(x, W, pad, stride, flip, channelwise):
    """The sums, window by window."""
    if flip:
        W = W[..., ::-1, ::-1, :, :]
    rows, columns = W.shape[-2:]
    p, q = W.shape[-4:-2]
    wide = np.pad(x, ((0, 0), (0, 0), *pad))
    out = np.zeros((len(x), len(W), rows, columns))
    for i in range(rows):
        for j in range(columns):
            at = (
                slice(i * stride[0], i * stride[0] + p),
                slice(j * stride[1], j * stride[1] + q),
            )
            window = wide[:, :, *at]
            form = "ncpq,cpq->nc" if channelwise else "ncpq,kcpq->nk"
            out[:, :, i, j] = np.einsum(form, window, W[..., i, j])
    return out


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("channelwise", [True, False])
@pytest.mark.parametrize(
    ("size", "pad", "stride", "borders"),
    [((3, 5), "same", 1, ((1, 1), (2, 2))), ((2, 3), "same", 1, ((0, 1), (1, 1))),
     (2, "valid", (2, 1), ((0, 0), (0, 0))), (3, "full", 2, ((2, 2), (2, 2))),
     ((1, 2), (1, 0), 1, ((1, 1), (0, 0)))],
)  # fmt: skip
def test_sums_of_every_place(
    size, pad, stride, borders, channelwise, flip, run_layer, generator
):
    layer = LocallyConnected2DLayer(
        (None, 3, 5, 6), 3, size, stride, pad, W=NORMAL, b=None, nonlinearity=None,
        flip_filters=flip, channelwise=channelwise,
    )  # fmt: skip
    x = generator.randn(2, 3, 5, 6)
    W = layer.W.get_value()
    wanted = by_places(x, W, borders, layer.stride, flip, channelwise)
    np.testing.assert_allclose(run_layer(layer, x), wanted, rtol=1e-10)


def test_equal_filters_at_every_place_are_a_convolution(run_layer, generator):
    w = generator.randn(4, 2, 3, 3)
    wide = np.broadcast_to(w[..., None, None], (4, 2, 3, 3, 5, 6)).copy()
    b = generator.randn(4)
    local = LocallyConnected2DLayer((None, 2, 5, 6), 4, 3, W=wide, b=b)
    conv = Conv2DLayer((None, 2, 5, 6), 4, 3, pad="same", W=w, b=b)
    x = generator.randn(3, 2, 5, 6)
    np.testing.assert_allclose(run_layer(local, x), run_layer(conv, x), rtol=1e-10)


def test_gradients(check_gradients, generator):
    layer = LocallyConnected2DLayer((None, 2, 2, 3), 2, 2, untie_biases=True)
    assert layer.b.get_value().shape == (2, 2, 3)
    check_gradients(layer, generator.randn(2, 2, 2, 3))


def test_defaults_are_lasagnes():
    layer = LocallyConnected2DLayer(InputLayer((None, 3, 8, 8)), 5, 3)
    assert (layer.pad, layer.stride, layer.flip_filters) == ("same", (1, 1), True)
    assert layer.W.get_value().shape == (5, 3, 3, 3, 8, 8)
    assert layer.output_shape == (None, 5, 8, 8)


@pytest.mark.parametrize("shape", [(None, 3, None, 8), (None, None, 8, 8)])
def test_extents_must_be_known(shape):
    with pytest.raises(ShapeError, match=r"'l'.*known.*None"):
        LocallyConnected2DLayer(shape, 3, 3, name="l")


def test_filters_of_single_channels_are_as_many_as_channels():
    with pytest.raises(ArgumentError, match=r"num_filters=4, and the input has 3"):
        LocallyConnected2DLayer((None, 3, 8, 8), 4, 3, channelwise=True)
