"""Norms of vectors and matrices, and condition numbers: expressions, no ops."""

import math
from typing import Any

from symgraph.core.dtypes import to_float
from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.arrange import moveaxis
from symgraph.ops.axes import normalize_axis
from symgraph.ops.families import cast
from symgraph.ops.linalg_inverse import MatrixInverse
from symgraph.ops.linalg_svd import svdvals
from symgraph.ops.matrices import matrix_operand
from symgraph.ops.statistics import norm

MATRIX_ORDERS = ("fro", "nuc", math.inf, -math.inf, 1, -1, 2, -2)


@public
def array_norm(
    x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False
) -> Variable:
    """out = a norm of x, as ``numpy.linalg.norm``: this is ``T.linalg.norm``.

    Vectors: (sum of abs(x) ** ord) ** (1 / ord), 2 by default; inf and -inf are the
    largest and smallest abs(x), 0 counts what is not zero. Matrices: "fro" (default)
    is that of all elements, "nuc" the sum of the singular values, 2 and -2 the largest
    and the smallest of them; 1 and -1 of the sums of abs(x) of columns, inf and -inf of
    rows.

    Parameters
    ----------
    x : float; without `axis` and `ord` of any rank (flattened), with `ord` a vector or
        a matrix
    ord : None, a number, "fro" or "nuc"
    axis : int for vectors, pair of ints for matrices

    Returns
    -------
    x without the axes, or with extents of 1; the real float dtype of x

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> float(T.linalg.norm(T.dvector("x")).eval({"x": [3.0, 4.0]}))
    5.0
    """
    x = as_variable(x)
    x = cast(x, to_float(x.type.dtype))
    if isinstance(ord, Variable):
        raise ArgumentError(f"norm: ord must be a number, not a variable{listing(ord)}")
    if axis is None:
        if ord is None:
            return norm(x, 2, None, keepdims)
        if x.ndim not in (1, 2):
            raise ShapeError(
                f"norm: ord={ord!r} needs a vector or a matrix{listing(x)}\nPass axis=."
            )
        axes: tuple[int, ...] = tuple(range(x.ndim))
    elif isinstance(axis, list | tuple):
        axes = tuple(normalize_axis(a, x.ndim, "norm", x) for a in axis)
    else:
        axes = (normalize_axis(axis, x.ndim, "norm", x),)
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ArgumentError(
                f"norm: ord={ord!r} is defined for matrices{listing(x)}"
            )
        return norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ArgumentError(f"norm: axis={axis!r}; give one axis, or two that differ")
    return _matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)


def _matrix_norm(
    x: Variable, ord: Any, axes: tuple[int, ...], keepdims: bool
) -> Variable:
    if ord not in MATRIX_ORDERS:
        raise ArgumentError(
            f"norm: ord={ord!r} of a matrix; use one of {MATRIX_ORDERS}{listing(x)}"
        )
    x = moveaxis(x, axes, (-2, -1))
    if ord == "fro":
        found = norm(x, 2, (x.ndim - 2, x.ndim - 1))
    elif ord == "nuc":
        found = PUBLIC["sum"](svdvals(x), axis=-1)
    else:
        over = {2: None, 1: -2}.get(abs(ord), -1)
        along = svdvals(x) if over is None else PUBLIC["sum"](abs(x), axis=over)
        found = PUBLIC["max" if ord > 0 else "min"](along, axis=-1)
    if keepdims:
        kept = iter(range(found.ndim))
        order = ["x" if i in axes else next(kept) for i in range(x.ndim)]
        found = PUBLIC["dimshuffle"](found, *order)
    return found


@public
def cond(x: Any, p: Any = None) -> Variable:
    """out = norm of x times norm of its inverse; the ratio of singular values for p=None.

    Parameters
    ----------
    x : (..., n, n), or (..., m, n) for p in None, 2 and -2
    p : order of the norm, as for `norm`; with -2 the ratio smallest to largest

    Returns
    -------
    (...), the real float dtype of x
    """
    if p in (None, 2, -2):
        s = svdvals(matrix_operand(x, "cond"))
        largest, smallest = PUBLIC["max"](s, axis=-1), PUBLIC["min"](s, axis=-1)
        ratio: Variable = smallest / largest if p == -2 else largest / smallest
        return ratio
    x = matrix_operand(x, "cond", square=True)
    axes = (x.ndim - 2, x.ndim - 1)
    found: Variable = array_norm(x, p, axes) * array_norm(MatrixInverse()(x), p, axes)
    return found
