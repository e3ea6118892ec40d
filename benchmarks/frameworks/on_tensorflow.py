"""TensorFlow.

function  the whole step as one tf.function
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import workloads
from benchmarks.workloads import (
    Activation,
    Conv,
    Dense,
    Layer,
    Network,
    Pool,
    Unavailable,
)

LABELS = "int32"
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "relu": tf.nn.relu,
    "leaky": lambda x: tf.nn.leaky_relu(x, 0.01),
}


def set_threads(count: int) -> None:
    """Both of its pools."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)


def _apply(layer: Layer, values: list[Any], x: Any) -> Any:
    """Images travel with channels last, the only order its CPU convolution has."""
    match layer:
        case Dense():
            return x @ values[0] + values[1]
        case Conv(_, _, padding):
            windows = tf.transpose(values[0], (2, 3, 1, 0))
            return tf.nn.conv2d(x, windows, 1, padding.upper()) + values[1]
        case Pool(size, stride):
            return tf.nn.max_pool2d(x, size, stride, "VALID")
        case Activation(name):
            return _ACTIVATIONS[name](x)
    return tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (tf.shape(x)[0], -1))


def _loss(network: Network, layers: list[list[Any]], x: Any, y: Any) -> Any:
    if len(network.example) == 3:
        x = tf.transpose(x, (0, 2, 3, 1))
    for layer, values in zip(network.layers, layers):
        x = _apply(layer, values, x)
    match network.loss:
        case "crossentropy":
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x)
            )
        case "binary":
            p, t = tf.nn.softmax(x), tf.one_hot(y, network.classes, dtype=x.dtype)
            loss = -tf.reduce_mean(t * tf.math.log(p) + (1 - t) * tf.math.log(1 - p))
        case "mse":
            loss = tf.reduce_mean((x - y) ** 2)
        case _:
            loss = tf.reduce_sum((x - y) ** 2)
    if network.decay:
        squares = [tf.reduce_sum(values[0] ** 2) for values in layers if values]
        loss += network.decay * sum(squares)
    return loss


def step(network: Network, variant: str) -> Callable[..., float]:
    """One training step."""
    if network.time:
        raise Unavailable("recurrent networks are left out for TensorFlow")
    rule = network.rule
    layers = [[tf.Variable(a) for a in own] for own in workloads.parameters(network)]
    flat = [value for own in layers for value in own]
    first, second = ([tf.Variable(tf.zeros_like(w)) for w in flat] for _ in range(2))
    count = tf.Variable(0.0, dtype=network.dtype)

    def change(w: Any, m: Any, v: Any, g: Any) -> None:
        if rule.name == "sgd":
            w.assign_sub(rule.rate * g)
        elif rule.name == "adam":
            m.assign_add(0.1 * (g - m))
            v.assign_add(0.001 * (g * g - v))
            root = tf.sqrt(v / (1 - 0.999**count)) + 1e-8
            w.assign_sub(rule.rate / (1 - 0.9**count) * m / root)
        else:
            m.assign(rule.mu * m + g)
            w.assign_sub(
                rule.rate * (g + rule.mu * m if rule.name == "nesterov" else m)
            )

    @tf.function
    def whole(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = _loss(network, layers, x, y)
        count.assign_add(1)
        for w, m, v, g in zip(flat, first, second, tape.gradient(loss, flat)):
            change(w, m, v, g)
        return loss

    # tf.function traces a NumPy array anew for each value, so tensors go in
    tensor = tf.convert_to_tensor
    return lambda x, y: float(whole(tensor(x), tensor(y)))


def _chain(x: Any) -> Any:
    return tf.sigmoid(0.5 * x + 0.1) * tf.tanh(2.0 * x) + tf.exp(-x * x)


def _layernorm(x: Any) -> Any:
    mean, variance = tf.nn.moments(x, 1, keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + 1e-5)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "increment": lambda x: x + 1,
    "addxy": lambda x, y: (x + y) + (x + y),
    "chain": _chain,
    "chain_sum": lambda x: tf.reduce_sum(_chain(x)),
    "softmax": tf.nn.softmax,
    "layernorm": _layernorm,
    "logsumexp": lambda x: tf.reduce_logsumexp(x, 1),
}


def function(name: str, variant: str, arrays: tuple[Any, ...]) -> Callable[..., Any]:
    """NumPy arrays in and out."""
    run = tf.function(_FUNCTIONS[name])
    return lambda *given: np.asarray(run(*map(tf.convert_to_tensor, given)))
