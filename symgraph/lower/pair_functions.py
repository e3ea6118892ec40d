"""Complex functions written with real ones, for lower/pairs.py.

Each takes the primitives `m` and pairs (real part, imaginary part), and gives a pair
(`COMPLEX`) or a real value (`REAL`). Signs at branch cuts follow Kahan 1987, "Branch
cuts for complex elementary functions", as far as sqrt, log and arctan2 carry them.
"""

import math
from collections.abc import Callable
from typing import Any

from symgraph.lower.scalar import Operand, Primitives

Pair = tuple[Operand, Operand]


# --- arithmetic -----------------------------------------------------------------------


def _add(m: Primitives, x: Pair, y: Pair) -> Pair:
    return x[0] + y[0], x[1] + y[1]


def _sub(m: Primitives, x: Pair, y: Pair) -> Pair:
    return x[0] - y[0], x[1] - y[1]


def _neg(m: Primitives, x: Pair) -> Pair:
    return -x[0], -x[1]


def _conj(m: Primitives, x: Pair) -> Pair:
    return x[0], -x[1]


def _mul(m: Primitives, x: Pair, y: Pair) -> Pair:
    (a, b), (c, d) = x, y
    return a * c - b * d, a * d + b * c


def _div(m: Primitives, x: Pair, y: Pair) -> Pair:
    """Smith 1962, Algorithm 116: scaled by the larger part of the divisor."""
    (a, b), (c, d) = x, y
    wide = abs(c) >= abs(d)
    big, small = m.where(wide, c, d), m.where(wide, d, c)
    zero = (c == 0.0) & (d == 0.0)
    ratio = m.where(zero, 0.0, small / big)
    scale = m.where(zero, 1.0 / abs(c), 1.0 / (big + small * ratio))
    p, q = m.where(wide, a, b), m.where(wide, b, a)
    imaginary = m.where(wide, b - a * ratio, b * ratio - a)
    return (
        m.where(zero, a * scale, (p + q * ratio) * scale),
        m.where(zero, b * scale, imaginary * scale),
    )


def _abs(m: Primitives, x: Pair) -> Operand:
    """sqrt(a*a + b*b) without overflow; an infinite part wins over NaN."""
    a, b = abs(x[0]), abs(x[1])
    big, small = m.maximum(a, b), m.minimum(a, b)
    ratio = m.where(big == 0.0, big, small / big)
    size = big * m.sqrt(1.0 + ratio * ratio)
    return m.where(m.isinf(a) | m.isinf(b), math.inf, size)


def _angle(m: Primitives, x: Pair) -> Operand:
    return m.arctan2(x[1], x[0])


def _sign(m: Primitives, x: Pair) -> Pair:
    """z / abs(z), and 0 at 0."""
    size = _abs(m, x)
    zero = size == 0.0
    return m.where(zero, 0.0, x[0] / size), m.where(zero, 0.0, x[1] / size)


# --- exponential and power ------------------------------------------------------------


def _exp(m: Primitives, x: Pair) -> Pair:
    size = m.exp(x[0])
    return (
        m.where(x[1] == 0.0, size, size * m.cos(x[1])),
        m.where(x[1] == 0.0, x[1], size * m.sin(x[1])),
    )


def _expm1(m: Primitives, x: Pair) -> Pair:
    """exp(a) cos b - 1 = expm1(a) cos b - 2 sin(b/2)**2"""
    half = m.sin(x[1] * 0.5)
    return (
        m.expm1(x[0]) * m.cos(x[1]) - 2.0 * (half * half),
        m.exp(x[0]) * m.sin(x[1]),
    )


def _log(m: Primitives, x: Pair) -> Pair:
    """log(abs(z)) through log1p where abs(z) is near 1."""
    a, b = abs(x[0]), abs(x[1])
    big, small = m.maximum(a, b), m.minimum(a, b)
    near = 0.5 * m.log1p((big - 1.0) * (big + 1.0) + small * small)
    far = m.log(_abs(m, x))
    return m.where((big > 0.5) & (big < 2.0), near, far), _angle(m, x)


