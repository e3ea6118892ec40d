"""Special functions: error functions and their inverses, gamma functions, x log x.

Integers become floats (int8 and int16 float32, wider ones float64). The references
are plain Python, number by number in float64, from `math` and textbook series; the
backends have their own code for the same functions.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from symgraph.core.node import Variable
from symgraph.core.public import public
from symgraph.errors import ArgumentError, NotSupportedError
from symgraph.ops.comparison import alias, eq, switch
from symgraph.ops.exponential import exp, log
from symgraph.ops.families import apply_scalar, define, real_floating
from symgraph.ops.polygamma import HIGHEST, scalar_name

SQRT_PI = math.sqrt(math.pi)


def _each(function: Callable[[float], float]) -> Callable[[np.ndarray], Any]:
    """The function of one Python float, over arrays; the result keeps their dtype."""
    over = np.vectorize(function, otypes=[np.float64])
    return lambda x: over(x).astype(x.dtype)


# --- references -----------------------------------------------------------------------


def _erfcx(x: float) -> float:
    """exp(x*x) erfc(x); above 2 by its continued fraction (DLMF 7.9.3)."""
    if math.isnan(x):
        return x
    if x < 2:
        return math.inf if x < -27 else _exp_square(x) * math.erfc(x)
    fraction = 0.0
    for k in range(160, 0, -1):
        fraction = 0.5 * k / (x + fraction)
    return 1 / (SQRT_PI * (x + fraction))


def _exp_square(x: float) -> float:
    """exp(x*x) without the error of rounding x*x: x is split in two parts."""
    high = float(np.float32(x))
    low = x - high
    first = min(high * high, 709.0)
    return math.exp(first) * math.exp(high * high - first + low * (x + high))


def _erfcinv(x: float) -> float:
    """y with erfc(y) = x, by bisection and a step of Newton's."""
    if not 0 < x < 2:
        return {0.0: math.inf, 2.0: -math.inf}.get(x, math.nan)
    if x > 1:
        return _erfinv(x - 1) * -1
    low, high = 0.0, 28.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(middle) > x else (low, middle)
    y = (low + high) / 2
    if x > 1e-290:  # below, the slope is subnormal and bisection is as good
        y += (math.erfc(y) - x) * SQRT_PI / 2 * math.exp(y * y)
    return y


def _erfinv(x: float) -> float:
    """y with erf(y) = x; beyond 1/2 from the complement, which is exact there."""
    if math.isnan(x) or math.fabs(x) > 1:
        return math.nan
    if math.fabs(x) > 0.5:
        return math.copysign(_erfcinv(1 - math.fabs(x)), x)
    y = x * SQRT_PI / 2
    for _ in range(6):
        y -= (math.erf(y) - x) * SQRT_PI / 2 * math.exp(y * y)
    return math.copysign(y, x)


def _gammaln(x: float) -> float:
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


def _digamma(x: float) -> float:
    """psi(x): reflection, recurrence up to 10, series (DLMF 5.5.4, 5.5.2, 5.11.2)."""
    if math.isnan(x) or x == -math.inf:
        return math.nan
    if x == 0:
        return -math.copysign(math.inf, x)
    if x < 0:
        part = x - math.floor(x)
        if part == 0:
            return math.nan
        return _digamma(1 - x) - math.pi / math.tan(math.pi * part)
    if x == math.inf:
        return x
    shift = 0.0
    while x < 10:
        shift += 1 / x
        x += 1
    s = 1 / (x * x)
    series = 0.0
    coefficients = (-1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12)
    for coefficient in coefficients:  # Bernoulli numbers B[2k] / 2k, with their signs
        series = series * s + coefficient
    return math.log(x) - 0.5 / x + s * series - shift


# --- error functions ------------------------------------------------------------------

# fmt: off
define("erf",     1, real_floating, _each(math.erf),
       grad=lambda g, y, x: (g * (2 / SQRT_PI * exp(-x * x)),))
define("erfc",    1, real_floating, _each(math.erfc),
       grad=lambda g, y, x: (g * (-2 / SQRT_PI * exp(-x * x)),))
define("erfcx",   1, real_floating, _each(_erfcx),
       grad=lambda g, y, x: (g * (2 * x * y - 2 / SQRT_PI),))
define("erfinv",  1, real_floating, _each(_erfinv),
       grad=lambda g, y, x: (g * (SQRT_PI / 2 * exp(y * y)),))
define("erfcinv", 1, real_floating, _each(_erfcinv),
       grad=lambda g, y, x: (g * (-SQRT_PI / 2 * exp(y * y)),))
