"""Rules on slices and joined tensors: what need not be computed, read or copied."""

from itertools import pairwise

from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.indexing import SetSubtensor, Subtensor
from symgraph.ops.movement import Concatenate
from symgraph.ops.shape import MakeVector
from symgraph.ops.slices import ALL, Entry, Spec, known_slice, scalar_count
from symgraph.rewrite.context import Context
from symgraph.rewrite.rule import EXACT, Rule, rule
from symgraph.rewrite.rules.shapes import owner_of

T = PUBLIC


# --- slices -----------------------------------------------------------------------------


def is_all(entry: Entry) -> bool:
    """Whether a slice takes all of its axis."""
    return isinstance(entry, tuple) and entry[1:] in (
        (None, None, None), (0, None, None), (None, None, 1), (0, None, 1),
    )  # fmt: skip


@rule(
    "subtensor_to_operand", on="Subtensor", nan=EXACT, ranks=(2,),
    example=lambda x: Subtensor((ALL, ("slice", 0, None, 1)))(x),
)  # fmt: skip
def subtensor_to_operand(node: Apply, context: Context) -> Variable | None:
    """x[:, 0:] -> x."""
    assert isinstance(node.op, Subtensor)
    x = node.inputs[0]
    for axis, entry in enumerate(node.op.spec):
        if is_all(entry):
            continue
        known = x.type.shape[axis]
        if not isinstance(entry, tuple) or known is None or "v" in entry:
            return None
        if range(known)[known_slice(entry)] != range(known):
            return None
    return context.fit(x, node.outputs[0])


@rule(
    "element_of_vector_to_scalar", on="Subtensor", nan=EXACT, ranks=(2,),
    example=lambda x: Subtensor((1,))(x.shape),
)  # fmt: skip
def element_of_vector_to_scalar(node: Apply, context: Context) -> Variable | None:
    """An element or a part of a vector made of scalars is found among the scalars."""
    inner = owner_of(node.inputs[0], MakeVector)
    assert isinstance(node.op, Subtensor)
    if inner is None or scalar_count(node.op.spec):
        return None
    (entry,) = node.op.spec
    if not isinstance(entry, tuple):
        made: Variable = inner.inputs[int(entry)]
        return made
    part = inner.inputs[known_slice(entry)]
    made = inner.op(*part)
    return made


@rule(
    "subtensor_subtensor_to_one", on="Subtensor", nan=EXACT, ranks=(2,),
    example=lambda x: Subtensor((ALL, 0))(Subtensor((("slice", 1, None, None), ALL))(x)),
)  # fmt: skip
def subtensor_subtensor_to_one(node: Apply, context: Context) -> Variable | None:
    """x[1:][:, 0] -> x[1:, 0]; two slices of one axis where its extent is known."""
    inner = owner_of(node.inputs[0], Subtensor)
    assert isinstance(node.op, Subtensor)
    if inner is None:
        return None
    x, *first = inner.inputs
    then = list(node.inputs[1:])
    outer = iter(node.op.spec)
    spec: list[Entry] = []
    scalars: list[Variable] = []
    for axis, entry in enumerate(inner.op.spec):  # type: ignore[attr-defined]
        count = scalar_count((entry,))
        mine, first = first[:count], first[count:]
        if not isinstance(entry, tuple):
            spec.append(entry)
            scalars.extend(mine)
            continue
        other = next(outer)
        count = scalar_count((other,))
        theirs, then = then[:count], then[count:]
        if is_all(entry):
            spec.append(other)
            scalars.extend(theirs)
        elif is_all(other):
            spec.append(entry)
            scalars.extend(mine)
        else:
            known = x.type.shape[axis]
            if known is None or mine or theirs:
                return None
            merged = _merged(entry, other, known)
            if merged is None:
                return None
            spec.append(merged)
    made: Variable = Subtensor(tuple(spec))(x, *scalars)
    return context.fit(made, node.outputs[0])


def _merged(first: Entry, then: Entry, extent: int) -> Entry | None:
    """One entry for two of the same axis, both of known numbers."""
    places = range(extent)[known_slice(first)]
    if not isinstance(then, tuple):
        try:
            return places[int(then)]
        except IndexError:
            return None
    places = places[known_slice(then)]
    if not places:
        return ("slice", 0, 0, None)
    stop: int | None = places.stop
    if places.step < 0 and places.stop < 0:
        stop = None
    return ("slice", places.start, stop, places.step)


