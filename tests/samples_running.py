"""Samples of running sums, products by labels, borders, grids, counts; see structure.py."""

from typing import Any

import numpy as np
from structure import X, bad, floats, good, ints, n, sizes, table

from symgraph.errors import (
    ArgumentError,
    AxisError,
    DtypeError,
    IndexRangeError,
    NotSupportedError,
    ShapeError,
)

V, M = floats(5), floats(3, 4)

# --- running sums and products --------------------------------------------------------

for _oracle in (np.cumsum, np.cumprod):
    table(
        _oracle,
        _oracle.__name__,
        good(V),
        good(M),
        good(X, 0),
        good(X, 1),
        good(X, axis=-1),
        good(np.array([2.0, 0.0, 3.0, 0.0, 1.5])),
        good(np.array([[0.0, 2.0], [1.5, 0.0]]), 1),
        good(ints(2, 3, dtype="int8"), 1),
        good(np.array([True, False, True])),
        good(floats(4, dtype="float32"), dtype="float64"),
        good(floats(0, 3), 0),
        good(floats(2, 0), 0),
        good(floats(1, 1)),
        good(floats(2, 3, dtype="complex64"), 1),
        bad(AxisError, M, 2),
        bad(AxisError, floats(), 0),
        bad(DtypeError, V, dtype="float16"),
    )


def _diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None):
    ends = {"prepend": prepend, "append": append}
    return np.diff(x, n, axis, **{k: v for k, v in ends.items() if v is not None})


table(
    _diff,
    "diff",
    good(V),
    good(M, 2),
    good(X, 1, 1),
    good(X, axis=0, prepend=0.0),
    good(M, append=floats(3, 1, seed=3)),
    good(V, 0),
    good(V, 6),
    good(ints(5)),
    good(np.array([True, False, False])),
    bad(ArgumentError, V, -1),
    bad(ArgumentError, V, 1.5),
    bad(AxisError, V, 1, 1),
    bad(ShapeError, M, prepend=floats(2, 1)),
)

# --- products by labels ---------------------------------------------------------------

A, B = floats(2, 3), floats(3, 4, seed=1)
C, D = floats(2, 3, 4, seed=2), floats(2, 4, 3, seed=3)


def _einsum(*arguments: Any) -> Any:
    return np.einsum(*arguments, optimize=False)


table(
    _einsum,
    "einsum",
    good("ij,jk->ik", A, B),
    good("ij,jk", A, B),
    good("ij->ji", A),
    good("ij->", A),
    good("ij->j", A),
    good("ba", A),
    good("ii", floats(3, 3)),
    good("ii->i", floats(3, 3)),
    good("iij->ji", floats(2, 2, 3)),
    good("iii->i", floats(2, 2, 2)),
    good("bij,bjk->bik", C, D),
    good("bij,bkj->bik", C, floats(2, 5, 4)),
    good("bij,bjk->ik", C, D),
    good("ij,ij->ij", A, floats(2, 3, seed=5)),
    good("i,j->ij", floats(2), floats(3)),
    good("i,i", V, floats(5, seed=1)),
    good("ij,jk,kl->il", A, B, floats(4, 2)),
    good("ij,kj,lj->ikl", A, floats(4, 3), floats(2, 3, seed=1)),
    good("...ij,...jk->...ik", C, D),
    good("...ij,jk", C, floats(4, 2)),
    good("i...->...", C),
    good("ij,ij->", floats(1, 3), A),
    good("ij,ij->i", floats(2, 1), A),
    good("abc,acd->bd", C, floats(2, 4, 5)),
    good("i,->i", V, 2.0),
    good(" ij , jk -> ki ", A, B),
    good(A, [0, 1], B, [1, 2], [0, 2]),
    good(A, [0, 1], B, [1, 2]),
    good("ij,jk->ik", ints(2, 3), ints(3, 2, dtype="int32")),
    good("ij,j->i", floats(0, 3), floats(3)),
    bad(ArgumentError, "ij,jk->ik", A),
    bad(ArgumentError, "ijk->i", A),
    bad(ArgumentError, "ij->ik", A),
    bad(ArgumentError, "ij->ii", A),
    bad(ArgumentError, "i1->i", A),
    bad(ArgumentError, A, "ij"),
    bad(ArgumentError, "ij"),
    bad(ShapeError, "ij,jk->ik", A, A),
    bad(ShapeError, "ii", A),
)
table(
    np.kron,
    "kron",
    good(A, B),
    good(V, floats(2)),
    good(A, floats(2)),
    good(X, floats(2, 1, 2)),
    good(floats(), A),
    good(ints(2, 2), A),
)

# --- borders and grids ----------------------------------------------------------------


def _numbers(given: Any) -> Any:
    if isinstance(given, list | tuple):
        return tuple(map(_numbers, given))
    return given.item() if isinstance(given, np.ndarray) and not given.ndim else given


