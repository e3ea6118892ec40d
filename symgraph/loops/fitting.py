"""The types of a scan's step, fitted to those of its operands; and what is refused.

The type of a state is what its initial rows and its new rows have in common. In: a scan
and its operands. Out: the step with types to match, or an error that names both.
"""

from collections.abc import Sequence

from symgraph.core.inner import Inner
from symgraph.core.node import Variable, listing
from symgraph.core.types import StaticShape, TensorType, fast_type
from symgraph.errors import DtypeError, GraphError, ShapeError
from symgraph.loops.layout import ScanLayout


def row_type(type: TensorType) -> TensorType:
    """Type of a row of a tensor."""
    return fast_type(type.dtype, type.shape[1:])


def stacked(row: TensorType, rows: int | None) -> TensorType:
    return fast_type(row.dtype, (rows, *row.shape))


def infer_step_types(scan: ScanLayout, operands: Sequence[Variable]) -> Inner:
    """The step for operands of these types.

    The type of a state is what its initial and its new rows have in common. As the new
    row may depend on it, that is found by trying: an extent that the initial row knows
    and the new row does not is forgotten.
    """
    given = scan.parts(operands)
    rows = [row_type(v.type) for v in given.sequences]
    states = [row_type(v.type) for v in given.initial]
    rest = [v.type for v in given.rest]
    inner = scan.inner
    while True:
        taps = [
            t for t, places in zip(states, scan.states, strict=True) for _ in places
        ]
        inner = scan.inner.narrowed([*rows, *taps, *rest])
        now = scan.replace(inner=inner)
        news = now.results(inner.outputs).states
        joined = [
            _joined(type, new, before[0])
            for type, new, before in zip(
                states, news, now.inner_parts().taps, strict=True
            )
        ]
        if joined == states:
            return inner
        states = joined


def _joined(type: TensorType, new: Variable, before: Variable) -> TensorType:
    """What a state is known to be before and after a step."""
    _check_kind(type, new, before)
    shape: list[int | None] = []
    for axis, (old, now) in enumerate(zip(type.shape, new.type.shape, strict=True)):
        if old is not None and now is not None and old != now:
            cure = (
                "Start from an initial state of the full shape (alloc or zeros)."
                if old == 1
                else "A step has to keep the shape of its state."
            )
            raise ShapeError(
                f"scan: axis {axis} of a state has extent {old}, but the step gives "
                f"{now}{listing(before, new)}\n{cure}"
            )
        shape.append(old if old == now else None)
    return fast_type(type.dtype, tuple(shape))


def _check_kind(type: TensorType, new: Variable, before: Variable) -> None:
    label = before.name or "a state"
    if type.dtype != new.type.dtype:
        raise DtypeError(
            f"scan: {label} is {type}, but the step gives {new.type.dtype}"
            f"{listing(before, new)}\nCast the initial state to {new.type.dtype}, or "
            f"the new value to {type.dtype}."
        )
    if type.ndim != new.ndim:
        raise ShapeError(
            f"scan: {label} has rank {type.ndim}, but the step gives rank {new.ndim}"
            f"{listing(before, new)}\nReduce or reshape the new value, or start from "
            "a state of its shape."
        )


def check_step(scan: ScanLayout) -> None:
    inside = scan.inner_parts()
    made = scan.results(scan.inner.outputs)
    for taps, new in zip(inside.taps, made.states, strict=True):
        _check_kind(taps[0].type, new, taps[0])
        if not _compatible(taps[0].type.shape, new.type.shape):
            raise ShapeError(
                f"scan: a step changes the shape of a state{listing(taps[0], new)}"
            )
    if scan.until and scan.backwards:
        raise GraphError("scan: a loop that goes backwards cannot end early")
    if scan.until and (made.last.type.dtype != "bool" or made.last.ndim):
        raise DtypeError(
            f"scan: a condition must be a 0-d bool{listing(made.last)}\n"
            "Compare, or reduce it with any() or all()."
        )


def check_operand(outer: Variable, inner: Variable, lead: int, what: str) -> None:
    shape = outer.type.shape[lead:]
    if (
        outer.type.dtype != inner.type.dtype
        or outer.ndim != inner.ndim + lead
        or not _compatible(shape, inner.type.shape)
    ):
        raise GraphError(
            f"scan: a {what} of type {outer.type}, the step takes {inner.type}"
            f"{listing(outer, inner)}"
        )


def _compatible(one: StaticShape, other: StaticShape) -> bool:
    return all(
        a is None or b is None or a == b for a, b in zip(one, other, strict=True)
    )
