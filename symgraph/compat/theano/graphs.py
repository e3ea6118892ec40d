"""``theano.gof`` where it differs: functions over graphs, in Theano's form.

In: lists of variables. Out: lists in the order that Theano's programs rely on.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.traverse import ancestors as reached
from symgraph.core.traverse import applies

__all__ = [
    "ancestors", "equal_computations", "inputs", "io_toposort", "is_same_graph",
    "list_of_nodes", "ops", "variables",
]  # fmt: skip


def inputs(
    variable_list: Iterable[Variable], blockers: Iterable[Variable] | None = None
) -> list[Variable]:
    """Leaves that the variables depend on: depth first, inputs from left to right.

    The listed variables themselves are visited from the last to the first, as in Theano.
    """
    return [v for v in ancestors(variable_list, blockers) if v.owner is None]


def ancestors(
    variable_list: Iterable[Variable], blockers: Iterable[Variable] | None = None
) -> list[Variable]:
    """All variables that these depend on, in the order of the search of `inputs`."""
    stop = set(blockers or ())
    stack = list(variable_list)
    found: dict[Variable, None] = {}
    while stack:
        variable = stack.pop()
        if variable not in found:
            found[variable] = None
            if variable.owner is not None and variable not in stop:
                stack.extend(reversed(variable.owner.inputs))
    return list(found)


def variables(i: Iterable[Variable], o: Sequence[Variable]) -> list[Variable]:
    """All variables between inputs and outputs, both included."""
    return reached(o, i)


def ops(i: Iterable[Variable], o: Sequence[Variable]) -> list[Apply]:
    """All applications between inputs and outputs."""
    return applies(o, i)


list_of_nodes = ops


def io_toposort(
    inputs: Iterable[Variable], outputs: Sequence[Variable], orderings: Any = None
) -> list[Apply]:
    """The applications between inputs and outputs, in topological order."""
    return applies(outputs, inputs)


def is_same_graph(
    var1: Variable, var2: Variable, givens: Any = None, debug: bool = False
) -> bool:
    """Whether two expressions apply the same ops to the same leaves.

    Parameters
    ----------
    givens : dict or pairs of variable → what it counts as
    """
    pairs = givens.items() if isinstance(givens, Mapping) else givens or ()
    return _same([(var1, var2)], dict(pairs))


def equal_computations(
    xs: Sequence[Variable],
    ys: Sequence[Variable],
    in_xs: Sequence[Variable] = (),
    in_ys: Sequence[Variable] = (),
) -> bool:
    """Whether two lists compute the same, where `in_xs` count as `in_ys`."""
    counts_as = dict(zip(in_xs or (), in_ys or (), strict=True))
    return len(xs) == len(ys) and _same(list(zip(xs, ys, strict=True)), counts_as)


def _same(
    pairs: list[tuple[Variable, Variable]], counts_as: dict[Variable, Variable]
) -> bool:
    """Whether each pair is the same computation; node by node, each pair once."""
    met: set[tuple[Variable, Variable]] = set()
    while pairs:
        left, right = (counts_as.get(v, v) for v in pairs.pop())
        if left is right or (left, right) in met:
            continue
        met.add((left, right))
        if isinstance(left, Constant) and isinstance(right, Constant):
            if left.type != right.type or left.data.tobytes() != right.data.tobytes():
                return False
            continue
        one, other = left.owner, right.owner
        if (
            one is None
            or other is None
            or left.index != right.index
            or one.op != other.op
            or len(one.inputs) != len(other.inputs)
        ):
            return False
        pairs.extend(zip(one.inputs, other.inputs, strict=True))
    return True
