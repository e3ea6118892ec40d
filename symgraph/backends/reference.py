"""The reference backend: walks a graph with the ops' NumPy references.

Slow, obvious, the truth: everything fast is compared with it. In: roots and the values
of the leaves. Out: NumPy arrays. Shared variables bring their own values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgraph.core.demand import compute
from symgraph.core.node import Apply, Constant, Variable, listing
from symgraph.core.traverse import applies, leaves
from symgraph.errors import (
    IndexRangeError,
    LinearAlgebraError,
    MissingInputError,
    ShapeError,
    SymgraphError,
)

Watcher = Callable[[Apply, tuple[np.ndarray, ...]], None]


def evaluate(
    roots: Sequence[Variable],
    values: Mapping[Variable, Any] | None = None,
    watch: Watcher | None = None,
) -> list[np.ndarray]:
    """Values of `roots`, node by node.

    Parameters
    ----------
    roots : variables to evaluate
    values : leaf (or any) variable → array; inner variables given are not computed
    watch : called with each node and the arrays it computed

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.dscalar("x")
    >>> float(evaluate([x * x], {x: 3.0})[0])
    9.0
    """
    known: dict[Variable, np.ndarray] = {
        v: np.asarray(a, dtype=v.type.dtype) for v, a in (values or {}).items()
    }
    for leaf in leaves(roots):
        if leaf in known:
            continue
        if isinstance(leaf, Constant):
            known[leaf] = leaf.data
        elif hasattr(leaf, "get_value"):
            known[leaf] = leaf.get_value(borrow=True)
        elif leaf.owner is None and _needed(leaf, roots, known):
            raise MissingInputError(f"no value for {leaf} : {leaf.type}")
    compute(roots, known, lambda node, arrays: _visit(node, arrays, known, watch))
    return [known[v] for v in roots]


def _visit(
    node: Apply,
    arrays: Sequence[np.ndarray],
    known: dict[Variable, np.ndarray],
    watch: Watcher | None,
) -> None:
    results = _computed(node, arrays)
    if watch is not None:
        watch(node, results)
    for variable, array in zip(node.outputs, results, strict=True):
        known[variable] = np.asarray(array)


def _computed(node: Apply, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    try:
        return node.op.values_of(node, arrays)
    except (IndexRangeError, LinearAlgebraError, ShapeError) as error:
        raise located(error, node) from None
    except SymgraphError:
        raise
    except ValueError as error:
        file, line = node.outputs[0].place
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise ShapeError(
            f"{node.op}: {error}, at {file}:{line}\noperands of shapes {shapes}"
            f"{listing(*node.inputs)}"
        ) from None


def located(error: SymgraphError, node: Apply) -> SymgraphError:
    """The error of an op with the user's line and the operands, once."""
    if ", at " in str(error):  # of an inner graph
        return error
    file, line = node.outputs[0].place
    shown = [v for v in node.inputs if v.ndim or v.owner is None]  # no extents
    return type(error)(f"{error}, at {file}:{line}{listing(*shown)}")


def _needed(
    leaf: Variable, roots: Sequence[Variable], known: Mapping[Variable, np.ndarray]
) -> bool:
    used = {v for node in applies(roots, blockers=list(known)) for v in node.inputs}
    return leaf in used or leaf in set(roots)
