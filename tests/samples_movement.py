"""Samples of shape, axes, reshape, joining, splitting and repeating."""

from typing import Any

import numpy as np
from structure import ODD, SAMPLES, X, bad, floats, good, ints, n, sizes, table

from symgraph.errors import (
    ArgumentError,
    AxisError,
    DtypeError,
    ShapeError,
)

# --- shape, specify -------------------------------------------------------------------

table(
    lambda x: np.array(np.shape(x), "int64"),
    "shape",
    good(X),
    good(floats()),
    good(floats(0, 1)),
    good(3.5),
)
table(
    lambda x: np.array(np.size(x), "int64"),
    "size",
    good(X),
    good(floats()),
    good(floats(0, 2)),
    good([1, 2]),
)
table(
    lambda x, shape: x,
    "specify_shape",
    good(X, (2, None, 4)),
    good(X, (None, None, None)),
    good(ODD, ODD.shape),
    bad(ShapeError, X, (2, 3)),
    bad(ShapeError, X, (3, None, None)),
    bad(ArgumentError, X, 3),
    bad(ShapeError, X, (-2, 3, 4)),
)
for _name in ("unbroadcast", "addbroadcast"):
    table(
        lambda x, *axes: x,
        _name,
        good(floats(1, 3), 0),
        good(floats(1, 3, 1), 0, -1),
        good(floats(2, 1), 1),
        bad(AxisError, X, 3),
    )
SAMPLES["addbroadcast"] += bad(ShapeError, X, 0)
table(
    lambda x, pattern: x,
    "patternbroadcast",
    good(floats(1, 3), (False, False)),
    good(floats(1, 3), (True, False)),
    bad(ShapeError, X, (True,)),
    bad(ShapeError, X, (True, False, False)),
)

# --- axes -----------------------------------------------------------------------------


def _dimshuffle(x: Any, *pattern: Any) -> np.ndarray:
    if len(pattern) == 1 and isinstance(pattern[0], list | tuple):
        pattern = tuple(pattern[0])
    kept = [p for p in pattern if p != "x"]
    dropped = tuple(a for a in range(np.ndim(x)) if a not in kept)
    kept_sorted = {a: i for i, a in enumerate(sorted(kept))}
    out = np.transpose(np.squeeze(x, dropped), [kept_sorted[a] for a in kept])
    return np.expand_dims(out, tuple(i for i, p in enumerate(pattern) if p == "x"))


table(
    _dimshuffle,
    "dimshuffle",
    good(X, 2, 0, 1),
    good(X, (2, "x", 0, 1, "x")),
    good(floats(), "x", "x"),
    good(floats(1, 3), 1),
    good(floats(1, 3, 1), "x", 1),
    good(floats(0, 2), 1, 0),
    good(ODD, 1, 0, "x", 2),
    good(X, 0, 1, 2),
    good(floats(1, 1)),
    good(ints(2, 3), 1, 0),
    bad(ShapeError, X, 0, 1),
    bad(AxisError, X, 0, 1, 3),
    bad(AxisError, X, 0, 0, 1, 2),
    bad(DtypeError, X, 0, 1, "y"),
)
table(
    lambda x, *order, axes=None: np.transpose(
        x, axes or (order[0] if len(order) == 1 else order) or None
    ),
    "transpose",
    good(X),
    good(X, 0, 2, 1),
    good(X, (1, -1, 0)),
    good(X, axes=(2, 0, 1)),
    good(floats()),
    good(floats(3)),
    good(ODD),
    good(X, None),
    bad(AxisError, X, 0, 1),
    bad(AxisError, X, (0, 1, 1)),
)
table(np.swapaxes, "swapaxes", good(X, 0, -1), good(X, 1, 1), bad(AxisError, X, 0, 3))
table(
    np.moveaxis,
    "moveaxis",
    good(X, 0, -1),
    good(X, (0, 2), (1, 0)),
    good(X, [2], [0]),
    good(X, (0, 1), (-2, -1)),
    bad(AxisError, X, (0, 1), (0,)),
    bad(AxisError, X, (0, 0), (0, 1)),
)
table(
    np.rollaxis,
    "rollaxis",
    good(X, 2),
    good(X, 0, 3),
    good(X, 1, 2),
    good(X, -1, 1),
    good(X, 0, -1),
    bad(AxisError, X, 3),
    bad(AxisError, X, 0, 4),
)
table(
    np.squeeze,
    "squeeze",
    good(floats(1, 3, 1)),
    good(floats(1, 3, 1), 2),
    good(floats(1, 3, 1), (0, -1)),
    good(floats(1, 1)),
    good(X),
    bad(ShapeError, X, 0),
    bad(AxisError, X, 3),
)
table(
    np.expand_dims,
    "expand_dims",
    good(X, 0),
    good(X, -1),
    good(X, (0, 2)),
    good(floats(), 0),
    bad(AxisError, X, 5),
)
table(
    lambda x, n_ones=1: np.reshape(x, (1,) * n_ones + np.shape(x)),
    "shape_padleft",
    good(X),
    good(X, 2),
    good(X, n_ones=0),
    good(floats()),
)
table(
    lambda x, n_ones=1: np.reshape(x, np.shape(x) + (1,) * n_ones),
    "shape_padright",
    good(X),
    good(X, 2),
    good(floats()),
)
table(np.expand_dims, "shape_padaxis", good(X, 1), good(X, -1), bad(AxisError, X, 4))
for _oracle in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    table(
        _oracle,
        _oracle.__name__,
        good(floats()),
        good(floats(2)),
        good(floats(2, 3)),
        good(floats(1, 2, 1, 2)),
    )

