"""Concatenations that cost nothing: their parts are written where the whole has them.

Where all parts are computed by kernels and nothing else reads them from memory, these
store them into the memory of the whole. A result of the function is joined so by one
kernel only, as an update may be written over what another one still reads. In: the units
of a graph. Out: which members are parts of what; the groups that make them know of the
wholes.
"""

from collections.abc import Callable, Container, Mapping, Sequence

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Variable
from symgraph.core.record import Record
from symgraph.lower.extents import Extents
from symgraph.lower.fusion_groups import Group, Unit
from symgraph.lower.sizes import ZERO, SizePolynomial


class Part(Record):
    """A variable that is `whole` from `start` on, along an axis."""

    whole: Variable
    axis: int
    start: SizePolynomial


def join_in_place(
    units: Sequence[Unit],
    unit_of: Mapping[Variable, Unit],
    stored: set[Variable],
    graph: Graph,
    extents: Extents,
    inline: Container[Variable | None],
    is_sized: Callable[[Variable, Group], bool],
) -> dict[Variable, Part]:
    """The members of groups that are written as parts of a concatenation.

    What is `inline` is made again in other kernels, of values that these find in memory.
    `is_sized` says whether the extents of a whole are known when a group runs.
    """
    readers: dict[Variable, list[Variable | None]] = {v: [None] for v in graph.roots}
    for node in graph.applies():
        for variable in node.inputs:
            readers.setdefault(variable, []).append(node.outputs[0])
    results = set(graph.roots)
    found: dict[Variable, Part] = {}
    for unit in units:
        if not isinstance(unit, Apply) or unit.op.name != "concatenate":
            continue
        (whole,) = unit.outputs
        groups = [unit_of.get(v) for v in unit.inputs]
        if len(set(unit.inputs)) < len(unit.inputs):
            continue
        if whole in results and any(group is not groups[0] for group in groups):
            continue
        if not all(
            isinstance(group, Group)
            and v in stored
            and all(
                r is whole or (r in group.members and r not in inline)
                for r in readers[v]
            )
            and is_sized(whole, group)
            for v, group in zip(unit.inputs, groups, strict=True)
        ):
            continue
        axis = unit.op.axis  # type: ignore[attr-defined]
        start = ZERO
        for variable, group in zip(unit.inputs, groups, strict=True):
            assert isinstance(group, Group)
            found[variable] = Part(whole, axis, start)
            start = start + extents.shape(variable)[axis]
            group.joins.setdefault(whole, []).append(variable)
    return found
