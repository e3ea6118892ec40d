"""Convolution layers: values against loops, shapes, gradients, what is refused."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, NotSupportedError, ShapeError
from symgraph.nn import init, nonlinearities
from symgraph.nn.layers import (
    BaseConvLayer,
    Conv1DLayer,
    Conv2DLayer,
    Conv3DLayer,
    DilatedConv2DLayer,
    InputLayer,
    conv_input_length,
    conv_output_length,
    get_output,
)

LAYERS = {1: Conv1DLayer, 2: Conv2DLayer, 3: Conv3DLayer}
tanh = nonlinearities.tanh


def correlate(x, w, stride, pad, groups=1, dilation=None):
    """Sums of products by loops over the places of the output; filters as they are."""
    n = x.ndim - 2
    dilation = dilation or (1,) * n
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pad)])
    reach = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    extents = [
        (e - r) // s + 1 for e, r, s in zip(x.shape[2:], reach, stride, strict=True)
    ]
    out = np.zeros((x.shape[0], w.shape[0], *extents))
    inputs, filters = w.shape[1], w.shape[0] // groups
    for group in range(groups):
        part = x[:, group * inputs : (group + 1) * inputs]
        bank = w[group * filters : (group + 1) * filters]
        for place in np.ndindex(*extents):
            window = tuple(
                slice(i * s, i * s + r, d)
                for i, s, r, d in zip(place, stride, reach, dilation, strict=True)
            )
            seen = part[(slice(None), slice(None), *window)]
            sums = np.tensordot(seen, bank, [range(1, n + 2), range(1, n + 2)])
            out[
                (slice(None), slice(group * filters, (group + 1) * filters), *place)
            ] = sums
    return out


def flipped(w):
    return w[(slice(None), slice(None), *(slice(None, None, -1),) * (w.ndim - 2))]


def biases():
    return init.Normal(1.0)


CASES = [
    # spatial extents, filter, stride, pad as given, pad in elements
    ((9,), 3, 1, 0, (0,)),
    ((9,), 4, 2, "full", (3,)),
    ((10,), 5, 3, "same", (2,)),
    ((7, 8), 3, 1, "valid", (0, 0)),
    ((7, 8), (3, 2), (2, 1), (1, 0), (1, 0)),
    ((6, 7), (3, 5), 1, "same", (1, 2)),
    ((6, 7), 2, 2, "full", (1, 1)),
    ((5, 6, 4), 2, (1, 2, 1), 1, (1, 1, 1)),
    ((5, 6, 4), 3, 1, "same", (1, 1, 1)),
]


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize(("extents", "size", "stride", "pad", "pixels"), CASES)
def test_values_are_those_of_loops(
    extents, size, stride, pad, pixels, flip, run_layer, generator
):
    n = len(extents)
    layer = LAYERS[n](
        (None, 3, *extents), 4, size, stride, pad, b=biases(), nonlinearity=tanh,
        flip_filters=flip,
    )  # fmt: skip
    x = generator.randn(2, 3, *extents)
    w = layer.W.get_value()
    assert w.shape == (4, 3, *((size,) * n if isinstance(size, int) else size))
    sums = correlate(x, flipped(w) if flip else w, layer.stride, pixels)
    expected = np.tanh(sums + layer.b.get_value().reshape(-1, *(1,) * n))
    np.testing.assert_allclose(run_layer(layer, x), expected, atol=1e-12)


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_are_convolutions_of_their_own(groups, run_layer, generator):
    layer = Conv2DLayer(
        (None, 4, 5, 6), 8, 3, nonlinearity=None, b=None, num_groups=groups
    )
    w = layer.W.get_value()
    assert w.shape == (8, 4 // groups, 3, 3)
    x = generator.randn(2, 4, 5, 6)
    expected = correlate(x, flipped(w), (1, 1), (0, 0), groups)
    np.testing.assert_allclose(run_layer(layer, x), expected, atol=1e-12)


def test_a_bias_for_each_place(run_layer, generator):
    layer = Conv2DLayer(
        (None, 2, 5, 6), 3, 3, untie_biases=True, b=biases(), nonlinearity=None
    )
    assert layer.b.get_value().shape == (3, 3, 4)
    x = generator.randn(2, 2, 5, 6)
    sums = correlate(x, flipped(layer.W.get_value()), (1, 1), (0, 0))
    np.testing.assert_allclose(run_layer(layer, x), sums + layer.b.get_value())


def test_extents_that_are_not_known_until_the_call(run_layer, generator):
    layer = Conv2DLayer((None, 2, None, None), 3, 3, stride=2, pad="same")
    assert layer.output_shape == (None, 3, None, None)
    for extents in ((5, 6), (8, 3)):
        x = generator.randn(1, 2, *extents)
        out = run_layer(layer, x)
        assert out.shape == layer.get_output_shape_for(x.shape)
        assert out.shape[2:] == tuple((e + 1) // 2 for e in extents)


def test_defaults():
    layer = Conv2DLayer(InputLayer((None, 3, 8, 9)), 5, (3, 2), name="first")
    assert layer.W.get_value().shape == (5, 3, 3, 2)
    assert layer.b.get_value().tolist() == [0] * 5
    assert layer.params[layer.W] == {"trainable", "regularizable"}
    assert layer.params[layer.b] == {"trainable"}
    assert [p.name for p in layer.params] == ["first.W", "first.b"]
    assert layer.nonlinearity is nonlinearities.rectify
    assert (layer.stride, layer.pad, layer.filter_size) == ((1, 1), (0, 0), (3, 2))
    assert (layer.flip_filters, layer.num_groups, layer.n) == (True, 1, 2)
    assert layer.convolution is T.nnet.conv2d


def test_glorot_counts_the_window_as_inputs(generator):
    W = Conv2DLayer((None, 16, 9, 9), 32, 5).W.get_value()
    limit = np.sqrt(6 / ((16 + 32) * 25))
    assert 0.99 * limit < np.abs(W).max() <= limit


def test_float32_stays_float32():
    with sg.config.override(floatX="float32"):
        layer = Conv2DLayer(InputLayer((None, 1, 28, 28)), 8, 5)
        assert get_output(layer).type == T.TensorType("float32", (None, 8, 24, 24))


def test_a_convolution_of_the_users_own(run_layer, generator):
    calls = []

    def convolution(input, filters, input_shape, filter_shape, **settings):
        calls.append((input_shape, filter_shape, settings))
        return T.nnet.conv2d(input, filters, **settings)

    layer = Conv2DLayer((None, 2, 5, 5), 3, 3, pad="same", convolution=convolution)
    run_layer(layer, generator.randn(1, 2, 5, 5))
    settings = {"subsample": (1, 1), "border_mode": "half", "filter_flip": True}
    assert calls == [((None, 2, 5, 5), (3, 2, 3, 3), settings)]


@pytest.mark.parametrize(
    ("make", "extents"),
    [
        (lambda s: Conv1DLayer(s, 2, 3, 2, 1, b=biases(), nonlinearity=tanh), (6,)),
        (lambda s: Conv2DLayer(s, 2, 2, 2, b=biases(), nonlinearity=tanh), (4, 5)),
        (
            lambda s: Conv2DLayer(
                s, 2, (1, 3), pad="full", untie_biases=True, b=biases(),
                nonlinearity=tanh, num_groups=2,
            ),
            (2, 2),
        ),
        (lambda s: Conv3DLayer(s, 1, 2, b=biases(), nonlinearity=tanh), (2, 3, 2)),
        (
            lambda s: DilatedConv2DLayer(
                s, 2, 2, (2, 1), b=biases(), nonlinearity=tanh
            ),
            (4, 3),
        ),
    ],
)  # fmt: skip
def test_gradients(make, extents, check_gradients, generator):
    check_gradients(make((None, 2, *extents)), generator.randn(2, 2, *extents))


def test_gradient_for_the_input(generator):
    layer = Conv2DLayer((None, 2, 4, 4), 2, 3, 2, "same", nonlinearity=tanh)
    point = generator.randn(2, 2, 4, 4)
    sg.verify_grad(layer.get_output_for, [point], mode="FAST_COMPILE")


# --- dilated ---


@pytest.mark.parametrize(("dilation", "size"), [(1, 3), (2, 3), ((3, 1), (2, 4))])
def test_dilated_values_and_shape(dilation, size, run_layer, generator):
    layer = DilatedConv2DLayer(
        (None, 3, 9, 8), 4, size, dilation, b=biases(), nonlinearity=None
    )
    w = layer.W.get_value()
    assert w.shape[:2] == (3, 4)  # Lasagne's order: inputs before filters
    x = generator.randn(2, 3, 9, 8)
    sums = correlate(
        x, w.transpose(1, 0, 2, 3), (1, 1), (0, 0), dilation=layer.dilation
    )
    expected = sums + layer.b.get_value()[:, None, None]
    np.testing.assert_allclose(run_layer(layer, x), expected, atol=1e-12)


def test_dilated_refuses_padding_and_flipping():
    for pad in ("same", "full", 1, (0, 1)):
        with pytest.raises(NotSupportedError, match=r"requires pad=0.*PadLayer"):
            DilatedConv2DLayer((10, 20, 30, 40), 2, 3, pad=pad)
    with pytest.raises(NotSupportedError, match="requires flip_filters=False"):
        DilatedConv2DLayer((10, 20, 30, 40), 2, 3, flip_filters=True)
    assert DilatedConv2DLayer((1, 2, 5, 5), 2, 3, pad="valid").pad == (0, 0)


# --- lengths ---


@pytest.mark.parametrize("length", range(1, 12))
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 2, "full"])
def test_output_length_counts_windows(length, size, stride, pad):
    pixels = size - 1 if pad == "full" else pad
    starts = range(0, length + 2 * pixels - size + 1, stride)
    if starts:
        out = conv_output_length(length, size, stride, pad)
        assert out == len(starts)
        smallest = conv_input_length(out, size, stride, pad)
        assert conv_output_length(smallest, size, stride, pad) == out
        assert smallest <= length < smallest + stride


def test_lengths_that_are_not_known():
    assert conv_output_length(None, 3, 1) is None
    assert conv_input_length(None, 3, 1) is None
    assert conv_output_length(7, 3, 2, "same") == 4
    assert conv_input_length(4, 3, 2, "same") == 7


@pytest.mark.parametrize("length", [conv_output_length, conv_input_length])
def test_lengths_with_an_unknown_padding(length):
    with pytest.raises(ArgumentError, match="pad='half'; use an int, 'valid'"):
        length(7, 3, 1, "half")


# --- refusals ---


@pytest.mark.parametrize(
    ("shape", "settings", "error", "text"),
    [
        ((None, 3, 8), {}, ShapeError, r"2D convolution takes.*\(None, 3, 8\)"),
        ((None, None, 8, 8), {}, ShapeError, "number of channels must be known"),
        ((None, 3, 8, 2), {}, ShapeError, r"filter \(3, 3\).*does not fit"),
        ((None, 3, 8, 8), {"pad": "half"}, ArgumentError, "pad='half'; use ints"),
        ((None, 3, 8, 8), {"pad": -1}, ArgumentError, "pad=-1; use 0 or more"),
        ((None, 3, 8, 8), {"stride": 0}, ArgumentError, "stride=0; use 1 or more"),
        ((None, 3, 8, 8), {"stride": (1, 2, 3)}, ArgumentError, "one value or 2"),
        ((None, 3, 8, 8), {"filter_size": 0}, ArgumentError, "filter_size=0"),
        ((None, 3, 8, 8), {"filter_size": 1.5}, TypeError, "expected a"),
        ((None, 3, 8, 8), {"num_filters": 0}, ArgumentError, "num_filters=0"),
        ((None, 3, 8, 8), {"num_groups": 2}, ArgumentError, "divide.*3 and 4"),
        ((None, 4, 8, 8), {"num_groups": 0}, ArgumentError, "num_groups=0"),
        (
            (None, 3, 8, None),
            {"filter_size": (3, 4), "pad": "same", "stride": (1, 3)},
            ShapeError,
            r"even filter \(3, 4\) and a stride of 3 depends on the extent",
        ),
        (
            (None, 3, None, 8),
            {"untie_biases": True},
            ShapeError,
            "untie_biases=True needs known spatial extents",
        ),
        ((None, 3, 8, 8), {"W": np.zeros((3, 4, 3, 3))}, ShapeError, "should be"),
    ],
)
def test_what_is_refused(shape, settings, error, text):
    settings = {"num_filters": 4, "filter_size": 3, **settings}
    with pytest.raises(error, match=text):
        Conv2DLayer(shape, **settings)


def test_the_base_class_has_no_convolution():
    layer = BaseConvLayer((None, 3, 8, 8), 4, 3)
    assert layer.n == 2
    with pytest.raises(NotImplementedError, match="use Conv2DLayer"):
        layer.get_output_for(T.tensor4())


def tensorflow_same(x, w, stride):
    """Correlation along the last axis with TensorFlow's borders, window by window.

    tf.nn.convolution: out = ceil(extent / stride), total = max((out - 1) * stride + size -
    extent, 0), of which total // 2 before.
    """
    extent, size = x.shape[2], w.shape[2]
    count = -(-extent // stride)
    total = max((count - 1) * stride + size - extent, 0)
    wide = np.pad(x, ((0, 0), (0, 0), (total // 2, total - total // 2)))
    windows = [wide[:, :, i * stride : i * stride + size] for i in range(count)]
    return np.stack([np.einsum("ncp,kcp->nk", v, w) for v in windows], axis=2)


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [2, 4, 6])
@pytest.mark.parametrize("extent", [7, 8, 9])
def test_same_padding_of_even_filters_is_tensorflows(size, stride, extent, run_layer):
    rng = np.random.RandomState(0)
    x, w = rng.randn(2, 3, extent), rng.randn(4, 3, size)
    layer = Conv1DLayer(
        (None, 3, extent), 4, size, stride, "same", W=w, b=None, nonlinearity=None,
        flip_filters=False,
    )  # fmt: skip
    np.testing.assert_allclose(run_layer(layer, x), tensorflow_same(x, w, stride))


def test_same_padding_of_an_odd_and_an_even_side(run_layer):
    rng = np.random.RandomState(0)
    x, w = rng.randn(2, 3, 5, 6), rng.randn(4, 3, 3, 2)
    layer = Conv2DLayer(
        (None, 3, None, None), 4, (3, 2), pad="same", W=w, b=None, nonlinearity=None,
        flip_filters=False,
    )  # fmt: skip
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 1)))
    wanted = np.zeros((2, 4, 5, 6))
    for p in range(3):
        for q in range(2):
            part = wide[:, :, p : p + 5, q : q + 6]
            wanted += np.einsum("ncij,kc->nkij", part, w[:, :, p, q])
    np.testing.assert_allclose(run_layer(layer, x), wanted)


def test_same_padding_keeps_extents_of_even_filters_in_three_axes():
    layer = Conv3DLayer((None, 2, 5, 6, 7), 3, (2, 3, 4), pad="same")
    assert layer.output_shape == (None, 3, 5, 6, 7)


def test_same_padding_of_even_filters_is_refused_where_a_layer_has_equal_borders():
    with pytest.raises(NotSupportedError, match="requires odd filter size"):
        BaseConvLayer((None, 3, 8, 8), 4, (3, 4), pad="same")
