"""Sums, elementwise products and functions of the elements of sparse matrices."""

from collections.abc import Callable
from typing import Any

from symgraph.core.dtypes import upcast
from symgraph.core.node import Variable, as_operands, listing
from symgraph.core.public import PUBLIC
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.gather import ScatterAdd, Take
from symgraph.ops.shape import variable
from symgraph.sparse.arrange import (
    as_sparse,
    as_sparse_or_tensor_,
    dense_from_sparse,
    is_sparse,
)
from symgraph.sparse.structure import Union, UnionCount
from symgraph.sparse.variable import SparseVariable, sparse_function


def _fitting(what: str, x: SparseVariable, y: Any) -> None:
    for axis, (m, n) in enumerate(zip(x.type.shape, y.type.shape, strict=True)):
        if m is not None and n is not None and m != n:
            raise ShapeError(f"{what}: extents {m} and {n} of axis {axis} differ")


@sparse_function
def add(x: Any, y: Any) -> Any:
    """out = x + y; sparse if both are, in the format of x, else dense.

    Examples
    --------
    >>> import symgraph.sparse as sparse, symgraph.tensor as T
    >>> x = sparse.csr_matrix("x", "float64")
    >>> (x + x).format, (x + T.dmatrix("y")).type
    ('csr', float64 (None, None))
    """
    x, y = as_sparse_or_tensor_(x), as_sparse_or_tensor_(y)
    if not isinstance(x, SparseVariable):
        return add(y, x) if isinstance(y, SparseVariable) else x + y
    if not isinstance(y, SparseVariable):
        return dense_from_sparse(x) + y
    _fitting("add", x, y)
    y = y.asformat(x.format)
    return _summed(x, y)


def _summed(x: SparseVariable, y: SparseVariable) -> SparseVariable:
    common = upcast(x.dtype, y.dtype)
    indices, indptr, left, right, count = _united(x, y)
    first, second = cast(x.data, common), cast(y.data, common)
    zeros = PUBLIC["zeros"](count, common)
    data = ScatterAdd(0)(ScatterAdd(0)(zeros, left, first), right, second)
    return SparseVariable(x.format, data, indices, indptr, x.minor)


def _united(x: SparseVariable, y: SparseVariable) -> tuple[Variable, ...]:
    given = (x.indices, x.indptr, y.indices, y.indptr, variable(x.minor))
    count = UnionCount()(*given)
    return (*Union()(*given, count), count)


@sparse_function
def neg(x: Any) -> SparseVariable:
    """out = -x."""
    x = as_sparse(x)
    return x.with_data(-x.data)


@sparse_function
def sub(x: Any, y: Any) -> Any:
    """out = x - y; sparse if both are, else dense."""
    x, y = as_sparse_or_tensor_(x), as_sparse_or_tensor_(y)
    return add(x, neg(y) if isinstance(y, SparseVariable) else -y)


@sparse_function
def mul(x: Any, y: Any) -> SparseVariable:
    """out = x * y elementwise, with the structure of the sparse one (the first of two).

    Parameters
    ----------
    x, y : sparse matrices; or one of them dense: a number, a vector for the columns, or
        a matrix (extents of 1 broadcast)

    Examples
    --------
    >>> import symgraph.sparse as sparse
    >>> (sparse.csc_matrix("x", "float32") * 2).type
    SparseType(format='csc', dtype='float32', shape=(None, None))
    """
    if not is_sparse(x):
        x, y = y, x
    x = as_sparse(x)
    if is_sparse(y):
        y = as_sparse(y)
        _fitting("mul", x, y)
        y = y.asformat(x.format)
        _, _, left, right, count = _united(x, y)
        values = ScatterAdd(0)(PUBLIC["zeros"](count, y.dtype), right, y.data)
        return x.with_data(x.data * Take(0)(values, left))
    return x.with_data(x.data * _at_places(x, y, "mul"))


@sparse_function
def true_div(x: Any, y: Any) -> SparseVariable:
    """out = x / y for a dense y: a number, a vector for the columns, or a matrix."""
    if is_sparse(y):
        raise ArgumentError("a sparse matrix cannot be a divisor: it has zeros")
    x = as_sparse(x)
    return x.with_data(x.data / _at_places(x, y, "true_div"))


