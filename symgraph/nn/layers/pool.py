"""Pooling layers over windows of places and over all places, under Lasagne's names.

In: a layer of shape (batch, channels, ...).  Out: the same with fewer places, or none.
The operation is `symgraph.ops.pool_ops`.  Pyramids of windows stand in `pyramid.py`,
pooling over features in `feature_pool.py`, its reverse in `upscale.py`.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers.base import Layer, LayerShape, Saved
from symgraph.nn.utils import as_tuple, int_types

MODES = ("max", "average_inc_pad", "average_exc_pad", "sum")


def pool_output_length(
    input_length: Any, pool_size: Any, stride: int, pad: int, ignore_border: bool
) -> Any:
    """Number of windows along one axis, None for None.

    ceil((input_length + 2 pad - pool_size + 1) / stride) with ignore_border, which
    counts whole windows only; otherwise windows are added until every element lies in
    one (pad must be 0).

    Examples
    --------
    >>> [pool_output_length(7, 2, 2, 0, border) for border in (True, False)]
    [3, 4]
    """
    if input_length is None or pool_size is None:
        return None
    if ignore_border:
        return (input_length + 2 * pad - pool_size + stride) // stride
    if pad:
        raise ArgumentError(f"pad={pad} needs ignore_border=True")
    if stride >= pool_size:
        return (input_length + stride - 1) // stride
    steps = (input_length - pool_size + stride - 1) // stride
    return (T.maximum(steps, 0) if isinstance(steps, Variable) else max(0, steps)) + 1


class _PoolLayer(Layer):
    """What Pool1DLayer, Pool2DLayer and Pool3DLayer share: all but the rank."""

    spatial: int

    saved: ClassVar[Saved] = ("pool_size", "stride", "pad", "ignore_border", "mode")

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = 0,
        ignore_border: bool = True,
        mode: str = "max",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        n = self.spatial
        if len(self.input_shape) != n + 2:
            raise ShapeError(
                f"{self!r}: {n}D pooling takes (batch, channels, {n} spatial axes); the "
                f"input shape is {self.input_shape}"
            )
        self.pool_size = self._sizes("pool_size", pool_size, 1)
        self.stride = (
            self.pool_size if stride is None else self._sizes("stride", stride, 1)
        )
        self.pad = self._sizes("pad", pad, 0)
        self.ignore_border = ignore_border
        self.mode = mode
        if mode not in MODES:
            raise ArgumentError(f"{self!r}: mode={mode!r}; use {', '.join(MODES)}")
        if any(self.pad) and not ignore_border:
            raise ArgumentError(f"{self!r}: pad={pad!r} needs ignore_border=True")
        if any(p >= size for p, size in zip(self.pad, self.pool_size, strict=True)):
            raise ArgumentError(
                f"{self!r}: pad={pad!r} must be smaller than pool_size={pool_size!r}, "
                "or a window would lie in the padding alone"
            )
        places = self.get_output_shape_for(self.input_shape)[2:]
        if any(extent is not None and extent < 1 for extent in places):
            raise ShapeError(
                f"{self!r}: a window {self.pool_size} with pad={self.pad} does not fit "
                f"into the input shape {self.input_shape}"
            )

    def _sizes(self, name: str, given: Any, least: int) -> tuple[int, ...]:
        sizes = as_tuple(given, self.spatial, int_types)
        if any(size < least for size in sizes):
            raise ArgumentError(f"{self!r}: {name}={given!r}; use {least} or more")
        return tuple(int(size) for size in sizes)

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """Extents by `pool_output_length`."""
        places = zip(
            input_shape[2:], self.pool_size, self.stride, self.pad, strict=True
        )
        return (
            *input_shape[:2],
            *(pool_output_length(*place, self.ignore_border) for place in places),
        )

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The maximum, mean or sum of each window."""
        pool = T.signal.pool.pool_3d if self.spatial == 3 else T.signal.pool.pool_2d
        sizes = [self.pool_size, self.stride, self.pad]
        if self.spatial == 1:  # as an image of one row
            input = input.dimshuffle(0, 1, "x", 2)
            sizes = [(1, *sizes[0]), (1, *sizes[1]), (0, *sizes[2])]
        size, stride, pad = sizes
        out = pool(
            input,
            ws=size,
            ignore_border=self.ignore_border,
            stride=stride,
            pad=pad,
            mode=self.mode,
        )
        return out[:, :, 0] if self.spatial == 1 else out


