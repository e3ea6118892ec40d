"""conv1d, conv2d, conv3d, their adjoints and conv2d_transpose: functions for users.

They have Theano's names and arguments: (batch, channels, *spatial) and filters (out
channels, in channels / groups, *window), flipped unless told otherwise. The reading of
the arguments is in ops/padding_modes.py, the ops in ops/conv_ops.py.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.core.node import Variable
from symgraph.core.public import public
from symgraph.ops.padding_modes import (
    Call,
    backward_filters,
    backward_input,
    forward,
    paddings,
    per_axis,
)
from symgraph.ops.shape import add, extents, folded, multiply, static, subtract
from symgraph.ops.windows import count, span


@public
def conv2d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    image_shape: Any = None,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """y[n, k, i, j] = sum over c, p, q of x[n, c, i*s-a+p, j*s-a+q] * w'[k, c, p, q].

    s is the stride, a the padding, and w' the filters, flipped along rows and columns
    unless `filter_flip` is False.

    Parameters
    ----------
    input : x, float (batch, channels, rows, columns)
    filters : w, float (out channels, channels / num_groups, rows, columns)
    input_shape, filter_shape : promises about the shapes, None where nothing is known;
        `image_shape` is an older name of the first
    border_mode : zeros around the input
        "valid" none; "half" (window // 2) on both sides; "full" (window - 1) on both
        sides; "same" so many that with stride 1 the extents stay, one more after than
        before for even windows; an int or a tuple with, for each axis, an int or a
        pair (before, after)
    subsample : stride, an int or one for each axis
    filter_flip : False for a correlation
    filter_dilation : distance of the elements of the window, for each axis
    num_groups : channels of input and output fall into so many groups; as many as
        channels make a depthwise convolution
    unshared : not supported

    Returns
    -------
    (batch, out channels, (rows + padding - span) // stride + 1, ...), where the window
    spans (window - 1) * dilation + 1

    Raises
    ------
    ShapeError : ranks or channels that do not fit, a window larger than the input
    ArgumentError : a border mode, stride, dilation or group number that is none
    NotSupportedError : unshared filters, a symbolic stride

    References
    ----------
    Theano 1.0, tensor.nnet.conv2d; Dumoulin and Visin 2016.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.ftensor4("x", shape=(None, 3, 32, 32))
    >>> w = T.ftensor4("w", shape=(16, 3, 5, 5))
    >>> T.nnet.conv2d(x, w, border_mode="half", subsample=(2, 2)).type
    float32 (None, 16, 16, 16)
    """
    call = Call("conv2d", 2, border_mode, subsample, filter_flip, filter_dilation,
                 num_groups, unshared)  # fmt: skip
    shape = image_shape if input_shape is None else input_shape
    return forward(call, input, filters, shape, filter_shape)


@public
def conv1d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1,),
    filter_flip: bool = True,
    image_shape: Any = None,
    filter_dilation: Any = (1,),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """y[n, k, i] = sum over c, p of x[n, c, i*s - a + p] * w'[k, c, p]; as `conv2d`.

    Parameters
    ----------
    input : (batch, channels, length)
    filters : (out channels, channels / num_groups, window)

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> w = T.ftensor3("w", shape=(8, 4, 3))
    >>> T.nnet.conv1d(T.ftensor3("x"), w, border_mode="same").type
    float32 (None, 8, None)
    """
    call = Call("conv1d", 1, border_mode, subsample, filter_flip, filter_dilation,
                 num_groups, unshared)  # fmt: skip
    shape = image_shape if input_shape is None else input_shape
    return forward(call, input, filters, shape, filter_shape)


@public
def conv3d(
    input: Any,
    filters: Any,
    input_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """Convolution over three spatial axes; as `conv2d`.

    Parameters
    ----------
    input : (batch, channels, depth, rows, columns)
    filters : (out channels, channels / num_groups, depth, rows, columns)

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> w = T.ftensor5("w", shape=(8, 4, 3, 3, 3))
    >>> T.nnet.conv3d(T.ftensor5("x"), w, input_shape=(2, 4, 9, 9, 9)).type
    float32 (2, 8, 7, 7, 7)
    """
    call = Call("conv3d", 3, border_mode, subsample, filter_flip, filter_dilation,
                 num_groups, unshared)  # fmt: skip
    return forward(call, input, filters, input_shape, filter_shape)


@public
def conv2d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """dx[n, c, i, j] = sum of g[n, k, ...] * w[k, c, ...] over all that read x there.

    Parameters
    ----------
    output_grad : g, the gradient by the result of `conv2d`
    input_shape : shape of x; batch and channels may be None. The other arguments are
        those of that `conv2d`.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> g, w = T.ftensor4("g"), T.ftensor4("w", shape=(8, 3, 5, 5))
    >>> T.nnet.abstract_conv.conv2d_grad_wrt_inputs(g, w, (None, 3, 32, 32)).type
    float32 (None, 3, 32, 32)
    """
    call = Call("conv2d_grad_wrt_inputs", 2, border_mode, subsample, filter_flip,
                 filter_dilation, num_groups, unshared)  # fmt: skip
    return backward_input(call, output_grad, filters, input_shape, filter_shape)


@public
def conv3d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Any,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The gradient of `conv3d` by its input; as `conv2d_grad_wrt_inputs`."""
    call = Call("conv3d_grad_wrt_inputs", 3, border_mode, subsample, filter_flip,
                 filter_dilation, num_groups, unshared)  # fmt: skip
    return backward_input(call, output_grad, filters, input_shape, filter_shape)


@public
def conv2d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Any,
    input_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """dw[k, c, p, q] = sum over n, i, j of x[n, c, i*s - a + p, ...] * g[n, k, i, j].

    Parameters
    ----------
    output_grad : g, the gradient by the result of `conv2d`
    filter_shape : shape of w; the channels may be None. The other arguments are those
        of that `conv2d`.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x, g = T.ftensor4("x"), T.ftensor4("g")
    >>> T.nnet.abstract_conv.conv2d_grad_wrt_weights(x, g, (8, 3, 5, 5)).type
    float32 (8, 3, 5, 5)
    """
    call = Call("conv2d_grad_wrt_weights", 2, border_mode, subsample, filter_flip,
                 filter_dilation, num_groups, unshared)  # fmt: skip
    return backward_filters(call, input, output_grad, filter_shape, input_shape)


@public
def conv3d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Any,
    input_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The gradient of `conv3d` by its filters; as `conv2d_grad_wrt_weights`."""
    call = Call("conv3d_grad_wrt_weights", 3, border_mode, subsample, filter_flip,
                 filter_dilation, num_groups, unshared)  # fmt: skip
    return backward_filters(call, input, output_grad, filter_shape, input_shape)


@public
def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    input_dilation: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Variable:
    """The adjoint of `conv2d`: sum(out * v) = sum(x * conv2d(v, w)) for every v.

    Parameters
    ----------
    input : x (batch, channels, rows, columns)
    filters : w (channels, out channels / num_groups, rows, columns)
    output_shape : of the result; batch and channels may be None. Without it, the least
        extents that fit: (rows - 1) * stride + span - padding.
    input_dilation : the stride of the convolution that this transposes
    border_mode, filter_flip, filter_dilation, num_groups : as for `conv2d`

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x, w = T.ftensor4("x", shape=(2, 8, 7, 7)), T.ftensor4("w", shape=(8, 3, 5, 5))
    >>> T.nnet.conv2d_transpose(x, w, input_dilation=(2, 2)).type
    float32 (2, 3, 17, 17)
    """
    call = Call("conv2d_transpose", 2, border_mode, input_dilation, filter_flip,
                 filter_dilation, num_groups, unshared)  # fmt: skip
    if output_shape is None:
        x, w = call.operands((input, None), (filters, filter_shape))
        window = extents(w)[2:]
        pads = paddings(border_mode, window, call.dilation, call.what)
        output_shape = (None, None, *(
            folded(subtract(add(multiply(subtract(n, 1), s), span(r, d)), add(*pair)))
            for n, s, r, d, pair in zip(
                extents(x)[2:], call.strides, window, call.dilation, pads, strict=True
            )
        ))  # fmt: skip
    return backward_input(call, input, filters, output_shape, filter_shape)


@public
def get_conv_output_shape(
    image_shape: Sequence[int | None],
    kernel_shape: Sequence[int | None],
    border_mode: Any,
    subsample: Any,
    filter_dilation: Any = None,
) -> tuple[int | None, ...]:
    """Shape of a convolution's result: (batch, out channels, *spatial).

    Examples
    --------
    >>> get_conv_output_shape((8, 3, 32, 32), (16, 3, 5, 5), "half", (2, 2))
    (8, 16, 16, 16)
    """
    what, rank = "get_conv_output_shape", len(image_shape) - 2
    strides = per_axis(subsample, rank, f"{what}: subsample")
    steps = 1 if filter_dilation is None else filter_dilation
    dilation = per_axis(steps, rank, f"{what}: filter_dilation")
    found: list[int | None] = []
    for axis in range(rank):
        n, r = image_shape[2 + axis], kernel_shape[2 + axis]
        if n is None or r is None:
            found.append(None)
            continue
        mode = border_mode if isinstance(border_mode, str | int) else border_mode[axis]
        single = mode if isinstance(mode, str | int) else (mode,)
        ((low, high),) = paddings(single, (r,), dilation[axis : axis + 1], what)
        assert isinstance(low, int) and isinstance(high, int)
        windows = count(n, r, strides[axis], (low, high), dilation[axis])
        found.append(static(windows))
    return (image_shape[0], kernel_shape[0], *found)
