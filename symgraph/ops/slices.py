"""The algebra of basic indices: what a spec selects, in ints and in expressions.

A spec has one entry per axis of the operand: an int (the axis is dropped), ``"v"`` (the
same, the index is the next scalar operand), or ``("slice", start, stop, step)`` with
each part an int, None, or ``"v"`` (the next scalar operand). Bounds follow Python:
negative ones count from the end, ones outside the axis are clipped. The ops that carry
specs are in ops/indexing.py.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Extent as AnyExtent
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.errors import IndexRangeError
from symgraph.ops.shape import (
    add,
    extent_key,
    floor_divide,
    is_never_negative,
    offset,
    static,
    subtract,
)

Part = int | str | None
Entry = int | str | tuple[str, Part, Part, Part]
Spec = tuple[Entry, ...]
ALL: Entry = ("slice", None, None, None)


def known_slice(entry: Entry) -> slice:
    """Python's slice of an entry without scalars.

    Examples
    --------
    >>> known_slice(("slice", 1, None, 2))
    slice(1, None, 2)
    """
    assert isinstance(entry, tuple)
    start, stop, step = (None if part is None else int(part) for part in entry[1:])
    return slice(start, stop, step)


def is_slice(entry: Entry) -> bool:
    """Whether the axis stays."""
    return isinstance(entry, tuple)


def scalar_count(spec: Spec) -> int:
    """How many scalar operands a spec needs."""
    return sum(
        entry == "v" if not isinstance(entry, tuple) else entry[1:].count("v")
        for entry in spec
    )


def filled(spec: Spec, scalars: Sequence[Any]) -> list[Any]:
    """The spec with scalars in place of ``"v"``: values, or ``(start, stop, step)``."""
    rest = iter(scalars)

    def fill(part: Part) -> Any:
        return next(rest) if part == "v" else part

    return [
        tuple(fill(part) for part in entry[1:])
        if isinstance(entry, tuple)
        else fill(entry)
        for entry in spec
    ]


def static_length(entry: Entry, extent: int | None) -> int | None:
    """Elements that a slice selects of an axis, None where it is not known."""
    assert isinstance(entry, tuple)
    _, start, stop, step = entry
    if "v" in (start, stop, step):
        return None
    if extent is not None:
        return len(range(*slice(start, stop, step).indices(extent)))
    if isinstance(start, int) and isinstance(stop, int):
        ascending = step is None or int(step) > 0
        if (start < 0) == (stop < 0) and (
            stop <= start if ascending else start <= stop
        ):
            return 0
    return None


def same_length(entry: Entry) -> bool:
    """Whether a slice selects the whole axis, forwards or backwards."""
    return isinstance(entry, tuple) and entry[1:] in (
        (None, None, None), (0, None, None), (None, None, 1), (0, None, 1),
        (None, None, -1), (-1, None, -1),
    )  # fmt: skip


def numpy_key(
    spec: Spec, scalars: Sequence[np.ndarray], shape: tuple[int, ...], what: str
) -> tuple[Any, ...]:
    """The index for NumPy; IndexRangeError where an int lies outside its axis."""
    key: list[Any] = []
    pairs = zip(filled(spec, [int(s) for s in scalars]), shape, strict=True)
    for axis, (entry, extent) in enumerate(pairs):
        if isinstance(entry, tuple):
            if entry[2] == 0:
                raise IndexRangeError(
                    f"{what}: the step of the slice of axis {axis} is 0"
                )
            key.append(slice(*entry))
            continue
        check_range(entry, extent, axis, what)
        key.append(entry)
    return tuple(key)


def check_range(
    index: int, extent: int, axis: int, what: str, operand: str = ""
) -> None:
    """IndexRangeError where an index lies outside its axis."""
    if not -extent <= index < extent:
        allowed = f"{-extent}..{extent - 1}" if extent else "none, the axis is empty"
        raise IndexRangeError(
            f"{what}: index {index} lies outside axis {axis} of extent {extent}"
            f"{operand}\nIndices it takes: {allowed}."
        )


def slice_bounds(
    parts: Sequence[Any], extent: AnyExtent
) -> tuple[AnyExtent, AnyExtent, AnyExtent]:
    """(first, length, step) of a slice of an axis, as ints or 0-d int64 variables.

    `parts` are start, stop and step, each None, an int or a 0-d int64 variable. Element
    i of the result is element ``first + i * step`` of the axis. `first` counts only
    where length is not 0.

    Examples
    --------
    >>> slice_bounds((None, -1, 2), 10), slice_bounds((None, None, -1), 4)
    ((0, 5, 2), (3, 4, -1))
    """
    start, stop, step = parts
    number = 1 if step is None else static(step)
    if number is not None:
        first, length = _bounds(start, stop, number, number > 0, extent)
        return first, length, number
    up, down = (_bounds(start, stop, step, way, extent) for way in (True, False))
    ascending = PUBLIC["gt"](step, 0)
    first, length = (
        a if a is b else PUBLIC["switch"](ascending, _int64(a), _int64(b))
        for a, b in zip(up, down, strict=True)
    )
    return first, length, step


def wrapped(index: AnyExtent, extent: AnyExtent) -> AnyExtent:
    """An index counted from the start of its axis: extent is added to negative ones."""
    number = static(index)
    if number is not None:
        return number if number >= 0 else add(extent, number)
    if is_never_negative(index):
        return index
    return PUBLIC["switch"](PUBLIC["lt"](index, 0), add(index, extent), index)


def _bounds(
    start: Any, stop: Any, step: Any, ascending: bool, extent: AnyExtent
) -> tuple[AnyExtent, AnyExtent]:
    last = subtract(extent, 1)
    low, high = (0, extent) if ascending else (-1, last)
    first = (0 if ascending else last) if start is None else _clipped(
        start, extent, low, high
    )  # fmt: skip
    end = (extent if ascending else -1) if stop is None else _clipped(
        stop, extent, low, high
    )  # fmt: skip
    span = subtract(end, first) if ascending else subtract(first, end)
    positive_start = static(first) == 0 and ascending
    if start is not None and stop is not None and not positive_start:
        span = _larger(span, 0)
    stride = step if ascending else subtract(0, step)
    return first, floor_divide(add(span, subtract(stride, 1)), stride)


def _clipped(
    value: AnyExtent, extent: AnyExtent, low: AnyExtent, high: AnyExtent
) -> AnyExtent:
    number = static(value)
    if number is not None and number < 0:
        return _larger(add(extent, number), low)
    if number is not None or is_never_negative(value):
        return _smaller(value, high)
    return _smaller(_larger(wrapped(value, extent), low), high)


def _larger(a: AnyExtent, b: AnyExtent) -> AnyExtent:
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    return PUBLIC["maximum"](_int64(a), _int64(b))


def _smaller(a: AnyExtent, b: AnyExtent) -> AnyExtent:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    (left, one), (right, other) = offset(a), offset(b)
    if extent_key(left) == extent_key(right):
        return a if one <= other else b
    if static(left) is not None and one <= other and is_never_negative(right):
        return a
    return PUBLIC["minimum"](_int64(a), _int64(b))


def _int64(value: AnyExtent) -> Any:
    return value if isinstance(value, Variable) else np.int64(value)


def rendered(spec: Spec, operand: str, scalars: Sequence[str]) -> str:
    """The index as the user wrote it: ``x[1:3, ::-1]``."""
    names = iter(scalars)
    text = ", ".join(_rendered_entries(spec, names))
    simple = operand.replace("_", "").replace(".", "").isalnum() or operand[-1:] in ")]"
    if simple and " " in operand and not operand.endswith("]"):
        simple = operand.startswith("(") or operand.split("(")[0].isidentifier()
    return f"{operand}[{text}]" if simple else f"({operand})[{text}]"


def _rendered_entries(spec: Spec, names: Iterator[str]) -> Iterator[str]:
    kept = list(spec)
    while len(kept) > 1 and kept[-1] == ALL:
        kept.pop()
    if not kept:
        yield "()"
    for entry in kept:
        if isinstance(entry, tuple):
            start, stop, step = (
                next(names) if part == "v" else "" if part is None else str(part)
                for part in entry[1:]
            )
            yield f"{start}:{stop}" + (f":{step}" if step else "")
        else:
            yield next(names) if entry == "v" else str(entry)
