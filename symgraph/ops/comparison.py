"""Comparisons, tests, logic on bits and bools, and the choice between two values.

Comparisons and tests give bool; nothing differentiates through them. `switch` computes
both branches and its gradient is exactly 0 in the branch that was not taken. Names of
Theano and of NumPy both work.
"""

from typing import Any

import numpy as np

from symgraph.core.dtypes import is_complex, is_discrete, to_float, upcast
from symgraph.core.node import Variable, as_operands, as_variable
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, DtypeError
from symgraph.ops.families import (
    apply_scalar,
    bitwise,
    cast,
    choosing,
    comparing,
    define,
    testing,
)


def alias(function: Any, *names: str) -> None:
    """Register further names of a public function."""
    for name in names:
        if PUBLIC.setdefault(name, function) is not function:
            raise ValueError(f"a public function {name!r} is registered already")


# --- comparisons ----------------------------------------------------------------------


def ordering(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """As `comparing`; complex numbers have no order."""
    wanted, result = comparing(dtypes)
    if is_complex(wanted[0]):
        raise DtypeError("complex numbers have no order; compare abs, real or imag")
    return wanted, result


define("lt", 2, ordering, np.less, comparison=True)
define("le", 2, ordering, np.less_equal, comparison=True)
define("gt", 2, ordering, np.greater, comparison=True)
define("ge", 2, ordering, np.greater_equal, comparison=True)
define("eq", 2, comparing, np.equal)
define("ne", 2, comparing, np.not_equal)


@public
def lt(x: Any, y: Any) -> Variable:
    """out = x < y, bool."""
    return apply_scalar("lt", x, y)


@public
def le(x: Any, y: Any) -> Variable:
    """out = x <= y, bool."""
    return apply_scalar("le", x, y)


@public
def gt(x: Any, y: Any) -> Variable:
    """out = x > y, bool."""
    return apply_scalar("gt", x, y)


@public
def ge(x: Any, y: Any) -> Variable:
    """out = x >= y, bool."""
    return apply_scalar("ge", x, y)


@public
def eq(x: Any, y: Any) -> Variable:
    """out = x == y, bool. (Python's ``==`` on variables is identity.)"""
    return apply_scalar("eq", x, y)


@public
def neq(x: Any, y: Any) -> Variable:
    """out = x != y, bool."""
    return apply_scalar("ne", x, y)


alias(lt, "less")
alias(le, "less_equal")
alias(gt, "greater")
alias(ge, "greater_equal")
alias(eq, "equal")
alias(neq, "ne", "not_equal")


# --- tests ----------------------------------------------------------------------------


def testing_real(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """As `testing`; complex operands are refused."""
    if is_complex(dtypes[0]):
        raise DtypeError("it is not defined for complex numbers; test real or imag")
    return testing(dtypes)


define("isnan", 1, testing, np.isnan)
define("isinf", 1, testing, np.isinf)
define("isfinite", 1, testing, np.isfinite)
define(
    "signbit",
    1,
    testing_real,
    lambda x: x < 0 if x.dtype.kind == "i" else np.signbit(x),
)


@public
def isnan(x: Any) -> Variable:
    """out = whether x is NaN, bool."""
    return apply_scalar("isnan", x)


@public
def isinf(x: Any) -> Variable:
    """out = whether x is +inf or -inf, bool."""
    return apply_scalar("isinf", x)


@public
def isfinite(x: Any) -> Variable:
    """out = whether x is neither NaN nor infinite, bool."""
    return apply_scalar("isfinite", x)


@public
def isposinf(x: Any) -> Variable:
    """out = whether x is +inf, bool."""
    x = as_variable(x)
    return isinf(x) if is_discrete(x.type.dtype) else eq(x, np.inf)


@public
def isneginf(x: Any) -> Variable:
    """out = whether x is -inf, bool."""
    x = as_variable(x)
    return isinf(x) if is_discrete(x.type.dtype) else eq(x, -np.inf)


@public
def signbit(x: Any) -> Variable:
    """out = whether x is negative, bool; True for -0.0."""
    return apply_scalar("signbit", x)


@public
def isclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Variable:
    """out = abs(a - b) <= atol + rtol * abs(b), bool; infinities are close if equal.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.isclose(T.dvector("a"), T.dvector("b")).dtype
    'bool'
    """
    a, b = as_operands(a, b)
    common = to_float(upcast(a.type.dtype, b.type.dtype))
    a, b = cast(a, common), cast(b, common)
    close = le(abs(a - b), atol + rtol * abs(b)) & isfinite(b) | eq(a, b)
    return close | isnan(a) & isnan(b) if equal_nan else close


@public
def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Variable:
    """out = all(isclose(a, b)), 0-d bool."""
    found: Variable = PUBLIC["all"](isclose(a, b, rtol, atol, equal_nan))
    return found


# --- bits and bools -------------------------------------------------------------------


def shifting(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """As `bitwise`; bools count as int8."""
    wanted, result = bitwise(dtypes)
    return (("int8", "int8"), "int8") if result == "bool" else (wanted, result)


define("and", 2, bitwise, np.bitwise_and)
define("or", 2, bitwise, np.bitwise_or)
define("xor", 2, bitwise, np.bitwise_xor)
define("not", 1, bitwise, np.invert)
define("shift_left", 2, shifting, np.left_shift)
define("shift_right", 2, shifting, np.right_shift)


@public
def and_(x: Any, y: Any) -> Variable:
    """out = x & y: bit by bit for integers, logical for bools."""
    return apply_scalar("and", x, y)


@public
def or_(x: Any, y: Any) -> Variable:
    """out = x | y: bit by bit for integers, logical for bools."""
    return apply_scalar("or", x, y)


@public
def xor(x: Any, y: Any) -> Variable:
    """out = x ^ y: bit by bit for integers, logical for bools."""
    return apply_scalar("xor", x, y)


@public
def invert(x: Any) -> Variable:
    """out = ~x: bit by bit for integers, logical for bools."""
    return apply_scalar("not", x)


@public
def left_shift(x: Any, y: Any) -> Variable:
    """out = x << y; 0 where y is negative or at least the number of bits."""
    return apply_scalar("shift_left", x, y)


@public
def right_shift(x: Any, y: Any) -> Variable:
    """out = x >> y; 0 (-1 for a negative x) where y is negative or too large."""
    return apply_scalar("shift_right", x, y)


alias(and_, "bitwise_and")
alias(or_, "bitwise_or")
alias(xor, "bitwise_xor")
alias(invert, "bitwise_not")


def truth(x: Any) -> Variable:
    """out = whether x is not 0, bool. (NaN is not 0.)"""
    x = as_variable(x)
    return neq(x, 0) if is_complex(x.type.dtype) else cast(x, "bool")


@public
def logical_and(x: Any, y: Any) -> Variable:
    """out = x != 0 and y != 0, bool."""
    return and_(truth(x), truth(y))


@public
def logical_or(x: Any, y: Any) -> Variable:
    """out = x != 0 or y != 0, bool."""
    return or_(truth(x), truth(y))


@public
def logical_xor(x: Any, y: Any) -> Variable:
    """out = (x != 0) != (y != 0), bool."""
    return xor(truth(x), truth(y))


@public
def logical_not(x: Any) -> Variable:
    """out = x == 0, bool."""
    return invert(truth(x))


# --- choice ---------------------------------------------------------------------------


define(
    "where", 3, choosing, np.where,
    grad=lambda g, y, c, a, b: (None, switch(c, g, 0), switch(c, 0, g)),
)  # fmt: skip


@public
def switch(condition: Any, a: Any = None, b: Any = None) -> Variable:
    """out = a where the condition is not 0, else b.

    Both branches are computed; the gradient is 0 in the branch not taken, also where its
    own derivative is infinite or NaN: that of ``switch(x > 0, log(x), 0)`` is 0 at 0, as
    in Theano. (In JAX and PyTorch it is NaN, unless the argument is replaced as well.)

    Parameters
    ----------
    condition : any dtype, broadcast against a and b
    a, b : promoted to a common dtype; Python numbers adapt to each other only

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.fvector("x")
    >>> T.switch(x > 0, x, 0).type, T.switch(x > 0, 1, 0).dtype
    (float32 (None,), 'int8')
    """
    if a is None or b is None:
        raise ArgumentError(
            f"switch: takes a condition, what holds where it is true, and what holds "
            f"elsewhere; it got the condition {condition!r}, {a!r} and {b!r}\nFor the "
            "places where a condition is true use nonzero."
        )
    return apply_scalar("where", truth(condition), *as_operands(a, b))


@public
def where(condition: Any, a: Any = None, b: Any = None) -> Any:
    """out = a where the condition is not 0, else b; without a and b, where it is.

    ``where(condition)`` is ``nonzero(condition)``: one int64 vector for each axis.

    Raises
    ------
    ArgumentError : only one of a and b is given

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.fvector("x")
    >>> T.where(x > 0, x, 0).type, [i.type for i in T.where(x > 0)]
    (float32 (None,), [int64 (None,)])
    """
    if a is None and b is None:
        return PUBLIC["nonzero"](condition)
    if a is None or b is None:
        raise ArgumentError("where: give both a and b, or none of them")
    return switch(condition, a, b)
