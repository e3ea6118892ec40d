"""Inner graphs seen from outside: which extents and values their inputs have.

In: an application of an op with inner graphs, and the extents around it. Out: for each
of its inner graphs the extents of the inputs, and of the outputs as the outer graph
takes them.
"""

from collections.abc import Sequence

from symgraph.core.dtypes import is_discrete
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Variable
from symgraph.loops.layout import ScanLayout
from symgraph.lower.extents import Extents, Shape


def bodies(node: Apply) -> list[Inner]:
    """The inner graphs of a node, in the order of `leaf_shapes`."""
    return [inner for _, inner in node.op.insides()]


def outer_of_leaves(node: Apply) -> list[Variable]:
    """For each inner input the outer variable it is, or is a row of."""
    op = node.op
    if not isinstance(op, ScanLayout):  # a branch: all but what it depends on
        return list(node.inputs[1:])
    given = op.parts(node.inputs)
    initial = zip(given.initial, op.states, strict=True)
    taps = [x for x, places in initial for _ in places]
    return [*given.sequences, *taps, *given.rest]


def rows_of_leaves(node: Apply) -> int:
    """How many inner inputs, the first ones, are rows."""
    op = node.op
    if not isinstance(op, ScanLayout):
        return 0
    return len(op.inputs) - len(op.inner_parts().rest)


def leaf_shapes(node: Apply, extents: Extents) -> list[Shape]:
    """Extents of the inputs of the inner graphs."""
    rows = rows_of_leaves(node)
    return [
        extents.shape(v)[1:] if k < rows else extents.shape(v)
        for k, v in enumerate(outer_of_leaves(node))
    ]


def output_shapes(node: Apply, extents: Extents) -> list[Shape]:
    """Extents that the outputs of the inner graphs must have."""
    op = node.op
    if not isinstance(op, ScanLayout):
        return [extents.shape(v) for v in node.outputs]
    made = op.results(node.outputs)
    return [extents.shape(v)[1:] for v in (*made.states, *made.collected)]


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
