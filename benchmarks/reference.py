"""The networks and functions by hand in NumPy, forward and backward: the truth for all.

Out: `Model`, whose `step` trains; `losses` of the first steps in float64; `FUNCTIONS`.
``reference_losses.json`` keeps those losses, so that a run need not compute them.
As a peer it is the framework "numpy" (frameworks/by_hand.py).

Each forward function gives its result and a function that turns the gradient of the
result into the gradient of the input and those of the parameters.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks import workloads
from benchmarks.workloads import (
    Activation,
    Conv,
    Dense,
    Layer,
    Linear,
    Lstm,
    Network,
    Pool,
    Recurrent,
)

STORED = Path(__file__).with_name("reference_losses.json")
Backward = Callable[[Any], tuple[Any, list[Any]]]


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + np.exp(-x))


def _activation(name: str, x: Any) -> tuple[Any, Backward]:
    if name == "sigmoid":
        y = sigmoid(x)
        return y, lambda g: (g * y * (1 - y), [])
    if name == "tanh":
        y = np.tanh(x)
        return y, lambda g: (g * (1 - y * y), [])
    below = {"relu": 0.0, "leaky": 0.01}[name]
    slope = np.where(x > 0, x.dtype.type(1), x.dtype.type(below))
    return x * slope, lambda g: (g * slope, [])


def _dense(values: list[Any], x: Any) -> tuple[Any, Backward]:
    weight, bias = values
    return x @ weight + bias, lambda g: (g @ weight.T, [x.T @ g, g.sum(0)])


def _linear(values: list[Any], x: Any) -> tuple[Any, Backward]:
    (weight,) = values
    return x @ weight, lambda g: (g @ weight.T, [_product(x, g)])


def _product(x: Any, g: Any) -> Any:
    """x.T @ g, summed over all time steps too."""
    axes = tuple(range(g.ndim - 1))
    return np.tensordot(x, g, (axes, axes))


def _recurrent(values: list[Any], x: Any) -> tuple[Any, Backward]:
    inner, outer = values
    h = np.zeros((len(x) + 1, x.shape[1], len(outer)), x.dtype)
    for t, row in enumerate(x @ inner):
        h[t + 1] = sigmoid(row + h[t] @ outer)

    def backward(g: Any) -> tuple[Any, list[Any]]:
        total, carried = np.empty_like(g), 0
        for t in reversed(range(len(x))):
            total[t] = (g[t] + carried) * h[t + 1] * (1 - h[t + 1])
            carried = total[t] @ outer.T
        return total @ inner.T, [_product(x, total), _product(h[:-1], total)]

    return h[1:], backward


def _lstm(values: list[Any], x: Any) -> tuple[Any, Backward]:
    inner, outer, bias = values
    units = len(outer)
    h = np.zeros((len(x) + 1, x.shape[1], units), x.dtype)
    c, kept = np.zeros_like(h), []
    for t, row in enumerate(x @ inner + bias):
        sums = np.split(row + h[t] @ outer, 4, axis=1)
        i, f, g, o = (np.tanh(s) if k == 2 else sigmoid(s) for k, s in enumerate(sums))
        c[t + 1] = f * c[t] + i * g
        h[t + 1] = o * np.tanh(c[t + 1])
        kept.append((i, f, g, o))

    def backward(dh: Any) -> tuple[Any, list[Any]]:
        total = np.empty((*x.shape[:2], 4 * units), x.dtype)
        dc: Any = 0
        for t in reversed(range(len(x))):
            (i, f, g, o), now = kept[t], np.tanh(c[t + 1])
            dc = dc + dh * o * (1 - now * now)
            parts = (
                dc * g * i * (1 - i),
                dc * c[t] * f * (1 - f),
                dc * i * (1 - g * g),
                dh * now * o * (1 - o),
            )
            total[t] = np.concatenate(parts, axis=1)
            dc, dh = dc * f, total[t] @ outer.T
        own = [_product(x, total), _product(h[:-1], total), total.sum((0, 1))]
        return total @ inner.T, own

    return h[-1], backward


def _windows(x: Any, size: int) -> Any:
    return sliding_window_view(x, (size, size), axis=(2, 3))


def _padded(x: Any, width: int) -> Any:
    return np.pad(x, ((0, 0), (0, 0), (width, width), (width, width)))


def _conv(layer: Conv, values: list[Any], x: Any) -> tuple[Any, Backward]:
    weight, bias = values
    width = layer.size // 2 if layer.padding == "same" else 0
    windows = _windows(_padded(x, width), layer.size)  # n c i j r s
    y = np.einsum("ncijrs,kcrs->nkij", windows, weight, optimize=True)

    def backward(g: Any) -> tuple[Any, list[Any]]:
        turned = weight[:, :, ::-1, ::-1]
        spread = _windows(_padded(g, layer.size - 1 - width), layer.size)
        dx = np.einsum("nkijrs,kcrs->ncij", spread, turned, optimize=True)
        dw = np.einsum("ncijrs,nkij->kcrs", windows, g, optimize=True)
        return dx, [dw, g.sum((0, 2, 3))]

    return y + bias[:, None, None], backward


def _pool(layer: Pool, x: Any) -> tuple[Any, Backward]:
    step = layer.stride
    windows = _windows(x, layer.size)[:, :, ::step, ::step]
    flat = windows.reshape(*windows.shape[:4], -1)
    first = flat.argmax(-1)  # of equal maxima the first one counts

    def backward(g: Any) -> tuple[Any, list[Any]]:
        dx = np.zeros_like(x)
        n, c, i, j = np.ogrid[tuple(slice(extent) for extent in first.shape)]
        row, column = i * step + first // layer.size, j * step + first % layer.size
        np.add.at(dx, (n, c, row, column), g)
        return dx, []

    return np.take_along_axis(flat, first[..., None], -1)[..., 0], backward


def _forward(layer: Layer, values: list[Any], x: Any) -> tuple[Any, Backward]:
    match layer:
        case Dense():
            return _dense(values, x)
        case Conv():
            return _conv(layer, values, x)
        case Pool():
            return _pool(layer, x)
        case Activation(name):
            return _activation(name, x)
        case Linear():
            return _linear(values, x)
        case Recurrent():
            return _recurrent(values, x)
        case Lstm():
            return _lstm(values, x)
    return x.reshape(len(x), -1), lambda g: (g.reshape(x.shape), [])


def _loss(network: Network, z: Any, y: Any) -> tuple[Any, Any]:
    """The loss, and its gradient with respect to what the last layer gave."""
    if not network.has_labels:
        scales = {"mse": 1.0 / z.size, "sequence": 0.5 / network.batch}
        scale = scales.get(network.loss, 1.0)
        return scale * ((z - y) ** 2).sum(), 2 * scale * (z - y)
    power = np.exp(z - z.max(1, keepdims=True))
    p = power / power.sum(1, keepdims=True)
    rows = np.arange(len(z))
    t = np.zeros_like(p)
    t[rows, y] = 1
    if network.loss == "crossentropy":
        return -np.log(p[rows, y]).mean(), (p - t) / len(z)
    loss = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    g = (p - t) / (p * (1 - p)) / p.size
    return loss, p * (g - (g * p).sum(1, keepdims=True))


class Model:
    """A network with its parameters and the state of its update rule."""

    def __init__(self, network: Network, dtype: str | None = None) -> None:
        self.network = network
        self.values = [
            [a.astype(dtype or network.dtype) for a in values]
            for values in workloads.parameters(network)
        ]
        self.moments = [
            [(np.zeros_like(a), np.zeros_like(a)) for a in values]
            for values in self.values
        ]
        self.count = 0

    def gradients(self, x: Any, y: Any) -> tuple[Any, list[list[Any]]]:
        """The loss and the gradients of the parameters of each layer."""
        backwards = []
        for layer, values in zip(self.network.layers, self.values):
            x, backward = _forward(layer, values, x)
            backwards.append(backward)
        loss, g = _loss(self.network, x, y)
        found: list[list[Any]] = []
        for backward in reversed(backwards):
            g, own = backward(g)
            found.insert(0, own)
        decay = self.network.decay
        for values, own in zip(self.values, found):
            if decay and values:
                loss = loss + decay * (values[0] ** 2).sum()
                own[0] = own[0] + 2 * decay * values[0]
        return loss, found

    def step(self, x: Any, y: Any) -> float:
        """Train on one mini-batch; the loss before the update."""
        loss, gradients = self.gradients(x, y)
        self.count += 1
        for values, own, moments in zip(self.values, gradients, self.moments):
            for value, g, (first, second) in zip(values, own, moments):
                self._update(value, g, first, second)
        return float(loss)

    def _update(self, value: Any, g: Any, first: Any, second: Any) -> None:
        rule = self.network.rule
        if rule.name == "sgd":
            value -= rule.rate * g
        elif rule.name == "adam":
            first += 0.1 * (g - first)
            second += 0.001 * (g * g - second)
            mean = first / (1 - 0.9**self.count)
            value -= (
                rule.rate * mean / (np.sqrt(second / (1 - 0.999**self.count)) + 1e-8)
            )
        else:
            first *= rule.mu
            first += g
            nesterov = rule.name == "nesterov"
            value -= rule.rate * (g + rule.mu * first if nesterov else first)


def losses(network: Network, steps: int = 3) -> list[float]:
    """Losses of the first steps, computed in float64."""
    model = Model(network, "float64")
    found = []
    for x, y in _turns(network, steps):
        y = y if network.has_labels else y.astype("float64")
        found.append(model.step(x.astype("float64"), y))
    return found


def _turns(network: Network, steps: int) -> list[tuple[Any, Any]]:
    pairs = list(zip(*workloads.batches(network)))
    return [pairs[i % network.batches] for i in range(steps)]


def stored_losses(network: Network) -> list[float]:
    """Those losses from the file, computed with this module."""
    found: dict[str, list[float]] = json.loads(STORED.read_text())
    return found[network.name]


# --- functions -------------------------------------------------------------------------


def _chain(x: Any) -> Any:
    return sigmoid(0.5 * x + 0.1) * np.tanh(2.0 * x) + np.exp(-x * x)


def _softmax(x: Any) -> Any:
    power = np.exp(x - x.max(1, keepdims=True))
    return power / power.sum(1, keepdims=True)


def _layernorm(x: Any) -> Any:
    spread = np.sqrt(x.var(1, keepdims=True) + 1e-5)
    return (x - x.mean(1, keepdims=True)) / spread


def _logsumexp(x: Any) -> Any:
    largest = x.max(1, keepdims=True)
    return np.log(np.exp(x - largest).sum(1)) + largest[:, 0]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "increment": lambda x: x + 1,
    "addxy": lambda x, y: (x + y) + (x + y),
    "chain": _chain,
    "chain_sum": lambda x: _chain(x).sum(),
    "softmax": _softmax,
    "layernorm": _layernorm,
    "logsumexp": _logsumexp,
}
