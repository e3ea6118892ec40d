"""Formats, transposes, dense forms, slices, stacks and diagonals of sparse matrices."""

from typing import Any

import numpy as np

from symgraph.core.dtypes import upcast
from symgraph.core.node import Variable, as_variable, constant_of, listing
from symgraph.core.public import PUBLIC
from symgraph.errors import ArgumentError, ConversionError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.gather import CheckIndex, ScatterAdd, Take
from symgraph.ops.shape import AnyExtent, add, as_extent, extents, multiply, variable
from symgraph.sparse.structure import (
    KeepNonzero,
    NonzeroStructure,
    Regroup,
    SelectMajor,
)
from symgraph.sparse.types import FORMATS
from symgraph.sparse.values import arrays_of, compressed, is_matrix
from symgraph.sparse.variable import (
    SparseConstant,
    SparseVariable,
    of_parts,
    sparse_function,
)


@sparse_function
def as_sparse(x: Any, name: str | None = None) -> SparseVariable:
    """A sparse variable, or a SciPy matrix as a constant one.

    Examples
    --------
    >>> import scipy.sparse, symgraph.sparse as sparse
    >>> sparse.as_sparse(scipy.sparse.eye(3, format="csc")).type.shape
    (3, 3)
    """
    if isinstance(x, SparseVariable):
        return x
    if not is_matrix(x):
        raise ConversionError(
            f"{type(x).__name__} is no sparse matrix{_shown(x)}\nPass a SciPy matrix or "
            "a sparse variable; csr_from_dense makes one of a dense variable."
        )
    matrix = compressed(x)
    data, indices, indptr = (constant_of(a) for a in arrays_of(matrix))
    minor = matrix.shape[1 if matrix.format == "csr" else 0]
    return SparseConstant(matrix.format, data, indices, indptr, minor, name)


def _shown(x: Any) -> str:
    return listing(x) if isinstance(x, Variable) else ""


@sparse_function
def as_sparse_or_tensor_(x: Any, name: str | None = None) -> Any:
    """A sparse variable where `x` is sparse, else a dense one."""
    return as_sparse(x, name) if is_sparse(x) else as_variable(x)


def is_sparse(x: Any) -> bool:
    """Whether `x` is a sparse variable or a SciPy matrix."""
    return isinstance(x, SparseVariable) or is_matrix(x)


@sparse_function
def asformat(x: Any, format: str) -> SparseVariable:
    """The same matrix as "csr" or "csc"; the order of its elements may change."""
    x = as_sparse(x)
    if format not in FORMATS:
        raise ArgumentError(f"a sparse format must be one of {FORMATS}, not {format!r}")
    return x if x.format == format else _regrouped(x)


def _regrouped(x: SparseVariable) -> SparseVariable:
    order, indices, indptr = Regroup()(x.indices, x.indptr, variable(x.minor))
    other = "csc" if x.format == "csr" else "csr"
    return SparseVariable(other, Take(0)(x.data, order), indices, indptr, x.major)


@sparse_function
def ensure_sorted_indices(x: Any) -> SparseVariable:
    """The same matrix with the elements of each slice in the order of their indices."""
    return _regrouped(_regrouped(as_sparse(x)))


@sparse_function
def transpose(x: Any) -> SparseVariable:
    """out[i, j] = x[j, i]; CSR becomes CSC and the other way, at no cost.

    Examples
    --------
    >>> import symgraph.sparse as sparse
    >>> sparse.transpose(sparse.csr_matrix("x")).format
    'csc'
    """
    x = as_sparse(x)
    other = "csc" if x.format == "csr" else "csr"
    return SparseVariable(other, x.data, x.indices, x.indptr, x.minor)


@sparse_function
def cast_(x: Any, dtype: Any) -> SparseVariable:
    """The same matrix with elements of another dtype."""
    x = as_sparse(x)
    return x.with_data(cast(x.data, dtype))


