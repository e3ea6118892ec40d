"""Transposed convolution layers, 2-D and 3-D: the output is larger than the input.

In: a layer of shape (batch, channels, ...).  Out: what a convolution with these filters,
stride and padding could have come from.  What all convolution layers share is
`conv.py`; the operation is `symgraph.ops.conv_ops.ConvolutionInput`.
"""

from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ShapeError
from symgraph.nn.layers.base import LayerShape
from symgraph.nn.layers.conv import (
    BIASES,
    FILTERS,
    SAVED_FILTERS,
    BaseConvLayer,
    conv_input_length,
    conv_output_length,
    pixels_of,
)
from symgraph.nn.nonlinearities import rectify
from symgraph.nn.utils import as_tuple, int_types
from symgraph.ops.conv_ops import ConvolutionInput


class _TransposedConvLayer(BaseConvLayer):
    """What TransposedConv2DLayer and TransposedConv3DLayer share: all but the rank."""

    spatial: int
    unequal_borders = True

    saved = (
        *SAVED_FILTERS, "stride", "crop", "flip_filters", "num_groups", "output_size"
    )  # fmt: skip

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        crop: Any = 0,
        untie_biases: bool = False,
        W: Any = FILTERS,
        b: Any = BIASES,
        nonlinearity: Any = rectify,
        flip_filters: bool = False,
        output_size: Any = None,
        **kwargs: Any,
    ) -> None:
        if output_size is not None and not isinstance(output_size, Variable):
            output_size = as_tuple(output_size, self.spatial, int_types)
        self.output_size = output_size
        super().__init__(
            incoming, num_filters, filter_size, stride, crop, untie_biases, W, b,
            nonlinearity, flip_filters, n=self.spatial, **kwargs,
        )  # fmt: skip
        if isinstance(self.output_size, tuple):
            places = zip(
                self.output_size, self.filter_size, self.stride, self._crops(),
                strict=True,
            )  # fmt: skip
            found = [conv_output_length(*place) for place in places]
            inside = self.input_shape[2:]
            if any(e not in (None, f) for e, f in zip(inside, found, strict=True)):
                raise ShapeError(
                    f"{self!r}: a convolution takes output_size={self.output_size} to "
                    f"{tuple(found)}, not to the input's extents {inside}; the smallest "
                    "that fits is (extent - 1) * stride - 2 * crop + filter_size"
                )

    @property
    def crop(self) -> Any:
        """Elements cut off at both ends of each spatial axis of the output."""
        return self.pad

    def get_W_shape(self) -> tuple[int, ...]:
        """Shape of the filters: (channels, num_filters / num_groups, ...size)."""
        return (
            self.channels, self.num_filters // self.num_groups, *self.filter_size
        )  # fmt: skip

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """`output_size` where given, else extents by `conv_input_length`."""
        size: Any
        if isinstance(self.output_size, Variable):
            size = (None,) * self.n
        elif self.output_size is not None:
            size = self.output_size
        else:
            places = zip(
                input_shape[2:],
                self.filter_size,
                self.stride,
                self._crops(),
                strict=True,
            )
            size = [_extent(*place) for place in places]
        return (input_shape[0], self.num_filters, *size)

    def convolve(self, input: Any, **kwargs: Any) -> Variable:
        """The sums of products: the gradient of a convolution for its input."""
        if isinstance(self.output_size, Variable):
            extents: list[Any] = [
                T.cast(self.output_size[i], "int64") for i in range(self.n)
            ]
        else:
            fixed = self.get_output_shape_for(self.input_shape)[2:]
            given = self.get_output_shape_for(
                [input.shape[i] for i in range(input.ndim)]
            )
            extents = [
                found if known is None else T.constant(known, dtype="int64")
                for known, found in zip(fixed, given[2:], strict=True)
            ]
        operation = ConvolutionInput(
            strides=self.stride,
            padding=self.borders(),
            dilation=(1,) * self.n,
            groups=self.num_groups,
            flip=not self.flip_filters,
        )
        return operation(input, self.W, *extents)

    def borders(self) -> tuple[tuple[int, int], ...]:
        """The crop before and after each axis: the padding of the convolution."""
        known: Any = self.output_size if isinstance(self.output_size, tuple) else ()
        found = []
        for axis, (crop, size) in enumerate(
            zip(self._crops(), self.filter_size, strict=True)
        ):
            if crop != "same":
                found.append((pixels_of(crop, size),) * 2)
            elif self.output_size is None:  # of (extent - 1) * stride + 1 elements
                found.append(((size - 1) // 2, size // 2))
            else:
                extent = known[axis] if known else None
                found.append(self.same_zeros(extent, size, self.stride[axis]))
        return tuple(found)

    def _crops(self) -> tuple[Any, ...]:
        return self.crop if isinstance(self.crop, tuple) else (self.crop,) * self.n


class TransposedConv2DLayer(_TransposedConvLayer):
    """The gradient of a strided convolution for its input: each place spreads out.

    out[n, k, s i + p - crop, t j + q - crop] gets x[n, c, i, j] W[c, k, p', q'] added,
    for every c, i, j, p, q; strides (s, t); p' and q' count from the end unless
    flip_filters=True.  Then come biases and nonlinearity.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    stride : int or pair; the output is about so many times larger
    crop : the `pad` of the convolution whose gradient this is: int, pair, "valid",
        "full" or "same", which cuts one element more behind than before for an even
        filter, with TensorFlow's borders
    W : (channels, num_filters / num_groups, rows, columns): the first two axes are
        those of a convolution, exchanged
    flip_filters : False slides the filter as it is over the spread input, which is why
        it arrives turned around; True convolves
    output_size : int, pair, or integer vector variable; extents of the output where the
        input leaves a choice.  By default the smallest, (extent - 1) stride - 2 crop +
        filter_size, (extent - 1) stride + 1 for "same"; those up to stride - 1 larger
        fit too.
    others : see `BaseConvLayer`

    References
    ----------
    Dumoulin and Visin 2016, chapter 4; Zeiler et al. 2010, Deconvolutional networks

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, TransposedConv2DLayer
    >>> x = InputLayer((None, 8, 7, 7))
    >>> TransposedConv2DLayer(x, 4, 5, stride=2, crop="same").output_shape
    (None, 4, 13, 13)
    >>> layer = TransposedConv2DLayer(x, 4, 5, 2, "same", output_size=14)
    >>> layer.output_shape
    (None, 4, 14, 14)
    """

    spatial = 2


Deconv2DLayer = TransposedConv2DLayer


class TransposedConv3DLayer(_TransposedConvLayer):
    """As `TransposedConv2DLayer`, with three spatial axes.

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, TransposedConv3DLayer
    >>> x = InputLayer((None, 8, 3, 7, 7))
    >>> TransposedConv3DLayer(x, 4, (1, 2, 2), stride=(1, 2, 2)).output_shape
    (None, 4, 3, 14, 14)
    """

    spatial = 3


Deconv3DLayer = TransposedConv3DLayer


def _extent(length: Any, size: int, stride: int, crop: Any) -> Any:
    """`conv_input_length`; "same" takes size - 1 off an even filter too, not size."""
    found = conv_input_length(length, size, stride, crop)
    even = crop == "same" and size % 2 == 0
    return found + 1 if even and found is not None else found
