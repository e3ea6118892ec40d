"""Inverses, determinants, powers and products of matrices.

Ops: `MatrixInverse`, `MatrixPinv`, `Det`, `SlogDet`. Solving equations, which is
cheaper and more accurate than multiplying with an inverse, is in linalg_solve.py.

References
----------
Giles 2008, An extended collection of matrix derivative results for forward and reverse
mode algorithmic differentiation, section 2. Golub and Pereyra 1973, The differentiation
of pseudo-inverses and nonlinear least squares problems whose variables separate.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_complex, real_dtype
from symgraph.core.node import Constant, Shape, Variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.matrices import (
    Gradients,
    MatrixOp,
    SquareOp,
    adjoint,
    as_rows,
    check_float,
    check_matrix,
    check_square,
    identity,
    matrix_operand,
    matrix_operands,
    product,
)
from symgraph.ops.shape import extents

SINGULAR = (
    "add a small multiple of the identity, or use pinv or lstsq, which take any matrix"
)


class MatrixInverse(SquareOp):
    """out = the inverse of x."""

    name = "matrix_inverse"
    advice = SINGULAR

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """gx = -y' g y', where y is the inverse (Giles 2008, 2.2.3)."""
        (g,), (y,) = gradients, outputs
        if g is None:
            return (None,)
        return (-product(adjoint(y), g, adjoint(y)),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's inv."""
        check_square(self.name, arrays[0])
        return (np.linalg.inv(arrays[0]),)