def _at_places(x: SparseVariable, y: Any, what: str) -> Variable:
    """A dense operand at the places of a sparse one."""
    _, y = as_operands(x.data, y)
    if y.ndim > 2:
        raise ShapeError(f"{what}: a sparse matrix times rank {y.ndim}{listing(y)}")
    if y.ndim == 0:
        return y
    rows, columns = x.extents
    if y.ndim == 1:
        y = PUBLIC["dimshuffle"](y, "x", 0)
    whole = PUBLIC["broadcast_to"](y, (rows, columns))
    places = x.rows * variable(columns) + x.columns
    found: Variable = Take(0)(PUBLIC["flatten"](whole), places)
    return found


@sparse_function
def row_scale(x: Any, s: Any) -> SparseVariable:
    """out[i, j] = x[i, j] * s[i]."""
    x = as_sparse(x)
    return x.with_data(x.data * Take(0)(_vector(s, "row_scale"), x.rows))


@sparse_function
def col_scale(x: Any, s: Any) -> SparseVariable:
    """out[i, j] = x[i, j] * s[j]."""
    x = as_sparse(x)
    return x.with_data(x.data * Take(0)(_vector(s, "col_scale"), x.columns))


def _vector(s: Any, what: str) -> Variable:
    (v,) = as_operands(s)
    if v.ndim != 1:
        raise ShapeError(f"{what}: the scale must be a vector{listing(v)}")
    return v


@sparse_function
def sp_sum(x: Any, axis: Any = None, sparse_grad: bool = False) -> Variable:
    """Sum of all elements, of each column (axis 0) or of each row (axis 1); dense.

    Parameters
    ----------
    sparse_grad : accepted for compatibility; gradients have the structure of x

    Examples
    --------
    >>> import symgraph.sparse as sparse
    >>> sparse.sp_sum(sparse.csr_matrix("x", "float64"), axis=0).type
    float64 (None,)
    """
    x = as_sparse(x)
    if axis is None:
        found: Variable = PUBLIC["sum"](x.data)
        return found
    if axis not in (0, 1, -1, -2):
        raise ArgumentError(f"sp_sum: axis={axis!r}; a sparse matrix has axes 0 and 1")
    kept = 1 if axis in (0, -2) else 0
    data = PUBLIC["cast"](x.data, PUBLIC["sum"](x.data).type.dtype)
    zeros = PUBLIC["zeros"](x.extents[kept], data.type.dtype)
    found = ScatterAdd(0)(zeros, (x.rows, x.columns)[kept], data)
    return found


def _structured(name: str, function: str) -> Callable[[Any], SparseVariable]:
    def structured(x: Any) -> SparseVariable:
        x = as_sparse(x)
        return x.with_data(PUBLIC[function](x.data))

    structured.__name__ = structured.__qualname__ = name
    structured.__doc__ = f"`{function}` of the elements that are stored."
    return sparse_function(structured)


#: name → function of the elements; zeros that are not stored stay zeros
UNARY = {
    **{f"structured_{f}": f for f in ("abs", "exp", "log", "sigmoid", "sqrt")},
    "sgn": "sign",
    **{
        f: f
        for f in (
            "arcsin", "arcsinh", "arctan", "arctanh", "ceil", "conj", "deg2rad", "expm1",
            "floor", "log1p", "rad2deg", "rint", "sin", "sinh", "sqr", "sqrt", "tan",
            "tanh", "trunc",
        )
    },
}  # fmt: skip
STRUCTURED = {name: _structured(name, function) for name, function in UNARY.items()}


def structured_add_s_v(x: Any, v: Any) -> SparseVariable:
    """out[i, j] = x[i, j] + v[j] for the elements that are stored."""
    x = as_sparse(x)
    return x.with_data(x.data + Take(0)(_vector(v, "structured_add_s_v"), x.columns))


def structured_add(x: Any, s: Any) -> SparseVariable:
    """The scalar s added to the elements that are stored."""
    x = as_sparse(x)
    return x.with_data(x.data + s)


def structured_pow(x: Any, s: Any) -> SparseVariable:
    """The elements that are stored to the power of the scalar s."""
    x = as_sparse(x)
    return x.with_data(x.data**s)


def structured_maximum(x: Any, s: Any) -> SparseVariable:
    """The larger of the elements that are stored and the scalar s."""
    x = as_sparse(x)
    return x.with_data(PUBLIC["maximum"](x.data, s))


def structured_minimum(x: Any, s: Any) -> SparseVariable:
    """The smaller of the elements that are stored and the scalar s."""
    x = as_sparse(x)
    return x.with_data(PUBLIC["minimum"](x.data, s))
