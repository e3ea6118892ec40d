"""``theano.gradient`` where it differs: the gradient of an integer cost is zero.

In and out: as Theano's functions. Everything else of that module is symgraph's.
"""

from typing import Any

from symgraph.autodiff.reverse import grad as own_grad
from symgraph.config import config
from symgraph.core.dtypes import is_discrete
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import ancestors
from symgraph.errors import DisconnectedInputError, GradientError

__all__ = ["NullTypeGradError", "grad"]

NullTypeGradError = GradientError


def grad(
    cost: Any,
    wrt: Any,
    consider_constant: Any = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Any = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """`symgraph.grad`; but an integer cost has the gradient 0, as in Theano.

    A cost that counts does not change where its inputs change a little, and old programs
    ask for the gradients of such costs. `symgraph.grad` refuses them, as it mostly is a
    mistake.
    """
    if isinstance(cost, Variable) and cost.ndim == 0 and is_discrete(cost.dtype):
        if known_grads is None:
            return _zeros(cost, wrt, disconnected_inputs)
    return own_grad(
        cost, wrt, consider_constant, disconnected_inputs, add_names, known_grads,
        return_disconnected.lower(), null_gradients,
    )  # fmt: skip


def _zeros(cost: Variable, wrt: Any, disconnected_inputs: str) -> Any:
    if isinstance(wrt, Variable):
        return _zeros(cost, [wrt], disconnected_inputs)[0]
    connected = set(ancestors([cost]))
    for variable in wrt:
        if variable not in connected and disconnected_inputs == "raise":
            raise DisconnectedInputError(
                f"grad: the cost does not depend on {variable!r}\n"
                'Check the expression, or pass disconnected_inputs="ignore".'
            )
    kinds = (config.floatX if is_discrete(v.dtype) else v.dtype for v in wrt)
    return type(wrt)(
        PUBLIC["zeros_like"](v, k) for v, k in zip(wrt, kinds, strict=True)
    )
