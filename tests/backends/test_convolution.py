"""Compiled convolutions: the values of the reference, and the same refusals."""

from typing import Any

import numpy as np
import pytest
from window_cases import Convolved, Values, convolutions

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.errors import ShapeError

BOUND = {"float64": 1e-10, "float32": 2e-4}


def agree(outputs: list[Variable], values: Values, note: str) -> None:
    """Compiled outputs are those of the reference."""
    function = sg.function(list(values), outputs, "FAST_RUN")
    found = function(*values.values())
    for a, b in zip(found, evaluate(outputs, values), strict=True):
        assert a.dtype == b.dtype, note
        bound = BOUND[b.dtype.name]
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound, err_msg=note)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("block", range(200, 215))
def test_the_three_ops_are_the_reference(block: int, dtype: str) -> None:
    values: Values = {}
    outputs = []
    cases = list(convolutions(block, 4, dtype=dtype))
    for case in cases:
        outputs += case.outputs(values)
    agree(outputs, values, "\n".join(map(str, cases)))


@pytest.mark.parametrize("channels", [*range(1, 18, 4), 31, 32, 33, 64, 70])
def test_any_number_of_channels(channels: int) -> None:
    random = np.random.default_rng(channels)
    values: Values = {}
    outputs = []
    for filters, batch, extent in ((3, 1, 7), (channels, 2, 9), (64, 3, 5)):
        x = random.normal(size=(batch, channels, extent, extent))
        w = random.normal(size=(filters, channels, 3, 3))
        g = random.normal(size=(batch, filters, extent, extent))
        pads = ((1, 1), (1, 1))
        case = Convolved(x, w, g, (1, 1), pads, (1, 1), 1, True, True, False)
        outputs += case.outputs(values)
    agree(outputs, values, str(channels))


@pytest.mark.parametrize("channels", [1, 5, 16, 33, 70])
def test_depthwise_convolution_of_any_number_of_channels(channels: int) -> None:
    random = np.random.default_rng(channels)
    values: Values = {}
    outputs = []
    for many, batch, extent in ((1, 1, 7), (2, 3, 8)):
        x = random.normal(size=(batch, channels, extent, extent))
        w = random.normal(size=(channels * many, 1, 3, 3))
        out = (extent - 1) // 2 + 1
        g = random.normal(size=(batch, channels * many, out, out))
        pads = ((1, 1), (1, 1))
        case = Convolved(x, w, g, (2, 2), pads, (1, 1), channels, True, True, True)
        outputs += case.outputs(values)
    agree(outputs, values, str(channels))


