"""Trigonometric and hyperbolic functions, and their inverses, as vector code.

In: a ``Builder`` and float32 or float64 values. Out: sin, cos, tan, arcsin, arccos,
arctan, arctan2, sinh, cosh, arcsinh, arccosh, arctanh, right for NaN, inf, -0.0 and
subnormals; tanh is in ``math_exp``. sin, cos and tan become helper functions, since
lanes with a huge argument go to the C library.

Method: Cody and Waite's reduction by pi/2 in several parts, odd and even minimax
polynomials (fitted as in ``math_exp``), identities for the rest.
"""

from __future__ import annotations

import math

from symgraph.backends.cpu.llvm import BITS, BITS_OF, Builder, Value
from symgraph.backends.cpu.math_exp import (
    EXP,
    log1p,
    reduce_exp,
    round_to_integer,
    scale,
)

#: pi/2 as a sum; with a fused multiply-add the parts may have all their bits, without
#: it n times a part must be exact. Then |x| up to which that reduction serves.
HALF_PI_PARTS = {
    ("float32", True): (1.570796251296997, 7.549789415861596e-08, 5.390302953e-15),
    ("float64", True): (
        1.5707963267948966,
        6.123233995736765e-17,
        1.082856673921914e-32,
    ),
    ("float32", False): (
        1.5703125,
        0.00048351287841796875,
        3.1385570764541626e-07,
        6.07710062827671e-11,
    ),
    ("float64", False): (
        1.570796325802803,
        9.920935791635221e-10,
        5.17018297889025e-19,
        2.9038559739793605e-28,
    ),
}
REDUCIBLE = {
    ("float32", True): 12000.0,
    ("float64", True): 1e9,
    ("float32", False): 12000.0,
    ("float64", False): 6e6,
}
#: pi/2 and pi in two parts.
HALF_PI = {
    "float32": (1.5707963705062866, -4.371139000186241e-08),
    "float64": (1.5707963267948966, 6.123233995736766e-17),
}
PI = {
    "float32": (3.1415927410125732, -8.742278000372482e-08),
    "float64": (3.141592653589793, 1.2246467991473532e-16),
}

# (sin(r)/r - 1) / r**2 in r**2, |r| <= pi/4
SIN = {
    "float32": (-0.16666655242443085, 0.008332190103828907, -0.00019518405315466225),
    "float64": (
        -0.16666666666666666,
        0.008333333333333038,
        -0.00019841269840956014,
        2.755731906976773e-06,
        -2.5052069670714897e-08,
        1.6054138382885462e-10,
        -7.380402907245221e-13,
    ),
}
# (cos(r) - 1 + r**2/2) / r**4 in r**2, |r| <= pi/4
COS = {
    "float32": (0.04166664555668831, -0.00138873013202101, 2.443068296997808e-05),
    "float64": (
        0.0416666666666666,
        -0.0013888888888874441,
        2.4801587289636476e-05,
        -2.7557314387577075e-07,
        2.087572708197469e-09,
        -1.1359804082644718e-11,
    ),
}
# (arcsin(x)/x - 1) / x**2 in x**2, |x| <= 1/2
ARCSIN = {
    "float32": (
        0.16666659712791443,
        0.07500521093606949,
        0.04451363533735275,
        0.03183605521917343,
        0.014329187572002411,
        0.03767313435673714,
    ),
    "float64": (
        0.16666666666666763,
        0.07499999999970118,
        0.04464285717527146,
        0.03038194267588922,
        0.0223722158898674,
        0.01735159578024685,
        0.013981015203246946,
        0.011397320310119481,
        0.010789168210033425,
        0.00367276211744858,
        0.021789249411713993,
        -0.021114757235892668,
        0.03270094922933089,
    ),
}
# (arctan(x)/x - 1) / x**2 in x**2, |x| <= 1
ARCTAN = {
    "float32": (
        -0.33333298563957214,
        0.1999852955341339,
        -0.1426401436328888,
        0.10950861126184464,
        -0.08399206399917603,
        0.05787883326411247,
        -0.03109348565340042,
        0.010866241529583931,
        -0.0017821368528530002,
    ),
    "float64": (
        -0.33333333333333065,
        0.1999999999995095,
        -0.14285714282544626,
        0.11111111006099894,
        -0.09090906986078165,
        0.07692279635611683,
        -0.06666402341429933,
        0.05880517287784063,
        -0.052534702368746834,
        0.047221531359263214,
        -0.04218722297589173,
        0.03663232931306401,
        -0.029888219166008593,
        0.021965078393756998,
        -0.013881397524508688,
        0.007182549738405931,
        -0.0028775347790789005,
        0.0008286426463017313,
        -0.00015156492053657646,
        1.3163820819759708e-05,
    ),
}
# (sinh(x)/x - 1) / x**2 in x**2, |x| <= 1
SINH = {
    "float32": (
        0.1666666716337204,
        0.008333311416208744,
        0.00019842630717903376,
        2.7839798804052407e-06,
    ),
    "float64": (
        0.16666666666666669,
        0.008333333333332915,
        0.00019841269841589247,
        2.7557319108484814e-06,
        2.5052130675318176e-08,
        1.6056687164645215e-10,
        7.775687741015592e-13,
    ),
}