def _log1p(m: Primitives, x: Pair) -> Pair:
    """abs(1 + z)**2 = 1 + a (a + 2) + b**2"""
    a, b = x
    part = a * (a + 2.0) + b * b
    far = _log(m, (a + 1.0, b))
    return m.where(abs(part) < 0.5, 0.5 * m.log1p(part), far[0]), far[1]


def _sqrt(m: Primitives, x: Pair) -> Pair:
    a, b = x
    root = m.sqrt((_abs(m, x) + abs(a)) * 0.5)
    zero = root == 0.0
    other = m.where(zero, b, abs(b) / (2.0 * root))
    right = a >= 0.0
    real = m.where(right, root, other)
    return real, m.copysign(m.where(right, other, root), b)


def _pow(m: Primitives, x: Pair, y: Pair) -> Pair:
    """exp(y log x); 0**0 is 1, 0 to another power 0."""
    a, b = _exp(m, _mul(m, y, _log(m, x)))
    zero = (x[0] == 0.0) & (x[1] == 0.0)
    none = (y[0] == 0.0) & (y[1] == 0.0)
    special = zero | none
    return (
        m.where(special, m.where(none, 1.0, 0.0 * y[0]), a),
        m.where(special, 0.0, b),
    )


# --- trigonometric and hyperbolic -----------------------------------------------------


def _sin(m: Primitives, x: Pair) -> Pair:
    a, b = x
    return m.sin(a) * m.cosh(b), m.cos(a) * m.sinh(b)


def _cos(m: Primitives, x: Pair) -> Pair:
    a, b = x
    return m.cos(a) * m.cosh(b), -(m.sin(a) * m.sinh(b))


def _tanh(m: Primitives, x: Pair) -> Pair:
    """Kahan's ctanh: with t = tan b, s = sinh a; both parts over 1 + (1 + t t) s s."""
    a, b = x
    t, s = m.tan(b), m.sinh(a)
    beta = 1.0 + t * t
    rho = m.sqrt(1.0 + s * s)
    below = 1.0 + beta * (s * s)
    far = abs(a) > 22.0
    one = m.copysign(m.where(far, 1.0, abs(a)), a)
    small = 4.0 * m.sin(b) * m.cos(b) * m.exp(-2.0 * abs(a))
    return (
        m.where(far, one, beta * rho * s / below),
        m.where(far, small, t / below),
    )


def _sinh(m: Primitives, x: Pair) -> Pair:
    a, b = x
    return m.sinh(a) * m.cos(b), m.cosh(a) * m.sin(b)


def _cosh(m: Primitives, x: Pair) -> Pair:
    a, b = x
    return m.cosh(a) * m.cos(b), m.sinh(a) * m.sin(b)


def _tan(m: Primitives, x: Pair) -> Pair:
    return _over_i(_tanh(m, _times_i(x)))


def _arcsinh(m: Primitives, x: Pair) -> Pair:
    """asinh z = i asin(z / i)"""
    return _times_i(_arcsin(m, _over_i(x)))


def _arcsin(m: Primitives, x: Pair) -> Pair:
    """With p = sqrt(1 - z), q = sqrt(1 + z): atan(a / Re(p q)), asinh(Im(conj(p) q))."""
    p, q = _roots(m, x)
    real = m.arctan2(x[0], p[0] * q[0] - p[1] * q[1])
    return real, m.arcsinh(p[0] * q[1] - p[1] * q[0])


def _arccos(m: Primitives, x: Pair) -> Pair:
    """2 atan(Re p / Re q), asinh(Im(conj(q) p))"""
    p, q = _roots(m, x)
    return 2.0 * m.arctan2(p[0], q[0]), m.arcsinh(q[0] * p[1] - q[1] * p[0])


