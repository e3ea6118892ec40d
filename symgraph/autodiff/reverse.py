"""Reverse-mode differentiation: one walk from the cost to the variables.

`grad` builds more graph with each op's own rule. Broadcasting is undone here, once for
all ops. In: a scalar cost (or known gradients of any variables) and the variables asked
for. Out: their gradients, as expressions. Higher orders come by applying it again.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from symgraph.autodiff.flows import Flows, Path, chosen, has_shape_of
from symgraph.autodiff.guards import (
    converted,
    equal_extents,
    guarded,
    sum_to,
    summed,
)
from symgraph.core.composite import CompositeVariable, without_bundles
from symgraph.core.dtypes import is_complex, is_discrete, is_float
from symgraph.core.node import Apply, Variable, as_variable, building, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.traverse import applies
from symgraph.errors import (
    ArgumentError,
    DisconnectedInputError,
    GradientError,
    SymgraphWarning,
)
from symgraph.ops.families import Elementwise, cast
from symgraph.ops.reduction import Reduce
from symgraph.ops.undefined import Marker

_ON_DISCONNECTED = ("raise", "warn", "ignore")
_RETURNED = ("zero", "none", "disconnected")


@public
def grad(
    cost: Variable | None,
    wrt: Any,
    consider_constant: Iterable[Variable] | None = None,
    disconnected_inputs: str = "raise",
    add_names: bool = True,
    known_grads: Mapping[Variable, Any] | None = None,
    return_disconnected: str = "zero",
    null_gradients: str = "raise",
) -> Any:
    """d cost / d wrt, as an expression.

    Parameters
    ----------
    cost : scalar float variable; None if `known_grads` is given
    wrt : variable, or list or tuple of variables; the gradient of a sparse matrix is one
        of the same structure
    consider_constant : variables that nothing flows through
    disconnected_inputs : "raise", "warn" or "ignore" where `cost` does not depend on an
        entry of `wrt`
    add_names : name the results ``(dcost/dx)``
    known_grads : variable → its gradient, as starting points instead of `cost`, or
        beside it; of the variable's shape, or broadcast to it
    return_disconnected : "zero", "none" or "disconnected" (both give None)
    null_gradients : accepted for compatibility; undefined gradients always raise

    Returns
    -------
    variable, or list or tuple as `wrt`; each of the shape and dtype of its variable

    Raises
    ------
    GradientError : the cost is not a float scalar, or an op has no gradient
    DisconnectedInputError : see `disconnected_inputs`

    References
    ----------
    Griewank and Walther 2008, Evaluating Derivatives, chapter 3 (reverse mode).

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dscalar("x")
    >>> float(sg.grad(x ** 2, x).eval({x: 4.0}))
    8.0
    """
    for value, choices, name in (
        (disconnected_inputs, _ON_DISCONNECTED, "disconnected_inputs"),
        (return_disconnected, _RETURNED, "return_disconnected"),
        (null_gradients, ("raise", "return"), "null_gradients"),
    ):
        if value not in choices:
            raise ArgumentError(f"grad: {name}={value!r}; use one of {choices}")
    many = isinstance(wrt, list | tuple)
    asked = list(wrt) if many else [wrt]
    targets: list[Variable] = [
        v.parts[v.differentiable] if isinstance(v, CompositeVariable) else v
        for v in asked
    ]
    for target in targets:
        if not isinstance(target, Variable):
            raise ArgumentError(f"grad: wrt has {target!r}, which is not a variable")
    seeds = _seeds(cost, known_grads)
    found = propagate(seeds, targets, without_bundles(consider_constant or ()))
    results = []
    for target in targets:  # no comprehension: a warning counts the frames
        results.append(
            _result(target, found.get(target), cost, disconnected_inputs,
                    return_disconnected, add_names)
        )  # fmt: skip
    for place, composite in enumerate(asked):
        result = results[place]
        if isinstance(composite, CompositeVariable) and result is not None:
            results[place] = composite.with_gradient(result)
    return type(wrt)(results) if many else results[0]


def _seeds(
    cost: Variable | None, known: Mapping[Variable, Any] | None
) -> dict[Variable, Variable]:
    seeds: dict[Variable, Variable] = {}
    if cost is None:
        if not known:
            raise ArgumentError("grad: give a cost, or known_grads with an entry")
    else:
        if not isinstance(cost, Variable):
            raise ArgumentError(f"grad: the cost {cost!r} is not a variable")
        if cost.ndim != 0:
            raise GradientError(
                f"grad: the cost must be a scalar{listing(cost)}\n"
                "Reduce it with sum or mean, or use jacobian."
            )
        if not is_float(cost.type.dtype):
            raise GradientError(
                f"grad: the cost must be a real float{listing(cost)}\n"
                "Cast it to float32 or float64, or take a differentiable quantity."
            )
        seeds[cost] = as_variable(1.0, cost.type.dtype)
    for variable, value in (known or {}).items():
        if not isinstance(variable, Variable):
            raise ArgumentError(f"grad: known_grads has {variable!r} as a variable")
        wanted = variable.type.dtype
        if is_discrete(wanted):
            raise GradientError(
                f"grad: a known gradient needs a float variable{listing(variable)}"
            )
        gradient = as_variable(value, None, (wanted,))
        if gradient.ndim != variable.ndim:
            raise GradientError(
                f"grad: known gradient of rank {gradient.ndim} for{listing(variable)}"
            )
        if is_complex(gradient.type.dtype) and not is_complex(wanted):
            raise GradientError(
                f"grad: a known gradient is complex{listing(variable, gradient)}"
            )
        gradient = cast(gradient, wanted)
        if not equal_extents(gradient, variable):
            gradient = PUBLIC["fill"](variable, gradient)  # a call checks the shape
        seeds[variable] = gradient
    return seeds


def propagate(
    seeds: Mapping[Variable, Variable],
    targets: Sequence[Variable],
    constants: Iterable[Variable] = (),
) -> dict[Variable, Variable]:
    """Gradients of those of `targets` that something flows to, given those of `seeds`."""
    stop = set(constants)
    order = applies(seeds, blockers=stop)
    useful: set[Variable] = set(targets)
    between: list[Apply] = []
    for node in order:
        connected = node.op.connection_of(node)
        if any(
            v in useful and v not in stop and (connected is None or connected[i])
            for i, v in enumerate(node.inputs)
        ):
            useful.update(node.outputs)
            between.append(node)
    flows = Flows(seeds)
    before = building.place
    try:
        for node in reversed(between):
            path, outputs = flows.reaching(node.outputs)
            if all(g is None for g in outputs):
                continue
            building.place = node.outputs[0].place
            for position, further, part in _parts(node, outputs, flows):
                variable = node.inputs[position]
                if variable not in useful or variable in stop:
                    continue
                if variable in seeds:  # known already
                    continue
                if is_discrete(variable.type.dtype):
                    continue
                if isinstance(part, Marker):
                    raise GradientError(
                        f"{part.type}{listing(variable)}\n"
                        "Leave the variable out of wrt, or use disconnected_grad."
                    )
                if further and further[0] in path:
                    further = ()
                part = _fitted(part, variable, node)
                flows.add(variable, (*path, *further), part)
        found = {v: flows.whole(v) for v in targets}
    finally:
        building.place = before
    return {v: g for v, g in found.items() if g is not None}


def _parts(
    node: Apply, outputs: Sequence[Variable | None], flows: Flows
) -> Iterator[tuple[int, Path, Any]]:
    """Gradients of inputs: position, condition if there is one, gradient."""
    choices = node.op.choices_of(node, outputs)
    if choices is None:
        parts = guarded(node, outputs)
        for k, (_, part) in enumerate(zip(node.inputs, parts, strict=True)):
            if part is not None:
                yield k, (), part
    else:
        for k, condition, holds, part in choices:
            variable, one = node.inputs[k], flows.condition(condition)
            if not has_shape_of(part, variable):
                # what follows may be computed for both branches: in a shape that fits
                part = chosen(one, holds, part, variable)
            yield k, ((one, holds),), part


def _fitted(part: Variable, variable: Variable, node: Apply) -> Variable:
    """`part` in the shape and dtype of `variable`: broadcasting and casts undone."""
    if isinstance(node.op, Elementwise):
        part = unbroadcast(part, variable, node.inputs)
    wanted = variable.type.dtype
    if part.type.dtype != wanted:
        if is_complex(part.type.dtype) and not is_complex(wanted):
            part = converted(part, PUBLIC["real"])
        part = converted(part, lambda v: cast(v, wanted))
    return part


def unbroadcast(
    part: Variable, variable: Variable, operands: Sequence[Variable]
) -> Variable:
    """Sum `part` over the axes along which `variable` was broadcast.

    An axis of unknown extent may turn out to be 1 at run time while a partner is not;
    `SumTo` settles it when the extents are known.
    """
    extra, ndim = part.ndim - variable.ndim, variable.ndim
    own, other = variable.type.shape, part.type.shape[max(extra, 0) :]
    known = tuple(i for i in range(ndim) if own[i] == 1 and other[i] != 1)

    def total(v: Variable) -> Variable:
        if extra > 0:
            v = Reduce("sum", tuple(range(extra)))(v)
        if known:
            v = Reduce("sum", known)(v)
            kept = iter(range(ndim))
            pattern = ["x" if i in known else next(kept) for i in range(ndim)]
            v = PUBLIC["dimshuffle"](v, *pattern)
        return v

    if extra > 0 or known:
        axes = [*range(extra), *(extra + i for i in known)]
        part = summed(part, axes, variable, total)
    for axis in range(ndim):
        if own[axis] is None and any(
            _may_differ(partner, axis - ndim, variable) for partner in operands
        ):
            return sum_to(part, variable)
    return part


def _may_differ(partner: Variable, axis: int, variable: Variable) -> bool:
    if partner is variable or -axis > partner.ndim:
        return False
    return partner.type.shape[axis] != 1


def _result(
    target: Variable,
    found: Variable | None,
    cost: Variable | None,
    disconnected_inputs: str,
    return_disconnected: str,
    add_names: bool,
) -> Variable | None:
    if found is None:
        if disconnected_inputs != "ignore":
            message = (
                "grad: the cost does not depend on a variable of wrt, or only through "
                f"operations without a gradient{listing(target)}\n"
                'Check the expression, or pass disconnected_inputs="ignore".'
            )
            if disconnected_inputs == "raise":
                raise DisconnectedInputError(message)
            warnings.warn(message, SymgraphWarning, stacklevel=3)
        if return_disconnected != "zero":
            return None
        return PUBLIC["zeros_like"](
            target, dtype=None if not is_discrete(target.type.dtype) else "floatX"
        )
    if found.ndim != target.ndim:
        raise GradientError(
            f"the gradient has rank {found.ndim}{listing(target, found)}"
        )
    if (
        add_names
        and found.name is None
        and found.owner is not None
        and cost is not None
    ):
        if cost.name and target.name:
            found.name = f"(d{cost.name}/d{target.name})"
    return found
