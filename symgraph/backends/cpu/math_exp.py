"""Exponentials and logarithms as straight-line vector code.

In: a ``Builder`` and float32 or float64 values. Out: exp, exp2, expm1, log, log2,
log10, log1p, sigmoid, softplus, log_sigmoid and tanh, each right for NaN, inf, -0.0
and subnormals; the errors that the tests allow are 1 to 3 ULP.

Method: the argument is reduced to n*log(2) + r (n by adding 1.5 * 2**mantissa, which
leaves n in the low bits), then a polynomial. The coefficients are minimax fits of our
own (Remez exchange in 45-digit arithmetic, relative error of the result as weight; the
low coefficients are rounded first and the others fitted again around them).
"""

from __future__ import annotations

import math
import struct

from symgraph.backends.cpu import math_avx512 as avx512
from symgraph.backends.cpu.llvm import BITS_OF, Builder, Value

MANTISSA = {"float32": 23, "float64": 52}
BIAS = {"float32": 127, "float64": 1023}
#: Adding it rounds to an integer, which then stands in the low bits.
MAGIC = {"float32": 1.5 * 2.0**23, "float64": 1.5 * 2.0**52}
SMALLEST_NORMAL = {"float32": 2.0**-126, "float64": 2.0**-1022}
LOG2_E = math.log2(math.e)
#: log(2) in two positive parts; the first times an exponent is exact.
LN2 = {
    "float32": (0.693145751953125, 1.4286067653302e-06),
    "float64": (6.93147180369123816490e-01, 1.90821492927058770002e-10),
}
#: log10(2) split alike.
LOG10_2 = {
    "float32": (0.30102539062500, 4.60503905e-06),
    "float64": (3.01029995663611771306e-01, 3.69423907715893078616e-13),
}

# (exp(r) - 1 - r) / r**2 on |r| <= log(2)/2
EXP = {
    "float32": (
        0.5,
        0.1666666567325592,
        0.041666463017463684,
        0.008333639241755009,
        0.0013935494935140014,
        0.0001966907875612378,
    ),
    "float64": (
        0.5000000000000001,
        0.1666666666666667,
        0.04166666666664865,
        0.008333333333328355,
        0.0013888888897277644,
        0.00019841269866905162,
        2.4801571353200366e-05,
        2.75572636408146e-06,
        2.7570531297947916e-07,
        2.5102713417914265e-08,
        1.6928172238296657e-09,
    ),
}
# the same on |r| <= log(2)/32 in float64, and of a lower degree in float32
EXP_SHORT = {
    "float32": (
        0.4999999403953552,
        0.16666513681411743,
        0.04166806861758232,
        0.00836948025971651,
        0.0013842862099409103,
    ),
    "float64": (
        0.49999999999999833,
        0.16666666664403318,
        0.04166666668247753,
        0.008333472369693484,
        0.0013888673114795802,
    ),
}
#: 2 ** (k/16)
SIXTEENTHS = tuple(2.0 ** (k / 16) for k in range(16))
# (r * coth(r/2) - 2) / r**2 in r**2, |r| <= log(2)/2
COTH = {
    "float32": (0.166666179895401, -0.0027660122141242027),
    "float64": (
        0.16666666666666555,
        -0.002777777777669638,
        6.613756250117221e-05,
        -1.6533837142135033e-06,
        4.1360465764998594e-08,
    ),
}
# float32: (log(1 + f) - f + f**2/2) / f**3 on sqrt(1/2) <= 1 + f < sqrt(2);
# float64: (2*atanh(s)/s - 2) / s**2 in s**2, with s = f / (2 + f)
LOG = {
    "float32": (
        0.3333333134651184,
        -0.2500082552433014,
        0.20001265406608582,
        -0.16623210906982422,
        0.1420067399740219,
        -0.1316060870885849,
        0.12770456075668335,
        -0.07645200192928314,
    ),
    "float64": (
        0.6666666666666735,
        0.39999999999409347,
        0.28571428743689087,
        0.22222198428557452,
        0.1818357238602253,
        0.15313831093718142,
        0.1479827268276916,
    ),
}


def bit_pattern(value: float, dtype: str) -> int:
    """The bits of a float as an integer."""
    layout = "<f", "<i"
    if dtype == "float64":
        layout = "<d", "<q"
    return int(struct.unpack(layout[1], struct.pack(layout[0], value))[0])


# ---- powers of two -------------------------------------------------------------------


def round_to_integer(b: Builder, x: Value, factor: float) -> tuple[Value, Value]:
    """(t, n): n = rint(x * factor) as a float, and t whose low bits hold n."""
    magic = MAGIC[x.dtype]
    t = b.fma(x, factor, magic)
    return t, b.fsub(t, magic)


