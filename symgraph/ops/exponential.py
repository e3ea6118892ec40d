"""Exponentials, logarithms, and the sigmoid family of neural networks.

Integers become floats (int8 and int16 float32, wider ones float64). Functions whose
plain formula overflows or cancels (`expm1`, `log1p`, `logaddexp`, `softplus`,
`log_sigmoid`) are ops of their own, exact everywhere.
"""

import math
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_complex, to_float
from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import public
from symgraph.errors import DtypeError
from symgraph.ops.comparison import eq, gt, isinf, switch
from symgraph.ops.complex import analytic
from symgraph.ops.families import (
    apply_scalar,
    cast,
    define,
    floating,
    real_floating,
)
from symgraph.ops.piecewise import abs, clip, minimum, sign

LN2 = math.log(2.0)
LN10 = math.log(10.0)

# fmt: off
define("exp",   1, floating, np.exp,   grad=analytic(lambda g, y, x: (g * y,)))
define("exp2",  1, floating, np.exp2,  grad=analytic(lambda g, y, x: (g * (y * LN2),)))
define("expm1", 1, floating, np.expm1, grad=analytic(lambda g, y, x: (g * exp(x),)))
define("log",   1, floating, np.log,   grad=analytic(lambda g, y, x: (g / x,)))
define("log2",  1, floating, np.log2,  grad=analytic(lambda g, y, x: (g / (x * LN2),)))
define("log10", 1, floating, np.log10, grad=analytic(lambda g, y, x: (g / (x * LN10),)))
define("log1p", 1, floating, np.log1p, grad=analytic(lambda g, y, x: (g / (1 + x),)))
# fmt: on


@public
def exp(x: Any) -> Variable:
    """out = e ** x."""
    return apply_scalar("exp", x)


@public
def exp2(x: Any) -> Variable:
    """out = 2 ** x."""
    return apply_scalar("exp2", x)


@public
def expm1(x: Any) -> Variable:
    """out = e ** x - 1, exact near 0."""
    return apply_scalar("expm1", x)


@public
def log(x: Any) -> Variable:
    """out = natural logarithm of x; -inf at 0, NaN below."""
    return apply_scalar("log", x)


@public
def log2(x: Any) -> Variable:
    """out = logarithm of x to base 2."""
    return apply_scalar("log2", x)


@public
def log10(x: Any) -> Variable:
    """out = logarithm of x to base 10."""
    return apply_scalar("log10", x)


@public
def log1p(x: Any) -> Variable:
    """out = log(1 + x), exact near 0."""
    return apply_scalar("log1p", x)


# --- logarithms of sums ---------------------------------------------------------------


def _difference(a: Variable, b: Variable) -> Variable:
    """a - b, but 0 for equal infinities."""
    return switch(eq(a, b) & isinf(a), 0, a - b)


define(
    "logaddexp", 2, real_floating, np.logaddexp,
    body=lambda m, a, b: m.where(
        a == b, a + LN2, m.maximum(a, b) + m.log1p(m.exp(-m.abs(a - b)))
    ),
    grad=lambda g, y, a, b: (
        g * sigmoid(_difference(a, b)), g * sigmoid(_difference(b, a))
    ),
)  # fmt: skip
define(
    "logaddexp2", 2, real_floating, np.logaddexp2,
    body=lambda m, a, b: m.where(
        a == b, a + 1, m.maximum(a, b) + m.log1p(m.exp2(-m.abs(a - b))) * (1 / LN2)
    ),
    grad=lambda g, y, a, b: (
        g * sigmoid(_difference(a, b) * LN2), g * sigmoid(_difference(b, a) * LN2)
    ),
)  # fmt: skip


@public
def logaddexp(a: Any, b: Any) -> Variable:
    """out = log(exp(a) + exp(b)), without overflow.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.logaddexp(T.fmatrix("a"), -1000.0).type
    float32 (None, None)
    """
    return apply_scalar("logaddexp", a, b)


@public
def logaddexp2(a: Any, b: Any) -> Variable:
    """out = log2(2 ** a + 2 ** b), without overflow."""
    return apply_scalar("logaddexp2", a, b)


# --- the sigmoid and its kin ----------------------------------------------------------


def _sigmoid(x: np.ndarray) -> Any:
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, decay) / (1 + decay)


def _softplus(x: np.ndarray) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# fmt: off
define("sigmoid",     1, real_floating, _sigmoid,
       grad=lambda g, y, x: (g * (y * (1 - y)),))
