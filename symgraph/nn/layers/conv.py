"""Convolution layers: 1-D, 2-D, 3-D and dilated, under Lasagne's names.

In: a layer of shape (batch, channels, ...), one to three spatial axes.  Out: the same
with `num_filters` channels.  A layer holds filters and biases and knows shapes; the
operation itself is `symgraph.ops.conv_ops`.  Transposed layers stand in
`transposed.py`.

Reference for the shape rules: Dumoulin and Visin 2016, A guide to convolution arithmetic
for deep learning. arXiv:1603.07285
"""

from collections.abc import Callable
from typing import Any, ClassVar

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, NotSupportedError, ShapeError
from symgraph.nn.init import Constant, GlorotUniform
from symgraph.nn.layers.base import Layer, LayerShape, Saved, nonlinearity_of
from symgraph.nn.nonlinearities import rectify
from symgraph.nn.utils import as_tuple, int_types
from symgraph.ops.conv_ops import Convolution

#: default of W and b in all classes here: a rule for initial values, not a state
FILTERS, BIASES = GlorotUniform(), Constant(0.0)
#: what a file keeps of every layer here
SAVED_FILTERS = ("num_filters", "filter_size", "untie_biases", "W", "b", "nonlinearity")


def conv_output_length(
    input_length: Any, filter_size: int, stride: int, pad: Any = 0
) -> Any:
    """ceil((input_length + 2 pad - filter_size + 1) / stride), None for None.

    Parameters
    ----------
    input_length : int, None, or 0-d integer variable
    pad : int, or "valid" (0), "full" (filter_size - 1), "same" (input_length / stride)

    Raises
    ------
    ArgumentError : pad is none of those

    Examples
    --------
    >>> [conv_output_length(28, 5, 2, pad) for pad in (0, "same", "full")]
    [12, 14, 16]
    """
    if input_length is None:
        return None
    if isinstance(pad, str) and pad == "same":
        steps = input_length
    else:
        steps = input_length + 2 * pixels_of(pad, filter_size) - filter_size + 1
    return (steps + stride - 1) // stride


def conv_input_length(
    output_length: Any, filter_size: int, stride: int, pad: Any = 0
) -> Any:
    """(output_length - 1) stride - 2 pad + filter_size, None for None.

    The shortest input that a convolution takes to this output length.

    Parameters
    ----------
    output_length : int, None, or 0-d integer variable
    pad : as for `conv_output_length`, "same" being filter_size // 2

    Examples
    --------
    >>> conv_input_length(12, 5, 2), conv_output_length(27, 5, 2)
    (27, 12)
    """
    if output_length is None:
        return None
    return (output_length - 1) * stride - 2 * pixels_of(pad, filter_size) + filter_size


