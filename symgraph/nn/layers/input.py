"""InputLayer: where a network begins."""

from typing import Any

import symgraph.tensor as T
from symgraph.config import config
from symgraph.core.node import Variable, listing
from symgraph.errors import ShapeError
from symgraph.nn.layers.base import Layer, LayerShape, checked_shape


class InputLayer(Layer):
    """out = the input variable.

    Parameters
    ----------
    shape : tuple of ints and None
        None for extents that are not known or change, mostly the batch.
    input_var : variable, optional
        by default one of ``config.floatX`` whose static shape is `shape`.
    name : str, optional

    Attributes
    ----------
    shape, input_var : as above

    Examples
    --------
    >>> layer = InputLayer((None, 784), name="images")
    >>> layer.input_var, layer.input_var.type.shape
    (images.input, (None, 784))
    """

    saved = ("shape",)

    def __init__(
        self, shape: Any, input_var: Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        self.name = name
        self.shape = checked_shape(shape, self)
        super().__init__(self.shape, name=name, **kwargs)
        if input_var is None:
            label = "input" if name is None else f"{name}.input"
            input_var = T.TensorType(config.floatX, self.shape)(label)
        self.input_var = T.as_tensor_variable(input_var)
        _check(self, self.input_var)

    @property
    def output_shape(self) -> LayerShape:
        """The shape given."""
        return self.shape


def _check(layer: InputLayer, variable: Variable) -> None:
    if variable.ndim != len(layer.shape):
        raise ShapeError(
            f"{layer!r}: shape {layer.shape} has {len(layer.shape)} axes, but the "
            f"input variable has {variable.ndim}{listing(variable)}"
        )
    for axis, (own, known) in enumerate(
        zip(layer.shape, variable.type.shape, strict=True)
    ):
        if own is not None and known is not None and own != known:
            raise ShapeError(
                f"{layer!r}: shape {layer.shape} has extent {own} at axis {axis}, but "
                f"the input variable has {known}{listing(variable)}"
            )
