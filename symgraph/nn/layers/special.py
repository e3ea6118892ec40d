"""Layers of one function: nonlinearity, bias, scale, any expression."""

from collections.abc import Callable, Iterable
from typing import Any

import symgraph.tensor as T
from symgraph.config import config
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.init import Constant
from symgraph.nn.layers.base import Layer, LayerShape
from symgraph.nn.nonlinearities import identity, rectify
from symgraph.nn.utils import floatX


class NonlinearityLayer(Layer):
    """out = nonlinearity(x).

    Parameters
    ----------
    incoming : Layer or shape
    nonlinearity : function, None for the identity
    """

    saved = ("nonlinearity",)

    def __init__(
        self, incoming: Any, nonlinearity: Any = rectify, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = identity if nonlinearity is None else nonlinearity

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        return self.nonlinearity(input)


class BiasLayer(Layer):
    """out = x + b, b repeated along the shared axes.

    Parameters
    ----------
    incoming : Layer or shape
    b : of the shape of x without the shared axes; None for nothing to add
    shared_axes : "auto" (all but the second), "all", int, or tuple of ints

    Examples
    --------
    >>> from symgraph.nn.layers import BiasLayer, InputLayer
    >>> BiasLayer(InputLayer((None, 3, 8))).b.type.shape
    (3,)
    """

    saved = ("b", "shared_axes")

    def __init__(
        self,
        incoming: Any,
        b: Any = Constant(0),  # noqa: B008
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.shared_axes = shared_axes_of(self, shared_axes)
        self.b: Any = None
        if b is not None:
            shape = own_shape(self, "a bias")
            self.b = self.add_param(b, shape, "b", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        if self.b is None:
            return input
        return input + spread(self.b, self.shared_axes, input.ndim)


class ScaleLayer(Layer):
    """out = x * scales, repeated along the shared axes.

    Parameters
    ----------
    incoming : Layer or shape
    scales : of the shape of x without the shared axes
    shared_axes : "auto" (all but the second), "all", int, or tuple of ints
    """

    saved = ("scales", "shared_axes")

    def __init__(
        self,
        incoming: Any,
        scales: Any = Constant(1),  # noqa: B008
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.shared_axes = shared_axes_of(self, shared_axes)
        shape = own_shape(self, "a scale")
        self.scales = self.add_param(scales, shape, "scales", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula."""
        return input * spread(self.scales, self.shared_axes, input.ndim)


def standardize(
    layer: Any, offset: Any, scale: Any, shared_axes: Any = "auto"
) -> ScaleLayer:
    """out = (x - offset) / scale, with offset and scale not trainable.

    Parameters
    ----------
    layer : Layer or shape
    offset, scale : arrays, shared variables or expressions of the shape of x without
        the shared axes, such as the mean and standard deviation of the training data
    shared_axes : "auto" (all but the second), "all", int, or tuple of ints

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph.nn.layers import InputLayer, get_output
    >>> x = InputLayer((None, 2))
    >>> out = standardize(x, np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> get_output(out, np.array([[3.0, 4.0]])).eval()
    array([[2. , 0.5]])
    """
    if not isinstance(offset, Variable):
        offset = floatX(offset)
    if not isinstance(scale, Variable):
        scale = floatX(scale)
    shifted = BiasLayer(layer, -offset, shared_axes)
    shifted.params[shifted.b].remove("trainable")
    scaled = ScaleLayer(shifted, 1.0 / scale, shared_axes)
    scaled.params[scaled.scales].remove("trainable")
    return scaled


class ExpressionLayer(Layer):
    """out = function(x).

    Parameters
    ----------
    incoming : Layer or shape
    function : takes and gives an expression
    output_shape : None for the shape of x; a tuple; a function of the input shape; or
        "auto" to read it off the function applied to a variable of the input shape

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> from symgraph.nn.layers import ExpressionLayer, InputLayer
    >>> x = InputLayer((None, 3, 8))
    >>> ExpressionLayer(x, lambda x: T.max(x, axis=2), output_shape="auto").output_shape
    (None, 3)
    """

    def __init__(
        self,
        incoming: Any,
        function: Callable[[Any], Any],
        output_shape: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.function = function
        self._shape = output_shape
        if isinstance(output_shape, str) and output_shape != "auto":
            raise ArgumentError(
                f"{self!r}: output_shape={output_shape!r}; use None, a tuple, a "
                "function or 'auto'"
            )

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """As `output_shape` says."""
        if self._shape is None:
            return input_shape
        if isinstance(self._shape, str):
            trial = T.TensorType(config.floatX, input_shape)("input")
            return T.as_tensor_variable(self.function(trial)).type.shape
        if callable(self._shape):
            return tuple(self._shape(input_shape))
        return tuple(self._shape)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The function, applied."""
        return self.function(input)


# --- pieces ------------------------------------------------------------------------


def shared_axes_of(layer: Any, given: Any) -> tuple[int, ...]:
    """The axes that the user gave, counted from the front."""
    rank = len(layer.input_shape)
    if isinstance(given, str):
        named = {"auto": (0, *range(2, rank)), "all": tuple(range(rank))}
        if given not in named:
            raise ArgumentError(
                f"{layer!r}: shared_axes={given!r}; use 'auto', 'all', an int or a tuple"
            )
        return named[given]
    axes = tuple(given) if isinstance(given, Iterable) else (given,)
    for axis in axes:
        if not -rank <= axis < rank:
            raise ArgumentError(f"{layer!r}: shared axis {axis} of {rank} axes")
    return tuple(axis % rank for axis in axes)


def own_shape(layer: Any, what: str) -> tuple[Any, ...]:
    """Extents of the input without the shared axes."""
    shape = layer.input_shape
    own = tuple(e for i, e in enumerate(shape) if i not in layer.shared_axes)
    if any(extent is None for extent in own):
        raise ShapeError(
            f"{layer!r}: {what} needs known extents on all axes that are not shared; "
            f"the input shape is {shape}, shared are {layer.shared_axes}"
        )
    return own


def spread(param: Any, shared: tuple[int, ...], rank: int) -> Variable:
    """A parameter with an axis of extent 1 in each shared place."""
    axes = iter(range(param.ndim))
    pattern = ["x" if axis in shared else next(axes) for axis in range(rank)]
    return param.dimshuffle(*pattern)
