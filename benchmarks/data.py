"""Mini-batches of each network from a seeded generator, and MNIST from its files.

Out: `MAKERS`, functions of a network (`workloads.Network`) and a generator that give
inputs and targets of all its mini-batches along a first axis.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np


def _or(network: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    return x[None], x.any(1)[None, :, None]


def _uniform(network: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    rows = (network.batches, network.batch)
    return rng.random((*rows, *network.example)), rng.random((*rows, 1))


def _half_circles(network: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Two half circles that reach into one another, with noise of deviation 0.2."""
    half = network.batch // 2
    angle = np.linspace(0, np.pi, half)
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
    x = np.concatenate([upper, lower])
    x += 0.2 * rng.standard_normal(x.shape)
    return x[None], np.repeat([0, 1], half)[None]


def _images(network: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    rows = (network.batches, network.batch)
    x = rng.random((*rows, *network.example), dtype=np.float32)
    return x, rng.integers(0, network.classes, rows)


def _addition(network: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Bits of two numbers, the lowest first, and the bits of their sum."""
    shape = (network.batches, network.time, network.batch)
    a, b = rng.integers(0, 2, (2, *shape))
    total, carry = np.zeros(shape, int), np.zeros((network.batches, network.batch), int)
    for t in range(network.time):
        carry = a[:, t] + b[:, t] + carry
        total[:, t], carry = carry % 2, carry // 2
    return np.stack([a, b], -1), total[..., None]


def _noise(network: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    rows = (network.batches, network.batch)
    shape = (network.batches, network.time, network.batch, *network.example)
    return rng.standard_normal(shape), rng.integers(0, network.classes, rows)


#: name of the data → (network, generator) -> inputs, targets
MAKERS = {
    "or": _or,
    "real": _uniform,
    "moons": _half_circles,
    "images": _images,
    "addition": _addition,
    "sequence": _noise,
}


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
