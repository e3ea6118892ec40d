"""What ``x[...]`` means: from a Python index to a `Plan`.

An index is an int, a slice, None, Ellipsis, an integer array, a boolean mask, or a tuple
of those; ints and bounds may be symbolic. It becomes a `Plan`: a basic part, axes that
are merged where one mask covers them, then integer arrays, then a dimshuffle for None
and for NumPy's order of axes. Reading and writing by a plan is in ops/reading.py and
ops/writing.py, the public functions in ops/getitem.py.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_integer
from symgraph.core.node import Constant, Variable, as_variable, listing
from symgraph.core.record import Record
from symgraph.errors import ArgumentError, AxisError, DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.masks import fitted, mask_positions, masked_by, stretched
from symgraph.ops.shape import MakeVector
from symgraph.ops.slices import ALL, Entry, Spec

_SUPPORTED = (
    "An index is an int, a slice, None, Ellipsis, an array of integers or bools, or a "
    "tuple of those (arrays broadcast against each other, as in x[arange(n), y])."
)
#: axes of the operand that an entry takes, beside a mask
_TAKES = {"new": 0, "dots": 0, "int": 1, "slice": 1, "array": 1}


class Plan(Record):
    """A parsed index.

    Attributes
    ----------
    x : what is indexed
    spec, scalars : the basic part; array axes are whole slices in it
    folds : for each axis after merging, how many axes of the basic part it holds
    arrays : (axis after merging, int64 indices) pairs, ascending
    axes : for each of the arrays, the axis of x that it indexes
    mask : (axis after merging, mask) of the only array, if that is a mask
    pattern : dimshuffle of the result of all that
    """

    x: Variable
    spec: Spec
    scalars: tuple[Variable, ...]
    folds: tuple[int, ...]
    arrays: tuple[tuple[int, Variable], ...]
    axes: tuple[int, ...]
    mask: tuple[int, Variable] | None
    pattern: tuple[int | str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the basic part takes everything."""
        return all(entry == ALL for entry in self.spec)

    @property
    def is_folded(self) -> bool:
        """Whether axes are merged."""
        return any(count != 1 for count in self.folds)


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


# --- from entries to a plan --------------------------------------------------------


def parse(x: Variable, items: tuple[Any, ...]) -> Plan:
    """The plan of ``x[items]``."""
    entries = _with_masks(x, _expand(x, [_item(x, item) for item in items]))
    has_arrays = any(kind in ("array", "mask") for kind, _ in entries)
    spec: list[Entry] = []
    scalars: list[Variable] = []
    folds: list[int] = []
    arrays: list[tuple[int, Variable]] = []
    axes: list[int] = []
    mask: tuple[int, Variable] | None = None
    slots: list[Any] = []
    for kind, value in entries:
        match kind:
            case "new":
                slots.append("x")
            case "dots":
                continue
            case "int":
                spec.append(_number(value, scalars))
                if has_arrays:
                    slots.append("advanced")
            case "slice":
                spec.append(("slice", *(_number(part, scalars) for part in value)))
                slots.append(len(folds))
                folds.append(1)
            case "array" | "mask":
                count = value.ndim if kind == "mask" else 1
                if kind == "mask":
                    checked = fitted(value, x, len(spec))
                    mask = len(folds), checked
                    value = mask_positions(value, checked)
                arrays.append((len(folds), value))
                axes.append(len(spec))
                spec += [ALL] * count
                slots.append("advanced")
                folds.append(count)
    if has_arrays and not _adjacent([kind for kind, _ in entries]):
        slots = ["advanced", *(slot for slot in slots if slot != "advanced")]
    if len(arrays) > 1:
        values = [stretched(v, arrays) for _, v in arrays]
        arrays = [(axis, v) for (axis, _), v in zip(arrays, values, strict=True)]
    rank = max((v.ndim for _, v in arrays), default=0)
    pattern = _pattern(slots, [axis for axis, _ in arrays], rank)
    _check_broadcast(x, [v for _, v in arrays])
    return Plan(
        x, tuple(spec), tuple(scalars), tuple(folds), tuple(arrays), tuple(axes),
        mask if len(arrays) == 1 else None, pattern,
    )  # fmt: skip