class BaseConvLayer(Layer):
    """out = nonlinearity(convolve(x) + b): what all convolution layers share.

    Derived classes define `convolve`.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, ...), the channels known
    num_filters : int, channels of the output
    filter_size : int, or one for each spatial axis
    stride : int, or one for each spatial axis
        the window moves by so many elements.
    pad : elements of value 0 at both ends of each spatial axis: int, or one for each
        axis; "valid" is 0, "full" is filter_size - 1, "same" keeps the extents where
        stride = 1 and gives ceil(extent / stride) otherwise. "same" is (filter_size - 1)
        / 2 on both sides of an odd filter; an even one has one zero more
        after than before where that is needed, as in TensorFlow
    untie_biases : True for one bias for each filter and place
    W : (num_filters, channels / num_groups, ...filter_size), see
        `symgraph.nn.utils.create_param`
    b : (num_filters,), with untie_biases (num_filters, ...); None for no biases; not
        tagged regularizable
    nonlinearity : function of the sums, None for the identity
    flip_filters : True convolves as in mathematics, the filter turned around; False
        lays it on the input as it is (cross-correlation)
    num_groups : int
        input and output channels are cut into so many groups, each a convolution of
        its own.
    n : number of spatial axes, by default all behind the channels

    Raises
    ------
    ShapeError : the number of axes is not n + 2, channels are not known, or the filter
        is larger than the padded input
    NotSupportedError : pad="same" with an even filter size, in a layer that cannot have
        unequal borders
    ArgumentError : sizes out of range, or num_groups divides not both channel numbers
    """

    #: whether pad="same" may add more zeros after an axis than before it
    unequal_borders = False

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = FILTERS,
        b: Any = BIASES,
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        num_groups: int = 1,
        n: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = nonlinearity_of(nonlinearity, self)
        self.n = len(self.input_shape) - 2 if n is None else n
        if self.n != len(self.input_shape) - 2 or not 1 <= self.n <= 3:
            raise ShapeError(
                f"{self!r}: a {self.n}D convolution takes (batch, channels, {self.n} "
                f"spatial axes), of which there may be 1 to 3; the input shape is "
                f"{self.input_shape}"
            )
        self.num_filters = self._sizes("num_filters", num_filters, 1)[0]
        self.filter_size = self._sizes("filter_size", filter_size, self.n)
        self.stride = self._sizes("stride", stride, self.n)
        self.flip_filters = flip_filters
        self.untie_biases = untie_biases
        self.pad = self._padding(pad)
        self.num_groups = self._groups(num_groups)
        self.W = self.add_param(W, self.get_W_shape(), "W")
        places = self.get_output_shape_for(self.input_shape)[2:]
        if any(isinstance(e, int) and e < 1 for e in places):
            raise ShapeError(
                f"{self!r}: a filter {self.filter_size} with pad={pad!r} does not fit "
                f"into the input shape {self.input_shape}"
            )
        self.borders()  # refuses what depends on an extent that is not known
        if untie_biases and None in places:
            raise ShapeError(
                f"{self!r}: untie_biases=True needs known spatial extents, not "
                f"{self.input_shape}"
            )
        self.b: Any = None
        if b is not None:
            shape = (self.num_filters, *(places if untie_biases else ()))
            self.b = self.add_param(b, shape, "b", regularizable=False)

    def get_W_shape(self) -> tuple[int, ...]:
        """Shape of the filters: (num_filters, channels / num_groups, ...size)."""
        return (
            self.num_filters, self.channels // self.num_groups, *self.filter_size
        )  # fmt: skip

    @property
    def channels(self) -> int:
        """Number of channels of the input."""
        count = self.input_shape[1]
        if count is None:
            raise ShapeError(
                f"{self!r}: the number of channels must be known; the input shape is "
                f"{self.input_shape}"
            )
        return count

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """num_filters channels, and extents by `conv_output_length`."""
        pad = self.pad if isinstance(self.pad, tuple) else (self.pad,) * self.n
        places = zip(input_shape[2:], self.filter_size, self.stride, pad, strict=True)
        return (
            input_shape[0], self.num_filters, *(conv_output_length(*p) for p in places)
        )  # fmt: skip

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        sums = self.convolve(input, **kwargs)
        if self.b is not None and self.untie_biases:
            sums = sums + self.b.dimshuffle("x", *range(self.n + 1))
        elif self.b is not None:
            sums = sums + self.b.dimshuffle("x", 0, *("x",) * self.n)
        return self.nonlinearity(sums)

    def convolve(self, input: Any, **kwargs: Any) -> Variable:
        """The sums of products, before biases and nonlinearity."""
        raise NotImplementedError(
            f"{type(self).__name__} has no convolve(); use Conv2DLayer or another "
            "derived class"
        )

    def _sizes(self, name: str, given: Any, n: int) -> tuple[int, ...]:
        sizes = as_tuple(given, n, int_types)
        if any(size < 1 for size in sizes):
            raise ArgumentError(f"{self!r}: {name}={given!r}; use 1 or more")
        return tuple(int(size) for size in sizes)

    def _padding(self, pad: Any) -> Any:
        if isinstance(pad, str):
            if pad not in ("valid", "full", "same"):
                raise ArgumentError(
                    f"{self!r}: pad={pad!r}; use ints, 'valid', 'full' or 'same'"
                )
            even = any(size % 2 == 0 for size in self.filter_size)
            if pad == "same" and even and not self.unequal_borders:
                raise NotSupportedError(
                    f"{self!r}: `same` padding requires odd filter size, not "
                    f"{self.filter_size}; use a PadLayer for unequal borders"
                )
            return (0,) * self.n if pad == "valid" else pad
        pixels = as_tuple(pad, self.n, int_types)
        if any(size < 0 for size in pixels):
            raise ArgumentError(f"{self!r}: pad={pad!r}; use 0 or more")
        return tuple(int(size) for size in pixels)

    def borders(self) -> Any:
        """The padding as `T.nnet.conv2d` takes it."""
        if self.pad != "same":
            return self.pad
        if all(size % 2 for size in self.filter_size):
            return "half"
        sizes = zip(self.input_shape[2:], self.filter_size, self.stride, strict=True)
        return tuple(self.same_zeros(*axis) for axis in sizes)

    def same_zeros(self, extent: int | None, size: int, stride: int) -> tuple[int, int]:
        """Zeros before and after one axis that make ceil(extent / stride) windows.

        An odd filter has as many on both sides. An even one has what TensorFlow gives it,
        just enough for the last window, the odd one after. With strides 1 and 2 these
        begin alike for all extents.
        """
        if size % 2:
            return size // 2, size // 2
        if stride <= 2:
            return (size - 1) // 2, size // 2
        if extent is None:
            raise ShapeError(
                f"{self!r}: pad='same' with an even filter {self.filter_size} and a "
                f"stride of {stride} depends on the extent; the input shape is "
                f"{self.input_shape}"
            )
        count = (extent + stride - 1) // stride
        both = max((count - 1) * stride + size - extent, 0)
        return both // 2, both - both // 2

    def _groups(self, num_groups: Any) -> int:
        counts = (self.channels, self.num_filters)
        if (
            not isinstance(num_groups, int_types)
            or num_groups <= 0
            or any(count % num_groups for count in counts)
        ):
            raise ArgumentError(
                f"{self!r}: num_groups={num_groups!r} must be positive and divide the "
                f"numbers of input and output channels, {counts[0]} and {counts[1]}"
            )
        return int(num_groups)


