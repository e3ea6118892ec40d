"""Trigonometric and hyperbolic functions, their inverses, angles, `sinc`, `hypot`.

Angles are in radians. Integers become floats (int8 and int16 float32, wider float64).
"""

import math
from typing import Any

import numpy as np

from symgraph.core.dtypes import to_float
from symgraph.core.node import Variable, as_variable
from symgraph.core.public import public
from symgraph.ops.arithmetic import inv, sqrt
from symgraph.ops.comparison import eq, switch
from symgraph.ops.complex import analytic
from symgraph.ops.families import (
    apply_scalar,
    cast,
    define,
    floating,
    real_floating,
)

# fmt: off
define("sin",     1, floating, np.sin,     grad=analytic(lambda g, y, x: (g * cos(x),)))
define("cos",     1, floating, np.cos,
       grad=analytic(lambda g, y, x: (-g * sin(x),)))
define("tan",     1, floating, np.tan,
       grad=analytic(lambda g, y, x: (g * (1 + y * y),)))
define("sinh",    1, floating, np.sinh,
       grad=analytic(lambda g, y, x: (g * cosh(x),)))
define("cosh",    1, floating, np.cosh,
       grad=analytic(lambda g, y, x: (g * sinh(x),)))
define("tanh",    1, floating, np.tanh,
       grad=analytic(lambda g, y, x: (g * (1 - y * y),)))
define("arcsin",  1, floating, np.arcsin,
       grad=analytic(lambda g, y, x: (g / sqrt((1 - x) * (1 + x)),)))
define("arccos",  1, floating, np.arccos,
       grad=analytic(lambda g, y, x: (-g / sqrt((1 - x) * (1 + x)),)))
define("arctan",  1, floating, np.arctan,
       grad=analytic(lambda g, y, x: (g / (1 + x * x),)))
define("arcsinh", 1, floating, np.arcsinh,
       grad=analytic(lambda g, y, x: (g / sqrt(1 + x * x),)))
define("arccosh", 1, floating, np.arccosh,
       grad=analytic(lambda g, y, x: (g / (sqrt(x - 1) * sqrt(x + 1)),)))
define("arctanh", 1, floating, np.arctanh,
       grad=analytic(lambda g, y, x: (g / ((1 - x) * (1 + x)),)))
# fmt: on


@public
def sin(x: Any) -> Variable:
    """out = sine of x."""
    return apply_scalar("sin", x)


@public
def cos(x: Any) -> Variable:
    """out = cosine of x."""
    return apply_scalar("cos", x)


@public
def tan(x: Any) -> Variable:
    """out = sin(x) / cos(x)."""
    return apply_scalar("tan", x)


@public
def sinh(x: Any) -> Variable:
    """out = (exp(x) - exp(-x)) / 2."""
    return apply_scalar("sinh", x)


@public
def cosh(x: Any) -> Variable:
    """out = (exp(x) + exp(-x)) / 2."""
    return apply_scalar("cosh", x)


@public
def tanh(x: Any) -> Variable:
    """out = sinh(x) / cosh(x)."""
    return apply_scalar("tanh", x)


@public
def arcsin(x: Any) -> Variable:
    """out = angle in -pi/2 .. pi/2 whose sine is x; NaN outside -1 .. 1."""
    return apply_scalar("arcsin", x)


@public
def arccos(x: Any) -> Variable:
    """out = angle in 0 .. pi whose cosine is x; NaN outside -1 .. 1."""
    return apply_scalar("arccos", x)


@public
def arctan(x: Any) -> Variable:
    """out = angle in -pi/2 .. pi/2 whose tangent is x."""
    return apply_scalar("arctan", x)


@public
def arcsinh(x: Any) -> Variable:
    """out = log(x + sqrt(x**2 + 1))."""
    return apply_scalar("arcsinh", x)


@public
def arccosh(x: Any) -> Variable:
    """out = log(x + sqrt(x**2 - 1)); NaN below 1."""
    return apply_scalar("arccosh", x)


@public
def arctanh(x: Any) -> Variable:
    """out = log((1 + x) / (1 - x)) / 2; NaN outside -1 .. 1."""
    return apply_scalar("arctanh", x)