# --- reshape --------------------------------------------------------------------------


table(
    lambda x, shape, ndim=None: np.reshape(x, sizes(shape)),
    "reshape",
    good(X, (4, 6)),
    good(X, (-1, 2)),
    good(X, -1),
    good(X, 24),
    good(X, (n(6), 4)),
    good(X, (n(6), -1)),
    good(X, (-1, n(2), 3)),
    good(X, np.array([4, 6]), ndim=2),
    good(X, [2, 3, 4]),
    good(X, (1, 24, 1)),
    good(floats(), (1, 1)),
    good(floats(1), ()),
    good(floats(0, 3), (3, 0)),
    good(floats(0, 3), (-1, 3)),
    good(ODD, (6, 4)),
    good(ints(4), (2, 2)),
    good(floats(4, dtype="complex64"), (2, 2)),
    bad(ShapeError, X, (5, 5)),
    bad(ShapeError, X, (-1, 5)),
    bad(ShapeError, X, (-1, -1)),
    bad(ShapeError, X, (-2, 12)),
    bad(ShapeError, X, (0, -1)),
    bad(DtypeError, X, (2.0, 12)),
    bad(ShapeError, X, 4, 6),
    bad(ShapeError, X, (n(2), 5)),
    bad(ShapeError, X, (floats(2), 3)),
    bad(DtypeError, X, (floats(), 3)),
)


def _flatten(x: Any, ndim: int | None = None, outdim: int | None = None) -> np.ndarray:
    rank = outdim or ndim or 1
    shape = np.shape(x)
    return np.reshape(x, (*shape[: rank - 1], int(np.prod(shape[rank - 1 :]))))


table(
    _flatten,
    "flatten",
    good(X),
    good(X, 2),
    good(X, 3),
    good(X, outdim=2),
    good(floats()),
    good(ODD, 2),
    good(floats(0, 3, 2), 2),
    bad(ShapeError, X, 4),
    bad(ShapeError, X, 0),
)
table(np.ravel, "ravel", good(X), good(floats()), good(ODD))

# --- joining --------------------------------------------------------------------------

Y, Z = floats(2, 3, 4, seed=1), floats(2, 5, 4, seed=2)
table(
    np.concatenate,
    "concatenate",
    good([X, Y]),
    good((X, Z), axis=1),
    good([X, Z, Y], 1),
    good([X], axis=-1),
    good([X, Y], axis=-1),
    good([ODD, ODD[:1]]),
    good([floats(2), floats(0), floats(3)]),
    good([floats(2), ints(3, dtype="int8")]),
    good([floats(2, dtype="float32"), floats(1)]),
    good([floats(1, 3), floats(2, 3)]),
    good([np.array([1, 2]), np.array([3])]),
    bad(ShapeError, [floats(), floats()]),
    bad(ShapeError, [X, Z]),
    bad(ShapeError, [X, floats(2, 3)]),
    bad(AxisError, [X, Y], 3),
    bad(ArgumentError, []),
    bad(ArgumentError, 3),
)
table(
    lambda axis, *xs: np.concatenate(xs, axis),
    "join",
    good(1, X, Z),
    good(-1, X, Y),
    bad(ShapeError, 0, X, Z),
)


def _stack(*tensors: Any, axis: int = 0) -> np.ndarray:
    if isinstance(tensors[0], list | tuple):
        return (
            np.stack(tensors[0], *tensors[1:], axis=axis)
            if len(tensors) < 2
            else (np.stack(tensors[0], tensors[1]))
        )
    return np.stack(tensors, axis)