# fmt: on


@public
def erf(x: Any) -> Variable:
    """out = 2 / sqrt(pi) * integral of exp(-t**2) from 0 to x."""
    return apply_scalar("erf", x)


@public
def erfc(x: Any) -> Variable:
    """out = 1 - erf(x), exact for large x."""
    return apply_scalar("erfc", x)


@public
def erfcx(x: Any) -> Variable:
    """out = exp(x**2) * erfc(x), without underflow for large x."""
    return apply_scalar("erfcx", x)


@public
def erfinv(x: Any) -> Variable:
    """out = y with erf(y) = x; NaN outside -1 .. 1."""
    return apply_scalar("erfinv", x)


@public
def erfcinv(x: Any) -> Variable:
    """out = y with erfc(y) = x; NaN outside 0 .. 2."""
    return apply_scalar("erfcinv", x)


# --- gamma functions ------------------------------------------------------------------


def _gamma(m: Any, x: Any) -> Any:
    # gamma(x) is negative where x < 0 and floor(x) is odd
    whole = m.floor(x)
    odd = whole - 2 * m.floor(whole * 0.5)
    size = m.exp(m.gammaln(x))
    below = m.where(x == whole, math.nan, size * (1 - 2 * odd))
    return m.where(x > 0, size, m.where(x == 0, m.copysign(math.inf, x), below))


define(
    "gammaln", 1, real_floating, _each(_gammaln),
    grad=lambda g, y, x: (g * digamma(x),),
)  # fmt: skip
define(
    "digamma", 1, real_floating, _each(_digamma),
    grad=lambda g, y, x: (g * tri_gamma(x),),
)  # fmt: skip
define(
    "gamma", 1, real_floating, body=_gamma,
    grad=lambda g, y, x: (g * (y * digamma(x)),),
)  # fmt: skip


@public
def gamma(x: Any) -> Variable:
    """out = integral of t**(x - 1) exp(-t) over t > 0: (x - 1)! for whole x.

    It is computed from `gammaln`; relative error up to 1e-13 (float32 1e-5) where the
    value is large.
    """
    return apply_scalar("gamma", x)


@public
def gammaln(x: Any) -> Variable:
    """out = log|gamma(x)|."""
    return apply_scalar("gammaln", x)


@public
def digamma(x: Any) -> Variable:
    """out = derivative of gammaln at x."""
    return apply_scalar("digamma", x)


@public
def tri_gamma(x: Any) -> Variable:
    """out = derivative of digamma at x."""
    return apply_scalar("tri_gamma", x)


@public
def polygamma(n: int, x: Any) -> Variable:
    """out = derivative of order n of digamma at x.

    Parameters
    ----------
    n : int, 0 (digamma itself) to 9; the derivative of order 9 has no gradient
    x : real; integers become floats

    Raises
    ------
    ArgumentError : n is not a whole number from 0 on
    NotSupportedError : n is above 9

    References
    ----------
    DLMF 5.15.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> [float(T.polygamma(n, 1.0).eval().round(4)) for n in (0, 1, 2)]
    [-0.5772, 1.6449, -2.4041]
    """
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 0:
        raise ArgumentError(
            f"polygamma: the order n is {n!r}; it must be a whole number, 0 or more, "
            "known while the graph is built"
        )
    if n > HIGHEST:
        raise NotSupportedError(
            f"polygamma: order {n}; derivatives of digamma exist up to order {HIGHEST}"
        )
    return apply_scalar(scalar_name(int(n)) if n else "digamma", x)


alias(digamma, "psi")


# --- x log x --------------------------------------------------------------------------


define(
    "xlogx", 1, real_floating,
    body=lambda m, x: m.where(x == 0, 0, x * m.log(x)),
    grad=lambda g, y, x: (g * (1 + log(x)),),
)  # fmt: skip
define(
    "xlogy0", 2, real_floating,
    body=lambda m, x, y: m.where(
        x == 0, m.where(m.isnan(y), y, 0), x * m.log(y)
    ),
    grad=lambda g, out, x, y: (
        g * log(y), g * (x / switch(eq(x, 0), 1, y))
    ),
)  # fmt: skip


@public
def xlogx(x: Any) -> Variable:
    """out = x * log(x), 0 at 0."""
    return apply_scalar("xlogx", x)


@public
def xlogy0(x: Any, y: Any) -> Variable:
    """out = x * log(y), 0 where x is 0 (NaN if y is)."""
    return apply_scalar("xlogy0", x, y)


alias(xlogy0, "xlogy")
