"""Samples of sorting, quantiles and picking by position; see tests/structure.py."""

from typing import Any

import numpy as np
from structure import X, bad, floats, good, ints, n, plain, table

from symgraph.errors import (
    ArgumentError,
    AxisError,
    DtypeError,
    IndexRangeError,
    ShapeError,
)

V, M = floats(7), floats(3, 4)
NANS = np.array([[1.0, np.nan, 0.5], [3.0, 2.0, np.inf]])
TIES = np.array([2.0, 1.0, 2.0, 0.0, 1.0])

# --- sorting --------------------------------------------------------------------------

for _oracle in (np.sort, np.argsort):
    table(
        _oracle,
        _oracle.__name__,
        good(V),
        good(X),
        good(X, 1),
        good(X, axis=0, kind="stable"),
        good(M, None),
        good(ints(9)),
        good(ints(2, 5, dtype="int8"), 1),
        good(np.array([True, False, True])),
        plain(NANS, 1),
        plain(TIES, kind="mergesort"),
        good(floats(0, 3)),
        bad(AxisError, X, 3),
        bad(AxisError, floats()),
        bad(ArgumentError, V, kind="bubble"),
        bad(ArgumentError, V, order="name"),
        bad(DtypeError, V + 1j),
    )


def _argtopk(
    x: Any, k: Any, axis: Any = -1, sorted: bool = True, idx_dtype: str = "int64"
) -> Any:
    if axis is None:
        x, axis = np.ravel(x), 0
    order = np.argsort(x, axis=axis)
    if k > 0:
        order = np.flip(order, axis)
    return np.take(order, np.arange(abs(int(k))), axis=axis).astype(idx_dtype)


def _topk(x: Any, k: Any, axis: Any = -1, *rest: Any, **options: Any) -> Any:
    found = _argtopk(x, k, axis)
    return np.take_along_axis(*((x, found, axis) if axis is not None else (
        np.ravel(x), found, 0)))  # fmt: skip


_top = (
    good(V, 3),
    good(V, -2),
    good(X, 2),
    good(X, 1, 1),
    good(X, -3, axis=1, sorted=False),
    good(X, 4, None),
    good(X, n(2), 0),
    good(ints(1, 5) * np.arange(5), 1),
    good(floats(5, dtype="float32"), 2, idx_dtype="int32"),
    bad(ShapeError, V, 0),
    bad(ShapeError, V, 8),
    bad(ShapeError, V, -8),
    bad(AxisError, X, 1, 3),
    bad(DtypeError, V, 2.5),
    bad(DtypeError, V, 2, idx_dtype="float32"),
    bad(DtypeError, V + 1j, 1),
)
table(_argtopk, "argtopk", *_top)
table(_topk, "topk", *_top)
table(
    lambda x, k, axis=-1, *rest, **options: (
        _topk(x, k, axis),
        _argtopk(x, k, axis, *rest, **options),
    ),
    "topk_and_argtopk",
    *_top[:7],
)
_edges = np.array([-1.0, 0.0, 0.0, 1.5])
table(
    np.searchsorted,
    "searchsorted",
    good(_edges, V),
    good(_edges, M, "right"),
    good(_edges, floats(), side="left"),
    good(_edges[::-1].copy(), V, sorter=np.arange(4)[::-1].copy()),
    good(np.arange(3), ints(5)),
    good(floats(0), V),
    bad(ShapeError, M, V),
    bad(ArgumentError, _edges, V, "middle"),
    bad(DtypeError, _edges + 1j, V),
)
table(
    np.unique,
    "unique",
    plain(TIES),
    good(M),
    plain(TIES, True, True, True),
    plain(ints(2, 9), return_counts=True),
    plain(ints(2, 9), return_inverse=True),
    plain(np.array([np.nan, 1.0, np.nan]), return_counts=True),
    good(floats(0), True),
    good(floats()),
    bad(ArgumentError, M, axis=0),
)

# --- quantiles ------------------------------------------------------------------------


