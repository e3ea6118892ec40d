"""Pooling over features: values, shapes, what is refused."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.errors import AxisError, ShapeError
from symgraph.nn.layers import FeaturePoolLayer, FeatureWTALayer, get_output_shape


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_feature_pooling_takes_neighbours(axis, run_layer, generator):
    x = generator.randn(2, 6, 6)
    layer = FeaturePoolLayer((None, 6, 6), 3, axis)
    groups = np.split(x, 2, axis)
    expected = np.stack([g.max(axis) for g in groups], axis)
    np.testing.assert_array_equal(run_layer(layer, x), expected)
    mean = FeaturePoolLayer((None, 6, 6), 3, axis, pool_function=T.mean)
    expected = np.stack([g.mean(axis) for g in groups], axis)
    np.testing.assert_allclose(run_layer(mean, x), expected)
    shape = get_output_shape(layer, {layer: layer.output_shape})
    assert shape[axis] == 2


@pytest.mark.parametrize("axis", [1, -1])
def test_the_first_winner_of_each_group_is_kept(axis, run_layer, generator):
    x = generator.randint(-2, 2, (3, 6, 4)).astype(float)
    layer = FeatureWTALayer((None, 6, 4), 2, axis)
    expected = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        axis_place = place[axis]
        first = axis_place // 2 * 2
        pair = [list(place), list(place)]
        pair[0][axis], pair[1][axis] = first, first + 1
        a, b = x[tuple(pair[0])], x[tuple(pair[1])]
        wins = a >= b if axis_place == first else b > a
        expected[place] = x[place] if wins else 0
    np.testing.assert_array_equal(run_layer(layer, x), expected)


@pytest.mark.parametrize("make", [FeaturePoolLayer, FeatureWTALayer])
def test_what_feature_pooling_refuses(make):
    with pytest.raises(ShapeError, match=r"extent 5 of axis 1 is not a multiple.*=2"):
        make((None, 5), 2)
    with pytest.raises(ShapeError, match="extent None of axis 0"):
        make((None, 5), 2, axis=0)
    with pytest.raises(AxisError, match="axis 3"):
        make((None, 5), 2, axis=3)
