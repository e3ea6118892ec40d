"""What is measured: networks with their data and first parameters, and array functions.

Out: `NETWORKS` and `FUNCTIONS` by name, `batches`, `stacked`, `parameters`, `arguments`.
A *network* is one training step: a mini-batch as NumPy arrays in, forward, gradients,
update of all parameters, and the loss before the update as a Python float out.
A *function* takes NumPy arrays and gives a NumPy array.

Images are (batch, channels, rows, columns), convolution weights (out, in, k, k), dense
weights (in, out). Convolutions do not flip their window and have stride 1; pooling is
the maximum, without padding. All numbers come from seeds, so every framework starts from
the same values and must give the same losses.

Sequences are (time, batch, features).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from benchmarks import data

SEED = 20240607
Arrays = list[np.ndarray]


class Unavailable(Exception):
    """A framework cannot do this workload or variant; the text says why."""


@dataclass(frozen=True)
class Dense:
    """x @ W + b."""

    units: int


@dataclass(frozen=True)
class Conv:
    """Cross-correlation with `filters` windows of size x size, plus a bias."""

    filters: int
    size: int
    padding: str  # "same" or "valid"


@dataclass(frozen=True)
class Pool:
    """Maximum over size x size windows, `stride` apart."""

    size: int
    stride: int


@dataclass(frozen=True)
class Activation:
    """sigmoid, tanh, relu, or leaky (slope 0.01 below 0)."""

    name: str


@dataclass(frozen=True)
class Flatten:
    """All axes but the batch become one."""


@dataclass(frozen=True)
class Linear:
    """x @ W."""

    units: int


@dataclass(frozen=True)
class Recurrent:
    """h[t] = sigmoid(x[t] @ Wx + h[t-1] @ Wh), h[-1] = 0; gives every h."""

    units: int


@dataclass(frozen=True)
class Lstm:
    """Long short-term memory without peepholes; gives the last h.

    Weights Wx, Wh and b of the gates i, f, g, o stand side by side.
    c[t] = sigmoid(f) * c[t-1] + sigmoid(i) * tanh(g); h[t] = sigmoid(o) * tanh(c[t])
    """

    units: int


Layer = Dense | Linear | Conv | Pool | Activation | Flatten | Recurrent | Lstm


@dataclass(frozen=True)
class Rule:
    """Update rule: sgd, momentum, nesterov (with mu) or adam (0.9, 0.999, 1e-8)."""

    name: str
    rate: float
    mu: float = 0.0


@dataclass(frozen=True)
class Network:
    """One training step of a network; see the module for conventions."""

    name: str
    layers: tuple[Layer, ...]
    example: tuple[int, ...]  # shape of one example
    loss: str  # mse | sse | sequence | crossentropy | binary (on the softmax)
    rule: Rule
    batch: int
    data: str = "images"  # or | real | moons | images | addition | sequence
    dtype: str = "float32"
    batches: int = 8  # distinct mini-batches, used in turn
    epoch: int = 8  # steps of one call in a native loop
    decay: float = 0.0  # loss += decay * sum(W**2), biases left out
    classes: int = 10
    time: int = 0  # steps of a sequence; 0: no sequences

    @property
    def has_labels(self) -> bool:
        """Whether targets are class numbers."""
        return self.loss in ("crossentropy", "binary")

    @property
    def has_convolutions(self) -> bool:
        return any(isinstance(layer, Conv) for layer in self.layers)


@dataclass(frozen=True)
class Function:
    """A function of arrays, at one shape and dtype."""

    function: (
        str  # increment | addxy | chain | chain_sum | softmax | layernorm | logsumexp
    )
    shape: tuple[int, ...]
    dtype: str

    @property
    def name(self) -> str:
        extents = "x".join(map(str, self.shape)) or "scalar"
        return f"{self.function}-{extents}-{self.dtype}"


Workload = Network | Function


def _sigmoids(*units: int) -> tuple[Layer, ...]:
    return tuple(part for n in units for part in (Dense(n), Activation("sigmoid")))


def _relu(layer: Layer) -> tuple[Layer, ...]:
    return layer, Activation("relu")


def _leaky(layer: Layer) -> tuple[Layer, ...]:
    return layer, Activation("leaky")


def _moons(units: int) -> Network:
    return Network(
        f"moons_h{units}",
        (Dense(units), Activation("tanh"), Dense(2)),
        (2,),
        "crossentropy",
        Rule("sgd", 0.01),
        batch=200,
        data="moons",
        dtype="float64",
        batches=1,
        epoch=2000,
        decay=0.01 / (2 * 200),
        classes=2,
    )


def _real(name: str, batch: int, batches: int, epoch: int) -> Network:
    return Network(
        name,
        _sigmoids(3, 1),
        (4,),
        "sse",
        Rule("sgd", 0.1),
        batch=batch,
        data="real",
        dtype="float64",
        batches=batches,
        epoch=epoch,
    )


def _addition(name: str, units: int, batch: int, time: int, **settings: Any) -> Network:
    """Add two numbers bit by bit; loss = sum of squares / 2, a mean over the batch."""
    return Network(
        name,
        (Recurrent(units), Linear(1), Activation("sigmoid")),
        (2,),
        "sequence",
        batch=batch,
        time=time,
        data="addition",
        **settings,
    )


_MNIST_CNN = (
    *_relu(Conv(32, 5, "same")),
    Pool(2, 2),
    *_relu(Conv(64, 5, "same")),
    Pool(2, 2),
    Flatten(),
    *_relu(Dense(1024)),
    Dense(10),
)
_CIFAR_CNN = (
    *_relu(Conv(32, 3, "same")),
    Pool(2, 2),
    *_relu(Conv(64, 3, "same")),
    *_relu(Conv(64, 3, "same")),
    Pool(2, 2),
    Flatten(),
    *_relu(Dense(512)),
    Dense(10),
)
_LASAGNE_CNN = (
    *_leaky(Conv(64, 3, "valid")),
    *_leaky(Conv(32, 3, "valid")),
    Pool(3, 2),
    Flatten(),
    *_leaky(Dense(128)),
    Dense(10),
)

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network(
            "or_gate",
            _sigmoids(1),
            (2,),
            "mse",
            Rule("sgd", 2.0),
            batch=4,
            data="or",
            batches=1,
            epoch=2000,
        ),
        _real("mlp431", batch=3, batches=1, epoch=2000),
        _real("mlp431_b1", batch=1, batches=3, epoch=6000),
        _moons(3),
        _moons(50),
        Network(
            "mnist_softmax",
            (Dense(10),),
            (784,),
            "crossentropy",
            Rule("sgd", 0.01),
            batch=100,
            batches=100,
            epoch=100,
        ),
        Network(
            "mnist_mlp",
            (*_relu(Dense(512)), *_relu(Dense(512)), Dense(10)),
            (784,),
            "crossentropy",
            Rule("momentum", 0.01, 0.9),
            batch=128,
            batches=40,
            epoch=40,
        ),
        Network(
            "catdog_mlp",
            (*_relu(Dense(768)), *_relu(Dense(384)), Dense(2)),
            (3072,),
            "binary",
            Rule("sgd", 0.01),
            batch=128,
            batches=20,
            epoch=20,
            classes=2,
        ),
        Network(
            "mnist_cnn",
            _MNIST_CNN,
            (1, 28, 28),
            "crossentropy",
            Rule("adam", 1e-4),
            batch=50,
        ),
        Network(
            "cifar_cnn",
            _CIFAR_CNN,
            (3, 32, 32),
            "crossentropy",
            Rule("adam", 1e-3),
            batch=96,
        ),
        Network(
            "lasagne_cnn",
            _LASAGNE_CNN,
            (3, 32, 32),
            "crossentropy",
            Rule("nesterov", 0.01, 0.9),
            batch=128,
            decay=1e-4,
        ),
        _addition(
            "rnn_addition", 16, 1, 8, rule=Rule("sgd", 0.1), batches=1000, epoch=1000
        ),
        _addition(
            "rnn_large", 128, 64, 50, rule=Rule("sgd", 0.01), batches=20, epoch=20
        ),
        Network(
            "lstm",
            (Lstm(128), Dense(10)),
            (64,),
            "crossentropy",
            Rule("adam", 1e-3),
            batch=64,
            data="sequence",
            time=50,
        ),
    )
}

_VECTORS: list[tuple[int, ...]] = [(n,) for n in (10**3, 10**6, 10**7)]
_SHAPES: dict[str, list[tuple[int, ...]]] = {
    "increment": [(), (10,)],
    "addxy": _VECTORS,
    "chain": _VECTORS,
    "chain_sum": _VECTORS,
    "softmax": [(4096, 1000)],
    "layernorm": [(4096, 1000)],
    "logsumexp": [(4096, 1000)],
}
FUNCTIONS: dict[str, Function] = {
    made.name: made
    for dtype in ("float32", "float64")
    for function, shapes in _SHAPES.items()
    for made in (Function(function, shape, dtype) for shape in shapes)
    if function != "increment" or dtype == "float32"
}
ALL: dict[str, Workload] = {**NETWORKS, **FUNCTIONS}

_QUICK_MAPS = [
    name
    for name, function in FUNCTIONS.items()
    if function.dtype == "float32" and function.shape not in ((10**3,), (10**7,))
]
GROUPS: dict[str, list[str]] = {
    "small": ["or_gate", "mlp431", "mlp431_b1", "moons_h3", "moons_h50"],
    "dense": ["mnist_softmax", "mnist_mlp", "catdog_mlp"],
    "conv": ["mnist_cnn", "cifar_cnn", "lasagne_cnn"],
    "recurrent": ["rnn_addition", "rnn_large", "lstm"],
    "networks": list(NETWORKS),
    "maps": list(FUNCTIONS),
    "quick": [*NETWORKS, *_QUICK_MAPS],
    "all": list(ALL),
}


def chosen(names: list[str]) -> list[Workload]:
    """Workloads of these names or groups, each once, in the order of `ALL`."""
    wanted: set[str] = set()
    for name in names:
        members = GROUPS.get(name, [name])
        if unknown := set(members) - set(ALL):
            known = ", ".join([*GROUPS, *ALL])
            raise ValueError(
                f"no workload or group {min(unknown)!r}; there are {known}"
            )
        wanted.update(members)
    return [workload for name, workload in ALL.items() if name in wanted]


# --- data ---------------------------------------------------------------------------------


def batches(network: Network, labels: str = "int64") -> tuple[Arrays, Arrays]:
    """The mini-batches: inputs and targets, contiguous; class numbers of dtype `labels`."""
    x, y = data.MAKERS[network.data](network, np.random.default_rng(SEED))
    kind = labels if network.has_labels else network.dtype
    return (
        [np.ascontiguousarray(part, network.dtype) for part in x],
        [np.ascontiguousarray(part, kind) for part in y],
    )


def stacked(network: Network, labels: str = "int64") -> tuple[np.ndarray, np.ndarray]:
    """The mini-batches of one native loop along a new first axis.

    Full-batch networks have one, which the loop uses `epoch` times.
    """
    x, y = batches(network, labels)
    if network.batches == 1:
        return np.stack(x), np.stack(y)
    turn = np.arange(network.epoch) % network.batches
    return np.stack(x)[turn], np.stack(y)[turn]


def arguments(function: Function) -> tuple[np.ndarray, ...]:
    """The arrays that a function is called with: two for addxy, else one."""
    rng = np.random.default_rng(SEED)
    count = 2 if function.function == "addxy" else 1
    return tuple(
        np.asarray(rng.standard_normal(function.shape), function.dtype)
        for _ in range(count)
    )


#: one epoch of it reaches 0.985 of the test images
MNIST = replace(NETWORKS["mnist_cnn"], rule=Rule("adam", 1e-3))


# --- shapes, parameters, work ----------------------------------------------------------


def shapes(network: Network) -> list[tuple[int, ...]]:
    """Shape of one example before each layer, and after the last."""
    found = [network.example]
    for layer in network.layers:
        shape = found[-1]
        match layer:
            case Dense(units) | Linear(units) | Recurrent(units) | Lstm(units):
                shape = (units,)
            case Conv(filters, size, padding):
                lost = 0 if padding == "same" else size - 1
                shape = (filters, *(extent - lost for extent in shape[1:]))
            case Pool(size, stride):
                shape = (shape[0], *((n - size) // stride + 1 for n in shape[1:]))
            case Flatten():
                shape = (prod(shape),)
            case Activation():
                pass
        found.append(shape)
    return found


def parameters(network: Network) -> list[Arrays]:
    """First values of each layer: [W, b], [W], [Wx, Wh] or [Wx, Wh, b], or none."""
    rng = np.random.default_rng(SEED + 1)
    made: list[Arrays] = []
    for layer, shape in zip(network.layers, shapes(network)):
        values: Arrays = []
        match layer:
            case Dense(units):
                weight = rng.standard_normal((shape[-1], units))
                values = [weight * (1.0 / shape[-1]) ** 0.5, np.zeros(units)]
            case Linear(units):
                weight = rng.standard_normal((shape[-1], units))
                values = [weight * (1.0 / shape[-1]) ** 0.5]
            case Recurrent(units):
                scale = 1 if units <= 16 else units**-0.5
                values = [rng.uniform(-1, 1, (n, units)) for n in (shape[-1], units)]
                values = [value * scale for value in values]
            case Lstm(units):
                inputs = (shape[-1], units)
                values = [rng.standard_normal((n, 4 * units)) * n**-0.5 for n in inputs]
                values.append(np.zeros(4 * units))
            case Conv(filters, size, _):
                window = (shape[0], size, size)
                weight = rng.standard_normal((filters, *window))
                values = [weight * (2.0 / prod(window)) ** 0.5, np.zeros(filters)]
        made.append([value.astype(network.dtype) for value in values])
    return made


def operations(network: Network) -> int:
    """Floating point operations of a step, matrix products and convolutions only.

    A multiply-add counts as 2. Each product is done three times (forward and towards both
    of its factors) but for the first layer, whose input has no gradient.
    """
    extents = shapes(network)
    products = []
    rows = network.batch * max(1, network.time)
    for layer, before, after in zip(network.layers, extents, extents[1:]):
        match layer:
            case Dense() | Linear():
                products.append(rows * before[-1] * after[-1])
            case Conv(_, size, _):
                products.append(network.batch * prod(after) * before[0] * size**2)
            case Recurrent(units) | Lstm(units):
                gates = 4 if isinstance(layer, Lstm) else 1
                products += [rows * gates * n * units for n in (before[-1], units)]
                if isinstance(layer, Lstm):  # gives the last step only
                    rows = network.batch
    return 2 * (3 * sum(products) - products[0])
