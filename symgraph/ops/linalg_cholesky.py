"""Cholesky factors of symmetric (Hermitian) positive definite matrices.

The op is `Cholesky`, in Theano's form: options first, then the matrix. It reads one
triangle of its operand, so its gradient is zero in the other one.

References
----------
Murray 2016, Differentiation of the Cholesky decomposition. arXiv:1602.07527
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError
from symgraph.ops.linalg_solve import SolveMatrix
from symgraph.ops.matrices import (
    Gradients,
    SquareOp,
    check_square,
    each_matrix,
    lower_half,
    matrix_operand,
    product,
    real_only,
    transposed,
)


class Cholesky(SquareOp):
    """out = the triangular factor c of x = c @ c' (lower) or x = c' @ c (upper).

    Attributes
    ----------
    lower : which factor; also the triangle of x that is read
    on_error : "raise", or "nan": a matrix that is not positive definite gives NaN
    """

    lower: bool = True
    on_error: str = "raise"

    name = "cholesky"
    advice = (
        'add a small multiple of the identity, or use Cholesky(on_error="nan") and test '
        "for NaN"
    )

    def __init__(self, *values: Any, **named: Any) -> None:
        named.pop("destructive", None)  # an option of Theano's that changes no value
        super().__init__(*values, **named)
        if self.on_error not in ("raise", "nan"):
            raise ArgumentError(
                f'cholesky: on_error={self.on_error!r}; use "raise" or "nan"'
            )

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """Murray 2016, equation 10, gathered in the triangle that is read."""
        (x,), (factor,), (g,) = inputs, outputs, gradients
        if g is None:
            return (None,)
        real_only(self.name, x)
        lower, upper = factor, transposed(factor)
        if not self.lower:
            lower, upper, g = upper, lower, transposed(g)
        inner = lower_half(product(upper, g))
        solve = SolveMatrix("upper")
        half = solve(upper, inner)
        whole = transposed(solve(upper, transposed(half)))
        found = lower_half(whole + transposed(whole))
        return (found if self.lower else transposed(found),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's cholesky."""
        (x,) = arrays
        check_square(self.name, x)
        if not self.lower:
            x = np.conj(np.swapaxes(x, -1, -2))
        if self.on_error == "raise":
            factor = np.linalg.cholesky(x)
        else:
            factor = each_matrix(_or_nan, np.empty_like(x), x)
        if not self.lower:
            factor = np.conj(np.swapaxes(factor, -1, -2))
        return (np.ascontiguousarray(factor),)


def _or_nan(matrix: np.ndarray) -> np.ndarray:
    try:
        factor: np.ndarray = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        factor = np.full_like(matrix, np.nan)
    return factor


@public
def cholesky(x: Any, lower: bool = True, on_error: str = "raise") -> Variable:
    """out = lower triangular c with x = c @ c'; or upper triangular c with x = c' @ c.

    Parameters
    ----------
    x : (..., n, n), symmetric and positive definite; only the triangle named by
        `lower` is read
    lower : False gives the upper factor
    on_error : "raise", or "nan" for a matrix of NaN

    Returns
    -------
    (..., n, n), float dtype of x

    Raises
    ------
    LinearAlgebraError : when it runs, where a matrix is not positive definite

    References
    ----------
    Murray 2016, Differentiation of the Cholesky decomposition, equation 10, for the
    gradient. arXiv:1602.07527

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.linalg.cholesky(T.dmatrix("x")).eval({"x": [[4.0, 2.0], [2.0, 2.0]]})
    array([[2., 0.],
           [1., 1.]])
    """
    found: Variable = Cholesky(bool(lower), on_error)(x)
    return found


@public
def cholesky_inverse(c: Any, lower: bool = True) -> Variable:
    """out = the inverse of c @ c' (of c' @ c for an upper one), for a Cholesky factor c.

    Parameters
    ----------
    c : (..., n, n); only the triangle named by `lower` is read
    """
    c = matrix_operand(c, "cholesky_inverse", square=True)
    order = PUBLIC["shape"](c)[-1]
    one = PUBLIC["eye"](order, dtype=c.type.dtype)
    found: Variable = PUBLIC["cho_solve"]((c, lower), one)
    return found
