"""Nonlinearities: functions of one expression that layers apply to their sums.

All take any rank and keep it. Those with settings are classes whose instances are
called. The derivative and a stable form of each belong to the ops.

References
----------
Names and defaults are Lasagne's, up to `identity`; the others name their papers.
"""

import math
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


def log_softmax(x: Any) -> Variable:
    """out = x - log of the sum of exp(x) along the last axis.

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax(np.zeros(2)).eval().round(4)
    array([-0.6931, -0.6931])
    """
    return T.nnet.logsoftmax(x)


def softsign(x: Any) -> Variable:
    """out = x / (1 + abs(x)).

    Examples
    --------
    >>> [round(float(softsign(x).eval()), 4) for x in (-1.0, 0.5, 8.0)]
    [-0.5, 0.3333, 0.8889]
    """
    return T.nnet.softsign(x)


def gelu(x: Any) -> Variable:
    """out = x * Phi(x) = x / 2 * (1 + erf(x / sqrt(2))), Phi the normal distribution.

    References
    ----------
    Hendrycks and Gimpel 2016, Gaussian error linear units. arXiv:1606.08415

    Examples
    --------
    >>> round(float(gelu(1.0).eval()), 4)
    0.8413
    """
    x = T.as_tensor_variable(x)
    return 0.5 * x * (1 + T.erf(x * math.sqrt(0.5)))


def gelu_tanh(x: Any) -> Variable:
    """out = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x**3))), close to `gelu`.

    References
    ----------
    Hendrycks and Gimpel 2016, section 2. arXiv:1606.08415

    Examples
    --------
    >>> [round(float(gelu_tanh(x).eval()), 4) for x in (-1.0, 0.5, 8.0)]
    [-0.1588, 0.3457, 8.0]
    """
    x = T.as_tensor_variable(x)
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1 + T.tanh(inner))


def silu(x: Any) -> Variable:
    """out = x * sigmoid(x).

    References
    ----------
    Elfwing et al. 2017, Sigmoid-weighted linear units. arXiv:1702.03118; as swish,
    Ramachandran et al. 2017. arXiv:1710.05941

    Examples
    --------
    >>> round(float(silu(1.0).eval()), 4)
    0.7311
    """
    return T.as_tensor_variable(x) * T.nnet.sigmoid(x)


swish = silu


def mish(x: Any) -> Variable:
    """out = x * tanh(log(1 + exp(x))).

    References
    ----------
    Misra 2019, Mish: a self regularized non-monotonic activation function.
    arXiv:1908.08681

    Examples
    --------
    >>> [round(float(mish(x).eval()), 4) for x in (-1.0, 0.5, 8.0)]
    [-0.3034, 0.3752, 8.0]
    """
    return T.as_tensor_variable(x) * T.tanh(T.nnet.softplus(x))


def relu6(x: Any) -> Variable:
    """out = min(max(0, x), 6).

    References
    ----------
    Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10

    Examples
    --------
    >>> [round(float(relu6(x).eval()), 4) for x in (-1.0, 0.5, 8.0)]
    [0.0, 0.5, 6.0]
    """
    return T.clip(x, 0, 6)


def hard_sigmoid(x: Any) -> Variable:
    """out = min(max(0.2 x + 0.5, 0), 1), Theano's and Keras's line.

    References
    ----------
    Courbariaux et al. 2015, BinaryConnect, section 2.2 for the idea. arXiv:1511.00363

    Examples
    --------
    >>> [round(float(hard_sigmoid(x).eval()), 4) for x in (-1.0, 0.5, 8.0)]
    [0.3, 0.6, 1.0]
    """
    return T.nnet.hard_sigmoid(x)


def hard_tanh(x: Any) -> Variable:
    """out = min(max(x, -1), 1).

    References
    ----------
    Collobert 2004, Large scale machine learning, thesis, section 2.2

    Examples
    --------
    >>> [round(float(hard_tanh(x).eval()), 4) for x in (-1.0, 0.5, 8.0)]
    [-1.0, 0.5, 1.0]
    """
    return T.clip(x, -1, 1)


def hard_swish(x: Any) -> Variable:
    """out = x * min(max(x + 3, 0), 6) / 6.

    References
    ----------
    Howard et al. 2019, Searching for MobileNetV3, section 5.2. arXiv:1905.02244

    Examples
    --------
    >>> [float(hard_swish(x).eval()) for x in (-4.0, 0.0, 4.0)]
    [-0.0, 0.0, 4.0]
    """
    x = T.as_tensor_variable(x)
    return x * relu6(x + 3) / 6
