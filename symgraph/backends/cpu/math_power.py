"""Powers, cube roots and floating-point remainders as vector code.

In: a ``Builder`` and float32 or float64 values. Out: pow, cbrt, fmod, mod and floordiv
with the special cases of C and Python. The power's logarithm is carried in two doubles
(float32: in one), so that its error, which the exponent multiplies, stays below one ULP
of the result. Remainders of far-apart operands go to the C library lane by lane.
"""

from __future__ import annotations

import math

from symgraph.backends.cpu.llvm import BITS_OF, Builder, Value
from symgraph.backends.cpu.math_exp import (
    LOG2_E,
    MANTISSA,
    SMALLEST_NORMAL,
    exp_product,
    exponent_of,
    power_of_two,
    round_to_integer,
)

# ---- exact products ------------------------------------------------------------------


def two_product(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    """(p, e) with x * y = p + e exactly, p = x * y rounded.

    Without a fused multiply-add by splitting the factors (Dekker 1971).
    """
    p = b.fmul(x, y)
    if b.has_fma:
        return p, b.fma(x, y, b.fneg(p))
    (a, c), (d, f) = _halves(b, x), _halves(b, y)
    e = b.fsub(b.fmul(a, d), p)
    e = b.fadd(b.fadd(e, b.fmul(a, f)), b.fmul(c, d))
    return p, b.fadd(e, b.fmul(c, f))


def _halves(b: Builder, x: Value) -> tuple[Value, Value]:
    factor = 2.0 ** ((MANTISSA[x.dtype] + 2) // 2) + 1.0
    spread = b.fmul(x, factor)
    high = b.fsub(spread, b.fsub(spread, x))
    return high, b.fsub(x, high)


# ---- power ---------------------------------------------------------------------------

#: log(2) as a part whose product with an exponent is exact, and the rest.
_LN2_LONG = (0.6931471805598903, 5.49792301870721e-14)
#: 2/3 in two parts.
_TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)

# ((2*atanh(s)/s - 2) / z - 2/3) / z in z = s**2
POWLOG = (
    0.3999999999999998,
    0.2857142857144522,
    0.22222222217510543,
    0.18181818873500902,
    0.15384556653241865,
    0.13336325811015962,
    0.1167464787109552,
    0.1199043658757022,
)
# (2*atanh(s)/s - 2) / z in z = s**2, relative error 2**-37
LOGLOW = (
    0.6666666564133481,
    0.40000336218791693,
    0.2853723811212864,
    0.23583575102896856,
)
# exp(r) on |r| <= log(2)/2, relative error 2**-34
EXPLOW = (
    0.9999999999601457,
    1.0000000002530123,
    0.5000000107679075,
    0.16666665079108123,
    0.04166621659734506,
    0.008333565715887944,
    0.0013948774930684937,
    0.0001977449386361346,
)

#: Beyond these exponents of e the power is inf or 0.
_OUTSIDE = {"float32": (-110.0, 92.0), "float64": (-746.0, 710.0)}


def power(b: Builder, x: Value, y: Value) -> Value:
    """x**y with the special cases of C99, which are NumPy's.

    1 where x is 1 or y is 0; NaN for negative x and y not whole; the sign of x where y
    is odd; limits at 0 and inf.
    """
    return b.shared("pow", x.dtype, (x, y), _power)


def _power(b: Builder, args: list[Value]) -> Value:
    x, y = args
    size = b.fabs(x)
    inner = b.and_(b.compare("ogt", size, 0.0), b.compare("olt", size, math.inf))
    border = b.select(b.compare("oeq", size, 0.0), -math.inf, size)  # their logarithm
    write = _power_float if x.dtype == "float32" else _power_double
    result = write(b, size, y, inner, border)
    result = b.select(b.compare("oeq", size, 1.0), 1.0, result)
    whole = b.compare("oeq", y, b.intrinsic("trunc", y))
    half = b.fmul(y, 0.5)
    odd = b.and_(whole, b.compare("une", half, b.intrinsic("trunc", half)))
    result = b.select(odd, b.copysign(result, x), result)
    negative = b.and_(b.compare("olt", x, 0.0), b.compare("ogt", x, -math.inf))
    undefined = b.and_(negative, b.xor(whole, b.const(1, "bool", x.lanes)))
    result = b.select(undefined, math.nan, result)
    one = b.or_(b.compare("oeq", x, 1.0), b.compare("oeq", y, 0.0))
    return b.select(one, 1.0, result)


def _power_float(
    b: Builder, size: Value, y: Value, inner: Value, border: Value
) -> Value:
    # through one double: log(size) to 2**-37, e**(y*log) to 2**-34
    wide = b.cast(size, "float64")
    e, bits, field = exponent_of(b, wide)
    f = b.fsub(b.bitcast(b.sub(bits, field), "float64"), 1.0)
    s = b.fdiv(f, b.fadd(f, 2.0))
    z = b.fmul(s, s)
    log = b.fma(s, b.fma(z, b.polynomial(z, LOGLOW), 2.0), b.fmul(e, math.log(2.0)))
    log = b.select(inner, log, b.cast(border, "float64"))
    low, high = _OUTSIDE["float32"]
    t = b.below(b.above(b.fmul(b.cast(y, "float64"), log), low), high)
    shifted, n = round_to_integer(b, t, LOG2_E)
    part = b.polynomial(b.fma(n, -math.log(2.0), t), EXPLOW)
    return b.cast(b.fmul(part, power_of_two(b, shifted)), "float32")


def _power_double(
    b: Builder, size: Value, y: Value, inner: Value, border: Value
) -> Value:
    high, low = _long_log(b, size)
    high = b.select(inner, high, border)
    p, rest = two_product(b, y, high)
    rest = b.fma(y, low, rest)
    least, most = _OUTSIDE["float64"]
    rest = b.select(b.compare("olt", b.fabs(p), 800.0), rest, 0.0)
    return exp_product(b, b.below(b.above(p, least), most), rest)


def _long_log(b: Builder, x: Value) -> tuple[Value, Value]:
    # log(x) of a positive x to about 2**-65: with x = 2**e * (1 + f), s = f / (2 + f)
    # and z = s**2 it is e*log(2) + s * (2 + z * (2/3 + z * T(z))).
    tiny = b.compare("olt", x, SMALLEST_NORMAL["float64"])
    e, bits, field = exponent_of(b, b.select(tiny, b.fmul(x, 2.0**53), x))
    e = b.fadd(e, b.choose(tiny, -53.0, 0.0, x))
    f = b.fsub(b.bitcast(b.sub(bits, field), "float64"), 1.0)
    d = b.fadd(f, 2.0)
    d_low = b.fsub(f, b.fsub(d, 2.0))
    s = b.fdiv(f, d)
    product, error = two_product(b, s, d)
    left = b.fsub(b.fsub(b.fsub(f, product), error), b.fmul(s, d_low))
    s_low = b.fdiv(left, d)
    z, z_low = two_product(b, s, s)
    z_low = b.fma(b.fadd(s, s), s_low, z_low)
    t = b.fmul(z, b.polynomial(z, POWLOG))
    u = b.fadd(t, _TWO_THIRDS[0])
    u_low = b.fadd(b.fadd(b.fsub(_TWO_THIRDS[0], u), t), _TWO_THIRDS[1])
    v, v_low = two_product(b, z, u)
    v_low = b.fadd(v_low, b.fma(z, u_low, b.fmul(z_low, u)))
    w = b.fadd(v, 2.0)
    w_low = b.fadd(b.fadd(b.fsub(2.0, w), v), v_low)
    p, p_low = two_product(b, s, w)
    p_low = b.fadd(p_low, b.fma(s, w_low, b.fmul(s_low, w)))
    whole = b.fmul(e, _LN2_LONG[0])
    high = b.fadd(whole, p)
    low = b.fadd(b.fsub(whole, high), p)
    return high, b.fadd(low, b.fma(e, _LN2_LONG[1], p_low))


# ---- cube root -----------------------------------------------------------------------

#: (integer seed, what is too small, power of two to lift it by, inverse cube root)
_CUBE = {
    "float32": (0x54A2FA8C, 2.0**-100, 2.0**48, 2.0**-16),
    "float64": (0x553EF0FF, 2.0**-960, 2.0**108, 2.0**-36),
}


def cbrt(b: Builder, x: Value) -> Value:
    """Cube root: z -> x**(-1/3) by Householder's third-order step, then x * z**2.

    The seed divides the exponent by 3 in the integer domain; a last Newton step on the
    root itself removes the rounding errors.
    """
    dtype = x.dtype
    seed, small, lift, drop = _CUBE[dtype]
    size = b.fabs(x)
    tiny = b.compare("olt", size, small)
    a = b.select(tiny, b.fmul(size, lift), size)
    bits = b.bitcast(a, BITS_OF[dtype])
    if dtype == "float32":
        third = b.fma(b.cast(bits, "float32"), -1.0 / 3.0, float(seed))
        z = b.bitcast(b.convert("fptosi", third, "int32"), dtype)
    else:  # floor(h / 3) = (h * 0x55555556) >> 32 for the high word h
        third = b.lshr(b.mul(b.lshr(bits, 32), 0x55555556), 32)
        z = b.bitcast(b.shl(b.sub(seed, third), 32), dtype)
    for _ in range(2 if dtype == "float32" else 3):
        h = b.fsub(1.0, b.fmul(b.fmul(b.fmul(a, z), z), z))
        z = b.fma(b.fmul(z, h), b.fma(h, 2.0 / 9.0, 1.0 / 3.0), z)
    square = b.fmul(z, z)
    y = b.fmul(a, square)
    quarter = b.fmul(y, 0.25)  # as the cube of a rounded root may overflow
    p, error = two_product(b, b.fmul(quarter, quarter), quarter)
    left = b.fsub(b.fsub(b.fmul(a, 2.0**-6), p), error)
    y = b.fma(b.fmul(left, 64.0 / 3.0), square, y)
    y = b.fmul(y, b.choose(tiny, drop, 1.0, x))
    usual = b.and_(b.compare("ogt", size, 0.0), b.compare("olt", size, math.inf))
    return b.copysign(b.select(usual, y, size), x)


# ---- remainders ----------------------------------------------------------------------


def fmod(b: Builder, x: Value, y: Value) -> Value:
    """Exact x - trunc(x / y) * y, signed as x; NaN for y = 0 and infinite x."""
    return b.shared("fmod", x.dtype, (x, y), lambda i, a: _fmod(i, a[0], a[1]))


def _fmod(b: Builder, x: Value, y: Value) -> Value:
    symbol = "fmod" if x.dtype == "float64" else "fmodf"
    if not b.has_fma:
        return b.per_lane(symbol, x, y)
    size, step = b.fabs(x), b.fabs(y)
    ratio = b.fdiv(size, step)
    rest = b.fma(b.fneg(b.intrinsic("trunc", ratio)), step, size)
    # the quotient may have been rounded up to the next whole number
    rest = b.select(b.compare("olt", rest, 0.0), b.fadd(rest, step), rest)
    far = b.compare("uge", ratio, 2.0 ** (MANTISSA[x.dtype] - 1))
    rare = b.or_(far, b.compare("oeq", step, math.inf))
    return b.rarely(rare, b.copysign(rest, x), lambda: b.per_lane(symbol, x, y))


def _opposite(b: Builder, rest: Value, y: Value) -> Value:
    # whether a rest has to be moved to the sign of the divisor
    signs = b.xor(b.bitcast(rest, BITS_OF[y.dtype]), b.bitcast(y, BITS_OF[y.dtype]))
    return b.and_(b.compare("lt", signs, 0), b.compare("one", rest, 0.0))


def mod(b: Builder, x: Value, y: Value) -> Value:
    """Return x - floor(x / y) * y, rounded once, with the sign of y."""
    rest = fmod(b, x, y)
    moved = b.select(_opposite(b, rest, y), b.fadd(rest, y), rest)
    zero = b.compare("oeq", moved, 0.0)
    return b.select(zero, b.copysign(0.0, y), moved)


def floordiv(b: Builder, x: Value, y: Value) -> Value:
    """floor(x / y) of the exact quotient; x / y where y is 0."""
    rest = fmod(b, x, y)
    ratio = b.fdiv(x, y)
    quotient = b.fdiv(b.fsub(x, rest), y)
    quotient = b.select(_opposite(b, rest, y), b.fsub(quotient, 1.0), quotient)
    # the division may have rounded: take the nearest whole number
    below = b.intrinsic("floor", quotient)
    more = b.compare("ogt", b.fsub(quotient, below), 0.5)
    nearest = b.select(more, b.fadd(below, 1.0), below)
    zero = b.compare("oeq", quotient, 0.0)
    nearest = b.select(zero, b.copysign(0.0, ratio), nearest)
    return b.select(b.compare("oeq", y, 0.0), ratio, nearest)
