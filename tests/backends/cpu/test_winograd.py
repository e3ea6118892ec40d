"""Winograd's convolution against direct sums in float64, called natively."""

import ctypes

import numpy as np
import pytest

from symgraph.backends.cpu import winograd
from symgraph.backends.cpu.library_object import (
    PARAMETERS,
    SCRATCH_BYTES,
    phases,
    tile_object,
)
from symgraph.backends.cpu.loader import load
from symgraph.errors import NotSupportedError

PHASE = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)
UNITS = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


@pytest.fixture(scope="module", params=[4, 2])
def run(request):
    operation = f"winograd{request.param}"
    library = load(tile_object(frozenset({(operation, "float32")})))
    functions = [
        (PHASE(library.address(name)), UNITS(library.address(units)))
        for name, units in phases(operation, "float32")
    ]
    memory = np.zeros(SCRATCH_BYTES + 64, np.uint8)
    scratch = memory.ctypes.data + -memory.ctypes.data % 64

    def call(x, w, out, pad, bias=None, activation=0, slope=0.0, flip=0, adjoint=0):
        batch, height, width, channels = x.shape
        filters = w.shape[1] if adjoint else w.shape[0]
        y = np.full((batch, *out, filters), np.nan, np.float32)
        workspace = np.full(36 * channels * (filters + 31), np.nan, np.float32)
        number = np.array([slope], np.float32)
        values = {
            "x": x.ctypes.data, "w": w.ctypes.data, "y": y.ctypes.data,
            "bias": 0 if bias is None else bias.ctypes.data,
            "slope": number.ctypes.data, "workspace": workspace.ctypes.data,
            "activation": activation, "batch": batch, "channels": channels,
            "filters": filters, "height": height, "width": width,
            "out_height": out[0], "out_width": out[1], "pad_height": pad[0],
            "pad_width": pad[1], "flip": flip, "adjoint": adjoint,
        }  # fmt: skip
        table = np.array([values[n] for n in PARAMETERS[operation]], np.int64)
        for function, units in functions:
            count = units(table.ctypes.data)
            half = count // 2
            function(table.ctypes.data, half, count, scratch)
            function(table.ctypes.data, 0, half, scratch)
        return y

    call.keep = library, memory
    call.bound = winograd.BOUND[request.param]
    return call


def direct(x, w, out, pad):
    """Sums in float64; pixels outside are zeros."""
    padded = np.zeros((x.shape[0], out[0] + 2, out[1] + 2, x.shape[3]))
    for i in range(out[0] + 2):
        for j in range(out[1] + 2):
            row, column = i - pad[0], j - pad[1]
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                padded[:, i, j] = x[:, row, column]
    y = np.zeros((x.shape[0], *out, w.shape[0]))
    for r in range(3):
        for s in range(3):
            window = padded[:, r : r + out[0], s : s + out[1]]
            y += window @ w[:, :, r, s].T.astype(float)
    return y


CASES = [
    # batch, height, width, channels, filters, pad, out
    (2, 8, 8, 16, 32, (1, 1), (8, 8)),
    (3, 7, 9, 21, 23, (0, 0), (5, 7)),
    (1, 13, 6, 33, 50, (2, 1), (15, 6)),
    (2, 5, 5, 17, 16, (0, 2), (4, 6)),
    (1, 1, 1, 16, 16, (1, 1), (1, 1)),
    (9, 3, 3, 16, 48, (2, 2), (5, 5)),
]


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_values_input_gradient_and_epilogue_agree_with_sums(run, case, flip):
    batch, height, width, channels, filters, pad, out = case
    random = np.random.default_rng(channels)
    x = random.standard_normal((batch, height, width, channels)).astype("float32")
    w = random.standard_normal((filters, channels, 3, 3)).astype("float32")
    bias = random.standard_normal(filters).astype("float32")
    seen = w[:, :, ::-1, ::-1] if flip else w
    wanted = direct(x, seen, out, pad)
    close = {"rtol": 0, "atol": run.bound * np.abs(wanted).max()}
    np.testing.assert_allclose(run(x, w, out, pad, flip=flip), wanted, **close)
    wanted = wanted + bias
    got = run(x, w, out, pad, bias, activation=1, flip=flip)
    np.testing.assert_allclose(got, np.maximum(wanted, 0), **close)
    got = run(x, w, out, pad, bias, activation=2, slope=0.1, flip=flip)
    leaky = np.where(wanted > 0, wanted, 0.1 * wanted)
    np.testing.assert_allclose(got, leaky, **close)

    g = random.standard_normal((batch, *out, filters)).astype("float32")
    back = (2 - pad[0], 2 - pad[1])
    turned = np.ascontiguousarray(seen[:, :, ::-1, ::-1].swapaxes(0, 1))
    wanted = direct(g, turned, (height, width), back)
    got = run(g, w, (height, width), back, flip=flip, adjoint=1)
    np.testing.assert_allclose(
        got, wanted, rtol=0, atol=run.bound * np.abs(wanted).max()
    )


def test_the_stated_error_bound_holds_for_many_channels(run):
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 8, 8, 512)).astype("float32")
    w = random.standard_normal((16, 512, 3, 3)).astype("float32")
    wanted = direct(x, w, (8, 8), (1, 1))
    got = run(x, w, (8, 8), (1, 1))
    assert np.abs(got - wanted).max() < run.bound * np.abs(wanted).max()


def test_nan_spreads_only_within_its_tiles(run):
    x = np.ones((2, 8, 8, 16), np.float32)
    w = np.ones((16, 16, 3, 3), np.float32)
    x[0, 0, 0, 3] = np.nan
    got = run(x, w, (8, 8), (1, 1))
    assert np.isnan(got[0, :2, :2]).all()
    assert np.isfinite(got[1]).all()
    assert np.isfinite(got[0, 4:, 4:]).all()


def test_float64_is_refused_by_name():
    with pytest.raises(NotSupportedError, match="float64"):
        tile_object(frozenset({("winograd4", "float64")}))


def test_fewest_channels_fill_a_vector_of_the_widest_machine():
    assert winograd.LEAST * winograd.ITEM == 64
