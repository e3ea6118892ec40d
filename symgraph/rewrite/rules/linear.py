"""Rules on sums and matrix products: what factors out, transposes, gemm.

A product with one element is cheaper after a reduction than before it, and free as the
alpha of a gemm.
"""

from collections.abc import Sequence

import numpy as np

from symgraph.core.dtypes import is_complex, is_float
from symgraph.core.node import Apply, Constant, Variable, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import replace
from symgraph.ops.contraction import BatchedDot, Dot
from symgraph.ops.creation import Iota
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.gemm import Gemm
from symgraph.ops.indexing import CheckIndex, Subtensor
from symgraph.ops.movement import DimShuffle
from symgraph.ops.reduction import Reduce
from symgraph.ops.shape import Extent
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import scalar_name
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule, rule
from symgraph.rewrite.rules.shapes import owner_of

T = PUBLIC
DOTS = ("Dot", "BatchedDot")
#: nodes of a factor that are looked at
FACTOR_SIZE = 40
#: of finite operands these are finite
_FINITE = frozenset(("add", "cast", "maximum", "minimum", "mul", "neg", "sub"))


def split_scalar(v: Variable) -> tuple[str, Variable | None, Variable] | None:
    """(name, c, x) where v is c * x ("mul"), x / c ("div") or -x ("neg"), c 0-d."""
    node = v.owner
    if node is None or not isinstance(node.op, Elementwise):
        return None
    name = node.op.scalar
    if name == "neg":
        return name, None, node.inputs[0]
    if name == "mul":
        for c, x in (node.inputs, node.inputs[::-1]):
            if c.ndim == 0 and x.ndim > 0:
                return name, c, x
    if name == "div" and node.inputs[1].ndim == 0 and node.inputs[0].ndim > 0:
        if is_float(v.type.dtype) or is_complex(v.type.dtype):
            return name, node.inputs[1], node.inputs[0]
    return None


def with_scalar(name: str, c: Variable | None, x: Variable) -> Variable:
    """The inverse of `split_scalar`."""
    if c is None:
        return _neg(x)
    made: Variable = Elementwise(name)(*((x, c) if name == "div" else (c, x)))
    return made


def _neg(x: Variable) -> Variable:
    made: Variable = Elementwise("neg")(x)
    return made


def _lasting(
    name: str, c: Variable | None, summed: Sequence[Variable], context: Context
) -> Variable | None:
    """A factor or divisor c in which an extent of 0 counts as 1 if it makes the sum empty.

    Such a sum is 0, whatever c is; mean squares of no rows divide by the number of rows.
    """
    if c is None:
        return None
    extents, whole = [], name != "div"
    stack, seen = [c], {c}
    while stack:
        v = stack.pop()
        op = v.owner.op if v.owner is not None else None
        if isinstance(op, Extent) or scalar_name(v) == "broadcast_extent":
            extents.append(v)
        elif isinstance(op, Elementwise | Cast) and not _is_positive(v):
            assert v.owner is not None
            whole = whole and (scalar_name(v) or "cast") in _FINITE
            new = [w for w in v.owner.inputs if w.ndim == 0 and w not in seen]
            seen.update(new)
            stack += new
        if len(seen) > FACTOR_SIZE:
            return c
    if whole or not extents:
        return c
    axes = [axis for v in summed for axis in context.axes(v) or ()]
    table = {}
    for e in extents:
        own = context.axis(e)
        if not isinstance(own, int) and any(
            not isinstance(axis, int) and own <= axis for axis in axes
        ):
            table[e] = Elementwise("maximum")(e, scalar_constant(1, "int64"))
    (made,) = replace((c,), table)
    return made


def _is_positive(v: Variable) -> bool:
    """Whether it is an extent in which 0 counts as 1 already."""
    assert v.owner is not None
    return scalar_name(v) == "maximum" and number_of(v.owner.inputs[1]) == 1