class Pool1DLayer(_PoolLayer):
    """The maximum, mean or sum of each window of the last axis.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, length)
    pool_size, stride, pad, ignore_border, mode : see `Pool2DLayer`, for one axis

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, Pool1DLayer
    >>> Pool1DLayer(InputLayer((None, 3, 9)), 3, stride=2).output_shape
    (None, 3, 4)
    """

    spatial = 1


class Pool2DLayer(_PoolLayer):
    """The maximum, mean or sum of each window of the last two axes.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    pool_size : int, or one for each axis; extent of the window
    stride : int or pair; steps of the window, pool_size by default
    pad : int or pair, smaller than pool_size; places around the input that no maximum
        takes and that count as 0 in "average_inc_pad" and "sum"
    ignore_border : True leaves out windows that reach beyond the end; False keeps what
        is there of them (pad must be 0)
    mode : "max", "sum", "average_inc_pad" (the mean over the whole window) or
        "average_exc_pad" (the mean over what is not padding)

    Raises
    ------
    ShapeError : another rank, or no window fits
    ArgumentError : sizes or mode out of range

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, Pool2DLayer
    >>> x = InputLayer((None, 3, 9, 8))
    >>> Pool2DLayer(x, 2, mode="average_inc_pad").output_shape
    (None, 3, 4, 4)
    >>> Pool2DLayer(x, 2, ignore_border=False).output_shape
    (None, 3, 5, 4)
    """

    spatial = 2


class Pool3DLayer(_PoolLayer):
    """The maximum, mean or sum of each window of the last three axes.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, depth, rows, columns)
    pool_size, stride, pad, ignore_border, mode : see `Pool2DLayer`, for three axes

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, Pool3DLayer
    >>> Pool3DLayer(InputLayer((None, 3, 6, 9, 8)), (1, 2, 2)).output_shape
    (None, 3, 6, 4, 4)
    """

    spatial = 3


class _MaxPoolLayer(_PoolLayer):
    """A pooling layer whose mode is the maximum."""

    saved = ("pool_size", "stride", "pad", "ignore_border")

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        pad: Any = 0,
        ignore_border: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming, pool_size, stride, pad, ignore_border, "max", **kwargs
        )


class MaxPool1DLayer(_MaxPoolLayer, Pool1DLayer):
    """The maximum of each window; see `Pool1DLayer`.

    Where several elements of a window are the maximum, the gradient goes to all.
    """


class MaxPool2DLayer(_MaxPoolLayer, Pool2DLayer):
    """The maximum of each window; see `Pool2DLayer`.

    Where several elements of a window are the maximum, the gradient goes to all.

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, MaxPool2DLayer
    >>> MaxPool2DLayer(InputLayer((None, 64, 28, 28)), pool_size=3, stride=2).output_shape
    (None, 64, 13, 13)
    """


class MaxPool3DLayer(_MaxPoolLayer, Pool3DLayer):
    """The maximum of each window; see `Pool3DLayer`.

    Where several elements of a window are the maximum, the gradient goes to all.
    """


class GlobalPoolLayer(Layer):
    """One number for each channel: out[n, c] = pool_function over x[n, c, ...].

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, ...)
    pool_function : takes an expression of rank 3 and axis=2, such as `T.max`

    Examples
    --------
    >>> from symgraph.nn.layers import GlobalPoolLayer, InputLayer
    >>> GlobalPoolLayer(InputLayer((None, 64, 7, 7))).output_shape
    (None, 64)
    """

    saved: ClassVar[Saved] = ("pool_function",)

    def __init__(
        self, incoming: Any, pool_function: Callable[..., Any] = T.mean, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        if len(self.input_shape) < 3:
            raise ShapeError(
                f"{self!r}: the input shape {self.input_shape} has nothing behind the "
                "channels to pool over"
            )
        self.pool_function = pool_function

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """Batch and channels."""
        return tuple(input_shape[:2])

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        return self.pool_function(T.flatten(input, 3), axis=2)


class GlobalAveragePoolLayer(GlobalPoolLayer):
    """out[n, c] = mean of x[n, c, ...] over all places.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, ...)

    References
    ----------
    Lin et al. 2013, Network in network, section 3.2. arXiv:1312.4400

    Examples
    --------
    >>> from symgraph.nn.layers import GlobalAveragePoolLayer, InputLayer
    >>> GlobalAveragePoolLayer(InputLayer((None, 64, 7, 7))).output_shape
    (None, 64)
    """

    saved = ()

    def __init__(self, incoming: Any, **kwargs: Any) -> None:
        super().__init__(incoming, T.mean, **kwargs)