class MatrixPinv(MatrixOp):
    """out = the Moore-Penrose inverse of x.

    Singular values below `rcond` times the largest count as zero.
    """

    rcond: float

    name = "pinv"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Any matrix of floats; rows and columns change places."""
        (x,) = inputs
        check_matrix(x, self.name)
        *batch, rows, columns = x.type.shape
        return (fast_type(check_float(self.name, x), (*batch, columns, rows)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Rows and columns change places."""
        (*batch, rows, columns) = shapes[0]
        return ((*batch, columns, rows),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """As `pinv_adjoint` has it; the rank must not change nearby."""
        (x,), (y,), (g,) = inputs, outputs, gradients
        return (None,) if g is None else (pinv_adjoint(x, y, g),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's pinv."""
        return (np.linalg.pinv(arrays[0], rcond=self.rcond),)


def pinv_adjoint(x: Variable, y: Variable, g: Variable) -> Variable:
    """Gradient of x, given the gradient g of its pseudo-inverse y.

    -y' g y' + (1 - x y) g' y y' + y' y g' (1 - y x), the adjoint of the differential in
    Golub and Pereyra 1973, theorem 4.3.
    """
    rows, columns = extents(x)[-2:]
    dtype = x.type.dtype
    inner = product(adjoint(y), g, adjoint(y))
    left = product(identity(rows, dtype) - product(x, y), adjoint(g), y, adjoint(y))
    right = product(adjoint(y), y, adjoint(g), identity(columns, dtype) - product(y, x))
    return left + right - inner


class Det(MatrixOp):
    """out = the determinant of x."""

    name = "det"

    def __call__(self, x: Any) -> Any:
        """Apply to anything that can be a matrix."""
        return super().__call__(matrix_operand(x, self.name, square=True))

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A square matrix of floats; a number for each."""
        (x,) = inputs
        check_matrix(x, self.name, square=True)
        return (fast_type(check_float(self.name, x), x.type.shape[:-2]),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The batch."""
        return (shapes[0][:-2],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """gx = g y' times the transposed inverse of x (Giles 2008, 2.2.4)."""
        (x,), (y,), (g,) = inputs, outputs, gradients
        if g is None:
            return (None,)
        scale: Variable = g * PUBLIC["conj"](y)
        return (as_rows(as_rows(scale)) * adjoint(MatrixInverse()(x)),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's det."""
        check_square(self.name, arrays[0])
        return (np.linalg.det(arrays[0]).astype(arrays[0].dtype),)


class SlogDet(MatrixOp):
    """Sign of the determinant of x, and the logarithm of its absolute value."""

    name = "slogdet"

    def __call__(self, x: Any) -> Any:
        """Apply to anything that can be a matrix."""
        return super().__call__(matrix_operand(x, self.name, square=True))

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A square matrix of floats; two numbers for each."""
        (x,) = inputs
        check_matrix(x, self.name, square=True)
        dtype, batch = check_float(self.name, x), x.type.shape[:-2]
        return fast_type(dtype, batch), fast_type(real_dtype(dtype), batch)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The batch, twice."""
        return (shapes[0][:-2],) * 2

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """gx = g times the transposed inverse of x (Giles 2008, 2.2.4).

        The sign of a real determinant is constant; that of a complex one, det / |det|,
        turns.
        """
        (x,), (sign, _), (g_sign, g) = inputs, outputs, gradients
        turned = is_complex(x.type.dtype) and g_sign is not None
        if g is None and not turned:
            return (None,)
        scale: Any = 0 if g is None else g
        if turned:  # d sign = i sign imag(trace(inverse dx))
            scale = scale + 1j * PUBLIC["imag"](PUBLIC["conj"](sign) * g_sign)
        scale = as_rows(as_rows(scale))
        return (scale * adjoint(MatrixInverse()(x)),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's slogdet."""
        check_square(self.name, arrays[0])
        sign, logarithm = np.linalg.slogdet(arrays[0])
        dtype = arrays[0].dtype
        real = np.dtype(real_dtype(dtype.name))
        return np.asarray(sign, dtype), np.asarray(logarithm, real)


# --- public functions --------------------------------------------------------------


@public
def matrix_inverse(x: Any) -> Variable:
    """out = the inverse of every square matrix of x.

    Parameters
    ----------
    x : (..., n, n); integers are taken as floats

    Returns
    -------
    (..., n, n), float dtype of x

    Raises
    ------
    ShapeError : x is not square
    LinearAlgebraError : when it runs, where a matrix is singular

    References
    ----------
    Giles 2008, 2.2.3, for the gradient.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.linalg.inv(T.dmatrix("x")).eval({"x": [[2.0, 0.0], [0.0, 4.0]]})
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    found: Variable = MatrixInverse()(x)
    return found


@public
def pinv(x: Any, rcond: float | None = None) -> Variable:
    """out = the Moore-Penrose inverse of every matrix of x.

    Parameters
    ----------
    x : (..., m, n)
    rcond : singular values below rcond times the largest count as zero; by default
        the larger of m and n times the rounding unit if both are known, else 1e-15

    Returns
    -------
    (..., n, m), float dtype of x

    References
    ----------
    Golub and Pereyra 1973, theorem 4.3, for the gradient, which holds where the rank
    is the same nearby.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.linalg.pinv(T.dmatrix("x")).eval({"x": [[2.0], [0.0]]})
    array([[0.5, 0. ]])
    """
    x = matrix_operand(x, "pinv")
    if rcond is None:
        rows, columns = x.type.shape[-2:]
        unit = float(np.finfo(real_dtype(x.type.dtype)).eps)
        known = rows is not None and columns is not None
        rcond = max(rows or 0, columns or 0) * unit if known else max(1e-15, unit)
    elif isinstance(rcond, Variable | bool):
        raise ArgumentError(f"pinv: rcond must be a number, not {rcond!r}")
    found: Variable = MatrixPinv(float(rcond))(x)
    return found


@public
def det(x: Any) -> Variable:
    """out = the determinant of every square matrix of x.

    Parameters
    ----------
    x : (..., n, n)

    Returns
    -------
    (...), float dtype of x

    Notes
    -----
    The gradient needs the inverse: it raises LinearAlgebraError where x is singular.

    References
    ----------
    Giles 2008, 2.2.4, for the gradient.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> round(float(T.linalg.det(T.dmatrix("x")).eval({"x": [[2.0, 0.0], [0.0, 4.0]]})))
    8
    """
    found: Variable = Det()(x)
    return found


@public
def slogdet(x: Any) -> tuple[Variable, Variable]:
    """(sign, logarithm of the absolute value) of the determinant of every matrix of x.

    Parameters
    ----------
    x : (..., n, n)

    Returns
    -------
    (...), (...) : for a singular matrix the sign is 0 and the logarithm -inf

    References
    ----------
    Giles 2008, 2.2.4, for the gradient.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> sign, log = T.linalg.slogdet(T.dmatrix("x"))
    >>> float(sign.eval({"x": [[0.0, 1.0], [1.0, 0.0]]}))
    -1.0
    """
    sign, logarithm = SlogDet()(x)
    return sign, logarithm


@public
def logdet(x: Any) -> Variable:
    """out = log(abs(det(x))), without overflow.

    Parameters
    ----------
    x : (..., n, n)
    """
    return slogdet(x)[1]


@public
def matrix_power(x: Any, n: Any) -> Variable:
    """out = x @ x @ ... @ x, n factors; the inverse of x for negative n.

    Parameters
    ----------
    x : (..., m, m)
    n : int; 0 gives the identity

    References
    ----------
    Knuth, The Art of Computer Programming, volume 2, 4.6.3: binary exponentiation.
    """
    if isinstance(n, Constant) and n.ndim == 0 and n.data.dtype.kind in "iu":
        n = int(n.data)
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise ArgumentError(f"matrix_power: the exponent must be an int, not {n!r}")
    x = matrix_operand(x, "matrix_power", square=True)
    if n == 0:
        one = identity(extents(x)[-1], x.type.dtype)
        shape = (*extents(x)[:-2], *extents(one))
        return one if x.ndim == 2 else PUBLIC["broadcast_to"](one, shape)
    base: Variable = MatrixInverse()(x) if n < 0 else x
    count = abs(int(n))
    found: Variable | None = None
    while True:
        if count & 1:
            found = base if found is None else product(found, base)
        count >>= 1
        if not count:
            break
        base = product(base, base)
    assert found is not None
    return found


@public
def matrix_dot(*factors: Any) -> Variable:
    """out = the product of all factors, in the order that takes the fewest multiplications.

    The order is chosen if all extents are known; else it is from left to right.

    Parameters
    ----------
    factors : matrices; the first and the last may be vectors

    References
    ----------
    Cormen et al. 2009, Introduction to Algorithms, section 15.2.
    """
    if not factors:
        raise ArgumentError("matrix_dot: it needs one matrix or more")
    operands = list(matrix_operands("matrix_dot", *factors))
    for place, x in enumerate(operands):
        vector = x.ndim == 1 and place in (0, len(operands) - 1) and len(operands) > 1
        if x.ndim < 2 and not vector:
            raise ShapeError(f"matrix_dot: a factor is no matrix{listing(x)}")
    extents_known = [x.type.shape for x in operands]
    if len(operands) < 3 or any(len(s) != 2 or None in s for s in extents_known):
        return product(*operands)
    sizes = [s[0] or 0 for s in extents_known] + [extents_known[-1][1] or 0]
    return _in_order(operands, _splits(sizes), 0, len(operands) - 1)


def _splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each chain i..j of factors; factor i is sizes[i] by sizes[i + 1]."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (
                    cost[i, k]
                    + cost[k + 1, j]
                    + sizes[i] * sizes[k + 1] * sizes[j + 1],
                    k,
                )
                for k in range(i, j)
            ]
            cost[i, j], cut[i, j] = min(options)
    return cut


def _in_order(
    factors: list[Variable], cut: dict[tuple[int, int], int], i: int, j: int
) -> Variable:
    if i == j:
        return factors[i]
    k = cut[i, j]
    return product(_in_order(factors, cut, i, k), _in_order(factors, cut, k + 1, j))
