"""Upscaling layers: values, shapes, gradients, what is refused."""

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers import Upscale1DLayer, Upscale2DLayer, Upscale3DLayer

LAYERS = {1: Upscale1DLayer, 2: Upscale2DLayer, 3: Upscale3DLayer}


@pytest.mark.parametrize("mode", ["repeat", "dilate"])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("extents", "factor"),
    [((4,), 3), ((2, 3), 2), ((2, 3), (1, 4)), ((2, 1, 3), (2, 3, 1))],
)
def test_values_and_shapes(extents, factor, known, mode, run_layer, generator):
    n = len(extents)
    x = generator.randn(2, 3, *extents)
    shape = (None, 3, *(extents if known else (None,) * n))
    layer = LAYERS[n](shape, factor, mode=mode)
    factors = (factor,) * n if isinstance(factor, int) else factor
    expected = np.zeros((2, 3, *(e * f for e, f in zip(extents, factors, strict=True))))
    for place in np.ndindex(*expected.shape):
        inner = [i // f for i, f in zip(place[2:], factors, strict=True)]
        first = all(i % f == 0 for i, f in zip(place[2:], factors, strict=True))
        if mode == "repeat" or first:
            expected[place] = x[(*place[:2], *inner)]
    np.testing.assert_array_equal(run_layer(layer, x), expected)
    if known:
        assert layer.output_shape == (None, *expected.shape[1:])


@pytest.mark.parametrize("mode", ["repeat", "dilate"])
def test_gradients(mode, generator):
    layer = Upscale2DLayer((None, 2, 2, 3), (2, 3), mode)
    x = generator.randn(1, 2, 2, 3)
    sg.verify_grad(layer.get_output_for, [x], n_tests=1, mode="FAST_COMPILE")


def test_what_is_refused():
    with pytest.raises(ArgumentError, match=r"scale_factor=\(2, 0\); use 1 or more"):
        Upscale2DLayer((None, 3, 4, 4), (2, 0))
    with pytest.raises(ArgumentError, match="mode='cubic'; use 'repeat' or 'dilate'"):
        Upscale2DLayer((None, 3, 4, 4), 2, mode="cubic")
    with pytest.raises(ShapeError, match="3D upscaling takes"):
        Upscale3DLayer((None, 3, 4, 4), 2)