@rule(
    "scalar_out_of_sum", on="Reduce", nan=HIDES_NAN, ranks=(2, 0), dtypes="number",
    example=lambda x, y: T["sum"](x * y, 0),
)  # fmt: skip
def scalar_out_of_sum(node: Apply, context: Context) -> Variable | None:
    """sum(c * x) -> c * sum(x), sum(x / c) -> sum(x) / c, sum(-x) -> -sum(x).

    Of an empty sum, c = inf or NaN makes NaN, but where c is so because x is empty.
    """
    assert isinstance(node.op, Reduce)
    found = split_scalar(node.inputs[0]) if node.op.combine == "sum" else None
    if found is None:
        return None
    name, c, x = found
    c = _lasting(name, c, (x,), context)
    return context.fit(with_scalar(name, c, node.op(x)), node.outputs[0])


@rule(
    "scalar_out_of_dot", on=DOTS, nan=HIDES_NAN, ranks=(2, 2), dtypes="number",
    example=lambda x, y: T["dot"](x * 3.0, y), needs_users=True,
)  # fmt: skip
def scalar_out_of_dot(node: Apply, context: Context) -> Variable | None:
    """dot(c * a, b) -> c * dot(a, b), also / c and -a, if c * a has no other use."""
    a, b = node.inputs
    for i, operand in enumerate((a, b)):
        if context.is_shared(operand):
            continue
        found = split_scalar(operand)
        if found is None:
            continue
        name, c, x = found
        made = node.op(x, b) if i == 0 else node.op(a, x)
        c = _lasting(name, c, (a, b), context)
        return context.fit(with_scalar(name, c, made), node.outputs[0])
    return None


@rule(
    "dot_with_zero_to_zero", on=DOTS, nan=HIDES_NAN, ranks=(2, 2),
    example=lambda x, y: T["dot"](x, T["zeros_like"](y)),
)  # fmt: skip
def dot_with_zero_to_zero(node: Apply, context: Context) -> Variable | None:
    """dot(x, zeros) -> zeros."""
    if all(number_of(v) != 0 for v in node.inputs):
        return None
    out = node.outputs[0]
    return context.fit(scalar_constant(0, out.type.dtype), out)


@rule(
    "transposed_dot_to_dot", on="DimShuffle", nan=EXACT, ranks=(2, 2), needs_users=True,
    example=lambda x, y: T["dot"](x, y).T,
)  # fmt: skip
def transposed_dot_to_dot(node: Apply, context: Context) -> Variable | None:
    """dot(a, b).T -> dot(b.T, a.T): transposed operands cost nothing, a result does."""
    (x,) = node.inputs
    owner = x.owner
    if owner is None or context.is_shared(x):
        return None
    pattern = node.op.pattern  # type: ignore[attr-defined]
    if isinstance(owner.op, Dot) and x.ndim == 2 and pattern == (1, 0):
        a, b = owner.inputs
        if a.ndim != 2 or b.ndim != 2:
            return None
        return context.fit(owner.op(_turned(b), _turned(a)), node.outputs[0])
    if isinstance(owner.op, BatchedDot) and pattern == (0, 2, 1):
        a, b = owner.inputs
        return context.fit(owner.op(_turned(b), _turned(a)), node.outputs[0])
    return None


def _turned(x: Variable) -> Variable:
    made: Variable = DimShuffle((*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))(x)
    return made


@rule(
    "sum_of_one_hot_to_value", on="Reduce", nan=EXACT, ranks=(2, 1),
    example=lambda x, y: T["sum"](T["switch"](
        T["eq"](T["dimshuffle"](CheckIndex()(T["cast"](y > 0, "int64"), x.shape[1]),
                                0, "x"), Iota()(x.shape[1])), 2.0, 0.0), 1),
)  # fmt: skip
def sum_of_one_hot_to_value(node: Apply, context: Context) -> Variable | None:
    """sum(where(label == arange(n), v, 0), last axis) -> v: one label is hit.

    The check of the label stays as long as something else reads the mask.
    """
    assert isinstance(node.op, Reduce)
    (x,) = node.inputs
    choice = x.owner
    if node.op.combine != "sum" or x.ndim - 1 not in node.op.axes or choice is None:
        return None
    if choice.op != Elementwise("where"):
        return None
    mask, value, other = choice.inputs
    if number_of(other) != 0 or not hits_once(mask, x.ndim):
        return None
    if value.ndim == x.ndim and value.type.shape[-1] == 1:
        value = DimShuffle(tuple(range(x.ndim - 1)))(value)
    elif value.ndim:
        return None
    rest = tuple(axis for axis in node.op.axes if axis != x.ndim - 1)
    first = Reduce("sum", (x.ndim - 1,))(x)
    whole = context.fit(value, first) or value
    return context.fit(Reduce("sum", rest)(whole) if rest else whole, node.outputs[0])


