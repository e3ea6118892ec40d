"""symgraph: a network written as a user of the T namespace writes it.

step   one compiled function with the parameters as shared variables and their updates
loop   the same function through its native loops, `repeat` or `epoch`
call   (functions) one compiled function of arrays
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from benchmarks import workloads
from benchmarks.workloads import (
    Activation,
    Conv,
    Dense,
    Flatten,
    Layer,
    Linear,
    Lstm,
    Network,
    Pool,
    Recurrent,
)
from symgraph.nn import updates

LABELS = "int64"


def set_threads(count: int) -> None:
    """Check that the environment, which symgraph reads when imported, says the same."""
    assert os.environ["SYMGRAPH_NUM_THREADS"] == str(count)


def _leaky(x: Any) -> Any:
    return T.nnet.relu(x, 0.01)


_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": T.nnet.sigmoid,
    "tanh": T.tanh,
    "relu": T.nnet.relu,
    "leaky": _leaky,
}


def _recurrent(values: list[Any], x: Any, units: int) -> Any:
    inner, outer = values

    def step(row: Any, h: Any) -> Any:
        return T.nnet.sigmoid(row + T.dot(h, outer))

    start = T.zeros((x.shape[1], units), x.dtype)
    return sg.scan(step, T.dot(x, inner), start)[0]


def _lstm(values: list[Any], x: Any, units: int) -> Any:
    inner, outer, bias = values

    def step(row: Any, h: Any, c: Any) -> Any:
        sums = row + T.dot(h, outer)
        i, f, g, o = (sums[:, k * units : (k + 1) * units] for k in range(4))
        c = T.nnet.sigmoid(f) * c + T.nnet.sigmoid(i) * T.tanh(g)
        return T.nnet.sigmoid(o) * T.tanh(c), c

    start = T.zeros((x.shape[1], units), x.dtype)
    (h, _), _ = sg.scan(step, T.dot(x, inner) + bias, [start, start])
    return h[-1]


def _apply(layer: Layer, values: list[Any], x: Any) -> Any:
    match layer:
        case Dense():
            return T.dot(x, values[0]) + values[1]
        case Conv(_, size, padding):
            mode = "valid" if padding == "valid" else (size // 2, size // 2)
            y = T.nnet.conv2d(x, values[0], border_mode=mode, filter_flip=False)
            return y + values[1].dimshuffle("x", 0, "x", "x")
        case Pool(size, stride):
            return T.signal.pool.pool_2d(
                x,
                (size, size),
                ignore_border=True,
                stride=(stride, stride),
                mode="max",
            )
        case Activation(name):
            return _ACTIVATIONS[name](x)
        case Flatten():
            return x.flatten(2)
        case Linear():
            return T.dot(x, values[0])
        case Recurrent(units):
            return _recurrent(values, x, units)
        case Lstm(units):
            return _lstm(values, x, units)


def _loss(network: Network, z: Any, y: Any) -> Any:
    if network.loss == "crossentropy":
        return T.nnet.categorical_crossentropy(T.nnet.softmax(z), y).mean()
    if network.loss == "binary":
        hot = T.cast(T.eq(y[:, None], T.arange(network.classes)), network.dtype)
        return T.nnet.binary_crossentropy(T.nnet.softmax(z), hot).mean()
    square = T.sqr(z - y)
    if network.loss == "sequence":
        return square.sum() * (0.5 / network.batch)
    return square.mean() if network.loss == "mse" else square.sum()


def _updates(network: Network, loss: Any, values: list[Any]) -> Any:
    rule = network.rule
    if rule.name == "sgd":
        return updates.sgd(loss, values, rule.rate)
    if rule.name == "adam":
        return updates.adam(loss, values, rule.rate)
    named = {"momentum": updates.momentum, "nesterov": updates.nesterov_momentum}
    return named[rule.name](loss, values, rule.rate, rule.mu)


def _compiled(network: Network) -> Any:
    return _functions(network)[0]


def _functions(network: Network, batch_first: bool = False) -> tuple[Any, Any]:
    """The step, and what makes the function from x to the last layer's values."""
    sg.config.floatX = network.dtype
    layers = [
        [sg.shared(a, name=f"p{i}.{k}") for k, a in enumerate(values)]
        for i, values in enumerate(workloads.parameters(network))
    ]
    rank = 1 + len(network.example) + (network.time > 0)
    free = (None,) * rank  # any batch size, any extents
    x = T.TensorType(network.dtype, free)("x")
    y = T.lvector("y") if network.has_labels else T.TensorType(network.dtype, free)("y")
    z = x.dimshuffle(1, 0, 2) if batch_first else x
    for layer, values in zip(network.layers, layers):
        z = _apply(layer, values, z)
    loss = _loss(network, z, y)
    if network.decay:
        squares = sum(T.sum(T.sqr(values[0])) for values in layers if values)
        loss = loss + network.decay * squares
    flat = [value for values in layers for value in values]
    step = sg.function([x, y], loss, updates=_updates(network, loss, flat))
    return step, lambda: sg.function([x], z)


def step(network: Network, variant: str) -> Callable[..., float]:
    """One training step."""
    compiled = _compiled(network)
    return lambda x, y: float(compiled(x, y))


def loop(network: Network, variant: str) -> Callable[..., Any]:
    """Many steps in one native call, which takes its mini-batches from the first axis.

    A sequence per row and a label per row: for that x is turned, in the measured time.
    """
    turned = network.time > 0 and network.has_labels
    compiled, _ = _functions(network, turned)
    if network.batches == 1:
        return lambda xs, ys: compiled.repeat(network.epoch, xs[0], ys[0])

    def run(xs: Any, ys: Any) -> Any:
        xs = xs.swapaxes(1, 2) if turned else xs
        x, y = (a.reshape(-1, *a.shape[2:]) for a in (xs, ys))
        return compiled.epoch(x, y, batch_size=xs.shape[1])

    return run


def epoch(network: Network, variant: str, x: Any, y: Any) -> tuple[Any, Any]:
    """One native call for all rows; a function for their classes."""
    compiled, make = _functions(network)

    def train() -> None:
        compiled.epoch(x, y, batch_size=network.batch, shuffle=workloads.SEED)

    return train, lambda rows: make()(rows).argmax(1)


def _chain(x: Any) -> Any:
    return T.nnet.sigmoid(0.5 * x + 0.1) * T.tanh(2.0 * x) + T.exp(-x * x)


def _layernorm(x: Any) -> Any:
    spread = T.sqrt(x.var(1, keepdims=True) + 1e-5)
    return (x - x.mean(1, keepdims=True)) / spread


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "increment": lambda x: x + 1,
    "addxy": lambda x, y: (x + y) + (x + y),
    "chain": _chain,
    "chain_sum": lambda x: _chain(x).sum(),
    "softmax": T.nnet.softmax,
    "layernorm": _layernorm,
    "logsumexp": lambda x: T.log(T.sum(T.exp(x), axis=1)),
}


def function(name: str, variant: str, arrays: tuple[Any, ...]) -> Callable[..., Any]:
    """One compiled function of arrays with free extents."""
    dtype = str(np.asarray(arrays[0]).dtype)
    sg.config.floatX = dtype
    inputs = [
        T.TensorType(dtype, (None,) * a.ndim)(f"x{i}") for i, a in enumerate(arrays)
    ]
    return sg.function(inputs, _FUNCTIONS[name](*inputs))
