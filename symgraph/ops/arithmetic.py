"""Arithmetic: + - * / // % **, roots, and copies.

Dtypes follow Theano: operands are promoted as NumPy's arrays are, a division of
integers gives ``config.floatX``, Python numbers adapt to their partners. Bools add and
multiply to bools; their difference and negation are refused, as in NumPy. Integers
wrap, and ``x // 0`` and ``x % 0`` of integers are 0. Names of Theano and of NumPy both
work.
"""

from functools import reduce
from typing import Any

import numpy as np

from symgraph.config import config
from symgraph.core.dtypes import (
    NUMPY,
    is_complex,
    is_discrete,
    is_integer,
    to_float,
    upcast,
)
from symgraph.core.node import Constant, Variable, as_operands, as_variable, listing
from symgraph.core.public import public
from symgraph.errors import ArgumentError, DtypeError
from symgraph.ops.comparison import alias, eq, isnan, switch
from symgraph.ops.complex import analytic
from symgraph.ops.families import (
    Elementwise,
    apply_scalar,
    arithmetic,
    cast,
    define,
    floating,
    keeping,
    real_floating,
)
from symgraph.ops.piecewise import real_arithmetic, subtracting, trunc

Dtypes = tuple[str, ...]

# --- dtype rules ----------------------------------------------------------------------


def dividing(dtypes: Dtypes) -> tuple[Dtypes, str]:
    """As `arithmetic`; integers and bools become ``config.floatX``."""
    common = upcast(*dtypes)
    if is_discrete(common):
        common = config.floatX
    return (common,) * len(dtypes), common


def counting(dtypes: Dtypes) -> tuple[Dtypes, str]:
    """As `real_arithmetic`; bools count as int8."""
    wanted, common = real_arithmetic(dtypes)
    return (("int8",) * len(dtypes), "int8") if common == "bool" else (wanted, common)


def raising(dtypes: Dtypes) -> tuple[Dtypes, str]:
    """As `arithmetic`; bools count as int8."""
    wanted, common = arithmetic(dtypes)
    return (("int8",) * len(dtypes), "int8") if common == "bool" else (wanted, common)


# --- + - * / --------------------------------------------------------------------------


define("add", 2, arithmetic, np.add, grad=lambda g, y, a, b: (g, g))
define("sub", 2, subtracting, np.subtract, grad=lambda g, y, a, b: (g, -g))
define(
    "mul", 2, arithmetic, np.multiply, grad=analytic(lambda g, y, a, b: (g * b, g * a))
)
define(
    "div", 2, dividing, np.divide,
    grad=analytic(lambda g, y, a, b: (g / b, -(g * y) / b)),
)  # fmt: skip
define("neg", 1, subtracting, np.negative, grad=lambda g, y, x: (-g,))


def _fold(name: str, values: tuple[Any, ...]) -> Variable:
    if not values:
        raise ArgumentError(f"{name} needs at least one operand")
    if len(values) == 2:
        return apply_scalar(name, *values)
    operands = as_operands(*values)
    common = upcast(*(v.type.dtype for v in operands))
    return reduce(
        lambda a, b: apply_scalar(name, a, b), (cast(v, common) for v in operands)
    )


@public
def add(*terms: Any) -> Variable:
    """out = x + y + ..., in the promoted dtype of all; for bools, or.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.add(T.fmatrix("x"), T.fvector("b"), 1).type
    float32 (None, None)
    """
    return _fold("add", terms)


@public
def sub(x: Any, y: Any) -> Variable:
    """out = x - y; unsigned integers wrap."""
    return apply_scalar("sub", x, y)


@public
def mul(*factors: Any) -> Variable:
    """out = x * y * ..., in the promoted dtype of all; for bools, and."""
    return _fold("mul", factors)


@public
def true_div(x: Any, y: Any) -> Variable:
    """out = x / y; integers are divided as ``config.floatX``.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> (T.ivector("i") / 2).dtype, (T.fvector("x") / 2).dtype
    ('float64', 'float32')
    """
    return apply_scalar("div", x, y)


@public
def neg(x: Any) -> Variable:
    """out = -x; unsigned integers wrap."""
    return apply_scalar("neg", x)


@public
def inv(x: Any) -> Variable:
    """out = 1 / x; integers as floats (int8 and int16 float32, wider float64)."""
    x = as_variable(x)
    return true_div(1, cast(x, to_float(x.type.dtype)))