def power_of_two(b: Builder, t: Value, extra: int = 0) -> Value:
    """2 ** (n + extra) for the n in the low bits of ``t``; must be a normal number."""
    dtype = t.dtype
    integer, shift = BITS_OF[dtype], MANTISSA[dtype]
    exponent = b.shl(b.bitcast(t, integer), shift)
    return b.bitcast(b.add(exponent, (BIAS[dtype] + extra) << shift), dtype)


def scale(b: Builder, p: Value, t: Value, n: Value) -> Value:
    """Return p * 2**n rounded once, to subnormals, zero or inf where need be.

    ``t`` and ``n`` as ``round_to_integer`` gives them. AVX-512 has an instruction;
    elsewhere two factors of half the exponent, of which only the second can round.
    """
    dtype = p.dtype
    if avx512.fits(b, p):
        return avx512.scale(b, p, n)
    integer, shift = BITS_OF[dtype], MANTISSA[dtype]
    bits = b.bitcast(t, integer)
    biased = b.sub(bits, bit_pattern(MAGIC[dtype], dtype) - 2 * BIAS[dtype])
    half = b.lshr(biased, 1)
    rest = b.sub(biased, half)
    first = b.bitcast(b.shl(half, shift), dtype)
    second = b.bitcast(b.shl(rest, shift), dtype)
    return b.fmul(b.fmul(p, first), second)


# ---- exponentials --------------------------------------------------------------------

#: exp is 0 below the first and inf above the second.
EXP_RANGE = {"float32": (-104.0, 89.0), "float64": (-746.0, 710.0)}
EXP2_RANGE = {"float32": (-151.0, 128.25), "float64": (-1076.0, 1024.25)}
#: sigmoid is 0 below the first and 1 above the second.
SIGMOID_RANGE = {"float32": (-105.0, 20.0), "float64": (-747.0, 40.0)}
#: expm1 is -1 below the first; the second gives inf with a finite power of two.
EXPM1_RANGE = {"float32": (-18.0, 88.8), "float64": (-40.0, 709.9)}
#: |x| from which tanh is 1.
TANH_ONE = {"float32": 10.0, "float64": 20.0}
#: |x| below which x - x**2/2 and x + x**2/2 round to x.
IDENTITY = {"float32": 2.0**-26, "float64": 2.0**-55}