def test_one_function_serves_all_extents() -> None:
    x, w = T.dtensor4("x"), T.dtensor4("w")
    y = T.nnet.conv2d(x, w, border_mode="half", subsample=(2, 1))
    outputs = [y, *T.grad(T.sum(T.sqr(y)), [x, w])]
    function = sg.function([x, w], outputs, "FAST_RUN")
    random = np.random.default_rng(0)
    for a, b in (
        ((2, 3, 7, 8), (4, 3, 3, 3)),
        ((1, 1, 5, 6), (2, 1, 5, 2)),
        ((3, 9, 4, 4), (17, 9, 1, 4)),
        ((0, 2, 4, 4), (3, 2, 2, 2)),
    ):
        arrays: Any = random.normal(size=a), random.normal(size=b)
        told = evaluate(outputs, dict(zip((x, w), arrays, strict=True)))
        for found, wanted in zip(function(*arrays), told, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


REFUSED = [
    ((2, 3, 5, 5), (4, 2, 3, 3), 1, "channels"),
    ((2, 3, 5, 5), (4, 3, 6, 3), 1, "the window exceeds it"),
    ((2, 3, 5, 5), (4, 3, 0, 3), 1, "the window is empty"),
    ((2, 4, 5, 5), (3, 2, 3, 3), 2, "channels by groups"),
    ((2, 3, 5, 5), (4, 3, 3, 3), 2, "channels"),
]


@pytest.mark.parametrize("x_shape,w_shape,groups,text", REFUSED)
def test_shapes_that_do_not_fit_are_refused_by_a_call(
    x_shape: Any, w_shape: Any, groups: int, text: str
) -> None:
    x, w = T.dtensor4("x"), T.dtensor4("w")
    function = sg.function([x, w], T.nnet.conv2d(x, w, num_groups=groups), "FAST_RUN")
    with pytest.raises(ShapeError, match=rf"{text}[\s\S]*test_convolution"):
        function(np.zeros(x_shape), np.zeros(w_shape))


def test_gradients_of_another_shape_are_refused_by_a_call() -> None:
    g, w, x = T.dtensor4("g"), T.dtensor4("w"), T.dtensor4("x")
    dx = T.nnet.abstract_conv.conv2d_grad_wrt_inputs(g, w, x.shape)
    dw = T.nnet.abstract_conv.conv2d_grad_wrt_weights(x, g, w.shape)
    good = np.zeros((2, 4, 3, 3)), np.zeros((4, 3, 3, 3)), np.zeros((2, 3, 5, 5))
    for result in (dx, dw):
        function = sg.function([g, w, x], result, "FAST_RUN")
        function(*good)
        for bad in ((2, 4, 4, 3), (2, 5, 3, 3)):
            if result is dw and bad[1] == 5:
                continue  # filters are counted by g
            with pytest.raises(ShapeError):
                function(np.zeros(bad), *good[1:])
    with pytest.raises(ShapeError, match="batch extents"):
        function(np.zeros((3, 4, 3, 3)), *good[1:])


def test_a_graph_of_convolutions_in_both_layouts_and_their_gradients() -> None:
    """Bias, nonlinearity, pooling, a residual and a transposed convolution around."""
    random = np.random.default_rng(5)
    x = T.dtensor4("x", shape=(None, 3, 12, 13))
    w, v = T.dtensor4("w", shape=(6, 3, 3, 3)), T.dtensor4("v", shape=(6, 6, 3, 3))
    b = T.dvector("b", shape=(6,))
    h = T.nnet.relu(
        T.nnet.conv2d(x, w, border_mode="half") + b.dimshuffle("x", 0, "x", "x")
    )
    h = h + T.tanh(T.nnet.conv2d(h, v, border_mode="same", num_groups=1))
    p = T.signal.pool.pool_2d(h, (2, 2), ignore_border=True)
    back = T.nnet.conv2d_transpose(p, w, (None, 3, 12, 13), input_dilation=(2, 2),
                                   border_mode=(1, (0, 1)))  # fmt: skip
    cost = T.mean(T.sqr(back - x))
    outputs = [cost, *T.grad(cost, [x, w, v, b])]
    values = {
        x: random.normal(size=(4, 3, 12, 13)),
        w: random.normal(size=(6, 3, 3, 3)),
        v: random.normal(size=(6, 6, 3, 3)) / 5,
        b: random.normal(size=6),
    }
    agree(outputs, values, "network")


def test_a_window_whose_frame_exceeds_the_scratch_memory_of_a_thread() -> None:
    """73 x 73 positions of 800 channels are 34 MB; only the middle tap meets the image."""
    x, w = T.dtensor4("x"), T.dtensor4("w")
    y = T.nnet.conv2d(x, w, border_mode=(36, 36), filter_dilation=(36, 36))
    function = sg.function([x, w], [y, *sg.grad(T.sum(T.sqr(y)), [x, w])], "FAST_RUN")
    random = np.random.default_rng(2)
    a, b = random.normal(size=(1, 800, 1, 2)), random.normal(size=(2, 800, 3, 3))
    found, dx, dw = function(a, b)
    middle = b[:, :, 1, 1]
    wanted = np.einsum("ncij,kc->nkij", a, middle)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    np.testing.assert_allclose(dx, 2 * np.einsum("nkij,kc->ncij", wanted, middle))
    slope = np.zeros(b.shape)
    slope[:, :, 1, 1] = 2 * np.einsum("nkij,ncij->kc", wanted, a)
    np.testing.assert_allclose(dw, slope, rtol=1e-10, atol=1e-10)


def test_a_window_that_does_not_fit_is_reported_at_its_own_line() -> None:
    x, w = T.dtensor4("image"), T.dtensor4("filters")
    y = T.nnet.conv2d(T.nnet.relu(x), w)
    line = y.place[1]
    function = sg.function([x, w], T.sqr(y), "FAST_RUN")
    with pytest.raises(ShapeError, match="extent 4 with the padding") as caught:
        function(np.zeros((2, 3, 4, 9)), np.zeros((4, 3, 5, 3)))
    assert f"test_convolution.py:{line}" in str(caught.value).splitlines()[0]
    assert "filters" in str(caught.value)
    assert "materialize" not in str(caught.value)