# --- dense and sparse --------------------------------------------------------------


@sparse_function
def dense_from_sparse(x: Any) -> Variable:
    """The matrix with its zeros, a dense variable; elements at one place add up.

    Examples
    --------
    >>> import scipy.sparse, symgraph.sparse as sparse
    >>> x = sparse.csr_matrix("x", "float64")
    >>> sparse.dense_from_sparse(x).eval({x: scipy.sparse.eye(2)})
    array([[1., 0.],
           [0., 1.]])
    """
    x = as_sparse(x)
    rows, columns = x.extents
    flat = PUBLIC["zeros"](multiply(rows, columns), x.dtype)
    places = x.rows * variable(columns) + x.columns
    filled = ScatterAdd(0)(flat, places, x.data)
    found: Variable = PUBLIC["reshape"](filled, (rows, columns))
    return found


def _from_dense(x: Any, format: str) -> SparseVariable:
    dense = as_variable(x)
    if dense.ndim == 1:
        dense = PUBLIC["dimshuffle"](dense, "x", 0)
    if dense.ndim != 2:
        raise ShapeError(f"{format}_from_dense: expected a matrix{listing(dense)}")
    if format == "csc":
        dense = PUBLIC["dimshuffle"](dense, 1, 0)
    count = PUBLIC["sum"](PUBLIC["neq"](dense, 0))
    indices, indptr, places = NonzeroStructure()(dense, cast(count, "int64"))
    data = Take(0)(PUBLIC["flatten"](dense), places)
    return SparseVariable(format, data, indices, indptr, extents(dense)[1])


def csr_from_dense(x: Any) -> SparseVariable:
    """A dense matrix as CSR, of its elements that are not 0; a vector is one row."""
    return _from_dense(x, "csr")


def csc_from_dense(x: Any) -> SparseVariable:
    """A dense matrix as CSC, of its elements that are not 0; a vector is one row."""
    return _from_dense(x, "csc")


@sparse_function
def remove0(x: Any) -> SparseVariable:
    """The same matrix without the elements that are stored and 0."""
    x = as_sparse(x)
    zero = cast(PUBLIC["eq"](x.data, 0), "int64")
    count = cast(PUBLIC["sum"](1 - zero), "int64")
    places, indptr = KeepNonzero()(zero, x.indptr, count)
    data, indices = Take(0)(x.data, places), Take(0)(x.indices, places)
    return SparseVariable(x.format, data, indices, indptr, x.minor)


@sparse_function
def clean(x: Any) -> SparseVariable:
    """`remove0`, and the indices sorted."""
    return ensure_sorted_indices(remove0(x))


# --- parts of matrices ---------------------------------------------------------------


@sparse_function
def getitem(x: Any, index: Any) -> Any:
    """x[i, j] is a number; x[slice or list], x[i], x[a:b, c:d] are sparse matrices.

    An int or a slice for each axis, or a vector of ints; an int keeps the axis, with
    extent 1, unless both are ints.

    Examples
    --------
    >>> import symgraph.sparse as sparse
    >>> x = sparse.csr_matrix("x", "float64")
    >>> x[3, 5].type, x[2:4].format
    (float64 (), 'csr')
    """
    x = as_sparse(x)
    pair = index if isinstance(index, tuple) else (index,)
    if len(pair) > 2 or any(i is None or i is Ellipsis for i in pair):
        raise ArgumentError(
            f"a sparse matrix has two axes; {index!r} is no index of it"
        )
    pair = (*pair, *(slice(None),) * (2 - len(pair)))
    if all(_is_int(i) for i in pair):
        places = zip((x.rows, x.columns), pair, x.extents, strict=True)
        here = [
            PUBLIC["eq"](own, CheckIndex()(as_variable(i), variable(extent)))
            for own, i, extent in places
        ]
        both = PUBLIC["and_"](*here)
        zero = PUBLIC["zeros"]((), x.dtype)
        return PUBLIC["sum"](PUBLIC["switch"](both, x.data, zero), dtype=x.dtype)
    format = x.format
    for axis in (0, 1) if format == "csr" else (1, 0):
        if not _is_whole(pair[axis]):
            x = _selected(x.asformat(FORMATS[axis]), pair[axis])
    return x.asformat(format)


