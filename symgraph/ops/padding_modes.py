"""Arguments of convolutions: border modes, strides, promised shapes; and what they make.

A border mode becomes a pair of paddings for each spatial axis. One that depends on a
window whose extent is unknown is carried out by the graph, which pads the input (or
cuts the result), the rest by the ops of ops/conv_ops.py. The functions for users are
in ops/conv_api.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import upcast
from symgraph.core.node import Variable, as_operands, listing
from symgraph.core.public import PUBLIC
from symgraph.core.shared import SharedVariable
from symgraph.errors import ArgumentError, NotSupportedError, ShapeError
from symgraph.ops.conv_ops import Convolution, ConvolutionInput, ConvolutionWeight
from symgraph.ops.families import cast
from symgraph.ops.shape import (
    AnyExtent,
    add,
    as_extent,
    extents,
    floor_divide,
    folded,
    static,
    subtract,
    variable,
)
from symgraph.ops.specify import specify_shape
from symgraph.ops.windows import span

Amounts = list[tuple[AnyExtent, AnyExtent]]
_BORDERS = (
    'valid, "half", "full", "same", an int, or for each spatial axis an int or a pair '
    "(before, after)"
)


def per_axis(value: Any, rank: int, what: str) -> tuple[int, ...]:
    """An int for all axes, or a sequence of `rank` ints."""
    given = value if isinstance(value, list | tuple | np.ndarray) else (value,) * rank
    found = tuple(_int(v, what) for v in given)
    if len(found) != rank:
        raise ArgumentError(f"{what} {value!r} has {len(found)} entries, not {rank}")
    return found


def _int(value: Any, what: str) -> int:
    if isinstance(value, Variable):
        known = static(value) if value.ndim == 0 else None
        if known is None:
            raise NotSupportedError(
                f"{what} is symbolic{listing(value)}\nIt must be known when the graph "
                "is built: pass an int."
            )
        return known
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ArgumentError(f"{what}: expected an int, not {value!r}")
    return int(value)


def paddings(
    border_mode: Any, window: Sequence[AnyExtent], dilation: Sequence[int], what: str
) -> Amounts:
    """Padding before and after each axis, for windows of these extents.

    Examples
    --------
    >>> paddings("half", (3, 5), (1, 1), "f"), paddings("same", (4,), (1,), "f")
    ([(1, 1), (2, 2)], [(1, 2)])
    >>> paddings((1, (0, 2)), (3, 3), (1, 1), "f")
    [(1, 1), (0, 2)]
    """
    if isinstance(border_mode, str):
        made = [
            _named(border_mode, span(n, d), what)
            for n, d in zip(window, dilation, strict=True)
        ]
        return [(folded(low), folded(high)) for low, high in made]
    rank, name = len(window), f"{what}: border_mode"
    if not isinstance(border_mode, list | tuple | np.ndarray):
        border_mode = (border_mode,) * rank
    if len(border_mode) != rank:
        raise ArgumentError(
            f"{name} {tuple(border_mode)} has {len(border_mode)} entries for {rank} "
            f"spatial axes; it takes {_BORDERS}"
        )
    found: Amounts = []
    for entry in border_mode:
        pair = entry if isinstance(entry, list | tuple) else (entry, entry)
        if len(pair) != 2:
            raise ArgumentError(f"{name} {border_mode!r}; it takes {_BORDERS}")
        low, high = (_int(v, name) for v in pair)
        if low < 0 or high < 0:
            raise ArgumentError(f"{name} {border_mode!r} is negative; slice the input")
        found.append((low, high))
    return found


def _named(mode: str, reach: AnyExtent, what: str) -> tuple[AnyExtent, AnyExtent]:
    rest = subtract(reach, 1)
    match mode:
        case "valid":
            return 0, 0
        case "full":
            return rest, rest
        case "half":
            return (floor_divide(reach, 2),) * 2
        case "same":
            return floor_divide(rest, 2), floor_divide(reach, 2)
    raise ArgumentError(f"{what}: border_mode {mode!r}; it takes {_BORDERS}")


class Call:
    """The arguments that all functions here have, checked."""

    def __init__(
        self, what: str, rank: int, border: Any, strides: Any, flip: Any,
        dilation: Any, groups: Any, unshared: Any,
    ) -> None:  # fmt: skip
        if unshared:
            raise NotSupportedError(
                f"{what}: unshared=True, other filters at each position, is not "
                "supported. Shared filters are: leave it out."
            )
        self.what, self.rank, self.border = what, rank, border
        self.strides = per_axis(strides, rank, f"{what}: subsample")
        self.dilation = per_axis(dilation, rank, f"{what}: filter_dilation")
        self.groups = _int(groups, f"{what}: num_groups")
        self.flip = bool(flip)

    def operands(self, *values: tuple[Any, Any]) -> list[Variable]:
        """(value, promised shape) pairs as variables of one dtype."""
        made = as_operands(*(value for value, _ in values))
        dtype = upcast(*(v.type.dtype for v in made))
        found = []
        for v, (_, shape) in zip(made, values, strict=True):
            if v.ndim != self.rank + 2:
                raise ShapeError(
                    f"{self.what}: an operand has {v.ndim} axes, expected "
                    f"{self.rank + 2}{listing(*made)}\nInputs are (batch, channels, "
                    "*spatial), filters (out, in, *window); add axes with dimshuffle."
                )
            found.append(cast(self.promised(v, shape), dtype))
        return found

    def promised(self, v: Variable, shape: Any) -> Variable:
        """V with what `shape` says of its extents: ints, None or variables."""
        if shape is None:
            return v
        entries = tuple(shape)
        if len(entries) != v.ndim:
            raise ShapeError(
                f"{self.what}: the shape {entries} has {len(entries)} entries for "
                f"{v.ndim} axes{listing(v)}"
            )
        return specify_shape(v, entries)

    def geometry(self, pads: Amounts) -> tuple[Any, ...]:
        """Fields of the ops."""
        return self.strides, tuple(pads), self.dilation, self.groups, self.flip

    def pads(self, window: Sequence[AnyExtent]) -> tuple[Amounts, Amounts]:
        """Padding that the op does, and padding that the graph must do."""
        amounts = paddings(self.border, window, self.dilation, self.what)
        none: Amounts = [(0, 0)] * self.rank
        if all(isinstance(n, int) for pair in amounts for n in pair):
            return amounts, none
        return none, amounts


def _padded(x: Variable, amounts: Amounts) -> Variable:
    """X with zeros around its spatial axes."""
    if not any(n != 0 for pair in amounts for n in pair):
        return x
    shape = extents(x)
    wide = [
        add(n, add(low, high))
        for n, (low, high) in zip(shape[2:], amounts, strict=True)
    ]
    zeros = PUBLIC["zeros"]((*shape[:2], *wide), x.type.dtype)
    return PUBLIC["set_subtensor"](_inside(zeros, amounts, shape[2:]), x)


def _inside(x: Variable, amounts: Amounts, spatial: Sequence[AnyExtent]) -> Variable:
    """What is left of x without the padding; `spatial` are the extents that remain."""
    parts = (
        slice(low, add(low, n)) for n, (low, _) in zip(spatial, amounts, strict=True)
    )
    return x[(slice(None), slice(None), *parts)]


def _spatial(shape: Any, rank: int, what: str) -> list[AnyExtent]:
    """The last `rank` entries of a shape whose others may be None."""
    if isinstance(shape, Variable):
        return [shape[2 + axis] for axis in range(rank)]
    entries = tuple(shape)
    if len(entries) != rank + 2:
        raise ShapeError(f"{what} {entries} has {len(entries)} entries, not {rank + 2}")
    if any(e is None for e in entries[2:]):
        raise ArgumentError(
            f"{what} {entries}: the last {rank} extents are needed, as ints or scalars"
        )
    return [as_extent(e, what) for e in entries[2:]]


def _present_window(call: Call, w: Any, shape: Any) -> Any:
    """`shape`, or the window that shared filters have now, if the border needs it.

    A later value with another window is then refused by the call.
    """
    if shape is None and isinstance(w, SharedVariable) and w.ndim == call.rank + 2:
        if isinstance(call.border, str) and call.border != "valid":
            return (None, None, *w.container.shape[2:])
    return shape


def forward(call: Call, x: Any, w: Any, x_shape: Any, w_shape: Any) -> Variable:
    w_shape = _present_window(call, w, w_shape)
    x, w = call.operands((x, x_shape), (w, w_shape))
    inner, outer = call.pads(extents(w)[2:])
    return Convolution(*call.geometry(inner))(_padded(x, outer), w)


def backward_input(call: Call, g: Any, w: Any, x_shape: Any, w_shape: Any) -> Variable:
    w_shape = _present_window(call, w, w_shape)
    g, w = call.operands((g, None), (w, w_shape))
    spatial = _spatial(x_shape, call.rank, f"{call.what}: the shape of the result")
    inner, outer = call.pads(extents(w)[2:])
    wide = [
        variable(folded(add(n, add(low, high))))
        for n, (low, high) in zip(spatial, outer, strict=True)
    ]
    dx = ConvolutionInput(*call.geometry(inner))(g, w, *wide)
    if any(n != 0 for pair in outer for n in pair):
        dx = _inside(dx, outer, spatial)
    return dx if isinstance(x_shape, Variable) else call.promised(dx, x_shape)


def backward_filters(
    call: Call, x: Any, g: Any, w_shape: Any, x_shape: Any
) -> Variable:
    x, g = call.operands((x, x_shape), (g, None))
    window = _spatial(w_shape, call.rank, f"{call.what}: filter_shape")
    inner, outer = call.pads(window)
    op = ConvolutionWeight(*call.geometry(inner))
    dw = op(_padded(x, outer), g, *map(variable, window))
    return dw if isinstance(w_shape, Variable) else call.promised(dw, w_shape)
