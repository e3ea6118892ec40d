"""What ``x[...]`` means: from a Python index to a `Plan`, and from that to ops.

An index is an int, a slice, None, Ellipsis, an integer array, or a tuple of those; ints
and bounds may be symbolic. It becomes a `Plan`: a basic part (`Subtensor`), then
integer arrays (`Take`, on flattened axes where there are several), then a dimshuffle
for None. The public functions, and writing by a plan, are in ops/getitem.py; the ops
themselves in ops/indexing.py and ops/gather.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_integer
from symgraph.core.node import Constant, Variable, listing
from symgraph.core.op import PUBLIC, as_variable, scalar_constant
from symgraph.core.record import Record
from symgraph.errors import (
    ArgumentError,
    AxisError,
    DtypeError,
    NotSupportedError,
    ShapeError,
)
from symgraph.ops.families import cast
from symgraph.ops.indexing import CheckIndex, Subtensor, Take
from symgraph.ops.shape import (
    MakeVector,
    extent,
    extent_key,
    extents,
    product,
    static,
    variable,
)
from symgraph.ops.slices import ALL, Entry, Spec

_SUPPORTED = (
    "Supported are ints, slices, None, Ellipsis and integer arrays (several of them "
    "broadcast against each other, as in x[arange(n), y])."
)


class Plan(Record):
    """A parsed index.

    Attributes
    ----------
    x : what is indexed
    spec, scalars : the basic part; array axes are whole slices in it
    arrays : (axis after the basic part, int64 indices) pairs, ascending
    pattern : dimshuffle of the result of both
    """

    x: Variable
    spec: Spec
    scalars: tuple[Variable, ...]
    arrays: tuple[tuple[int, Variable], ...]
    pattern: tuple[int | str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the basic part takes everything."""
        return all(entry == ALL for entry in self.spec)


# --- from Python to a plan ---------------------------------------------------------


def element_of(x: Variable, items: tuple[Any, ...]) -> Variable | None:
    """``x.shape[0]`` directly: an element, or a part, of a vector made of scalars."""
    if x.owner is None or not isinstance(x.owner.op, MakeVector) or len(items) != 1:
        return None
    (item,) = items
    if isinstance(item, Constant) and item.ndim == 0:
        item = item.data.item()
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        if -len(x.owner.inputs) <= item < len(x.owner.inputs):
            return x.owner.inputs[item]
    elif isinstance(item, slice):
        parts = (item.start, item.stop, item.step)
        if all(p is None or isinstance(p, int) for p in parts) and item.step != 0:
            return x.owner.op(*x.owner.inputs[item])
    return None


def parse(x: Variable, items: tuple[Any, ...]) -> Plan:
    entries = _expand(x, [_item(x, item) for item in items])
    advanced = [kind in ("int", "array") for kind, _ in entries]
    arrays_given = any(kind == "array" for kind, _ in entries)
    spec: list[Entry] = []
    scalars: list[Variable] = []
    arrays: list[tuple[int, Variable]] = []
    slots: list[Any] = []
    base_axis = 0
    for kind, value in entries:
        if kind == "new":
            slots.append("x")
            continue
        if kind == "int":
            spec.append(_number(value, scalars))
            if arrays_given:
                slots.append("advanced")
            continue
        if kind == "slice":
            parts = (_number(part, scalars) for part in value)
            spec.append(("slice", *parts))
            slots.append(base_axis)
        else:
            spec.append(ALL)
            arrays.append((base_axis, value))
            slots.append("advanced")
        base_axis += 1
    if arrays_given and not _adjacent(advanced):
        slots = ["advanced", *(slot for slot in slots if slot != "advanced")]
    rank = max((v.ndim for _, v in arrays), default=0)
    pattern = _pattern(slots, [axis for axis, _ in arrays], rank)
    return Plan(x, tuple(spec), tuple(scalars), tuple(arrays), pattern)


def _pattern(
    slots: Sequence[Any], array_axes: Sequence[int], rank: int
) -> tuple[int | str, ...]:
    """Order of the axes that `_read` gives, as the user wants them."""
    pattern: list[int | str] = []
    first = array_axes[0] if array_axes else 0
    done = False
    for slot in slots:
        if slot == "advanced":
            if not done:
                pattern.extend(range(first, first + rank))
            done = True
        elif slot == "x":
            pattern.append("x")
        else:
            before = sum(axis < slot for axis in array_axes)
            behind = slot > first and bool(array_axes)
            pattern.append(slot - before + (rank if behind else 0))
    return tuple(pattern)


def _adjacent(flags: Sequence[bool]) -> bool:
    places = [i for i, flag in enumerate(flags) if flag]
    return places[-1] - places[0] + 1 == len(places)


