"""PyTensor, the living descendant of Theano.

numba       its default mode: one compiled function per step, parameters shared
numba_scan  a whole epoch as one pytensor.scan

It has neither convolution over channels nor pooling, so no convolution network. A native
loop of recurrent networks, a scan over time inside a scan over steps, is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from benchmarks import workloads
from benchmarks.workloads import (
    Activation,
    Dense,
    Layer,
    Linear,
    Lstm,
    Network,
    Recurrent,
    Unavailable,
)

LABELS = "int64"
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": pt.sigmoid,
    "tanh": pt.tanh,
    "relu": lambda x: pt.maximum(x, 0),
}


def _recurrent(values: list[Any], x: Any) -> Any:
    inner, outer = values
    return pytensor.scan(
        lambda row, h, outer: pt.sigmoid(row + h @ outer),
        sequences=[x @ inner],
        outputs_info=[_start(x, outer)],
        non_sequences=[outer],
        return_updates=False,
        strict=True,
    )


def _start(x: Any, outer: Any) -> Any:
    """Zeros whose batch axis is not known to be 1, whatever the batch is."""
    return pt.zeros((x.shape[1], outer.shape[0]), dtype=x.dtype)


def _lstm(values: list[Any], x: Any, units: int) -> Any:
    inner, outer, bias = values

    def cell(row: Any, h: Any, c: Any, outer: Any) -> tuple[Any, Any]:
        sums = row + h @ outer
        i, f, g, o = (sums[:, k * units : (k + 1) * units] for k in range(4))
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c

    h, _ = pytensor.scan(
        cell,
        sequences=[x @ inner + bias],
        outputs_info=[_start(x, outer)] * 2,
        non_sequences=[outer],
        return_updates=False,
        strict=True,
    )
    return h[-1]


def _apply(layer: Layer, values: list[Any], x: Any) -> Any:
    match layer:
        case Dense():
            return x @ values[0] + values[1]
        case Activation(name):
            return _ACTIVATIONS[name](x)
        case Linear():
            return x @ values[0]
        case Recurrent():
            return _recurrent(values, x)
        case Lstm(units):
            return _lstm(values, x, units)
    raise Unavailable("PyTensor has no convolution over channels and no pooling")


def _loss(network: Network, layers: list[list[Any]], x: Any, y: Any) -> Any:
    number = np.dtype(network.dtype).type
    for layer, values in zip(network.layers, layers):
        x = _apply(layer, values, x)
    match network.loss:
        case "crossentropy":
            rows = pt.arange(y.shape[0])
            loss = -pt.special.log_softmax(x, axis=1)[rows, y].mean()
        case "binary":
            p = pt.special.softmax(x, axis=1)
            t = pt.eq(y[:, None], pt.arange(network.classes)).astype(network.dtype)
            loss = -(t * pt.log(p) + (1 - t) * pt.log(1 - p)).mean()
        case "mse":
            loss = ((x - y) ** 2).mean()
        case "sequence":
            loss = ((x - y) ** 2).sum() * number(0.5 / network.batch)
        case _:
            loss = ((x - y) ** 2).sum()
    if network.decay:
        squares = [(values[0] ** 2).sum() for values in layers if values]
        loss = loss + number(network.decay) * sum(squares)
    return loss


def _changed(network: Network, state: list[list[Any]], gradients: list[Any]) -> Any:
    """New [values, first moments, second moments, [count]]."""
    rule, number = network.rule, np.dtype(network.dtype).type
    values, first, second, (count,) = state
    rate, mu, one = number(rule.rate), number(rule.mu), number(1)
    count = count + one
    if rule.name == "sgd":
        values = [w - rate * g for w, g in zip(values, gradients)]
    elif rule.name == "adam":
        b1, b2, tiny = number(0.9), number(0.999), number(1e-8)
        first = [m + (one - b1) * (g - m) for m, g in zip(first, gradients)]
        second = [v + (one - b2) * (g * g - v) for v, g in zip(second, gradients)]
        means = [m / (one - b1**count) for m in first]
        roots = [pt.sqrt(v / (one - b2**count)) + tiny for v in second]
        values = [w - rate * m / r for w, m, r in zip(values, means, roots)]
    else:
        first = [mu * m + g for m, g in zip(first, gradients)]
        nesterov = rule.name == "nesterov"
        moves = [g + mu * m if nesterov else m for g, m in zip(gradients, first)]
        values = [w - rate * d for w, d in zip(values, moves)]
    return [values, first, second, [count]]


def _shared(network: Network) -> tuple[list[list[Any]], list[list[Any]]]:
    """The parameters layer by layer, and the whole state."""
    pytensor.config.floatX = network.dtype
    layers = [
        [pytensor.shared(a) for a in own] for own in workloads.parameters(network)
    ]
    flat = [value for own in layers for value in own]
    zeros = [
        [pytensor.shared(np.zeros_like(w.get_value())) for w in flat] for _ in "mv"
    ]
    count = pytensor.shared(np.zeros((), network.dtype))
    return layers, [flat, *zeros, [count]]


def _inputs(network: Network, extra: int) -> tuple[Any, Any]:
    free = (None,) * (extra + 1 + (network.time > 0) + len(network.example))
    x = pt.tensor("x", dtype=network.dtype, shape=free)
    if network.has_labels:
        return x, pt.tensor("y", dtype="int64", shape=(None,) * (extra + 1))
    return x, pt.tensor("y", dtype=network.dtype, shape=free)


def step(network: Network, variant: str) -> Callable[..., float]:
    """One training step."""
    layers, state = _shared(network)
    x, y = _inputs(network, 0)
    loss = _loss(network, layers, x, y)
    new = _changed(network, state, pytensor.grad(loss, state[0]))
    if network.rule.name != "adam":
        new[3] = state[3]  # nothing reads the count
    updates = [
        pair
        for old, made in zip(state, new)
        for pair in zip(old, made)
        if pair[0] is not pair[1]
    ]
    compiled = pytensor.function([x, y], loss, updates=updates)
    return lambda x, y: float(compiled(x, y))


def loop(network: Network, variant: str) -> Callable[..., Any]:
    """Many steps in one call."""
    if network.time:
        raise Unavailable("a scan over time inside a scan over steps is left out")
    layers, state = _shared(network)
    lengths = [len(values) for values in layers]
    flat = [value for part in state for value in part]
    size = len(state[0])
    xs, ys = _inputs(network, 1)
    whole = network.batches == 1

    def body(*given: Any) -> list[Any]:
        (x, y), now = (given[-2:], given[:-2]) if whole else (given[:2], given[2:])
        parts = [list(now[i * size : (i + 1) * size]) for i in range(3)] + [[now[-1]]]
        queue = iter(parts[0])
        loss = _loss(network, [[next(queue) for _ in range(n)] for n in lengths], x, y)
        gradients = pytensor.grad(loss, parts[0])
        new = _changed(network, parts, gradients)
        return [loss, *(value for part in new for value in part)]

    results = pytensor.scan(
        body,
        sequences=None if whole else [xs, ys],
        outputs_info=[None, *flat],
        non_sequences=[xs[0], ys[0]] if whole else None,
        n_steps=network.epoch if whole else None,
        return_updates=False,
    )
    updates = [(old, new[-1]) for old, new in zip(flat, results[1:])]
    return pytensor.function([xs, ys], results[0], updates=updates)


def _chain(x: Any) -> Any:
    return pt.sigmoid(0.5 * x + 0.1) * pt.tanh(2.0 * x) + pt.exp(-x * x)


def _layernorm(x: Any) -> Any:
    tiny = np.dtype(x.dtype).type(1e-5)
    return (x - x.mean(1, keepdims=True)) / pt.sqrt(x.var(1, keepdims=True) + tiny)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "increment": lambda x: x + 1,
    "addxy": lambda x, y: (x + y) + (x + y),
    "chain": _chain,
    "chain_sum": lambda x: _chain(x).sum(),
    "softmax": lambda x: pt.special.softmax(x, axis=1),
    "layernorm": _layernorm,
    "logsumexp": lambda x: pt.logsumexp(x, axis=1),
}


def function(name: str, variant: str, arrays: tuple[Any, ...]) -> Callable[..., Any]:
    """NumPy arrays in and out, arguments taken on trust as a careful user does."""
    dtype = str(arrays[0].dtype)
    pytensor.config.floatX = dtype
    inputs = [
        pt.tensor(f"x{i}", dtype=dtype, shape=(None,) * a.ndim)
        for i, a in enumerate(arrays)
    ]
    compiled = pytensor.function(inputs, _FUNCTIONS[name](*inputs))
    compiled.trust_input = True
    return compiled
