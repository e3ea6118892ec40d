"""Samples of reductions and statistics."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sampling import SPECIAL, Sample, values
from structure import ODD, ORACLES, SAMPLES, Nested, X, bad, floats, good, ints, table

from symgraph.errors import ArgumentError, AxisError, DtypeError, ShapeError

# --- reductions -----------------------------------------------------------------------

TIED = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, -1.0]])
ZEROS = np.array([[1.0, 2.0, 3.0], [0.0, 2.0, 3.0], [0.0, 2.0, 0.0]])
_SPECIALS = [
    Nested((SPECIAL,), special=True),
    Nested((np.stack([SPECIAL, SPECIAL[::-1]]),), {"axis": 0}, special=True),
]


def _axes(*more: list[Sample]) -> list[Sample]:
    """The calls that every reduction understands."""
    calls = [
        good(X),
        good(X, axis=1),
        good(X, axis=-1),
        good(X, axis=(0, 2)),
        good(X, [1, 2]),
        good(X, axis=0, keepdims=True),
        good(X, keepdims=True),
        good(floats(3)),
        good(ODD, axis=1),
        good(ODD, axis=(0, -1), keepdims=True),
        good(floats()),
        good(floats(1, 3), axis=0),
        good(floats(0, 2), axis=1),
        good(X, axis=()),
        bad(AxisError, X, axis=3),
        bad(AxisError, X, axis=(0, -3)),
        bad(AxisError, X, -4),
        bad(DtypeError, X, axis=1.5),
        bad(AxisError, floats(), axis=0),
        *more,
    ]
    return [s for group in calls for s in group]


_DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
]
_KINDS = [s for d in _DTYPES for s in good(values((2, 3), d, 0, 3), axis=1)]
_COMPLEX = good(floats(2, 3, dtype="complex128"), axis=0)
_NOTHING = good(floats(0, 3), axis=0) + good(floats(2, 0))


def _accumulated(function: Callable[..., Any]) -> Callable[..., Any]:
    def oracle(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        keepdims: bool = False,
        acc_dtype: Any = None,
    ) -> Any:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return function(x, axis=axis, dtype=dtype, keepdims=keepdims)

    return oracle


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    def oracle(x: Any, axis: Any = None, keepdims: bool = False, **more: Any) -> Any:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return function(x, axis=axis, keepdims=keepdims, **more)

    return oracle


table(
    _accumulated(np.sum),
    "sum",
    _axes(_KINDS, _COMPLEX, _NOTHING),
    _SPECIALS,
    good(ints(2, 3), dtype="float32"),
    good(X, acc_dtype="float64", dtype="float32"),
    bad(DtypeError, X, dtype="float16"),
)
table(
    _accumulated(np.prod),
    "prod",
    _axes(_KINDS, _COMPLEX, _NOTHING),
    _SPECIALS,
    good(ZEROS, axis=1),
    good(ZEROS[1]),
    good(ZEROS, axis=0, keepdims=True),
)
table(
    _plain(np.max),
    "max",
    _axes(_KINDS),
    _SPECIALS,
    bad(DtypeError, floats(2, dtype="complex64")),
    bad(ShapeError, floats(0, 3)),
)
table(
    _plain(np.min),
    "min",
    _axes(_KINDS),
    _SPECIALS,
    bad(DtypeError, floats(2, dtype="complex64")),
    bad(ShapeError, floats(0, 3), axis=0),
)
table(_plain(np.all), "all", _axes(_KINDS, _NOTHING), _SPECIALS)
table(_plain(np.any), "any", _axes(_KINDS, _NOTHING), _SPECIALS, good(ZEROS, axis=0))
table(_plain(np.ptp), "ptp", _axes())


def _argument(function: Callable[..., Any]) -> Callable[..., Any]:
    def oracle(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = np.asarray(x)
        axes = range(x.ndim) if axis is None else np.atleast_1d(axis).astype(int)
        axes = tuple(sorted(a % x.ndim for a in axes))
        if not axes:
            return np.zeros(x.shape, "int64")
        kept = [a for a in range(x.ndim) if a not in axes]
        count = int(np.prod([x.shape[a] for a in axes]))
        rows = np.transpose(x, (*kept, *axes)).reshape(
            *(x.shape[a] for a in kept), count
        )
        out = np.asarray(function(rows, axis=-1))
        return np.expand_dims(out, axes) if keepdims else out

    return oracle


for _name in ("argmax", "argmin"):
    table(
        _argument(getattr(np, _name)),
        _name,
        _axes(_KINDS),
        _SPECIALS,
        good(TIED, axis=1),
        good(TIED),
        bad(DtypeError, floats(2, dtype="complex64")),
        bad(ShapeError, floats(0, 3), axis=0),
    )
table(
    lambda x, axis=None, keepdims=False: (
        ORACLES["max"](x, axis, keepdims),
        ORACLES["argmax"](x, axis, keepdims),
    ),
    "max_and_argmax",
    good(X, axis=1),
    good(X),
    good(X, axis=(0, 1), keepdims=True),
    bad(AxisError, X, axis=3),
)

# --- statistics -----------------------------------------------------------------------


def _mean(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    acc_dtype: Any = None,
) -> Any:
    axis = tuple(axis) if isinstance(axis, list) else axis
    return np.mean(x, axis, dtype=dtype, keepdims=keepdims)


def _moment(function: Callable[..., Any]) -> Callable[..., Any]:
    def oracle(
        x: Any,
        axis: Any = None,
        ddof: int = 0,
        keepdims: bool = False,
        corrected: bool = False,
    ) -> Any:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return function(x, axis=axis, ddof=ddof, keepdims=keepdims)

    return oracle


table(
    _mean,
    "mean",
    _axes(_KINDS, _COMPLEX),
    _SPECIALS,
    good(ints(2, 3), dtype="float32"),
    bad(DtypeError, X, dtype="int32"),
    good(floats(3, dtype="float32"), acc_dtype="float64"),
)
for _name in ("var", "std"):
    table(
        _moment(getattr(np, _name)),
        _name,
        _axes(_KINDS, _COMPLEX),
        good(X, ddof=1),
        good(X, axis=1, ddof=1, corrected=True),
        bad(ArgumentError, X, ddof=0.5),
    )


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    size = np.abs(np.asarray(x) + (0.0 if np.asarray(x).dtype.kind in "biu" else 0))
    axis = tuple(axis) if isinstance(axis, list) else axis
    p = 2 if ord in (None, "fro") else ord
    if p in (np.inf, -np.inf):
        return (np.max if p > 0 else np.min)(size, axis=axis, keepdims=keepdims)
    if p == 0:
        return np.sum(size != 0, axis=axis, keepdims=keepdims).astype(size.dtype)
    return np.sum(size**p, axis=axis, keepdims=keepdims) ** (1 / p)


table(
    _norm,
    "norm",
    good(X),
    good(X, 2, axis=1),
    good(X, 1),
    good(X, 3, axis=(0, 2)),
    good(X, np.inf, axis=1),
    good(X, -np.inf),
    good(X, 1, keepdims=True),
    good(ints(2, 3)),
    good(ints(2, 3), 0, axis=1),
    good(floats(3, dtype="complex64")),
    bad(ArgumentError, X, "nuc"),
    bad(AxisError, X, 2, axis=3),
)
for _s in SAMPLES["std"] + SAMPLES["norm"]:  # sqrt at 0, abs at 0
    if _s.error is None and np.size(_s.args[0]) <= 1:
        object.__setattr__(_s, "gradient", False)
