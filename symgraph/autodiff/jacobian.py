"""Jacobians and Hessians: the gradient of every element of an expression.

Each row is the gradient of one element, by the reverse mode; `Rows` stacks them, so the
length of the expression need not be known while building. In: an expression and the
variables. Out: expressions, which can be differentiated again.
"""

from collections.abc import Iterable
from typing import Any

from symgraph.autodiff.reverse import grad
from symgraph.autodiff.rows import rows
from symgraph.core.dtypes import is_float
from symgraph.core.node import Variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import fast_type
from symgraph.errors import ArgumentError, GradientError
from symgraph.ops.creation import iota
from symgraph.ops.families import cast
from symgraph.ops.shape import extents


@public
def jacobian(
    expression: Variable,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """out[i, j] = d expression[i] / d wrt[j].

    Parameters
    ----------
    expression : float, of any rank; its axes come first in the result
    wrt : variable, or list or tuple of variables, of any rank
    consider_constant : variables that nothing flows through
    disconnected_inputs : "raise", "warn" or "ignore", as for `grad`

    Returns
    -------
    variable, or list or tuple as `wrt`, of shape (*expression.shape, *wrt.shape)

    Raises
    ------
    GradientError : the expression is not a float, or an op has no gradient
    DisconnectedInputError : see `disconnected_inputs`

    Notes
    -----
    Compiled code computes the rows one by one: its size grows with the expression. If
    the number of elements is unknown while building, the function is compiled anew for
    every combination of shapes that it is called with.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> sg.jacobian(x ** 2, x).eval({x: [1.0, 3.0]})
    array([[2., 0.],
           [0., 6.]])
    """
    if not isinstance(expression, Variable):
        raise ArgumentError(f"jacobian: {expression!r} is not a variable")
    if not is_float(expression.type.dtype):
        raise GradientError(
            f"jacobian: the expression must be a real float{listing(expression)}\n"
            "Cast it to float32 or float64, or take a differentiable quantity."
        )
    if expression.ndim == 0:
        return grad(expression, wrt, consider_constant, disconnected_inputs)
    flat = expression if expression.ndim == 1 else PUBLIC["flatten"](expression)
    (length,) = extents(flat)
    index: Variable = fast_type("int64", ())("i")
    chosen = PUBLIC["eq"](iota(length), index)
    many = isinstance(wrt, list | tuple)
    targets = list(wrt) if many else [wrt]
    parts = grad(
        None,
        targets,
        consider_constant,
        disconnected_inputs,
        known_grads={flat: cast(chosen, flat.type.dtype)},
    )
    results = []
    for target, part in zip(targets, parts, strict=True):
        shape = extents(target)
        found = rows(part, index, length, shape)
        if expression.ndim > 1:
            found = PUBLIC["reshape"](found, (*extents(expression), *shape))
        results.append(found)
    return type(wrt)(results) if many else results[0]


@public
def hessian(
    cost: Variable,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """out[i, j] = d² cost / d wrt[i] d wrt[j].

    Parameters
    ----------
    cost : float scalar
    wrt : variable, or list or tuple of variables; one block for each, none between them
    consider_constant : variables that nothing flows through
    disconnected_inputs : "raise", "warn" or "ignore", as for `grad`; where the cost is
        linear in a variable, zeros come out

    Returns
    -------
    variable, or list or tuple as `wrt`, of shape (*wrt.shape, *wrt.shape)

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> sg.hessian((x ** 3).sum(), x).eval({x: [1.0, 2.0]})
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    many = isinstance(wrt, list | tuple)
    targets = list(wrt) if many else [wrt]
    slopes = grad(cost, targets, consider_constant, disconnected_inputs)
    results = [
        jacobian(slope, target, consider_constant, "ignore")
        for slope, target in zip(slopes, targets, strict=True)
    ]
    return type(wrt)(results) if many else results[0]
