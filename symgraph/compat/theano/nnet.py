"""``theano.tensor.nnet`` where it differs: a softmax is a matrix, also that of a vector.

Old programs also apply `relu` to arrays, to compute expected values.
In and out: as Theano's functions. Everything else of that module is symgraph's.
"""

from typing import Any

import numpy as np

from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC
from symgraph.errors import ShapeError

__all__ = [
    "conv3d", "log_softmax", "logsoftmax", "relu", "softmax", "softmax_with_bias",
]  # fmt: skip


def relu(x: Any, alpha: Any = 0) -> Any:
    """out = x where x > 0, else alpha * x; of an array (with alpha 0) an array."""
    if isinstance(x, np.ndarray | np.generic) and isinstance(alpha, int) and not alpha:
        return 0.5 * (x + np.abs(x))
    return PUBLIC["relu"](x, alpha)


def softmax(c: Any) -> Variable:
    """out[i, j] = exp(c[i, j]) / sum over k of exp(c[i, k]); a vector gives one row."""
    return PUBLIC["softmax"](_rows(c, "softmax"))


def logsoftmax(x: Any) -> Variable:
    """log(softmax(x)), without overflow; a vector gives one row."""
    return PUBLIC["log_softmax"](_rows(x, "logsoftmax"))


log_softmax = logsoftmax


def softmax_with_bias(x: Any, b: Any) -> Variable:
    """softmax(x + b) of a matrix and a vector."""
    return softmax(as_variable(x) + b)


def _rows(x: Any, what: str) -> Variable:
    x = as_variable(x)
    if x.ndim == 1:
        return PUBLIC["shape_padleft"](x)
    if x.ndim != 2:
        raise ShapeError(
            f"{what}: Theano takes a vector or a matrix{listing(x)}\n"
            "Reshape it, or use symgraph.tensor.nnet.softmax, which takes any rank."
        )
    return x


def conv3d(
    signals: Any,
    filters: Any,
    signals_shape: Any = None,
    filters_shape: Any = None,
    border_mode: Any = "valid",
) -> Variable:
    """``conv3d2d.conv3d``: volumes laid out (batch, time, channels, rows, columns)."""
    order = (0, 2, 1, 3, 4)
    shapes = [
        None if shape is None else tuple(shape[axis] for axis in order)
        for shape in (signals_shape, filters_shape)
    ]
    made = PUBLIC["conv3d"](
        as_variable(signals).dimshuffle(*order),
        as_variable(filters).dimshuffle(*order),
        *shapes,
        border_mode=border_mode,
    )
    return made.dimshuffle(*order)