table(
    _stack,
    "stack",
    good([X, Y]),
    good((X, Y), axis=1),
    good([X, Y], axis=-1),
    good([X, Y], 2),
    good(X, Y),
    good([floats(), floats(seed=1)]),
    good([floats(), 2.0]),
    good([ints(3), floats(3)]),
    good([X]),
    bad(ShapeError, [X, floats(2, 3)]),
    bad(ShapeError, [X, Z]),
    bad(AxisError, [X, Y], axis=4),
    bad(ArgumentError, []),
    bad(ArgumentError, [X], 0, 1),
)
table(np.hstack, "hstack", good([X, Z]), good([floats(2), floats(3)]))
table(np.vstack, "vstack", good([X, Y]), good([floats(3), floats(2, 3)]))
table(
    lambda *xs: np.concatenate(xs, 1),
    "horizontal_stack",
    good(floats(2, 3), floats(2, 1)),
    bad(ShapeError, X, floats(3)),
)
table(
    lambda *xs: np.concatenate(xs, 0),
    "vertical_stack",
    good(floats(2, 3), floats(1, 3)),
    bad(ShapeError, X, Z),
)


def _split(x: Any, sizes: Any, n_splits: int | None = None, axis: int = 0) -> list[Any]:
    if isinstance(sizes, int):
        return np.split(x, sizes, axis)
    return np.split(x, np.cumsum([int(s) for s in sizes])[:-1], axis)


table(
    _split,
    "split",
    good(floats(5), [2, 3]),
    good(floats(5, 2), [2, 0, 3]),
    good(X, [1, 2], axis=1),
    good(X, 2, axis=-1),
    good(X, 2),
    good(floats(5), (n(2), n(3))),
    good(floats(6), np.array([1, 2, 3]), 3),
    good(floats(4), [4]),
    bad(ShapeError, floats(5), [2, 2]),
    bad(ShapeError, floats(5), 2),
    bad(AxisError, X, [1, 1], axis=3),
    bad(ShapeError, X, []),
)


def _tile(x: Any, reps: Any, ndim: int | None = None) -> np.ndarray:
    reps = sizes(reps)
    reps = reps if isinstance(reps, tuple) else (reps,)
    return np.tile(x, (1,) * ((ndim or 0) - len(reps)) + reps)


table(
    _tile,
    "tile",
    good(floats(2, 3), 2),
    good(floats(2, 3), (2, 3)),
    good(floats(2, 3), (2, 1, 3)),
    good(floats(2, 3), (n(2), 1)),
    good(floats(), 3),
    good(floats(3), (1, 1)),
    good(floats(2, 3), (2, 1), ndim=3),
    good(floats(1, 3), (0, 2)),
    bad(ShapeError, X, 2, ndim=2),
    bad(ShapeError, X, -1),
)
table(
    lambda x, repeats, axis=None: np.repeat(x, repeats, axis),
    "repeat",
    good(X, 2),
    good(X, 3, axis=1),
    good(X, 2, axis=-1),
    good(X, n(2), axis=0),
    good(floats(3), [2, 0, 1]),
    good(X, [1, 2, 1], axis=1),
    good(X, 0, axis=1),
    good(floats(), 3),
    good(X, np.array([2, 0, 1]), axis=1),
    good(floats(3), np.array([0, 0, 3])),
    bad(ShapeError, X, [1, 2], axis=1),
    bad(ShapeError, X, np.array([1, 2]), axis=1),
    bad(DtypeError, X, floats(3), axis=1),
    bad(ArgumentError, X, [1, -2, 1], axis=1),
    bad(AxisError, X, 2, axis=3),
    bad(ShapeError, X, -1, axis=1),
)
table(
    np.flip,
    "flip",
    good(X),
    good(X, 0),
    good(X, (0, -1)),
    good(floats(3)),
    good(floats()),
    bad(AxisError, X, 3),
)
table(
    lambda x, shift, axis=None: np.roll(x, sizes(shift), axis),
    "roll",
    good(X, 1, axis=1),
    good(X, -2, axis=-1),
    good(X, 7),
    good(X, n(5), axis=1),
    good(floats(3), 0),
    good(floats(0), 1),
    good(X, (1, 2), axis=(0, 2)),
    good(X, 1, axis=(0, 1)),
    bad(AxisError, X, 1, axis=3),
    bad(ArgumentError, X, (1, 2, 3), axis=(0, 1)),
)
