"""Convolution with what follows it: bias and rectifier, applied before it is stored.

Made only by rewrites (rewrite/rules/images.py), after gradients have been taken.
"""

from collections.abc import Sequence

import numpy as np

from symgraph.core.node import Layout, Shape, Variable, listing
from symgraph.core.types import TensorType
from symgraph.errors import ShapeError
from symgraph.ops.conv_ops import Convolution

#: activation → its code in native programs
ACTIVATIONS = {"none": 0, "relu": 1, "leaky_relu": 2}


class ConvolutionEpilogue(Convolution):
    """activation(convolution(x, w) + b), b one number for each filter.

    `activation` is "none", "relu" or "leaky_relu", then with `slope` below 0.
    """

    name = "convolution_epilogue"

    activation: str = "none"
    slope: float = 0.0

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Those of a convolution, and a vector of its filters' length."""
        x, w, b = inputs
        if b.ndim != 1 or b.type.dtype != x.type.dtype:
            raise ShapeError(
                f"{self.name}: the bias is a vector of dtype {x.type.dtype}{listing(b)}"
            )
        return super().infer(x, w)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of the convolution."""
        return super().infer_shape(inputs[:2], shapes[:2])

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """One after the other."""
        x, w, b = arrays
        (y,) = super().reference(x, w)
        y = y + (b if self.channels_last else b.reshape(-1, *(1,) * self.rank))
        if self.activation == "relu":
            y = np.maximum(y, 0)
        elif self.activation == "leaky_relu":
            y = np.where(y > 0, y, y.dtype.type(self.slope) * y)
        return (y.astype(x.dtype, copy=False),)

    def layout(self, position: int) -> Layout:
        """The bias lies as it is, too."""
        return "contiguous"
