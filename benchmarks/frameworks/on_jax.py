"""JAX.

jit   one jitted step, parameters donated, mini-batches given as NumPy arrays
scan  a whole epoch as one jitted lax.scan
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

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
    Unavailable,
)

LABELS = "int32"
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "leaky": lambda x: jax.nn.leaky_relu(x, 0.01),
}


def _recurrent(values: list[Any], x: Any) -> Any:
    inner, outer = values

    def cell(h: Any, row: Any) -> tuple[Any, Any]:
        h = jax.nn.sigmoid(row + h @ outer)
        return h, h

    start = jnp.zeros((x.shape[1], len(outer)), x.dtype)
    return lax.scan(cell, start, x @ inner)[1]


def _lstm(values: list[Any], x: Any) -> Any:
    inner, outer, bias = values

    def cell(state: Any, row: Any) -> tuple[Any, None]:
        h, c = state
        i, f, g, o = jnp.split(row + h @ outer, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    start = jnp.zeros((x.shape[1], len(outer)), x.dtype)
    return lax.scan(cell, (start, start), x @ inner + bias)[0][0]


def _apply(layer: Layer, values: list[Any], x: Any) -> Any:
    match layer:
        case Dense():
            return x @ values[0] + values[1]
        case Conv(_, _, padding):
            y = lax.conv(x, values[0], (1, 1), padding.upper())
            return y + values[1][:, None, None]
        case Pool(size, stride):
            window, strides = ((1, 1, n, n) for n in (size, stride))
            return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, "VALID")
        case Activation(name):
            return _ACTIVATIONS[name](x)
        case Linear():
            return x @ values[0]
        case Recurrent():
            return _recurrent(values, x)
        case Lstm():
            return _lstm(values, x)
    return x.reshape(x.shape[0], -1)


def _loss(network: Network, layers: Any, x: Any, y: Any) -> Any:
    for layer, values in zip(network.layers, layers):
        x = _apply(layer, values, x)
    match network.loss:
        case "crossentropy":
            chosen = jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1)
            loss = -chosen.mean()
        case "binary":
            p = jax.nn.softmax(x)
            t = jax.nn.one_hot(y, network.classes, dtype=x.dtype)
            loss = -(t * jnp.log(p) + (1 - t) * jnp.log(1 - p)).mean()
        case "mse":
            loss = ((x - y) ** 2).mean()
        case "sequence":
            loss = ((x - y) ** 2).sum() * (0.5 / network.batch)
        case _:
            loss = ((x - y) ** 2).sum()
    if network.decay:
        squares = [(values[0] ** 2).sum() for values in layers if values]
        loss = loss + network.decay * sum(squares)
    return loss


State = tuple[Any, Any, Any, Any]  # parameters, first and second moments, count


def _step(network: Network) -> tuple[Callable[..., tuple[State, Any]], State]:
    """The step as a pure function of a state, and the first state."""
    if network.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    rule, each = network.rule, jax.tree.map
    start = each(jnp.asarray, workloads.parameters(network))

    def step(state: State, x: Any, y: Any) -> tuple[State, Any]:
        values, first, second, count = state
        of_values = jax.value_and_grad(lambda given: _loss(network, given, x, y))
        loss, g = of_values(values)
        count = count + 1
        if rule.name == "sgd":
            values = each(lambda w, g: w - rule.rate * g, values, g)
        elif rule.name == "adam":
            first = each(lambda m, g: m + 0.1 * (g - m), first, g)
            second = each(lambda v, g: v + 0.001 * (g * g - v), second, g)
            rate, scale = rule.rate / (1 - 0.9**count), 1 / (1 - 0.999**count)
            values = each(
                lambda w, m, v: w - rate * m / (jnp.sqrt(v * scale) + 1e-8),
                values,
                first,
                second,
            )
        else:
            first = each(lambda m, g: rule.mu * m + g, first, g)
            nesterov = rule.name == "nesterov"
            move = each(lambda m, g: g + rule.mu * m, first, g) if nesterov else first
            values = each(lambda w, d: w - rule.rate * d, values, move)
        return (values, first, second, count), loss

    def zeros(used: bool) -> Any:
        return each(jnp.zeros_like, start) if used else ()

    count = jnp.zeros((), network.dtype)
    return step, (start, zeros(rule.name != "sgd"), zeros(rule.name == "adam"), count)


def step(network: Network, variant: str) -> Callable[..., float]:
    """One training step."""
    pure, state = _step(network)
    jitted = jax.jit(pure, donate_argnums=0)

    def run(x: Any, y: Any) -> float:
        nonlocal state
        state, loss = jitted(state, x, y)
        return float(loss)

    return run


def loop(network: Network, variant: str) -> Callable[..., Any]:
    """Many steps in one call."""
    if network.has_convolutions:
        raise Unavailable("inside lax.scan XLA's CPU convolution takes seconds a step")
    pure, state = _step(network)
    whole = network.batches == 1

    @jax.jit
    def epoch(state: State, xs: Any, ys: Any) -> Any:
        if whole:
            return lax.scan(
                lambda s, _: pure(s, xs[0], ys[0]), state, length=network.epoch
            )
        return lax.scan(lambda s, batch: pure(s, *batch), state, (xs, ys))

    def run(xs: Any, ys: Any) -> Any:
        nonlocal state
        state, losses = epoch(state, xs, ys)
        return np.asarray(losses)

    return run


def _chain(x: Any) -> Any:
    return jax.nn.sigmoid(0.5 * x + 0.1) * jnp.tanh(2.0 * x) + jnp.exp(-x * x)


def _layernorm(x: Any) -> Any:
    centred = x - x.mean(1, keepdims=True)
    return centred * lax.rsqrt(x.var(1, keepdims=True) + 1e-5)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "increment": lambda x: x + 1,
    "addxy": lambda x, y: (x + y) + (x + y),
    "chain": _chain,
    "chain_sum": lambda x: _chain(x).sum(),
    "softmax": jax.nn.softmax,
    "layernorm": _layernorm,
    "logsumexp": lambda x: jax.nn.logsumexp(x, axis=1),
}


def function(name: str, variant: str, arrays: tuple[Any, ...]) -> Callable[..., Any]:
    """NumPy arrays in and out."""
    if str(arrays[0].dtype) == "float64":
        jax.config.update("jax_enable_x64", True)
    run = jax.jit(_FUNCTIONS[name])
    return lambda *given: np.asarray(run(*given))
