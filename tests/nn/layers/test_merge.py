"""Layers with several inputs, with and without cropping, against NumPy."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, AxisError, ShapeError
from symgraph.nn.layers import (
    ConcatLayer,
    DenseLayer,
    ElemwiseMergeLayer,
    ElemwiseSumLayer,
    InputLayer,
    autocrop,
    autocrop_array_shapes,
    concat,
)

SHAPES = [(1, 2, 3, 4), (5, 4, 4, 2), (7, 1, 8, 9)]
CROPPING = [None, "lower", "center", "upper"]


@pytest.fixture
def arrays(generator):
    return [generator.randn(*shape) for shape in SHAPES]


def cropped(a, b, c):
    return [a[:, :1, 0:3, -2:], b[:, :1, 0:3, -2:], c[:, :1, 2:5, -2:]]


@pytest.mark.parametrize("known", [True, False])
def test_autocrop(known, arrays, value):
    inputs = [
        T.constant(a) if known else T.tensor4(f"x{i}") for i, a in enumerate(arrays)
    ]
    given = {} if known else dict(zip(inputs, arrays, strict=True))
    for found, wanted in zip(autocrop(inputs, CROPPING), cropped(*arrays), strict=True):
        assert np.array_equal(value(found, given), wanted)


def test_autocrop_of_extents_of_which_some_are_known(arrays, value):
    a, b, _ = arrays
    x = T.tensor4("x")
    for mode in ("lower", "center", "upper"):
        found = autocrop([x, T.constant(b)], [None, mode, mode])
        start = {"lower": (0, 0), "center": (1, 0), "upper": (2, 1)}[mode]
        wanted = b[:, start[0] : start[0] + 2, start[1] : start[1] + 3]
        assert np.array_equal(value(found[1], {x: a}), wanted)
        assert np.array_equal(value(found[0], {x: a}), a)


def test_autocrop_array_shapes():
    assert autocrop_array_shapes(SHAPES, CROPPING) == [
        (1, 1, 3, 2),
        (5, 1, 3, 2),
        (7, 1, 3, 2),
    ]
    assert autocrop_array_shapes(SHAPES, None) == SHAPES
    assert autocrop_array_shapes([(None, 3), (2, 4)], ["lower", "upper"]) == [
        (None, 3),
        (None, 3),
    ]
    assert autocrop_array_shapes([(2, 3), (2, 4)], [None]) == [(2, 3), (2, 4)]


def test_no_cropping_gives_the_inputs():
    x = T.matrix("x")
    assert autocrop([x], None) == [x]
    assert autocrop([x, x], [None, None]) == [x, x]


def test_cropping_that_is_refused():
    x, y = T.matrix("x"), T.vector("y")
    with pytest.raises(ArgumentError, match="'middle' is not None or in"):
        autocrop([x, x], ["middle"])
    with pytest.raises(ArgumentError, match="for inputs of 2 axes"):
        autocrop([x, x], [None] * 3)
    with pytest.raises(ShapeError, match=r"differ in rank\n  x : .*\n  y : "):
        autocrop([x, y], ["lower"])
    with pytest.raises(ShapeError, match=r"shapes \[\(2,\), \(2, 3\)\] differ in rank"):
        autocrop_array_shapes([(2,), (2, 3)], ["lower"])


# --- concatenation ---


@pytest.mark.parametrize("axis", [1, -2])
def test_concat(axis, run_layer, generator):
    layer = ConcatLayer([(None, 2, 5), (None, 3, 5), (7, None, 5)], axis=axis)
    assert layer.output_shape == (7, None, 5)
    parts = [generator.randn(7, n, 5) for n in (2, 3, 4)]
    assert np.array_equal(run_layer(layer, *parts), np.concatenate(parts, 1))
    assert ConcatLayer([(None, 2), (None, 3)]).output_shape == (None, 5)
    assert concat is ConcatLayer


def test_concat_with_cropping_leaves_its_axis(run_layer, generator):
    layer = ConcatLayer([(4, 2, 5), (6, 3, 5)], axis=1, cropping=["lower", "lower"])
    assert layer.output_shape == (4, 5, 5)
    a, b = generator.randn(4, 2, 5), generator.randn(6, 3, 5)
    assert np.array_equal(run_layer(layer, a, b), np.concatenate([a, b[:4]], 1))


def test_concat_refuses():
    with pytest.raises(ShapeError, match=r"\(4, 2\), \(6, 3\)\] differ at axis 0"):
        ConcatLayer([(4, 2), (6, 3)])
    with pytest.raises(ShapeError, match="differ in rank"):
        ConcatLayer([(4, 2), (4,)])
    with pytest.raises(AxisError, match="axis 2 of inputs"):
        ConcatLayer([(4, 2), (4, 2)], axis=2)


# --- elementwise ---


@pytest.mark.parametrize(
    ("merge", "numpy"),
    [(T.mul, np.multiply), (T.maximum, np.maximum), (T.sub, np.subtract)],
)
def test_merge_from_left_to_right(merge, numpy, run_layer, generator):
    layer = ElemwiseMergeLayer([(None, 3)] * 3, merge)
    a, b, c = (generator.randn(2, 3) for _ in range(3))
    np.testing.assert_allclose(run_layer(layer, a, b, c), numpy(numpy(a, b), c))


def test_extents_of_1_broadcast(run_layer, generator):
    layer = ElemwiseMergeLayer([(None, 3, 1), (None, 1, 4)], T.add)
    assert layer.output_shape == (None, 3, 4)
    a, b = generator.randn(2, 3, 1), generator.randn(2, 1, 4)
    np.testing.assert_allclose(run_layer(layer, a, b), a + b)


def test_merge_with_cropping(run_layer, generator):
    layer = ElemwiseMergeLayer([(2, 3), (2, 6)], T.add, cropping=[None, "center"])
    assert layer.output_shape == (2, 3)
    a, b = generator.randn(2, 3), generator.randn(2, 6)
    np.testing.assert_allclose(run_layer(layer, a, b), a + b[:, 1:4])


def test_merge_refuses():
    with pytest.raises(
        ShapeError, match=r"\(2, 3\), \(2, 4\)\] differ at axis 1; crop"
    ):
        ElemwiseMergeLayer([(2, 3), (2, 4)], T.add)
    with pytest.raises(ShapeError, match="differ in rank"):
        ElemwiseMergeLayer([(2, 3), (3,)], T.add)


# --- sums ---


@pytest.mark.parametrize(
    ("coeffs", "each"),
    [(1, (1, 1, 1)), (0.5, (0.5,) * 3), ([1, -1, 2.5], (1, -1, 2.5))],
)
def test_sum(coeffs, each, run_layer, generator):
    layer = ElemwiseSumLayer([(None, 3)] * 3, coeffs)
    parts = [generator.randn(2, 3) for _ in range(3)]
    expected = sum(c * x for c, x in zip(each, parts, strict=True))
    np.testing.assert_allclose(run_layer(layer, *parts), expected)
    assert layer.coeffs == list(each)


def test_sum_of_one_input_and_of_float32(run_layer, generator):
    x = generator.randn(2, 3).astype("float32")
    out = run_layer(ElemwiseSumLayer([(None, 3)], coeffs=0.5), x)
    assert out.dtype == "float32"
    assert np.array_equal(out, x / 2)


def test_gradients_flow_to_all_inputs(generator, value):
    x = InputLayer((None, 3))
    a, b = DenseLayer(x, 2), DenseLayer(x, 2)
    layer = ElemwiseSumLayer([a, b], coeffs=[2, -1])
    p, q = T.dmatrix("p"), T.dmatrix("q")
    cost = T.sum(T.sqr(layer.get_output_for([p, q])))
    u, v = generator.randn(4, 2), generator.randn(4, 2)
    found = [value(g, {p: u, q: v}) for g in sg.grad(cost, [p, q])]
    np.testing.assert_allclose(found[0], 4 * (2 * u - v))
    np.testing.assert_allclose(found[1], -2 * (2 * u - v))


def test_coefficients_must_be_as_many_as_inputs():
    with pytest.raises(ArgumentError, match="3 coefficients for 2 inputs"):
        ElemwiseSumLayer([(2, 3), (2, 3)], coeffs=[1, 2, 3])
