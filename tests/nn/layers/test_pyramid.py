"""Spatial pyramids: values against loops, shapes, what is refused."""

import numpy as np
import pytest

from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers import SpatialPyramidPoolingLayer


def parts_of(x, d, pool):
    rows, columns = x.shape[2:]
    out = []
    for i in range(d):
        for j in range(d):
            top, bottom = i * rows // d, -(-(i + 1) * rows // d)
            left, right = j * columns // d, -(-(j + 1) * columns // d)
            out.append(pool(x[:, :, top:bottom, left:right], axis=(2, 3)))
    return np.stack(out, 2)


@pytest.mark.parametrize("shape", [(None, 3, 7, 9), (None, 3, None, None)])
@pytest.mark.parametrize(
    ("mode", "pool"), [("max", np.max), ("average_exc_pad", np.mean)]
)
def test_pyramid_of_any_size(shape, mode, pool, run_layer, generator):
    x = generator.randn(2, 3, 7, 9)
    layer = SpatialPyramidPoolingLayer(shape, [3, 1], mode, implementation="kaiming")
    assert layer.output_shape == (None, 3, 10)
    expected = np.concatenate([parts_of(x, d, pool) for d in (3, 1)], 2)
    np.testing.assert_allclose(run_layer(layer, x), expected)


def test_fast_pyramid(run_layer, generator):
    x = generator.randn(2, 3, 8, 12)  # where parts are equal, both ways are the same
    expected = np.concatenate([parts_of(x, d, np.max) for d in (4, 2, 1)], 2)
    layer = SpatialPyramidPoolingLayer((None, 3, 8, 12))
    np.testing.assert_array_equal(run_layer(layer, x), expected)
    layer = SpatialPyramidPoolingLayer((None, 3, 10, 9))
    assert run_layer(layer, generator.randn(2, 3, 10, 9)).shape == (2, 3, 21)


@pytest.mark.parametrize(
    ("shape", "settings", "error", "text"),
    [
        ((None, 3, 8), {}, ShapeError, "takes .batch, channels, rows, columns"),
        ((None, 3, None, 8), {}, ShapeError, "use implementation='kaiming'"),
        ((None, 3, 8, 8), {"mode": "sum"}, ArgumentError, "mode='sum'"),
        ((None, 3, 8, 8), {"implementation": "slow"}, ArgumentError, "'slow'"),
        ((None, 3, 8, 8), {"pool_dims": [0]}, ArgumentError, r"pool_dims=\[0\]"),
        ((None, 3, 8, 3), {}, ShapeError, "cut more parts than"),
        ((None, 3, 8, 7), {}, ShapeError, "cannot cut the extent 7 .* into 4 parts"),
    ],
)
def test_what_pyramids_refuse(shape, settings, error, text):
    with pytest.raises(error, match=text):
        SpatialPyramidPoolingLayer(shape, **settings)
