"""What each op requires of the extents of its operands, as a table by the op's name.

A requirement equates sizes, or notes that an index must lie in its axis; see
lower/extents.py, which calls them while it walks a graph. In: an application and the
extents of its operands. Out: checks.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from symgraph.core.node import Apply, Variable, described, listing
from symgraph.lower.checks import Range
from symgraph.lower.sizes import ONE, Poly, poly, product
from symgraph.ops.shape import folded
from symgraph.ops.slices import filled, slice_bounds

if TYPE_CHECKING:
    from symgraph.lower.extents import Extents

Shape = tuple[Poly, ...]

Requirement = Callable[["Extents", Apply, list[Shape]], None]


def _dot(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    a, b = shapes
    inner = b[0] if len(b) == 1 else b[-2]
    extents.equate(a[-1], inner, node, (0, 1), None, "inner extents")


def _batched_dot(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    a, b = shapes
    extents.equate(a[0], b[0], node, (0, 1), None, "batch extents")
    extents.equate(a[2], b[1], node, (0, 1), None, "inner extents")


def _gemm(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    z, _, a, b, _ = shapes
    extents.equate(a[1], b[0], node, (2, 3), None, "inner extents")
    extents.equate(z[0], a[0], node, (0, 2), None, "rows")
    extents.equate(z[1], b[1], node, (0, 3), None, "columns")


def _concatenate(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    joined = node.op.axis  # type: ignore[attr-defined]
    for i, shape in enumerate(shapes[1:], 1):
        for axis, size in enumerate(shape):
            if axis != joined:
                extents.equate(shapes[0][axis], size, node, (0, i), axis)


def _reshape(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    new = product([extents.atoms.poly(v) for v in node.inputs[1:]])
    extents.equate(product(shapes[0]), new, node, (0,), None, "number of elements")


def _broadcast_to(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    new = [extents.atoms.poly(v) for v in node.inputs[1:]]
    offset = len(new) - len(shapes[0])
    for axis, size in enumerate(shapes[0]):
        wanted = new[offset + axis]
        if size != ONE:
            extents.equate(size, wanted, node, (0,), axis, broadcast=wanted != ONE)


def _scatter(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    base, indices, values = shapes
    axis = node.op.axis  # type: ignore[attr-defined]
    wanted = base[:axis] + indices + base[axis + 1 :]
    for i, (size, want) in enumerate(zip(values, wanted, strict=True)):
        extents.equate(want, size, node, (0, 2), i)


def region_of(extents: "Extents", node: Apply, shape: Sequence[Any]) -> list[Any]:
    """Lengths of the slices of a `SetSubtensor`."""
    entries = filled(node.op.spec, list(node.inputs[2:]))  # type: ignore[attr-defined]
    return [
        slice_bounds(entry, extent)[1]
        for entry, extent in zip(entries, shape, strict=True)
        if isinstance(entry, tuple)
    ]


def _set_subtensor(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    _indices(extents, node, shapes, list(node.inputs[2:]))
    region = region_of(extents, node, extents._as_given(node.inputs[0]))
    y = shapes[1]
    for axis in range(-len(y), 0):
        if y[axis] != ONE:
            size = extents.atoms.poly(region[axis])
            extents.equate(size, y[axis], node, (0, 1), axis, broadcast=True)


def _subtensor(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    _indices(extents, node, shapes, list(node.inputs[1:]))


def _indices(
    extents: "Extents", node: Apply, shapes: list[Shape], scalars: list[Variable]
) -> None:
    file, line = node.outputs[0].place
    entries = filled(node.op.spec, scalars)  # type: ignore[attr-defined]
    for axis, entry in enumerate(entries):
        if isinstance(entry, tuple):
            for part in entry:  # known as a size now, so that who needs it waits for it
                if isinstance(part, Variable):
                    extents.atoms.poly(part)
            if isinstance(entry[2], Variable):
                step = extents.atoms.poly(entry[2])
                extents.ranges.append(
                    Range(  # 0 lies inside, unless step * step is 0
                        poly(0), step * step,
                        f"the step of the slice of axis {axis} is 0, at "
                        f"{file}:{line}\n  {described(node.inputs[0])}",
                    )
                )  # fmt: skip
            continue
        index, extent = extents.atoms.poly(entry), shapes[0][axis]
        if index.constant is not None and extent.constant is not None:
            continue
        extents.ranges.append(
            Range(
                index, extent,
                f"index {{index}} lies outside axis {axis} of extent {{extent}}, at "
                f"{file}:{line}\n  {described(node.inputs[0])}",
            )
        )  # fmt: skip


def _recurrence(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    for axis, (a, b) in enumerate(zip(*shapes, strict=True)):
        extents.equate(a, b, node, (0, 1), axis)


def _mask_for(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    mask, x = shapes
    first = node.op.axis  # type: ignore[attr-defined]
    for axis, size in enumerate(mask):
        what = f"axis {axis} of the mask and axis {first + axis} of what it indexes"
        extents.equate(size, x[first + axis], node, (0, 1), None, what)


def _reduce(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    op = node.op
    if op.combine not in ("max", "min") or op.total:  # type: ignore[attr-defined]
        return
    file, line = node.outputs[0].place
    for axis in node.op.axes:  # type: ignore[attr-defined]
        if not shapes[0][axis].constant:
            extents.ranges.append(
                Range(
                    shapes[0][axis], shapes[0][axis],
                    f"{node.op.combine} over axis {axis}, which is empty, at "  # type: ignore[attr-defined]
                    f"{file}:{line}\n  {described(node.inputs[0])}",
                    True,
                )
            )  # fmt: skip


def _sum_to(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    for axis, (g, x) in enumerate(zip(*shapes, strict=True)):
        if x != ONE:
            extents.equate(g, x, node, (0, 1), axis, broadcast=True)


def _gradient_like(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    label = node.op.label  # type: ignore[attr-defined]
    for axis, (g, x) in enumerate(zip(*shapes, strict=True)):
        extents.equate(g, x, node, (1,), None, f"{label}, axis {axis}: extents")


def _fits(
    extents: "Extents", node: Apply, spatial: Sequence[Poly], window: Sequence[Any]
) -> None:
    """Windows are not empty, and none is larger than the padded axis."""
    op: Any = node.op
    steps = getattr(op, "dilation", (1,) * op.rank)
    file, line = node.outputs[0].place
    for axis, (n, size) in enumerate(zip(spatial, window, strict=True)):
        r = poly(size)
        padded = n + sum(op.padding[axis])
        room = padded - (r - ONE) * steps[axis]
        if op.name.startswith("pool") and not op.ignore_border:
            padded = room = n
        for least, what in (
            (r, "the window is empty"),
            (room, "the window exceeds it"),
        ):
            if least.constant is None or least.constant <= 0:
                extents.ranges.append(
                    Range(
                        padded, least,
                        f"{op.name}: spatial axis {axis} (extent {{index}} with the "
                        f"padding): {what}, at {file}:{line}"
                        f"{listing(*node.inputs[:2])}",
                        True,
                    )
                )  # fmt: skip


def _windows(
    extents: "Extents", node: Apply, g: int, spatial: Any, window: Any = None
) -> None:
    """The spatial extents of operand g are the number of windows."""
    op: Any = node.op
    given = [folded(e) for e in spatial]
    out = op.out(given) if window is None else op.out(given, list(map(folded, window)))
    found = op.spatial(extents._polys(node.inputs[g]))
    for axis, (n, wanted) in enumerate(zip(found, out, strict=True)):
        told = extents.atoms.poly(wanted)
        extents.equate(told, n, node, (g,), None, f"windows of spatial axis {axis}")


def _divides(extents: "Extents", node: Apply, channels: Poly, operand: int) -> None:
    groups = node.op.groups  # type: ignore[attr-defined]
    if groups == 1 or channels.constant is not None:
        return
    each = extents.atoms.number(
        ("call", "floordiv", extents.atoms._data(channels), ("number", groups))
    )
    whole = Poly((((each,), groups),))
    extents.equate(channels, whole, node, (operand,), None, "channels by groups")


def _convolution(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    op: Any = node.op
    x, w = shapes[:2]
    extents.equate(x[op.channel_axis], w[1] * op.groups, node, (0, 1), None, "channels")
    _divides(extents, node, w[0], 1)
    _fits(extents, node, op.spatial(x), w[2:])


def _convolution_input(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    op: Any = node.op
    g, w = shapes[:2]
    given = node.inputs[2:]
    extents.equate(g[op.channel_axis], w[0], node, (0, 1), None, "output channels")
    _divides(extents, node, w[0], 1)
    _fits(extents, node, [extents.atoms.poly(v) for v in given], w[2:])
    _windows(extents, node, 0, given, extents._as_given(node.inputs[1])[2:])


def _convolution_weight(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    op: Any = node.op
    x, g = shapes[:2]
    given = node.inputs[2:]
    extents.equate(x[0], g[0], node, (0, 1), None, "batch extents")
    _divides(extents, node, x[op.channel_axis], 0)
    _divides(extents, node, g[op.channel_axis], 1)
    window = [extents.atoms.poly(v) for v in given]
    _fits(extents, node, op.spatial(x), window)
    _windows(extents, node, 1, op.spatial(extents._as_given(node.inputs[0])), given)


def _pool(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    op: Any = node.op
    if op.name == "pool_sum_input":
        spatial = [extents.atoms.poly(v) for v in node.inputs[1:]]
        _windows(extents, node, 0, node.inputs[1:])
    else:
        spatial = op.spatial(shapes[0])
    _fits(extents, node, spatial, op.size)
    if op.name in ("pool_max_input", "pool_max_pick"):
        x, y, other = shapes
        given = extents._as_given(node.inputs[0])
        _windows(extents, node, 1, op.spatial(given))
        ends = (0, len(x) - 1 if op.channels_last else 1)
        for axis in ends:
            extents.equate(x[axis], y[axis], node, (0, 1), axis)
        like, first = (y, 1) if op.name == "pool_max_input" else (x, 0)
        for axis, (n, wanted) in enumerate(zip(other, like, strict=True)):
            extents.equate(wanted, n, node, (first, 2), axis)


def _scan(extents: "Extents", node: Apply, shapes: list[Shape]) -> None:
    """Steps are not negative, sequences long enough, states have rows for their taps."""
    op: Any = node.op
    n = extents.atoms.poly(node.inputs[0])
    file, line = node.outputs[0].place
    lengths = [shapes[k][0] for k in range(1, 1 + op.sequences)]
    if n.constant is None and n not in lengths:
        extents.ranges.append(
            Range(
                n, n + ONE,
                f"scan: the number of steps is {{index}}, below 0, at {file}:{line}\n"
                f"  {described(node.inputs[0])}",
                True,
            )
        )  # fmt: skip
    for k in range(1, 1 + op.sequences):
        room = shapes[k][0] - n + ONE
        if room.constant is None or room.constant <= 0:
            extents.ranges.append(
                Range(
                    n, room,
                    f"scan: {{index}} steps, more than a sequence has entries, at "
                    f"{file}:{line}\n  {described(node.inputs[k])}",
                    True,
                )
            )  # fmt: skip
    for k, taps in enumerate(op.states, 1 + op.sequences):
        extents.equate(
            shapes[k][0], poly(-taps[0]), node, (k,), 0, "entries of an initial state"
        )


REQUIREMENTS: dict[str, Requirement] = {
    "convolution": _convolution,
    "convolution_epilogue": _convolution,
    "convolution_input": _convolution_input,
    "convolution_weight": _convolution_weight,
    "pool": _pool,
    "pool_sum_input": _pool,
    "pool_max_input": _pool,
    "pool_max_pick": _pool,
    "dot": _dot,
    "batched_dot": _batched_dot,
    "gemm": _gemm,
    "concatenate": _concatenate,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "scatter_add": _scatter,
    "scatter_set": _scatter,
    "mask_for": _mask_for,
    "recurrence": _recurrence,
    "set_subtensor": _set_subtensor,
    "subtensor": _subtensor,
    "reduce": _reduce,
    "scan": _scan,
    "sum_to": _sum_to,
    "gradient_like": _gradient_like,
}
