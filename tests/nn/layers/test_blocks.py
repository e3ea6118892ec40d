"""Residual and dense blocks: their layers, and what they compute."""

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers import (
    BatchNormLayer,
    Conv2DLayer,
    InputLayer,
    dense_block,
    get_all_layers,
    get_all_params,
    get_output,
    residual_block,
)


def convolution(x, layer):
    """Correlation with "same" padding, the filter flipped."""
    W = layer.W.get_value()[:, :, ::-1, ::-1]
    size, s = W.shape[2], layer.stride[0]
    wide = np.pad(x, ((0, 0), (0, 0), (size // 2,) * 2, (size // 2,) * 2))
    rows, columns = (-(-e // s) for e in x.shape[2:])
    out = np.zeros((len(x), len(W), rows, columns))
    for p in range(size):
        for q in range(size):
            part = wide[
                :, :, p : p + (rows - 1) * s + 1 : s, q : q + (columns - 1) * s + 1 : s
            ]
            out += np.einsum("ncij,kc->nkij", part, W[:, :, p, q])
    return out


def value(layer, below, x, **kwargs):
    out = get_output(layer, **kwargs)
    return sg.function([below.input_var], out, mode="FAST_COMPILE")(x)


def convolutions(layer):
    return [each for each in get_all_layers(layer) if isinstance(each, Conv2DLayer)]


@pytest.mark.parametrize(
    ("filters", "stride"), [(None, 1), (5, 1), (4, 2), (6, (2, 2))]
)
def test_residual_block_without_normalisation(filters, stride, generator):
    below = InputLayer((None, 4, 6, 5))
    block = residual_block(below, filters, stride=stride, normalize=False)
    x = generator.randn(2, 4, 6, 5)
    first, second, *shortcut = convolutions(block)
    assert len(shortcut) == (filters not in (None, 4) or stride != 1)
    inner = convolution(np.maximum(convolution(x, first), 0), second)
    beside = convolution(x, shortcut[0]) if shortcut else x
    found = value(block, below, x)
    np.testing.assert_allclose(
        found, np.maximum(inner + beside, 0), rtol=1e-9, atol=1e-12
    )
    assert block.output_shape == (None, *found.shape[1:])


def test_residual_block_is_normalised_by_default():
    below = InputLayer((None, 4, 6, 6))
    block = residual_block(below, 8, name="r")
    norms = [each for each in get_all_layers(block) if isinstance(each, BatchNormLayer)]
    assert len(norms) == 3
    assert all(each.b is None for each in convolutions(block))
    names = [p.name for p in get_all_params(block, trainable=True)]
    assert names[0] == "r_first.W"
    assert "r_shortcut_bn.gamma" in names


@pytest.mark.parametrize("normalize", [True, False])
def test_dense_block_keeps_what_came_in_and_grows(normalize, generator):
    below = InputLayer((None, 3, 5, 5))
    block = dense_block(below, 3, 2, normalize=normalize, name="d")
    x = generator.randn(2, 3, 5, 5)
    found = value(block, below, x, deterministic=True)
    assert block.output_shape == (None, 9, 5, 5)
    np.testing.assert_array_equal(found[:, :3], x)
    assert [c.channels for c in convolutions(block)] == [3, 5, 7]
    if not normalize:
        first = convolution(np.maximum(x, 0), convolutions(block)[0])
        np.testing.assert_allclose(found[:, 3:5], first, rtol=1e-9, atol=1e-12)


def test_dropout_of_a_dense_block_is_for_training_only(generator):
    below = InputLayer((None, 3, 5, 5))
    block = dense_block(below, 1, 20, normalize=False, dropout=0.5)
    x = generator.randn(2, 3, 5, 5)
    settled = value(block, below, x, deterministic=True)
    assert (settled[:, 3:] == 0).mean() < 0.1
    assert 0.3 < (value(block, below, x)[:, 3:] == 0).mean() < 0.7


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: residual_block((None, 3, 8, 8)), ArgumentError, "pass a layer"),
        (lambda: residual_block(InputLayer((None, 3, 8))), ShapeError,
         r"residual_block: the input shape \(None, 3, 8\)"),
        (lambda: dense_block(InputLayer((None, None, 8, 8)), 1, 1), ShapeError, "channels"),
        (lambda: dense_block(InputLayer((None, 3, 8, 8)), 0, 1), ArgumentError, "layers=0"),
    ],
)  # fmt: skip
def test_what_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
