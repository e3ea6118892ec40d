"""Rules that join: what several slices of zeros add up to."""

from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Elementwise
from symgraph.ops.indexing import SetSubtensor, Subtensor
from symgraph.ops.movement import Concatenate
from symgraph.ops.slices import ALL, Entry, known_slice, scalar_count
from symgraph.rewrite.context import Context
from symgraph.rewrite.rule import EXACT, Rule, rule
from symgraph.rewrite.rules.slices import is_all

T = PUBLIC
ADD = Elementwise("add")
#: (start, stop, values, the zeros around them)
Part = tuple[int, int, Variable, Variable]


@rule(
    "sum_of_parts_to_join", on="add", nan=EXACT, ranks=(2, 2), needs_users=True,
    example=lambda x, y: _part(x, 0) + _part(y, 1),
)  # fmt: skip
def sum_of_parts_to_join(node: Apply, context: Context) -> Variable | None:
    """Slices of zeros that are set, apart from each other, and added, are joined.

    Gradients of the slices of one tensor, such as the gates of an LSTM, are such sums.
    """
    out = node.outputs[0]
    users = context.users(out)
    if len(users) == 1 and users[0] is not None and users[0].op == ADD:
        return None  # the whole sum is looked at, not a part of it
    terms = _terms(out, context)
    found: dict[int, list[Part]] = {}
    rest: list[Variable] = []
    for term in terms:
        part = _part_of(term, context)
        if part is None:
            rest.append(term)
        else:
            found.setdefault(part[0], []).append(part[1])
    joined: list[Variable] = []
    for axis, parts in found.items():
        if len(parts) < 2:
            return None
        made = _joined(axis, parts, out)
        if made is None:
            return None
        joined.append(made)
    if not joined:
        return None
    total = joined[0]
    for term in (*joined[1:], *rest):
        total = ADD(total, term)
    if context.assumes_equal and total.type == out.type:
        return total  # its parts fill what the sum fills
    return context.fit(total, out)


def _part(x: Variable, place: int) -> Variable:
    """x[:1] in zeros of two rows, for the example."""
    (found,) = SetSubtensor((("slice", place, place + 1, None), ALL), "set").make(
        T["zeros"]((2, 3), dtype=x.type.dtype), T["alloc"](x[0, 0], 1, 3)
    )
    return found


def _terms(out: Variable, context: Context) -> list[Variable]:
    """What a sum adds up, through sums that nobody else reads."""
    found: list[Variable] = []
    stack = [out]
    while stack:
        term = stack.pop()
        owner = term.owner
        inner = owner is not None and owner.op == ADD
        if inner and (term is out or not context.is_shared(term)):
            assert owner is not None
            stack += reversed(owner.inputs)
        else:
            found.append(term)
    return found


def _part_of(term: Variable, context: Context) -> tuple[int, Part] | None:
    """Axis and part, if a term is zeros but for one slice of known places."""
    owner = term.owner
    if owner is None or not isinstance(owner.op, SetSubtensor):
        return None
    zeros, y = owner.inputs[:2]
    spec = owner.op.spec
    if len(owner.inputs) > 2 or not _is_zero(zeros) or context.is_shared(term):
        return None
    cut = [axis for axis, entry in enumerate(spec) if not is_all(entry)]
    if len(cut) != 1 or scalar_count(spec) or y.ndim != term.ndim:
        return None
    (axis,) = cut
    whole = term.type.shape[axis]
    places = _places(spec[axis], whole)
    if places is None or y.type.shape[axis] != places[1] - places[0]:
        return None
    if not _fills(y, term, axis, context):
        return None
    return axis, (*places, y, zeros)


def _fills(y: Variable, whole: Variable, cut: int, context: Context) -> bool:
    """Whether y has the extents of the whole, but for the axis that is cut."""
    mine, outer = context.axes(y), context.axes(whole)
    if mine is None or outer is None:
        return False
    for axis, (one, other) in enumerate(zip(mine, outer, strict=True)):
        if axis == cut or one == other:
            continue
        unknown = y.type.shape[axis] is None and whole.type.shape[axis] is None
        if not (unknown and context.assumes_equal):
            return False
    return True


def _places(entry: Entry, whole: int | None) -> tuple[int, int] | None:
    if not isinstance(entry, tuple) or whole is None:
        return None
    places = range(whole)[known_slice(entry)]
    return (places.start, places.stop) if places.step == 1 and places else None


def _is_zero(v: Variable) -> bool:
    while v.owner is not None and isinstance(v.owner.op, BroadcastTo):
        v = v.owner.inputs[0]
    return isinstance(v, Constant) and v.data.size == 1 and not v.data.any()


def _joined(axis: int, parts: list[Part], out: Variable) -> Variable | None:
    """The parts along an axis, and zeros between them; None if they overlap."""
    whole = out.type.shape[axis]
    assert whole is not None
    parts = sorted(parts, key=lambda part: part[:2])
    zeros = parts[0][3]
    pieces: list[Variable] = []
    end = 0

    def fill(stop: int) -> None:
        if stop > end:
            spec = [ALL] * out.ndim
            spec[axis] = ("slice", end, stop, None)
            pieces.append(Subtensor(tuple(spec))(zeros))

    for start, stop, y, _ in parts:
        if start < end:
            return None
        fill(start)
        pieces.append(y)
        end = stop
    fill(whole)
    found: Variable = Concatenate(axis)(*pieces)
    return found


JOINS: tuple[Rule, ...] = (sum_of_parts_to_join,)