alias(sub, "subtract")
alias(mul, "multiply")
alias(true_div, "true_divide", "divide", "div_proxy")
alias(neg, "negative")
alias(inv, "reciprocal")


# --- // and % -------------------------------------------------------------------------


define("floordiv", 2, counting, np.floor_divide)
define(
    "mod", 2, counting, np.remainder,
    grad=lambda g, y, a, b: (g, -g * floor_div(a, b)),
)  # fmt: skip
define(
    "fmod", 2, counting, np.fmod,
    grad=lambda g, y, a, b: (g, -g * trunc(a / b)),
)  # fmt: skip


@public
def floor_div(x: Any, y: Any) -> Variable:
    """out = floor(x / y), in the promoted dtype; integers by zero give 0."""
    return apply_scalar("floordiv", x, y)


@public
def mod(x: Any, y: Any) -> Variable:
    """out = x - floor(x / y) * y, with the sign of y; integers by zero give 0."""
    return apply_scalar("mod", x, y)


@public
def fmod(x: Any, y: Any) -> Variable:
    """out = x - trunc(x / y) * y, with the sign of x (C's fmod)."""
    return apply_scalar("fmod", x, y)


@public
def divmod(x: Any, y: Any) -> tuple[Variable, Variable]:
    """(x // y, x % y)."""
    return floor_div(x, y), mod(x, y)


alias(floor_div, "floor_divide", "int_div")
alias(mod, "remainder")


# --- powers and roots -----------------------------------------------------------------


def _power(x: np.ndarray, n: np.ndarray) -> Any:
    """NumPy's power; integers to negative powers are truncated: 1, -1 or 0."""
    if x.dtype.kind not in "iu":
        return np.power(x, n)
    whole = np.power(x, np.maximum(n, 0))
    if x.dtype.kind == "u":
        return whole
    unit = np.where(np.abs(x) == 1, np.power(x, n & 1), 0)
    return np.where(n < 0, unit, whole)


def _grad_pow(
    g: Variable, y: Variable, x: Variable, n: Variable
) -> tuple[Variable | None, Variable | None]:
    if isinstance(n, Constant):
        exponent = n.data.item() if n.data.size == 1 else None
        if exponent == 0:
            return fill(g, 0), None
        if exponent == 1:
            return g, None
        if exponent == 2:
            return g * (2 * x), None
        if exponent is not None and 0 < exponent.real < 1:
            x = nonzero_root(x, x)
        lower = as_variable(np.where(n.data == 0, 0, n.data - 1), n.type.dtype)
        return g * (n * power(x, lower)), None
    # where n is 0, so is the exponent: 0 * x**0 and not 0 * x**-1, NaN at x = 0
    of_x = g * (n * power(x, switch(eq(n, 0), 0, n - 1)))
    of_n = g * y * Elementwise("log")(switch(eq(x, 0), 1, x))
    return of_x, of_n


def is_sum_of_squares(x: Variable) -> bool:
    """Whether an expression is built as a square, a sum or a mean of squares."""
    node = x.owner
    if node is None:
        return False
    match getattr(node.op, "scalar", node.op.name):
        case "pow":
            n = node.inputs[1]
            return isinstance(n, Constant) and bool(np.all(n.data == 2))
        case "mul":
            return node.inputs[0] is node.inputs[1]
        case "add":
            return all(map(is_sum_of_squares, node.inputs))
        case "reduce":
            added = getattr(node.op, "combine", None) == "sum"
            return added and is_sum_of_squares(node.inputs[0])
        case "div" | "cast" | "dimshuffle" | "reshape":
            return is_sum_of_squares(node.inputs[0])
    return False


def nonzero_root(root: Variable, x: Variable) -> Variable:
    """`root`, but 1 where it is 0 if x is a sum of squares.

    The derivative of a root is infinite at 0 and that of a square is 0 there. In the
    length of a vector both meet, and the gradient shall be 0, not inf * 0.
    """
    return switch(eq(root, 0), 1, root) if is_sum_of_squares(x) else root


define("pow", 2, raising, _power, grad=analytic(_grad_pow))
define(
    "sqrt", 1, floating, np.sqrt,
    grad=analytic(lambda g, y, x: (g * 0.5 / nonzero_root(y, x),)),
)  # fmt: skip
define(
    "rsqrt", 1, floating, lambda x: 1 / np.sqrt(x),
    grad=analytic(lambda g, y, x: (g * -0.5 * y / x,)),
)  # fmt: skip
define("cbrt", 1, real_floating, np.cbrt, grad=lambda g, y, x: (g / (3 * (y * y)),))


