"""Inner graphs seen from outside: which extents and values their inputs have.

In: an application of an op with inner graphs, and the extents around it. Out: for each
of its inner graphs the extents of the inputs, and of the outputs as the outer graph
takes them.
"""

from collections.abc import Sequence

from symgraph.core.dtypes import is_discrete
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Variable
from symgraph.lower.extents import Extents, Shape


def bodies(node: Apply) -> list[Inner]:
    """The inner graphs of a node, in the order of `leaf_shapes`."""
    op = node.op
    if op.name == "scan":
        return [op.inner]  # type: ignore[attr-defined]
    return [op.then, op.orelse]  # type: ignore[attr-defined]


def outer_of_leaves(node: Apply) -> list[Variable]:
    """For each inner input the outer variable it is, or is a row of."""
    op = node.op
    if op.name == "ifelse":
        return list(node.inputs[1:])
    first = 1 + op.sequences  # type: ignore[attr-defined]
    count = len(op.states)  # type: ignore[attr-defined]
    found = list(node.inputs[1:first])
    for initial, taps in zip(
        node.inputs[first : first + count],
        op.states,  # type: ignore[attr-defined]
        strict=True,
    ):
        found += [initial] * len(taps)
    return [*found, *node.inputs[first + count :]]


def rows_of_leaves(node: Apply) -> int:
    """How many inner inputs, the first ones, are rows."""
    op = node.op
    if op.name == "ifelse":
        return 0
    return op.sequences + sum(map(len, op.states))  # type: ignore


def leaf_shapes(node: Apply, extents: Extents) -> list[Shape]:
    """Extents of the inputs of the inner graphs."""
    rows = rows_of_leaves(node)
    return [
        extents.shape(v)[1:] if k < rows else extents.shape(v)
        for k, v in enumerate(outer_of_leaves(node))
    ]


def output_shapes(node: Apply, extents: Extents) -> list[Shape]:
    """Extents that the outputs of the inner graphs must have."""
    if node.op.name == "ifelse":
        return [extents.shape(v) for v in node.outputs]
    made = len(node.outputs) - node.op.until  # type: ignore[attr-defined]
    return [extents.shape(v)[1:] for v in node.outputs[:made]]


def preset_values(node: Apply, extents: Extents, leaves: Sequence[Variable]) -> None:
    """State which 0-d integers of an inner graph are known sizes outside.

    `leaves` are those of the inner graph.
    """
    rows = rows_of_leaves(node)
    pairs: Sequence[tuple[Variable, Variable]] = list(
        zip(leaves, outer_of_leaves(node), strict=True)
    )[rows:]
    for own, outer in pairs:
        if outer.ndim or not is_discrete(outer.type.dtype):
            continue
        trial = extents.atoms.copy()
        trial.shape_of = extents.atoms.shape_of
        trial.poly(outer)
        if len(trial.late) == len(extents.atoms.late):
            extents.atoms.preset(own, extents.atoms.poly(outer))