# ---- sine, cosine, tangent -----------------------------------------------------------


def sin(b: Builder, x: Value) -> Value:
    """Sine of x in radians."""
    return b.shared("sin", x.dtype, (x,), lambda i, a: _circular(i, a[0], "sin"))


def cos(b: Builder, x: Value) -> Value:
    """Cosine of x in radians."""
    return b.shared("cos", x.dtype, (x,), lambda i, a: _circular(i, a[0], "cos"))


def tan(b: Builder, x: Value) -> Value:
    """Tangent of x in radians."""
    return b.shared("tan", x.dtype, (x,), lambda i, a: _circular(i, a[0], "tan"))


def _circular(b: Builder, x: Value, name: str) -> Value:
    dtype = x.dtype
    key = dtype, b.has_fma
    t, n = round_to_integer(b, x, 2.0 / math.pi)
    r = x
    for part in HALF_PI_PARTS[key]:
        r = b.fma(n, -part, r)
    z = b.fmul(r, r)
    sine = b.copysign(b.fma(b.fmul(r, z), b.polynomial(z, SIN[dtype]), r), r)
    even = b.fma(z, -0.5, 1.0)
    cosine = b.fma(b.fmul(z, z), b.polynomial(z, COS[dtype]), even)
    quarter = b.bitcast(t, BITS_OF[dtype])  # its low bits count quarter turns
    odd = b.compare("ne", b.and_(quarter, 1), 0)
    top_bit = BITS[dtype] - 1
    if name == "tan":
        result = b.fdiv(b.select(odd, cosine, sine), b.select(odd, sine, cosine))
        sign = b.shl(quarter, top_bit)
    else:
        if name == "cos":
            result = b.select(odd, sine, cosine)
            quarter = b.add(quarter, 1)
        else:
            result = b.select(odd, cosine, sine)
        sign = b.shl(b.lshr(quarter, 1), top_bit)
    usual = b.bitcast(b.xor(b.bitcast(result, BITS_OF[dtype]), sign), dtype)
    huge = b.compare("ogt", b.fabs(x), REDUCIBLE[key])
    symbol = name + ("f" if dtype == "float32" else "")
    return b.rarely(huge, usual, lambda: b.per_lane(symbol, x))


# ---- inverse circular functions ------------------------------------------------------


def _subtract_from(b: Builder, parts: tuple[float, float], x: Value) -> Value:
    high, low = parts
    return b.fsub(high, b.fsub(x, low))


def _arctan_unit(b: Builder, t: Value) -> Value:
    # of 0 <= t <= 1
    z = b.fmul(t, t)
    return b.fma(b.fmul(t, z), b.polynomial(z, ARCTAN[t.dtype]), t)


def arctan(b: Builder, x: Value) -> Value:
    """Inverse tangent; |x| > 1 by the complement of that of 1/|x|."""
    size = b.fabs(x)
    big = b.compare("ogt", size, 1.0)
    near = _arctan_unit(b, b.select(big, b.fdiv(1.0, size), size))
    far = _subtract_from(b, HALF_PI[x.dtype], near)
    return b.copysign(b.select(big, far, near), x)


def arctan2(b: Builder, y: Value, x: Value) -> Value:
    """Angle of the point (x, y), in the quadrant of the signs of x and y."""
    dtype = x.dtype
    height, width = b.fabs(y), b.fabs(x)
    steep = b.compare("ogt", height, width)
    small = b.select(steep, width, height)
    large = b.select(steep, height, width)
    ratio = b.fdiv(small, large)
    # 0/0 counts as 0, inf/inf as 1
    equal = b.compare("oeq", small, large)
    unit = b.choose(b.compare("oeq", large, 0.0), 0.0, 1.0, x)
    angle = _arctan_unit(b, b.select(equal, unit, ratio))
    angle = b.select(steep, _subtract_from(b, HALF_PI[dtype], angle), angle)
    left = b.compare("lt", b.bitcast(x, BITS_OF[dtype]), 0)
    angle = b.select(left, _subtract_from(b, PI[dtype], angle), angle)
    return b.copysign(angle, y)


