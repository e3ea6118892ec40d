"""EmbeddingLayer: a row of weights for each integer."""

from typing import Any

import symgraph.tensor as T
from symgraph.core.dtypes import is_integer
from symgraph.core.node import Variable, listing
from symgraph.errors import DtypeError
from symgraph.nn.init import Normal
from symgraph.nn.layers.base import Layer, LayerShape


class EmbeddingLayer(Layer):
    """out[..., :] = W[x[...]].

    Parameters
    ----------
    incoming : Layer or shape; its input variable holds integers
    input_size : number of different integers; larger ones fail at run time
    output_size : int
    W : (input_size, output_size)

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> from symgraph.nn.layers import EmbeddingLayer, InputLayer, get_output
    >>> words = InputLayer((None, 7), T.imatrix("words"))
    >>> layer = EmbeddingLayer(words, input_size=1000, output_size=16)
    >>> layer.output_shape, get_output(layer).type.shape
    ((None, 7, 16), (None, None, 16))
    """

    saved = ("input_size", "output_size", "W")

    def __init__(
        self,
        incoming: Any,
        input_size: int,
        output_size: int,
        W: Any = Normal(),  # noqa: B008
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.input_size = input_size
        self.output_size = output_size
        self.W = self.add_param(W, (input_size, output_size), "W")

    def get_output_shape_for(self, input_shape: Any) -> LayerShape:
        """One axis more, of output_size."""
        return (*input_shape, self.output_size)

    def get_output_for(self, input: Any, **kwargs: Any) -> Variable:
        """The rows."""
        if not is_integer(input.dtype):
            raise DtypeError(
                f"{self!r}: the input must hold integers{listing(input)}\nGive the "
                "InputLayer an integer variable, for example T.imatrix()."
            )
        return T.take(self.W, input, axis=0)