@rule(
    "subtensor_of_broadcast_to_broadcast", on="Subtensor", nan=EXACT, ranks=(2, 1),
    example=lambda x, y: T["full_like"](x, T["sum"](y))[1:],
)  # fmt: skip
def subtensor_of_broadcast_to_broadcast(
    node: Apply, context: Context
) -> Variable | None:
    """A part of a repeated scalar is the scalar repeated less often."""
    inner = owner_of(node.inputs[0], BroadcastTo)
    assert isinstance(node.op, Subtensor)
    if inner is None or inner.inputs[0].ndim:
        return None
    if not all(isinstance(entry, tuple) for entry in node.op.spec):
        return None  # an index may be out of range
    return context.fit(inner.inputs[0], node.outputs[0])


@rule(
    "subtensor_of_concatenate_to_part", on="Subtensor", nan=EXACT, ranks=(1, 1),
    example=lambda x, y: Subtensor((("slice", None, 2, None),))(
        Concatenate(0)(T["alloc"](x[0], 2), T["exp"](y))),
)  # fmt: skip
def subtensor_of_concatenate_to_part(node: Apply, context: Context) -> Variable | None:
    """A slice or index that lies within one of the joined parts is taken from it."""
    inner = owner_of(node.inputs[0], Concatenate)
    assert isinstance(node.op, Subtensor)
    if inner is None:
        return None
    axis = inner.op.axis  # type: ignore[attr-defined]
    entry = node.op.spec[axis]
    if scalar_count((entry,)):
        return None
    start = 0
    for part in inner.inputs:
        extent = part.type.shape[axis]
        if extent is None:
            return None
        new = _within(entry, start, extent, node.inputs[0].type.shape[axis])
        if new is not None:
            spec: Spec = (*node.op.spec[:axis], new, *node.op.spec[axis + 1 :])
            made: Variable = Subtensor(spec)(part, *node.inputs[1:])
            return context.fit(made, node.outputs[0])
        start += extent
    return None


def _within(entry: Entry, start: int, extent: int, whole: int | None) -> Entry | None:
    """The entry counted from `start`, if it lies within `extent` elements from there."""
    if not isinstance(entry, tuple):
        place = int(entry)
        if place < 0:
            if whole is None:
                return None
            place += whole
        return place - start if start <= place < start + extent else None
    _, first, stop, step = entry
    if whole is None:
        if (
            (first is not None and int(first) < 0)
            or stop is None or int(stop) < 0
            or (step is not None and int(step) <= 0)
        ):  # fmt: skip
            return None
        places = range(int(first or 0), int(stop), int(step or 1))
    else:
        places = range(whole)[known_slice(entry)]
    if not places or min(places) < start or max(places) >= start + extent:
        return None
    end: int | None = places.stop - start
    if places.step < 0 and end is not None and end < 0:
        end = None
    return ("slice", places.start - start, end, places.step)


@rule(
    "subtensor_of_set_to_value", on="Subtensor", nan=EXACT, ranks=(1, 1),
    example=lambda x, y: Subtensor((("slice", None, 1, None),))(
        SetSubtensor((("slice", None, 1, None),), "set")(x, T["exp"](y)[:1])),
)  # fmt: skip
def subtensor_of_set_to_value(node: Apply, context: Context) -> Variable | None:
    """Reading what was just written there: set_subtensor(x[s], y)[s] -> y."""
    inner = owner_of(node.inputs[0], SetSubtensor)
    assert isinstance(node.op, Subtensor)
    if inner is None or inner.op.mode != "set":  # type: ignore[attr-defined]
        return None
    _, y, *scalars = inner.inputs
    if inner.op.spec != node.op.spec:  # type: ignore[attr-defined]
        return None
    if any(a is not b for a, b in zip(scalars, node.inputs[1:], strict=True)):
        return None
    return context.fit(y, node.outputs[0])


@rule(
    "subtensor_of_elementwise_to_elementwise", on="Subtensor", nan=EXACT, ranks=(2, 2),
    example=lambda x, y: T["exp"](x * 2.0)[0], needs_users=True,
)  # fmt: skip
def subtensor_of_elementwise_to_elementwise(
    node: Apply, context: Context
) -> Variable | None:
    """exp(x)[0] -> exp(x[0]), if nothing else needs exp(x)."""
    x = node.inputs[0]
    owner = x.owner
    if owner is None or not isinstance(owner.op, Elementwise | Cast):
        return None
    if context.is_shared(x) or not context.knows(x):
        return None
    return _inside(node, context)


