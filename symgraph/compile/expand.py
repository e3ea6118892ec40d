"""Ops that only a call can write out: their size must be known.

An op with `expand(node, grad)` (the Jacobian) is replaced by its expression once the
shapes of a form are known. In and out: Graph.
"""

from symgraph.autodiff.reverse import grad
from symgraph.core.graph import Graph
from symgraph.core.node import Variable


def expand(graph: Graph) -> Graph:
    """The graph without ops that wait for known sizes."""
    nodes = graph.applies()
    if not any(hasattr(node.op, "expand") for node in nodes):
        return graph
    made: dict[Variable, Variable] = {}
    with graph.interner:
        for node in nodes:
            inputs = [made.get(v, v) for v in node.inputs]
            if hasattr(node.op, "expand"):
                made[node.outputs[0]] = node.op.expand(inputs, grad)
            elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                made.update(zip(node.outputs, node.op.make(*inputs), strict=True))
    return graph.with_roots([made.get(v, v) for v in graph.roots])