def reduce_exp(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """(t, n, r) with x = n*log(2) + r, |r| <= log(2)/2."""
    high, low = LN2[x.dtype]
    t, n = round_to_integer(b, x, LOG2_E)
    r = b.fma(n, -low, b.fma(n, -high, x))
    return t, n, r


def exp(b: Builder, x: Value, nonpositive: bool = False) -> Value:
    """e**x; ``nonpositive`` promises x <= 0 and saves the upper bound."""
    low, high = EXP_RANGE[x.dtype]
    x = b.above(x, low)
    if not nonpositive:
        x = b.below(x, high)
    return exp_product(b, x, None)


def exp_product(b: Builder, high: Value, low: Value | None) -> Value:
    """e**(high + low) for a small correction ``low``, high within exp's range."""
    if high.dtype == "float64" and avx512.fits(b, high):
        t = b.fma(high, LOG2_E, MAGIC["float64"] / 16)
        n = b.fsub(t, MAGIC["float64"] / 16)
        r = b.fma(n, -LN2["float64"][1], b.fma(n, -LN2["float64"][0], high))
        return _sixteenths(b, t, n, r if low is None else b.fadd(r, low))
    t, n, r = reduce_exp(b, high)
    if low is not None:
        r = b.fadd(r, low)
    series = EXP_SHORT if high.dtype == "float32" else EXP
    return scale(b, b.polynomial(r, (1.0, 1.0, *series[high.dtype])), t, n)


def _sixteenths(b: Builder, t: Value, n: Value, r: Value) -> Value:
    # 2**n * e**r, n a multiple of 1/16 whose low bits stand in t: the table of Tang
    # (1989) in registers, so that the series is half as long
    p = b.fma(b.fmul(r, r), b.polynomial(r, EXP_SHORT["float64"]), r)
    part = avx512.choose_of_sixteen(b, b.bitcast(t, "int64"), SIXTEENTHS)
    return avx512.scale(b, b.fma(part, p, part), n)


def exp2(b: Builder, x: Value) -> Value:
    """2**x, exact for integers."""
    low, high = EXP2_RANGE[x.dtype]
    x = b.below(b.above(x, low), high)
    if x.dtype == "float64" and avx512.fits(b, x):
        t = b.fadd(x, MAGIC["float64"] / 16)
        n = b.fsub(t, MAGIC["float64"] / 16)
        return _sixteenths(b, t, n, b.fmul(b.fsub(x, n), math.log(2.0)))
    t, n = round_to_integer(b, x, 1.0)
    r = b.fmul(b.fsub(x, n), math.log(2.0))
    return scale(b, b.polynomial(r, (1.0, 1.0, *EXP[x.dtype])), t, n)


def expm1(b: Builder, x: Value) -> Value:
    """e**x - 1 = 2 * (h*p + (h - 1/2)) with h = 2**(n-1) and p = e**r - 1."""
    dtype = x.dtype
    low, high = EXPM1_RANGE[dtype]
    t, _, r = reduce_exp(b, b.below(b.above(x, low), high))
    p = b.fma(b.fmul(r, r), b.polynomial(r, EXP[dtype]), r)
    h = power_of_two(b, t, -1)
    half = b.fma(h, p, b.fsub(h, 0.5))
    tiny = b.compare("olt", b.fabs(x), IDENTITY[dtype])
    return b.select(tiny, x, b.fadd(half, half))


def tanh(b: Builder, x: Value) -> Value:
    """Return h / (h + 1) with h = (e**(2|x|) - 1) / 2, signed as x."""
    dtype = x.dtype
    high, low = LN2[dtype]
    size = b.below(b.fabs(x), TANH_ONE[dtype])
    t, n = round_to_integer(b, size, 2.0 * LOG2_E)
    r = b.fma(n, -low / 2, b.fma(n, -high / 2, size))
    doubled = tuple(c * 2.0 ** (k + 1) for k, c in enumerate(EXP[dtype]))
    p = b.fma(b.fmul(r, r), b.polynomial(r, doubled), r)  # (e**(2r) - 1) / 2
    s = power_of_two(b, t)
    h = b.fma(s, p, b.fma(s, 0.5, -0.5))
    return b.copysign(b.fdiv(h, b.fadd(h, 1.0)), x)


def sigmoid(b: Builder, x: Value) -> Value:
    """1 / (1 + e**-x) = p / (p + q) with e**x = p / q.

    x = n*log(2) + r, p = 2**n * (c + r) and q = c - r for c = r * coth(r/2), which is
    even in r, so that its series is half as long as that of e**r.
    """
    low, high = SIGMOID_RANGE[x.dtype]
    t, n, r = reduce_exp(b, b.below(b.above(x, low), high))
    z = b.fmul(r, r)
    c = b.polynomial(z, (2.0, *COTH[x.dtype]))
    p = scale(b, b.fadd(c, r), t, n)
    return b.fdiv(p, b.fadd(p, b.fsub(c, r)))


def softplus(b: Builder, x: Value) -> Value:
    """log(1 + e**x) = max(x, 0) + log1p(e**-|x|)."""
    e = exp(b, b.fneg(b.fabs(x)), nonpositive=True)
    return b.fadd(b.above(x, 0.0), _log1p_unit(b, e))


def log_sigmoid(b: Builder, x: Value) -> Value:
    """-log(1 + e**-x) = min(x, 0) - log1p(e**-|x|)."""
    e = exp(b, b.fneg(b.fabs(x)), nonpositive=True)
    return b.fsub(b.below(x, -0.0), _log1p_unit(b, e))


# ---- logarithms ----------------------------------------------------------------------


def _avx512_split(b: Builder, x: Value) -> tuple[Value, Value]:
    # subnormals, 0, inf, NaN and negative numbers are right without more
    e = avx512.exponent(b, x)
    m = avx512.significand(b, x)
    big = b.compare("oge", m, math.sqrt(0.5) * 2.0)
    m = b.select(big, b.fmul(m, 0.5), m)
    e = b.select(big, b.fadd(e, 1.0), e)
    return e, b.fsub(m, 1.0)


def exponent_of(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    # Of a positive normal x: e as a float, the bits of x and the bits e << mantissa,
    # such that sqrt(1/2) <= x / 2**e < sqrt(2).
    dtype = x.dtype
    integer, shift = BITS_OF[dtype], MANTISSA[dtype]
    bits = b.bitcast(x, integer)
    offset = b.sub(bits, bit_pattern(math.sqrt(0.5), dtype))
    field = b.and_(offset, -1 << shift)
    if dtype == "float32" or "avx512dq" in b.features or x.lanes == 1:
        e = b.convert("sitofp", b.ashr(offset, shift), dtype)
    else:  # 64-bit arithmetic shifts and conversions are slow before AVX-512
        biased = b.lshr(b.add(offset, BIAS[dtype] << shift), shift)
        joined = b.or_(biased, bit_pattern(2.0**52, dtype))
        e = b.fsub(b.bitcast(joined, dtype), 2.0**52 + BIAS[dtype])
    return e, bits, field


def split(b: Builder, x: Value) -> tuple[Value, Value, bool]:
    """(e, f, complete): x = 2**e * (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2).

    ``complete`` tells that the result built from e and f needs no ``finish``.
    """
    dtype = x.dtype
    if avx512.fits(b, x):
        return *_avx512_split(b, x), True
    lift = MANTISSA[dtype] + 1
    tiny = b.compare("olt", x, SMALLEST_NORMAL[dtype])
    normal = b.select(tiny, b.fmul(x, 2.0**lift), x)
    e, bits, field = exponent_of(b, normal)
    e = b.fadd(e, b.choose(tiny, -float(lift), 0.0, x))
    f = b.fsub(b.bitcast(b.sub(bits, field), dtype), 1.0)
    return e, f, False


def finish(b: Builder, x: Value, result: Value) -> Value:
    """A logarithm's value at 0, below 0, at inf and NaN put in place."""
    result = b.select(b.compare("olt", x, math.inf), result, x)
    pole = b.choose(b.compare("oeq", x, 0.0), -math.inf, math.nan, x)
    return b.select(b.compare("ole", x, 0.0), pole, result)


def _log_sum(b: Builder, f: Value, e: Value) -> Value:
    # log(1 + f) + e * log(2), smallest parts first.
    high, low = LN2[f.dtype]
    tail = _log_tail(b, f, b.fmul(e, low))
    return b.fma(e, high, b.fadd(f, tail))


def _log_tail(b: Builder, f: Value, more: Value | None = None) -> Value:
    # log(1 + f) - f + more
    if f.dtype == "float32":
        square = b.fmul(f, f)
        series = b.fma(f, b.polynomial(f, LOG["float32"]), -0.5)
        return b.fma(square, series, more) if more else b.fmul(square, series)
    s = b.fdiv(f, b.fadd(f, 2.0))
    z = b.fmul(s, s)
    series = b.fmul(z, b.polynomial(z, LOG["float64"]))
    half = b.fmul(b.fmul(f, 0.5), f)
    term = b.fadd(half, series)
    product = b.fma(s, term, more) if more else b.fmul(s, term)
    return b.fsub(product, half)


def log(b: Builder, x: Value) -> Value:
    """Natural logarithm, from the two parts that ``split`` gives."""
    e, f, complete = split(b, x)
    result = _log_sum(b, f, e)
    return result if complete else finish(b, x, result)


def log2(b: Builder, x: Value) -> Value:
    """Logarithm to base 2, exact for powers of two."""
    e, f, complete = split(b, x)
    result = b.fma(b.fadd(f, _log_tail(b, f)), LOG2_E, e)
    return result if complete else finish(b, x, result)


def log10(b: Builder, x: Value) -> Value:
    """Logarithm to base 10."""
    high, low = LOG10_2[x.dtype]
    e, f, complete = split(b, x)
    part = b.fmul(b.fadd(f, _log_tail(b, f)), math.log10(math.e))
    result = b.fma(e, high, b.fma(e, low, part))
    return result if complete else finish(b, x, result)


def log1p(b: Builder, x: Value) -> Value:
    """log(1 + x) = e*log(2) + log(1 + f), where 1 + f = (1 + x) / 2**e.

    f = x/2**e + (1/2**e - 1) loses nothing of a small x. The power is taken four
    times as large, as 2**-128 would be subnormal.
    """
    dtype = x.dtype
    shift = MANTISSA[dtype]
    e, _, field = exponent_of(b, b.fadd(x, 1.0))
    power = b.bitcast(b.sub((BIAS[dtype] + 2) << shift, field), dtype)
    f = b.fma(b.fmul(x, 0.25), power, b.fma(power, 0.25, -1.0))
    result = _log_sum(b, f, e)
    result = b.select(b.compare("olt", x, math.inf), result, x)
    pole = b.choose(b.compare("oeq", x, -1.0), -math.inf, math.nan, x)
    result = b.select(b.compare("ole", x, -1.0), pole, result)
    return b.select(b.compare("olt", b.fabs(x), IDENTITY[dtype]), x, result)


def _log1p_unit(b: Builder, x: Value) -> Value:
    # log(1 + x) for 0 <= x <= 1: the exponent of 1 + x is 0 or 1.
    big = b.compare("ogt", x, math.sqrt(2.0) - 1.0)
    f = b.select(big, b.fma(x, 0.5, -0.5), x)
    return _log_sum(b, f, b.choose(big, 1.0, 0.0, x))