def hits_once(mask: Variable, ndim: int) -> bool:
    """Whether exactly one element of each row of a mask is true."""
    node = mask.owner
    if node is None or node.op != Elementwise("eq") or mask.ndim != ndim:
        return False
    for labels, places in (node.inputs, node.inputs[::-1]):
        shuffle = owner_of(labels, DimShuffle)
        if shuffle is None or shuffle.op.pattern[-1:] != ("x",):  # type: ignore[attr-defined]
            continue
        checked = owner_of(shuffle.inputs[0], CheckIndex)
        if checked is not None:
            return _counts_to(places, checked.inputs[1])
    return False


def _counts_to(v: Variable, extent: Variable) -> bool:
    """Whether v is the vector 0, 1, ..., extent - 1."""
    if isinstance(v, Constant):
        count = number_of(extent)
        if count is None or v.type.shape != (count,):
            return False
        return bool((v.data == np.arange(count)).all())
    counted = owner_of(v, Iota)
    return counted is not None and counted.inputs[0] is extent


LINEAR: tuple[Rule, ...] = (
    scalar_out_of_sum,
    scalar_out_of_dot,
    dot_with_zero_to_zero,
    transposed_dot_to_dot,
    sum_of_one_hot_to_value,
)


# --- gemm ----------------------------------------------------------------------------


#: ops whose kernels may add two operands while they read them
FUSED = (Elementwise, Subtensor)


def _scaled(v: Variable, context: Context) -> tuple[Variable, Variable]:
    """(c, x) with v = c * x; products that others use too are left alone."""
    one = scalar_constant(1, v.type.dtype)
    found = None if context.is_shared(v) else split_scalar(v)
    if found is None:
        return one, v
    name, c, x = found
    if name == "neg":
        inner, x = _scaled(x, context)
        return _neg(inner), x
    assert c is not None
    return (c, x) if name == "mul" else (Elementwise("div")(one, c), x)


@rule(
    "sum_with_dot_to_gemm", on=("add", "sub"), nan=HIDES_NAN, ranks=(2, 2, 2),
    example=lambda x, y, z: x - 0.5 * T["dot"](y, z), dtypes="float", needs_users=True,
)  # fmt: skip
def sum_with_dot_to_gemm(node: Apply, context: Context) -> Variable | None:
    """beta * z + alpha * dot(a, b) -> gemm, if z has the full shape.

    The product must have no other use. With alpha or beta 0 a gemm may skip its operand.
    An operand of the graph (a row of a loop's sequence) would have to be copied first:
    where elementwise ops read the sum, or slices of it, it is added there.
    """
    out = node.outputs[0]
    if out.ndim != 2:
        return None
    users = context.users(out)
    reading = [u is not None and isinstance(u.op, FUSED) for u in users]
    fused = bool(users) and all(reading)
    minus = node.op.scalar == "sub"  # type: ignore[attr-defined]
    for i in (1, 0):
        alpha, product = _scaled(node.inputs[i], context)
        owner = owner_of(product, Dot)
        if owner is None or context.is_shared(product):
            continue
        a, b = owner.inputs
        if a.ndim != 2 or b.ndim != 2:
            continue
        beta, z = _scaled(node.inputs[1 - i], context)
        if not context.same_shape(z, product) or (fused and z.owner is None):
            continue
        if minus and i == 1:
            alpha = _neg(alpha)
        elif minus:
            beta = _neg(beta)
        made: Variable = Gemm()(z, alpha, a, b, beta)
        return context.fit(made, out)
    return None


GEMM: tuple[Rule, ...] = (sum_with_dot_to_gemm,)
