"""Normalisation of each example against NumPy."""

import numpy as np
import pytest

from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init
from symgraph.nn.layers import (
    GroupNormLayer,
    InputLayer,
    LayerNormLayer,
    RMSNormLayer,
    StandardizationLayer,
    count_params,
)

NORMAL = init.Normal(1.0)


@pytest.fixture
def x(generator):
    return generator.randn(2, 3, 4) * 2 + 1


def wide(param, axes, rank=3):
    kept = {axis % rank for axis in axes}
    return np.expand_dims(param.get_value(), [a for a in range(rank) if a not in kept])


@pytest.mark.parametrize("axes", [-1, (1, 2), "features", (0, -1), 1])
def test_layer_norm(axes, run_layer, check_gradients, x):
    layer = LayerNormLayer((2, 3, 4), axes, 0.1, gamma=NORMAL, beta=NORMAL)
    over = layer.axes
    mean, var = x.mean(axis=over, keepdims=True), x.var(axis=over, keepdims=True)
    wanted = (x - mean) / np.sqrt(var + 0.1) * wide(layer.gamma, over)
    np.testing.assert_allclose(run_layer(layer, x), wanted + wide(layer.beta, over))
    check_gradients(layer, x)


@pytest.mark.parametrize("axes", [-1, (1, 2), "features"])
def test_rms_norm(axes, run_layer, check_gradients, x):
    layer = RMSNormLayer((None, 3, 4), axes, 0.1, gamma=NORMAL)
    over = layer.axes
    squares = (x**2).mean(axis=over, keepdims=True)
    wanted = x / np.sqrt(squares + 0.1) * wide(layer.gamma, over)
    np.testing.assert_allclose(run_layer(layer, x), wanted)
    check_gradients(layer, x)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("tail", [(), (4,), (4, 5)])
def test_group_norm(groups, tail, run_layer, check_gradients, generator):
    x = generator.randn(2, 6, *tail) + 3
    layer = GroupNormLayer((None, 6, *tail), groups, 0.1, gamma=NORMAL, beta=NORMAL)
    split = x.reshape(2, groups, -1)
    mean, var = split.mean(axis=2, keepdims=True), split.var(axis=2, keepdims=True)
    wanted = ((split - mean) / np.sqrt(var + 0.1)).reshape(x.shape)
    gamma, beta = (
        p.get_value().reshape(1, 6, *[1] * len(tail)) for p in (layer.gamma, layer.beta)
    )
    np.testing.assert_allclose(run_layer(layer, x), wanted * gamma + beta, rtol=1e-9)
    if tail == (4,):
        check_gradients(layer, x)


def test_extents_that_are_not_known_are_read_at_run_time(run_layer, generator):
    x = generator.randn(3, 4, 5, 2)
    known, unknown = (
        GroupNormLayer((None, 4, *places), 2) for places in ((5, 2), (None, None))
    )
    np.testing.assert_allclose(run_layer(unknown, x), run_layer(known, x))
    assert unknown.output_shape == (None, 4, None, None)
    layer = LayerNormLayer((None, None, None, 2))
    assert run_layer(layer, x).shape == x.shape


def test_one_group_of_each_channel_is_an_instance_normalisation(run_layer, generator):
    x = generator.randn(3, 4, 5, 2)
    groups = GroupNormLayer((None, 4, 5, 2), 4, epsilon=1e-4)
    alone = StandardizationLayer((None, 4, 5, 2), "spatial", epsilon=1e-4)
    np.testing.assert_allclose(run_layer(groups, x), run_layer(alone, x))


def test_parameters_may_be_left_out_and_have_tags():
    below = InputLayer((None, 6))
    assert count_params(LayerNormLayer(below, gamma=None, beta=None)) == 0
    assert count_params(RMSNormLayer(below, gamma=None)) == 0
    assert count_params(GroupNormLayer(below, 3, gamma=None, beta=None)) == 0
    for layer in (LayerNormLayer(below, name="n"), GroupNormLayer(below, 3, name="n")):
        assert [p.name for p in layer.get_params()] == ["n.gamma", "n.beta"]
        assert layer.get_params(regularizable=True) == [layer.gamma]


def test_a_constant_example_is_no_nan(run_layer):
    for layer in (
        LayerNormLayer((2, 4)),
        RMSNormLayer((2, 4)),
        GroupNormLayer((2, 4), 2),
    ):
        assert np.array_equal(run_layer(layer, np.zeros((2, 4))), np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: LayerNormLayer((None, None), name="n"),
            ShapeError,
            r"'n'.*gamma needs",
        ),
        (lambda: RMSNormLayer((None, 3), axes=2), ArgumentError, "axes=2"),
        (lambda: LayerNormLayer((None, 3), axes="all"), ArgumentError, "'features'"),
        (
            lambda: GroupNormLayer((None, 6), 4),
            ArgumentError,
            "num_groups=4 must divide.*6",
        ),
        (lambda: GroupNormLayer((None, None), 4), ShapeError, "channels known"),
        (lambda: GroupNormLayer((None, 6), 0), ArgumentError, "num_groups=0"),
    ],
)
def test_what_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
