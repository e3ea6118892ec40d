"""Ops that are written out when sizes are known: `Rows`, of which Jacobians are made.

An op with `expand(length, inputs)` has its length as first input. It is replaced by its
expression where that length is a number; where it depends on the shapes of a call, it
stays, and the function makes a form for those shapes. In and out: Graph.
"""

from symgraph.core.graph import Graph
from symgraph.core.node import Constant, Variable
from symgraph.lower.extents import Extents


def waits(graph: Graph) -> bool:
    """Whether the graph has ops that wait for known sizes."""
    return any(hasattr(node.op, "expand") for node in graph.applies())


def expand(graph: Graph) -> Graph:
    """The graph with every op written out whose length is known."""
    while waits(graph):
        leaves = [v for v in graph.leaves() if not isinstance(v, Constant)]
        extents = Extents(graph, leaves)
        made: dict[Variable, Variable] = {}
        progress = False
        with graph.interner:
            for node in graph.applies():
                inputs = [made.get(v, v) for v in node.inputs]
                if hasattr(node.op, "expand"):
                    length = extents.scalar(node.inputs[0]).constant
                    if length is not None:
                        made[node.outputs[0]] = node.op.expand(length, inputs)
                        progress = True
                        continue
                if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                    made.update(zip(node.outputs, node.op.make(*inputs), strict=True))
        if not progress:
            break
        graph = graph.with_roots([made.get(v, v) for v in graph.roots])
    return graph
