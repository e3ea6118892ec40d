"""Eigenvalues and eigenvectors of symmetric (Hermitian) matrices.

Ops: `Eigh` and `EigenvaluesH`. Both read one triangle, so their gradients are zero in
the other one. Vectors are unique up to a sign each, and only where eigenvalues differ.
General matrices are in linalg_eig.py.

References
----------
Giles 2008, An extended collection of matrix derivative results, 3.1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import real_dtype
from symgraph.core.node import Shape, Variable
from symgraph.core.public import public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError
from symgraph.ops.linalg_cholesky import Cholesky
from symgraph.ops.linalg_solve import SolveMatrix
from symgraph.ops.matrices import (
    Gradients,
    MatrixOp,
    as_columns,
    check_float,
    check_matrix,
    check_square,
    identity,
    inverse_differences,
    known_square,
    lower_half,
    matrix_operand,
    product,
    real_only,
    transposed,
)
from symgraph.ops.shape import extents


def _folded(g: Variable, lower: bool) -> Variable:
    """The gradient of a symmetric matrix, gathered in the triangle that is read."""
    below = lower_half(g + transposed(g))
    return below if lower else transposed(below)


class Eigh(MatrixOp):
    """w, v with x @ v = v @ diag(w), w ascending, orthonormal columns of v.

    Attributes
    ----------
    lower : the triangle of x that is read
    """

    lower: bool

    name = "eigh"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A square matrix of floats; the values are real."""
        (x,) = inputs
        check_matrix(x, self.name, square=True)
        dtype, batch, order = (
            check_float(self.name, x),
            x.type.shape[:-2],
            known_square(x),
        )
        return (
            fast_type(real_dtype(dtype), (*batch, order)),
            fast_type(dtype, (*batch, order, order)),
        )

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """A value for each row; as x."""
        return shapes[0][:-1], shapes[0]

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """gx = v (diag(gw) + f * (v' gv)) v', f = 1 / (w[j] - w[i]) (Giles 2008, 3.1)."""
        (x,), (w, v), (gw, gv) = inputs, outputs, gradients
        if gw is None and gv is None:
            return (None,)
        real_only("eigh", x)
        middle: Any = None
        if gw is not None:
            middle = as_columns(gw) * identity(extents(w)[-1], w.type.dtype)
        if gv is not None:
            part = inverse_differences(w) * product(transposed(v), gv)
            middle = part if middle is None else middle + part
        return (_folded(product(v, middle, transposed(v)), self.lower),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's eigh."""
        check_square(self.name, arrays[0])
        w, v = np.linalg.eigh(arrays[0], "L" if self.lower else "U")
        return w, v


class EigenvaluesH(MatrixOp):
    """out = the eigenvalues of a symmetric (Hermitian) matrix, ascending.

    Attributes
    ----------
    lower : the triangle of x that is read
    """

    lower: bool

    name = "eigvalsh"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A square matrix of floats; a real vector for each."""
        (x,) = inputs
        check_matrix(x, self.name, square=True)
        dtype = real_dtype(check_float(self.name, x))
        return (fast_type(dtype, (*x.type.shape[:-2], known_square(x))),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """A value for each row."""
        return (shapes[0][:-1],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """gx = v diag(g) v', v the vectors."""
        (x,), (g,) = inputs, gradients
        if g is None:
            return (None,)
        real_only("eigvalsh", x)
        _, v = Eigh(self.lower)(x)
        return (_folded(product(v * as_columns(g), transposed(v)), self.lower),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's eigvalsh."""
        check_square(self.name, arrays[0])
        return (np.linalg.eigvalsh(arrays[0], "L" if self.lower else "U"),)


@public
def eigh(x: Any, UPLO: str = "L") -> tuple[Variable, Variable]:
    """(w, v): eigenvalues and orthonormal eigenvectors of a symmetric matrix.

    x @ v = v @ diag(w)

    Parameters
    ----------
    x : (..., n, n), symmetric (Hermitian)
    UPLO : "L" or "U", the triangle that is read

    Returns
    -------
    w : (..., n), ascending, the real dtype of x
    v : (..., n, n), a vector in each column

    References
    ----------
    Giles 2008, 3.1, for the gradient; that of the vectors exists where the values
    differ.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> w, v = T.linalg.eigh(T.dmatrix("x"))
    >>> w.eval({"x": [[0.0, 1.0], [1.0, 0.0]]})
    array([-1.,  1.])
    """
    w, v = Eigh(_lower(UPLO, "eigh"))(matrix_operand(x, "eigh", square=True))
    return w, v


@public
def eigvalsh(a: Any, b: Any = None, lower: bool = True) -> Variable:
    """out = w where a @ v = w v; or where a @ v = w b @ v. Ascending.

    Parameters
    ----------
    a : (..., n, n), symmetric (Hermitian); the triangle named by `lower` is read
    b : (..., n, n), symmetric and positive definite, optional

    Returns
    -------
    (..., n), the real dtype of a

    References
    ----------
    Golub and Van Loan 2013, Matrix Computations, algorithm 8.7.1, for two matrices.
    """
    a = matrix_operand(a, "eigvalsh", square=True)
    if b is not None:
        real_only("eigvalsh with two matrices", a)
        factor: Variable = Cholesky(bool(lower))(b)
        factor = factor if lower else transposed(factor)
        solve = SolveMatrix("lower")
        half = solve(factor, _symmetric(a, bool(lower)))
        a = solve(factor, transposed(half))
    found: Variable = EigenvaluesH(bool(lower))(a)
    return found


def _symmetric(a: Variable, lower: bool) -> Variable:
    """The symmetric matrix of which one triangle is given."""
    from_ = a if lower else transposed(a)
    below = lower_half(from_)
    return below + transposed(below)


def _lower(uplo: Any, what: str) -> bool:
    if uplo not in ("L", "U"):
        raise ArgumentError(f'{what}: UPLO={uplo!r}; use "L" or "U"')
    return bool(uplo == "L")
