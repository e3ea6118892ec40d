"""Samples for batch normalization; see tests/samples.py."""

from collections.abc import Callable
from typing import Any

import numpy as np
from samples import Sample

from symgraph.errors import ArgumentError, ShapeError

SAMPLES: dict[str, list[Sample]] = {}
ORACLES: dict[str, Callable[..., Any]] = {}
_random = np.random.default_rng(29)
EPSILON = 1e-4


def _floats(*shape: int, low: float = -2.0) -> np.ndarray:
    return np.asarray(_random.uniform(low, 2, shape))


_x, _v = _floats(4, 3), [_floats(3, low=0.5) for _ in range(4)]
_rows = [v[None] for v in _v]
_image, _channels = _floats(2, 3, 2, 2), [_floats(3, low=0.5) for _ in range(4)]
_wide = [v[None, :, None, None] for v in _channels]


def _over(x: np.ndarray, axes: Any) -> tuple[int, ...]:
    named = {"per-activation": (0,), "spatial": (0, *range(2, x.ndim))}
    return named.get(axes, axes)


def _fit(x: np.ndarray, v: np.ndarray, over: tuple[int, ...]) -> np.ndarray:
    return v if v.ndim == x.ndim else np.expand_dims(v, over)


def train(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    axes: Any = "per-activation",
    epsilon: float = EPSILON,
    factor: float = 0.1,
    running_mean: Any = None,
    running_var: Any = None,
) -> Any:
    """By the formulas of the docstring."""
    over = _over(x, axes)
    mean, var = x.mean(over, keepdims=True), x.var(over, keepdims=True)
    inverse = 1 / np.sqrt(var + epsilon)
    out = (x - mean) * inverse * _fit(x, gamma, over) + _fit(x, beta, over)
    found = [out, mean.reshape(gamma.shape), inverse.reshape(gamma.shape)]
    n = x.size / mean.size
    if running_mean is not None:
        found.append(running_mean * (1 - factor) + found[1] * factor)
        unbiased = (var * n / (n - 1)).reshape(gamma.shape)
        found.append(running_var * (1 - factor) + unbiased * factor)
    return tuple(found)


SAMPLES["batch_normalization"] = [
    Sample((_x, *_rows), gradient=True),
    Sample((_x, *_v), {"mode": "high_mem"}, static=True),
    Sample((_x.astype("float32"), *(v.astype("float32") for v in _v))),
    Sample((_x, _floats(2), *_v[:3]), error=ShapeError, static=True),
]
ORACLES["batch_normalization"] = lambda x, gamma, beta, mean, std, mode="": (
    (x - mean) * gamma / std + beta
)
SAMPLES["batch_normalization_train"] = [
    Sample((_x, *_v[:2]), gradient=True),
    Sample((_x, *_rows[:2]), static=True),
    Sample((_image, *_channels[:2], "spatial", 1e-3), gradient=True),
    Sample((_image, *_wide[:2], (0, 2, 3), EPSILON, 0.3, *_wide[2:])),
    Sample((_x, *_v[:2], "per-activation", EPSILON, 0.2, *_v[2:])),
    Sample((_floats(3), *_v[:2]), error=ShapeError),
    Sample((_x, _image, _v[0]), error=ShapeError),
    Sample((_x, *_v[:2], "channels"), error=ArgumentError),
    Sample((_x, *_v[:2], (0, 5)), error=ArgumentError),
]
ORACLES["batch_normalization_train"] = train
SAMPLES["batch_normalization_test"] = [
    Sample((_x, *_v), gradient=True),
    Sample((_image, *_channels, "spatial", 1e-3), gradient=True),
    Sample((_image, *_wide, (0, 2, 3)), static=True),
    Sample((_x, *_v[:3], _image), error=ShapeError),
]


def _test(
    x: np.ndarray,
    *parameters: np.ndarray,
    axes: Any = "per-activation",
    epsilon: float = EPSILON,
) -> Any:
    arrays, options = parameters[:4], parameters[4:]
    over = _over(x, options[0] if options else axes)
    epsilon = float(options[1]) if len(options) > 1 else epsilon
    gamma, beta, mean, var = (_fit(x, v, over) for v in arrays)
    return (x - mean) / np.sqrt(var + epsilon) * gamma + beta


ORACLES["batch_normalization_test"] = _test
