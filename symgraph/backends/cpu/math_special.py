"""Error functions, their inverses, and the logarithm and derivative of gamma.

In: a ``Builder`` and float32 or float64 values. Out: erf, erfc, erfcx, erfinv,
erfcinv, gammaln, digamma with SciPy's special cases. The rarer ones are helper
functions, computed in float64 for float32 too; gammaln is the C library's, lane by
lane. Polynomials are minimax fits made as in ``math_exp``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from symgraph.backends.cpu.llvm import Builder, Value
from symgraph.backends.cpu.math_exp import exp_product, log
from symgraph.backends.cpu.math_power import two_product
from symgraph.backends.cpu.math_trig import tan

# erf(x)/x - 1 in x**2, |x| <= 1
ERF = {
    "float32": (
        0.12837916612625122,
        -0.3761262595653534,
        0.11283578723669052,
        -0.026853347197175026,
        0.005187164526432753,
        -0.0007997885695658624,
        7.807050860719755e-05,
    ),
    "float64": (
        0.12837916709551256,
        -0.3761263890318341,
        0.11283791670942121,
        -0.026866170643085965,
        0.005223977607685846,
        -0.0008548326062784732,
        0.00012055298741338996,
        -1.4924826428591144e-05,
        1.6448659014263583e-06,
        -1.6218582450476424e-07,
        1.3765488226152977e-08,
        -7.882561701487507e-10,
    ),
}  # log(erfc(x)) on 1 <= x <= 4 (float32) or 6
ERF_TAIL = {
    "float32": (
        0.0001884661614894867,
        -1.1295802593231201,
        -0.6332164406776428,
        -0.10842207819223404,
        0.02521032840013504,
        -0.0042052804492414,
        0.00044147175503894687,
        -2.169753861380741e-05,
    ),
    "float64": (
        -1.0575514097209022e-06,
        -1.1283687657878034,
        -0.6366673589403847,
        -0.10263820320253386,
        0.018866340684007943,
        0.0005828619646601086,
        -0.00209763946436985,
        0.0009191213396191265,
        -0.0002301873900196478,
        2.779739310161073e-05,
        3.6788903134339383e-06,
        -2.690699430798729e-06,
        6.91235384346994e-07,
        -1.0871978128259347e-07,
        1.0952382376876603e-08,
        -6.547704618772459e-10,
        1.7786518925536986e-11,
    ),
}  # (1 + 2*x) / 2 * e**(x**2) * erfc(x) in q = (x - k) / (x + k), x >= 0
HALF_ERFCX = {
    "float32": (
        0.6384891867637634,
        -0.04638185724616051,
        -0.08301552385091782,
        0.08202426880598068,
        -0.027106160297989845,
        -0.004006934817880392,
        0.004345068242400885,
        0.000602936779614538,
        -0.0006983948405832052,
        -0.00017323464271612465,
        8.061305561568588e-05,
        2.96156904369127e-05,
    ),
    "float64": (
        0.6164975593127763,
        -0.06981055842028104,
        0.00768982605130548,
        0.03404852712732595,
        -0.05051953301794185,
        0.04686641749976877,
        -0.033165182910020234,
        0.018583757760641143,
        -0.0080988669917552,
        0.002515985051258835,
        -0.00037888684897654194,
        -9.962864370107149e-05,
        7.531153598305286e-05,
        -1.2198690603315642e-05,
        -5.612528448284412e-06,
        2.852991644874952e-06,
        1.4898096624168067e-07,
        -4.102025027073888e-07,
        3.559510608106335e-08,
        5.292933054848185e-08,
        -8.1933317557768e-09,
        -6.078127277358107e-09,
        7.882148932343361e-10,
        4.4912343863458756e-10,
    ),
}  # erfinv(c)/c in w - 3.125 with w = -log(1 - c**2) <= 6.25
ERFINV_NEAR = (
    1.6536545626831027,
    0.24015818242558826,
    -0.006033670871427758,
    -0.0007407025341539608,
    0.0001867342080242749,
    -1.388252339577301e-05,
    -1.3654691844670249e-06,
    4.2347881905162516e-07,
    -2.9070382746321187e-08,
    -4.11266195788882e-09,
    1.0512183837360713e-09,
    -5.414239917791098e-11,
    -1.2976953609630803e-11,
    2.630357287756311e-12,
    -8.117103705676588e-14,
    -3.999029900309239e-14,
    6.594823496419093e-15,
    -4.280101571870326e-17,
    -1.3004900357936958e-16,
    1.5754777592782664e-17,
    1.1448616539336683e-18,
    -3.5733038772578883e-19,
    -1.0178651111845613e-21,
    3.371581738548354e-21,
)
# Normal quantile of a small p: a quotient of polynomials in r - 1.6 for
# r = sqrt(-log(p)) <= 5, in r - 5 beyond (Wichura 1988, algorithm AS 241).
QUANTILE_TOP = (
    (
        1.42343711074968357734,
        4.63033784615654529590,
        5.76949722146069140550,
        3.64784832476320460504,
        1.27045825245236838258,
        0.241780725177450611770,
        0.0227238449892691845833,
        7.74545014278341407640e-4,
    ),
    (
        6.65790464350110377720,
        5.46378491116411436990,
        1.78482653991729133580,
        0.296560571828504891230,
        0.0265321895265761230930,
        0.00124266094738807843860,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
)
QUANTILE_BOTTOM = (
    (
        1.0,
        2.05319162663775882187,
        1.67638483018380384940,
        0.689767334985100004550,
        0.148103976427480074590,
        0.0151986665636164571966,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
    (
        1.0,
        0.599832206555887937690,
        0.136929880922735805310,
        0.0148753612908506148525,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)

# digamma(y) / (y - zero) in y - 1.5, 1 <= y <= 2
DIGAMMA_NEAR = (
    0.951055876031833,
    -0.4236274212814606,
    0.24054248424077398,
    -0.14840492305389008,
    0.09498872445497236,
    -0.0619221332746926,
    0.04076083381082398,
    -0.026975796691406737,
    0.017907252481121474,
    -0.011908219415645441,
    0.00792694402168084,
    -0.005279946310846069,
    0.003519012101398027,
    -0.0023454203115964296,
    0.0015565995756763066,
    -0.0010368446686915822,
    0.0007234363097327307,
    -0.00048472203797360054,
    0.00022702623184653423,
    -0.00014699283832443722,
    0.00025985068734575497,
    -0.0001765511453161951,
)  # (log(y) - 1/(2*y) - digamma(y)) * y**2 in 1/y**2, y >= 2
DIGAMMA_FAR = (
    0.0833333333333181,
    -0.008333333326723962,
    0.003968252911913015,
    -0.00416657775450516,
    0.007571129332702627,
    -0.020928919868540948,
    0.07911253306056303,
    -0.35961471970559883,
    1.7036852950750454,
    -7.449162408620376,
    27.552781358750476,
    -80.87023475458395,
    177.70275046236117,
    -272.03238705237203,
    257.30308773962366,
    -112.83063342003443,
)


def _through_float64(
    b: Builder, name: str, x: Value, body: Callable[[Builder, Value], Value]
) -> Value:
    wide = b.cast(x, "float64")
    result = b.shared(name, "float64", (wide,), lambda i, a: body(i, a[0]))
    return b.cast(result, x.dtype)


# ---- error functions -----------------------------------------------------------------

#: |x| from which erf is 1.
_ERF_ONE = {"float32": 4.0, "float64": 6.0}
#: |x| from which erfc is 0 (and 2), and -x from which erfcx is inf.
_ERFC_ZERO = {"float32": 10.5, "float64": 28.0}
#: The scaled function is a polynomial in (x - k) / (x + k) over 1 + 2*x.
_ERFCX_K = {"float32": 2.0, "float64": 4.0}


def _erf_near(b: Builder, x: Value) -> Value:
    # of |x| <= 1
    return b.fma(x, b.polynomial(b.fmul(x, x), ERF[x.dtype]), x)


def erf(b: Builder, x: Value) -> Value:
    """2/sqrt(pi) * integral of e**-t**2 from 0 to x.

    A polynomial for |x| < 1, then 1 - e**p(|x|) with p = log(erfc).
    """
    dtype = x.dtype
    size = b.fabs(x)
    near = _erf_near(b, size)
    exponent = b.polynomial(b.below(size, _ERF_ONE[dtype]), ERF_TAIL[dtype])
    far = b.fsub(1.0, exp_product(b, exponent, None))
    return b.copysign(b.select(b.compare("olt", size, 1.0), near, far), x)


def _scaled(b: Builder, size: Value) -> Value:
    # e**(x**2) * erfc(x) for x >= 0 (Shepherd and Laframboise 1981, (1 + 2x) taken out)
    dtype = size.dtype
    k = _ERFCX_K[dtype]
    bounded = b.below(size, 2.0**60)
    q = b.fdiv(b.fsub(bounded, k), b.fadd(bounded, k))
    return b.fdiv(b.polynomial(q, HALF_ERFCX[dtype]), b.fadd(size, 0.5))


def erfc(b: Builder, x: Value) -> Value:
    """1 - erf(x), accurate where it is small."""
    size = b.below(b.fabs(x), _ERFC_ZERO[x.dtype])
    square, rest = two_product(b, size, size)
    e = exp_product(b, b.fneg(square), b.fneg(rest))
    result = b.fmul(e, _scaled(b, size))
    result = b.select(b.compare("olt", x, 0.0), b.fsub(2.0, result), result)
    middle = b.compare("olt", size, 0.5)
    return b.select(middle, b.fsub(1.0, _erf_near(b, x)), result)


def erfcx(b: Builder, x: Value) -> Value:
    """e**(x**2) * erfc(x)."""
    size = b.fabs(x)
    result = _scaled(b, size)
    bounded = b.below(size, _ERFC_ZERO[x.dtype])
    square, rest = two_product(b, bounded, bounded)
    e = exp_product(b, square, rest)
    left = b.fsub(b.fadd(e, e), result)
    result = b.select(b.compare("olt", x, 0.0), left, result)
    near = b.fmul(e, b.fsub(1.0, _erf_near(b, x)))
    return b.select(b.compare("olt", size, 0.5), near, result)


# ---- inverse error functions ---------------------------------------------------------


def erfinv(b: Builder, x: Value) -> Value:
    """The y with erf(y) = x."""
    return _through_float64(b, "erfinv", x, _erfinv)


def _erfinv(b: Builder, x: Value) -> Value:
    size = b.fabs(x)
    return b.copysign(_inverse(b, size, b.fsub(1.0, size), b.fadd(size, 1.0)), x)


def erfcinv(b: Builder, x: Value) -> Value:
    """The y with erfc(y) = x."""
    return _through_float64(b, "erfcinv", x, _erfcinv)


def _erfcinv(b: Builder, x: Value) -> Value:
    # erfc(-y) = 2 - erfc(y)
    upper = b.fsub(2.0, x)
    left = b.compare("ogt", x, 1.0)
    small = b.select(left, upper, x)
    signed = b.fsub(1.0, x)
    result = _inverse(b, b.fabs(signed), small, b.select(left, x, upper))
    return b.copysign(result, signed)


def _inverse(b: Builder, size: Value, small: Value, large: Value) -> Value:
    # erfinv(c) of c = size >= 0 with small = 1 - c, large = 1 + c: c times a polynomial
    # in w = -log(1 - c**2) (as Giles 2011 has it), beyond w = 6.25 the normal quantile
    # of small / 2 over sqrt(2).
    w = b.fneg(log(b, b.fmul(small, large)))
    near = b.fmul(size, b.polynomial(b.fsub(w, 3.125), ERFINV_NEAR))
    r = b.intrinsic("sqrt", b.fsub(math.log(2.0), log(b, small)))
    first, second = b.fsub(r, 1.6), b.fsub(r, 5.0)
    deep = b.compare("ogt", r, 5.0)
    top = b.select(
        deep,
        b.polynomial(second, QUANTILE_TOP[1]),
        b.polynomial(first, QUANTILE_TOP[0]),
    )
    bottom = b.select(
        deep,
        b.polynomial(second, QUANTILE_BOTTOM[1]),
        b.polynomial(first, QUANTILE_BOTTOM[0]),
    )
    far = b.fmul(b.fdiv(top, bottom), math.sqrt(0.5))
    result = b.select(b.compare("olt", w, 6.25), near, far)
    return b.select(b.compare("oeq", small, 0.0), math.inf, result)


# ---- gamma ---------------------------------------------------------------------------


def gammaln(b: Builder, x: Value) -> Value:
    """log(|gamma(x)|)."""
    return _through_float64(b, "gammaln", x, _gammaln)


def _gammaln(b: Builder, x: Value) -> Value:
    return b.per_lane("lgamma", x)  # inf at -inf, as C and Python say


#: The positive zero of digamma in two parts.
_ZERO = (1.4616321449683622, 9.549995429965697e-17)


def digamma(b: Builder, x: Value) -> Value:
    """Derivative of log(gamma(x)).

    For y >= 2 log(y) - 1/(2*y) - G(1/y**2)/y**2, for 1 <= y < 2 the zero taken out;
    digamma(x) = digamma(x + 1) - 1/x brings (0, 1) there, and
    digamma(x) = digamma(1 - x) - pi/tan(pi*x) what is negative.
    """
    return _through_float64(b, "digamma", x, _digamma)


def _digamma(b: Builder, x: Value) -> Value:
    reflected = b.compare("ole", x, 0.0)
    y = b.select(reflected, b.fsub(1.0, x), x)
    low = b.compare("olt", y, 1.0)
    y = b.select(low, b.fadd(y, 1.0), y)
    middle = b.compare("olt", y, 2.0)
    near = b.fmul(
        b.fsub(b.fsub(y, _ZERO[0]), _ZERO[1]),
        b.polynomial(b.fsub(y, 1.5), DIGAMMA_NEAR),
    )
    inverse = b.fdiv(1.0, y)
    t = b.fmul(inverse, inverse)
    correction = b.fma(inverse, 0.5, b.fmul(t, b.polynomial(t, DIGAMMA_FAR)))
    far = b.fsub(log(b, y), correction)
    result = b.select(middle, near, far)
    result = b.select(low, b.fsub(result, b.fdiv(1.0, x)), result)
    # pi / tan(pi * x) from the distance to the nearest whole number, itself a pole
    distance = b.fsub(x, b.intrinsic("rint", x))
    slope = b.fdiv(math.pi, tan(b, b.fmul(distance, math.pi)))
    slope = b.select(b.compare("oeq", distance, 0.0), math.nan, slope)
    result = b.select(reflected, b.fsub(result, slope), result)
    pole = b.copysign(math.inf, b.fneg(x))
    return b.select(b.compare("oeq", x, 0.0), pole, result)
