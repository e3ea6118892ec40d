"""Rules on memory layout: channels last inside, channels first where the user looks.

Convolutions and pools run on arrays with the channels on the last axis. They are
wrapped in dimshuffles; those move through elementwise ops towards the outputs until
they meet their inverse, or a border of the graph, where they become one copy.

    relu(conv(x) + b)  ->  first(relu(conv'(last(x)) + b'))
"""

from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.conv_ops import Convolution, ConvolutionInput, ConvolutionWeight
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.movement import DimShuffle
from symgraph.ops.pool_ops import Pool, PoolMaxInput, PoolMaxPick, PoolSumInput
from symgraph.rewrite.context import Context
from symgraph.rewrite.rule import EXACT, Rule, rule
from symgraph.rewrite.rules.elementwise import leading_axes_to_implicit
from symgraph.rewrite.rules.shapes import (
    dimshuffle_dimshuffle_to_one,
    dimshuffle_of_broadcast_to_broadcast,
    dimshuffle_to_operand,
    owner_of,
    reduce_of_dimshuffle_to_reduce,
)

T = PUBLIC
#: class of an op with a layout → how many of its first inputs are images
IMAGES: dict[type, int] = {
    Convolution: 1,
    ConvolutionInput: 1,
    ConvolutionWeight: 2,
    Pool: 1,
    PoolSumInput: 1,
    PoolMaxInput: 3,
    PoolMaxPick: 3,
}
#: elementwise ops between an image and the op that gave it its layout, at most
DEPTH = 40


def channels_last(ndim: int) -> tuple[int, ...]:
    """The pattern of a dimshuffle from (batch, channels, ...) to channels last."""
    return (0, *range(2, ndim), 1)


def channels_first(ndim: int) -> tuple[int, ...]:
    """The pattern of a dimshuffle back."""
    return (0, ndim - 1, *range(1, ndim - 1))


def in_channels_last(node: Apply) -> Variable:
    """A convolution or pool with channels first as one with channels last."""
    count = IMAGES[type(node.op)]
    inputs = list(node.inputs)
    for k in range(count):
        inputs[k] = DimShuffle(channels_last(inputs[k].ndim))(inputs[k])
    made: Variable = node.op.replace(channels_last=True)(*inputs)
    if isinstance(node.op, ConvolutionWeight):
        return made
    back: Variable = DimShuffle(channels_first(made.ndim))(made)
    return back


def _convolved(x: Variable, y: Variable, last: bool) -> Variable:
    image = DimShuffle(("x", 0, 1, "x") if last else ("x", "x", 0, 1))(x)
    filters = DimShuffle((0, "x", 1, "x"))(y)
    op = Convolution((1, 1), ((3, 3), (3, 3)), (1, 1), 1, True, last)
    made: Variable = op(image, filters)
    return made


@rule(
    "channels_first_to_channels_last", on=tuple(c.__name__ for c in IMAGES), nan=EXACT,
    ranks=(2, 2), example=lambda x, y: _convolved(x, y, last=False),
)  # fmt: skip
def channels_first_to_channels_last(node: Apply, context: Context) -> Variable | None:
    """A convolution or pool of (batch, channels, ...) becomes one of (batch, ...,
    channels) between two dimshuffles.
    """
    if node.op.channels_last:  # type: ignore[attr-defined]
        return None
    return context.fit(in_channels_last(node), node.outputs[0])


@rule(
    "elementwise_of_image_to_image", on="*", nan=EXACT, ranks=(2, 2),
    example=lambda x, y: T["exp"](DimShuffle((0, 3, 1, 2))(_convolved(x, y, True))),
)  # fmt: skip
def elementwise_of_image_to_image(node: Apply, context: Context) -> Variable | None:
    """exp(x.dimshuffle(0, 3, 1, 2)) -> exp(x).dimshuffle(0, 3, 1, 2) where x comes from
    a convolution or pool.
    """
    if not isinstance(node.op, Elementwise | Cast):
        return None
    out = node.outputs[0]
    first = channels_first(out.ndim) if out.ndim > 2 else ()
    if not any(_is_image(v, first) for v in node.inputs):
        return None
    made: Variable = node.op(*(_moved(v, out.ndim) for v in node.inputs))
    back: Variable = DimShuffle(first)(made)
    return context.fit(back, out)


def _is_image(v: Variable, first: tuple[int, ...]) -> bool:
    """Whether v is a dimshuffle of what a convolution or pool made."""
    inner = owner_of(v, DimShuffle)
    if inner is None or inner.op.pattern != first:  # type: ignore[attr-defined]
        return False
    return _has_layout(inner.inputs[0], DEPTH)


def _has_layout(v: Variable, depth: int) -> bool:
    node = v.owner
    if node is None or not depth:
        return False
    if type(node.op) in IMAGES:
        return bool(node.op.channels_last)  # type: ignore[attr-defined]
    if not isinstance(node.op, Elementwise | Cast):
        return False
    return any(u.ndim == v.ndim and _has_layout(u, depth - 1) for u in node.inputs)


def _moved(v: Variable, ndim: int) -> Variable:
    """An operand, aligned at the last axis of `ndim` axes, with the channels last."""
    lead = ndim - v.ndim
    if lead == ndim:
        return v
    pattern = tuple(p - lead if p >= lead else "x" for p in channels_last(ndim))
    made: Variable = DimShuffle(pattern)(v)
    return made


LAYOUT: tuple[Rule, ...] = (
    channels_first_to_channels_last,
    elementwise_of_image_to_image,
    leading_axes_to_implicit,
    dimshuffle_to_operand,
    dimshuffle_dimshuffle_to_one,
    dimshuffle_of_broadcast_to_broadcast,
    reduce_of_dimshuffle_to_reduce,
)
