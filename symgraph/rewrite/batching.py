"""One node for all steps of a loop at once: the same op with a time axis in front.

`batched(node, operands, n)` applies the op of a node of a step to operands that have a
value for each step (rows in axis 0) or the same value in all steps. An op that is not in
the table, or is used in a way that the table does not know, gives None: it stays in the
loop. In: `Timed` operands. Out: `Timed` results.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from symgraph.core.node import Apply, Op, Variable
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.contraction import BatchedDot, Dot
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.indexing import SetSubtensor, Subtensor, Take
from symgraph.ops.movement import Concatenate, DimShuffle, Reshape
from symgraph.ops.nnet import LogSoftmax, LogSumExp, Softmax
from symgraph.ops.reduction import ArgReduce, Reduce
from symgraph.ops.shape import (
    Extent,
    MakeVector,
    SpecifyShape,
    extents,
    multiply,
    static,
    variable,
)
from symgraph.ops.slices import ALL, Spec


class Timed(NamedTuple):
    """A value of all steps: with time as axis 0 if `timed`, else equal in all."""

    v: Variable
    timed: bool

    @property
    def rank(self) -> int:
        """Rank of the value in one step."""
        return self.v.ndim - self.timed


def batched(node: Apply, operands: Sequence[Timed], n: Variable) -> list[Timed] | None:
    """The outputs of a node for all n steps; None where the table does not help."""
    if not any(operand.timed for operand in operands):
        op = node.op.refined([operand.v for operand in operands])
        return [Timed(v, False) for v in op.make(*(o.v for o in operands))]
    rule = TABLE.get(type(node.op))
    if rule is None:
        return None
    found = rule(node.op, operands, n)
    return None if found is None else [found]


def spread(operand: Timed, n: Variable) -> Variable:
    """A value with a time axis, repeated where it is the same in all steps."""
    if operand.timed:
        return operand.v
    shape = map(variable, extents(operand.v))
    found: Variable = BroadcastTo(operand.v.ndim + 1)(operand.v, n, *shape)
    return found


def _apply(op: Op, *operands: Variable) -> Timed:
    return Timed(op.make(*operands)[0], True)


def _pattern(operand: Timed, *pattern: Any) -> Variable:
    """A dimshuffle of the axes of a row; time stays in front."""
    moved = tuple(p if p == "x" else p + 1 for p in pattern)
    if moved == tuple(range(1, operand.v.ndim)):
        return operand.v
    return DimShuffle((0, *moved)).make(operand.v)[0]


def _lifted(operand: Timed, rank: int) -> Variable:
    """An operand whose rows have `rank` axes, aligned at the last one."""
    if not operand.timed or operand.rank == rank:
        return operand.v
    return _pattern(operand, *["x"] * (rank - operand.rank), *range(operand.rank))


# --- the table ---------------------------------------------------------------------


def _elementwise(op: Op, operands: Sequence[Timed], n: Variable) -> Timed | None:
    rank = max(operand.rank for operand in operands)
    return _apply(op, *(_lifted(operand, rank) for operand in operands))


def _dimshuffle(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    pattern = tuple(p if p == "x" else p + 1 for p in op.pattern)
    return _apply(DimShuffle((0, *pattern)), operands[0].v)


def _to_shape(kind: type[Any]) -> Callable[..., Timed | None]:
    def rule(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
        x, *shape = operands
        if any(e.timed for e in shape):
            return None
        v = _lifted(x, op.ndim) if kind is BroadcastTo else x.v
        return _apply(kind(op.ndim + 1), v, n, *(e.v for e in shape))

    return rule


def _specify(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    x = operands[0].v
    return _apply(SpecifyShape((x.type.shape[0], *op.shape)), x)


def _subtensor(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    x, *scalars = operands
    if not any(s.timed for s in scalars):
        return _apply(Subtensor((ALL, *op.spec)), x.v, *(s.v for s in scalars))
    axis = indexed_axis(op.spec)
    if x.timed or axis is None:
        return None
    rows = Take(axis).make(x.v, scalars[0].v)[0]
    if axis == 0:
        return Timed(rows, True)
    pattern = (axis, *(i for i in range(rows.ndim) if i != axis))
    return _apply(DimShuffle(pattern), rows)


def indexed_axis(spec: Spec) -> int | None:
    """The axis of a spec that is read at one symbolic index, all else as it is."""
    cut = [axis for axis, entry in enumerate(spec) if entry != ALL]
    return cut[0] if len(cut) == 1 and spec[cut[0]] == "v" else None


def _set_subtensor(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    x, y, *scalars = operands
    if any(s.timed for s in scalars):
        return None
    new = y.v if y.timed else DimShuffle(("x", *range(y.v.ndim))).make(y.v)[0]
    made = SetSubtensor((ALL, *op.spec), op.mode)
    return _apply(made, spread(x, n), new, *(s.v for s in scalars))


def _reduce(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    return _apply(op.replace(axes=tuple(a + 1 for a in op.axes)), operands[0].v)


def _along_axis(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    return _apply(op.replace(axis=op.axis + 1), operands[0].v)


def _extent(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    return Timed(Extent(op.axis + 1).make(operands[0].v)[0], False)


def _concatenate(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    return _apply(Concatenate(op.axis + 1), *(spread(o, n) for o in operands))


def _make_vector(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    columns = [DimShuffle((0, "x")).make(spread(o, n))[0] for o in operands]
    return (
        _apply(Concatenate(1), *columns)
        if len(columns) > 1
        else Timed(columns[0], True)
    )


def _take(op: Any, operands: Sequence[Timed], n: Variable) -> Timed | None:
    x, places = operands
    if x.timed and not places.timed:
        return _apply(Take(op.axis + 1), x.v, places.v)
    if places.timed and not x.timed and op.axis == 0:
        return _apply(Take(0), x.v, places.v)
    return None


def _dot(op: Op, operands: Sequence[Timed], n: Variable) -> Timed | None:
    a, b = operands
    if a.timed and b.timed:
        return _both(a, b)
    if a.timed:
        return Timed(_rows_times(a, b.v), True)
    # a is the same in all steps: out.T = b.T @ a.T
    left = a.v if a.rank == 1 else DimShuffle((1, 0)).make(a.v)[0]
    if b.rank == 1:
        return Timed(_rows_times(b, left), True)
    turned = Timed(_pattern(b, 1, 0), True)
    found = Timed(_rows_times(turned, left), True)
    return found if found.rank < 2 else Timed(_pattern(found, 1, 0), True)


def _rows_times(a: Timed, b: Variable) -> Variable:
    """Rows of all steps as one matrix, times b."""
    if a.rank == 1:
        return Dot().make(a.v, b)[0]
    steps, rows, inner = extents(a.v)
    both = variable(multiply(steps, rows))
    flat = Reshape(2).make(a.v, both, variable(inner))[0]
    out = Dot().make(flat, b)[0]
    shape = (steps, rows, *extents(out)[1:])
    return Reshape(len(shape)).make(out, *map(variable, shape))[0]


def _both(a: Timed, b: Timed) -> Timed | None:
    left = a.v if a.rank == 2 else _pattern(a, "x", 0)
    right = b.v if b.rank == 2 else _pattern(b, 0, "x")
    out = BatchedDot().make(left, right)[0]
    axes = [0]
    if a.rank == 2:
        axes.append(1)
    if b.rank == 2:
        axes.append(2)
    if len(axes) == 3:
        return Timed(out, True)
    return Timed(DimShuffle(tuple(axes)).make(out)[0], True)


TABLE: dict[type[Op], Callable[..., Timed | None]] = {
    ArgReduce: _reduce,
    BroadcastTo: _to_shape(BroadcastTo),
    Cast: _elementwise,
    Concatenate: _concatenate,
    DimShuffle: _dimshuffle,
    Dot: _dot,
    Elementwise: _elementwise,
    Extent: _extent,
    LogSoftmax: _along_axis,
    LogSumExp: _reduce,
    MakeVector: _make_vector,
    Reduce: _reduce,
    Reshape: _to_shape(Reshape),
    SetSubtensor: _set_subtensor,
    Softmax: _along_axis,
    SpecifyShape: _specify,
    Subtensor: _subtensor,
    Take: _take,
}


def rows_of(x: Variable, n: Variable) -> Variable:
    """The first n rows of x, which is x where that is known to be all."""
    if static(n) is not None and static(n) == x.type.shape[0]:
        return x
    spec = (("slice", None, "v", None), *(ALL,) * (x.ndim - 1))
    return Subtensor(spec).make(x, n)[0]
