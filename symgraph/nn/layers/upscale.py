"""Upscaling layers: every element of the spatial axes several times, or spread out.

In: a layer of shape (batch, channels, ...).  Out: the same with longer spatial axes.
They undo the change of shape that the layers of `pool.py` make.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers.base import Layer, LayerShape
from symgraph.nn.utils import as_tuple, int_types


class _UpscaleLayer(Layer):
    """What the upscaling layers share: all but the rank."""

    spatial: int

    saved = ("scale_factor", "mode")

    def __init__(
        self, incoming: Any, scale_factor: Any, mode: str = "repeat", **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        n = self.spatial
        if len(self.input_shape) != n + 2:
            raise ShapeError(
                f"{self!r}: {n}D upscaling takes (batch, channels, {n} spatial axes); "
                f"the input shape is {self.input_shape}"
            )
        self.scale_factor = as_tuple(scale_factor, n, int_types)
        if any(factor < 1 for factor in self.scale_factor):
            raise ArgumentError(
                f"{self!r}: scale_factor={scale_factor!r}; use 1 or more"
            )
        if mode not in ("repeat", "dilate"):
            raise ArgumentError(f"{self!r}: mode={mode!r}; use 'repeat' or 'dilate'")
        self.mode = mode

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """The extents times the factors."""
        places = zip(input_shape[2:], self.scale_factor, strict=True)
        return (
            *input_shape[:2],
            *(None if extent is None else extent * factor for extent, factor in places),
        )

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        if self.mode == "repeat":
            for axis, factor in enumerate(self.scale_factor, 2):
                if factor != 1:
                    input = T.repeat(input, factor, axis)
            return input
        extents = self.get_output_shape_for([input.shape[i] for i in range(input.ndim)])
        steps = (slice(None),) * 2 + tuple(
            slice(None, None, f) for f in self.scale_factor
        )
        return T.set_subtensor(T.zeros(extents, input.dtype)[steps], input)


class Upscale1DLayer(_UpscaleLayer):
    """out[n, c, i] = x[n, c, i // f].

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, length)
    scale_factor, mode : see `Upscale2DLayer`, for one axis

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, Upscale1DLayer
    >>> Upscale1DLayer(InputLayer((None, 3, 5)), 2).output_shape
    (None, 3, 10)
    """

    spatial = 1


class Upscale2DLayer(_UpscaleLayer):
    """out[n, c, i, j] = x[n, c, i // f, j // g].

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    scale_factor : int or pair (f, g)
    mode : "repeat" as in the formula; "dilate" writes x[n, c, i, j] to out[n, c, f i, g j]
        and 0 elsewhere

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph.nn.layers import InputLayer, Upscale2DLayer, get_output
    >>> layer = Upscale2DLayer(InputLayer((1, 1, 1, 2)), (1, 2), mode="dilate")
    >>> get_output(layer, np.array([[[[3.0, 4.0]]]])).eval().tolist()
    [[[[3.0, 0.0, 4.0, 0.0]]]]
    """

    spatial = 2


class Upscale3DLayer(_UpscaleLayer):
    """out[n, c, i, j, k] = x[n, c, i // f, j // g, k // h].

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, depth, rows, columns)
    scale_factor, mode : see `Upscale2DLayer`, for three axes
    """

    spatial = 3
