"""The short list of ``symgraph bench``: four training steps and one function of an array.

A *case* is a network with its data and first parameters, or the function chain,
sigmoid(x/2 + 0.1) * tanh(2x) + exp(-x*x), of a million numbers. All numbers come from
seeds, so that every framework starts from the same values. Out: `CASES`, and `ours`,
which builds the call that is timed. Peers are left to ``bench_peers.py``.

The networks and seeds are those of the same names in the repository's benchmarks/,
whose NumPy reference says what the first losses are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph.compile.function import function
from symgraph.config import config
from symgraph.core.record import Record
from symgraph.core.shared import shared
from symgraph.nn import updates

SEED = 20240607
Arrays = list[np.ndarray]


class Case(Record):
    """One thing to time.

    Attributes
    ----------
    layers : ("dense", units, nonlinearity), ("conv", filters, size, nonlinearity) with
        the image's extents kept, ("pool", size); none for the function chain
    rule : "sgd", "momentum" or "adam", and its learning rate
    data : "or", "moons" or "images"
    """

    name: str
    layers: tuple[tuple[Any, ...], ...] = ()
    example: tuple[int, ...] = ()
    rule: tuple[str, float] = ("sgd", 0.01)
    batch: int = 1
    batches: int = 1
    data: str = "images"
    dtype: str = "float32"
    decay: float = 0.0

    @property
    def has_labels(self) -> bool:
        """Whether targets are class numbers, as everywhere but in or_gate."""
        return self.data != "or"


_CNN = (
    ("conv", 32, 5, "relu"),
    ("pool", 2),
    ("conv", 64, 5, "relu"),
    ("pool", 2),
    ("dense", 1024, "relu"),
    ("dense", 10, ""),
)
CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case(
            name="or_gate",
            layers=(("dense", 1, "sigmoid"),),
            example=(2,),
            rule=("sgd", 2.0),
            batch=4,
            data="or",
        ),
        Case(
            name="moons_h50",
            layers=(("dense", 50, "tanh"), ("dense", 2, "")),
            example=(2,),
            batch=200,
            data="moons",
            dtype="float64",
            decay=0.01 / 400,
        ),
        Case(
            name="mnist_mlp",
            layers=(("dense", 512, "relu"), ("dense", 512, "relu"), ("dense", 10, "")),
            example=(784,),
            rule=("momentum", 0.01),
            batch=128,
            batches=40,
        ),
        Case(
            name="mnist_cnn",
            layers=_CNN,
            example=(1, 28, 28),
            rule=("adam", 1e-4),
            batch=50,
            batches=8,
        ),
        Case(name="chain"),
    )
}


def turns(case: Case) -> list[tuple[np.ndarray, ...]]:
    """The arguments of the calls, to be used in turn."""
    rng = np.random.default_rng(SEED)
    if not case.layers:
        return [(rng.standard_normal(10**6).astype(case.dtype),)]
    x, y = _DATA[case.data](case, rng)
    kind = "int64" if case.has_labels else case.dtype
    x, y = np.ascontiguousarray(x, case.dtype), np.ascontiguousarray(y, kind)
    return list(zip(x, y, strict=True))


def _or(case: Case, rng: np.random.Generator) -> tuple[Any, Any]:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    return x[None], np.any(x, axis=1, keepdims=True)[None]


def _moons(case: Case, rng: np.random.Generator) -> tuple[Any, Any]:
    half = case.batch // 2
    angle = np.linspace(0, np.pi, half)
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    x = np.concatenate([upper, np.array([1, 0.5]) - upper])
    x += 0.2 * rng.standard_normal(x.shape)
    return x[None], np.repeat([0, 1], half)[None]


def _images(case: Case, rng: np.random.Generator) -> tuple[Any, Any]:
    rows = (case.batches, case.batch)
    x = rng.random((*rows, *case.example), dtype=np.float32)
    return x, rng.integers(0, 10, rows)


_DATA = {"or": _or, "moons": _moons, "images": _images}


def parameters(case: Case) -> list[Arrays]:
    """First values of [W, b] of each layer; an empty list for pooling."""
    rng = np.random.default_rng(SEED + 1)
    shape, made = case.example, []
    for kind, size, *rest in case.layers:
        values: Arrays = []
        if kind == "dense":
            inputs = int(np.prod(shape))
            values = [rng.standard_normal((inputs, size)) * (1.0 / inputs) ** 0.5]
            shape = (size,)
        elif kind == "conv":
            window = (shape[0], rest[0], rest[0])
            scale = (2.0 / np.prod(window)) ** 0.5
            values = [rng.standard_normal((size, *window)) * scale]
            shape = (size, *shape[1:])
        else:
            shape = (shape[0], *(extent // size for extent in shape[1:]))
        if values:
            values.append(np.zeros(size))
        made.append([value.astype(case.dtype) for value in values])
    return made


# --- symgraph ----------------------------------------------------------------------------

_NONLINEAR: dict[str, Callable[[Any], Any]] = {
    "sigmoid": T.nnet.sigmoid,
    "tanh": T.tanh,
    "relu": T.nnet.relu,
    "": lambda x: x,
}


def chain(x: Any) -> Any:
    """sigmoid(x/2 + 0.1) * tanh(2x) + exp(-x*x)."""
    return T.nnet.sigmoid(0.5 * x + 0.1) * T.tanh(2.0 * x) + T.exp(-x * x)


def ours(case: Case) -> Callable[..., Any]:
    """The compiled function of a case: a training step gives its loss."""
    with config.override(floatX=case.dtype):
        if not case.layers:
            x = T.TensorType(case.dtype, (None,))("x")
            return function([x], chain(x))
        return _step(case)


def _step(case: Case) -> Callable[..., float]:
    layers = [[shared(a) for a in values] for values in parameters(case)]
    free = (None,) * (1 + len(case.example))
    x = T.TensorType(case.dtype, free)("x")
    y = T.lvector("y") if case.has_labels else T.TensorType(case.dtype, free)("y")
    z = x
    for layer, values in zip(case.layers, layers, strict=True):
        z = _apply(layer, values, z)
    if case.has_labels:
        loss = T.nnet.categorical_crossentropy(T.nnet.softmax(z), y).mean()
    else:
        loss = T.sqr(z - y).mean()
    if case.decay:
        loss = loss + case.decay * sum(T.sqr(own[0]).sum() for own in layers if own)
    flat = [value for own in layers for value in own]
    name, rate = case.rule
    rule = {"sgd": updates.sgd, "momentum": updates.momentum, "adam": updates.adam}[
        name
    ]
    compiled = function([x, y], loss, updates=rule(loss, flat, rate))
    return lambda x, y: float(compiled(x, y))


def _apply(layer: tuple[Any, ...], values: list[Any], x: Any) -> Any:
    kind, size, *rest = layer
    if kind == "dense":
        x = x.flatten(2) if x.ndim > 2 else x
        return _NONLINEAR[rest[0]](T.dot(x, values[0]) + values[1])
    if kind == "conv":
        half = rest[0] // 2
        y = T.nnet.conv2d(x, values[0], border_mode=(half, half), filter_flip=False)
        return _NONLINEAR[rest[1]](y + values[1].dimshuffle("x", 0, "x", "x"))
    return T.signal.pool.pool_2d(x, (size, size), ignore_border=True, mode="max")
