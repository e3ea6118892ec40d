"""Eigenvalues and eigenvectors of general matrices, which are complex.

The op is `Eig`. Vectors have length 1 and are unique up to a phase each; gradients hold
for costs that do not depend on the phase.

References
----------
Boeddeker et al. 2017, On the computation of complex-valued gradients with application to
statistically optimum beamforming, equation 4.77. arXiv:1701.00392
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import complex_dtype
from symgraph.core.node import Shape, Variable
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.ops.linalg_solve import SolveMatrix
from symgraph.ops.matrices import (
    Gradients,
    MatrixOp,
    adjoint,
    as_columns,
    check_float,
    check_matrix,
    check_square,
    identity,
    inverse_differences,
    known_square,
    matrix_operand,
    product,
)
from symgraph.ops.shape import extents


class Eig(MatrixOp):
    """w, v with x @ v = v @ diag(w), complex, columns of v of length 1."""

    name = "eig"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A square matrix of floats; values and vectors are complex."""
        (x,) = inputs
        check_matrix(x, self.name, square=True)
        dtype = complex_dtype(check_float(self.name, x))
        batch, order = x.type.shape[:-2], known_square(x)
        return fast_type(dtype, (*batch, order)), fast_type(
            dtype, (*batch, order, order)
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
        """Inverse of v', times diag(gw) + f * (v' gv - v' v real(diag(v' gv))), times v'.

        f[i, j] is the conjugate of 1 / (w[j] - w[i]).
        """
        (w, v), (gw, gv) = outputs, gradients
        if gw is None and gv is None:
            return (None,)
        one = identity(extents(w)[-1], w.type.dtype)
        middle: Any = None
        if gw is not None:
            middle = as_columns(gw) * one
        if gv is not None:
            turned = product(adjoint(v), gv)
            diagonal = PUBLIC["sum"](turned * one, axis=-2)
            along = PUBLIC["real"](diagonal).astype(w.type.dtype)
            across = turned - product(adjoint(v), v) * as_columns(along)
            part = PUBLIC["conj"](inverse_differences(w)) * across
            middle = part if middle is None else middle + part
        right = product(middle, adjoint(v))
        return (SolveMatrix("general")(adjoint(v), right),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's eig."""
        check_square(self.name, arrays[0])
        w, v = np.linalg.eig(arrays[0])
        dtype = np.dtype(complex_dtype(arrays[0].dtype.name))
        return w.astype(dtype, copy=False), v.astype(dtype, copy=False)


@public
def eig(x: Any) -> tuple[Variable, Variable]:
    """(w, v): eigenvalues and eigenvectors of a square matrix, x @ v = v @ diag(w).

    Parameters
    ----------
    x : (..., n, n)

    Returns
    -------
    w : (..., n), complex, in LAPACK's order
    v : (..., n, n), complex, a vector of length 1 in each column

    References
    ----------
    Boeddeker et al. 2017, equation 4.77, for the gradient, which exists where the
    values differ, for costs that do not change with the phases of the vectors.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> w, v = T.linalg.eig(T.dmatrix("x"))
    >>> T.imag(w).eval({"x": [[0.0, 1.0], [-1.0, 0.0]]})
    array([ 1., -1.])
    """
    w, v = Eig()(matrix_operand(x, "eig", square=True))
    return w, v


@public
def eigvals(x: Any) -> Variable:
    """out = the eigenvalues of every square matrix of x, complex.

    Parameters
    ----------
    x : (..., n, n)
    """
    return eig(x)[0]