@public
def power(x: Any, n: Any) -> Variable:
    """out = x ** n, in the promoted dtype.

    Integers to negative powers are truncated (1, -1 or 0); as a constant such an
    exponent is refused. The gradient with respect to n is NaN where x is negative.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> (T.ivector("i") ** 2).dtype, (T.ivector("i") ** 0.5).dtype
    ('int32', 'float64')
    """
    x, n = as_operands(x, n)
    if isinstance(n, Constant) and is_integer(raising((x.type.dtype, n.type.dtype))[1]):
        if np.any(n.data < 0):
            raise DtypeError(
                f"pow: integers to a negative integer power{listing(x, n)}\n"
                "Cast one of them to a float."
            )
    return apply_scalar("pow", x, n)


@public
def float_power(x: Any, n: Any) -> Variable:
    """out = x ** n, computed in float64 (complex128)."""
    x, n = as_operands(x, n)
    wide = upcast("float64", x.type.dtype, n.type.dtype)
    return power(cast(x, wide), cast(n, wide))


@public
def sqr(x: Any) -> Variable:
    """out = x * x, in the dtype of x (int8 for bool)."""
    x = as_variable(x)
    if is_complex(x.type.dtype):
        return mul(x, x)
    return apply_scalar("pow", x, as_variable(2, keep_number(x.type.dtype)))


def keep_number(dtype: str) -> str:
    """The dtype itself; int8 for bool."""
    return "int8" if dtype == "bool" else dtype


@public
def sqrt(x: Any) -> Variable:
    """out = square root of x, NaN for negative x.

    The gradient at 0 is infinite, but 0 where x is written as a sum of squares.
    """
    return apply_scalar("sqrt", x)


@public
def rsqrt(x: Any) -> Variable:
    """out = 1 / sqrt(x)."""
    return apply_scalar("rsqrt", x)


@public
def cbrt(x: Any) -> Variable:
    """out = cube root of x, negative for negative x."""
    return apply_scalar("cbrt", x)


alias(power, "pow")
alias(sqr, "square")


# --- copies ---------------------------------------------------------------------------


def second_of(dtypes: Dtypes) -> tuple[Dtypes, str]:
    """Two operands of any dtypes; the result has that of the second."""
    return dtypes, dtypes[1]


define(
    "second", 2, second_of, lambda a, b: np.broadcast_arrays(a, b)[1].copy(),
    body=lambda m, a, b: b, grad=lambda g, y, a, b: (None, g),
)  # fmt: skip
define("identity", 1, keeping, np.copy, body=lambda m, x: x, grad=lambda g, y, x: (g,))


@public
def fill(a: Any, b: Any) -> Variable:
    """out = b broadcast to the shape of a (and of b), in the dtype of b.

    A Python number takes the dtype of a.
    """
    a = as_variable(a)
    if isinstance(b, int | float) and not isinstance(b, np.generic | bool):
        dtype = a.type.dtype
        limits = np.iinfo(dtype) if is_integer(dtype) else None
        if limits is None or isinstance(b, float) or not limits.min <= b <= limits.max:
            dtype = upcast(dtype, as_operands(a, b)[1].type.dtype)
        b = as_variable(b, dtype)
    return apply_scalar("second", a, b)


@public
def copy(x: Any, name: str | None = None) -> Variable:
    """out = x, as a new variable, which may have a name."""
    out = apply_scalar("identity", x)
    if name is not None:
        out.name = name
    return out


@public
def nan_to_num(
    x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Variable:
    """out = x with NaN, inf and -inf replaced.

    Parameters
    ----------
    x : real
    nan : what replaces NaN
    posinf, neginf : what replaces the infinities; None for the largest finite numbers

    Returns
    -------
    dtype of x; integers come back as they are
    """
    operand = as_variable(x)
    dtype = operand.type.dtype
    if is_discrete(dtype):
        return operand
    if is_complex(dtype):
        raise DtypeError(
            f"nan_to_num is not defined for complex numbers{listing(operand)}"
        )
    limits = np.finfo(NUMPY[dtype])
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    finite = switch(
        eq(operand, np.inf), high, switch(eq(operand, -np.inf), low, operand)
    )
    return switch(isnan(operand), nan, finite)


alias(fill, "second")
alias(copy, "tensor_copy")
