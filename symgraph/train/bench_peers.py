"""The cases of ``symgraph bench`` in NumPy, PyTorch and JAX, where they are installed.

Out: `PEERS`: name of the package → a builder that gives the call to be timed, or None
for a case that it does not do. A package is imported by its builder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.train.bench_cases import Case, parameters

Call = Callable[..., Any]


def _numpy(case: Case) -> Call | None:
    """The function only."""
    if case.layers:
        return None

    def chain(x: Any) -> Any:
        return 1 / (1 + np.exp(-(0.5 * x + 0.1))) * np.tanh(2 * x) + np.exp(-x * x)

    return chain


def _torch(case: Case) -> Call:
    """Eager PyTorch with the fused kernels of torch.optim; images with channels last."""
    import torch

    f = torch.nn.functional
    torch.set_num_threads(threads())
    if not case.layers:
        return lambda x: _torch_chain(torch, torch.from_numpy(x)).numpy()
    last: Any = {"memory_format": torch.channels_last}
    layers = [
        [
            a.contiguous(**last).requires_grad_() if a.ndim == 4 else a.requires_grad_()
            for a in map(torch.from_numpy, values)
        ]
        for values in parameters(case)
    ]
    flat = [value for own in layers for value in own]
    name, rate = case.rule
    if name == "adam":
        optimizer: Any = torch.optim.Adam(flat, rate, fused=True)
    else:
        mu = 0.9 if name == "momentum" else 0.0
        optimizer = torch.optim.SGD(flat, rate, momentum=mu, fused=True)
    nonlinear = {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "": lambda x: x,
    }

    def loss_of(x: Any, y: Any) -> Any:
        for (kind, size, *rest), own in zip(case.layers, layers, strict=True):
            if kind == "dense":
                x = nonlinear[rest[0]](torch.addmm(own[1], x.flatten(1), own[0]))
            elif kind == "conv":
                x = nonlinear[rest[1]](f.conv2d(x, *own, padding=rest[0] // 2))
            else:
                x = f.max_pool2d(x, size)
        loss = f.cross_entropy(x, y) if case.has_labels else f.mse_loss(x, y)
        if case.decay:
            loss = loss + case.decay * sum((own[0] ** 2).sum() for own in layers if own)
        return loss

    def step(x: Any, y: Any) -> float:
        inputs = torch.from_numpy(x)
        if inputs.ndim == 4:
            inputs = inputs.contiguous(**last)
        optimizer.zero_grad()
        loss = loss_of(inputs, torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _torch_chain(torch: Any, x: Any) -> Any:
    return torch.sigmoid(0.5 * x + 0.1) * torch.tanh(2.0 * x) + torch.exp(-x * x)


def _jax(case: Case) -> Call:
    """One jitted function or step; its state is donated."""
    import jax
    import jax.numpy as jnp

    if case.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    if not case.layers:
        chain = jax.jit(
            lambda x: (
                jax.nn.sigmoid(0.5 * x + 0.1) * jnp.tanh(2.0 * x) + jnp.exp(-x * x)
            )
        )
        return lambda x: np.asarray(chain(x))
    nonlinear: dict[str, Call] = {
        "sigmoid": jax.nn.sigmoid,
        "tanh": jnp.tanh,
        "relu": jax.nn.relu,
        "": lambda x: x,
    }
    each = jax.tree.map
    name, rate = case.rule

    def loss_of(layers: Any, x: Any, y: Any) -> Any:
        for (kind, size, *rest), own in zip(case.layers, layers, strict=True):
            if kind == "dense":
                x = x.reshape(x.shape[0], -1)
                x = nonlinear[rest[0]](x @ own[0] + own[1])
            elif kind == "conv":
                x = jax.lax.conv(x, own[0], (1, 1), "SAME") + own[1][:, None, None]
                x = nonlinear[rest[1]](x)
            else:
                window = (1, 1, size, size)
                x = jax.lax.reduce_window(
                    x, -jnp.inf, jax.lax.max, window, window, "VALID"
                )
        if case.has_labels:
            picked = jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1)
            loss = -picked.mean()
        else:
            loss = ((x - y) ** 2).mean()
        if case.decay:
            loss = loss + case.decay * sum((own[0] ** 2).sum() for own in layers if own)
        return loss

    def pure(state: Any, x: Any, y: Any) -> Any:
        w, m, v, count = state
        loss, g = jax.value_and_grad(loss_of)(w, x, y)
        count = count + 1
        if name == "adam":
            m = each(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            a, b = rate / (1 - 0.9**count), 1 / (1 - 0.999**count)
            w = each(lambda w, m, v: w - a * m / (jnp.sqrt(v * b) + 1e-8), w, m, v)
        else:
            if name == "momentum":
                m = g = each(lambda m, g: 0.9 * m + g, m, g)
            w = each(lambda w, g: w - rate * g, w, g)
        return (w, m, v, count), loss

    first = each(jnp.asarray, parameters(case))
    m = each(jnp.zeros_like, first) if name != "sgd" else ()
    v = each(jnp.zeros_like, first) if name == "adam" else ()
    state = (first, m, v, jnp.zeros((), case.dtype))
    jitted = jax.jit(pure, donate_argnums=0)

    def step(x: Any, y: Any) -> float:
        nonlocal state
        state, loss = jitted(state, x, y)
        return float(loss)

    return step


def threads() -> int:
    """Threads that the environment allows."""
    return int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))


PEERS: dict[str, Callable[[Case], Call | None]] = {
    "numpy": _numpy,
    "torch": _torch,
    "jax": _jax,
}
