"""Products with sparse matrices.

Ops: `CompressedDot` (sparse times dense) and `SampledProduct` (a product of dense
matrices at some places only); their gradients are one another. The product of two sparse
matrices is read, multiplied and added at places that `ProductStructure` finds.

References
----------
Gustavson 1978, Two fast algorithms for sparse matrices: multiplication and permuted
transposition.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symgraph.core.dtypes import is_discrete, upcast
from symgraph.core.node import Op, Shape, Variable, as_variable, listing
from symgraph.core.public import PUBLIC
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.gather import ScatterAdd, Take
from symgraph.ops.shape import extents, folded, static, variable
from symgraph.sparse.structure import (
    ProductCounts,
    ProductStructure,
    checked,
    slices_of,
)
from symgraph.sparse.values import matrix_of
from symgraph.sparse.variable import FUNCTIONS, SparseVariable, sparse_function

Gradients = Sequence[Variable | None]
Arrays = tuple[np.ndarray, ...]
#: elements of the rows that are multiplied at once
BLOCK = 1 << 20


class CompressedDot(Op):
    """Sparse @ dense. Operands: data, indices, indptr, dense (matrix), minor.

    out[i, j] = sum over p in slice i of data[p] * dense[indices[p], j]; or `transposed`,
    out[indices[p], j] = sum of data[p] * dense[slice of p, j].
    """

    transposed: bool

    name = "compressed_dot"
    host: ClassVar[bool] = True
    can_fail = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Three vectors, a matrix and a number; data and matrix of one dtype."""
        data, _, indptr, dense, minor = inputs
        ranks = tuple(v.ndim for v in inputs)
        if ranks != (1, 1, 1, 2, 0):
            raise ShapeError(f"compressed_dot: ranks {ranks}{listing(*inputs)}")
        if data.type.dtype != dense.type.dtype:
            raise DtypeError(
                f"compressed_dot: dtypes differ{listing(data, dense)}\nCast one."
            )
        slices = indptr.type.shape[0]
        major = None if slices is None else slices - 1
        rows = static(minor) if self.transposed else major
        return (fast_type(data.type.dtype, (rows, dense.type.shape[1])),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Slices, or the other extent; columns of the dense matrix."""
        rows: Any = folded(inputs[4]) if self.transposed else shapes[2][0] - 1
        return ((rows, shapes[3][1]),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """data: the product of g and dense at the places; dense: the transpose times g."""
        (data, indices, indptr, dense, minor), (g,) = inputs, gradients
        if g is None or is_discrete(data.type.dtype):
            return (None,) * 5
        pair = (
            (PUBLIC["conj"](dense), g)
            if self.transposed
            else (g, PUBLIC["conj"](dense))
        )
        to_data = SampledProduct()(indices, indptr, *pair)
        other = CompressedDot(not self.transposed)
        to_dense = other(PUBLIC["conj"](data), indices, indptr, g, minor)
        return (to_data, None, None, to_dense, None)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows to the structure."""
        return (True, False, False, True, False)

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """SciPy's product."""
        data, indices, indptr, dense, minor = arrays
        extent, slices = int(minor), len(indptr) - 1
        checked(indices, indptr, extent, "dot")
        if dense.shape[0] != (slices if self.transposed else extent):
            shape = (extent, slices) if self.transposed else (slices, extent)
            raise ShapeError(
                f"dot: shapes {shape} and {dense.shape} do not fit together, inner "
                f"extents differ"
            )
        format = "csc" if self.transposed else "csr"
        matrix = matrix_of(format, data, indices, indptr, extent)
        found = np.ascontiguousarray(matrix @ dense)
        return (found.astype(data.dtype, copy=False),)


class SampledProduct(Op):
    """out[p] = sum over j of left[slice of p, j] * right[indices[p], j].

    Operands: indices, indptr, left, right. It is left @ right' at the places of a sparse
    matrix.
    """

    name = "sampled_product"
    host: ClassVar[bool] = True
    can_fail = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Two vectors and two matrices of one dtype."""
        indices, _, left, right = inputs
        ranks = tuple(v.ndim for v in inputs)
        if ranks != (1, 1, 2, 2):
            raise ShapeError(f"sampled_product: ranks {ranks}{listing(*inputs)}")
        if left.type.dtype != right.type.dtype:
            raise DtypeError(
                f"sampled_product: dtypes differ{listing(left, right)}\nCast one."
            )
        return (fast_type(left.type.dtype, indices.type.shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """A value for each place."""
        return (shapes[0],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """The sparse matrix of g times the other operand."""
        (indices, indptr, left, right), (g,) = inputs, gradients
        if g is None or is_discrete(left.type.dtype):
            return (None,) * 4
        minor = variable(extents(right)[0])
        conj = PUBLIC["conj"]
        to_left = CompressedDot(False)(g, indices, indptr, conj(right), minor)
        to_right = CompressedDot(True)(g, indices, indptr, conj(left), minor)
        return (None, None, to_left, to_right)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows to the structure."""
        return (False, False, True, True)

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """NumPy's einsum of the rows, block after block."""
        indices, indptr, left, right = arrays
        checked(indices, indptr, right.shape[0], "dot")
        if len(indptr) != left.shape[0] + 1 or left.shape[1] != right.shape[1]:
            raise ShapeError(
                f"dot: shapes {left.shape} and {right.shape[::-1]} do not fit the "
                f"{len(indptr) - 1} slices of a sparse matrix"
            )
        slices = slices_of(indptr)
        out = np.empty(len(indices), left.dtype)
        step = max(1, BLOCK // max(1, left.shape[1]))
        for start in range(0, len(indices), step):
            part = slice(start, start + step)
            np.einsum(
                "pj,pj->p", left[slices[part]], right[indices[part]], out=out[part]
            )
        return (out,)


# --- functions ---------------------------------------------------------------------


@sparse_function
def dot(x: Any, y: Any) -> Any:
    """out = x @ y, where one or both are sparse; dense unless both are.

    Parameters
    ----------
    x, y : sparse matrices, SciPy's matrices, or dense vectors and matrices

    Returns
    -------
    dense variable; the product of two sparse matrices is sparse, in the format of x

    Raises
    ------
    ShapeError : inner extents differ

    Examples
    --------
    >>> import symgraph.sparse as sparse, symgraph.tensor as T
    >>> x, w = sparse.csr_matrix("x", "float64"), T.dmatrix("w")
    >>> sparse.dot(x, w).type
    float64 (None, None)
    """
    x, y = FUNCTIONS["as_sparse_or_tensor"](x), FUNCTIONS["as_sparse_or_tensor"](y)
    if isinstance(x, SparseVariable):
        if isinstance(y, SparseVariable):
            return _both(x, y)
        return _times(x, y)
    if not isinstance(y, SparseVariable):
        return PUBLIC["dot"](x, y)
    if x.ndim == 1:
        return _times(y.transpose(), x)
    transposed = PUBLIC["dimshuffle"]
    return transposed(_times(y.transpose(), transposed(x, 1, 0)), 1, 0)


structured_dot = true_dot = dot


def _times(x: SparseVariable, y: Variable) -> Variable:
    if y.ndim == 0:
        raise ShapeError(f"dot: a scalar has no axis to sum over{listing(y)}\nUse *.")
    if y.ndim > 2:
        raise ShapeError(
            f"dot: sparse matrices multiply vectors and matrices{listing(y)}"
        )
    inner, other = x.type.shape[1], y.type.shape[0]
    if inner is not None and other is not None and inner != other:
        raise ShapeError(
            f"dot: inner extents differ, {inner} ({x!r}, axis 1) and {other}{listing(y)}"
        )
    common = upcast(x.dtype, y.type.dtype)
    if common == "bool":
        raise DtypeError(f"dot: it is not defined for two bools{listing(x.data, y)}")
    dense = cast(y if y.ndim == 2 else PUBLIC["dimshuffle"](y, 0, "x"), common)
    op = CompressedDot(x.format == "csc")
    minor = variable(x.minor)
    out: Variable = op(cast(x.data, common), x.indices, x.indptr, dense, minor)
    return out if y.ndim == 2 else PUBLIC["dimshuffle"](out, 0)


def _both(x: SparseVariable, y: SparseVariable) -> SparseVariable:
    (_, inner), (other, _) = x.type.shape, y.type.shape
    if inner is not None and other is not None and inner != other:
        raise ShapeError(
            f"dot: inner extents differ, {inner} ({x!r}, axis 1) and {other} ({y!r}, "
            "axis 0)"
        )
    if x.format == "csc":  # as rows: x @ y = (y' @ x')'
        turned = _both(y.asformat("csc").transpose(), x.transpose())
        found: SparseVariable = turned.transpose()
        return found
    y = y.asformat("csr")
    common = upcast(x.dtype, y.dtype)
    given = (x.indices, x.indptr, y.indices, y.indptr, variable(y.minor))
    count, terms = ProductCounts()(*given)
    indices, indptr, left, right, places = ProductStructure()(*given, count, terms)
    parts = Take(0)(cast(x.data, common), left) * Take(0)(cast(y.data, common), right)
    data = ScatterAdd(0)(PUBLIC["zeros"](count, common), places, parts)
    return SparseVariable("csr", data, indices, indptr, y.minor)


@sparse_function
def sampling_dot(x: Any, y: Any, p: Any) -> SparseVariable:
    """out = p * (x @ y'), elementwise, computed only where p has elements.

    Parameters
    ----------
    x, y : dense (m, k) and (n, k)
    p : sparse (m, n)

    Examples
    --------
    >>> import symgraph.sparse as sparse, symgraph.tensor as T
    >>> p = sparse.csc_matrix("p", "float64")
    >>> sparse.sampling_dot(T.dmatrix("x"), T.dmatrix("y"), p).format
    'csc'
    """
    p = FUNCTIONS["as_sparse"](p)
    left, right = as_variable(x), as_variable(y)
    for v in (left, right):
        if v.ndim != 2:
            raise ShapeError(f"sampling_dot: expected a matrix{listing(v)}")
    if p.format == "csc":
        left, right = right, left
    common = upcast(left.type.dtype, right.type.dtype)
    pair = (cast(left, common), cast(right, common))
    found: SparseVariable = p.with_data(
        p.data * SampledProduct()(p.indices, p.indptr, *pair)
    )
    return found


@sparse_function
def usmm(alpha: Any, x: Any, y: Any, z: Any) -> Any:
    """out = alpha * (x @ y) + z, for a sparse x (or y) and dense others."""
    return alpha * dot(x, y) + z
