"""Decide what only the extents of a graph can tell: over which axes a `SumTo` sums.

The gradient of a broadcast operand of unknown extent is a `SumTo`. Where the extents
are 1 it sums, elsewhere it is its operand (equal extents are what the function checks).
In and out: Graph.
"""

from symgraph.core.graph import Graph
from symgraph.core.node import Constant, Variable
from symgraph.lower.extents import Extents
from symgraph.lower.sizes import ONE
from symgraph.ops.movement import DimShuffle
from symgraph.ops.reduction import Reduce


def settle(graph: Graph) -> Graph:
    """The graph without `SumTo`."""
    nodes = graph.applies()
    if not any(node.op.name == "sum_to" for node in nodes):
        return graph
    leaves = [v for v in graph.leaves() if not isinstance(v, Constant)]
    extents = Extents(graph, leaves)
    made: dict[Variable, Variable] = {}
    with graph.interner:
        for node in nodes:
            inputs = [made.get(v, v) for v in node.inputs]
            if node.op.name == "sum_to":
                pairs = zip(*(extents.shape(v) for v in node.inputs), strict=True)
                axes = tuple(
                    k for k, (g, x) in enumerate(pairs) if x == ONE and g != ONE
                )
                made[node.outputs[0]] = _summed(inputs[0], axes)
            elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                made.update(zip(node.outputs, node.op.make(*inputs), strict=True))
    return graph.with_roots([made.get(v, v) for v in graph.roots])


def _summed(variable: Variable, axes: tuple[int, ...]) -> Variable:
    if not axes:
        return variable
    (total,) = Reduce("sum", axes).make(variable)
    rest = iter(range(variable.ndim))
    pattern = tuple("x" if k in axes else next(rest) for k in range(variable.ndim))
    return DimShuffle(pattern).make(total)[0]
