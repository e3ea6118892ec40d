"""What the files of linear algebra share: operands, the base of their ops, shorthands.

Matrices are the last two axes of an operand; axes before them are a batch. An op here
is a `host` op: compiled programs call its NumPy code (LAPACK). Gradients are graph
expressions in the notation of this file, so they can be differentiated again. For
complex operands the gradient of z = a + bi is dcost/da + i dcost/db, as everywhere.
"""

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from symgraph.core.dtypes import is_complex, to_float, upcast
from symgraph.core.node import (
    Op,
    Shape,
    Variable,
    as_operands,
    as_variable,
    listing,
    scalar_constant,
)
from symgraph.core.public import PUBLIC
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import (
    DtypeError,
    GradientError,
    LinearAlgebraError,
    NotSupportedError,
    ShapeError,
)
from symgraph.ops.families import cast
from symgraph.ops.shape import AnyExtent, extents

Gradients = Sequence[Variable | None]
Arrays = tuple[np.ndarray, ...]


# --- operands ----------------------------------------------------------------------


def matrix_operand(x: Any, what: str, square: bool = False) -> Variable:
    """`x` as a float variable of two axes or more; square ones where that is needed."""
    x = as_variable(x)
    check_matrix(x, what, square)
    return cast(x, to_float(x.type.dtype))


def matrix_operands(what: str, *values: Any) -> tuple[Variable, ...]:
    """Operands of one float dtype, their promoted one; ranks are not looked at."""
    operands = as_operands(*values)
    common = to_float(upcast(*(v.type.dtype for v in operands)))
    return tuple(cast(v, common) for v in operands)


def check_matrix(x: Variable, what: str, square: bool = False) -> None:
    """ShapeError unless x has two axes, of equal extents if `square`."""
    if x.ndim < 2:
        raise ShapeError(
            f"{what}: expected a matrix, or a batch of them{listing(x)}\n"
            "The last two axes are the matrix; reshape or dimshuffle the operand."
        )
    rows, columns = x.type.shape[-2:]
    if square and rows is not None and columns is not None and rows != columns:
        raise ShapeError(
            f"{what}: a square matrix is needed, this one has {rows} rows and "
            f"{columns} columns{listing(x)}"
        )


def check_float(what: str, *operands: Variable) -> str:
    """The one dtype of the operands of an op, float or complex."""
    dtypes = {v.type.dtype for v in operands}
    if len(dtypes) > 1 or dtypes & {"bool"} or any("int" in d for d in dtypes):
        raise DtypeError(
            f"{what}: operands have dtypes {', '.join(sorted(dtypes))}, expected one "
            f"float or complex dtype{listing(*operands)}\nCast them first."
        )
    return dtypes.pop()


def known_square(x: Variable) -> int | None:
    """The order of a square matrix, as far as either of its extents tells it."""
    rows, columns = x.type.shape[-2:]
    return columns if rows is None else rows


def check_square(what: str, x: np.ndarray) -> None:
    """ShapeError where a matrix turns out not to be square."""
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            f"{what}: a square matrix is needed, the shape is {x.shape[-2:]}"
        )


# --- the base of the ops -----------------------------------------------------------


class MatrixOp(Op):
    """An op that LAPACK computes, through NumPy: not lowered to loops but called.

    A subclass gives `infer`, `infer_shape`, `grad` and `compute`.
    """

    host: ClassVar[bool] = True
    can_fail = True
    #: what to do about a failure, the end of its message
    advice: ClassVar[str] = ""

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """The outputs, of any float dtype; ``LinAlgError`` where there are none."""
        raise NotImplementedError

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """NumPy's LAPACK; LinearAlgebraError where it finds no solution."""
        try:
            with np.errstate(all="ignore"):
                found = self.compute(*arrays)
        except np.linalg.LinAlgError as error:
            raise self.failure(str(error), arrays[0].shape) from None
        return tuple(map(np.asarray, found))

    def failure(self, why: str, shape: tuple[int, ...]) -> LinearAlgebraError:
        """The error of a matrix of that shape."""
        text = why[:1].lower() + why[1:].rstrip(".")
        advice = f"; {self.advice}" if self.advice else ""
        kind = "a matrix" if len(shape) == 2 else "one of a batch of matrices"
        return LinearAlgebraError(
            f"{self.name}: {text}, for {kind} of shape {shape}{advice}"
        )

    def __str__(self) -> str:
        return self.name


