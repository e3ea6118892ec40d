"""Derivatives of the digamma function, of the first order (tri_gamma) to the ninth.

One body for each order, made by `_body` from the recurrence, the asymptotic series and
the reflection of DLMF 5.15. In: a real number. Out: the scalar functions ``tri_gamma``
and ``polygamma_2`` ... ``polygamma_9``, each the derivative of the one before it. The
public functions are in ops/special.py.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from symgraph.ops.families import (
    Gradient,
    apply_scalar,
    define,
    no_gradient,
    real_floating,
)

#: the highest order; the last one has no gradient
HIGHEST = 9
#: Bernoulli numbers B[2], B[4], ... B[16] (DLMF 24.2.3)
_BERNOULLI = [
    Fraction(*pair)
    for pair in ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6),
                 (-3617, 510))
]  # fmt: skip


def scalar_name(order: int) -> str:
    """Name of the scalar function of an order from 1."""
    return "tri_gamma" if order == 1 else f"polygamma_{order}"


def _cotangent_slopes(order: int) -> list[int]:
    """Coefficients of P with d**n cot(t) / dt**n = P(cot t); all of one sign.

    ``P[0] = c`` and ``P[n + 1] = -(1 + c**2) dP[n] / dc``.
    """
    polynomial = [0, 1]
    for _ in range(order):
        slope = [k * a for k, a in enumerate(polynomial)][1:]
        polynomial = [0] * (len(slope) + 2)
        for k, a in enumerate(slope):
            polynomial[k] -= a
            polynomial[k + 2] -= a
    return polynomial


def _power(x: Any, exponent: int) -> Any:
    """x ** exponent by multiplications."""
    if exponent == 1:
        return x
    half = _power(x, exponent // 2)
    return half * half * x if exponent % 2 else half * half


def _body(order: int) -> Callable[[Any, Any], Any]:
    """Psi of an order: recurrence (DLMF 5.15.5), series (5.15.8), reflection (5.15.6)."""
    sign = -1 if order % 2 == 0 else 1
    whole = math.factorial(order)
    last, *others = [
        float(b * math.factorial(2 * k + order - 1) / math.factorial(2 * k))
        for k, b in reversed(list(enumerate(_BERNOULLI, 1)))
    ]
    # an even or odd polynomial: every other coefficient is 0
    highest, *lower = _cotangent_slopes(order)[::-2]
    odd = order % 2 == 0

    def body(m: Any, x: Any) -> Any:
        left = x < 0.5
        z = m.where(left, 1 - x, x)
        shift = 0.0
        for _ in range(8 + order):
            shift = 1 / _power(z, order + 1) + shift
            z = z + 1
        r = 1 / z
        s = r * r
        series = last
        for coefficient in others:
            series = s * series + coefficient
        series = s * series + math.factorial(order - 1)
        tail = _power(r, order) * (series + (whole / 2) * r)
        value = sign * (tail + whole * shift)
        near = x - m.floor(x + 0.5)
        c = m.cos(near * math.pi) / m.sin(near * math.pi)
        square = c * c
        slope: Any = highest
        for coefficient in lower:
            slope = slope * square + coefficient
        slope = slope * c if odd else slope
        return m.where(left, -sign * value - math.pi ** (order + 1) * slope, value)

    return body


def _gradient(order: int) -> Gradient:
    """The rule of an order: the next one."""
    if order == HIGHEST:
        return no_gradient(f"polygamma of order {HIGHEST}")
    above = scalar_name(order + 1)
    return lambda g, y, x: (g * apply_scalar(above, x),)


for _order in range(1, HIGHEST + 1):
    define(
        scalar_name(_order), 1, real_floating, body=_body(_order),
        grad=_gradient(_order),
    )  # fmt: skip
