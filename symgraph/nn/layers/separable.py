"""Convolutions with fewer weights: each channel by itself, and then across channels."""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError
from symgraph.nn.layers.conv import (
    BIASES,
    FILTERS,
    BaseConvLayer,
    Conv1DLayer,
    Conv2DLayer,
)
from symgraph.nn.nonlinearities import rectify
from symgraph.nn.utils import int_types

#: what a file keeps of every layer here
_SAVED = (
    "filter_size", "stride", "pad", "depth_multiplier", "untie_biases", "W", "b",
    "nonlinearity", "flip_filters",
)  # fmt: skip


class DepthwiseConv2DLayer(Conv2DLayer):
    """out[n, c*m+r, i, j] = nonlinearity(sum of x[n, c, i+p, j+q] W[c*m+r, 0, p', q'] + b).

    m = depth_multiplier filters for each channel of the input, which see no other channel.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    filter_size, stride, pad, untie_biases, b, nonlinearity, flip_filters : see
        `BaseConvLayer`
    depth_multiplier : int, filters for each channel
    W : (channels * depth_multiplier, 1, rows, columns)

    Raises
    ------
    ShapeError : another rank, or the number of channels is not known
    ArgumentError : depth_multiplier is not 1 or more

    References
    ----------
    Howard et al. 2017, MobileNets, section 3.1. arXiv:1704.04861

    Examples
    --------
    >>> from symgraph.nn.layers import DepthwiseConv2DLayer, InputLayer
    >>> layer = DepthwiseConv2DLayer(InputLayer((None, 8, 9, 9)), 3, depth_multiplier=2)
    >>> layer.output_shape, layer.W.get_value().shape
    ((None, 16, 7, 7), (16, 1, 3, 3))
    """

    saved = _SAVED

    def __init__(
        self,
        incoming: Any,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        depth_multiplier: int = 1,
        untie_biases: bool = False,
        W: Any = FILTERS,
        b: Any = BIASES,
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        **kwargs: Any,
    ) -> None:
        self.name = kwargs.get("name")  # errors before the base class name the layer
        self.depth_multiplier = _multiplier(self, depth_multiplier)
        channels = _channels(incoming)
        super().__init__(
            incoming, channels * self.depth_multiplier, filter_size, stride, pad,
            untie_biases, W, b, nonlinearity, flip_filters, num_groups=channels, **kwargs,
        )  # fmt: skip


class DepthwiseConv1DLayer(Conv1DLayer):
    """As `DepthwiseConv2DLayer`, with one spatial axis.

    Examples
    --------
    >>> from symgraph.nn.layers import DepthwiseConv1DLayer, InputLayer
    >>> DepthwiseConv1DLayer(InputLayer((None, 8, 9)), 3, pad="same").output_shape
    (None, 8, 9)
    """

    saved = _SAVED

    def __init__(
        self,
        incoming: Any,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        depth_multiplier: int = 1,
        untie_biases: bool = False,
        W: Any = FILTERS,
        b: Any = BIASES,
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        **kwargs: Any,
    ) -> None:
        self.name = kwargs.get("name")
        self.depth_multiplier = _multiplier(self, depth_multiplier)
        channels = _channels(incoming)
        super().__init__(
            incoming, channels * self.depth_multiplier, filter_size, stride, pad,
            untie_biases, W, b, nonlinearity, flip_filters, num_groups=channels, **kwargs,
        )  # fmt: skip


class _SeparableConvLayer(BaseConvLayer):
    """What SeparableConv1DLayer and SeparableConv2DLayer share: all but the rank."""

    spatial: int
    unequal_borders = True

    saved = (*_SAVED, "num_filters", "W_pointwise")

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        depth_multiplier: int = 1,
        untie_biases: bool = False,
        W: Any = FILTERS,
        W_pointwise: Any = FILTERS,
        b: Any = BIASES,
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        **kwargs: Any,
    ) -> None:
        self.name = kwargs.get("name")
        self.depth_multiplier = _multiplier(self, depth_multiplier)
        super().__init__(
            incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
            nonlinearity, flip_filters, num_groups=1, n=self.spatial, **kwargs,
        )  # fmt: skip
        middle = self.channels * self.depth_multiplier
        self.W_pointwise: Any = self.add_param(
            W_pointwise, (middle, self.num_filters), "W_pointwise"
        )

    def get_W_shape(self) -> tuple[int, ...]:
        """Shape of the filters of single channels."""
        return (self.channels * self.depth_multiplier, 1, *self.filter_size)

    def convolve(self, input: Any, **kwargs: Any) -> Variable:
        """The sums of products: of each channel, then across channels."""
        operation = T.nnet.conv1d if self.spatial == 1 else T.nnet.conv2d
        middle = operation(
            input,
            self.W,
            self.input_shape,
            self.get_W_shape(),
            subsample=self.stride,
            border_mode=self.borders(),
            filter_flip=self.flip_filters,
            num_groups=self.channels,
        )
        across = self.W_pointwise.dimshuffle(1, 0, *("x",) * self.spatial)
        return operation(middle, across)


class SeparableConv2DLayer(_SeparableConvLayer):
    """out[n, k] = nonlinearity(sum over c of depthwise(x)[n, c] * W_pointwise[c, k] + b).

    A depthwise convolution (see `DepthwiseConv2DLayer`, with neither biases nor
    nonlinearity), and a convolution with filters of one pixel: channels * m * (rows *
    columns + num_filters) weights, m = depth_multiplier, in place of channels *
    num_filters * rows * columns.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    num_filters : int, channels of the output
    filter_size, stride, pad, untie_biases, b, nonlinearity, flip_filters : see
        `BaseConvLayer`
    depth_multiplier : int, filters for each channel
    W : (channels * depth_multiplier, 1, rows, columns)
    W_pointwise : (channels * depth_multiplier, num_filters)

    Raises
    ------
    ShapeError : another rank, or the number of channels is not known
    ArgumentError : depth_multiplier is not 1 or more

    References
    ----------
    Chollet 2016, Xception: deep learning with depthwise separable convolutions.
    arXiv:1610.02357

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, SeparableConv2DLayer, count_params
    >>> layer = SeparableConv2DLayer(InputLayer((None, 16, 9, 9)), 32, 3, pad="same")
    >>> layer.output_shape, count_params(layer)
    ((None, 32, 9, 9), 688)
    """

    spatial = 2


class SeparableConv1DLayer(_SeparableConvLayer):
    """As `SeparableConv2DLayer`, with one spatial axis.

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, SeparableConv1DLayer
    >>> SeparableConv1DLayer(InputLayer((None, 16, 9)), 32, 3, stride=2).output_shape
    (None, 32, 4)
    """

    spatial = 1


def _multiplier(layer: Any, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int_types) or given < 1:
        raise ArgumentError(f"{layer!r}: depth_multiplier={given!r}; use 1 or more")
    return int(given)


def _channels(incoming: Any) -> int:
    """Channels of what comes in; 1 where the base class will refuse the shape."""
    shape = getattr(incoming, "output_shape", incoming)
    known = (
        isinstance(shape, tuple) and len(shape) > 1 and isinstance(shape[1], int_types)
    )
    return int(shape[1]) if known else 1