def _without_options(oracle: Any) -> Any:
    def call(x: Any, q: Any, axis: Any = None, method: str = "linear",
             keepdims: bool = False) -> Any:  # fmt: skip
        with np.errstate(all="ignore"):
            return oracle(x, q, axis, method=method, keepdims=keepdims)

    return call


for _oracle, _scale in ((np.quantile, 1.0), (np.percentile, 100.0)):
    table(
        _without_options(_oracle),
        _oracle.__name__,
        good(V, 0.3 * _scale),
        good(X, 0.5 * _scale, 1),
        good(X, [0.0, 0.25 * _scale, _scale], (0, -1)),
        good(M, 0.4 * _scale, 0, "lower"),
        good(M, 0.4 * _scale, 0, method="higher"),
        good(M, 0.5 * _scale, 1, "midpoint", True),
        good(M, 0.5 * _scale, 1, "nearest"),
        good(M, [0.1 * _scale, 0.9 * _scale], 1, keepdims=True),
        good(M, np.array(0.35 * _scale)),
        plain(NANS[:, :2], 0.5 * _scale, 1),
        good(ints(6), 0.5 * _scale),
        good(floats(4, dtype="float32"), 0.2 * _scale),
        bad(ArgumentError, V, 1.5 * _scale),
        bad(ArgumentError, V, 0.5 * _scale, method="weibull"),
        bad(ShapeError, V, [[0.5]]),
        bad(ShapeError, floats(0), 0.5),
        bad(AxisError, M, 0.5, 2),
        bad(DtypeError, V + 1j, 0.5),
    )
table(
    np.median,
    "median",
    good(V),
    good(M),
    good(X, 1),
    good(X, (0, 2), keepdims=True),
    good(ints(5)),
    plain(NANS, 0),
    bad(AxisError, M, 2),
    bad(ShapeError, floats(0)),
)

# --- picking --------------------------------------------------------------------------

_rows = np.array([[0, -1, 2, 1], [3, 3, 0, 1], [0, 1, 2, 3]])
table(
    lambda x, i, axis=-1: np.take_along_axis(x, np.asarray(i), axis),
    "take_along_axis",
    good(M, _rows),
    good(M, _rows[:, :2] % 3, 1),
    good(M, np.array([[0, 2, 1, -3]]), 0),
    good(X, ints(2, 3, 5, dtype="int32") % 4, 2),
    good(X, np.array([[[0], [2], [1]]]), -1),
    good(X, [[[0, 1, -1]]], axis=2),
    good(V, [0, 6, 6]),
    good(M, [11, 0], axis=None),
    good(floats(1, 4), _rows, 1),
    bad(ShapeError, M, [0, 1], 1),
    bad(ShapeError, M, _rows[:2], 1),
    bad(AxisError, M, _rows, 2),
    bad(DtypeError, M, M, 0),
    bad(IndexRangeError, M, [[0], [1], [4]], 1),
)
_which = np.array([[0, 2, 1], [1, 0, 2]])
_three = (floats(2, 3), floats(3, seed=1), floats(2, 1, seed=2))
table(
    lambda a, choices, mode="raise": np.choose(a, choices, mode=mode),
    "choose",
    good(_which, _three),
    good(_which, list(_three)),
    good(_which, floats(3, 2, 3)),
    good(_which, floats(4, 3)),
    good(_which, floats(3)),
    good(np.array(1), floats(3, 2)),
    good(np.array([2, 0]), floats(3, 4, 2)),
    good(_which - 7, _three, "wrap"),
    good(_which * 3 - 2, floats(3, 2, 3), mode="clip"),
    good(_which > 0, [floats(3), 2.0]),
    good([0, 0], [floats(2)]),
    bad(ArgumentError, _which, []),
    bad(ArgumentError, _which, _three, "nearest"),
    bad(DtypeError, M, _three),
    bad(ShapeError, _which, floats()),
    bad(ShapeError, _which, [floats(2), floats(3)]),
    bad(IndexRangeError, [0, 3], _three),
    bad(IndexRangeError, [0, -1], _three),
)
