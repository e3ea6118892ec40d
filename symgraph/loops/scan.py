"""Scan: a loop whose step is an inner graph.

    outer inputs   (n, *sequences, *initial states, *non_sequences)
    inner inputs   (*sequence rows, *for each state one variable per tap, *non_sequences)
    inner outputs  (*new row of each state, *collected rows[, condition])
    outer outputs  (*states, *collected[, count])

`n` is the number of steps, a 0-d int64 of at least 0. A sequence has at least n rows;
step t reads row t. A state whose furthest tap is -L has L initial rows; its output holds
these and then the n new rows, or only the last `keep` of all. Collected rows make an
array of n rows. With `until` the loop ends after the step whose condition is true;
`count` tells how many steps were done, and rows after them are zero. With `backwards`
step t reads row n - 1 - t of each sequence, and its collected rows become row n - 1 - t;
states are as ever, their rows in the order of the steps. Gradients are such loops: they
read what the forward loop stored, and give the gradients of sequences, without a copy.

This file has the op: types, shapes, the reference. What users call is in build.py, the
gradient in reverse.py.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from symgraph.core.dtypes import NUMPY
from symgraph.core.inner import Inner
from symgraph.core.node import Variable, listing
from symgraph.core.op import Op, Shape
from symgraph.core.traverse import applies, replace
from symgraph.core.types import StaticShape, TensorType, fast_type
from symgraph.errors import DtypeError, GraphError, ShapeError
from symgraph.loops.reverse import pulled
from symgraph.ops.shape import (
    AnyExtent,
    Extent,
    add,
    folded,
    inferred_extents,
    static,
    variable,
)

Gradients = Sequence[Variable | None]
Value = TypeVar("Value")


class Parts(NamedTuple):
    """Operands of a scan, by role."""

    n: Any
    sequences: list[Any]
    initial: list[Any]
    rest: list[Any]


class InnerParts(NamedTuple):
    """Inputs of a step, by role; `taps` has one list for each state."""

    rows: list[Variable]
    taps: list[list[Variable]]
    rest: list[Variable]


class Results(NamedTuple):
    """Outputs of a scan or of its step, by role; `last` is count or condition."""

    states: list[Any]
    collected: list[Any]
    last: Any


class Scan(Op):
    """A loop of n steps; see the head of this file for the order of operands.

    Attributes
    ----------
    inner : the step
    sequences : how many sequences there are
    states : for each state its taps, negative, ascending
    keep : for each state None (all rows come out) or how many of the last ones do
    until : whether the step has a condition that ends the loop
    backwards : whether sequences are read, and collected rows written, from row n - 1
        to row 0; not together with `until`
    truncate : how many steps its gradient goes back at most; None for all. Nothing but
        the gradient reads it.
    """

    inner: Inner
    sequences: int
    states: tuple[tuple[int, ...], ...]
    keep: tuple[int | None, ...]
    until: bool
    backwards: bool = False
    truncate: int | None = None

    name = "scan"
    can_fail = True

    # --- roles ---------------------------------------------------------------------

    @property
    def lengths(self) -> list[int]:
        """How many initial rows each state has."""
        return [-min(taps) for taps in self.states]

    def parts(self, operands: Sequence[Any]) -> Parts:
        """The operands by role."""
        first = 1 + self.sequences
        last = first + len(self.states)
        return Parts(
            operands[0],
            list(operands[1:first]),
            list(operands[first:last]),
            list(operands[last:]),
        )

    def inner_parts(self) -> InnerParts:
        """The inputs of the step by role."""
        inputs = list(self.inner.inputs)
        rows, rest = inputs[: self.sequences], inputs[self.sequences :]
        taps = []
        for places in self.states:
            taps.append(rest[: len(places)])
            rest = rest[len(places) :]
        return InnerParts(rows, taps, rest)

    def results(self, outputs: Sequence[Any]) -> Results:
        """The outputs (of the scan, or of its step) by role."""
        found, last = list(outputs), None
        if self.until:
            *found, last = found
        count = len(self.states)
        return Results(found[:count], found[count:], last)

    # --- types ---------------------------------------------------------------------

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Checks what comes in against the step; rows as the step types them."""
        given = self.parts(inputs)
        inside = self.inner_parts()
        _check_step(self)
        n = given.n
        if n.type.dtype != "int64" or n.ndim:
            raise DtypeError(f"scan: the number of steps must be 0-d int64{listing(n)}")
        for outer, inner in zip(given.sequences, inside.rows, strict=True):
            _check_operand(outer, inner, 1, "sequence")
        for outer, row, length in zip(
            given.initial, inside.taps, self.lengths, strict=True
        ):
            _check_operand(outer, row[0], 1, "initial state")
            if outer.type.shape[0] not in (None, length):
                raise ShapeError(
                    f"scan: an initial state of {outer.type.shape[0]} rows, its taps "
                    f"ask for {length}{listing(outer)}"
                )
        for outer, inner in zip(given.rest, inside.rest, strict=True):
            _check_operand(outer, inner, 0, "non-sequence")
        steps = static(n)
        made = self.results(self.inner.outputs)
        types: list[TensorType] = []
        for taps, length, keep in zip(
            inside.taps, self.lengths, self.keep, strict=True
        ):
            whole = None if steps is None else steps + length
            rows = whole if keep is None else keep
            types.append(_stacked(taps[0].type, rows))
        types += [_stacked(v.type, steps) for v in made.collected]
        if self.until:
            types.append(fast_type("int64", ()))
        return tuple(types)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Rows as above; extents of rows in terms of the operands."""
        given, outer = self.parts(inputs), self.parts(shapes)
        n = folded(given.n)
        found: list[Shape] = []
        taps = self.inner_parts().taps
        for row, inner, length, keep in zip(
            outer.initial, taps, self.lengths, self.keep, strict=True
        ):
            known = inner[0].type.shape
            told = tuple(
                e if k is None else k for e, k in zip(row[1:], known, strict=True)
            )
            found.append((add(n, length) if keep is None else keep, *told))
        collected = self.results(self.inner.outputs).collected
        found += [(n, *row) for row in self._row_shapes(collected, inputs, shapes)]
        if self.until:
            found.append(())
        return tuple(found)

    def _row_shapes(
        self,
        rows: Sequence[Variable],
        inputs: Sequence[Variable],
        shapes: Sequence[Shape],
    ) -> list[Shape]:
        """Extents of collected rows, in terms of the operands of the scan."""
        given, outer, inside = (
            self.parts(inputs),
            self.parts(shapes),
            self.inner_parts(),
        )
        known: dict[Variable, Shape] = {}
        known.update(
            (v, s[1:]) for v, s in zip(inside.rows, outer.sequences, strict=True)
        )
        for taps, s in zip(inside.taps, outer.initial, strict=True):
            known.update((v, s[1:]) for v in taps)
        known.update(dict(zip(inside.rest, outer.rest, strict=True)))
        values = dict(zip(inside.rest, given.rest, strict=True))
        return [
            tuple(_outside(e, row, known, values) for e in inferred_extents(row))
            for row in rows
        ]

    def refined(self, inputs: Sequence[Variable]) -> "Scan":
        """The scan whose step knows what the types of the operands tell."""
        inner = fitted(self, inputs)
        return self if inner is self.inner else self.replace(inner=inner)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """A scan over the steps in reverse; see reverse.py."""
        return pulled(self, inputs, outputs, gradients)

    def connection(self) -> tuple[bool, ...]:
        """Everything but the number of steps."""
        rest = len(self.inner_parts().rest)
        return (False, *(True,) * (self.sequences + len(self.states) + rest))

    # --- value -----------------------------------------------------------------------

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Step after step, by the references of the nodes of the step."""
        n, sequences, initial, rest = self.parts(arrays)
        steps = int(n)
        self._check_rows(steps, sequences, initial)
        histories = [list(rows) for rows in initial]
        made = self.results(self.inner.outputs)
        collected: list[list[np.ndarray]] = [[] for _ in made.collected]
        count = 0
        for t in range(steps):
            at = steps - 1 - t if self.backwards else t
            found = self._step([x[at] for x in sequences], histories, t, rest)
            for history, row, new in zip(
                histories, found.states, made.states, strict=True
            ):
                _check_row(row, history[0], new, t)
                history.append(row)
            for rows, row, new in zip(
                collected, found.collected, made.collected, strict=True
            ):
                _check_row(row, rows[0] if rows else row, new, t)
                rows.append(row)
            count += 1
            if found.last is not None and bool(found.last):
                break
        shapes = [rows[0].shape if rows else () for rows in collected]
        if not count and collected:  # no step tells the shapes: try one on zeros
            rows = [np.zeros(x.shape[1:], x.dtype) for x in sequences]
            tried = self._step(rows, histories, 0, rest)
            shapes = [row.shape for row in tried.collected]
        out = []
        for history, keep, length in zip(
            histories, self.keep, self.lengths, strict=True
        ):
            whole = length + steps if keep is None else keep
            out.append(_filled(history[-whole:] if whole else [], whole, history[0]))
        for rows, new, shape in zip(collected, made.collected, shapes, strict=True):
            if self.backwards:
                rows.reverse()
            out.append(_filled(rows, steps, np.zeros(shape, NUMPY[new.type.dtype])))
        if self.until:
            out.append(np.asarray(count, np.int64))
        return tuple(out)

    def _step(
        self,
        rows: list[np.ndarray],
        histories: list[list[np.ndarray]],
        t: int,
        rest: list[np.ndarray],
    ) -> Results:
        taps = [
            history[t + length + tap]
            for history, length, places in zip(
                histories, self.lengths, self.states, strict=True
            )
            for tap in places
        ]
        return self.results(self.inner.reference([*rows, *taps, *rest]))

    def _check_rows(
        self, steps: int, sequences: list[np.ndarray], initial: list[np.ndarray]
    ) -> None:
        inside = self.inner_parts()
        if steps < 0:
            raise ShapeError(f"scan: the number of steps is {steps}, below 0")
        for x, row in zip(sequences, inside.rows, strict=True):
            if len(x) < steps:
                raise ShapeError(
                    f"scan: {steps} steps, but a sequence has {len(x)} rows"
                    f"{listing(row)}"
                )
        for x, taps, length in zip(initial, inside.taps, self.lengths, strict=True):
            if len(x) != length:
                raise ShapeError(
                    f"scan: an initial state has {len(x)} rows, its taps ask for "
                    f"{length}{listing(taps[0])}"
                )

    def __str__(self) -> str:
        return self.name


