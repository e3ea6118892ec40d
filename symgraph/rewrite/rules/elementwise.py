"""Rules that drop, merge or move what an elementwise op need not do.

Broadcasts that another operand does anyway, copies, casts that change nothing, operations
whose operands are all repeated. Algebra is in algebra.py.
"""

from symgraph.core.dtypes import can_cast_safely
from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.movement import DimShuffle
from symgraph.rewrite.context import Context
from symgraph.rewrite.rule import EXACT, Rule, rule

T = PUBLIC


@rule(
    "identity_to_operand", on="identity", nan=EXACT,
    example=lambda x: T["exp"](T["copy"](x)),
)  # fmt: skip
def identity_to_operand(node: Apply, context: Context) -> Variable | None:
    """copy(x) -> x: values are not changed, so a copy is of no use."""
    return node.inputs[0]


@rule("fill_to_broadcast", on="second", nan=EXACT, example=lambda x: T["fill"](x, 2.0))
def fill_to_broadcast(node: Apply, context: Context) -> Variable | None:
    """fill(x, b) -> b repeated to the shape of x; x itself is not needed."""
    return context.fit(node.inputs[1], node.outputs[0])


@rule(
    "cast_to_operand", on="Cast", nan=EXACT,
    example=lambda x: Cast(x.type.dtype)(x),
)  # fmt: skip
def cast_to_operand(node: Apply, context: Context) -> Variable | None:
    """A cast to the dtype that x has already is dropped."""
    (x,) = node.inputs
    return x if x.type.dtype == node.outputs[0].type.dtype else None


def _keeps_values(source: str, target: str) -> bool:
    """Whether a cast is exact for every value (NumPy calls int64 to float64 safe)."""
    if not can_cast_safely(source, target):
        return False
    inexact = target.startswith(("float", "complex"))
    return not (inexact and source.endswith("int64"))


@rule(
    "cast_cast_to_cast", on="Cast", nan=EXACT,
    example=lambda x: T["cast"](T["cast"](T["cast"](x, "int8"), "int16"), "float64"),
)  # fmt: skip
def cast_cast_to_cast(node: Apply, context: Context) -> Variable | None:
    """Of two casts the first is dropped if it keeps every value."""
    (x,) = node.inputs
    if x.owner is None or not isinstance(x.owner.op, Cast):
        return None
    (inner,) = x.owner.inputs
    if not _keeps_values(inner.type.dtype, x.type.dtype):
        return None
    if inner.type.dtype == node.outputs[0].type.dtype:
        return inner
    made: Variable = node.op(inner)
    return made


def _source(v: Variable) -> Variable | None:
    """What a BroadcastTo repeats."""
    node = v.owner
    if node is not None and isinstance(node.op, BroadcastTo):
        return node.inputs[0]
    return None


@rule(
    "broadcast_operand_to_operand", on="*", nan=EXACT,
    example=lambda x, y: x + T["full_like"](x, T["sum"](y)),
)  # fmt: skip
def broadcast_operand_to_operand(node: Apply, context: Context) -> Variable | None:
    """x + broadcast_to(y, x.shape) -> x + y: elementwise ops broadcast anyway."""
    if not isinstance(node.op, Elementwise) or len(node.inputs) < 2:
        return None
    inputs = list(node.inputs)
    out = node.outputs[0]
    changed = False
    for i, v in enumerate(node.inputs):
        inner = _source(v)
        if inner is None:
            continue
        trial = [*inputs[:i], inner, *inputs[i + 1 :]]
        if context.covers(trial, out):
            inputs, changed = trial, True
    if not changed:
        return None
    made: Variable = node.op(*inputs)
    return context.fit(made, out)


@rule(
    "elementwise_of_broadcasts_to_broadcast", on="*", nan=EXACT,
    example=lambda x, y: T["exp"](T["full_like"](x, T["sum"](y))),
)  # fmt: skip
def elementwise_of_broadcasts_to_broadcast(
    node: Apply, context: Context
) -> Variable | None:
    """exp(broadcast_to(x, s)) -> broadcast_to(exp(x), s): less to compute."""
    if not isinstance(node.op, Elementwise | Cast):
        return None
    out = node.outputs[0]
    sources = [(_source(v), v) for v in node.inputs]
    inner = [v if source is None else source for source, v in sources]
    if all(a is b for a, b in zip(inner, node.inputs, strict=True)):
        return None
    made: Variable = node.op(*inner)
    return context.fit(made, out)


@rule(
    "leading_axes_to_implicit", on="*", nan=EXACT, ranks=(2, 1),
    example=lambda x, y: x + T["dimshuffle"](y, "x", 0),
)  # fmt: skip
def leading_axes_to_implicit(node: Apply, context: Context) -> Variable | None:
    """A + b.dimshuffle('x', 0) -> A + b: shapes are aligned at the last axis."""
    if not isinstance(node.op, Elementwise) or len(node.inputs) < 2:
        return None
    out = node.outputs[0]
    inputs = list(node.inputs)
    changed = False
    for i, v in enumerate(node.inputs):
        owner = v.owner
        if owner is None or not isinstance(owner.op, DimShuffle):
            continue
        pattern = owner.op.pattern
        lead = 0
        while lead < len(pattern) and pattern[lead] == "x":
            lead += 1
        if lead == 0 or pattern[lead:] != tuple(range(owner.inputs[0].ndim)):
            continue
        others = [u.ndim for j, u in enumerate(inputs) if j != i]
        if max(others) == out.ndim:
            inputs[i], changed = owner.inputs[0], True
    if not changed:
        return None
    made: Variable = node.op(*inputs)
    return context.fit(made, out)


ELEMENTWISE_RULES: tuple[Rule, ...] = (
    identity_to_operand,
    fill_to_broadcast,
    cast_to_operand,
    cast_cast_to_cast,
    broadcast_operand_to_operand,
    elementwise_of_broadcasts_to_broadcast,
    leading_axes_to_implicit,
)