# --- of two operands ------------------------------------------------------------------


def _grad_arctan2(
    g: Variable, y: Variable, a: Variable, b: Variable
) -> tuple[Variable, Variable]:
    distance = hypot(a, b)
    scale = inv(switch(eq(distance, 0), 1, distance))
    return g * (b * scale) * scale, -g * (a * scale) * scale


def _hypot(m: Any, a: Any, b: Any) -> Any:
    a, b = m.abs(a), m.abs(b)
    high = m.maximum(a, b)
    ratio = m.minimum(a, b) / m.where(high == 0, 1, high)
    length = high * m.sqrt(1 + ratio * ratio)
    return m.where(m.isinf(a) | m.isinf(b), math.inf, length)


def _grad_hypot(
    g: Variable, y: Variable, a: Variable, b: Variable
) -> tuple[Variable, Variable]:
    length = switch(eq(y, 0), 1, y)  # at the origin the gradient is 0
    return g * (a / length), g * (b / length)


define("arctan2", 2, real_floating, np.arctan2, grad=_grad_arctan2)
define("hypot", 2, real_floating, np.hypot, body=_hypot, grad=_grad_hypot)


@public
def arctan2(y: Any, x: Any) -> Variable:
    """out = angle of the point (x, y) in -pi .. pi. Its gradient at (0, 0) is 0."""
    return apply_scalar("arctan2", y, x)


@public
def hypot(x: Any, y: Any) -> Variable:
    """out = sqrt(x**2 + y**2), without overflow. Its gradient at (0, 0) is 0."""
    return apply_scalar("hypot", x, y)


# --- angles ---------------------------------------------------------------------------


@public
def deg2rad(x: Any) -> Variable:
    """out = x * pi / 180."""
    x = as_variable(x)
    return cast(x, to_float(x.type.dtype)) * (math.pi / 180)


@public
def rad2deg(x: Any) -> Variable:
    """out = x * 180 / pi."""
    x = as_variable(x)
    return cast(x, to_float(x.type.dtype)) * (180 / math.pi)


# --- sinc -----------------------------------------------------------------------------


def _sinc(m: Any, x: Any) -> Any:
    t = x * math.pi
    return m.where(x == 0, 1, m.sin(t) / m.where(x == 0, 1, t))


def _sinc_slope(m: Any, x: Any) -> Any:
    """(cos t - sin t / t) / x with t = pi x; near 0 by its Taylor series."""
    t = x * math.pi
    s = t * t
    series = 1.0
    for divisor in (238, 180, 130, 88, 54, 28, 10):  # 2k (2k + 3): DLMF 10.53.1, n = 1
        series = 1 - s * series * (1 / divisor)
    near = s < 1
    whole = m.where(near, 1, x)
    far = (m.cos(t) - m.sin(t) / (whole * math.pi)) / whole
    return m.where(near, t * (-math.pi / 3) * series, far)


def _grad_sinc_slope(g: Variable, y: Variable, x: Variable) -> tuple[Variable]:
    # f'' = -pi**2 f - 2 f' / x, from t f'' + 2 f' + t f = 0 (spherical Bessel, n = 0)
    origin = eq(x, 0)
    curve = -(math.pi**2) * sinc(x) - 2 * y / switch(origin, 1, x)
    return (g * switch(origin, -(math.pi**2) / 3, curve),)


define(
    "sinc", 1, real_floating, np.sinc, body=_sinc,
    grad=lambda g, y, x: (g * apply_scalar("sinc_slope", x),),
)  # fmt: skip
define("sinc_slope", 1, real_floating, body=_sinc_slope, grad=_grad_sinc_slope)


@public
def sinc(x: Any) -> Variable:
    """out = sin(pi x) / (pi x), 1 at 0."""
    return apply_scalar("sinc", x)


@public
def sinc_slope(x: Any) -> Variable:
    """out = derivative of sinc at x: (cos(pi x) - sinc(x)) / x, 0 at 0."""
    return apply_scalar("sinc_slope", x)
