"""Blocks of layers that are used again and again: residual and dense ones.

They are functions: what comes back is a stack of plain layers, which `get_all_layers`
shows and a file holds.
"""

from typing import Any

from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.init import Constant, HeNormal
from symgraph.nn.layers.base import Layer
from symgraph.nn.layers.conv import Conv2DLayer
from symgraph.nn.layers.merge import ConcatLayer, ElemwiseSumLayer
from symgraph.nn.layers.noise import DropoutLayer
from symgraph.nn.layers.normalization import BatchNormLayer
from symgraph.nn.layers.special import NonlinearityLayer
from symgraph.nn.nonlinearities import rectify
from symgraph.nn.utils import int_types

#: default of W: a rule for initial values, not a state
_FILTERS = HeNormal("relu")


def residual_block(
    incoming: Any,
    num_filters: int | None = None,
    filter_size: Any = 3,
    stride: Any = 1,
    nonlinearity: Any = rectify,
    normalize: bool = True,
    W: Any = _FILTERS,
    name: str | None = None,
) -> NonlinearityLayer:
    """out = nonlinearity(norm(conv(nonlinearity(norm(conv(x))))) + shortcut(x)).

    The shortcut is x itself, or a convolution with filters of one pixel where channels or
    stride change.

    Parameters
    ----------
    incoming : Layer (batch, channels, rows, columns)
    num_filters : int, channels of the output; those of the input by default
    filter_size : int or pair; padding is "same"
    stride : int or pair, of the first convolution
    nonlinearity : function, None for the identity
    normalize : False leaves the batch normalisations out
    W : see `Conv2DLayer`; an initialiser, used for all three
    name : goes in front of the names of all layers

    Raises
    ------
    ShapeError : another rank, or the number of channels is not known

    References
    ----------
    He et al. 2015, Deep residual learning for image recognition, figure 2 and section 3.3,
    option B. arXiv:1512.03385

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, get_all_layers, residual_block
    >>> x = InputLayer((None, 16, 8, 8))
    >>> residual_block(x, 32, stride=2).output_shape, len(get_all_layers(residual_block(x)))
    ((None, 32, 4, 4), 8)
    """
    channels = _channels(incoming, "residual_block")
    count = channels if num_filters is None else num_filters

    def convolved(x: Any, part: str, size: Any, step: Any, apply: Any) -> Layer:
        own = _joined(name, part)
        biases = None if normalize else Constant(0.0)
        layer: Layer = Conv2DLayer(
            x, count, size, step, "same", W=W, b=biases, nonlinearity=None, name=own
        )
        if normalize:
            layer = BatchNormLayer(layer, name=_joined(own, "bn"))
        if apply is None:
            return layer
        return NonlinearityLayer(layer, apply, name=_joined(own, "nonlin"))

    first = convolved(incoming, "first", filter_size, stride, nonlinearity)
    second = convolved(first, "second", filter_size, 1, None)
    unchanged = count == channels and stride in (1, (1, 1), [1, 1])
    beside = incoming if unchanged else convolved(incoming, "shortcut", 1, stride, None)
    total = ElemwiseSumLayer([second, beside], name=_joined(name, "sum"))
    return NonlinearityLayer(total, nonlinearity, name=_joined(name, "nonlin"))


def dense_block(
    incoming: Any,
    num_layers: int,
    growth_rate: int,
    filter_size: Any = 3,
    nonlinearity: Any = rectify,
    normalize: bool = True,
    dropout: float = 0.0,
    W: Any = _FILTERS,
    name: str | None = None,
) -> Layer:
    """x[k + 1] = concatenate(x[k], conv(nonlinearity(norm(x[k])))), num_layers times.

    Each step adds growth_rate channels to all that came before.

    Parameters
    ----------
    incoming : Layer (batch, channels, rows, columns)
    num_layers, growth_rate : ints
    filter_size : int or pair; padding is "same"
    nonlinearity : function, None for the identity
    normalize : False leaves the batch normalisations out
    dropout : probability of dropping what a step adds, in training
    W : see `Conv2DLayer`; an initialiser, used for all steps
    name : goes in front of the names of all layers

    Raises
    ------
    ShapeError : another rank, or the number of channels is not known
    ArgumentError : num_layers is not 1 or more

    References
    ----------
    Huang et al. 2016, Densely connected convolutional networks, section 3.
    arXiv:1608.06993

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, dense_block
    >>> x = InputLayer((None, 16, 8, 8))
    >>> dense_block(x, num_layers=4, growth_rate=12).output_shape
    (None, 64, 8, 8)
    """
    _channels(incoming, "dense_block")
    if (
        isinstance(num_layers, bool)
        or not isinstance(num_layers, int_types)
        or num_layers < 1
    ):
        raise ArgumentError(f"dense_block: num_layers={num_layers!r}; use 1 or more")
    current = incoming
    for index in range(int(num_layers)):
        own = _joined(name, str(index))
        new = current
        if normalize:
            new = BatchNormLayer(new, name=_joined(own, "bn"))
        new = NonlinearityLayer(new, nonlinearity, name=_joined(own, "nonlin"))
        new = Conv2DLayer(
            new, growth_rate, filter_size, pad="same", W=W, b=None, nonlinearity=None,
            name=_joined(own, "conv"),
        )  # fmt: skip
        if dropout:
            new = DropoutLayer(new, dropout, name=_joined(own, "dropout"))
        current = ConcatLayer([current, new], name=_joined(own, "concat"))
    return current


def _channels(incoming: Any, what: str) -> int:
    """Channels of what comes in."""
    if not isinstance(incoming, Layer):
        raise ArgumentError(
            f"{what}: incoming is a {type(incoming).__name__}; pass a layer, for example "
            "an InputLayer"
        )
    shape = incoming.output_shape
    if len(shape) != 4 or shape[1] is None:
        raise ShapeError(
            f"{what}: the input shape {shape} must be (batch, channels, rows, columns), "
            "the number of channels known"
        )
    return shape[1]


def _joined(name: str | None, part: str) -> str | None:
    return name and f"{name}_{part}"