def _inside(node: Apply, context: Context) -> Variable | None:
    """The elementwise op on what is read of each operand."""
    x = node.inputs[0]
    owner = x.owner
    assert owner is not None
    if not all(v.ndim == 0 or context.same_shape(v, x) for v in owner.inputs):
        return None
    scalars = node.inputs[1:]
    parts = [v if v.ndim == 0 else node.op(v, *scalars) for v in owner.inputs]
    made: Variable = owner.op(*parts)
    return context.fit(made, node.outputs[0])


@rule(
    "slices_of_elementwise_to_elementwise", on="Subtensor", nan=EXACT, ranks=(0, 0),
    example=lambda x, y: T["exp"](MakeVector(x.type.dtype)(x, y) * 2.0)[1:],
    needs_users=True, dtypes="float",
)  # fmt: skip
def slices_of_elementwise_to_elementwise(
    node: Apply, context: Context
) -> Variable | None:
    """exp(x)[:2], exp(x)[2:] -> exp(x[:2]), exp(x[2:]): parts that do not overlap."""
    x = node.inputs[0]
    owner = x.owner
    if owner is None or not isinstance(owner.op, Elementwise | Cast):
        return None
    return _inside(node, context) if _apart(x, context) else None


def _apart(x: Variable, context: Context) -> bool:
    """Whether all that is read of x are slices along one axis that do not overlap."""
    places: list[tuple[int, int]] = []
    axes: set[int] = set()
    for user in context.users(x):
        if user is None or not isinstance(user.op, Subtensor):
            return False
        cut = [(i, e) for i, e in enumerate(user.op.spec) if not is_all(e)]
        if len(cut) != 1 or not isinstance(cut[0][1], tuple) or "v" in cut[0][1]:
            return False
        ((axis, entry),) = cut
        extent = x.type.shape[axis]
        if extent is None:
            return False
        found = range(extent)[known_slice(entry)]
        if found.step != 1:
            return False
        axes.add(axis)
        places.append((found.start, found.stop))
    places.sort()
    return len(axes) == 1 and all(a[1] <= b[0] for a, b in pairwise(places))


# --- joining ------------------------------------------------------------------------------


@rule(
    "concatenate_of_one_to_operand", on="Concatenate", nan=EXACT, ranks=(1,),
    example=lambda x: Concatenate(0)(T["exp"](x)),
)  # fmt: skip
def concatenate_of_one_to_operand(node: Apply, context: Context) -> Variable | None:
    """Joining one tensor, or several of which all others are empty, gives it back."""
    axis = node.op.axis  # type: ignore[attr-defined]
    full = [v for v in node.inputs if v.type.shape[axis] != 0]
    if len(full) == len(node.inputs) > 1 or not full:
        return None
    if len(full) == 1:
        return context.fit(full[0], node.outputs[0])
    made: Variable = node.op(*full)
    return context.fit(made, node.outputs[0])


@rule(
    "concatenate_concatenate_to_one", on="Concatenate", nan=EXACT, ranks=(1, 1, 1),
    example=lambda x, y, z: Concatenate(0)(Concatenate(0)(x, y), z),
)  # fmt: skip
def concatenate_concatenate_to_one(node: Apply, context: Context) -> Variable | None:
    """Joined parts that are joined again along the same axis are joined at once."""
    parts: list[Variable] = []
    for v in node.inputs:
        inner = v.owner
        same = inner is not None and inner.op == node.op
        parts.extend(inner.inputs if same and inner is not None else (v,))
    if len(parts) == len(node.inputs):
        return None
    made: Variable = node.op(*parts)
    return context.fit(made, node.outputs[0])


SLICES: tuple[Rule, ...] = (
    subtensor_to_operand,
    element_of_vector_to_scalar,
    subtensor_subtensor_to_one,
    subtensor_of_broadcast_to_broadcast,
    subtensor_of_concatenate_to_part,
    subtensor_of_set_to_value,
    subtensor_of_elementwise_to_elementwise,
    concatenate_of_one_to_operand,
    concatenate_concatenate_to_one,
)