define("softplus",    1, real_floating, _softplus,
       grad=lambda g, y, x: (g * sigmoid(x),))
define("log_sigmoid", 1, real_floating, lambda x: -_softplus(-x),
       grad=lambda g, y, x: (g * sigmoid(-x),))
define("softsign",    1, real_floating, body=lambda m, x: x / (1 + m.abs(x)),
       grad=lambda g, y, x: (g / (1 + abs(x)) ** 2,))
# fmt: on


@public
def sigmoid(x: Any) -> Variable:
    """out = 1 / (1 + exp(-x)), without overflow."""
    return apply_scalar("sigmoid", x)


@public
def softplus(x: Any) -> Variable:
    """out = log(1 + exp(x)), without overflow, exact for very negative x."""
    return apply_scalar("softplus", x)


@public
def log_sigmoid(x: Any) -> Variable:
    """out = log(sigmoid(x)) = -softplus(-x), finite for very negative x."""
    return apply_scalar("log_sigmoid", x)


@public
def softsign(x: Any) -> Variable:
    """out = x / (1 + |x|)."""
    return apply_scalar("softsign", x)


@public
def hard_sigmoid(x: Any) -> Variable:
    """out = min(max(0.2 x + 0.5, 0), 1): Theano's line through the sigmoid."""
    return clip(0.2 * _as_float("hard_sigmoid", x) + 0.5, 0.0, 1.0)


@public
def ultra_fast_sigmoid(x: Any) -> Variable:
    """out = Theano's rough sigmoid, off by up to 0.007.

    With h = |x| / 2, out = (1 + sign(x) t) / 2, where t is 1.5 h / (1 + h) below 1.7, a
    line from there to 3, constant above. The gradient is that of these pieces.
    """
    half = 0.5 * _as_float("ultra_fast_sigmoid", x)
    size = abs(half)
    line = 0.935409070603099 + 0.0458812946797165 * (size - 1.7)
    outer = sign(half) * switch(size < 3, line, 0.99505475368673)
    return 0.5 + 0.5 * switch(size < 1.7, 1.5 * softsign(half), outer)


def _as_float(name: str, x: Any) -> Variable:
    x = as_variable(x)
    if is_complex(x.type.dtype):
        raise DtypeError(f"{name}: it is not defined for complex numbers{listing(x)}")
    return cast(x, to_float(x.type.dtype))


# --- rectifiers -----------------------------------------------------------------------


define(
    "relu", 1, real_floating, lambda x: np.maximum(x, 0),
    body=lambda m, x: m.maximum(x, 0),
    grad=lambda g, y, x: (switch(gt(y, 0), g, 0),),
)  # fmt: skip
define(
    "leaky_relu", 2, real_floating, body=lambda m, x, a: m.where(x > 0, x, a * x),
    grad=lambda g, y, x, a: (
        switch(gt(x, 0), g, a * g), switch(gt(x, 0), 0, g * x)
    ),
)  # fmt: skip
define(
    "elu", 2, real_floating,
    body=lambda m, x, a: m.where(x > 0, x, a * m.expm1(x)),
    grad=lambda g, y, x, a: (
        switch(gt(x, 0), g, g * (a * exp(minimum(x, 0)))),
        switch(gt(x, 0), 0, g * expm1(minimum(x, 0))),
    ),
)  # fmt: skip


@public
def relu(x: Any, alpha: Any = 0) -> Variable:
    """out = x where x > 0, else alpha * x. The gradient at 0 is alpha's side.

    Parameters
    ----------
    x : real; integers become floats
    alpha : number or variable, the slope below 0

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.relu(T.fmatrix("x"), 0.01).type
    float32 (None, None)
    """
    if isinstance(alpha, int | float) and alpha == 0:
        return apply_scalar("relu", x)
    return apply_scalar("leaky_relu", x, alpha)


@public
def elu(x: Any, alpha: Any = 1) -> Variable:
    """out = x where x > 0, else alpha * (exp(x) - 1).

    References
    ----------
    Clevert et al. 2015, arXiv:1511.07289
    """
    return apply_scalar("elu", x, alpha)


@public
def selu(x: Any) -> Variable:
    """out = 1.0507 * elu(x, 1.6733), the scaled elu of self-normalising networks.

    References
    ----------
    Klambauer et al. 2017, arXiv:1706.02515
    """
    return 1.0507009873554805 * elu(_as_float("selu", x), 1.6732632423543772)