def _pad(x: Any, width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    options = (
        {"constant_values": _numbers(constant_values)} if mode == "constant" else {}
    )
    return np.pad(x, _numbers(width), mode, **options)


table(
    _pad,
    "pad",
    good(V, 2),
    good(M, 1),
    good(M, (1, 2)),
    good(M, ((1, 0), (0, 2))),
    good(M, ((0, 0), (0, 0))),
    good(M, ((2, 1),), constant_values=1.5),
    good(M, 1, "constant", floats()),
    good(M, 1, constant_values=((1.0, 2.0), (3.0, 4.0))),
    good(V, (n(2), n(1))),
    good(ints(3), 1, constant_values=7),
    good(floats(0), 2),
    good(M, 2, "edge"),
    good(M, ((1, 2), (3, 0)), "reflect"),
    good(M, ((1, 3), (0, 2)), "symmetric"),
    good(M, ((1, 2), (4, 0)), "wrap"),
    good(floats(3), (7, 8), "reflect"),
    good(floats(3), (7, 8), "symmetric"),
    good(floats(3), (7, 8), "wrap"),
    good(floats(3, 1), (2, 3), "reflect"),
    good(V, (n(2), 1), "edge"),
    good(V, (1, n(2)), "symmetric"),
    bad(ArgumentError, V, 1, "mirror"),
    bad(NotSupportedError, V, 1, "mean"),
    bad(NotSupportedError, V, 1, "reflect", reflect_type="odd"),
    bad(ShapeError, X, ((1, 1), (2, 2))),
    bad(ShapeError, M, ((1, 1, 1), (2, 2, 2))),
    bad(ShapeError, V, -1),
    bad(DtypeError, V, 1.5),
    bad(ShapeError, floats(0), 1, "edge"),
    bad(DtypeError, V, 1, constant_values=floats(2)),
)
table(
    np.meshgrid,
    "meshgrid",
    good(floats(3), floats(2)),
    good(floats(3), floats(2), floats(4), indexing="ij"),
    good(floats(3), floats(2), sparse=True),
    good(floats(3), 2.0),
    good(floats(3)),
    bad(ShapeError, M),
    bad(ArgumentError, V, indexing="ji"),
)

# --- diagonals ------------------------------------------------------------------------


def _filled(x: Any, value: Any, offset: Any = 0) -> Any:
    out = x.copy()
    if x.ndim == 2:
        rows, columns = np.indices(x.shape)
        out[columns - rows == offset] = value
    else:
        np.fill_diagonal(out, value)
    return out


table(
    _filled,
    "fill_diagonal",
    good(M, 2.5),
    good(floats(4, 2), floats()),
    good(floats(3, 3, 3), 1.0),
    good(ints(3, 3, dtype="int8"), 4),
    bad(ShapeError, V, 1.0),
    bad(ShapeError, X, 1.0),
    bad(ShapeError, M, floats(3)),
    bad(DtypeError, ints(2, 2), 1.5),
)
table(
    _filled,
    "fill_diagonal_offset",
    good(M, 2.5, 1),
    good(floats(4, 2), floats(), -2),
    good(M, 1.0, n(-1)),
    good(M, 1.0, 9),
    bad(ShapeError, X, 1.0, 1),
    bad(ShapeError, M, floats(3), 1),
)

# --- positions as numbers -------------------------------------------------------------


def _bincount(x: Any, weights: Any = None, minlength: Any = None, **_: Any) -> Any:
    return np.bincount(np.asarray(x, "int64"), weights, int(minlength or 0))


_few = np.array([1, 4, 1, 0, 1])
table(
    _bincount,
    "bincount",
    good(_few),
    good(_few.astype("uint8"), assert_nonneg=True),
    good(_few, floats(5)),
    good(_few, minlength=8),
    good(_few, minlength=n(3)),
    good(np.array([True, False, True])),
    good(np.zeros(0, "int64")),
    bad(ShapeError, ints(2, 2)),
    bad(DtypeError, V),
    bad(ShapeError, _few, floats(4)),
    bad(ShapeError, _few, floats()),
)


def _unravel(indices: Any, dims: Any, order: str = "C") -> Any:
    return np.unravel_index(indices, sizes(dims), order)


table(
    _unravel,
    "unravel_index",
    good(np.array([0, 5, 3]), (2, 3)),
    good(np.array([[0, 5], [23, 7]], "int32"), (2, n(3), 4)),
    good(np.array(4), (2, 3), "F"),
    good([1, 2], 7),
    bad(ArgumentError, [0], (2, 3), "K"),
    bad(DtypeError, V, (2, 3)),
    bad(IndexRangeError, [6], (2, 3)),
    bad(IndexRangeError, [-1], (2, 3)),
    bad(ShapeError, [0], ()),
)


def _ravel(indices: Any, dims: Any, mode: str = "raise", order: str = "C") -> Any:
    return np.ravel_multi_index(tuple(indices), sizes(dims), mode, order)


table(
    _ravel,
    "ravel_multi_index",
    good((np.array([0, 1]), np.array([2, 1])), (2, 3)),
    good(
        (np.array([0, 1]), np.array([2, 1]), np.array([3, 0])), (2, 3, n(4)), order="F"
    ),
    good((np.array([-3, 5]), np.array([9, -1])), (2, 3), "wrap"),
    good((np.array([-3, 5]), np.array([9, -1])), (2, 3), mode="clip"),
    bad(ArgumentError, ([0], [0]), (2, 3), "bounce"),
    bad(ShapeError, ([0], [0], [0]), (2, 3)),
    bad(IndexRangeError, ([0], [3]), (2, 3)),
)
table(
    np.argsort,
    "inverse_permutation",
    good(np.array([2, 0, 3, 1])),
    good(np.arange(3)[::-1].astype("int32")),
    bad(DtypeError, V),
)
