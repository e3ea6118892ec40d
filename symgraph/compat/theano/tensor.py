"""``theano.tensor`` where it differs: constants, tests of them, and errors.

In and out: as Theano's functions. Everything else of that module is symgraph's.
"""

from typing import Any

import numpy as np

from symgraph.backends.reference import evaluate
from symgraph.core.node import Constant, Variable, as_variable, listing
from symgraph.core.traverse import leaves
from symgraph.errors import ConversionError, NotScalarConstantError

__all__ = [
    "AsTensorError", "EmptyConstantError", "NotScalarConstantError", "asarray",
    "get_scalar_constant_value",
]  # fmt: skip

AsTensorError = ConversionError


EmptyConstantError = NotScalarConstantError


def get_scalar_constant_value(
    v: Any, elemwise: bool = True, only_process_constants: bool = False
) -> np.ndarray:
    """The value of a 0-d expression of constants, as 0-d array.

    Raises
    ------
    NotScalarConstantError : it depends on more than constants, or has more elements
    """
    made = as_variable(v)
    if any(not isinstance(leaf, Constant) for leaf in leaves([made])):
        raise NotScalarConstantError(
            f"get_scalar_constant_value: not a constant{listing(made)}"
        )
    (value,) = evaluate([made], {})
    if value.size == 0 or not (value == value.flat[0]).all():
        raise NotScalarConstantError(
            f"get_scalar_constant_value: no scalar{listing(made)}"
        )
    return np.asarray(value.flat[0])


def asarray(a: Any, dtype: Any = None, order: Any = None) -> np.ndarray:
    """``theano._asarray``: `numpy.asarray`; "floatX" and abstract kinds are understood."""
    if isinstance(a, Variable):
        raise ConversionError(f"_asarray: a variable has no value yet{listing(a)}")
    return np.asarray(a, dtype=dtype, order=order)
