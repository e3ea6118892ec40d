"""What the sizes of a form decide: extents become numbers, rows are written out.

`fold_extents` puts numbers in place of extents that the types of refined leaves tell.
An op with `expand(length, inputs)` (`Rows`, of which Jacobians are made) has its length
as first input; `expand` replaces it by its expression where that length is a number.
Where it depends on the shapes of a call it stays, and the function makes a form for
those shapes. In and out: Graph.
"""

from collections.abc import Callable, Sequence

from symgraph.core.graph import Graph, known_extent
from symgraph.core.node import Apply, Constant, Variable


def waits(graph: Graph) -> bool:
    """Whether the graph has ops that wait for known sizes."""
    return any(hasattr(node.op, "expand") for node in graph.applies())


def expand(graph: Graph) -> Graph:
    """The graph with every op written out whose length is known."""
    if not waits(graph):
        return graph
    from symgraph.lower.extents import Extents

    while waits(graph):
        leaves = [v for v in graph.leaves() if not isinstance(v, Constant)]
        extents = Extents(graph, leaves)

        def written(node: Apply, inputs: Sequence[Variable]) -> Variable | None:
            if not hasattr(node.op, "expand"):
                return None
            length = extents.scalar(node.inputs[0]).constant  # noqa: B023
            found: Variable | None = None
            if length is not None:
                found = node.op.expand(length, inputs)
            return found

        before = graph
        graph = fold_extents(_rebuilt(graph, written))
        if graph is before:
            break
    return graph


def fold_extents(graph: Graph) -> Graph:
    """The graph with a number for every extent that a type tells."""

    def folded(node: Apply, inputs: Sequence[Variable]) -> Variable | None:
        return known_extent(node.op, inputs)

    return _rebuilt(graph, folded)


def _rebuilt(
    graph: Graph, replaced: Callable[[Apply, Sequence[Variable]], Variable | None]
) -> Graph:
    """The graph with some nodes replaced; the types of all that follows anew."""
    made: dict[Variable, Variable] = {}
    with graph.interner:
        for node in graph.applies():
            inputs = [made.get(v, v) for v in node.inputs]
            found = replaced(node, inputs)
            if found is not None:
                if isinstance(found, Constant):
                    found = graph.interner.constant(found)
                made[node.outputs[0]] = found
            elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                made.update(zip(node.outputs, node.op.make(*inputs), strict=True))
    if not made:
        return graph
    return graph.with_roots([made.get(v, v) for v in graph.roots])
