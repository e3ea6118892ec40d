"""Nonlinearities: functions of one expression that layers apply to their sums.

All take any rank and keep it. Those with settings are classes whose instances are
called. The derivative and a stable form of each belong to the ops.

References
----------
Names and defaults are Lasagne's.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable


def sigmoid(x: Any) -> Variable:
    """out = 1 / (1 + exp(-x))."""
    return T.nnet.sigmoid(x)


def softmax(x: Any) -> Variable:
    """out = exp(x) / sum of exp(x) along the last axis."""
    return T.nnet.softmax(x)


def tanh(x: Any) -> Variable:
    """out = (exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return T.tanh(x)


class ScaledTanH:
    """out = scale_out * tanh(scale_in * x).

    LeCun et al. 1998, Efficient BackProp, section 4.4, have scale_in = 2 / 3 and
    scale_out = 1.7159, which keeps the variance of inputs of variance 1.

    Examples
    --------
    >>> scaled = ScaledTanH(scale_in=2.0 / 3, scale_out=1.7159)
    >>> round(float(scaled(1.0).eval()), 3)
    1.0
    """

    def __init__(self, scale_in: Any = 1, scale_out: Any = 1) -> None:
        self.scale_in = scale_in
        self.scale_out = scale_out

    def __call__(self, x: Any) -> Variable:
        """Apply it."""
        return T.tanh(T.as_tensor_variable(x) * self.scale_in) * self.scale_out


ScaledTanh = ScaledTanH


def rectify(x: Any) -> Variable:
    """out = max(0, x)."""
    return T.nnet.relu(x)


class LeakyRectify:
    """out = x where x > 0, else leakiness * x.

    References
    ----------
    Maas et al. 2013, Rectifier nonlinearities improve neural network acoustic models
    """

    def __init__(self, leakiness: Any = 0.01) -> None:
        self.leakiness = leakiness

    def __call__(self, x: Any) -> Variable:
        """Apply it."""
        return T.nnet.relu(x, self.leakiness)


leaky_rectify = LeakyRectify()
very_leaky_rectify = LeakyRectify(1.0 / 3)


def elu(x: Any) -> Variable:
    """out = x where x > 0, else exp(x) - 1.

    References
    ----------
    Clevert et al. 2015, arXiv:1511.07289
    """
    return T.nnet.elu(x)


class SELU:
    """out = scale * (x where x > 0, else scale_neg * (exp(x) - 1)).

    References
    ----------
    Klambauer et al. 2017, Self-normalizing neural networks. arXiv:1706.02515
    """

    def __init__(self, scale: Any = 1, scale_neg: Any = 1) -> None:
        self.scale = scale
        self.scale_neg = scale_neg

    def __call__(self, x: Any) -> Variable:
        """Apply it."""
        return T.nnet.elu(x, self.scale_neg) * self.scale


#: the constants for which mean 0 and variance 1 are a fixed point; paper, section 2
selu = SELU(scale=1.0507009873554805, scale_neg=1.6732632423543772)


def softplus(x: Any) -> Variable:
    """out = log(1 + exp(x))."""
    return T.nnet.softplus(x)


def linear(x: Any) -> Any:
    """out = x."""
    return x


identity = linear
