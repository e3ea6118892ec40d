"""InverseLayer: a layer run backwards, as its gradient runs."""

from typing import Any

from symgraph.autodiff.reverse import grad
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn.layers.base import Layer, LayerShape, MergeLayer
from symgraph.nn.layers.recurrent_loop import fit


class InverseLayer(MergeLayer):
    """out = sum over k of x[k] * d y[k] / d z, for a layer that makes y of z.

    What the gradient of y does with an x in its place: a dense layer multiplies with the
    transposed weights, a convolution becomes a transposed one, pooling puts each value
    where the maximum was. It is an inverse where the layer is linear and its weights are
    orthogonal.

    Parameters
    ----------
    incoming : Layer or shape, of the output shape of `layer`
    layer : Layer with one Layer below it; the output has the shape of what comes in there

    Raises
    ------
    ArgumentError : `layer` is no layer, has several inputs, or was made from a shape
    ShapeError : incoming has another shape than what `layer` gives

    References
    ----------
    Zeiler and Fergus 2013, Visualizing and understanding convolutional networks, section
    2.1. arXiv:1311.2901

    Examples
    --------
    >>> from symgraph.nn.layers import Conv2DLayer, InputLayer, InverseLayer
    >>> x = InputLayer((None, 3, 28, 28))
    >>> features = Conv2DLayer(x, num_filters=16, filter_size=5)
    >>> InverseLayer(features, features).output_shape
    (None, 3, 28, 28)
    """

    saved = ()

    def __init__(self, incoming: Any, layer: Any, **kwargs: Any) -> None:
        self.name = kwargs.get("name")  # errors before the base class name the layer
        below = getattr(layer, "input_layer", None)
        if not isinstance(layer, Layer) or not isinstance(below, Layer):
            raise ArgumentError(
                f"{self!r}: layer={layer!r} must be a layer with one layer below it, whose "
                "output it takes\nA layer of several inputs, or made from a shape, has no "
                "single input to go back to."
            )
        super().__init__([incoming, layer, below], **kwargs)
        have, wanted = self.input_shapes[:2]
        if not fit(have, wanted):
            raise ShapeError(
                f"{self!r}: the input shape {have} must be that of the layer to go back "
                f"through, {layer!r} gives {wanted}"
            )

    @property
    def roles(self) -> list[str | None]:
        """The input and the layer; what is below the layer follows."""
        return ["incoming", "layer", None]

    def get_output_shape_for(self, input_shapes: Any) -> LayerShape:
        """The shape of what comes into the layer."""
        return input_shapes[2]

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Variable:  # type: ignore[override]
        """The formula."""
        input, made, taken = inputs
        found: Variable = grad(None, taken, known_grads={made: input})
        return found