def _expand(x: Variable, entries: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Whole slices in place of Ellipsis and of the axes that are not named."""
    used = sum(kind in ("int", "slice", "array") for kind, _ in entries)
    if used > x.ndim:
        raise AxisError(
            f"{used} indices for {x.ndim} axes{listing(x)}\nDrop indices, or add axes "
            "with dimshuffle."
        )
    dots = [i for i, (kind, _) in enumerate(entries) if kind == "dots"]
    if len(dots) > 1:
        raise ArgumentError(
            f"an index may have one Ellipsis, not {len(dots)}{listing(x)}"
        )
    place = dots[0] if dots else len(entries)
    whole = [("slice", (None, None, None))] * (x.ndim - used)
    return entries[:place] + whole + entries[place + len(dots) :]


def _item(x: Variable, item: Any) -> tuple[str, Any]:
    """(kind, value) of one item; kind is new, dots, int, slice or array."""
    if item is None:
        return "new", None
    if item is Ellipsis:
        return "dots", None
    if isinstance(item, slice):
        return "slice", tuple(
            None if part is None else _scalar_index(x, part, "a bound of a slice")
            for part in (item.start, item.stop, item.step)
        )
    if isinstance(item, list | tuple) and not len(item):
        item = np.zeros(0, np.int64)
    if isinstance(item, list | tuple | np.ndarray):
        item = as_variable(item)
    if isinstance(item, Variable) and item.ndim:
        return "array", index_array(item)
    return "int", _scalar_index(x, item, "an index")


def _scalar_index(x: Variable, value: Any, what: str) -> Any:
    """An int, or a 0-d int64 variable."""
    if isinstance(value, np.ndarray | np.generic) and np.ndim(value) == 0:
        value = np.asarray(value).item()
    if isinstance(value, Constant) and value.ndim == 0:
        value = value.data.item()
    if isinstance(value, bool) or (
        isinstance(value, Variable) and value.type.dtype == "bool"
    ):
        raise _no_masks(x)
    if isinstance(value, int):
        return value
    if isinstance(value, Variable) and value.ndim == 0 and is_integer(value.type.dtype):
        return cast(value, "int64")
    operand = listing(value) if isinstance(value, Variable) else ""
    shown = "this" if operand else repr(value)
    raise DtypeError(
        f"{what} must be an int or a 0-d integer variable, not {shown}"
        f"{listing(x)}{operand}\n{_SUPPORTED}"
    )


def index_array(v: Variable) -> Variable:
    if v.type.dtype == "bool":
        raise _no_masks(v)
    if not is_integer(v.type.dtype):
        raise DtypeError(
            f"an index must hold integers, it is {v.type.dtype}{listing(v)}\n"
            "Cast it to int64."
        )
    return cast(v, "int64")


def _no_masks(v: Variable) -> NotSupportedError:
    return NotSupportedError(
        "indexing with a boolean mask is not supported, because the number of elements "
        f"it selects is known only at run time{listing(v)}\n"
        f"Use switch(mask, x, other), or multiply by the mask. {_SUPPORTED}"
    )


def _number(value: Any, scalars: list[Variable]) -> Any:
    if isinstance(value, Variable):
        scalars.append(value)
        return "v"
    return value


# --- from a plan to ops ------------------------------------------------------------


def read(plan: Plan) -> Variable:
    x = plan.x
    if not plan.arrays:
        return Subtensor(plan.spec)(x, *plan.scalars)
    base = x if plan.is_whole else Subtensor(plan.spec)(x, *plan.scalars)
    if is_pick(plan, base):
        return picked(rows_of(plan, base), plan.arrays[-1][1])
    if len(plan.arrays) == 1:
        axis, indices = plan.arrays[0]
        return Take(axis)(base, indices)
    merged, flat, axis = merged_axes(plan, base)
    return Take(axis)(merged, flat)


def is_pick(plan: Plan, base: Variable) -> bool:
    """Whether the index is ``x[arange(n), y]`` with n the number of rows.

    An n that is not known counts as the number of rows, which is checked at run time.
    """
    if len(plan.arrays) != 2 or base.ndim != 2:
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


def merged_axes(plan: Plan, base: Variable) -> tuple[Variable, Variable, int]:
    """The indexed axes of `base` as one, and the index into it."""
    axes = [axis for axis, _ in plan.arrays]
    first = axes[0]
    order = gathered(axes, base.ndim)
    shape = extents(base)
    moved = (
        PUBLIC["dimshuffle"](base, *order) if order != list(range(base.ndim)) else base
    )
    rest = [shape[axis] for axis in order[first + len(axes) :]]
    merged = PUBLIC["reshape"](
        moved, (*shape[:first], product(shape[axis] for axis in axes), *rest)
    )
    flat: Any = None
    for axis, indices in plan.arrays:
        checked = CheckIndex()(indices, variable(shape[axis]))
        flat = checked if flat is None else flat * variable(shape[axis]) + checked
    return merged, flat, first


def gathered(axes: Sequence[int], ndim: int) -> list[int]:
    """All axes, the indexed ones side by side at the place of the first."""
    first = axes[0]
    rest = [axis for axis in range(first, ndim) if axis not in axes]
    return [*range(first), *axes, *rest]


def picked(x: Variable, y: Variable) -> Variable:
    """out[i] = x[i, y[i]], as a sum over a mask; see `symgraph.tensor.pick`."""
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
        return cast(picked(cast(x, "int8"), y), "bool")
    chosen = PUBLIC["switch"](mask_of(x, y), x, scalar_constant(0, x.type.dtype))
    return PUBLIC["sum"](chosen, axis=-1, dtype=x.type.dtype)


def mask_of(x: Variable, y: Variable) -> Variable:
    """mask[i, j] = (y[i] == j), of the shape of x; y is checked."""
    rows, width = extents(x)[:-1], extent(x, x.ndim - 1)
    checked = CheckIndex()(y, variable(width))
    same = all(
        extent_key(a) == extent_key(b) for a, b in zip(extents(y), rows, strict=True)
    )
    if y.ndim == 1 and not same:  # a reshape, so that one label never stands for all
        column = PUBLIC["reshape"](checked, (rows[0], 1))
    else:
        column = PUBLIC["dimshuffle"](checked, *range(y.ndim), "x")
    return PUBLIC["eq"](column, PUBLIC["arange"](variable(width)))
