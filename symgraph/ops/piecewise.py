"""Functions made of straight pieces: signs, sizes, extremes, clipping, rounding.

Results keep the dtype of their operands (promoted where there are two). Steps (`sign`,
the roundings) have no gradient; at a corner the gradient is one of those beside it, or
0 for `abs`. Names of Theano and of NumPy both work.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_complex, to_float
from symgraph.core.node import Variable, as_variable
from symgraph.core.public import public
from symgraph.errors import ArgumentError, DtypeError
from symgraph.ops.comparison import alias, eq, ge, le, signbit, switch
from symgraph.ops.families import (
    apply_scalar,
    arithmetic,
    cast,
    define,
    modulus,
    real_floating,
)

Dtypes = tuple[str, ...]

# --- dtype rules ----------------------------------------------------------------------


def subtracting(dtypes: Dtypes) -> tuple[Dtypes, str]:
    """As `arithmetic`; bools are refused."""
    wanted, common = arithmetic(dtypes)
    if common == "bool":
        raise DtypeError("it is not defined for bools; use xor, invert, or cast")
    return wanted, common


def real_arithmetic(dtypes: Dtypes) -> tuple[Dtypes, str]:
    """As `arithmetic`; complex operands are refused."""
    wanted, common = arithmetic(dtypes)
    if is_complex(common):
        raise DtypeError("it is not defined for complex numbers")
    return wanted, common


def signing(dtypes: Dtypes) -> tuple[Dtypes, str]:
    """One operand with a sign (no bool, no complex); the result has its dtype."""
    return subtracting(real_arithmetic(dtypes)[0])


def keeping_real(dtypes: Dtypes) -> tuple[Dtypes, str]:
    """One real operand; the result has its dtype."""
    return real_arithmetic(dtypes)


# --- sign and size --------------------------------------------------------------------


def _grad_abs(g: Variable, y: Variable, x: Variable) -> tuple[Variable]:
    if is_complex(x.type.dtype):
        return (x * cast(g / switch(eq(y, 0), 1, y), x.type.dtype),)
    return (g * sign(x),)


define("abs", 1, modulus, np.abs, grad=_grad_abs)
define("sign", 1, signing, np.sign)
define(
    "copysign", 2, real_floating, np.copysign,
    grad=lambda g, y, a, b: (switch(eq(signbit(a), signbit(b)), g, -g), None),
)  # fmt: skip
define(
    "heaviside", 2, real_floating, np.heaviside,
    body=lambda m, x, h: m.where(x == 0, h, 0.5 + 0.5 * m.sign(x)),
    grad=lambda g, y, x, h: (None, switch(eq(x, 0), g, 0)),
)  # fmt: skip


@public
def abs(x: Any) -> Variable:
    """out = |x|; of a complex x the distance from 0. The gradient at 0 is 0."""
    return apply_scalar("abs", x)


@public
def sign(x: Any) -> Variable:
    """out = -1, 0 or 1 by the sign of x, in its dtype; NaN stays NaN."""
    return apply_scalar("sign", x)


@public
def fabs(x: Any) -> Variable:
    """out = |x| as a float."""
    x = as_variable(x)
    return abs(cast(x, to_float(x.type.dtype)))


@public
def copysign(x: Any, y: Any) -> Variable:
    """out = |x| with the sign of y (that of -0.0 counts)."""
    return apply_scalar("copysign", x, y)


@public
def heaviside(x: Any, h: Any) -> Variable:
    """out = 0 where x < 0, h where x is 0, 1 where x > 0."""
    return apply_scalar("heaviside", x, h)


alias(abs, "abs_", "absolute")
alias(sign, "sgn")


# --- extremes -------------------------------------------------------------------------


def _grad_extreme(
    g: Variable, y: Variable, a: Variable, b: Variable
) -> tuple[Variable, Variable]:
    first = eq(y, a)  # where both are equal all goes to the first, as in Theano
    return switch(first, g, 0), switch(first, 0, g)


define("maximum", 2, real_arithmetic, np.maximum, grad=_grad_extreme)
define("minimum", 2, real_arithmetic, np.minimum, grad=_grad_extreme)
define("fmax", 2, real_arithmetic, np.fmax, grad=_grad_extreme)
define("fmin", 2, real_arithmetic, np.fmin, grad=_grad_extreme)
define(
    "clip", 3, real_arithmetic, np.clip,
    body=lambda m, x, low, high: m.minimum(m.maximum(x, low), high),
    grad=lambda g, y, x, low, high: (
        switch(ge(x, low) & le(x, high), g, 0),
        switch((x < low) & le(low, high), g, 0),
        switch((x > high) | (low > high), g, 0),
    ),
)  # fmt: skip


@public
def maximum(x: Any, y: Any) -> Variable:
    """out = the larger of x and y, NaN where one is NaN.

    Where both are equal the gradient goes to x.
    """
    return apply_scalar("maximum", x, y)


@public
def minimum(x: Any, y: Any) -> Variable:
    """out = the smaller of x and y, NaN where one is NaN.

    Where both are equal the gradient goes to x.
    """
    return apply_scalar("minimum", x, y)


@public
def fmax(x: Any, y: Any) -> Variable:
    """out = the larger of x and y; the other where one is NaN."""
    return apply_scalar("fmax", x, y)


@public
def fmin(x: Any, y: Any) -> Variable:
    """out = the smaller of x and y; the other where one is NaN."""
    return apply_scalar("fmin", x, y)


@public
def clip(x: Any, min: Any, max: Any) -> Variable:
    """out = x, but `min` where it is below, `max` where above; gradient 0 there.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.clip(T.ivector("i"), 0, 1.5).dtype
    'float64'
    """
    return apply_scalar("clip", x, min, max)


# --- rounding -------------------------------------------------------------------------


def _rounding(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on floats, the identity on integers and bools."""
    return lambda x: function(x) if x.dtype.kind == "f" else x


