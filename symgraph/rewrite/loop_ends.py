"""Of some states, only the last rows are read: only these are kept.

    out[-1] of all rows  ->  the one row of a state that keeps one

Slices of a state that leave out its initial rows, as `scan` gives them, are looked
through. In: a scan and who reads its outputs. Out: the reads, from what is kept.
"""

from symgraph.core.node import Apply, Variable
from symgraph.ops.indexing import Subtensor
from symgraph.ops.movement import DimShuffle
from symgraph.ops.slices import ALL
from symgraph.rewrite.loop import Loop, State
from symgraph.rewrite.loop_merge import known_as

LAST = "last_rows_of_state_to_kept"
Users = dict[Variable, list[Apply | None]]
#: reads of a state: the variable that is read out, its index, further operands
Read = tuple[Variable, Subtensor, tuple[Variable, ...], int]


def ends_of(node: Apply, loop: Loop, users: Users) -> dict[int, list[Read]]:
    """States of which only the last rows are read: position → the reads."""
    found: dict[int, list[Read]] = {}
    for i, s in enumerate(loop.slots):
        if not isinstance(s, State) or s.keep is not None:
            continue
        v = node.outputs[i]
        reads = _reads(v, -s.places[0], loop.condition is not None, users)
        if reads and all(0 < depth <= -s.places[0] for *_, depth in reads):
            found[i] = reads
    return found


def _reads(v: Variable, length: int, until: bool, users: Users) -> list[Read]:
    """All reads of a state, with how many of the last rows each needs (0: too many)."""
    found: list[Read] = []
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
                found.append((u.outputs[0], u.op, u.inputs[1:], depth))
        elif until:
            return []
        else:
            depth = _depth(entry, v.type.shape[0])
            found.append((out, user.op, user.inputs[1:], depth))
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


def keep_ends(loop: Loop, ends: dict[int, list[Read]]) -> None:
    for i, reads in ends.items():
        slot = loop.slots[i]
        assert not isinstance(slot, Variable)
        slot.keep = max(depth for *_, depth in reads)  # type: ignore[union-attr]
        loop.changed = True


def read_ends(reads: list[Read], kept: Variable, rank: int) -> dict[Variable, Variable]:
    """The reads of a state, from the last rows alone; of a sum there is one, bare."""
    made: dict[Variable, Variable] = {}
    for out, op, scalars, depth in reads:
        entry = op.spec[0]
        source = kept
        spec: tuple[object, ...] = op.spec[1:]
        if kept.ndim < rank and isinstance(entry, tuple):
            source = DimShuffle(("x", *range(kept.ndim))).make(kept)[0]
        if source.ndim == rank:
            last = ("slice", -depth, None, None) if isinstance(entry, tuple) else -depth
            spec = (last, *spec)
        if any(part != ALL for part in spec):
            source = Subtensor(spec).make(source, *scalars)[0]  # type: ignore[arg-type]
        made[out] = known_as(source, out)
    return made


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
