"""Tensors as matrices: tensorinv, tensorsolve, and diagonals under Theano's names."""

from typing import Any

from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.axes import normalize_axis
from symgraph.ops.diagonal import diagonal
from symgraph.ops.linalg_inverse import MatrixInverse
from symgraph.ops.linalg_solve import SolveMatrix
from symgraph.ops.matrices import as_columns, matrix_operand, matrix_operands
from symgraph.ops.shape import add, extents
from symgraph.ops.shape import product as product_of


@public
def tensorinv(a: Any, ind: int = 2) -> Variable:
    """out = the inverse of a with respect to ``tensordot(a, b, ind)``.

    Parameters
    ----------
    a : the product of its first `ind` extents is that of the others
    ind : how many axes are the rows of the matrix that is inverted

    Returns
    -------
    (*a.shape[ind:], *a.shape[:ind])

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.linalg.tensorinv(T.dtensor4("a")).type
    float64 (None, None, None, None)
    """
    a = as_variable(a)
    if isinstance(ind, bool) or not isinstance(ind, int) or ind < 1:
        raise ArgumentError(f"tensorinv: ind={ind!r} must be a positive int")
    if a.ndim <= ind:
        raise ShapeError(f"tensorinv: ind={ind} needs more than {ind} axes{listing(a)}")
    shape = extents(a)
    first, second = shape[:ind], shape[ind:]
    matrix = PUBLIC["reshape"](a, (product_of(first), product_of(second)))
    inverse = MatrixInverse()(matrix)
    found: Variable = PUBLIC["reshape"](inverse, (*second, *first))
    return found


@public
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Variable:
    """out = x where tensordot(a, x, x.ndim) = b.

    Parameters
    ----------
    a : (*b.shape, *x.shape), the products of both equal
    b : any shape
    axes : axes of a that are moved to its end first

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.linalg.tensorsolve(T.dtensor4("a"), T.dmatrix("b")).type
    float64 (None, None)
    """
    a, b = matrix_operands("tensorsolve", a, b)
    if axes is not None:
        moved = [normalize_axis(axis, a.ndim, "tensorsolve", a) for axis in axes]
        order = [axis for axis in range(a.ndim) if axis not in moved] + moved
        a = PUBLIC["dimshuffle"](a, *order)
    if a.ndim < b.ndim:
        raise ShapeError(f"tensorsolve: a has fewer axes than b{listing(a, b)}")
    wanted = extents(a)[b.ndim :]
    rows, columns = product_of(extents(b)), product_of(wanted)
    matrix = PUBLIC["reshape"](a, (rows, columns))
    right = PUBLIC["reshape"](b, (rows, 1))
    matrix_operand(matrix, "tensorsolve", square=True)
    found: Variable = PUBLIC["reshape"](SolveMatrix("general")(matrix, right), wanted)
    return found


@public
def extract_diag(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """``diagonal`` under Theano's name."""
    return diagonal(x, offset, axis1, axis2)


@public
def alloc_diag(
    diagonal: Any, offset: int = 0, axis1: int = -2, axis2: int = -1
) -> Variable:
    """Matrices with the vectors `diagonal` on their diagonal, and zeros elsewhere.

    Parameters
    ----------
    diagonal : (..., n)
    offset : number of the diagonal, 0 for the main one
    axis1, axis2 : where in the result the rows and the columns are

    Returns
    -------
    (..., n + abs(offset), n + abs(offset)), dtype of `diagonal`

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.linalg.alloc_diag(T.dmatrix("v", shape=(5, 3))).type
    float64 (5, 3, 3)
    """
    x = as_variable(diagonal)
    if x.ndim < 1:
        raise ShapeError(
            f"alloc_diag: expected a vector or a batch of them{listing(x)}"
        )
    if isinstance(offset, bool) or not isinstance(offset, int):
        raise ArgumentError(f"alloc_diag: offset must be an int, not {offset!r}")
    count = extents(x)[-1]
    order = add(count, abs(offset))
    if offset:
        zeros = PUBLIC["zeros"]((*extents(x)[:-1], abs(offset)), x.type.dtype)
        parts = [zeros, x] if offset > 0 else [x, zeros]
        x = PUBLIC["concatenate"](parts, axis=x.ndim - 1)
    where = PUBLIC["eye"](order, k=offset, dtype="int8")
    zero = PUBLIC["zeros"]((), x.type.dtype)
    found: Variable = PUBLIC["switch"](PUBLIC["gt"](where, 0), as_columns(x), zero)
    first = normalize_axis(axis1, found.ndim, "alloc_diag", x)
    second = normalize_axis(axis2, found.ndim, "alloc_diag", x)
    if (first, second) != (found.ndim - 2, found.ndim - 1):
        found = PUBLIC["moveaxis"](found, (-2, -1), (first, second))
    return found
