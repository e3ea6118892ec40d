"""Jacobians inside a step, as loops.

`Rows` waits for the sizes of a call to be written out; inside a loop nothing is written
out, so there its rows are the collected rows of a loop of its own. In and out: what a
step computes.
"""

from collections.abc import Sequence

from symgraph.autodiff.rows import Rows
from symgraph.core.inner import Inner
from symgraph.core.node import Variable, at_place_of
from symgraph.core.traverse import applies
from symgraph.loops.scan import Scan
from symgraph.ops.creation import iota


def with_loops(outputs: Sequence[Variable]) -> list[Variable]:
    """The outputs with a loop in place of each `Rows`."""
    made: dict[Variable, Variable] = {}
    for node in applies(outputs):
        inputs = [made.get(v, v) for v in node.inputs]
        op = node.op
        with at_place_of(node.outputs[0]):
            if isinstance(op, Rows):
                n, values = inputs[0], inputs[1 + op.row.ndim :]
                (row,) = with_loops([op.row])
                inner = Inner((op.index, *op.leaves), (row,))
                loop = Scan(inner, 1, (), (), until=False)
                operands = [n, iota(n), *values]
                made[node.outputs[0]] = loop.refined(operands).make(*operands)[0]
            elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                copies = op.refined(inputs).make(*inputs)
                made.update(zip(node.outputs, copies, strict=True))
    return [made.get(v, v) for v in outputs]
