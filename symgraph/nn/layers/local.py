"""LocallyConnected2DLayer: a convolution with filters of their own at every place."""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers.conv import BIASES, FILTERS, SAVED_FILTERS, BaseConvLayer
from symgraph.nn.nonlinearities import rectify


class LocallyConnected2DLayer(BaseConvLayer):
    """out[n, k, i, j] = nonlinearity(sum of x[n, c, i+p, j+q] W[k, c, p', q', i, j] + b).

    The sum is over c, p, q; p' and q' count from the end (the filter is flipped) unless
    flip_filters=False. With channelwise=True it is over p, q, and c = k.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns), all but the batch known
    num_filters : int; with `channelwise` the number of channels
    filter_size, stride, untie_biases, b, nonlinearity, flip_filters : see `BaseConvLayer`
    pad : see `BaseConvLayer`, "same" by default. Lasagne has this and stride 1 only.
    W : (num_filters, channels, filter rows, filter columns, output rows, output columns),
        with `channelwise` without the channels
    channelwise : True has each filter see the input channel of its own number only

    Raises
    ------
    ShapeError : rows, columns or channels are not known
    ArgumentError : channelwise, and num_filters is not the number of channels

    References
    ----------
    Taigman et al. 2014, DeepFace, section 3.2

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, LocallyConnected2DLayer
    >>> layer = LocallyConnected2DLayer(InputLayer((None, 3, 9, 8)), 4, (3, 5))
    >>> layer.output_shape, layer.W.get_value().shape
    ((None, 4, 9, 8), (4, 3, 3, 5, 9, 8))
    """

    saved = (*SAVED_FILTERS, "stride", "pad", "flip_filters", "channelwise")
    unequal_borders = True

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1),
        pad: Any = "same",
        untie_biases: bool = False,
        W: Any = FILTERS,
        b: Any = BIASES,
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        channelwise: bool = False,
        **kwargs: Any,
    ) -> None:
        self.channelwise = channelwise
        super().__init__(
            incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
            nonlinearity, flip_filters, num_groups=1, n=2, **kwargs,
        )  # fmt: skip

    def get_W_shape(self) -> tuple[int, ...]:
        """Shape of the filters; see the class."""
        if None in self.input_shape[1:]:
            raise ShapeError(
                f"{self!r}: filters of every place need known channels, rows and columns; "
                f"the input shape is {self.input_shape}"
            )
        places: Any = self.get_output_shape_for(self.input_shape)[2:]
        if not self.channelwise:
            return (self.num_filters, self.channels, *self.filter_size, *places)
        if self.num_filters != self.channels:
            raise ArgumentError(
                f"{self!r}: channelwise=True needs as many filters as channels; "
                f"num_filters={self.num_filters}, and the input has {self.channels}"
            )
        return (self.num_filters, *self.filter_size, *places)

    def convolve(self, input: Any, **kwargs: Any) -> Variable:
        """The sums of products: what each filter sees, times the filter."""
        rows, columns = self.filter_size
        out: Any = self.get_output_shape_for(self.input_shape)[2:]
        borders = [self._border(axis) for axis in range(2)]
        padded = T.pad(input, ((0, 0), (0, 0), *borders))
        ends = [
            (count - 1) * step + 1 for count, step in zip(out, self.stride, strict=True)
        ]
        seen = [
            padded[
                :, :, p : p + ends[0] : self.stride[0], q : q + ends[1] : self.stride[1]
            ]
            for p in range(rows)
            for q in range(columns)
        ]
        window, places = rows * columns, out[0] * out[1]
        patches = T.stack(seen, axis=2)  # (batch, channels, window, rows, columns)
        W: Any = self.W
        if self.flip_filters:
            W = W[..., ::-1, ::-1, :, :]
        if self.channelwise:
            W = T.reshape(W, (self.num_filters, window, *out))
            return T.sum(patches * W.dimshuffle("x", 0, 1, 2, 3), axis=2)
        flat = T.reshape(patches, (input.shape[0], self.channels * window, places))
        W = T.reshape(W, (self.num_filters, self.channels * window, places))
        sums = T.einsum("nco,kco->nko", flat, W)
        return T.reshape(sums, (input.shape[0], self.num_filters, *out))

    def _border(self, axis: int) -> tuple[int, int]:
        pad, size = self.borders(), self.filter_size[axis]
        named = {"half": size // 2, "full": size - 1}
        found = named[pad] if isinstance(pad, str) else pad[axis]
        return found if isinstance(found, tuple) else (found, found)
