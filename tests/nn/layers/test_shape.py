"""Layers that move elements, against NumPy."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.errors import (
    ArgumentError,
    AxisError,
    IndexRangeError,
    ShapeError,
)
from symgraph.nn.layers import (
    DimshuffleLayer,
    FlattenLayer,
    InputLayer,
    PadLayer,
    ReshapeLayer,
    SliceLayer,
    dimshuffle,
    flatten,
    get_output,
    pad,
    reshape,
)


@pytest.fixture
def x(generator):
    return generator.randn(2, 3, 4, 5)


def test_aliases():
    assert flatten is FlattenLayer
    assert reshape is ReshapeLayer
    assert dimshuffle is DimshuffleLayer
    assert pad is PadLayer


# --- flatten ---


@pytest.mark.parametrize(
    ("outdim", "shape"),
    [(1, (120,)), (2, (2, 60)), (3, (2, 3, 20)), (4, (2, 3, 4, 5))],
)
def test_flatten(outdim, shape, run_layer, x):
    layer = FlattenLayer((2, 3, 4, 5), outdim)
    assert layer.output_shape == shape
    assert np.array_equal(run_layer(layer, x), x.reshape(shape))


def test_flatten_of_unknown_extents(run_layer, x):
    assert FlattenLayer((None, 3, 4, 5)).output_shape == (None, 60)
    layer = FlattenLayer((None, 3, None, 5))
    assert layer.output_shape == (None, None)
    assert np.array_equal(run_layer(layer, x), x.reshape(2, 60))


@pytest.mark.parametrize("outdim", [0, 5])
def test_flatten_to_an_impossible_rank(outdim):
    with pytest.raises(ArgumentError, match=rf"outdim={outdim} for .* use 1 \.\. 4"):
        FlattenLayer((2, 3, 4, 5), outdim)


# --- reshape ---


@pytest.mark.parametrize(
    ("shape", "spec", "told", "result"),
    [
        ((2, 3, 4, 5), (6, 20), (6, 20), (6, 20)),
        ((2, 3, 4, 5), (-1, 10), (12, 10), (12, 10)),
        ((None, 3, 4, 5), ([0], -1), (None, 60), (2, 60)),
        ((None, 3, 4, 5), ((0,), -1), (None, 60), (2, 60)),
        ((None, 3, 4, 5), ([0], [2], 15), (None, 4, 15), (2, 4, 15)),
        ((None, 3, None, 5), ([2], [0], -1), (None, None, 15), (4, 2, 15)),
        ((None, 3, 4, 5), (-1, [3]), (None, 5), (24, 5)),
        ((None, 3, 4, 5), (2, 60), (2, 60), (2, 60)),
        ((2, 3, 4, 5), ([0], [0], -1), (2, 2, 30), (2, 2, 30)),
    ],
)
def test_reshape(shape, spec, told, result, run_layer, x):
    layer = ReshapeLayer(shape, spec)
    assert layer.output_shape == told
    assert np.array_equal(run_layer(layer, x), x.reshape(result))


def test_reshape_with_a_variable(value, x):
    n = T.lscalar("n")
    layer = ReshapeLayer(InputLayer((None, 3, 4, 5), x), (n, -1))
    assert layer.output_shape == (None, None)
    found = value(get_output(layer), {n: 8})
    assert np.array_equal(found, x.reshape(8, 15))


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        ((7, -1), ShapeError, r"\(2, 3, 4\) cannot be reshaped to \(7, -1\)"),
        ((5, 5), ShapeError, r"\(2, 3, 4\) cannot be reshaped to \(5, 5\)"),
        ((-1, -1), ArgumentError, "more than one -1"),
        ((0, 24), ArgumentError, "holds 0; use positive ints, -1"),
        ((-2, 24), ArgumentError, "holds -2; use positive ints, -1"),
        ((2.5, 24), ArgumentError, "holds 2.5; use positive ints"),
        (([3], 8), ArgumentError, r"refers to axis 3 of the input shape \(2, 3, 4\)"),
        (([-1], 8), ArgumentError, "refers to axis -1"),
        (([0, 1], 8), ArgumentError, r"holds \[0, 1\]"),
        ((T.lvector("v"), 8), ArgumentError, r"must be a scalar\n  v : int64"),
    ],
)
def test_reshape_refuses(spec, error, text):
    with pytest.raises(error, match=text):
        ReshapeLayer((2, 3, 4), spec)


# --- dimshuffle ---


@pytest.mark.parametrize(
    ("pattern", "shape"),
    [((3, 2, 1, 0), (5, 4, 3, 2)), ((0, "x", 3, 1, 2), (2, 1, 5, 3, 4))],
)
def test_dimshuffle(pattern, shape, run_layer, x):
    layer = DimshuffleLayer((2, 3, 4, 5), pattern)
    assert layer.output_shape == shape
    expected = x.transpose([p for p in pattern if p != "x"]).reshape(shape)
    assert np.array_equal(run_layer(layer, x), expected)


@pytest.mark.parametrize("middle", [1, None])
def test_dimshuffle_drops_axes_of_extent_1(middle, run_layer, generator):
    layer = DimshuffleLayer((None, middle, 3), (2, 0))
    assert layer.output_shape == (3, None)
    x = generator.randn(4, 1, 3)
    assert np.array_equal(run_layer(layer, x), x[:, 0].T)


@pytest.mark.parametrize(
    ("pattern", "error", "text"),
    [
        ((0, 0), ArgumentError, r"\(0, 0\) names an axis more than once"),
        ((0, "y"), ArgumentError, "holds 'y'; use axes and 'x'"),
        ((0, 1.5), ArgumentError, "holds 1.5"),
        ((0, 2), AxisError, r"names axis 2 of the input shape \(None, 3\)"),
        ((0, -1), AxisError, "names axis -1"),
        ((0, "x"), ShapeError, "drops axis 1 of extent 3"),
    ],
)
def test_dimshuffle_refuses(pattern, error, text):
    with pytest.raises(error, match=text):
        DimshuffleLayer((None, 3), pattern)


# --- pad ---


@pytest.mark.parametrize(
    ("width", "batch", "pairs"),
    [
        (1, 2, [(0, 0), (0, 0), (1, 1), (1, 1)]),
        ((1, 2), 2, [(0, 0), (0, 0), (1, 1), (2, 2)]),
        ([(1, 0), (0, 3)], 2, [(0, 0), (0, 0), (1, 0), (0, 3)]),
        (2, 3, [(0, 0), (0, 0), (0, 0), (2, 2)]),
        (1, 0, [(1, 1)] * 4),
        (0, 2, [(0, 0)] * 4),
    ],
)
@pytest.mark.parametrize("val", [0, -1.5])
def test_pad(width, batch, pairs, val, run_layer, x):
    layer = PadLayer((None, 3, 4, 5), width, val, batch)
    expected = np.pad(x, pairs, constant_values=val)
    assert layer.output_shape == (None, *expected.shape[1:])
    assert np.array_equal(run_layer(layer, x), expected)


def test_pad_keeps_the_dtype(run_layer, x):
    out = run_layer(PadLayer((None, 3, 4, 5), 1), x.astype("float32"))
    assert out.dtype == "float32"


def test_pad_refuses():
    with pytest.raises(ArgumentError, match="width=-1; use ints from 0 up"):
        PadLayer((None, 3, 4), -1)
    with pytest.raises(ArgumentError, match=r"width=1.5; use ints"):
        PadLayer((None, 3, 4), 1.5)
    with pytest.raises(ArgumentError, match="one value or 2 values, not '1'"):
        PadLayer((None, 3, 4), "1")
    with pytest.raises(ArgumentError, match=r"one value or 1 values, not \(1, 2\)"):
        PadLayer((None, 3, 4), (1, 2))
    with pytest.raises(ArgumentError, match=r"batch_ndim=4 .* use 0 \.\. 3"):
        PadLayer((None, 3, 4), 1, batch_ndim=4)


# --- slice ---


@pytest.mark.parametrize("axis", [1, -3])
@pytest.mark.parametrize(
    "part", [0, -1, slice(1, None), slice(None, -1), slice(None, None, -2), slice(0, 9)]
)
def test_slice(part, axis, run_layer, x):
    layer = SliceLayer((None, 3, 4, 5), part, axis)
    assert np.array_equal(run_layer(layer, x), x[:, part])


def test_slice_of_an_unknown_extent(run_layer, x):
    layer = SliceLayer((2, 3, 4, None), slice(1, 3))
    assert layer.output_shape == (2, 3, 4, None)
    assert np.array_equal(run_layer(layer, x), x[..., 1:3])


def test_slice_refuses():
    with pytest.raises(AxisError, match=r"axis 2 of the input shape \(None, 3\)"):
        SliceLayer((None, 3), 0, axis=2)
    with pytest.raises(IndexRangeError, match="index 3 lies outside axis 1"):
        SliceLayer((None, 3), 3, axis=1)
    with pytest.raises(ArgumentError, match=r"indices=\[0\] must be an int or a slice"):
        SliceLayer((None, 3), [0])