class _ForwardConvLayer(BaseConvLayer):
    """What Conv1DLayer, Conv2DLayer and Conv3DLayer share: all but the rank."""

    spatial: int
    operation: Callable[..., Variable]
    unequal_borders = True

    saved: ClassVar[Saved] = (
        *SAVED_FILTERS, "stride", "pad", "flip_filters", "num_groups", "convolution"
    )  # fmt: skip

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = FILTERS,
        b: Any = BIASES,
        nonlinearity: Any = rectify,
        flip_filters: bool = True,
        convolution: Callable[..., Variable] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
            nonlinearity, flip_filters, n=self.spatial, **kwargs,
        )  # fmt: skip
        self.convolution = type(self).operation if convolution is None else convolution

    def convolve(self, input: Any, **kwargs: Any) -> Variable:
        """The sums of products, before biases and nonlinearity."""
        groups = {} if self.num_groups == 1 else {"num_groups": self.num_groups}
        return self.convolution(
            input,
            self.W,
            self.input_shape,
            self.get_W_shape(),
            subsample=self.stride,
            border_mode=self.borders(),
            filter_flip=self.flip_filters,
            **groups,
        )


class Conv1DLayer(_ForwardConvLayer):
    """out[n, k, i] = nonlinearity(sum over c, p of x[n, c, i + p] W[k, c, p'] + b[k]).

    p' = size - 1 - p (the filter flipped) unless flip_filters=False.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, length)
    convolution : function with the signature of `T.nnet.conv1d`, the default
    others : see `BaseConvLayer`

    Examples
    --------
    >>> from symgraph.nn.layers import Conv1DLayer, InputLayer
    >>> Conv1DLayer(InputLayer((None, 3, 100)), 8, 5, stride=2).output_shape
    (None, 8, 48)
    """

    spatial = 1
    operation = staticmethod(T.nnet.conv1d)


class Conv2DLayer(_ForwardConvLayer):
    """out[n, k, i, j] = nonlinearity(sum of x[n, c, i+p, j+q] W[k, c, p', q'] + b[k]).

    The sum is over c, p, q; p' and q' count from the end (the filter is flipped) unless
    flip_filters=False.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    convolution : function with the signature of `T.nnet.conv2d`, the default
    others : see `BaseConvLayer`

    Examples
    --------
    >>> from symgraph.nn.layers import Conv2DLayer, InputLayer
    >>> layer = Conv2DLayer(InputLayer((None, 1, 28, 28)), 32, 5, pad="same")
    >>> layer.output_shape, layer.W.get_value().shape
    ((None, 32, 28, 28), (32, 1, 5, 5))
    """

    spatial = 2
    operation = staticmethod(T.nnet.conv2d)


