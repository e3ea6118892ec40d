"""Windows that slide over spatial axes: how many fit, and what each of them covers.

Convolution and pooling share this. A window of `size` elements, `dilation` apart, spans
``(size - 1) * dilation + 1`` of an axis; it is moved by `stride` over the axis with
`low` and `high` elements of padding at its ends. Extents are ints or 0-d int64
variables. The ops are in ops/conv_ops.py and ops/pool_ops.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Variable, listing
from symgraph.core.sizes import Sizes
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.shape import (
    AnyExtent,
    add,
    floor_divide,
    multiply,
    static,
    subtract,
)

Pairs = tuple[tuple[int, int], ...]
SPATIAL = (1, 2, 3)


def span(size: AnyExtent, dilation: int = 1) -> AnyExtent:
    """Elements from the first to the last of a window, both counted.

    Examples
    --------
    >>> span(3), span(3, 2)
    (3, 5)
    """
    return add(multiply(subtract(size, 1), dilation), 1)


def count(
    extent: AnyExtent, size: AnyExtent, stride: int, padding: tuple[int, int],
    dilation: int = 1,
) -> AnyExtent:  # fmt: skip
    """How many windows fit: (extent + low + high - span) // stride + 1.

    Examples
    --------
    >>> count(28, 3, 1, (1, 1)), count(7, 2, 2, (0, 0)), count(7, 3, 1, (0, 0), 2)
    (28, 3, 3)
    """
    whole = add(extent, sum(padding) + stride)
    return floor_divide(subtract(whole, span(size, dilation)), stride)


def check_geometry(what: str, rank: int, **fields: Sequence[Any]) -> None:
    """ArgumentError unless each field has `rank` entries that make sense.

    Strides, dilations and sizes are ints from 1 up, padding pairs of ints from 0 up.
    """
    if rank not in SPATIAL:
        raise ArgumentError(f"{what}: {rank} spatial axes; it is defined for 1, 2 or 3")
    for name, values in fields.items():
        if len(values) != rank:
            raise ArgumentError(
                f"{what}: {name} {tuple(values)} has {len(values)} entries for {rank} "
                "spatial axes; give one per axis"
            )
        for value in values:
            parts, least = (value, 0) if name == "padding" else ((value,), 1)
            if any(not isinstance(p, int) or p < least for p in parts):
                raise ArgumentError(
                    f"{what}: {name} {tuple(values)}; its entries are ints from "
                    f"{least} up"
                )


def check_covers(
    what: str, extent: int | None, size: int | None, padding: tuple[int, int],
    dilation: int, axis: int, *operands: Variable,
) -> None:  # fmt: skip
    """ShapeError where a window of known size is empty or exceeds its axis."""
    if size is not None and size < 1:
        raise ShapeError(
            f"{what}: the window has extent {size} along spatial axis {axis}"
            f"{listing(*operands)}\nWindows have at least one element."
        )
    if extent is None or size is None:
        return
    reach, whole = span(size, dilation), extent + sum(padding)
    if isinstance(reach, int) and reach > whole:
        raise ShapeError(
            f"{what}: the window spans {reach} along spatial axis {axis}, the input "
            f"has {extent} and {sum(padding)} of padding{listing(*operands)}\n"
            "Pad the input, or make the window or its dilation smaller."
        )


def check_count(
    what: str, found: int | None, wanted: AnyExtent | None, axis: int,
    *operands: Variable,
) -> None:  # fmt: skip
    """ShapeError where a known number of windows is not that of the geometry."""
    told = None if wanted is None else static(wanted)
    if found is not None and told is not None and found != told:
        raise ShapeError(
            f"{what}: the gradient has extent {found} along spatial axis {axis}, the "
            f"extents given make {told}{listing(*operands)}\n"
            "Pass the extents that the forward operation had."
        )


def check_extents(what: str, given: Sequence[Variable], rank: int) -> None:
    """Refuse extents that are not `rank` 0-d int64 variables."""
    if len(given) != rank:
        raise ShapeError(f"{what}: {len(given)} extents for {rank} spatial axes")
    for v in given:
        if v.ndim or v.type.dtype != "int64":
            raise DtypeError(f"{what}: an extent must be a 0-d int64{listing(v)}")
        known = static(v)
        if known is not None and known < 0:
            raise ShapeError(f"{what}: the extent {known} is negative{listing(v)}")


def in_last_axes(where: Iterable[slice]) -> tuple[Any, ...]:
    """The index that takes these slices of the last axes, and all of those before.

    Examples
    --------
    >>> in_last_axes([slice(1, 3)])
    (Ellipsis, slice(1, 3, None))
    """
    return (..., *where)


def places(
    window: Sequence[int], strides: Sequence[int], dilation: Sequence[int],
    out: Sequence[int],
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:  # fmt: skip
    """Each element of a window, with the slices of the padded input it meets.

    Examples
    --------
    >>> list(places((2,), (3,), (4,), (5,)))
    [((0,), (slice(0, 13, 3),)), ((1,), (slice(4, 17, 3),))]
    """
    for element in np.ndindex(*window):
        starts = [r * d for r, d in zip(element, dilation, strict=True)]
        yield (
            element,
            tuple(
                slice(first, first + (n - 1) * s + 1 if n else first, s)
                for first, n, s in zip(starts, out, strides, strict=True)
            ),
        )


# --- what lowering checks -----------------------------------------------------------


def require_fit(
    sizes: Sizes, name: str, axis: int, padded: Any, window: Any, room: Any
) -> None:
    """A window is not empty, and there is room for it in a padded axis."""
    for least, what in (
        (window, "the window is empty"),
        (room, "the window exceeds it"),
    ):
        if least.constant is None or least.constant <= 0:
            where = f"spatial axis {axis} (extent {{index}} with the padding)"
            shown = range(len(sizes.inputs))[:2]
            sizes.positive(least, f"{name}: {where}: {what}", shown, padded)


def require_windows(sizes: Sizes, op: Any, position: int, out: Sequence[Any]) -> None:
    """The spatial extents of an operand are numbers of windows."""
    found = op.spatial(sizes.shapes[position])
    for axis, (n, wanted) in enumerate(zip(found, out, strict=True)):
        what = f"windows of spatial axis {axis}"
        sizes.equal(sizes.of(wanted), n, (position,), what=what)
