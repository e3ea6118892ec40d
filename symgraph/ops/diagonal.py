"""Diagonals and triangles of matrices: eye, tri, tril, triu, diag, diagonal, trace.

All compare or slice; none is an op of its own. A diagonal is read as a slice with a
step of the flattened matrix, so its gradient is the gradient of a slice.
"""

import builtins
from typing import Any

import numpy as np

from symgraph.config import config
from symgraph.core.dtypes import NUMPY
from symgraph.core.node import Variable, as_variable, listing, scalar_constant
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.arrange import moveaxis
from symgraph.ops.creation import iota
from symgraph.ops.families import cast
from symgraph.ops.movement import dimshuffle, reshape
from symgraph.ops.shape import (
    AnyExtent,
    add,
    as_extent,
    extents,
    maximum,
    multiply,
    negate,
    normalize_axis,
    static,
    subtract,
    variable,
)


def _diagonal_distance(rows: AnyExtent, columns: AnyExtent, k: Any) -> Variable:
    """Column - row - k for every place of a matrix, int64."""
    row: Any = dimshuffle(iota(rows), 0, "x")
    column: Any = dimshuffle(iota(columns), "x", 0)
    k = as_extent(k, "diagonal", minimum=-(2**62))
    return column - (row if static(k) == 0 else row + variable(k))


def _size(n: Any, m: Any, what: str) -> tuple[AnyExtent, AnyExtent]:
    rows = as_extent(n, what)
    return rows, rows if m is None else as_extent(m, what)


