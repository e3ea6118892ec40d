"""Products with Jacobians, without forming them: Lop, Rop, Hessian times vector.

Lop is one reverse walk. Rop needs no rules of its own: Lop is linear in its vector, so
a reverse walk through Lop gives the Jacobian's other product. In and out: expressions.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from symgraph.autodiff.reverse import grad
from symgraph.core.dtypes import is_float
from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import (
    ArgumentError,
    DisconnectedInputError,
    GradientError,
    ShapeError,
)
from symgraph.ops.families import cast


@public
def Lop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """out[j] = sum over i of eval_points[i] * d f[i] / d wrt[j].

    Parameters
    ----------
    f : expression, or list of expressions, whose products are added
    wrt : variable, or list or tuple of variables
    eval_points : for each of `f` a value of its shape
    consider_constant : variables that nothing flows through
    disconnected_inputs : "raise", "warn" or "ignore", as for `grad`

    Returns
    -------
    variable, or list or tuple as `wrt`, each of the shape of its variable

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x, u = T.dvectors("x", "u")
    >>> sg.Lop(x ** 2, x, u).eval({x: [1.0, 2.0], u: [1.0, 10.0]})
    array([ 2., 40.])
    """
    functions = _listed(f, "Lop: f")
    for function in functions:
        if not is_float(function.type.dtype):
            raise GradientError(f"Lop: f must be a real float{listing(function)}")
    points = _points(functions, f, eval_points, "Lop")
    return grad(
        None,
        wrt,
        consider_constant,
        disconnected_inputs,
        known_grads=_seeded(functions, points),
    )


@public
def Rop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    disconnected_outputs: str = "raise",
    return_disconnected: str = "zero",
) -> Any:
    """out[i] = sum over j of d f[i] / d wrt[j] * eval_points[j].

    Parameters
    ----------
    f : expression, or list or tuple of expressions
    wrt : variable, or list of variables, whose products are added
    eval_points : for each of `wrt` a value of its shape
    disconnected_outputs : "raise" or "ignore" where an `f` does not depend on `wrt`
    return_disconnected : "zero" or "none": what then comes out

    Returns
    -------
    variable, or list or tuple as `f`, each of the shape of its `f`

    References
    ----------
    Townsend 2017, A new trick for calculating Jacobian vector products.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x, v = T.dvectors("x", "v")
    >>> sg.Rop(x * x.sum(), x, v).eval({x: [1.0, 2.0], v: [1.0, 0.0]})
    array([4., 2.])
    """
    for value, choices, name in (
        (disconnected_outputs, ("raise", "ignore"), "disconnected_outputs"),
        (return_disconnected, ("zero", "none"), "return_disconnected"),
    ):
        if value not in choices:
            raise ArgumentError(f"Rop: {name}={value!r}; use one of {choices}")
    targets = _listed(wrt, "Rop: wrt")
    points = _points(targets, wrt, eval_points, "Rop")
    results = []
    for function in _listed(f, "Rop: f"):
        found = _pushed(function, targets, points)
        if found is None:
            if disconnected_outputs == "raise":
                raise DisconnectedInputError(
                    f"Rop: an expression does not depend on wrt{listing(function)}\n"
                    'Check it, or pass disconnected_outputs="ignore".'
                )
            if return_disconnected == "zero":
                found = PUBLIC["zeros_like"](function)
        results.append(found)
    return type(f)(results) if isinstance(f, list | tuple) else results[0]


@public
def hessian_vector_product(
    cost: Variable,
    wrt: Any,
    vector: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """out[i] = sum over j of d² cost / d wrt[i] d wrt[j] * vector[j].

    Parameters
    ----------
    cost : float scalar
    wrt : variable, or list or tuple of variables; with several, j runs over all
    vector : for each of `wrt` a value of its shape
    consider_constant, disconnected_inputs : as for `grad`

    Returns
    -------
    variable, or list or tuple as `wrt`, each of the shape of its variable

    References
    ----------
    Pearlmutter 1994, Fast exact multiplication by the Hessian, for the quantity; here it
    is the gradient of the product of gradient and vector.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x, v = T.dvectors("x", "v")
    >>> sg.hessian_vector_product((x ** 3).sum(), x, v).eval({x: [1.0, 2.0], v: [1.0, 1.0]})
    array([ 6., 12.])
    """
    targets = _listed(wrt, "hessian_vector_product: wrt")
    points = _points(targets, wrt, vector, "hessian_vector_product")
    slopes = grad(cost, targets, consider_constant, disconnected_inputs)
    return grad(
        None,
        wrt,
        consider_constant,
        "ignore",
        known_grads=_seeded(slopes, points),
    )


def _pushed(
    function: Variable, targets: list[Variable], points: list[Variable]
) -> Variable | None:
    """One product of Rop, or None if the function does not depend on the targets."""
    if not is_float(function.type.dtype):
        raise GradientError(f"Rop: f must be a real float{listing(function)}")
    seed = PUBLIC["zeros_like"](function)  # any value: Lop is linear in it
    pulled = grad(
        None,
        targets,
        disconnected_inputs="ignore",
        return_disconnected="none",
        known_grads=_seeded([function], [seed]),
    )
    pairs = [
        (p, point) for p, point in zip(pulled, points, strict=True) if p is not None
    ]
    if not pairs:
        return None
    found: Variable = grad(
        None,
        seed,
        disconnected_inputs="ignore",
        known_grads=_seeded([p for p, _ in pairs], [point for _, point in pairs]),
    )
    return found


def _seeded(
    functions: Sequence[Variable], points: Sequence[Variable]
) -> dict[Variable, Variable]:
    """Known gradients of copies, so that one function may be part of another."""
    return {
        PUBLIC["copy"](function): point
        for function, point in zip(functions, points, strict=True)
    }


def _listed(value: Any, what: str) -> list[Variable]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    for entry in values:
        if not isinstance(entry, Variable):
            raise ArgumentError(f"{what} has {entry!r}, which is not a variable")
    return values


def _points(
    variables: list[Variable], of: Any, given: Any, what: str
) -> list[Variable]:
    """The vectors of a product, of the dtypes and ranks of their variables.

    Where the user gave a list of variables (`of`), the vectors are a list as well.
    """
    listed = isinstance(of, list | tuple) and isinstance(given, list | tuple)
    values = list(given) if listed else [given]
    if len(values) != len(variables):
        raise ArgumentError(
            f"{what}: {len(values)} vectors for {len(variables)} variables"
            f"{listing(*variables)}"
        )
    points = []
    for variable, value in zip(variables, values, strict=True):
        point = as_variable(value, None, (variable.type.dtype,))
        if point.ndim != variable.ndim:
            raise ShapeError(
                f"{what}: a vector has rank {point.ndim}, its variable {variable.ndim}"
                f"{listing(variable, point)}"
            )
        points.append(cast(point, variable.type.dtype))
    return points
