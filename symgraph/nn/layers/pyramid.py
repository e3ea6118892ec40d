"""Pooling at several scales at once: from an image of any size to a fixed length.

In: a layer of shape (batch, channels, rows, columns).  Out: (batch, channels, parts).
Pooling with one window is `pool.py`.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers.base import Layer, LayerShape
from symgraph.nn.layers.pool import pool_output_length

MODES = ("max", "average_inc_pad", "average_exc_pad")


class SpatialPyramidPoolingLayer(Layer):
    """Pools over 1 x 1, 2 x 2, 4 x 4, ... parts of an image of any size.

    out[n, c, :] = the pooled parts of all levels, one after another.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    pool_dims : list of ints; level d cuts the image into d x d parts
    mode : "max", "average_inc_pad" or "average_exc_pad" (parts have no padding, so
        that the last two are the same)
    implementation : "fast" uses windows of one size, ceil(extent / d), with steps of
        extent // d; it needs known rows and columns, which this must cut into d parts.
        "kaiming" cuts as the paper does, from floor(i extent / d) to
        ceil((i + 1) extent / d), whatever the extents, known or not

    References
    ----------
    He et al. 2015, Spatial pyramid pooling in deep convolutional networks for visual
    recognition, appendix A. arXiv:1406.4729

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, SpatialPyramidPoolingLayer
    >>> x = InputLayer((None, 64, None, None))
    >>> SpatialPyramidPoolingLayer(x, implementation="kaiming").output_shape
    (None, 64, 21)
    """

    saved = ("pool_dims", "mode", "implementation")

    def __init__(
        self,
        incoming: Any,
        pool_dims: Any = (4, 2, 1),
        mode: str = "max",
        implementation: str = "fast",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.pool_dims = tuple(pool_dims)
        self.mode = mode
        self.implementation = implementation
        if len(self.input_shape) != 4:
            raise ShapeError(
                f"{self!r}: takes (batch, channels, rows, columns); the input shape is "
                f"{self.input_shape}"
            )
        if mode not in MODES:
            raise ArgumentError(f"{self!r}: mode={mode!r}; use {', '.join(MODES)}")
        if implementation not in ("fast", "kaiming"):
            raise ArgumentError(
                f"{self!r}: implementation={implementation!r}; use 'fast' or 'kaiming'"
            )
        places = self.input_shape[2:]
        if implementation == "fast" and None in places:
            raise ShapeError(
                f"{self!r}: the input shape is {self.input_shape}; with unknown rows or "
                "columns use implementation='kaiming'"
            )
        if not self.pool_dims or min(self.pool_dims) < 1:
            raise ArgumentError(f"{self!r}: pool_dims={pool_dims!r}; use 1 or more")
        least = min((extent for extent in places if extent is not None), default=None)
        if least is not None and least < max(self.pool_dims):
            raise ShapeError(
                f"{self!r}: pool_dims={pool_dims!r} cut more parts than the input shape "
                f"{self.input_shape} has rows or columns"
            )
        for extent in places if implementation == "fast" else ():
            for d in self.pool_dims:
                assert extent is not None
                size, step = -(-extent // d), extent // d
                if pool_output_length(extent, size, step, 0, True) != d:
                    raise ShapeError(
                        f"{self!r}: windows of one size cannot cut the extent {extent} "
                        f"of the input shape {self.input_shape} into {d} parts; use "
                        "implementation='kaiming'"
                    )

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """Batch, channels, and the number of all parts."""
        return (*input_shape[:2], sum(d * d for d in self.pool_dims))

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The parts of all levels, row by row."""
        parts = [part for d in self.pool_dims for part in self._level(input, d)]
        return T.concatenate(parts, axis=2)

    def _level(self, input: Any, d: int) -> list[Variable]:
        if self.implementation == "fast":
            extents = [int(extent) for extent in self.input_shape[2:] if extent]
            pooled = T.signal.pool.pool_2d(
                input,
                ws=tuple(-(-extent // d) for extent in extents),
                stride=tuple(extent // d for extent in extents),
                ignore_border=True,
                mode=self.mode,
            )
            return [T.flatten(pooled, 3)]
        pool = T.max if self.mode == "max" else T.mean
        extents = [
            input.shape[axis] if known is None else known
            for axis, known in enumerate(self.input_shape)
        ][2:]
        cuts = [
            [slice(i * e // d, ((i + 1) * e + (d - 1)) // d) for i in range(d)]
            for e in extents
        ]
        return [
            pool(input[:, :, rows, columns], axis=(2, 3)).dimshuffle(0, 1, "x")
            for rows in cuts[0]
            for columns in cuts[1]
        ]