def _is_int(i: Any) -> bool:
    if isinstance(i, Variable | np.ndarray):
        return i.ndim == 0
    return isinstance(i, int | np.integer) and not isinstance(i, bool)


def _is_whole(i: Any) -> bool:
    return isinstance(i, slice) and i == slice(None)


def _selected(x: SparseVariable, index: Any) -> SparseVariable:
    """Some slices of the compressed axis."""
    numbers = PUBLIC["arange"](variable(x.major))
    if isinstance(index, slice):
        chosen = PUBLIC["getitem"](numbers, index)
    else:
        chosen = as_variable(index)
        if chosen.ndim > 1 or "int" not in chosen.type.dtype:
            raise ArgumentError(
                f"an axis of a sparse matrix is indexed by ints and slices"
                f"{listing(chosen)}"
            )
        if chosen.ndim == 0:
            chosen = PUBLIC["dimshuffle"](chosen, "x")
        chosen = CheckIndex()(chosen, variable(x.major))
    counts = Take(0)(x.indptr, chosen + 1) - Take(0)(x.indptr, chosen)
    total = cast(PUBLIC["sum"](counts), "int64")
    places, indptr = SelectMajor()(x.indptr, cast(chosen, "int64"), total)
    data, indices = Take(0)(x.data, places), Take(0)(x.indices, places)
    return SparseVariable(x.format, data, indices, indptr, x.minor)


def _stacked(blocks: Any, format: str, dtype: Any, inner: str) -> SparseVariable:
    parts = [as_sparse(block) for block in blocks]
    if not parts:
        raise ArgumentError("a stack needs one sparse matrix or more")
    parts = [x.asformat(inner) for x in parts]
    first, other = ("csr", 1) if inner == "csr" else ("csc", 0)
    known = {n for x in parts if (n := x.type.shape[other]) is not None}
    if len(known) > 1:
        raise ShapeError(
            f"sparse matrices whose extents along axis {other} are {sorted(known)} do "
            "not stack"
        )
    kind = upcast(*(x.dtype for x in parts)) if dtype is None else dtype
    join = PUBLIC["concatenate"]
    pointers, before = [parts[0].indptr], variable(extents(parts[0].data)[0])
    for x in parts[1:]:
        pointers.append(x.indptr[1:] + before)
        before = before + variable(extents(x.data)[0])
    minor: AnyExtent = parts[0].minor if not known else known.pop()
    made = SparseVariable(
        first,
        join([cast(x.data, kind) for x in parts]),
        join([_within(x, minor) for x in parts]),
        join(pointers),
        minor,
    )
    return made.asformat(format)


def _within(x: SparseVariable, minor: AnyExtent) -> Variable:
    """The indices, which must lie in the extent that the stack has."""
    if x.minor is minor or (isinstance(minor, int) and x.minor == minor):
        return x.indices
    found: Variable = CheckIndex()(x.indices, variable(minor))
    return found


def vstack(blocks: Any, format: str | None = None, dtype: Any = None) -> SparseVariable:
    """Matrices with equally many columns, one below the other.

    Parameters
    ----------
    blocks : list of sparse matrices
    format : of the result, "csc" by default
    """
    return _stacked(blocks, format or "csc", dtype, "csr")


def hstack(blocks: Any, format: str | None = None, dtype: Any = None) -> SparseVariable:
    """Matrices with equally many rows, side by side.

    Parameters
    ----------
    blocks : list of sparse matrices
    format : of the result, "csc" by default
    """
    return _stacked(blocks, format or "csc", dtype, "csc")


