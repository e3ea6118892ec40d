"""Gradients of reads at indices, added to something: only what was read is touched.

    w - c * scatter_add(0, i, g)  ->  scatter_add(w, i, -c * g)

The step of gradient descent on a table, of which a batch reads a few rows, then writes
those rows, in place.
"""

from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.families import Elementwise
from symgraph.ops.gather import CheckIndex, ScatterAdd
from symgraph.ops.shape import extents, variable
from symgraph.rewrite.context import Context
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import HIDES_NAN, Rule, rule
from symgraph.rewrite.rules.shapes import owner_of


@rule(
    "sum_with_scatter_to_scatter", on=("add", "sub"), nan=HIDES_NAN, dtypes="float",
    ranks=(2, 2),
    example=lambda x, y: x - 0.5 * ScatterAdd(0)(
        PUBLIC["zeros_like"](x), PUBLIC["zeros"]((1,), "int64"), y[:1]
    ),
)  # fmt: skip
def sum_with_scatter_to_scatter(node: Apply, context: Context) -> Variable | None:
    """w - c * scatter_add(0, i, g) -> scatter_add(w, i, -c * g), c a scalar."""
    (out,) = node.outputs
    subtracted = node.op == Elementwise("sub")
    pairs = [node.inputs] if subtracted else [node.inputs, node.inputs[::-1]]
    for base, term in pairs:
        factor, scatter = _factored(term, context)
        found = owner_of(scatter, ScatterAdd)
        if (
            found is None
            or context.is_shared(scatter)
            or number_of(found.inputs[0]) != 0
            or number_of(base) is not None
            or not context.same_shape(base, scatter)
            or not context.same_shape(base, out)
        ):
            continue
        _, places, values = found.inputs
        assert isinstance(found.op, ScatterAdd)
        axis = found.op.axis
        if not found.op.safe:
            places = CheckIndex(axis)(places, variable(extents(base)[axis]))
        if factor is not None:
            values = Elementwise("mul")(factor, values)
        if subtracted:
            values = Elementwise("neg")(values)
        made: Variable = ScatterAdd(axis, True)(base, places, values)
        return context.fit(made, out)
    return None


def _factored(term: Variable, context: Context) -> tuple[Variable | None, Variable]:
    """(c, x) with term = c * x and c a scalar, or (None, term)."""
    product = term.owner
    if product is None or product.op != Elementwise("mul") or context.is_shared(term):
        return None, term
    for c, x in (product.inputs, product.inputs[::-1]):
        if c.ndim == 0 and x.ndim:
            return c, x
    return None, term


SCATTERS: tuple[Rule, ...] = (sum_with_scatter_to_scatter,)