def _arcsin_parts(b: Builder, x: Value) -> tuple[Value, Value, Value, Value]:
    # (big, r, rest, |x|): arcsin(r) = r + rest, where r is |x|, or for big |x| > 1/2
    # the sine of half the complement, sqrt((1 - |x|) / 2).
    size = b.fabs(x)
    big = b.compare("ogt", size, 0.5)
    z = b.select(big, b.fma(size, -0.5, 0.5), b.fmul(size, size))
    r = b.select(big, b.intrinsic("sqrt", z), size)
    return big, r, b.fmul(b.fmul(r, z), b.polynomial(z, ARCSIN[x.dtype])), size


def arcsin(b: Builder, x: Value) -> Value:
    """Inverse sine; NaN for |x| > 1."""
    high, low = HALF_PI[x.dtype]
    big, r, rest, _ = _arcsin_parts(b, x)
    far = b.fsub(b.fma(r, -2.0, high), b.fma(rest, 2.0, -low))
    return b.copysign(b.select(big, far, b.fadd(r, rest)), x)


def arccos(b: Builder, x: Value) -> Value:
    """Inverse cosine; NaN for |x| > 1."""
    high, low = HALF_PI[x.dtype]
    big, r, rest, _ = _arcsin_parts(b, x)
    # pi/2 - arcsin(x) in the middle, 2*arcsin(r) near 1, pi - 2*arcsin(r) near -1
    signed_r, signed_rest = b.copysign(r, x), b.copysign(rest, x)
    middle = b.fsub(high, b.fadd(signed_r, b.fsub(signed_rest, low)))
    half = b.fadd(r, rest)
    twice = b.fadd(half, half)
    negative = b.compare("olt", x, 0.0)
    outer = b.select(negative, _subtract_from(b, PI[x.dtype], twice), twice)
    return b.select(big, outer, middle)


# ---- hyperbolic functions and inverses -----------------------------------------------


#: |x| beyond which sinh and cosh are inf.
HYPERBOLIC_INF = {"float32": 90.0, "float64": 711.0}
#: |x| from which log(x + 1) rounds to log(x); its square is still finite.
SQUARE_ONLY = {"float32": 2.0**27, "float64": 2.0**56}


def _half_exp(b: Builder, size: Value) -> Value:
    # e**|x| / 2, which overflows only where sinh does
    t, n, r = reduce_exp(b, b.below(size, HYPERBOLIC_INF[size.dtype]))
    p = b.polynomial(r, (1.0, 1.0, *EXP[size.dtype]))
    return scale(b, p, b.fsub(t, 1.0), b.fsub(n, 1.0))


def sinh(b: Builder, x: Value) -> Value:
    """(e**x - e**-x) / 2; a polynomial for |x| < 1."""
    size = b.fabs(x)
    half = _half_exp(b, size)
    far = b.fsub(half, b.fdiv(0.25, half))
    z = b.fmul(x, x)
    near = b.fma(b.fmul(size, z), b.polynomial(z, SINH[x.dtype]), size)
    return b.copysign(b.select(b.compare("olt", size, 1.0), near, far), x)


def cosh(b: Builder, x: Value) -> Value:
    """(e**x + e**-x) / 2."""
    half = _half_exp(b, b.fabs(x))
    return b.fadd(half, b.fdiv(0.25, half))


def arcsinh(b: Builder, x: Value) -> Value:
    """sign(x) * log(|x| + sqrt(x**2 + 1)), as log1p of what exceeds 1."""
    size = b.fabs(x)
    big = b.compare("ogt", size, SQUARE_ONLY[x.dtype])
    square = b.fmul(size, size)
    root = b.intrinsic("sqrt", b.fadd(square, 1.0))
    excess = b.fadd(size, b.fdiv(square, b.fadd(root, 1.0)))
    result = log1p(b, b.select(big, size, excess))
    more = b.choose(big, math.log(2.0), 0.0, x)
    return b.copysign(b.fadd(result, more), x)


def arccosh(b: Builder, x: Value) -> Value:
    """log(x + sqrt(x**2 - 1)) = log1p(t + sqrt(2*t + t**2)) with t = x - 1."""
    big = b.compare("ogt", x, SQUARE_ONLY[x.dtype])
    t = b.fsub(x, 1.0)
    root = b.intrinsic("sqrt", b.fma(t, t, b.fadd(t, t)))
    result = log1p(b, b.select(big, x, b.fadd(t, root)))
    result = b.fadd(result, b.choose(big, math.log(2.0), 0.0, x))
    return b.select(b.compare("olt", x, 1.0), math.nan, result)


def arctanh(b: Builder, x: Value) -> Value:
    """log((1 + x) / (1 - x)) / 2 = log1p(2|x| / (1 - |x|)) / 2 with the sign of x."""
    size = b.fabs(x)
    result = log1p(b, b.fdiv(b.fadd(size, size), b.fsub(1.0, size)))
    return b.copysign(b.fmul(result, 0.5), x)
