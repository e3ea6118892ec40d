"""Rules on convolutions and pools: fewer passes over large arrays.

A bias and a rectifier after a convolution are applied while its result is still in
registers; a mask on the gradient of a pool goes to the smaller side of the pool.
"""

from typing import Any

from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.conv_ops import Convolution
from symgraph.ops.epilogue import ConvolutionEpilogue
from symgraph.ops.families import Elementwise
from symgraph.ops.movement import DimShuffle
from symgraph.ops.pool_ops import Pool, PoolMaxInput
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import scalar_name
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule, rule

T = PUBLIC
RECTIFIERS = ("relu", "leaky_relu")


def _convolved(x: Variable, y: Variable) -> Variable:
    image = DimShuffle(("x", 0, 1, "x"))(x)
    filters = DimShuffle((0, "x", 1, "x"))(y)
    op = Convolution((1, 1), ((3, 3), (3, 3)), (1, 1), 1, True, True)
    made: Variable = op(image, filters)
    return made


def _pooled(x: Variable, y: Variable) -> Variable:
    x = T["exp"](DimShuffle(("x", 0, 1, "x"))(x)) - 2
    sizes: Any = ((1, 1), (1, 1), ((0, 0), (0, 0)), True, True)
    pool: Any = Pool
    pooled = pool("max", *sizes, "all")(x)
    made: Variable = PoolMaxInput(*sizes)(x, pooled, DimShuffle(("x", 0, 1, "x"))(y))
    return T["switch"](x > 0, made, 0)


@rule(
    "positive_to_positive_leaky", on="gt", nan=EXACT, dtypes="any", needs_users=True,
    example=lambda x: T["switch"](T["exp"](x) - 2 > 0, x, 0)
    * T["relu"](T["exp"](x) - 2, 0.1),
)  # fmt: skip
def positive_to_positive_leaky(node: Apply, context: Context) -> Variable | None:
    """x > 0 -> leaky_relu(x, a) > 0 with a > 0 where leaky_relu(x, a) is computed
    anyway: x itself need not be kept for the gradient.
    """
    x, zero = node.inputs
    if number_of(zero) != 0 or x.owner is None:
        return None
    for user in context.users(x):
        if user is None or user.outputs[0].ndim != x.ndim:
            continue
        if scalar_name(user.outputs[0]) == "leaky_relu" and user.inputs[0] is x:
            slope = number_of(user.inputs[1])
            if slope is not None and slope > 0:
                made: Variable = node.op(user.outputs[0], zero)
                return made
    return None


@rule(
    "convolution_bias_to_epilogue", on=("add", "relu", "leaky_relu"), nan=EXACT,
    ranks=(2, 2), dtypes="float", needs_users=True,
    example=lambda x, y: T["relu"](_convolved(x, y) + T["sum"](y, 1)),
)  # fmt: skip
def convolution_bias_to_epilogue(node: Apply, context: Context) -> Variable | None:
    """relu(convolution(x, w) + b), b along the channels, is computed in one go."""
    out = node.outputs[0]
    name = scalar_name(out)
    slope = 0.0
    total = out
    if name == "add":
        users = context.users(out)
        if len(users) == 1 and users[0] is not None:
            if scalar_name(users[0].outputs[0]) in RECTIFIERS:
                return None
        name = "none"
    else:
        total = node.inputs[0]
        if name == "leaky_relu":
            given = node.inputs[1]
            if not isinstance(given, Constant) or given.ndim:
                return None
            slope = float(given.data)
        if context.is_shared(total) or scalar_name(total) != "add":
            return None
    assert total.owner is not None
    for y, b in (total.owner.inputs, total.owner.inputs[::-1]):
        inner = y.owner
        if inner is None or type(inner.op) is not Convolution or b.ndim != 1:
            continue
        if not inner.op.channels_last or context.is_shared(y):
            continue
        channels, mine = context.axes(y), context.axes(b)
        if channels is None or mine is None or channels[-1] != mine[0]:
            continue
        make: Any = ConvolutionEpilogue
        op = make(*inner.op.as_tuple(), name, slope)
        return context.fit(op(*inner.inputs, b), out)
    return None


@rule(
    "mask_of_pool_gradient_to_pooled_mask", on="where", nan=HIDES_NAN, ranks=(2, 2),
    dtypes="float", example=_pooled,
)  # fmt: skip
def mask_of_pool_gradient_to_pooled_mask(
    node: Apply, context: Context
) -> Variable | None:
    """where(x > 0, max_pool_gradient(x, y, g), 0) -> max_pool_gradient(x, y,
    where(y > 0, g, 0)), and so with a multiple of it for 0: x equals y wherever the
    gradient goes.
    """
    mask, gradient, other = node.inputs
    inner = gradient.owner
    if inner is None or not isinstance(inner.op, PoolMaxInput):
        return None
    x, y, g = inner.inputs
    if scalar_name(mask) != "gt" or scalar_name(other) not in ("mul", ""):
        return None
    assert mask.owner is not None
    one, bound = mask.owner.inputs
    if one is not x or bound.ndim:
        return None
    below = other if number_of(other) == 0 else _scaled(other, gradient, g)
    if below is None:
        return None
    above: Variable = Elementwise("gt")(y, bound)
    made: Variable = inner.op(x, y, Elementwise("where")(above, g, below))
    return context.fit(made, node.outputs[0])


def _scaled(v: Variable, gradient: Variable, g: Variable) -> Variable | None:
    """c * g where v is c * gradient, c 0-d."""
    if scalar_name(v) != "mul":
        return None
    assert v.owner is not None
    for c, x in (v.owner.inputs, v.owner.inputs[::-1]):
        if x is gradient and c.ndim == 0:
            made: Variable = Elementwise("mul")(c, g)
            return made
    return None


IMAGE_RULES: tuple[Rule, ...] = (
    convolution_bias_to_epilogue,
    mask_of_pool_gradient_to_pooled_mask,
)