@public
def eye(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> Variable:
    """out[i, j] = 1 where j == i + k, else 0; n rows, m (or n) columns.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.eye(3, dtype="float32").type
    float32 (3, 3)
    """
    distance = _diagonal_distance(*_size(n, m, "eye"), k)
    return cast(PUBLIC["eq"](distance, 0), config.floatX if dtype is None else dtype)


@public
def identity_like(x: Any) -> Variable:
    """``eye`` of the shape and dtype of the matrix x."""
    x = as_variable(x)
    if x.ndim != 2:
        raise ShapeError(f"identity_like: expected a matrix{listing(x)}")
    rows, columns = extents(x)
    return eye(rows, columns, dtype=x.type.dtype)


@public
def tri(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> Variable:
    """out[i, j] = 1 where j <= i + k, else 0; n rows, m (or n) columns."""
    distance = _diagonal_distance(*_size(n, m, "tri"), k)
    return cast(PUBLIC["le"](distance, 0), config.floatX if dtype is None else dtype)


@public
def tril(x: Any, k: Any = 0) -> Variable:
    """X with zeros above its k-th diagonal (of the last two axes)."""
    return _triangle(x, k, "le", "tril")


@public
def triu(x: Any, k: Any = 0) -> Variable:
    """X with zeros below its k-th diagonal (of the last two axes)."""
    return _triangle(x, k, "ge", "triu")


def _triangle(x: Any, k: Any, comparison: str, what: str) -> Variable:
    x = as_variable(x)
    if x.ndim < 2:
        raise ShapeError(f"{what}: expected a matrix{listing(x)}")
    rows, columns = extents(x)[-2:]
    keep = PUBLIC[comparison](_diagonal_distance(rows, columns, k), 0)
    return PUBLIC["switch"](keep, x, scalar_constant(0, x.type.dtype))


@public
def diag(x: Any, k: int = 0) -> Variable:
    """Matrix with the vector x on its k-th diagonal, or the k-th diagonal of a matrix.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.diag(T.vector("x", shape=(3,)), 1).type.shape
    (4, 4)
    """
    x = as_variable(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag: expected a vector or a matrix{listing(x)}")
    k = _offset(k)
    size = add(extents(x)[0], builtins.abs(k))
    row = x
    if k:
        zeros = PUBLIC["zeros"](builtins.abs(k), x.type.dtype)
        row = PUBLIC["concatenate"]([zeros, x] if k > 0 else [x, zeros])
    on_diagonal = PUBLIC["eq"](_diagonal_distance(size, size, k), 0)
    row = dimshuffle(row, "x", 0)
    return PUBLIC["switch"](on_diagonal, row, scalar_constant(0, x.type.dtype))


@public
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """out[..., i] = element (i, i + offset) of the axes `axis1` and `axis2` of x."""
    x = as_variable(x)
    if x.ndim < 2:
        raise ShapeError(f"diagonal: expected two axes or more{listing(x)}")
    a = normalize_axis(axis1, x.ndim, "diagonal", x)
    b = normalize_axis(axis2, x.ndim, "diagonal", x)
    if a == b:
        raise ArgumentError(f"diagonal: axis1 and axis2 are both {a}{listing(x)}")
    k = _offset(offset)
    x = moveaxis(x, (a, b), (-2, -1))
    *lead, rows, columns = extents(x)
    down, right = (0, k) if k >= 0 else (-k, 0)
    rest_rows, rest_columns = subtract(rows, down), subtract(columns, right)
    if isinstance(rest_rows, int) and isinstance(rest_columns, int):
        count: AnyExtent = min(rest_rows, rest_columns)
    else:
        count = negate(maximum(negate(rest_rows), negate(rest_columns)))
    count = maximum(count, 0)
    step = add(columns, 1)
    start = add(multiply(down, columns), right)
    flat = reshape(x, (*lead, multiply(rows, columns)))
    along = slice(start, add(start, multiply(count, step)), step)
    return PUBLIC["getitem"](flat, (*(slice(None),) * len(lead), along))


@public
def fill_diagonal(a: Any, val: Any) -> Variable:
    """out = a, with `val` where all indices are equal.

    Parameters
    ----------
    a : a matrix, or of higher rank with equal extents
    val : scalar, cast to the dtype of a where NumPy's assignment would do it quietly

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dmatrix("x")
    >>> sg.function([x], T.fill_diagonal(x, 5))([[1, 2], [3, 4]]).tolist()
    [[5.0, 2.0], [3.0, 5.0]]
    """
    x = as_variable(a)
    known = {e for e in x.type.shape if e is not None}
    if x.ndim < 2 or (x.ndim > 2 and len(known) > 1):
        raise ShapeError(
            f"fill_diagonal: expected a matrix, or equal extents{listing(x)}"
        )
    first, *others = extents(x)
    row = dimshuffle(iota(first), 0, *["x"] * (x.ndim - 1))
    hit = None
    for axis, size in enumerate(others, 1):
        pattern = (0 if k == axis else "x" for k in range(x.ndim))
        here = PUBLIC["eq"](row, dimshuffle(iota(size), *pattern))
        hit = here if hit is None else PUBLIC["and_"](hit, here)
    return PUBLIC["switch"](hit, _scalar_value(x, val, "fill_diagonal"), x)


@public
def fill_diagonal_offset(a: Any, val: Any, offset: Any) -> Variable:
    """out = the matrix a, with `val` on the diagonal number `offset`.

    Parameters
    ----------
    val : scalar, as for `fill_diagonal`
    offset : int or scalar; 0 is the main diagonal, positive ones lie above it

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dmatrix("x")
    >>> sg.function([x], T.fill_diagonal_offset(x, 5, 1))([[1, 2], [3, 4]]).tolist()
    [[1.0, 5.0], [3.0, 4.0]]
    """
    x = as_variable(a)
    if x.ndim != 2:
        raise ShapeError(f"fill_diagonal_offset: expected a matrix{listing(x)}")
    rows, columns = extents(x)
    hit = PUBLIC["eq"](_diagonal_distance(rows, columns, offset), 0)
    return PUBLIC["switch"](hit, _scalar_value(x, val, "fill_diagonal_offset"), x)


def _scalar_value(x: Variable, value: Any, what: str) -> Variable:
    v = as_variable(value, None, (x.type.dtype,))
    if v.ndim:
        raise ShapeError(f"{what}: the value must be a scalar{listing(v)}")
    if not np.can_cast(NUMPY[v.type.dtype], NUMPY[x.type.dtype], casting="same_kind"):
        raise DtypeError(
            f"{what}: a value of dtype {v.type.dtype} does not go into {x.type.dtype}"
            f"{listing(x, v)}\nCast it first."
        )
    return cast(v, x.type.dtype)


@public
def trace(x: Any, offset: int = 0) -> Variable:
    """Sum of a diagonal of the first two axes."""
    return PUBLIC["sum"](diagonal(x, offset), axis=-1)


def _offset(k: Any) -> int:
    number = static(as_extent(k, "diagonal", minimum=-(2**62)))
    if number is None:
        raise ArgumentError(f"the number of a diagonal must be an int, not {k!r}")
    return number
