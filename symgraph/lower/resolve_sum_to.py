"""Decide what only the extents of a graph can tell: over which axes a `SumTo` sums.

The gradient of a broadcast operand of unknown extent is a `SumTo`. Where the extents
are 1 it sums, elsewhere it is its operand (equal extents are what the function checks).
In and out: Graph.
"""

from symgraph.core.graph import Graph, freeze
from symgraph.core.inner import Inner, all_applies
from symgraph.core.node import Apply, Constant, Op, Variable
from symgraph.loops.conditions import conditions_of
from symgraph.lower.extents import Extents
from symgraph.lower.inner_graph import leaf_shapes
from symgraph.lower.sizes import ONE
from symgraph.ops.movement import DimShuffle
from symgraph.ops.reduction import Reduce


def resolve_sum_to(graph: Graph) -> Graph:
    """The graph without `SumTo`, in inner graphs too."""
    if not any(node.op.name == "sum_to" for node in all_applies(graph.roots)):
        return graph
    leaves = [v for v in graph.leaves() if not isinstance(v, Constant)]
    paths = conditions_of(graph.roots)
    return _resolved(graph, Extents(graph, leaves, paths=paths))


def _resolved(graph: Graph, extents: Extents) -> Graph:
    made: dict[Variable, Variable] = {}
    with graph.interner:
        for node in graph.applies():
            inputs = [made.get(v, v) for v in node.inputs]
            if node.op.has_inner:
                op = _resolved_op(node, extents)
                made.update(zip(node.outputs, op.make(*inputs), strict=True))
                continue
            if node.op.name == "sum_to":
                pairs = zip(*(extents.shape(v) for v in node.inputs), strict=True)
                axes = tuple(
                    k for k, (g, x) in enumerate(pairs) if x == ONE and g != ONE
                )
                made[node.outputs[0]] = _summed(inputs[0], axes)
            elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                made.update(zip(node.outputs, node.op.make(*inputs), strict=True))
    return graph.with_roots([made.get(v, v) for v in graph.roots])


def _resolved_op(node: Apply, extents: Extents) -> Op:
    """The op of a loop or branch whose inner graphs are resolved."""
    changes = {}
    for name in node.op.fields:
        inner = getattr(node.op, name)
        if not isinstance(inner, Inner):
            continue
        if not any(n.op.name == "sum_to" for n in all_applies(inner.outputs)):
            continue
        body = freeze(inner.inputs, inner.outputs)
        shapes = leaf_shapes(node, extents)
        atoms, paths = extents.atoms.copy(), conditions_of(body.roots)
        found = Extents(body, inner.inputs, atoms, shapes, paths)
        body = _resolved(body, found)
        changes[name] = Inner(inner.inputs, body.outputs)
    return node.op.replace(**changes) if changes else node.op


def _summed(variable: Variable, axes: tuple[int, ...]) -> Variable:
    if not axes:
        return variable
    (total,) = Reduce("sum", axes).make(variable)
    rest = iter(range(variable.ndim))
    pattern = tuple("x" if k in axes else next(rest) for k in range(variable.ndim))
    return DimShuffle(pattern).make(total)[0]