# --- types of states ---------------------------------------------------------------


def row_type(type: TensorType) -> TensorType:
    """Type of a row of a tensor."""
    return fast_type(type.dtype, type.shape[1:])


def _stacked(row: TensorType, rows: int | None) -> TensorType:
    return fast_type(row.dtype, (rows, *row.shape))


def fitted(scan: Scan, operands: Sequence[Variable]) -> Inner:
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


def _check_step(scan: Scan) -> None:
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


def _check_operand(outer: Variable, inner: Variable, lead: int, what: str) -> None:
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


# --- extents of rows ---------------------------------------------------------------


def _outside(
    extent: AnyExtent,
    row: Variable,
    known: dict[Variable, Shape],
    values: dict[Variable, Variable],
) -> AnyExtent:
    """An extent inside the step in terms of what is outside."""
    if static(extent) is not None:
        return folded(extent)
    assert isinstance(extent, Variable)
    table: dict[Variable, Variable] = dict(values)
    for node in applies([extent]):
        if isinstance(node.op, Extent):
            (x,), (out,) = node.inputs, node.outputs
            if x in known:
                table[out] = variable(known[x][node.op.axis])
            elif (told := inferred_extents(x)[node.op.axis]) is not out:
                table[out] = variable(_outside(told, row, known, values))
    table.pop(row, None)
    (found,) = replace([extent], table)
    inside = [v for v in _sources(found) if v in known]
    if inside:
        raise ShapeError(
            f"scan: the shape of a result depends on values of the step"
            f"{listing(row, *inside)}\nAll rows of a result have one shape; pad them."
        )
    return folded(found)


def _sources(v: Variable) -> list[Variable]:
    """Variables that the value of v is computed from."""
    found: list[Variable] = [v]
    for node in applies([v]):
        found.extend(node.inputs)
    return found


# --- values ------------------------------------------------------------------------


def _check_row(row: np.ndarray, like: np.ndarray, made: Variable, t: int) -> None:
    if row.shape != like.shape:
        raise ShapeError(
            f"scan: step {t} gives shape {row.shape} where there was {like.shape}"
            f"{listing(made)}\nA step has to keep the shapes of states and results."
        )


def _filled(rows: list[np.ndarray], count: int, like: np.ndarray) -> np.ndarray:
    """The rows as one array of `count` rows; zeros where there are none."""
    out = np.zeros((count, *like.shape), like.dtype)
    if rows:
        out[: len(rows)] = rows
    return out
