"""Sums of tensors that are zero but for one part each: the parts side by side.

    set_subtensor(zeros[:, :3], a) + set_subtensor(zeros[:, 3:], b)
        ->  concatenate([a, b], axis=1)

The gradient of a tensor that is read in slices (the gates of a recurrent cell) is such
a sum. In: nodes of "add". Out: replacements.
"""

from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.op import scalar_constant
from symgraph.core.record import Record
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.indexing import SetSubtensor
from symgraph.ops.movement import Concatenate
from symgraph.ops.shape import MakeVector, variable
from symgraph.ops.slices import ALL
from symgraph.rewrite.context import Context
from symgraph.rewrite.rule import EXACT, Rule, rule


class Parts(Record):
    """A tensor by its parts along an axis: (first, last + 1, value); zero elsewhere."""

    axis: int
    found: tuple[tuple[int, int, Variable], ...]


def is_zero(v: Variable) -> bool:
    """Whether all elements are known to be zero."""
    while v.owner is not None and isinstance(v.owner.op, BroadcastTo):
        v = v.owner.inputs[0]
    return isinstance(v, Constant) and not v.data.any()


def parts_of(v: Variable) -> Parts | None:
    """The parts of v, where it is known to be put together of some."""
    node = v.owner
    if node is None:
        return None
    op = node.op
    if isinstance(op, SetSubtensor):
        cut = [(i, e) for i, e in enumerate(op.spec) if e != ALL]
        if len(cut) != 1 or not is_zero(node.inputs[0]):
            return None
        ((axis, entry),) = cut
        extent, value = v.type.shape[axis], node.inputs[1]
        if extent is None or not isinstance(entry, tuple) or "v" in entry:
            return None
        places = range(extent)[slice(*entry[1:])]  # type: ignore[misc]
        if places.step != 1 or value.type.shape[axis] != len(places):
            return None
        pairs = zip(value.type.shape, v.type.shape, strict=True)
        if any(n == 1 and k != 1 for i, (n, k) in enumerate(pairs) if i != axis):
            return None
        return Parts(axis, ((places.start, places.stop, value),))
    if isinstance(op, Concatenate) and any(map(is_zero, node.inputs)):
        found, start = [], 0
        for part in node.inputs:
            length = part.type.shape[op.axis]
            if length is None:
                return None
            if not is_zero(part):
                found.append((start, start + length, part))
            start += length
        return Parts(op.axis, tuple(found))
    return None


def _placed(x: Variable, start: int) -> Variable:
    """Two elements x within four, the others zero."""
    dtype = x.type.dtype
    zeros = BroadcastTo(1)(scalar_constant(0, dtype), variable(4))
    spec = (("slice", start, start + 2, None),)
    made: Variable = SetSubtensor(spec, "set")(zeros, MakeVector(dtype)(x, x))
    return made


@rule(
    "separate_parts_to_concatenate", on="add", nan=EXACT, ranks=(0, 0),
    example=lambda x, y: _placed(x, 2) + _placed(y, 0),
)  # fmt: skip
def separate_parts_to_concatenate(node: Apply, context: Context) -> Variable | None:
    """Tensors that are zero but for parts that do not overlap, added: the parts joined."""
    one, other = map(parts_of, node.inputs)
    out = node.outputs[0]
    if one is None or other is None or one.axis != other.axis:
        return None
    axis = one.axis
    if any(v.type.shape[axis] != out.type.shape[axis] for v in node.inputs):
        return None
    if not context.same_shape(*node.inputs):
        return None
    found = sorted((*one.found, *other.found), key=lambda part: part[0])
    extents = context.extents(out)
    whole = out.type.shape[axis]
    if extents is None or whole is None:
        return None
    joined: list[Variable] = []
    at = 0
    for start, stop, value in [*found, (whole, whole, None)]:
        if start < at:
            return None
        if start > at:
            shape = (*extents[:axis], start - at, *extents[axis + 1 :])
            zero = scalar_constant(0, out.type.dtype)
            joined.append(BroadcastTo(out.ndim)(zero, *map(variable, shape)))
        if value is not None:
            joined.append(value)
        at = stop
    made: Variable = Concatenate(axis)(*joined)
    return context.fit(made, out)


PARTS: tuple[Rule, ...] = (separate_parts_to_concatenate,)