def _half_away(x: np.ndarray) -> Any:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(1, x), whole)


define("ceil", 1, keeping_real, _rounding(np.ceil))
define("floor", 1, keeping_real, _rounding(np.floor))
define("trunc", 1, keeping_real, _rounding(np.trunc))
define("rint", 1, keeping_real, _rounding(np.rint))
define("round_half_away", 1, keeping_real, _rounding(_half_away))

ROUNDINGS = {
    "half_to_even": "rint",
    "half_away_from_zero": "round_half_away",
}


@public
def ceil(x: Any) -> Variable:
    """out = smallest integer not below x, in the dtype of x."""
    return apply_scalar("ceil", x)


@public
def floor(x: Any) -> Variable:
    """out = largest integer not above x, in the dtype of x."""
    return apply_scalar("floor", x)


@public
def trunc(x: Any) -> Variable:
    """out = x without its fraction, in the dtype of x."""
    return apply_scalar("trunc", x)


@public
def rint(x: Any) -> Variable:
    """out = nearest integer, halves to the even one, in the dtype of x."""
    return apply_scalar("rint", x)


@public
def round(x: Any, mode: str = "half_to_even") -> Variable:
    """out = nearest integer, in the dtype of x.

    Parameters
    ----------
    x : real
    mode : "half_to_even" (2.5 gives 2) or "half_away_from_zero" (2.5 gives 3)
    """
    if mode not in ROUNDINGS:
        raise ArgumentError(f"round: mode {mode!r}; use one of {', '.join(ROUNDINGS)}")
    return apply_scalar(ROUNDINGS[mode], x)


@public
def iround(x: Any, mode: str = "half_to_even") -> Variable:
    """out = nearest integer, int64; `mode` as in `round`."""
    return cast(round(x, mode), "int64")


alias(trunc, "fix")
