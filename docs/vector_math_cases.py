"""The functions that make_vector_math.py measures: domains, references, methods.

In: nothing. Out: `CASES`, one `Case` a row of the page, and the points that are tried.
References of float32 are long doubles or SciPy's doubles; those of float64 are numbers
of mpmath with 40 digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpf
from scipy import special

mp.dps = 40
LONG = np.longdouble
INF = math.inf


@dataclass(frozen=True)
class Case:
    """One row: a function on a domain, and what it is compared with.

    `least`: where the result may vanish though the argument is no zero of the formula,
    errors are counted in units of the last place of at least this number.
    """

    name: str
    low: float
    high: float
    wide: Callable[..., Any]  # of long doubles
    exact: Callable[..., Any]  # of mpmath numbers
    method: str
    near: tuple[float, ...] = ()
    least: float = 0.0
    points: int = 20_000
    arguments: int = 1

    @property
    def domain(self) -> str:
        """The domain as the page shows it."""
        if self.arguments == 2:
            return "pairs of all scales"
        ends = ["inf" if math.isinf(v) else f"{v:g}" for v in (self.low, self.high)]
        return f"{'-' if self.low == -INF else ''}{ends[0]} .. {ends[1]}"


def _double(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: function(x.astype(np.float64)).astype(LONG)


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, LONG(1)) / (1 + e)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _mp_sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _mp_log1p(x: Any) -> Any:
    return mp.log1p(x) if x > -1 else mpf("-inf")


def _mp_softplus(x: Any) -> Any:
    return mp.log1p(mp.exp(x)) if x < 60 else x + mp.exp(-x)


def _mp_log_sigmoid(x: Any) -> Any:
    return -_mp_softplus(-x)


def _mp_erfc(x: Any) -> Any:
    if abs(x) > 30:  # mpmath cannot; the double is 0 or 2
        return mpf(0) if x > 0 else mpf(2)
    return mp.erfc(x)


def _mp_erfcx(x: Any) -> Any:
    if x > 1e8:
        return 1 / (x * mp.sqrt(mp.pi)) * (1 - 1 / (2 * x * x))
    with mp.workdps(60):
        return mp.exp(x * x) * mp.erfc(x)


def _mp_erfinv(x: Any) -> Any:
    return mp.sign(x) * mp.inf if abs(x) == 1 else mp.erfinv(x)


def _mp_erfcinv(x: Any) -> Any:
    with mp.workdps(40):
        if x == 0 or x == 2:
            return mp.inf if x == 0 else -mp.inf
        start = (
            mpf(float(special.erfcinv(float(x))))
            if x > 1e-290
            else mp.sqrt(-mp.log(x * mp.sqrt(-mp.pi * mp.log(x))))
        )
        y = start  # Newton's steps on log(erfc(y)), a nearly straight line or parabola
        for _ in range(8):
            e = mp.erfc(y)
            y += (e - x) / e * e / (2 / mp.sqrt(mp.pi) * mp.exp(-y * y))
        return y


def _power(x: Any, y: Any) -> Any:
    return np.power(x, y)


HALVES = tuple(k * math.pi / 2 for k in range(1, 12)) + tuple(
    float(2**k) * math.pi / 2 for k in range(4, 30)
)
#: functions with poles at 0 (and below), which the table of special values shows
POLES = {"rsqrt", "gammaln", "digamma"}
REDUCTION = "Cody and Waite reduction by pi/2, minimax; glibc for huge arguments"
EXPONENT = "x = n log 2 + r, minimax in r"

# fmt: off
CASES = [
    Case("exp", -INF, INF, np.exp, mp.exp, EXPONENT
         + "; float64 with AVX-512: Tang's table of 2^(k/16)",
         (-745.2, -708.4, 709.7, -103.9, -87.3, 88.7)),
    Case("exp2", -INF, INF, np.exp2, lambda x: mpf(2) ** x, EXPONENT,
         (-1075, -1022, 1024, -150, -126, 128)),
    Case("expm1", -INF, INF, np.expm1, mp.expm1, "2^n (e^r - 1) + (2^n - 1), minimax",
         (-37.5, 709.7, 88.7)),
    Case("log", 0.0, INF, np.log, mp.log, "x = 2^e (1+f); minimax (float32), "
         "atanh series in f/(2+f) (float64)", (1.0, 0.70710678, 1.41421356)),
    Case("log2", 0.0, INF, np.log2, lambda x: mp.log(x) / mp.log(2), "as log", (1.0,)),
    Case("log10", 0.0, INF, np.log10, mp.log10, "as log", (1.0,)),
    Case("log1p", -1.0, INF, np.log1p, _mp_log1p, "as log of 1+x, its rounding undone",
         (0.41421356, -0.29289322)),
    Case("tanh", -INF, INF, np.tanh, mp.tanh, "h/(h+1), h = (e^(2|x|)-1)/2",
         (0.1732868, 0.5198604)),
    Case("sigmoid", -INF, INF, _sigmoid, _mp_sigmoid,
         "p/(p+q), e^x = p/q = 2^n (c+r)/(c-r), c = r coth(r/2)",
         (-709, -745, -88, -103.9, 17, 37)),
    Case("softplus", -INF, INF, _softplus, _mp_softplus,
         "max(x,0) + log1p(e^-|x|)", (0.88,)),
    Case("log_sigmoid", -INF, INF, lambda x: -_softplus(-x), _mp_log_sigmoid,
         "min(x,0) - log1p(e^-|x|)", (-0.88,)),
    Case("erf", -INF, INF, _double(special.erf), mp.erf, "minimax, 1 - e^p(x) for |x| > 1",
         (1.0, 4.0, 6.0)),
    Case("erfc", -INF, INF, _double(special.erfc), _mp_erfc,
         "Shepherd and Laframboise 1981", (0.5, 9.3, 26.5), points=8000),
    Case("erfcx", -26.0, INF, _double(special.erfcx), _mp_erfcx,
         "Shepherd and Laframboise 1981", (0.5,), points=4000),
    Case("erfinv", -1.0, 1.0, _double(special.erfinv), _mp_erfinv,
         "Giles 2011, Wichura 1988 (AS 241); in float64", (0.99,), points=500),
    Case("erfcinv", 0.0, 2.0, _double(special.erfcinv), _mp_erfcinv,
         "as erfinv", (1.0,), points=500),
    Case("sin", -INF, INF, np.sin, mp.sin, REDUCTION, HALVES),
    Case("cos", -INF, INF, np.cos, mp.cos, REDUCTION, HALVES),
    Case("tan", -INF, INF, np.tan, mp.tan, REDUCTION, HALVES),
    Case("arcsin", -1.0, 1.0, np.arcsin, mp.asin, "minimax, half complement for |x| > 1/2",
         (0.5, 1.0)),
    Case("arccos", -1.0, 1.0, np.arccos, mp.acos, "as arcsin", (0.5, 1.0, -1.0)),
    Case("arctan", -INF, INF, np.arctan, mp.atan,
         "minimax, complement for |x| > 1", (1.0,)),
    Case("arctan2", 0, 0, np.arctan2, mp.atan2, "arctan of the smaller over the larger",
         arguments=2),
    Case("sinh", -INF, INF, np.sinh, mp.sinh, "minimax for |x| < 1, else of e^|x|",
         (1.0, 710.4, 89.4)),
    Case("cosh", -INF, INF, np.cosh, mp.cosh, "of e^|x|", (710.4, 89.4)),
    Case("arcsinh", -INF, INF, np.arcsinh, mp.asinh, "log1p of x + x^2/(1+sqrt(x^2+1))"),
    Case("arccosh", 1.0, INF, np.arccosh, mp.acosh, "log1p of t + sqrt(2t+t^2), t = x-1",
         (1.0,)),
    Case("arctanh", -1.0, 1.0, np.arctanh, mp.atanh, "log1p of 2x/(1-x), halved", (1.0,)),
    Case("pow", 0, 0, _power, lambda x, y: x ** y,
         "log in two doubles (float32: one), e^(y log x)", arguments=2),
    Case("sqrt", 0.0, INF, np.sqrt, mp.sqrt, "instruction"),
    Case("rsqrt", 0.0, INF, lambda x: 1 / np.sqrt(x), lambda x: 1 / mp.sqrt(x),
         "1 / sqrt, each rounded"),
    Case("cbrt", -INF, INF, np.cbrt, lambda x: mp.sign(x) * mp.cbrt(abs(x)),
         "Householder on x^(-1/3), Newton on the root"),
    Case("gammaln", 0.0, INF, _double(special.gammaln), lambda x: mp.loggamma(x).real,
         "glibc's lgamma, lane by lane, in float64", (1.0, 2.0), points=2000),
    Case("digamma", 0.0, INF, _double(special.psi), mp.digamma,
         "recurrence, asymptotic series; in float64", (1.4616321449683622, 2.0),
         points=2000),
    Case("digamma", -100.0, -1e-3, _double(special.psi), mp.digamma,
         "reflection; ULP of max(|result|, 4)", (), 4.0, 2000),
]
# fmt: on


def points(case: Case, dtype: str, count: int) -> np.ndarray:
    """Arguments: evenly spaced bit patterns of the domain, and neighbours of hard ones.

    `count` of the first; around each point of `case.near`, 0, 1 and the ends of the
    domain all 400 (float64: 20, and 100 nearby) neighbours.
    """
    integer, kind = (
        (np.int32, np.float32) if dtype == "float32" else (np.int64, np.float64)
    )
    low, high = kind(case.low), kind(case.high)
    ordered = [_order(v, integer) for v in (low, high)]
    patterns = np.linspace(0, 1, count, dtype=LONG) * LONG(ordered[1] - ordered[0])
    patterns = (patterns + LONG(ordered[0])).astype(np.int64)
    random = np.random.default_rng(0)
    pieces = [_back(patterns, integer, kind)]
    for scale in (1e-3, 1.0, 10.0, 100.0, 1000.0, 1e5):
        pieces.append(random.uniform(-scale, scale, count // 6).astype(kind))
    reach = 200 if dtype == "float32" else 10
    for centre in (0.0, 1.0, case.low, case.high, *case.near):
        for value in (kind(centre), kind(-centre)):
            around = _order(value, integer) + np.arange(-reach, reach + 1)
            limit = _order(kind(np.inf), integer)
            pieces.append(_back(np.clip(around, -limit, limit), integer, kind))
        spread = centre * (
            1 + random.normal(size=50) * 2.0 ** -random.integers(3, 40, 50)
        )
        pieces.append(spread.astype(kind))
    x = np.concatenate(pieces)
    x = x[(x >= low) & (x <= high) & np.isfinite(x)]
    if case.name in POLES:
        x = x[(x > 0) | (x != np.rint(x))]
    if case.name in ("sin", "cos", "tan") and dtype == "float64":
        hard = np.float64(6381956970095103.0) * 2.0**797  # Muller's: nearest to k*pi/2
        x = np.append(x, [hard, -hard])
    return np.asarray(np.unique(x))


def pairs(name: str, dtype: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Arguments of functions of two: bases and exponents with results of all sizes."""
    random = np.random.default_rng(1)
    if name == "arctan2":
        y, x = (
            random.normal(size=count) * 10.0 ** random.uniform(-30, 30, count)
            for _ in range(2)
        )
        return y.astype(dtype), x.astype(dtype)
    size = 10.0 ** random.uniform(-38, 38, count)
    size[::3] = 1 + random.normal(size=len(size[::3])) * 1e-3
    base = size.astype(dtype)
    limit = 103.0 if dtype == "float32" else 740.0
    with np.errstate(divide="ignore"):
        power = random.uniform(-limit, limit, count) / np.log(base.astype(np.float64))
    power[::5] = random.integers(-20, 20, len(power[::5]))
    ok = np.isfinite(power) & (np.abs(power) < 1e30)
    return base[ok], power[ok].astype(dtype)


def _order(value: Any, integer: type) -> int:
    """The place of a float among all floats in order."""
    bits = int(value.view(integer))
    top = 1 << (8 * np.dtype(integer).itemsize - 1)
    return bits if bits >= 0 else -(bits + top)


def _back(places: np.ndarray, integer: type, kind: type) -> np.ndarray:
    positive = np.abs(places).astype(integer).view(kind)
    return np.where(places < 0, -positive, positive)