# --- diagonals -----------------------------------------------------------------------


@sparse_function
def diag(x: Any) -> Variable:
    """out[i] = x[i, i], a dense vector, as long as x has rows."""
    x = as_sparse(x)
    on_diagonal = PUBLIC["eq"](x.rows, x.columns)
    parts = PUBLIC["switch"](on_diagonal, x.data, PUBLIC["zeros"]((), x.dtype))
    zeros = PUBLIC["zeros"](x.extents[0], x.dtype)
    found: Variable = ScatterAdd(0)(zeros, x.rows, parts)
    return found


def square_diagonal(v: Any) -> SparseVariable:
    """The vector v on the diagonal of a square CSC matrix."""
    v = as_variable(v)
    if v.ndim != 1:
        raise ShapeError(f"square_diagonal: expected a vector{listing(v)}")
    (order,) = extents(v)
    numbers, ends = PUBLIC["arange"](order), PUBLIC["arange"](add(order, 1))
    return SparseVariable("csc", v, numbers, ends, order)


# --- parts as expressions --------------------------------------------------------------


def CSR(data: Any, indices: Any, indptr: Any, shape: Any) -> SparseVariable:
    """A CSR matrix of expressions: row i has the elements indptr[i] to indptr[i + 1].

    Examples
    --------
    >>> import symgraph.sparse as sparse, symgraph.tensor as T
    >>> v = T.dvector("v")
    >>> x = sparse.CSR(v, [0, 2], [0, 1, 2], (2, 3))
    >>> x.toarray().eval({v: [5.0, 6.0]})
    array([[5., 0., 0.],
           [0., 0., 6.]])
    """
    return of_parts("csr", data, indices, indptr, shape)


def CSC(data: Any, indices: Any, indptr: Any, shape: Any) -> SparseVariable:
    """A CSC matrix of expressions: column j has the elements indptr[j] to indptr[j + 1]."""
    return of_parts("csc", data, indices, indptr, shape)


class CSM:
    """Theano's form of `CSR` and `CSC`: made with a format, called with the parts."""

    def __init__(self, format: str, kmap: Any = None) -> None:
        if format not in FORMATS or kmap is not None:
            raise ArgumentError(f"CSM: a format of {FORMATS}, and no kmap")
        self.format = format

    def __call__(
        self, data: Any, indices: Any, indptr: Any, shape: Any
    ) -> SparseVariable:
        """The matrix of expressions for its parts."""
        return of_parts(self.format, data, indices, indptr, shape)


def csm_data(x: Any) -> Variable:
    """The elements that are stored."""
    return as_sparse(x).data


def csm_indices(x: Any) -> Variable:
    """For each element its column (of CSR) or row (of CSC), int64."""
    return as_sparse(x).indices


def csm_indptr(x: Any) -> Variable:
    """Where the elements of each row (of CSR) or column (of CSC) begin, int64."""
    return as_sparse(x).indptr


def csm_shape(x: Any) -> Variable:
    """(rows, columns)."""
    return as_sparse(x).shape


def csm_properties(x: Any) -> tuple[Variable, Variable, Variable, Variable]:
    """(data, indices, indptr, shape)."""
    return csm_data(x), csm_indices(x), csm_indptr(x), csm_shape(x)


def sp_zeros_like(x: Any) -> SparseVariable:
    """A matrix of the shape, format and dtype of x without elements."""
    x = as_sparse(x)
    nothing = PUBLIC["zeros"](0, x.dtype)
    indptr = PUBLIC["zeros"](add(x.major, as_extent(1)), "int64")
    return SparseVariable(
        x.format, nothing, PUBLIC["zeros"](0, "int64"), indptr, x.minor
    )


def sp_ones_like(x: Any) -> SparseVariable:
    """A matrix of the structure of x whose elements are all 1."""
    x = as_sparse(x)
    return x.with_data(PUBLIC["ones_like"](x.data))
