"""PyTorch.

eager          autograd and torch.optim; its fused CPU kernels, the fastest it ships
channels_last  the same with images and windows in the order its CPU kernels prefer
compile        torch.compile around the whole step, gradients through torch.func
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

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

LABELS = "int64"
set_threads = torch.set_num_threads
_LAST = torch.channels_last
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky": lambda x: F.leaky_relu(x, 0.01),
}


def _recurrent(values: list[Any], x: Any) -> Any:
    inner, outer = values
    h, found = x.new_zeros(x.shape[1], outer.shape[0]), []
    for row in (x @ inner).unbind(0):
        h = torch.sigmoid(row + h @ outer)
        found.append(h)
    return torch.stack(found)


def _lstm(values: list[Any], x: Any) -> Any:
    """What torch.nn.LSTM runs; it keeps weights as (4 * units, in), and two biases."""
    inner, outer, bias = values
    start = x.new_zeros(1, x.shape[1], outer.shape[0])
    weights = [inner.t().contiguous(), outer.t().contiguous(), bias]
    weights.append(torch.zeros_like(bias))
    return torch.lstm(x, (start, start), weights, True, 1, 0.0, True, False, False)[0][
        -1
    ]


def _apply(layer: Layer, values: list[Any], x: Any) -> Any:
    match layer:
        case Dense():
            return torch.addmm(values[1], x, values[0])
        case Conv(_, _, padding):
            return F.conv2d(x, values[0], values[1], padding=padding)
        case Pool(size, stride):
            return F.max_pool2d(x, size, stride)
        case Activation(name):
            return _ACTIVATIONS[name](x)
        case Linear():
            return x @ values[0]
        case Recurrent():
            return _recurrent(values, x)
        case Lstm():
            return _lstm(values, x)
    return x.flatten(1)


def _loss(network: Network, layers: list[list[Any]], x: Any, y: Any) -> Any:
    for layer, values in zip(network.layers, layers):
        x = _apply(layer, values, x)
    match network.loss:
        case "crossentropy":
            loss = F.cross_entropy(x, y)
        case "binary":
            hot = F.one_hot(y, network.classes).to(x.dtype)
            loss = F.binary_cross_entropy(F.softmax(x, 1), hot)
        case "mse":
            loss = F.mse_loss(x, y)
        case "sequence":
            loss = ((x - y) ** 2).sum() * (0.5 / network.batch)
        case _:
            loss = ((x - y) ** 2).sum()
    if network.decay:
        squares = [(values[0] ** 2).sum() for values in layers if values]
        loss = loss + network.decay * sum(squares)
    return loss


def _parameters(network: Network) -> list[list[Any]]:
    return [[torch.tensor(a) for a in own] for own in workloads.parameters(network)]


def step(network: Network, variant: str) -> Callable[..., float]:
    """One training step."""
    if variant == "compile":
        return _compiled(network)
    return _eager(network, variant)[0]


def _eager(network: Network, variant: str) -> tuple[Callable[..., float], Any]:
    """The step, and the parameters that it changes."""
    layers = _parameters(network)
    last = variant == "channels_last"
    if last:
        layers = [
            [a.contiguous(memory_format=_LAST) if a.ndim == 4 else a for a in values]
            for values in layers
        ]
    flat = [a.requires_grad_() for values in layers for a in values]
    optimizer = _optimizer(network, flat)

    def run(x: Any, y: Any) -> float:
        inputs = torch.from_numpy(x)
        if last:
            inputs = inputs.contiguous(memory_format=_LAST)
        optimizer.zero_grad()
        loss = _loss(network, layers, inputs, torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        return loss.item()

    return run, layers


def epoch(network: Network, variant: str, x: Any, y: Any) -> tuple[Any, Any]:
    """A loop over shuffled mini-batches, as everybody writes it."""
    run, layers = _eager(network, variant)
    rng = np.random.default_rng(workloads.SEED)

    def train() -> None:
        order = rng.permutation(len(x))
        for start in range(0, len(x), network.batch):
            rows = order[start : start + network.batch]
            run(x[rows], y[rows])

    def classes(rows: Any) -> Any:
        z = torch.from_numpy(rows)
        with torch.no_grad():
            for layer, values in zip(network.layers, layers):
                z = _apply(layer, values, z)
        return z.argmax(1).numpy()

    return train, classes


def _optimizer(network: Network, flat: list[Any]) -> Any:
    rule = network.rule
    if rule.name == "adam":
        return torch.optim.Adam(flat, rule.rate, fused=True)
    nesterov = rule.name == "nesterov"
    return torch.optim.SGD(
        flat, rule.rate, momentum=rule.mu, nesterov=nesterov, fused=True
    )


def _compiled(network: Network) -> Callable[..., float]:
    if not shutil.which("g++") and not shutil.which("clang++"):
        raise Unavailable("torch.compile needs a C++ compiler")
    if any(isinstance(layer, Lstm) for layer in network.layers):
        raise Unavailable("torch.compile leaves torch.lstm as it is")
    rule, layers = network.rule, _parameters(network)
    moments = [
        [(torch.zeros_like(a), torch.zeros_like(a)) for a in values]
        for values in layers
    ]
    count = torch.zeros(())
    gradient = torch.func.grad_and_value(
        lambda layers, x, y: _loss(network, layers, x, y)
    )

    def change(value: Any, g: Any, first: Any, second: Any) -> None:
        if rule.name == "sgd":
            value -= rule.rate * g
        elif rule.name == "adam":
            first.lerp_(g, 0.1)
            second.lerp_(g * g, 0.001)
            mean = first / (1 - 0.9**count)
            value -= rule.rate * mean / ((second / (1 - 0.999**count)).sqrt() + 1e-8)
        else:
            first.mul_(rule.mu).add_(g)
            nesterov = rule.name == "nesterov"
            value -= rule.rate * (g + rule.mu * first if nesterov else first)

    @torch.compile
    def whole(layers: Any, moments: Any, count: Any, x: Any, y: Any) -> Any:
        gradients, loss = gradient(layers, x, y)
        with torch.no_grad():
            count += 1
            for values, own, states in zip(layers, gradients, moments):
                for value, g, state in zip(values, own, states):
                    change(value, g, *state)
        return loss

    def run(x: Any, y: Any) -> float:
        inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
        return whole(layers, moments, count, inputs, targets).item()

    return run


def _chain(x: Any) -> Any:
    return torch.sigmoid(0.5 * x + 0.1) * torch.tanh(2.0 * x) + torch.exp(-x * x)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "increment": lambda x: x + 1,
    "addxy": lambda x, y: (x + y) + (x + y),
    "chain": _chain,
    "chain_sum": lambda x: _chain(x).sum(),
    "softmax": lambda x: F.softmax(x, 1),
    "layernorm": lambda x: F.layer_norm(x, x.shape[1:]),
    "logsumexp": lambda x: torch.logsumexp(x, 1),
}


def function(name: str, variant: str, arrays: tuple[Any, ...]) -> Callable[..., Any]:
    """NumPy arrays in and out; tensors share their memory."""
    run = _FUNCTIONS[name]
    if variant == "compile":
        if not shutil.which("g++") and not shutil.which("clang++"):
            raise Unavailable("torch.compile needs a C++ compiler")
        run = torch.compile(run, dynamic=False)
    return lambda *given: run(*map(torch.from_numpy, given)).numpy()