def _with_masks(x: Variable, entries: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Masks in place of what `nonzero` made of them."""
    made: list[tuple[str, Any]] = []
    axis = skip = 0
    for number, (kind, value) in enumerate(entries):
        if skip:
            skip -= 1
            continue
        if kind == "array":
            mask = masked_by(_run_of_arrays(entries[number:]), x, axis)
            if mask is not None:
                kind, value, skip = "mask", mask, mask.ndim - 1
        made.append((kind, value))
        axis += value.ndim if kind == "mask" else _TAKES[kind]
    return made


def _run_of_arrays(entries: Sequence[tuple[str, Any]]) -> list[Variable]:
    """The index arrays that stand side by side at the front."""
    arrays = takewhile(lambda entry: entry[0] == "array", entries)
    return [value for _, value in arrays]


def _check_broadcast(x: Variable, arrays: Sequence[Variable]) -> None:
    rank = max((v.ndim for v in arrays), default=0)
    for axis in range(-rank, 0):
        column = (v.type.shape[axis] for v in arrays if -axis <= v.ndim)
        known = {e for e in column if e is not None and e != 1}
        if len(known) > 1:
            raise ShapeError(
                f"x[...]: the index arrays do not broadcast together, extents "
                f"{sorted(known)} differ{listing(x, *arrays)}\nGive them one shape; a "
                "mask counts as a vector with an element for each True."
            )


def _pattern(
    slots: Sequence[Any], array_axes: Sequence[int], rank: int
) -> tuple[int | str, ...]:
    """Order of the axes that reading gives, as the user wants them."""
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


def _adjacent(kinds: Sequence[str]) -> bool:
    """Whether nothing, not even an empty Ellipsis, stands between advanced indices."""
    flags = [kind in ("int", "array", "mask") for kind in kinds]
    places = [i for i, flag in enumerate(flags) if flag]
    return places[-1] - places[0] + 1 == len(places)


def _expand(x: Variable, entries: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Whole slices behind Ellipsis, and for the axes that are not named."""
    used = sum(
        value.ndim if kind == "mask" else _TAKES[kind] for kind, value in entries
    )
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
    place = dots[0] + 1 if dots else len(entries)
    whole = [("slice", (None, None, None))] * (x.ndim - used)
    return entries[:place] + whole + entries[place:]


# --- items -------------------------------------------------------------------------


def _item(x: Variable, item: Any) -> tuple[str, Any]:
    """(kind, value) of one item; kind is new, dots, int, slice, array or mask."""
    if item is None:
        return "new", None
    if item is Ellipsis:
        return "dots", None
    if isinstance(item, slice):
        return "slice", tuple(
            None if part is None else _scalar_index(x, part, "a bound of a slice")
            for part in (item.start, item.stop, item.step)
        )
    if isinstance(item, list | tuple) and not any(_leaves(item)):
        item = np.zeros(np.shape(item), np.int64)
    if isinstance(item, list | tuple | np.ndarray | bool | np.bool):
        item = as_variable(item, "bool" if isinstance(item, bool) else None)
    if isinstance(item, Variable) and item.type.dtype == "bool":
        return "mask", item
    if isinstance(item, Variable) and item.ndim:
        return "array", index_array(item)
    return "int", _scalar_index(x, item, "an index")


def _leaves(item: Sequence[Any]) -> Iterator[bool]:
    for value in item:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield True


def _scalar_index(x: Variable, value: Any, what: str) -> Any:
    """An int, or a 0-d int64 variable."""
    if isinstance(value, np.ndarray | np.generic) and np.ndim(value) == 0:
        value = np.asarray(value).item()
    if isinstance(value, Constant) and value.ndim == 0:
        value = value.data.item()
    if isinstance(value, int) and not isinstance(value, bool):
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
    """Integers as int64; DtypeError for anything else."""
    if not is_integer(v.type.dtype):
        raise DtypeError(
            f"an index must hold integers, it is {v.type.dtype}{listing(v)}\n"
            "Cast it to int64, or index with a mask: x[mask]."
        )
    return cast(v, "int64")


def _number(value: Any, scalars: list[Variable]) -> Any:
    if isinstance(value, Variable):
        scalars.append(value)
        return "v"
    return value
