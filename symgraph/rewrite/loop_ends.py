"""Of some states, only the last rows are read: only these are kept.

    out[-1] of all rows  ->  the one row of a state that keeps one

Slices of a state that leave out its initial rows, as `scan` gives them, are looked
through. What is kept holds initial rows where fewer steps are done than rows are kept;
a read of the new rows goes past them. In: a scan and who reads its outputs. Out: the
reads, from what is kept.
"""

from symgraph.core.node import Apply, Variable, at_place_of
from symgraph.core.record import Record
from symgraph.ops.indexing import Subtensor
from symgraph.ops.movement import DimShuffle
from symgraph.ops.shape import maximum, static, subtract
from symgraph.ops.slices import ALL, Spec
from symgraph.rewrite.loop import LoopState, OpenLoop
from symgraph.rewrite.loop_merge import known_as

LAST = "last_rows_of_state_to_kept"
Users = dict[Variable, list[Apply | None]]


class Read(Record):
    """A read of the last rows of a state.

    Attributes
    ----------
    out, op, scalars : the variable that is read out, its index, further operands
    depth : how many of the last rows it needs; 0 where that is not known, or too many
    new : whether it reads the new rows alone, and may find fewer than `depth`
    """

    out: Variable
    op: Subtensor
    scalars: tuple[Variable, ...]
    depth: int
    new: bool


def ends_of(node: Apply, loop: OpenLoop, users: Users) -> dict[int, list[Read]]:
    """States of which only the last rows are read: position → the reads."""
    found: dict[int, list[Read]] = {}
    for i, s in enumerate(loop.slots):
        if not isinstance(s, LoopState) or s.keep is not None:
            continue
        v = node.outputs[i]
        reads = _reads(v, -s.places[0], loop, users)
        if reads and all(0 < read.depth <= -s.places[0] for read in reads):
            found[i] = reads
    return found


def _reads(v: Variable, length: int, loop: OpenLoop, users: Users) -> list[Read]:
    """All reads of a state; none where something else reads it."""
    found: list[Read] = []
    until = loop.condition is not None
    least = 0 if until else static(loop.n) or 0
    for user in users[v]:
        if (
            user is None
            or not isinstance(user.op, Subtensor)
            or user.inputs[0] is not v
        ):
            return []
        out, entry = user.outputs[0], user.op.spec[0]
        new_rows = entry == ("slice", length, "v" if until else None, None)
        if new_rows and all(e == ALL for e in user.op.spec[1:]):
            inner = [] if out not in users else users[out]
            if not inner or any(
                u is None or not isinstance(u.op, Subtensor) or u.inputs[0] is not out
                for u in inner
            ):
                return []
            for u in inner:
                assert u is not None
                assert isinstance(u.op, Subtensor)
                depth = _depth(u.op.spec[0], None)
                found.append(
                    Read(u.outputs[0], u.op, u.inputs[1:], depth, depth > least)
                )
        elif until:
            return []
        else:
            depth = _depth(entry, v.type.shape[0])
            found.append(Read(out, user.op, user.inputs[1:], depth, False))
    return found


def _depth(entry: object, rows: int | None) -> int:
    """How many of the last rows an index reads; 0 where that is not known."""
    if isinstance(entry, int):
        if entry < 0:
            return -entry
        return 0 if rows is None else rows - entry
    if isinstance(entry, tuple) and entry[3] in (None, 1):
        start = entry[1]
        if isinstance(start, int) and entry[2] in (None, rows):
            if start < 0:
                return -start
            return 0 if rows is None else max(rows - start, 0)
    return 0


def keep_ends(loop: OpenLoop, ends: dict[int, list[Read]]) -> None:
    for i, reads in ends.items():
        slot = loop.slots[i]
        assert not isinstance(slot, Variable)
        slot.keep = max(read.depth for read in reads)
        loop.changed = True


def read_ends(
    reads: list[Read], kept: Variable, rank: int, n: Variable, count: Variable | None
) -> dict[Variable, Variable]:
    """The reads of a state, from the last rows alone; of a sum there is one, bare.

    Parameters
    ----------
    kept : the last rows, or the sum
    n, count : how many steps are done at most, and how many were (None: just these)
    """
    made: dict[Variable, Variable] = {}
    for read in reads:
        with at_place_of(read.out):
            made[read.out] = _read_end(read, kept, rank, n, count)
    return made


def _read_end(
    read: Read, kept: Variable, rank: int, n: Variable, count: Variable | None
) -> Variable:
    entry, spec = read.op.spec[0], read.op.spec[1:]
    source = kept
    if kept.ndim < rank and (read.new or isinstance(entry, tuple)):
        source = DimShuffle(("x", *range(kept.ndim))).make(kept)[0]
    if read.new:
        # a loop that does a step at all ends after one or more
        steps = n if count is None or read.depth == 1 else count
        source = _new_rows(source, read.depth, steps)
        spec = (entry, *spec)
    elif source.ndim == rank:
        last = -read.depth
        whole = ("slice", last, None, None)
        spec = (whole if isinstance(entry, tuple) else last, *spec)
    if any(part != ALL for part in spec):
        source = Subtensor(spec).make(source, *read.scalars)[0]
    return known_as(source, read.out)


def _new_rows(kept: Variable, depth: int, steps: Variable) -> Variable:
    """The new rows among the last `depth` of what is kept: of the last steps."""
    rows = kept.type.shape[0]
    assert rows is not None
    first = maximum(subtract(rows, steps), rows - depth)
    rest = (ALL,) * (kept.ndim - 1)
    if isinstance(first, int):
        spec: Spec = (("slice", first, None, None), *rest)
        return Subtensor(spec).make(kept)[0]
    return Subtensor((("slice", "v", None, None), *rest)).make(kept, first)[0]


def sum_read(old: Variable, total: Variable, users: Users) -> dict[Variable, Variable]:
    """A state of one row, and what reads that row, as the sum that it is."""
    made: dict[Variable, Variable] = {}
    for user in users[old]:
        if user is not None and isinstance(user.op, Subtensor):
            first, *rest = user.op.spec
            if user.inputs[0] is old and first in (0, -1):
                if all(entry == ALL for entry in rest):
                    made[user.outputs[0]] = known_as(total, user.outputs[0])
                    continue
        pattern = ("x", *range(total.ndim))
        made[old] = known_as(DimShuffle(pattern).make(total)[0], old)
    return made
