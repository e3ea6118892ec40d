"""Training steps of recurrent networks by `scan`, as the benchmarks have them."""

from typing import Any

import numpy as np

import symgraph as sg
import symgraph.tensor as T

#: batch, steps, inputs, hidden units
SMALL = (4, 5, 3, 6)
Step = tuple[list[Any], Any, list[Any], list[tuple[Any, Any]]]


def _weights(*shape: int, dtype: str = "float64") -> Any:
    values = np.random.default_rng(sum(shape)).normal(size=shape) / np.sqrt(shape[0])
    return sg.shared(values.astype(dtype), f"W{shape}")


def rnn(sizes: tuple[int, ...] = SMALL, dtype: str = "float64") -> Step:
    """(inputs, cost, weights, updates): h = sigmoid(x Wx + h Wh), an output per step."""
    _, _, inputs, hidden = sizes
    wx, wh, wo = (
        _weights(*shape, dtype=dtype)
        for shape in ((inputs, hidden), (hidden, hidden), (hidden, 1))
    )
    x, y = T.tensor3("x", dtype), T.tensor3("y", dtype)
    start = T.zeros((x.shape[1], hidden), dtype)
    h, _ = sg.scan(
        lambda row, h: T.nnet.sigmoid(T.dot(row, wx) + T.dot(h, wh)), x, start
    )
    out = T.nnet.sigmoid(T.dot(h, wo))
    cost = ((out - y) ** 2).sum() * np.dtype(dtype).type(0.1)
    return _step([x, y], cost, [wx, wh, wo], dtype)


def lstm(sizes: tuple[int, ...] = SMALL, dtype: str = "float64") -> Step:
    """(inputs, cost, weights, updates): gates i f g o, the last output classified."""
    _, _, inputs, n = sizes
    wx, wh, b, wo = (
        _weights(*shape, dtype=dtype)
        for shape in ((inputs, 4 * n), (n, 4 * n), (4 * n,), (n, 10))
    )
    x, y = T.tensor3("x", dtype), T.lvector("y")
    start = T.zeros((x.shape[1], n), dtype)

    def cell(row: Any, h: Any, c: Any) -> Any:
        a = T.dot(row, wx) + b + T.dot(h, wh)
        i, f, g, o = (a[:, k * n : (k + 1) * n] for k in range(4))
        c = T.nnet.sigmoid(f) * c + T.nnet.sigmoid(i) * T.tanh(g)
        return T.nnet.sigmoid(o) * T.tanh(c), c

    (h, _), _ = sg.scan(cell, x, [start, start])
    out = T.nnet.softmax(T.dot(h[-1], wo))
    cost = T.nnet.categorical_crossentropy(out, y).mean()
    return _step([x, y], cost, [wx, wh, b, wo], dtype)


def _step(inputs: list[Any], cost: Any, weights: list[Any], dtype: str) -> Step:
    rate = np.dtype(dtype).type(0.1)
    slopes = sg.grad(cost, weights)
    pairs = [(w, w - rate * g) for w, g in zip(weights, slopes, strict=True)]
    return inputs, cost, weights, pairs


def data(
    kind: str, sizes: tuple[int, ...] = SMALL, dtype: str = "float64"
) -> list[Any]:
    """Inputs for a step."""
    batch, steps, inputs, _ = sizes
    rng = np.random.default_rng(1)
    x = rng.normal(size=(steps, batch, inputs)).astype(dtype)
    if kind == "lstm":
        return [x, rng.integers(0, 10, batch)]
    return [x, rng.uniform(size=(steps, batch, 1)).astype(dtype)]
