"""Samples: for each elementwise public function some valid and some failing inputs.

`SAMPLES` maps the name of a public function to its samples; `ORACLES` maps it to a
NumPy or SciPy function of the same arguments. Tests of values, types, derivatives,
errors and printing are made of them (tests/ops/test_elementwise.py), and so are tests
of backends. Other families have tables of the same form in files beside this one.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import scipy.special as scipy
from sampling import SPECIAL, Sample, binary, unary, values

from symgraph.errors import ArgumentError, DtypeError, NotSupportedError, ShapeError

SAMPLES: dict[str, list[Sample]] = {}
ORACLES: dict[str, Callable[..., Any]] = {}


def _table(rows: dict[str, tuple[Any, ...]], make: Callable[..., list[Sample]]) -> None:
    for name, (oracle, *arguments) in rows.items():
        ORACLES[name] = oracle
        SAMPLES[name] = make(*arguments)


def _xlogx(x: np.ndarray) -> Any:
    return scipy.xlogy(x, x)


def _leaky(x: np.ndarray, alpha: Any) -> Any:
    return np.where(x > 0, x, alpha * x)


def _elu(x: np.ndarray, alpha: Any) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(x))


def _ultra_fast(x: np.ndarray) -> Any:
    h = np.abs(np.asarray(x) / 2)
    line = 0.935409070603099 + 0.0458812946797165 * (h - 1.7)
    t = np.where(h < 1.7, 1.5 * h / (1 + h), np.where(h < 3, line, 0.99505475368673))
    return np.where(np.isnan(x), x, (1 + np.sign(x) * t) / 2)


def _sinc_slope(x: np.ndarray) -> Any:
    x = np.where(np.isinf(x), np.nan, x)
    return -np.pi * scipy.spherical_jn(1, x * np.pi)


def _gammaln(x: np.ndarray) -> Any:
    # C and Python say inf for -inf, SciPy -inf
    return np.where(np.isneginf(x), np.inf, scipy.gammaln(x))


def _polygamma(n: int, x: np.ndarray) -> Any:
    # there is a pole at each negative integer, so no limit at -inf
    return np.where(np.isneginf(x), np.nan, scipy.polygamma(n, x))


def _tri_gamma(x: np.ndarray) -> Any:
    return _polygamma(1, x)


# --- one operand ----------------------------------------------------------------------

# fmt: off
_table({
    # name: (oracle, low, high, kinds, has a gradient)
    "neg": (np.negative, -3, 3, "iufc"),
    "abs": (np.abs, -3, 3, "biufc"),
    "fabs": (np.abs, -3, 3, "biufc"),
    "sign": (np.sign, -3, 3, "iuf", False),
    "sqr": (np.square, -3, 3, "biufc"),
    "sqrt": (np.sqrt, 0.2, 5, "biufc"),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.2, 5, "biufc"),
    "cbrt": (np.cbrt, 0.2, 5),
    "inv": (lambda x: np.divide(1, x), 0.3, 4, "biufc"),
    "ceil": (np.ceil, -3, 3, "biuf", False),
    "floor": (np.floor, -3, 3, "biuf", False),
    "trunc": (np.trunc, -3, 3, "biuf", False),
    "rint": (np.rint, -3, 3, "biuf", False),
    "round": (np.rint, -3, 3, "biuf", False),
    "copy": (np.copy, -3, 3, "biufc"),
    "real": (np.real, -3, 3, "biufc"),
    "imag": (np.imag, -3, 3, "biufc", False),
    "conj": (np.conj, -3, 3, "biufc"),
    "angle": (np.angle, -3, 3, "biufc", False),
    "isnan": (np.isnan, -3, 3, "biufc", False),
    "isinf": (np.isinf, -3, 3, "biufc", False),
    "isfinite": (np.isfinite, -3, 3, "biufc", False),
    "isposinf": (lambda x: np.equal(x, np.inf), -3, 3, "biufc", False),
    "isneginf": (lambda x: np.equal(x, -np.inf), -3, 3, "biufc", False),
    "signbit": (lambda x: np.signbit(np.multiply(x, 1.0)), -3, 3, "biuf", False),
    "invert": (np.invert, -9, 9, "biu", False),
    "logical_not": (np.logical_not, -2, 2, "biufc", False),
    "nan_to_num": (np.nan_to_num, -3, 3, "biuf"),
    "exp": (np.exp, -3, 3, "biufc"),
    "exp2": (np.exp2, -3, 3, "biufc"),
    "expm1": (np.expm1, -3, 3, "biufc"),
    "log": (np.log, 0.2, 4, "biufc"),
    "log2": (np.log2, 0.2, 4, "biufc"),
    "log10": (np.log10, 0.2, 4, "biufc"),
    "log1p": (np.log1p, -0.7, 4, "biufc"),
    "sigmoid": (scipy.expit, -6, 6),
    "softplus": (lambda x: np.logaddexp(0, x), -6, 6),
    "log_sigmoid": (scipy.log_expit, -6, 6),
    "softsign": (lambda x: np.divide(x, 1 + np.abs(x)), -3, 3),
    "hard_sigmoid": (lambda x: np.clip(np.multiply(x, 0.2) + 0.5, 0, 1), -4, 4),
    "ultra_fast_sigmoid": (_ultra_fast, -8, 8),
    "relu": (lambda x: np.maximum(x, 0), -3, 3),
    "elu": (lambda x: _elu(np.asarray(x), 1), -3, 3),
    "selu": (lambda x: 1.0507009873554805 * _elu(np.asarray(x), 1.6732632423543772),
             -3, 3),
    "sin": (np.sin, -3, 3, "biufc"),
    "cos": (np.cos, -3, 3, "biufc"),
    "tan": (np.tan, -1.3, 1.3, "biufc"),
    "arcsin": (np.arcsin, -0.9, 0.9, "biufc"),
    "arccos": (np.arccos, -0.9, 0.9, "biufc"),
    "arctan": (np.arctan, -3, 3, "biufc"),
    "sinh": (np.sinh, -3, 3, "biufc"),
    "cosh": (np.cosh, -3, 3, "biufc"),
    "tanh": (np.tanh, -3, 3, "biufc"),
    "arcsinh": (np.arcsinh, -3, 3, "biufc"),
    "arccosh": (np.arccosh, 1.1, 4, "biufc"),
    "arctanh": (np.arctanh, -0.9, 0.9, "biufc"),
    "deg2rad": (lambda x: np.multiply(x, np.pi / 180), -200, 200, "biufc"),
    "rad2deg": (lambda x: np.multiply(x, 180 / np.pi), -3, 3, "biufc"),
    "sinc": (np.sinc, -3, 3),
    "sinc_slope": (_sinc_slope, -3, 3),
    "erf": (scipy.erf, -3, 3),
    "erfc": (scipy.erfc, -3, 3),
    "erfcx": (scipy.erfcx, -3, 5),
    "erfinv": (scipy.erfinv, -0.9, 0.9),
    "erfcinv": (scipy.erfcinv, 0.1, 1.9),
    "gamma": (scipy.gamma, 0.3, 6),
    "gammaln": (_gammaln, 0.3, 6),
    "digamma": (scipy.digamma, 0.3, 6),
    "tri_gamma": (_tri_gamma, 0.3, 6),
    "xlogx": (_xlogx, 0.2, 3),
    "disconnected_grad": (np.copy, -3, 3, "biufc", False),
    "zero_grad": (np.copy, -3, 3, "biufc", False),
}, unary)

# --- two operands ---------------------------------------------------------------------

_table({
    # name: (oracle, domain of the first, domain of the second, kinds, has a gradient)
    "add": (np.add, (-3, 3), (-3, 3), "biufc"),
    "sub": (np.subtract, (-3, 3), (-3, 3), "iufc"),
    "mul": (np.multiply, (-3, 3), (-3, 3), "biufc"),
    "true_div": (np.true_divide, (-3, 3), (0.4, 3), "biufc"),
    "floor_div": (np.floor_divide, (-9, 9), (-3, 3), "biuf", False),
    "mod": (np.remainder, (-9, 9), (1.3, 3)),
    "fmod": (np.fmod, (-9, 9), (1.3, 3)),
    "divmod": (np.divmod, (-9, 9), (-3, 3), "biuf", False),
    "power": (np.power, (0.3, 3), (0, 3), "biufc"),
    "float_power": (np.float_power, (0.3, 3), (-2, 3), "biufc"),
    "maximum": (np.maximum, (-3, 3), (-3, 3)),
    "minimum": (np.minimum, (-3, 3), (-3, 3)),
    "fmax": (np.fmax, (-3, 3), (-3, 3)),
    "fmin": (np.fmin, (-3, 3), (-3, 3)),
    "copysign": (np.copysign, (-3, 3), (-3, 3)),
    "heaviside": (np.heaviside, (-3, 3), (-3, 3), "biuf"),
    "fill": (lambda a, b: np.broadcast_arrays(a, b)[1], (-3, 3), (-3, 3), "biufc"),
    "lt": (np.less, (-3, 3), (-3, 3), "biuf", False),
    "le": (np.less_equal, (-3, 3), (-3, 3), "biuf", False),
    "gt": (np.greater, (-3, 3), (-3, 3), "biuf", False),
    "ge": (np.greater_equal, (-3, 3), (-3, 3), "biuf", False),
    "eq": (np.equal, (-2, 2), (-2, 2), "biufc", False),
    "neq": (np.not_equal, (-2, 2), (-2, 2), "biufc", False),
    "isclose": (np.isclose, (0, 1), (0, 1), "biufc", False),
    "and_": (np.bitwise_and, (-9, 9), (-9, 9), "biu", False),
    "or_": (np.bitwise_or, (-9, 9), (-9, 9), "biu", False),
    "xor": (np.bitwise_xor, (-9, 9), (-9, 9), "biu", False),
    "left_shift": (np.left_shift, (-9, 9), (0, 6), "biu", False),
    "right_shift": (np.right_shift, (-99, 99), (0, 6), "biu", False),
    "logical_and": (np.logical_and, (-1, 1), (-1, 1), "biufc", False),
    "logical_or": (np.logical_or, (-1, 1), (-1, 1), "biufc", False),
    "logical_xor": (np.logical_xor, (-1, 1), (-1, 1), "biufc", False),
    "logaddexp": (np.logaddexp, (-3, 3), (-3, 3)),
    "logaddexp2": (np.logaddexp2, (-3, 3), (-3, 3)),
    "hypot": (np.hypot, (-3, 3), (-3, 3)),
    "arctan2": (np.arctan2, (-3, 3), (-3, 3)),
    "xlogy0": (scipy.xlogy, (0.2, 3), (0.2, 3)),
}, binary)
# fmt: on

# --- more, by hand --------------------------------------------------------------------


def _floats(*shape: int, low: float = -3, high: float = 3, seed: int = 0) -> np.ndarray:
    return values(shape, "float64", low, high, seed)


_truth = values((3, 4), "bool", 0, 1)
SAMPLES["switch"] = [
    Sample((_truth, _floats(3, 4), _floats(4, seed=1)), gradient=True),
    Sample((_truth[:, :1], _floats(1, 4), 2.5), gradient=True),
    Sample((_truth, _floats(), 0), gradient=True),
    Sample((_truth[:0], _floats(), _floats(4)), gradient=True),
    Sample((_truth[::2, ::-1], _floats(4, 2).T, _floats(2, 1)), gradient=True),
    Sample((_truth, values((3, 4), "float32", 0, 1), values((4,), "int16", 0, 9))),
    Sample((_truth, 1, 0)),
    Sample((_truth, 1.0, 0.0)),
    Sample((values((4,), "int32", -1, 1), _truth[0], values((4,), "int64", 0, 9))),
    Sample((values((4,), "complex128", -1, 1), 1j, values((4,), "complex64", 0, 9))),
    Sample((SPECIAL, SPECIAL[::-1].copy(), SPECIAL[:, None]), special=True),
    Sample((_truth, _floats(3), _floats(4)), error=ShapeError, static=True),
]
ORACLES["switch"] = lambda c, a, b: np.where(np.asarray(c) != 0, a, b)

SAMPLES["clip"] = [
    Sample((_floats(3, 4), -1.0, 1.5), gradient=True),
    Sample((_floats(3, 4), _floats(4, low=-2, high=-1), _floats(3, 1, low=1)),
           gradient=True),
    Sample((_floats(5), 1.0, -1.0), gradient=True),
    Sample((_floats(), -1.0, 1.5), gradient=True),
    Sample((_floats(0, 2), -1.0, 1.5), gradient=True),
    Sample((values((5,), "int32", -9, 9), 0, 1.5)),
    Sample((values((5,), "int8", -9, 9), -2, 3)),
    Sample((values((5,), "uint8", 0, 9), 2, 3)),
    Sample((values((5,), "float32", -9, 9), -2, 3.5)),
    Sample((SPECIAL, -1.0, 1.0), special=True),
    Sample((SPECIAL[:, None], SPECIAL, 1.0), special=True),
    Sample((values((5,), "complex64", -9, 9), 0, 1), error=DtypeError),
    Sample((_floats(3), _floats(2), 1.0), error=ShapeError, static=True),
]  # fmt: skip
ORACLES["clip"] = lambda x, low, high: np.minimum(np.maximum(x, low), high)

SAMPLES["divmod"] += [s for s in SAMPLES["mod"] if s.gradient]
SAMPLES["polygamma"] = [
    *(Sample((n, _floats(3, 2, low=0.2, high=6)), gradient=n < 9) for n in range(10)),
    *(Sample((n, _floats(5) - 0.37), gradient=True) for n in (1, 2, 3, 4)),
    Sample((2, _floats(0, 3)), gradient=True),
    Sample((3, _floats(6, 4)[::2, ::-1].T + 3.2), gradient=True, static=True),
    *(Sample((n, SPECIAL), special=True) for n in (1, 3)),
    Sample((4, values((3,), "float32", 0.3, 6))),
    Sample((2, values((3,), "int8", 1, 6))),
    Sample((2, values((3,), "complex64", 1, 6)), error=DtypeError),
    Sample((-1, _floats(2)), error=ArgumentError),
    Sample((1.5, _floats(2)), error=ArgumentError),
    Sample((True, _floats(2)), error=ArgumentError),
    Sample((10, _floats(2)), error=NotSupportedError),
]
ORACLES["polygamma"] = _polygamma

_slopes = binary((-3, 3), (0.1, 0.9))
SAMPLES["relu"] += [s for s in _slopes if not s.special]
SAMPLES["elu"] += [s for s in _slopes if not s.special]
SAMPLES["relu"] += [Sample((SPECIAL,), {"alpha": 0.25}, special=True)]
ORACLES["relu"] = lambda x, alpha=0: (
    _leaky(np.asarray(x), np.asarray(alpha))
    if np.ndim(alpha) or np.any(alpha)
    else np.maximum(x, 0)
)
ORACLES["elu"] = lambda x, alpha=1: _elu(np.asarray(x), alpha)

SAMPLES["add"] += [
    Sample((_floats(3, 4), _floats(4, seed=1), _floats(3, 1)), gradient=True),
    Sample((_floats(2),), gradient=True),
    Sample((values((3,), "bool", 0, 1), True, 1)),
    Sample((), error=ArgumentError),
]
ORACLES["add"] = lambda *xs: reduce(np.add, map(np.asarray, xs))
SAMPLES["mul"] += [
    Sample((_floats(3, 4), _floats(4, seed=1), _floats(3, 1)), gradient=True),
    Sample((_floats(2),), gradient=True),
    Sample((), error=ArgumentError),
]
ORACLES["mul"] = lambda *xs: reduce(np.multiply, map(np.asarray, xs))

_HALVES = np.array([-2.5, -1.5, -0.5, -0.2, 0.5, 1.5, 2.5, 0.49999999999999994])
SAMPLES["round"] += [
    Sample((_HALVES,), {"mode": "half_to_even"}),
    Sample((_floats(3),), {"mode": "up"}, error=ArgumentError),
]
SAMPLES["iround"] = [
    Sample((_HALVES,)),
    Sample((_floats(2, 3) * 9,)),
    Sample((values((4,), "int8", -9, 9),)),
    Sample((_floats(3),), {"mode": "up"}, error=ArgumentError),
]
ORACLES["iround"] = lambda x: np.rint(x).astype("int64")
SAMPLES["round"] += [
    Sample((_HALVES,), {"mode": "half_away_from_zero"}),
    Sample((_floats(2, 3) * 9,), {"mode": "half_away_from_zero"}),
    Sample((SPECIAL,), {"mode": "half_away_from_zero"}, special=True),
    Sample((values((4,), "int8", -9, 9),), {"mode": "half_away_from_zero"}),
]
ORACLES["round"] = lambda x, mode="half_to_even": (
    np.rint(x) if mode == "half_to_even" else _round_half_away(x)
)


def _round_half_away(x: np.ndarray) -> Any:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole)


SAMPLES["isclose"] += [
    Sample((_floats(4), _floats(4) * (1 + np.array([0, 1e-9, 1e-6, 1e-3])))),
    Sample((_floats(4), _floats(4) + 0.01), {"rtol": 0.0, "atol": 0.02}),
    Sample((SPECIAL[:, None], SPECIAL), {"equal_nan": True}, special=True),
]
SAMPLES["allclose"] = [
    Sample((_floats(4), _floats(4) * (1 + 1e-9))),
    Sample((_floats(4), _floats(4, seed=1))),
    Sample((_floats(0, 4), _floats(4, seed=1))),
    Sample((SPECIAL, SPECIAL), special=True),
    Sample((SPECIAL, SPECIAL), {"equal_nan": True}, special=True),
    Sample((_floats(4), _floats(3)), error=ShapeError, static=True),
]
ORACLES["allclose"] = np.allclose
SAMPLES["nan_to_num"] += [
    Sample((SPECIAL,), {"nan": 7.0, "posinf": 8.0, "neginf": -9.0}, special=True)
]
SAMPLES["power"] += [
    *(Sample((_floats(3, 2), n), gradient=True) for n in (0, 1, 2, 3, -1, 2.0)),
    *(Sample((_floats(3, low=0.2), n), gradient=True) for n in (0.5, -0.5, 1.7)),
    Sample((_floats(3, low=0.2), [0.0, 1.0, 2.5]), gradient=True),
    Sample((2.5, _floats(4)), gradient=True),
    Sample((values((3,), "int32", -3, 3), -1), error=DtypeError),
]
SAMPLES["grad_clip"] = [
    Sample((_floats(3, 2), -1, 1)),
    Sample((_floats(), -1.0, 1.0)),
    Sample((values((0, 2), "float32", 0, 1), -1, 1)),
    Sample((_floats(3, 2), 1, -1), error=ArgumentError),
]
ORACLES["grad_clip"] = lambda x, lower, upper: x