def _arccosh(m: Primitives, x: Pair) -> Pair:
    """With p = sqrt(z - 1), q = sqrt(z + 1): asinh(Re(conj(p) q)), 2 atan(Im p / Re q)."""
    p = _sqrt(m, (x[0] - 1.0, x[1]))
    q = _sqrt(m, (x[0] + 1.0, x[1]))
    return m.arcsinh(p[0] * q[0] + p[1] * q[1]), 2.0 * m.arctan2(p[1], q[0])


def _roots(m: Primitives, x: Pair) -> tuple[Pair, Pair]:
    a, b = x
    return _sqrt(m, (1.0 - a, -b)), _sqrt(m, (a + 1.0, b))


def _arctanh(m: Primitives, x: Pair) -> Pair:
    """log1p(4 a / ((1-a)**2 + b**2)) / 4, atan2(2 b, (1-a)(1+a) - b**2) / 2"""
    a, b = x
    apart = (1.0 - a) * (1.0 - a) + b * b
    inside = (1.0 - a) * (1.0 + a) - b * b
    return 0.25 * m.log1p(4.0 * a / apart), 0.5 * m.arctan2(2.0 * b, inside)


def _arctan(m: Primitives, x: Pair) -> Pair:
    return _over_i(_arctanh(m, _times_i(x)))


def _times_i(x: Pair) -> Pair:
    return -x[1], x[0]


def _over_i(x: Pair) -> Pair:
    return x[1], -x[0]


def _scaled(
    function: Callable[[Primitives, Pair], Pair], factor: float
) -> Callable[[Primitives, Pair], Pair]:
    def made(m: Primitives, x: Pair) -> Pair:
        a, b = function(m, x)
        return a * factor, b * factor

    return made


def _exp2(m: Primitives, x: Pair) -> Pair:
    return _exp(m, (x[0] * math.log(2), x[1] * math.log(2)))


def _rsqrt(m: Primitives, x: Pair) -> Pair:
    a, b = _sqrt(m, x)
    return _div(m, (a * 0.0 + 1.0, b * 0.0), (a, b))


# --- real results ---------------------------------------------------------------------


def _eq(m: Primitives, x: Pair, y: Pair) -> Operand:
    return (x[0] == y[0]) & (x[1] == y[1])


def _ne(m: Primitives, x: Pair, y: Pair) -> Operand:
    return (x[0] != y[0]) | (x[1] != y[1])


def real_cast(m: Primitives, x: Pair, dtype: str) -> Operand:
    """As NumPy casts: to bool whether any part is not 0, else the real part."""
    if dtype == "bool":
        return (x[0] != 0.0) | (x[1] != 0.0)
    return m.cast(x[0], dtype)


COMPLEX: dict[str, Callable[..., Pair]] = {
    "add": _add, "sub": _sub, "mul": _mul, "div": _div, "neg": _neg, "conj": _conj,
    "sign": _sign, "pow": _pow, "sqrt": _sqrt, "rsqrt": _rsqrt,
    "exp": _exp, "exp2": _exp2, "expm1": _expm1, "log": _log, "log1p": _log1p,
    "log2": _scaled(_log, 1 / math.log(2)), "log10": _scaled(_log, 1 / math.log(10)),
    "sin": _sin, "cos": _cos, "tan": _tan, "sinh": _sinh, "cosh": _cosh, "tanh": _tanh,
    "arcsin": _arcsin, "arccos": _arccos, "arctan": _arctan, "arcsinh": _arcsinh,
    "arccosh": _arccosh, "arctanh": _arctanh,
}  # fmt: skip
REAL: dict[str, Callable[..., Any]] = {
    "abs": _abs, "angle": _angle, "eq": _eq, "ne": _ne,
    "real": lambda m, x: x[0], "imag": lambda m, x: x[1],
    "isnan": lambda m, x: m.isnan(x[0]) | m.isnan(x[1]),
    "isinf": lambda m, x: m.isinf(x[0]) | m.isinf(x[1]),
    "isfinite": lambda m, x: m.isfinite(x[0]) & m.isfinite(x[1]),
}  # fmt: skip
