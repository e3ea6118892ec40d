"""Reading by a plan: what a `Plan` becomes when ``x[index]`` is an expression.

Slices are a `Subtensor`, one integer array a `Take`, several a `Take` at linear indices
into the axes they index, merged. ``x[arange(n), y]`` is a sum over a one-hot mask, which
fuses. In: plans of ops/index_plan.py. Writing is in ops/writing.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Constant, Variable, listing, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.errors import ShapeError
from symgraph.ops.families import Elementwise, cast
from symgraph.ops.index_plan import Plan
from symgraph.ops.indexing import CheckIndex, Subtensor, Take
from symgraph.ops.shape import (
    AnyExtent,
    extent,
    extent_key,
    extents,
    product,
    static,
    variable,
)
from symgraph.ops.slices import ALL

Arrays = Sequence[tuple[int, Variable]]


def read(plan: Plan) -> Variable:
    """The indexed part, its axes in the order in which the ops give them."""
    base = basic_part(plan)
    if not plan.arrays:
        return base
    if is_pick(plan, base):
        return picked(rows_of(plan, base), plan.arrays[-1][1])
    base = folded(base, plan)
    if len(plan.arrays) == 1:
        axis, indices = plan.arrays[0]
        return Take(axis, plan.mask is not None)(base, indices)
    merged, flat, axis = merged_axes(base, plan.arrays, plan)
    return Take(axis, True)(merged, flat)


def basic_part(plan: Plan) -> Variable:
    """What the ints and slices select."""
    if plan.is_whole and plan.arrays:
        return plan.x
    return Subtensor(plan.spec)(plan.x, *plan.scalars)


def folded(base: Variable, plan: Plan) -> Variable:
    """The basic part with the axes of each mask merged into one."""
    if not plan.is_folded:
        return base
    left = list(extents(base))
    shape: list[AnyExtent] = []
    for count in plan.folds:
        shape.append(product(left[:count]))
        del left[:count]
    return PUBLIC["reshape"](base, tuple(shape))


def merged_axes(
    base: Variable, arrays: Arrays, plan: Plan | None = None
) -> tuple[Variable, Variable, int]:
    """`base` with its axes from the first to the last indexed one merged, the linear
    index into the merged axis, and its number.

    The index has the axes of the arrays' broadcast, then the axes that lie between
    indexed ones, which are taken whole.
    """
    first, last = arrays[0][0], arrays[-1][0]
    shape = extents(base)
    given = dict(arrays)
    between = [axis for axis in range(first, last) if axis not in given]
    rank = max(v.ndim for v in given.values())
    merged = PUBLIC["reshape"](
        base, (*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :])
    )
    flat: Any = None
    for axis in range(first, last + 1):
        size = variable(shape[axis])
        if axis in given:
            number = len([a for a, _ in arrays if a < axis])
            own = -1 if plan is None else plan.axes[number]
            one: Any = CheckIndex(own, name_of(plan))(given[axis], size)
            pattern = [*range(one.ndim), *["x"] * len(between)]
        else:
            one = PUBLIC["arange"](shape[axis])
            place = between.index(axis)
            pattern = ["x"] * (rank + len(between))
            pattern[rank + place] = 0
        one = PUBLIC["dimshuffle"](one, *pattern)
        flat = one if flat is None else flat * size + one
    return merged, flat, first


def name_of(plan: Plan | None) -> str:
    """The name of what is indexed, for errors of the run."""
    return "" if plan is None or plan.x.name is None else plan.x.name


# --- one element of each row -------------------------------------------------------


def is_pick(plan: Plan, base: Variable) -> bool:
    """Whether the index is ``x[arange(n), y]`` with n the number of rows.

    An n that is not known counts as the number of rows, which is checked at run time.
    """
    if len(plan.arrays) != 2 or base.ndim != 2 or plan.is_folded:
        return False
    (_, first), (_, last) = plan.arrays
    if first.ndim != 1 or last.ndim != 1:
        return False
    count: int | None
    if isinstance(first, Constant):
        count = first.data.size
        if not np.array_equal(first.data, np.arange(count)):
            return False
    elif first.owner is not None and first.owner.op.name == "iota":
        count = static(first.owner.inputs[0])
    else:
        return False
    if count is not None and base.type.shape[0] is None:
        return False  # it may have more rows than that
    known = {count, last.type.shape[0]} - {None}
    return 1 not in known and len(known) <= 1


def rows_of(plan: Plan, base: Variable) -> Variable:
    """The first n rows, where n is known and not the number of rows."""
    length = plan.arrays[0][1].type.shape[0]
    if length is None or length == base.type.shape[0]:
        return base
    return Subtensor((("slice", 0, length, None), ALL))(base)


def picked(x: Variable, y: Variable, negative: bool = True) -> Variable:
    """out[i] = x[i, y[i]], as a sum over a mask; see `symgraph.tensor.pick`.

    Negative y count from the end, or fail without `negative`.
    """
    if x.ndim != y.ndim + 1:
        raise ShapeError(
            f"pick: x must have one axis more than y{listing(x, y)}\n"
            "Flatten or dimshuffle one of them."
        )
    for axis, (a, b) in enumerate(zip(x.type.shape, y.type.shape, strict=False)):
        if a is not None and b is not None and a != b:
            raise ShapeError(
                f"pick: extents of axis {axis} differ, {a} (x) and {b} (y)"
                f"{listing(x, y)}"
            )
    if x.type.dtype == "bool":
        return cast(picked(cast(x, "int8"), y, negative), "bool")
    chosen = PUBLIC["switch"](
        mask_of(x, y, negative), x, scalar_constant(0, x.type.dtype)
    )
    return PUBLIC["sum"](chosen, axis=-1, dtype=x.type.dtype)


def mask_of(x: Variable, y: Variable, negative: bool = True) -> Variable:
    """mask[i, j] = (y[i] == j), of the shape of x; y is checked."""
    rows, width = extents(x)[:-1], extent(x, x.ndim - 1)
    checked = CheckIndex(x.ndim - 1, x.name or "", negative)(y, variable(width))
    same = all(
        extent_key(a) == extent_key(b) for a, b in zip(extents(y), rows, strict=True)
    )
    if y.ndim == 1 and not same:  # a reshape, so that one label never stands for all
        column = PUBLIC["reshape"](checked, (rows[0], 1))
    else:
        column = PUBLIC["dimshuffle"](checked, *range(y.ndim), "x")
    return PUBLIC["eq"](column, PUBLIC["arange"](variable(width)))


def is_mask(v: Variable) -> bool:
    """Whether v is what `mask_of` gives: which element of each row is picked."""
    node = v.owner
    if node is None or node.op != Elementwise("eq"):
        return False
    column = node.inputs[0].owner
    checked = column.inputs[0].owner if column is not None and column.inputs else None
    return checked is not None and isinstance(checked.op, CheckIndex)
