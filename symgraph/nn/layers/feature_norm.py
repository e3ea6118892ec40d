"""Normalisation of each example, with a learned scale: layer, root mean square, group.

In: a layer. Out: the same shape. None of them knows the batch, so that they do the same
in training and afterwards; `BatchNormLayer` and the parts that `layer_norm` and
`instance_norm` are made of stand in normalization.py.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.init import Constant
from symgraph.nn.layers.base import Layer
from symgraph.nn.layers.normalization import normalized_axes
from symgraph.nn.utils import int_types

#: defaults of parameters: rules for initial values, not states
_ZERO, _ONE = Constant(0), Constant(1)


class _FeatureNorm(Layer):
    """What layers share that normalise some axes and scale along the same ones."""

    def __init__(self, incoming: Any, axes: Any, epsilon: float, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        rank = len(self.input_shape)
        names = {"features": tuple(range(1, rank))}
        self.axes = normalized_axes(self, axes, names)
        self.epsilon = epsilon

    def _parameter(self, spec: Any, name: str, **tags: bool) -> Any:
        """A parameter with the extents of the axes that are normalised."""
        if spec is None:
            return None
        shape = [self.input_shape[axis] for axis in self.axes]
        if None in shape:
            raise ShapeError(
                f"{self!r}: {name} needs known extents on the axes {self.axes}; the input "
                f"shape is {self.input_shape}"
            )
        return self.add_param(spec, shape, name, **tags)  # type: ignore[arg-type]

    def _spread(self, param: Any, rank: int) -> Variable:
        own = iter(range(param.ndim))
        pattern = [next(own) if axis in self.axes else "x" for axis in range(rank)]
        return param.dimshuffle(*pattern)


class LayerNormLayer(_FeatureNorm):
    """out = (x - mean) / sqrt(variance + epsilon) * gamma + beta, over the axes.

    Mean and variance are of each example, and of each place of the other axes.
    `layer_norm` puts Lasagne's form of it before the nonlinearity of an existing layer.

    Parameters
    ----------
    incoming : Layer or shape
    axes : int, tuple of ints, or "features" for all but the first
        what is normalised; by default the last axis.
    epsilon : number, keeps the root away from 0
    gamma, beta : with the extents of `axes`, which must be known; None leaves them out

    Raises
    ------
    ShapeError : an extent of `axes` is not known
    ArgumentError : axes that the input does not have

    References
    ----------
    Ba et al. 2016, Layer normalization. arXiv:1607.06450

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, LayerNormLayer
    >>> layer = LayerNormLayer(InputLayer((None, None, 16)))
    >>> layer.output_shape, layer.gamma.get_value().shape
    ((None, None, 16), (16,))
    """

    saved = ("axes", "epsilon", "gamma", "beta")

    def __init__(
        self,
        incoming: Any,
        axes: Any = -1,
        epsilon: float = 1e-5,
        gamma: Any = _ONE,
        beta: Any = _ZERO,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, axes, epsilon, **kwargs)
        self.gamma = self._parameter(gamma, "gamma")
        self.beta = self._parameter(beta, "beta", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        mean = T.mean(input, axis=self.axes, keepdims=True)
        variance = T.var(input, axis=self.axes, keepdims=True)
        out = (input - mean) / T.sqrt(variance + self.epsilon)
        if self.gamma is not None:
            out = out * self._spread(self.gamma, input.ndim)
        return out if self.beta is None else out + self._spread(self.beta, input.ndim)


class RMSNormLayer(_FeatureNorm):
    """out = x / sqrt(mean of x**2 + epsilon) * gamma, the mean over the axes.

    Parameters
    ----------
    incoming : Layer or shape
    axes, gamma : see `LayerNormLayer`
    epsilon : number, keeps the root away from 0

    Raises
    ------
    ShapeError : an extent of `axes` is not known
    ArgumentError : axes that the input does not have

    References
    ----------
    Zhang and Sennrich 2019, Root mean square layer normalization. arXiv:1910.07467

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph.nn.layers import InputLayer, RMSNormLayer, get_output
    >>> layer = RMSNormLayer(InputLayer((None, 2)))
    >>> get_output(layer, np.array([[1.0, 7.0]])).eval().round(3)
    array([[0.2, 1.4]])
    """

    saved = ("axes", "epsilon", "gamma")

    def __init__(
        self,
        incoming: Any,
        axes: Any = -1,
        epsilon: float = 1e-6,
        gamma: Any = _ONE,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, axes, epsilon, **kwargs)
        self.gamma = self._parameter(gamma, "gamma")

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        squares = T.mean(T.sqr(input), axis=self.axes, keepdims=True)
        out = input / T.sqrt(squares + self.epsilon)
        return out if self.gamma is None else out * self._spread(self.gamma, input.ndim)


class GroupNormLayer(Layer):
    """out = (x - mean) / sqrt(variance + epsilon) * gamma + beta, over groups of channels.

    The channels fall into num_groups groups, neighbours together. Mean and variance are of
    each group of each example, over all places; gamma and beta of each channel.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, ...)
    num_groups : int that divides the number of channels; 1 is a layer normalisation, the
        number of channels an instance normalisation
    epsilon : number, keeps the root away from 0
    gamma, beta : (channels,); None leaves them out

    Raises
    ------
    ShapeError : the number of channels is not known
    ArgumentError : num_groups does not divide it

    References
    ----------
    Wu and He 2018, Group normalization. arXiv:1803.08494

    Examples
    --------
    >>> from symgraph.nn.layers import GroupNormLayer, InputLayer
    >>> GroupNormLayer(InputLayer((None, 8, 5, 5)), num_groups=4).output_shape
    (None, 8, 5, 5)
    """

    saved = ("num_groups", "epsilon", "gamma", "beta")

    def __init__(
        self,
        incoming: Any,
        num_groups: int = 32,
        epsilon: float = 1e-5,
        gamma: Any = _ONE,
        beta: Any = _ZERO,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        shape = self.input_shape
        if len(shape) < 2 or shape[1] is None:
            raise ShapeError(
                f"{self!r}: the input shape {shape} must be (batch, channels, ...), the "
                "number of channels known"
            )
        if (
            not isinstance(num_groups, int_types)
            or num_groups < 1
            or shape[1] % num_groups
        ):
            raise ArgumentError(
                f"{self!r}: num_groups={num_groups!r} must divide the number of channels, "
                f"{shape[1]}"
            )
        self.num_groups: int = int(num_groups)
        self.epsilon: float = epsilon
        self.gamma: Any = None
        self.beta: Any = None
        if gamma is not None:
            self.gamma = self.add_param(gamma, shape[1:2], "gamma")
        if beta is not None:
            self.beta = self.add_param(beta, shape[1:2], "beta", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula: groups become an axis, what belongs to one the next."""
        extents = [
            input.shape[axis] if known is None else known
            for axis, known in enumerate(self.input_shape)
        ]
        places = T.flatten(input, 3) if input.ndim > 3 else input
        channels = extents[1] // self.num_groups
        tail = [places.shape[2]] if input.ndim > 2 else []
        inner = tail[0] * channels if tail else channels
        grouped = T.reshape(places, (input.shape[0], self.num_groups, inner))
        mean = T.mean(grouped, axis=2, keepdims=True)
        variance = T.var(grouped, axis=2, keepdims=True)
        out: Any = (grouped - mean) / T.sqrt(variance + self.epsilon)
        out = T.reshape(out, (input.shape[0], *extents[1:]))
        pattern = ("x", 0, *("x",) * (input.ndim - 2))
        if self.gamma is not None:
            out = out * self.gamma.dimshuffle(*pattern)
        return out if self.beta is None else out + self.beta.dimshuffle(*pattern)