class Conv3DLayer(_ForwardConvLayer):
    """As `Conv2DLayer`, with three spatial axes.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, depth, rows, columns)
    convolution : function with the signature of `T.nnet.conv3d`, the default
    others : see `BaseConvLayer`

    Examples
    --------
    >>> from symgraph.nn.layers import Conv3DLayer, InputLayer
    >>> Conv3DLayer(InputLayer((None, 2, 8, 9, 10)), 4, (3, 2, 1)).output_shape
    (None, 4, 6, 8, 10)
    """

    spatial = 3
    operation = staticmethod(T.nnet.conv3d)


class DilatedConv2DLayer(BaseConvLayer):
    """out[n, k, i, j] = nonlinearity(sum of x[n, c, i+dp, j+eq] W[c, k, p, q] + b[k]).

    The filter takes every d-th row and e-th column, so that it sees more with the same
    number of weights.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, rows, columns)
    dilation : int or pair (d, e)
    pad : 0 only; put a PadLayer below
    W : (channels / num_groups, num_filters, rows, columns): the first two axes are those
        of a convolution, exchanged
    flip_filters : False only
    others : see `BaseConvLayer`

    References
    ----------
    Yu and Koltun 2016, Multi-scale context aggregation by dilated convolutions.
    arXiv:1511.07122

    Examples
    --------
    >>> from symgraph.nn.layers import DilatedConv2DLayer, InputLayer
    >>> DilatedConv2DLayer(InputLayer((None, 3, 20, 20)), 8, 3, (2, 4)).output_shape
    (None, 8, 16, 12)
    """

    saved = (*SAVED_FILTERS, "dilation", "num_groups")

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        dilation: Any = (1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = FILTERS,
        b: Any = BIASES,
        nonlinearity: Any = rectify,
        flip_filters: bool = False,
        **kwargs: Any,
    ) -> None:
        self.name = kwargs.get("name")  # errors before the base class name the layer
        self.dilation = self._sizes("dilation", dilation, 2)
        if pad not in (0, (0, 0), [0, 0], "valid"):
            raise NotSupportedError(
                f"{self!r}: requires pad=0, (0, 0) or 'valid', not {pad!r}; add a "
                "PadLayer for a padded dilated convolution"
            )
        if flip_filters:
            raise NotSupportedError(f"{self!r}: requires flip_filters=False")
        super().__init__(
            incoming, num_filters, filter_size, 1, pad, untie_biases, W, b,
            nonlinearity, flip_filters, n=2, **kwargs,
        )  # fmt: skip

    def get_W_shape(self) -> tuple[int, ...]:
        """Shape of the filters: (channels / num_groups, num_filters, rows, columns)."""
        return (
            self.channels // self.num_groups, self.num_filters, *self.filter_size
        )  # fmt: skip

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """Extents less (filter_size - 1) dilation."""
        places = zip(input_shape[2:], self.filter_size, self.dilation, strict=True)
        return (
            input_shape[0],
            self.num_filters,
            *(conv_output_length(e, (size - 1) * d + 1, 1) for e, size, d in places),
        )

    def convolve(self, input: Any, **kwargs: Any) -> Variable:
        """The sums of products, before biases and nonlinearity."""
        operation = Convolution(
            strides=(1, 1),
            padding=((0, 0), (0, 0)),
            dilation=self.dilation,
            groups=self.num_groups,
            flip=False,
        )
        return operation(input, self.W.dimshuffle(1, 0, 2, 3))


def pixels_of(pad: Any, filter_size: int) -> int:
    """Elements of padding at each end, for an int, "valid", "full" or "same"."""
    if isinstance(pad, str) and pad in ("valid", "full", "same"):
        return {"valid": 0, "full": filter_size - 1, "same": filter_size // 2}[pad]
    if not isinstance(pad, int_types) or isinstance(pad, bool):
        raise ArgumentError(f"pad={pad!r}; use an int, 'valid', 'full' or 'same'")
    return int(pad)
