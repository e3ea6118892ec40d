"""Samples of convolutions, with SciPy's correlate or plain loops as oracles.

Tables of the form of tests/samples_functions.py: `SAMPLES` and `ORACLES`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import window_oracles as oracles
from structure import Nested, floats, ints, n

from symgraph.errors import ArgumentError, DtypeError, NotSupportedError, ShapeError

SAMPLES: dict[str, list[Nested]] = {}
ORACLES: dict[str, Callable[..., Any]] = {}


def _tuple(value: Any, rank: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,) * rank


def _geometry(
    window: tuple[int, ...], border: Any, stride: Any, dilation: Any
) -> tuple[Any, ...]:
    """Strides, paddings and dilations of all axes."""
    rank = len(window)
    steps = _tuple(dilation, rank)
    spans = [(r - 1) * d + 1 for r, d in zip(window, steps, strict=True)]
    pads: list[Any] = {
        "valid": [0] * rank,
        "half": [s // 2 for s in spans],
        "full": [s - 1 for s in spans],
        "same": [((s - 1) // 2, s // 2) for s in spans],
    }.get(border) if isinstance(border, str) else list(_tuple(border, rank))  # fmt: skip
    pairs = [p if isinstance(p, tuple) else (p, p) for p in pads]
    return _tuple(stride, rank), pairs, steps


def _forward(
    x: np.ndarray, w: np.ndarray, input_shape: Any = None, filter_shape: Any = None,
    border_mode: Any = "valid", subsample: Any = 1, filter_flip: bool = True,
    image_shape: Any = None, filter_dilation: Any = 1, num_groups: int = 1,
) -> np.ndarray:  # fmt: skip
    geometry = _geometry(w.shape[2:], border_mode, subsample, filter_dilation)
    return oracles.by_scipy(x, w, *geometry, num_groups, filter_flip)


def _to_input(
    g: np.ndarray, w: np.ndarray, input_shape: Any, filter_shape: Any = None,
    border_mode: Any = "valid", subsample: Any = 1, filter_flip: bool = True,
    filter_dilation: Any = 1, num_groups: int = 1,
) -> np.ndarray:  # fmt: skip
    geometry = _geometry(w.shape[2:], border_mode, subsample, filter_dilation)
    x = np.zeros((len(g), w.shape[1] * num_groups, *map(int, input_shape[2:])))
    return oracles.looped(x, w, g, *geometry, num_groups, filter_flip)[1]


def _to_filters(
    x: np.ndarray, g: np.ndarray, filter_shape: Any, input_shape: Any = None,
    border_mode: Any = "valid", subsample: Any = 1, filter_flip: bool = True,
    filter_dilation: Any = 1, num_groups: int = 1,
) -> np.ndarray:  # fmt: skip
    window = tuple(map(int, filter_shape[2:]))
    geometry = _geometry(window, border_mode, subsample, filter_dilation)
    w = np.zeros((g.shape[1], x.shape[1] // num_groups, *window))
    return oracles.looped(x, w, g, *geometry, num_groups, filter_flip)[2]


def _good(*args: Any, **kwargs: Any) -> list[Nested]:
    smooth = all(a.dtype == "float64" for a in args if getattr(a, "ndim", 0))
    return [
        Nested(args, kwargs, gradient=smooth, static=known) for known in (True, False)
    ]


def _bad(error: type[Exception], *args: Any, **kwargs: Any) -> list[Nested]:
    return [Nested(args, kwargs, error=error, static=True)]


def _table(oracle: Callable[..., Any], name: str, *samples: list[Nested]) -> None:
    SAMPLES[name] = [s for group in samples for s in group]
    ORACLES[name] = oracle


X, W = floats(2, 4, 7, 6), floats(6, 4, 3, 2, seed=1)
_table(
    _forward,
    "conv2d",
    _good(X, W),
    _good(X, W, border_mode="half", subsample=(2, 1)),
    _good(X, W, border_mode="full", filter_flip=False),
    _good(X, W, border_mode="same"),
    _good(X, W, border_mode=((0, 2), (1, 0)), filter_dilation=(2, 3)),
    _good(X, floats(6, 2, 3, 2), border_mode=1, num_groups=2),
    _good(X, floats(8, 1, 2, 2), num_groups=4, subsample=2),
    _good(X[:1, :1], floats(1, 1, 7, 6)),
    _good(X, floats(5, 4, 1, 1)),
    _good(X, W, (None, 4, None, 6), (6, 4, 3, 2)),
    _good(X.astype("float32"), W.astype("float32")),
    _good(ints(2, 4, 7, 6, dtype="int8"), W.astype("float32")),
    _bad(ShapeError, X, floats(6, 3, 3, 2)),
    _bad(ShapeError, X, floats(6, 4, 8, 2)),
    _bad(ShapeError, X[0], W),
    _bad(ShapeError, X, W, num_groups=2),
    _bad(ArgumentError, X, W, border_mode="some"),
    _bad(ArgumentError, X, W, subsample=0),
    _bad(DtypeError, ints(2, 4, 7, 6), ints(6, 4, 3, 2)),
    _bad(NotSupportedError, X, W, unshared=True),
)
_table(
    _forward,
    "conv1d",
    _good(floats(2, 3, 9), floats(4, 3, 3)),
    _good(floats(2, 4, 9), floats(4, 2, 3), border_mode="same", num_groups=2),
    _good(floats(1, 3, 9), floats(2, 3, 2), subsample=2, filter_dilation=3),
    _bad(ShapeError, X, W),
)
_table(
    _forward,
    "conv3d",
    _good(floats(1, 2, 4, 5, 3), floats(3, 2, 2, 3, 1)),
    _good(floats(2, 2, 3, 3, 4), floats(4, 1, 2, 2, 2), border_mode=1, num_groups=2),
    _bad(ShapeError, X, W),
)
_gradient = floats(2, 6, 3, 5, seed=2)
_table(
    _to_input,
    "conv2d_grad_wrt_inputs",
    _good(_gradient, W, (None, None, 7, 6), subsample=(2, 1)),
    _good(_gradient, W, (2, 4, n(8), n(6)), subsample=(2, 1)),
    _bad(ArgumentError, _gradient, W, (2, 4, None, 6)),
    _bad(ShapeError, _gradient, W, (2, 4, 6, 6)),
)
_table(
    _to_filters,
    "conv2d_grad_wrt_weights",
    _good(X, _gradient, (6, 4, 3, 2), subsample=(2, 1)),
    _good(X, _gradient, (None, None, n(2), n(2)), subsample=(2, 1)),
    _bad(ShapeError, X, _gradient, (6, 4, 5, 2), subsample=(2, 1)),
)
_box = floats(1, 2, 3, 4, 3)
_table(
    _to_input,
    "conv3d_grad_wrt_inputs",
    _good(floats(1, 3, 2, 3, 2), floats(3, 2, 2, 2, 2), _box.shape),
)
_table(
    _to_filters,
    "conv3d_grad_wrt_weights",
    _good(_box, floats(1, 3, 2, 3, 2), (3, 2, 2, 2, 2)),
)
_table(
    lambda x, w, shape=None, **options: _to_input(
        x,
        w,
        (0, 0, 11, 7) if shape is None else shape,
        subsample=options.pop("input_dilation", 1),
        **options,
    ),
    "conv2d_transpose",
    _good(floats(2, 6, 5, 3), floats(6, 4, 3, 3), input_dilation=2),
    _good(
        floats(2, 6, 5, 3),
        W,
        (None, 4, 12, 7),
        input_dilation=(2, 3),
        border_mode=(0, (1, 0)),
    ),
    _bad(ShapeError, floats(2, 5, 5, 3), W),
)
