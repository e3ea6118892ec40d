"""Rectifiers with a slope of their own: learned, or drawn at random in training.

`prelu` and `rrelu` put them in place of the nonlinearity of an existing layer.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.config import config
from symgraph.core.dtypes import is_float
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError
from symgraph.nn.init import Constant
from symgraph.nn.layers.base import Layer
from symgraph.nn.layers.special import own_shape, shared_axes_of, spread
from symgraph.nn.nonlinearities import identity
from symgraph.nn.random import draw_seed
from symgraph.ops.random import RandomStreams


class ParametricRectifierLayer(Layer):
    """out = max(x, 0) + alpha * min(x, 0), alpha learned, repeated along the shared axes.

    Parameters
    ----------
    incoming : Layer or shape
    alpha : of the shape of x without the shared axes; not tagged regularizable
    shared_axes : "auto" (all but the second), "all", int, or tuple of ints

    Raises
    ------
    ShapeError : an extent of an axis that is not shared is not known
    ArgumentError : axes that the input does not have

    References
    ----------
    He et al. 2015, Delving deep into rectifiers, section 2.1. arXiv:1502.01852

    Examples
    --------
    >>> from symgraph.nn.layers import ParametricRectifierLayer
    >>> layer = ParametricRectifierLayer((20, 3, 28, 28), shared_axes=(0, 3))
    >>> layer.alpha.get_value().shape
    (3, 28)
    """

    saved = ("alpha", "shared_axes")

    def __init__(
        self,
        incoming: Any,
        alpha: Any = Constant(0.25),  # noqa: B008 (a rule, not a state)
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.shared_axes = shared_axes_of(self, shared_axes)
        shape = own_shape(self, "a slope")
        self.alpha: Any = self.add_param(alpha, shape, "alpha", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        return T.nnet.relu(input, spread(self.alpha, self.shared_axes, input.ndim))


class RandomizedRectifierLayer(Layer):
    """out = max(x, 0) + a * min(x, 0), a ~ U(lower, upper), one for all shared axes.

    With `deterministic=True`, a = (lower + upper) / 2.

    Parameters
    ----------
    incoming : Layer or shape
    lower, upper : numbers, or scalar variables
    shared_axes : "auto" (all but the second), "all", int, or tuple of ints; along them
        the slope is the same

    Raises
    ------
    ArgumentError : lower is larger than upper, or axes that the input does not have

    References
    ----------
    Xu et al. 2015, Empirical evaluation of rectified activations in convolutional
    network, section 2.4. arXiv:1505.00853

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph.nn.layers import InputLayer, RandomizedRectifierLayer, get_output
    >>> layer = RandomizedRectifierLayer(InputLayer((None, 2)), lower=0.2, upper=0.4)
    >>> x = np.array([[-1.0, 2.0]])
    >>> get_output(layer, x, deterministic=True).eval().round(3)
    array([[-0.3,  2. ]])
    """

    saved = ("lower", "upper", "shared_axes")

    def __init__(
        self,
        incoming: Any,
        lower: Any = 0.3,
        upper: Any = 0.8,
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        known = not isinstance(lower, Variable) and not isinstance(upper, Variable)
        if known and not lower <= upper:
            raise ArgumentError(
                f"{self!r}: lower={lower} must not be larger than upper={upper}"
            )
        self._streams = RandomStreams(draw_seed())
        self.lower = lower
        self.upper = upper
        self._fixed = known and lower == upper
        self.shared_axes = shared_axes_of(self, shared_axes)

    def get_output_for(
        self, input: Any, deterministic: bool = False, **kwargs: Any
    ) -> Variable:
        """The formula, with the mean slope if `deterministic`."""
        if deterministic or self._fixed:
            return T.nnet.relu(input, (self.lower + self.upper) / 2.0)
        dtype = input.dtype if is_float(input.dtype) else config.floatX
        shape = tuple(
            1 if axis in self.shared_axes else (known or input.shape[axis])
            for axis, known in enumerate(self.input_shape)
        )
        slope = self._streams.uniform(shape, self.lower, self.upper, dtype=dtype)
        return T.nnet.relu(input, slope)


def prelu(layer: Any, **kwargs: Any) -> ParametricRectifierLayer:
    """Put a `ParametricRectifierLayer` in place of a layer's nonlinearity.

    The layer is changed: it loses its nonlinearity.

    Parameters
    ----------
    layer : Layer
    kwargs : of `ParametricRectifierLayer`

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer, InputLayer, prelu
    >>> prelu(DenseLayer(InputLayer((None, 3)), 4, name="hidden")).get_params()
    [hidden_prelu.alpha]
    """
    _bare(layer, kwargs, "prelu")
    return ParametricRectifierLayer(layer, **kwargs)


def rrelu(layer: Any, **kwargs: Any) -> RandomizedRectifierLayer:
    """Put a `RandomizedRectifierLayer` in place of a layer's nonlinearity.

    The layer is changed: it loses its nonlinearity.

    Parameters
    ----------
    layer : Layer
    kwargs : of `RandomizedRectifierLayer`

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer, InputLayer, rrelu
    >>> rrelu(DenseLayer(InputLayer((None, 3)), 4), lower=0.1, upper=0.3).output_shape
    (None, 4)
    """
    _bare(layer, kwargs, "rrelu")
    return RandomizedRectifierLayer(layer, **kwargs)


def _bare(layer: Any, kwargs: dict[str, Any], suffix: str) -> None:
    if getattr(layer, "nonlinearity", None) is not None:
        layer.nonlinearity = identity
    name = getattr(layer, "name", None)
    if name is not None:
        kwargs.setdefault("name", f"{name}_{suffix}")
