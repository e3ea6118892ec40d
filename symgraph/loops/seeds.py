"""The gradient of a state's rows, taken apart by rows.

Mostly one row (the last) or only the new rows of a state are used, and the gradient is
zero elsewhere. Finding that from how the gradient was built saves the reverse scan an
array of zeros. In: the gradient of all rows. Out: `RowGradients`.
"""

from symgraph.core.node import Constant, Variable
from symgraph.core.record import Record
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Elementwise
from symgraph.ops.indexing import SetSubtensor
from symgraph.ops.slices import ALL, Spec


class RowGradients(Record):
    """The gradient of the rows of a state; what is None is zero.

    Attributes
    ----------
    head : of the initial rows
    body : of the new rows, as many as steps were done
    tails : k → gradient of the k-th row from the end, beside what `body` says
    """

    head: Variable | None
    body: Variable | None
    tails: dict[int, Variable]


def row_gradients(
    g: Variable, length: int, keep: int | None, until: bool, count: Variable | None
) -> RowGradients:
    """Take the gradient of a state's output apart."""
    if keep is not None:
        return RowGradients(None, None, {keep - i: g[i] for i in range(keep)})
    found: dict[int, Variable] = {}
    heads: list[Variable] = []
    bodies: list[Variable] = []
    for part in _terms(g):
        inside = _set_rows(part)
        if inside is None:
            heads.append(part[:length])
            end = None if count is None else count + length
            bodies.append(part[length:end])
            continue
        spec, value = inside
        entry = spec[0]
        if isinstance(entry, tuple):
            whole = entry[1:] == (length, None, None)
            cut = until and entry[1] == length and entry[2:] == ("v", None)
            if whole and not until:
                _take(value, length, bodies, found)
                continue
            if cut:  # the rows that were done: `build.py` makes no other slice
                _take(value, length, bodies, found)
                continue
        elif not until and isinstance(entry, int) and -length <= entry < 0:
            _add(found, -entry, value)
            continue
        heads.append(part[:length])
        bodies.append(part[length : None if count is None else count + length])
    return RowGradients(_total(heads), _total(bodies), found)


def _take(
    value: Variable, length: int, bodies: list[Variable], tails: dict[int, Variable]
) -> None:
    """The gradient of the new rows: single rows near the end, and the rest."""
    for part in _terms(value):
        inside = _set_rows(part)
        if inside is not None:
            spec, row = inside
            if isinstance(spec[0], int) and -length <= spec[0] < 0:
                _add(tails, -spec[0], row)
                continue
        bodies.append(part)


def _add(tails: dict[int, Variable], key: int, value: Variable) -> None:
    tails[key] = tails[key] + value if key in tails else value


def _total(parts: list[Variable]) -> Variable | None:
    if not parts:
        return None
    found = parts[0]
    for part in parts[1:]:
        found = found + part
    return found


def _terms(g: Variable) -> list[Variable]:
    """The terms of a sum, each of the shape of the sum.

    Zeros are kept: `Rop` differentiates with respect to a gradient of zeros.
    """
    stack, found = [g], []
    while stack:
        v = stack.pop()
        op = None if v.owner is None else v.owner.op
        if isinstance(op, Elementwise) and op.scalar == "add":
            assert v.owner is not None
            if all(u.ndim == v.ndim for u in v.owner.inputs):
                stack.extend(reversed(v.owner.inputs))
                continue
        found.append(v)
    return found


def _set_rows(v: Variable) -> tuple[Spec, Variable] | None:
    """(index, rows) where v is zero but for whole rows that are set."""
    node = v.owner
    if node is None or not isinstance(node.op, SetSubtensor):
        return None
    spec = node.op.spec
    if any(entry != ALL for entry in spec[1:]) or not is_zero(node.inputs[0]):
        return None
    return spec, node.inputs[1]


def is_zero(v: Variable) -> bool:
    """Whether all elements are known to be zero."""
    while v.owner is not None and isinstance(v.owner.op, BroadcastTo):
        v = v.owner.inputs[0]
    return isinstance(v, Constant) and not v.data.any()
