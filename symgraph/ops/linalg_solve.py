"""Systems of linear equations: general, triangular, by Cholesky factors, least squares.

Ops: `SolveMatrix` (a structure as parameter) and `LeastSquares`. Triangular systems go
to LAPACK's trtrs through SciPy if it is installed, else to the general routine.

References
----------
Giles 2008, An extended collection of matrix derivative results for forward and reverse
mode algorithmic differentiation, 2.3.1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import real_dtype
from symgraph.core.node import Shape, Variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.families import broadcast_extents_of
from symgraph.ops.linalg_inverse import SINGULAR, MatrixPinv, pinv_adjoint
from symgraph.ops.linalg_svd import Svd, shorter
from symgraph.ops.matrices import (
    Gradients,
    MatrixOp,
    adjoint,
    as_columns,
    check_float,
    check_matrix,
    check_square,
    each_matrix,
    known_square,
    matrix_operands,
    product,
    scipy_linalg,
)
from symgraph.ops.shape import extents

#: Theano's names of a structure → what is solved
STRUCTURES = {
    "general": "general", "symmetric": "general", "hermitian": "general",
    "lower_triangular": "lower", "upper_triangular": "upper",
}  # fmt: skip
#: SciPy's names of a structure → what is solved
ASSUMED = {
    "gen": "general", "sym": "general", "her": "general", "pos": "general",
    "lower triangular": "lower", "upper triangular": "upper", **STRUCTURES,
}  # fmt: skip
OTHER = {"general": "general", "lower": "upper", "upper": "lower"}


class SolveMatrix(MatrixOp):
    """out = x where a @ x = b; of a triangular a, only the triangle is read.

    Attributes
    ----------
    structure : "general", "lower" or "upper"
    """

    structure: str

    name = "solve"
    advice = SINGULAR

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A square matrix and columns for it; batches of the same rank and extents."""
        a, b = inputs
        check_matrix(a, self.name, square=True)
        check_matrix(b, self.name)
        dtype = check_float(self.name, a, b)
        order = known_square(a)
        rows, columns = b.type.shape[-2:]
        if order is not None and rows is not None and order != rows:
            raise ShapeError(
                f"solve: the matrix has order {order}, the right-hand side {rows} rows"
                f"{listing(a, b)}"
            )
        pairs = list(zip(a.type.shape[:-2], b.type.shape[:-2], strict=False))
        if a.ndim != b.ndim or any(
            m is not None and n is not None and m != n for m, n in pairs
        ):
            raise ShapeError(f"solve: batches differ{listing(a, b)}")
        batch = tuple(n if m is None else m for m, n in pairs)
        shape = (*batch, order if rows is None else rows, columns)
        return (fast_type(dtype, shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """That of b."""
        return (shapes[1],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """gb = the solution for a' and g; ga = -gb x' (Giles 2008, 2.3.1)."""
        (a, _), (x,), (g,) = inputs, outputs, gradients
        if g is None:
            return (None, None)
        to_b = SolveMatrix(OTHER[self.structure])(adjoint(a), g)
        to_a = -product(to_b, adjoint(x))
        if self.structure != "general":
            to_a = PUBLIC["tril" if self.structure == "lower" else "triu"](to_a)
        return (to_a, to_b)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's solve, or SciPy's solve_triangular."""
        a, b = arrays
        check_square(self.name, a)
        if a.shape[:-1] != b.shape[:-1]:
            raise ShapeError(
                f"solve: shapes {a.shape} and {b.shape} do not fit together"
            )
        if self.structure == "general":
            return (np.linalg.solve(a, b),)
        lower = self.structure == "lower"
        scipy = scipy_linalg()
        if scipy is None or 0 in b.shape:
            return (np.linalg.solve(np.tril(a) if lower else np.triu(a), b),)

        def one(matrix: np.ndarray, columns: np.ndarray) -> np.ndarray:
            found: np.ndarray = scipy.solve_triangular(
                matrix, columns, lower=lower, check_finite=False
            )
            return found

        return (each_matrix(one, np.empty_like(b), a, b),)

    def __str__(self) -> str:
        return f"solve{{{self.structure}}}"


class LeastSquares(MatrixOp):
    """Solution of least norm of min |a @ x - b|, rank of a, its singular values.

    Attributes
    ----------
    rcond : singular values below rcond times the largest count as zero
    """

    rcond: float

    name = "lstsq"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Two matrices with the same number of rows."""
        a, b = inputs
        for v in inputs:
            if v.ndim != 2:
                raise ShapeError(f"lstsq: expected a matrix{listing(v)}")
        dtype = check_float(self.name, a, b)
        (m, n), (rows, columns) = a.type.shape, b.type.shape
        if m is not None and rows is not None and m != rows:
            raise ShapeError(
                f"lstsq: the matrix has {m} rows, the right-hand side {rows}"
                f"{listing(a, b)}"
            )
        count = None if m is None or n is None else min(m, n)
        return (
            fast_type(dtype, (n, columns)),
            fast_type("int64", ()),
            fast_type(real_dtype(dtype), (count,)),
        )

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """A row for each column of a; nothing; the shorter extent of a."""
        (m, n), (_, columns) = shapes
        return (n, columns), (), (shorter(m, n),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """That of pinv(a) @ b, and of the singular values."""
        (a, b), (g, _, g_values) = inputs, gradients
        to_a: Any = None
        to_b: Any = None
        if g is not None:
            inverse = MatrixPinv(self.rcond)(a)
            to_b = product(adjoint(inverse), g)
            to_a = pinv_adjoint(a, inverse, product(g, adjoint(b)))
        if g_values is not None:
            u, _, vh = Svd(False)(a)
            part = product(u * as_columns(g_values), vh)
            to_a = part if to_a is None else to_a + part
        return (to_a, to_b)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's lstsq."""
        a, b = arrays
        if a.shape[0] != b.shape[0]:
            raise ShapeError(
                f"lstsq: shapes {a.shape} and {b.shape} do not fit together"
            )
        x, _, rank, values = np.linalg.lstsq(a, b, rcond=self.rcond)
        return x.astype(a.dtype, copy=False), np.int64(rank), values


class Solve:
    """Theano's form of `solve`: made with options, then called with matrices.

    Parameters
    ----------
    A_structure : "general", "symmetric", "hermitian", "lower_triangular" or
        "upper_triangular"; of a triangular matrix, only the triangle is read
    lower, overwrite_A, overwrite_b : accepted for compatibility

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> solve_upper = T.slinalg.Solve(A_structure="upper_triangular", lower=False)
    >>> solve_upper(T.dmatrix("a"), T.dvector("b")).type
    float64 (None,)
    """

    def __init__(
        self,
        A_structure: str = "general",
        lower: bool = False,
        overwrite_A: bool = False,
        overwrite_b: bool = False,
    ) -> None:
        if A_structure not in STRUCTURES:
            raise ArgumentError(
                f"Solve: A_structure={A_structure!r}; use one of {sorted(STRUCTURES)}"
            )
        self.A_structure = A_structure
        self.lower = lower

    def __call__(self, a: Any, b: Any) -> Variable:
        """The solution x of a @ x = b."""
        return _solved(STRUCTURES[self.A_structure], a, b)


def _solved(structure: str, a: Any, b: Any) -> Variable:
    a, b = matrix_operands("solve", a, b)
    check_matrix(a, "solve", square=True)
    if b.ndim == 0:
        raise ShapeError(f"solve: the right-hand side is a scalar{listing(b)}")
    if b.ndim == 1:
        order = known_square(a)
        if order is not None and b.type.shape[0] not in (None, order):
            raise ShapeError(
                f"solve: the matrix has order {order}, the right-hand side "
                f"{b.type.shape[0]} elements{listing(a, b)}"
            )
        column = PUBLIC["dimshuffle"](b, 0, "x")
        found = _solved(structure, a, column)
        return PUBLIC["dimshuffle"](found, *range(found.ndim - 1))
    if a.ndim != b.ndim or a.ndim > 2:
        ndim = max(a.ndim, b.ndim) - 2
        batches = [x.type.shape[:-2] for x in (a, b)]
        one = all(n == 1 for batch in batches for n in batch)
        if a.ndim != b.ndim or not one:
            shared = broadcast_extents_of([extents(x)[:-2] for x in (a, b)], ndim)
            a, b = (
                PUBLIC["broadcast_to"](x, (*shared, *extents(x)[-2:])) for x in (a, b)
            )
    found = SolveMatrix(structure)(a, b)
    return found


@public
def solve(
    a: Any,
    b: Any,
    assume_a: str = "gen",
    lower: bool = False,
    transposed: bool = False,
) -> Variable:
    """out = x where a @ x = b.

    Parameters
    ----------
    a : (..., n, n)
    b : (n,) or (..., n, k); batch axes broadcast
    assume_a : "gen", "sym", "her", "pos"; "lower triangular", "upper triangular": only
        the triangle is read
    lower : accepted for compatibility
    transposed : solve with the transpose of a

    Returns
    -------
    of the shape of b, with the batch axes of a

    Raises
    ------
    ShapeError : a is not square, or the rows of b differ in number
    LinearAlgebraError : when it runs, where a is singular

    References
    ----------
    Giles 2008, 2.3.1, for the gradient.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.linalg.solve(T.dmatrix("a"), T.dvector("b"))
    >>> x.eval({"a": [[2.0, 0.0], [0.0, 4.0]], "b": [1.0, 1.0]})
    array([0.5 , 0.25])
    """
    if assume_a not in ASSUMED:
        raise ArgumentError(
            f"solve: assume_a={assume_a!r}; use one of {sorted(ASSUMED)}"
        )
    structure = ASSUMED[assume_a]
    if transposed:
        a, structure = _transposed(a), OTHER[structure]
    return _solved(structure, a, b)


def _transposed(a: Any) -> Variable:
    (a,) = matrix_operands("solve", a)
    check_matrix(a, "solve", square=True)
    order = (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2)
    found: Variable = PUBLIC["dimshuffle"](a, *order)
    return found


@public
def solve_triangular(
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
) -> Variable:
    """out = x where a @ x = b and a is triangular; the other triangle is not read.

    Parameters
    ----------
    a : (..., n, n)
    b : (n,) or (..., n, k)
    trans : 0 or "N"; 1 or "T" for the transpose of a; 2 or "C" for its conjugate
    lower : which triangle of a (before it is transposed)
    unit_diagonal : take the diagonal as ones, whatever it holds

    Raises
    ------
    LinearAlgebraError : when it runs, where the diagonal has a zero

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.linalg.solve_triangular(T.dmatrix("a"), T.dvector("b"), lower=True)
    >>> x.eval({"a": [[2.0, 9.0], [1.0, 4.0]], "b": [2.0, 5.0]})
    array([1., 1.])
    """
    kinds = {0: "N", 1: "T", 2: "C", "N": "N", "T": "T", "C": "C"}
    if trans not in kinds:
        raise ArgumentError(f"solve_triangular: trans={trans!r}; use 0, 1 or 2")
    a, b = matrix_operands("solve_triangular", a, b)
    check_matrix(a, "solve_triangular", square=True)
    if unit_diagonal:
        on_diagonal = PUBLIC["gt"](PUBLIC["eye"](extents(a)[-1], dtype="int8"), 0)
        a = PUBLIC["switch"](on_diagonal, np.ones((), a.type.dtype), a)
    structure = "lower" if lower else "upper"
    if kinds[trans] != "N":
        a = adjoint(a) if kinds[trans] == "C" else _transposed(a)
        structure = OTHER[structure]
    return _solved(structure, a, b)


@public
def solve_lower_triangular(a: Any, b: Any) -> Variable:
    """out = x where a @ x = b; of a, only the lower triangle is read."""
    return _solved("lower", a, b)


@public
def solve_upper_triangular(a: Any, b: Any) -> Variable:
    """out = x where a @ x = b; of a, only the upper triangle is read."""
    return _solved("upper", a, b)


@public
def solve_symmetric(a: Any, b: Any) -> Variable:
    """out = x where a @ x = b and a is symmetric; the whole of a is read."""
    return _solved("general", a, b)


@public
def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> Variable:
    """out = x where c @ c' @ x = b, for a Cholesky factor c (c' @ c for an upper one).

    Parameters
    ----------
    c_and_lower : pair of the factor, (..., n, n), and whether it is the lower one
    b : (n,) or (..., n, k)

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> a, b = T.dmatrix("a"), T.dvector("b")
    >>> x = T.linalg.cho_solve((T.linalg.cholesky(a), True), b)
    >>> x.eval({a: [[4.0, 0.0], [0.0, 4.0]], b: [4.0, 8.0]})
    array([1., 2.])
    """
    if not isinstance(c_and_lower, tuple | list) or len(c_and_lower) != 2:
        raise ArgumentError("cho_solve: the first argument is a pair (factor, lower)")
    c, lower = c_and_lower
    c, b = matrix_operands("cho_solve", c, b)
    check_matrix(c, "cho_solve", square=True)
    if lower:
        return _solved("upper", adjoint(c), _solved("lower", c, b))
    return _solved("upper", c, _solved("lower", adjoint(c), b))


@public
def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Variable, ...]:
    """(x, residuals, rank, singular values): x minimises |a @ x - b|, and then |x|.

    Parameters
    ----------
    a : (m, n)
    b : (m,) or (m, k)
    rcond : singular values below rcond times the largest count as zero; None or -1 for
        the rounding unit

    Returns
    -------
    x : (n,) or (n, k)
    residuals : (k,), or () for a vector b: the sums of squares of a @ x - b, for any
        rank (NumPy gives an empty array where a has not full column rank)
    rank : ()
    singular values : (min(m, n),), the largest first

    References
    ----------
    Golub and Pereyra 1973, theorem 4.3, for the gradient, which holds where the rank is
    the same nearby.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.linalg.lstsq(T.dmatrix("a"), T.dvector("b"))[0]
    >>> x.eval({"a": [[1.0], [1.0]], "b": [1.0, 3.0]})
    array([2.])
    """
    a, b = matrix_operands("lstsq", a, b)
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise ShapeError(
            f"lstsq: expected a matrix, and a vector or matrix{listing(a, b)}"
        )
    if rcond is None or rcond == -1:
        rcond = float(np.finfo(real_dtype(a.type.dtype)).eps)
    columns = PUBLIC["dimshuffle"](b, 0, "x") if b.ndim == 1 else b
    x, rank, values = LeastSquares(float(rcond))(a, columns)
    distance = PUBLIC["abs"](product(a, x) - columns)
    residuals = PUBLIC["sum"](PUBLIC["sqr"](distance), axis=0)
    if b.ndim == 1:
        x = PUBLIC["dimshuffle"](x, 0)
        residuals = PUBLIC["sum"](residuals)
    return x, residuals, rank, values
