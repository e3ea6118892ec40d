"""Dropout and Gaussian noise: active in training, switched off by deterministic=True.

Each layer has a random stream of its own, seeded from `symgraph.nn.random`. Every call
of `get_output` draws anew; so does every call of the compiled function.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.config import config
from symgraph.core.dtypes import is_float
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError
from symgraph.nn.layers.base import Layer
from symgraph.nn.random import draw_seed
from symgraph.ops.random import RandomStreams


class DropoutLayer(Layer):
    """out = x * mask / (1 - p), mask = 0 with probability p, else 1.

    Parameters
    ----------
    incoming : Layer or shape
    p : number in 0 .. 1, or scalar variable
        probability of setting an element to 0.
    rescale : bool
        False leaves out the division by 1 - p.
    shared_axes : axes along which all elements share one mask

    References
    ----------
    Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from
    overfitting

    Examples
    --------
    >>> from symgraph.nn.layers import DropoutLayer, InputLayer, get_output
    >>> x = InputLayer((None, 20))
    >>> layer = DropoutLayer(x, p=0.3)
    >>> get_output(layer, deterministic=True) is x.input_var
    True
    """

    saved = ("p", "rescale", "shared_axes")

    def __init__(
        self,
        incoming: Any,
        p: Any = 0.5,
        rescale: bool = True,
        shared_axes: Any = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        if not isinstance(p, Variable):
            if not 0 <= p <= 1:
                raise ArgumentError(f"{self!r}: p={p} is not in 0 .. 1")
            if p == 1 and rescale:
                raise ArgumentError(
                    f"{self!r}: p=1 drops everything, which cannot be rescaled; use "
                    "p < 1 or rescale=False"
                )
        self._streams = RandomStreams(draw_seed())
        self.p = p
        self.rescale = rescale
        self.shared_axes = tuple(shared_axes)
        rank = len(self.input_shape)
        for axis in self.shared_axes:
            if not -rank <= axis < rank:
                raise ArgumentError(
                    f"{self!r}: shared axis {axis} of an input of {rank} axes"
                )

    def get_output_for(
        self, input: Any, deterministic: bool = False, **kwargs: Any
    ) -> Variable:
        """The formula, or x itself if `deterministic` or p = 0."""
        if deterministic or (not isinstance(self.p, Variable) and self.p == 0):
            return input
        dtype = input.dtype if is_float(input.dtype) else config.floatX
        keep = _number(1, dtype) - _number(self.p, dtype)
        shared = {axis % input.ndim for axis in self.shared_axes}
        shape = [1 if i in shared else e for i, e in enumerate(_extents(self, input))]
        mask = self._streams.binomial(tuple(shape), p=keep, dtype=dtype)
        if self.rescale:
            input = input / keep
        return input * mask


dropout = DropoutLayer


def dropout_channels(incoming: Any, *args: Any, **kwargs: Any) -> DropoutLayer:
    """Drop whole channels of (batch, channels, ...): one mask for all places.

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, dropout_channels
    >>> dropout_channels(InputLayer((None, 3, 8, 8)), p=0.2).shared_axes
    (2, 3)
    """
    rank = len(getattr(incoming, "output_shape", incoming))
    kwargs["shared_axes"] = tuple(range(2, rank))
    return DropoutLayer(incoming, *args, **kwargs)


spatial_dropout = dropout_channels


def dropout_locations(incoming: Any, *args: Any, **kwargs: Any) -> DropoutLayer:
    """Drop whole places of (batch, channels, ...): one mask for all channels."""
    kwargs["shared_axes"] = (1,)
    return DropoutLayer(incoming, *args, **kwargs)


class GaussianNoiseLayer(Layer):
    """out = x + e, e ~ N(0, sigma**2) for each element.

    Parameters
    ----------
    incoming : Layer or shape
    sigma : number, or scalar variable

    References
    ----------
    Jim et al. 1996, An analysis of noise in recurrent neural networks
    """

    saved = ("sigma",)

    def __init__(self, incoming: Any, sigma: Any = 0.1, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        if not isinstance(sigma, Variable) and not sigma >= 0:
            raise ArgumentError(f"{self!r}: sigma={sigma} must not be negative")
        self._streams = RandomStreams(draw_seed())
        self.sigma = sigma

    def get_output_for(
        self, input: Any, deterministic: bool = False, **kwargs: Any
    ) -> Variable:
        """The formula, or x itself if `deterministic` or sigma = 0."""
        if deterministic or (not isinstance(self.sigma, Variable) and self.sigma == 0):
            return input
        dtype = input.dtype if is_float(input.dtype) else config.floatX
        std = _number(self.sigma, dtype)
        noise = self._streams.normal(tuple(_extents(self, input)), std=std, dtype=dtype)
        return input + noise


def _number(value: Any, dtype: str) -> Any:
    if isinstance(value, Variable):
        return T.cast(value, dtype)
    return T.constant(float(value), dtype=dtype)


def _extents(layer: Layer, input: Any) -> list[Any]:
    """Extents of the input, as numbers where the layer knows them."""
    return [
        input.shape[axis] if known is None else known
        for axis, known in enumerate(layer.input_shape)
    ]
