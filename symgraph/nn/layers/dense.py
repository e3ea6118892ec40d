"""DenseLayer and NINLayer: weighted sums of all features."""

import math
from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.init import Constant, GlorotUniform
from symgraph.nn.layers.base import Layer, LayerShape, nonlinearity_of
from symgraph.nn.nonlinearities import rectify


class DenseLayer(Layer):
    """out = nonlinearity(x W + b).

    Axes from number `num_leading_axes` on are flattened to one, the features.

    Parameters
    ----------
    incoming : Layer or shape
    num_units : int
    W : (features, num_units), see `symgraph.nn.utils.create_param`
    b : (num_units,), or None for no biases; not tagged regularizable
    nonlinearity : function of the sums, None for the identity
    num_leading_axes : int
        axes that stay; negative ones count from the end.

    Raises
    ------
    ArgumentError : num_leading_axes leaves no axis for the features
    ShapeError : the number of features is not known

    Examples
    --------
    >>> from symgraph.nn.layers import DenseLayer, InputLayer
    >>> x = InputLayer((None, 5, 28, 28))
    >>> DenseLayer(x, num_units=50).output_shape
    (None, 50)
    >>> DenseLayer(x, num_units=50, num_leading_axes=-1).output_shape
    (None, 5, 28, 50)
    """

    saved = ("num_units", "W", "b", "nonlinearity", "num_leading_axes")

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        W: Any = GlorotUniform(),  # noqa: B008 (a rule, not a state)
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        num_leading_axes: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = nonlinearity_of(nonlinearity, self)
        self.num_units = _count(num_units, self)
        rank = len(self.input_shape)
        if not -rank <= num_leading_axes < rank:
            raise ArgumentError(
                f"{self!r}: num_leading_axes={num_leading_axes} leaves no axis of the "
                f"input shape {self.input_shape} for the features; use {-rank} .. "
                f"{rank - 1}"
            )
        self.num_leading_axes = num_leading_axes
        features = self.input_shape[num_leading_axes:]
        if any(extent is None for extent in features):
            raise ShapeError(
                f"{self!r}: the input shape {self.input_shape} must be known from axis "
                f"{num_leading_axes} on, to tell the number of features; give the "
                "InputLayer these extents or change num_leading_axes"
            )
        inputs = math.prod(extent for extent in features if extent is not None)
        self.W = self.add_param(W, (inputs, self.num_units), "W")
        self.b = _bias(self, b, (self.num_units,))

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """The leading axes, then num_units."""
        return (*input_shape[: self.num_leading_axes], self.num_units)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula, for any expression of the right rank."""
        leading = self.num_leading_axes
        if leading < 0:
            leading += input.ndim
        if input.ndim > leading + 1:
            input = T.flatten(input, leading + 1)
        sums = T.dot(input, self.W)
        if self.b is not None:
            sums = sums + self.b
        return self.nonlinearity(sums)


class NINLayer(Layer):
    """out[n, k, ...] = nonlinearity(sum over c of x[n, c, ...] W[c, k] + b[k]).

    A dense layer at every place of the axes behind the channels.

    Parameters
    ----------
    incoming : Layer or shape, (batch, channels, ...)
    num_units : int, channels of the output
    untie_biases : True for one bias for each unit and place
    W : (channels, num_units)
    b : (num_units,), with untie_biases (num_units, ...); None for no biases
    nonlinearity : None for the identity

    References
    ----------
    Lin et al. 2013, Network in network. arXiv:1312.4400

    Examples
    --------
    >>> from symgraph.nn.layers import InputLayer, NINLayer
    >>> NINLayer(InputLayer((None, 20, 28, 28)), num_units=5).output_shape
    (None, 5, 28, 28)
    """

    saved = ("num_units", "untie_biases", "W", "b", "nonlinearity")

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        untie_biases: bool = False,
        W: Any = GlorotUniform(),  # noqa: B008
        b: Any = Constant(0.0),  # noqa: B008
        nonlinearity: Any = rectify,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = nonlinearity_of(nonlinearity, self)
        self.num_units = _count(num_units, self)
        self.untie_biases = untie_biases
        shape = self.input_shape
        if len(shape) < 2 or shape[1] is None:
            raise ShapeError(
                f"{self!r}: the input shape {shape} must be (batch, channels, ...), "
                "the number of channels known"
            )
        places = shape[2:] if untie_biases else ()
        if any(extent is None for extent in places):
            raise ShapeError(
                f"{self!r}: untie_biases=True needs known extents behind the channels, "
                f"not {shape}"
            )
        self.W = self.add_param(W, (shape[1], self.num_units), "W")
        self.b = _bias(self, b, (self.num_units, *places))

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """num_units in place of the channels."""
        return (input_shape[0], self.num_units, *input_shape[2:])

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The formula: the channels are moved to the end and back."""
        places = range(2, input.ndim)
        sums = T.dot(input.dimshuffle(0, *places, 1), self.W)
        sums = sums.dimshuffle(0, sums.ndim - 1, *range(1, sums.ndim - 1))
        if self.b is not None:
            if self.untie_biases:
                bias = self.b.dimshuffle("x", *range(input.ndim - 1))
            else:
                bias = self.b.dimshuffle("x", 0, *("x" for _ in places))
            sums = sums + bias
        return self.nonlinearity(sums)


def _count(num_units: Any, layer: Layer) -> int:
    if (
        isinstance(num_units, bool | str)
        or int(num_units) != num_units
        or num_units < 1
    ):
        raise ArgumentError(f"{layer!r}: num_units={num_units!r}; use 1 or more")
    return int(num_units)


def _bias(layer: Layer, spec: Any, shape: tuple[Any, ...]) -> Any:
    if spec is None:
        return None
    return layer.add_param(spec, shape, "b", regularizable=False)