class SquareOp(MatrixOp):
    """An op of one square matrix, or batch of them, that gives one of the same type."""

    def __call__(self, x: Any) -> Any:
        """Apply to anything that can be a matrix."""
        return super().__call__(matrix_operand(x, self.name, square=True))

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A square matrix of floats; the result has its type."""
        (x,) = inputs
        check_matrix(x, self.name, square=True)
        order = known_square(x)
        shape = (*x.type.shape[:-2], order, order)
        return (fast_type(check_float(self.name, x), shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Unchanged."""
        return (shapes[0],)


def real_only(what: str, x: Variable) -> None:
    """GradientError where a formula holds for real matrices only."""
    if is_complex(x.type.dtype):
        raise GradientError(
            f"{what}: the gradient is not defined here for complex matrices{listing(x)}\n"
            "Differentiate with respect to real matrices."
        )


@functools.cache
def scipy_linalg() -> Any:
    """``scipy.linalg``, or None where SciPy is not installed."""
    try:
        return importlib.import_module("scipy.linalg")
    except ImportError:
        return None


def needs_scipy(what: str) -> Any:
    """``scipy.linalg``; NotSupportedError where SciPy is not installed."""
    found = scipy_linalg()
    if found is None:
        raise NotSupportedError(
            f"{what} needs SciPy, which is not installed: pip install scipy"
        )
    return found


def each_matrix(
    function: Callable[..., np.ndarray], out: np.ndarray, *arrays: np.ndarray
) -> np.ndarray:
    """Fill `out` with the function of every matrix of a batch."""
    for index in np.ndindex(out.shape[:-2]):
        out[index] = function(*(a[index] for a in arrays))
    return out


# --- the notation of gradients -----------------------------------------------------


def transposed(x: Variable) -> Variable:
    """Every matrix transposed."""
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    found: Variable = PUBLIC["dimshuffle"](x, *order)
    return found


def adjoint(x: Variable) -> Variable:
    """Every matrix transposed; complex ones conjugated too."""
    found: Variable = PUBLIC["conj"](transposed(x))
    return found


def product(*factors: Variable) -> Variable:
    """Matrix product of the factors, from left to right."""
    found = factors[0]
    for factor in factors[1:]:
        found = PUBLIC["matmul"](found, factor)
    return found


def identity(order: AnyExtent, dtype: str) -> Variable:
    """The identity matrix."""
    found: Variable = PUBLIC["eye"](order, dtype=dtype)
    return found


def as_columns(v: Variable) -> Variable:
    """out[..., 0, j] = v[..., j]: as a factor it scales the columns of a matrix."""
    found: Variable = PUBLIC["dimshuffle"](v, *range(v.ndim - 1), "x", v.ndim - 1)
    return found


def as_rows(v: Variable) -> Variable:
    """out[..., i, 0] = v[..., i]: as a factor it scales the rows of a matrix."""
    found: Variable = PUBLIC["dimshuffle"](v, *range(v.ndim), "x")
    return found


def lower_half(x: Variable) -> Variable:
    """The lower triangle, the diagonal halved."""
    half = scalar_constant(0.5, x.type.dtype)
    found: Variable = half * (PUBLIC["tril"](x) + PUBLIC["tril"](x, -1))
    return found


def inverse_differences(w: Variable) -> Variable:
    """out[..., i, j] = 1 / (w[..., j] - w[..., i]), 0 on the diagonal."""
    order = extents(w)[-1]
    one = identity(order, w.type.dtype)
    distance: Any = as_columns(w) - as_rows(w)
    zero = scalar_constant(0, w.type.dtype)
    found: Variable = PUBLIC["switch"](PUBLIC["gt"](identity(order, "int8"), 0), zero,
                                       1 / (distance + one))  # fmt: skip
    return found
