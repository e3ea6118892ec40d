"""What is measured: networks with their data and first parameters, and array functions.

Out: `NETWORKS` and `FUNCTIONS` by name, `batches`, `stacked`, `parameters`, `arguments`.
A *network* is one training step: a mini-batch as NumPy arrays in, forward, gradients,
update of all parameters, and the loss before the update as a Python float out.
A *function* takes NumPy arrays and gives a NumPy array.

Images are (batch, channels, rows, columns), convolution weights (out, in, k, k), dense
weights (in, out). Convolutions do not flip their window and have stride 1; pooling is
the maximum, without padding. All numbers come from seeds, so every framework starts from
the same values and must give the same losses.

Recurrent networks (rnn_addition, rnn_large, lstm) are absent: they need a scan.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

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


Layer = Dense | Conv | Pool | Activation | Flatten


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
    loss: str  # mse | sse | crossentropy | binary (on the softmax)
    rule: Rule
    batch: int
    data: str = "images"  # or | real | moons | images
    dtype: str = "float32"
    batches: int = 8  # distinct mini-batches, used in turn
    epoch: int = 8  # steps of one call in a native loop
    decay: float = 0.0  # loss += decay * sum(W**2), biases left out
    classes: int = 10

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
    x, y = _DATA[network.data](network, np.random.default_rng(SEED))
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


def _or(network: Network, rng: np.random.Generator) -> tuple[Any, Any]:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    return x[None], x.any(1)[None, :, None]


def _uniform(network: Network, rng: np.random.Generator) -> tuple[Any, Any]:
    rows = (network.batches, network.batch)
    return rng.random((*rows, *network.example)), rng.random((*rows, 1))


def _half_circles(network: Network, rng: np.random.Generator) -> tuple[Any, Any]:
    """Two half circles that reach into one another, with noise of deviation 0.2."""
    half = network.batch // 2
    angle = np.linspace(0, np.pi, half)
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
    x = np.concatenate([upper, lower])
    x += 0.2 * rng.standard_normal(x.shape)
    return x[None], np.repeat([0, 1], half)[None]


def _images(network: Network, rng: np.random.Generator) -> tuple[Any, Any]:
    rows = (network.batches, network.batch)
    x = rng.random((*rows, *network.example), dtype=np.float32)
    return x, rng.integers(0, network.classes, rows)


_DATA = {"or": _or, "real": _uniform, "moons": _half_circles, "images": _images}


def arguments(function: Function) -> tuple[np.ndarray, ...]:
    """The arrays that a function is called with: two for addxy, else one."""
    rng = np.random.default_rng(SEED)
    count = 2 if function.function == "addxy" else 1
    return tuple(
        np.asarray(rng.standard_normal(function.shape), function.dtype)
        for _ in range(count)
    )


def mnist(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """MNIST from its four IDX files: training images and labels, then those for the test.

    Images are float32 in 0..1 of shape (n, 1, 28, 28), labels int64.

    Raises
    ------
    FileNotFoundError : a file is there neither plain nor with .gz
    """
    found = []
    for part in ("train", "t10k"):
        for what, header in (("images-idx3", 16), ("labels-idx1", 8)):
            plain = folder / f"{part}-{what}-ubyte"
            packed = plain.with_name(f"{plain.name}.gz")
            data = plain.read_bytes() if plain.exists() else gzip.open(packed).read()
            found.append(np.frombuffer(data, np.uint8, offset=header))
    images = [(a.reshape(-1, 1, 28, 28) / np.float32(255)) for a in found[::2]]
    labels = [a.astype("int64") for a in found[1::2]]
    return images[0], labels[0], images[1], labels[1]


#: one epoch of it reaches 0.985 of the test images
MNIST = replace(NETWORKS["mnist_cnn"], rule=Rule("adam", 1e-3))


# --- shapes, parameters, work ----------------------------------------------------------


def shapes(network: Network) -> list[tuple[int, ...]]:
    """Shape of one example before each layer, and after the last."""
    found = [network.example]
    for layer in network.layers:
        shape = found[-1]
        match layer:
            case Dense(units):
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
    """First values of [W, b] of each layer; an empty list where there are none."""
    rng = np.random.default_rng(SEED + 1)
    made: list[Arrays] = []
    for layer, shape in zip(network.layers, shapes(network)):
        values: Arrays = []
        match layer:
            case Dense(units):
                weight = rng.standard_normal((shape[-1], units))
                values = [weight * (1.0 / shape[-1]) ** 0.5, np.zeros(units)]
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
    products = []
    extents = shapes(network)
    for layer, before, after in zip(network.layers, extents, extents[1:]):
        match layer:
            case Dense():
                products.append(network.batch * before[-1] * after[-1])
            case Conv(_, size, _):
                products.append(network.batch * prod(after) * before[0] * size**2)
    return 2 * (3 * sum(products) - products[0])
