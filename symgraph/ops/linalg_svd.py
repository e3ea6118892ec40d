"""Singular values and vectors.

Ops: `Svd` and `SingularValues`. Vectors are unique up to a sign (a phase) each, and only
where singular values differ; gradients hold for costs that do not depend on the choice,
and are not finite where two singular values are equal.

References
----------
Townsend 2016, Differentiating the singular value decomposition. Giles 2008, An extended
collection of matrix derivative results, 3.2.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import real_dtype
from symgraph.core.node import Shape, Variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import StaticShape, TensorType, fast_type
from symgraph.errors import GradientError
from symgraph.ops.matrices import (
    Gradients,
    MatrixOp,
    as_columns,
    as_rows,
    check_float,
    check_matrix,
    identity,
    inverse_differences,
    matrix_operand,
    product,
    real_only,
    transposed,
)
from symgraph.ops.shape import AnyExtent, extents, maximum, negate


def shorter(m: AnyExtent, n: AnyExtent) -> AnyExtent:
    """The smaller of two extents."""
    if isinstance(m, int) and isinstance(n, int):
        return min(m, n)
    return negate(maximum(negate(m), negate(n)))


def static_shorter(shape: StaticShape) -> int | None:
    """The smaller extent of a matrix, if it is known."""
    m, n = shape[-2:]
    return None if m is None or n is None else min(m, n)


class Svd(MatrixOp):
    """u, s, vh with x = u @ diag(s) @ vh, orthonormal columns of u and rows of vh.

    Attributes
    ----------
    full : whether u and vh are square: then they are completed to bases
    """

    full: bool

    name = "svd"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Any matrix of floats."""
        (x,) = inputs
        check_matrix(x, self.name)
        dtype, (*batch, rows, columns) = check_float(self.name, x), x.type.shape
        count = static_shorter(x.type.shape)
        left, right = (rows, columns) if self.full else (count, count)
        return (
            fast_type(dtype, (*batch, rows, left)),
            fast_type(real_dtype(dtype), (*batch, count)),
            fast_type(dtype, (*batch, right, columns)),
        )

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """As many values as the shorter side has."""
        (*batch, rows, columns) = shapes[0]
        count = shorter(rows, columns)
        left, right = (rows, columns) if self.full else (count, count)
        return (*batch, rows, left), (*batch, count), (*batch, right, columns)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """Townsend 2016, equation 20; the bases of null spaces have no gradient."""
        (x,), (u, s, vh), (gu, gs, gvh) = inputs, outputs, gradients
        if gu is None and gs is None and gvh is None:
            return (None,)
        rows, columns = x.type.shape[-2:]
        square = rows is not None and rows == columns
        if self.full and not square:
            if gu is not None or gvh is not None:
                raise GradientError(
                    f"svd: with full_matrices=True the vectors have a gradient only if "
                    f"the matrix is known to be square{listing(x)}\n"
                    "Pass full_matrices=False."
                )
            u, s, vh = Svd(False)(x)
        if gu is not None or gvh is not None:
            real_only("svd", x)
        middle: Any = None
        if gs is not None:
            middle = as_columns(gs) * identity(extents(s)[-1], s.type.dtype)
        found: Any = None
        squares = inverse_differences(s * s)
        if gu is not None:
            inner = product(transposed(u), gu)
            part = squares * (inner - transposed(inner)) * as_columns(s)
            middle = part if middle is None else middle + part
            if not square:
                outside = gu - product(u, inner)
                found = product(outside / as_columns(s), vh)
        if gvh is not None:
            gv = transposed(gvh)
            inner = product(vh, gv)
            part = as_rows(s) * squares * (inner - transposed(inner))
            middle = part if middle is None else middle + part
            if not square:
                outside = gvh - product(transposed(inner), vh)
                side = product(u, outside / as_rows(s))
                found = side if found is None else found + side
        main = product(u, middle.astype(u.type.dtype), vh)
        return (main if found is None else main + found,)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's svd."""
        u, s, vh = np.linalg.svd(arrays[0], full_matrices=self.full)
        return u, s, vh


class SingularValues(MatrixOp):
    """out = the singular values of x, the largest first."""

    name = "svdvals"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Any matrix of floats; a vector for each."""
        (x,) = inputs
        check_matrix(x, self.name)
        shape = (*x.type.shape[:-2], static_shorter(x.type.shape))
        return (fast_type(real_dtype(check_float(self.name, x)), shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """As many as the shorter side has."""
        (*batch, rows, columns) = shapes[0]
        return ((*batch, shorter(rows, columns)),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """gx = u @ diag(g) @ vh (Giles 2008, 3.2)."""
        (x,), (g,) = inputs, gradients
        if g is None:
            return (None,)
        u, _, vh = Svd(False)(x)
        return (product(u * as_columns(g), vh),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's svd, without the vectors."""
        return (np.linalg.svd(arrays[0], compute_uv=False),)


@public
def svd(x: Any, full_matrices: Any = True, compute_uv: Any = True) -> Any:
    """(u, s, vh) with x = u @ diag(s) @ vh; u and vh have orthonormal columns and rows.

    Parameters
    ----------
    x : (..., m, n)
    full_matrices : complete u to (m, m) and vh to (n, n); else their shorter extent is
        min(m, n)
    compute_uv : False gives s alone

    Returns
    -------
    u, s, vh : (..., m, m), (..., min(m, n)) with the largest first, (..., n, n)

    References
    ----------
    Townsend 2016, Differentiating the singular value decomposition, for the gradient:
    vectors have one where singular values differ, and with ``full_matrices=False`` (or
    a matrix known to be square).

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> u, s, vh = T.linalg.svd(T.dmatrix("x"), full_matrices=False)
    >>> s.eval({"x": [[3.0, 0.0], [0.0, 4.0]]})
    array([4., 3.])
    """
    x = matrix_operand(x, "svd")
    if not compute_uv:
        return svdvals(x)
    return Svd(bool(full_matrices))(x)


@public
def svdvals(x: Any) -> Variable:
    """out = the singular values of every matrix of x, the largest first.

    Parameters
    ----------
    x : (..., m, n)

    Returns
    -------
    (..., min(m, n)), the real float dtype of x

    References
    ----------
    Giles 2008, 3.2, for the gradient.
    """
    found: Variable = SingularValues()(matrix_operand(x, "svdvals"))
    return found


@public
def matrix_rank(x: Any, tol: Any = None) -> Variable:
    """out = how many singular values of every matrix of x are larger than `tol`.

    Parameters
    ----------
    x : (..., m, n)
    tol : by default the largest singular value times max(m, n) times the rounding unit

    Returns
    -------
    (...), int64
    """
    s = svdvals(x)
    if tol is None:
        rows, columns = extents(matrix_operand(x, "matrix_rank"))[-2:]
        unit = np.finfo(s.type.dtype).eps
        size = PUBLIC["cast"](maximum(rows, columns), s.type.dtype)
        tol = as_rows(PUBLIC["max"](s, axis=-1)) * size * unit
    elif isinstance(tol, Variable):
        tol = as_rows(tol)
    found: Variable = PUBLIC["sum"](PUBLIC["gt"](s, tol), axis=-1)
    return found
