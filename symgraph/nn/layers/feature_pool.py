"""Layers that pool over neighbouring features, or let the largest of them win.

In: any layer.  Out: fewer features (`FeaturePoolLayer`), or as many, most of them 0
(`FeatureWTALayer`).  Pooling over places is `pool.py`.
"""

from collections.abc import Callable
from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import AxisError, ShapeError
from symgraph.nn.layers.base import Layer, LayerShape


class _FeatureLayer(Layer):
    """What FeaturePoolLayer and FeatureWTALayer share: groups along one axis."""

    def __init__(
        self, incoming: Any, pool_size: int, axis: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        rank = len(self.input_shape)
        if not -rank <= axis < rank:
            raise AxisError(f"{self!r}: axis {axis} of the input {self.input_shape}")
        self.pool_size = pool_size
        self.axis = axis
        extent = self.input_shape[axis]
        if extent is None or pool_size < 1 or extent % pool_size:
            raise ShapeError(
                f"{self!r}: the extent {extent} of axis {axis} is not a multiple of "
                f"pool_size={pool_size}"
            )

    def _grouped(self, input: Any) -> tuple[Variable, int]:
        """The input with its axis cut in two, and the number of the second."""
        axis = self.axis % input.ndim
        extents = [input.shape[i] for i in range(input.ndim)]
        groups = self.input_shape[axis] // self.pool_size
        shape = (*extents[:axis], groups, self.pool_size, *extents[axis + 1 :])
        return T.reshape(input, shape, ndim=input.ndim + 1), axis + 1


class FeaturePoolLayer(_FeatureLayer):
    """One number for each group of `pool_size` neighbouring features, as in maxout.

    Parameters
    ----------
    incoming : Layer or shape
    pool_size : int, divides the extent of the axis
    axis : int
    pool_function : takes an expression and an axis, such as `T.mean`

    References
    ----------
    Goodfellow et al. 2013, Maxout networks. arXiv:1302.4389

    Examples
    --------
    >>> from symgraph.nn.layers import FeaturePoolLayer, InputLayer
    >>> FeaturePoolLayer(InputLayer((None, 12, 5)), pool_size=3).output_shape
    (None, 4, 5)
    """

    saved = ("pool_size", "axis", "pool_function")

    def __init__(
        self,
        incoming: Any,
        pool_size: int,
        axis: int = 1,
        pool_function: Callable[..., Any] = T.max,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, pool_size, axis, **kwargs)
        self.pool_function = pool_function

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """The extent of the axis divided by pool_size."""
        out = list(input_shape)
        out[self.axis] = (
            None if out[self.axis] is None else out[self.axis] // self.pool_size
        )
        return tuple(out)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        grouped, axis = self._grouped(input)
        return self.pool_function(grouped, axis=axis)


class FeatureWTALayer(_FeatureLayer):
    """The winner takes all: in each group only the first largest feature is kept.

    Parameters
    ----------
    incoming : Layer or shape
    pool_size : int, features of a group, divides the extent of the axis
    axis : int

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph.nn.layers import FeatureWTALayer, InputLayer, get_output
    >>> layer = FeatureWTALayer(InputLayer((None, 4)), pool_size=2)
    >>> get_output(layer, np.array([[1.0, 3.0, 2.0, -5.0]])).eval()
    array([[0., 3., 2., 0.]])
    """

    saved = ("pool_size", "axis")

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The input where it is the first maximum of its group, 0 elsewhere."""
        grouped, axis = self._grouped(input)
        winner = T.argmax(grouped, axis=axis, keepdims=True)
        pattern = ["x"] * grouped.ndim
        pattern[axis] = 0  # type: ignore[call-overload]
        places = T.arange(self.pool_size).dimshuffle(*pattern)
        kept = T.switch(T.eq(winner, places), grouped, T.zeros_like(grouped))
        return T.reshape(
            kept, [input.shape[i] for i in range(input.ndim)], ndim=input.ndim
        )
