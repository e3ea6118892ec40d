"""Tensors with a border: `pad`, by NumPy's modes.

A border of one constant is written around; borders that repeat x are read from it at
computed positions, one axis after the other.
"""

from typing import Any

import numpy as np

from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, DtypeError, NotSupportedError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.shape import AnyExtent, add, as_extent, extents, static, variable

MODES = ("constant", "edge", "reflect", "symmetric", "wrap")
#: modes that NumPy has beside them
OTHERS = ("empty", "linear_ramp", "maximum", "mean", "median", "minimum")
Pairs = list[tuple[Any, Any]]


@public
def pad(
    x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0,
    reflect_type: str = "even",
) -> Variable:  # fmt: skip
    """X with borders before and behind its elements along each axis.

    Parameters
    ----------
    pad_width : (before, after) for each axis; one pair, or one number, for all of them
        ints from 0 up, or scalars.
    mode : what the borders hold
        "constant": `constant_values`; "edge": the outermost element; "reflect": x
        mirrored at it; "symmetric": x mirrored behind it; "wrap": x again.
    constant_values : for mode "constant", in the forms of `pad_width`
    reflect_type : only "even"

    Raises
    ------
    ShapeError : the widths do not fit the rank, or an empty axis would be repeated

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> sg.function([x], T.pad(x, (2, 1), "reflect"))([1.0, 2.0, 3.0]).tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    x = as_variable(x)
    if mode in OTHERS:
        raise NotSupportedError(f"pad: mode {mode!r}; supported are {', '.join(MODES)}")
    if mode not in MODES:
        raise ArgumentError(f"pad: mode={mode!r}; use one of {', '.join(MODES)}")
    if reflect_type != "even":
        raise NotSupportedError(f"pad: reflect_type={reflect_type!r}; only 'even' is")
    widths = [
        (as_extent(low, "pad"), as_extent(high, "pad"))
        for low, high in _pairs(pad_width, x, "pad_width")
    ]
    if mode == "constant":
        return _surrounded(x, widths, _pairs(constant_values, x, "constant_values"))
    for axis, (low, high) in enumerate(widths):
        if (low, high) != (0, 0):
            x = PUBLIC["take"](x, _places(x, axis, low, high, mode), axis=axis)
    return x


def _pairs(given: Any, x: Variable, what: str) -> Pairs:
    """A pair for each axis from one number, one pair, or one for each."""
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list | tuple):
        return [(given, given)] * x.ndim
    parts = [tuple(p) if isinstance(p, list | tuple | np.ndarray) else p for p in given]
    nested = [isinstance(p, tuple) for p in parts]
    if not any(nested) and len(parts) in (1, 2):
        return [(parts[0], parts[-1])] * x.ndim
    if not all(nested) or len(parts) not in (1, x.ndim):
        raise ShapeError(
            f"pad: {what} {given!r} does not fit {x.ndim} axes{listing(x)}\n"
            "Give a number, a pair, or a pair for each axis."
        )
    if any(len(p) not in (1, 2) for p in parts):
        raise ShapeError(f"pad: {what} {given!r} has entries that are no pairs")
    pairs = [(p[0], p[-1]) for p in parts]
    return pairs * x.ndim if len(pairs) == 1 else pairs


def _surrounded(
    x: Variable, widths: list[tuple[AnyExtent, AnyExtent]], values: Pairs
) -> Variable:
    """X in a tensor of constants."""
    for pair in values:
        for value in pair:
            if np.ndim(value) if not isinstance(value, Variable) else value.ndim:
                raise DtypeError(f"pad: a constant must be a scalar, not {value!r}")
    first = values[0][0] if values else 0
    if all(value is first or value == first for pair in values for value in pair):
        if all(pair == (0, 0) for pair in widths):
            return x
        shape = extents(x)
        wide = [
            add(n, add(low, high)) for n, (low, high) in zip(shape, widths, strict=True)
        ]
        value = cast(as_variable(first, None, (x.type.dtype,)), x.type.dtype)
        inside = tuple(
            slice(low, add(low, n)) for n, (low, _) in zip(shape, widths, strict=True)
        )
        return PUBLIC["set_subtensor"](PUBLIC["alloc"](value, *wide)[inside], x)
    for axis, (pair, ends) in enumerate(zip(widths, values, strict=True)):
        shape = extents(x)
        borders = [
            PUBLIC["alloc"](
                cast(as_variable(value, None, (x.type.dtype,)), x.type.dtype),
                *shape[:axis], width, *shape[axis + 1 :],
            )
            for width, value in zip(pair, ends, strict=True)
        ]  # fmt: skip
        x = PUBLIC["concatenate"]([borders[0], x, borders[1]], axis)
    return x


def _places(x: Variable, axis: int, low: AnyExtent, high: AnyExtent, mode: str) -> Any:
    """For each place of the padded axis, which element of x it repeats."""
    whole = extents(x)[axis]
    if whole == 0:
        raise ShapeError(
            f"pad: axis {axis} is empty, mode {mode!r} has nothing to repeat{listing(x)}"
        )
    n: Any = variable(whole)
    i = PUBLIC["arange"](add(whole, add(low, high)))
    if static(low) != 0:
        i = i - variable(low)
    if mode == "edge":
        return PUBLIC["maximum"](PUBLIC["minimum"](i, n - 1), np.int64(0))
    if mode == "wrap":
        return PUBLIC["mod"](i, n)
    if mode == "symmetric":
        i = PUBLIC["mod"](i, 2 * n)
        return PUBLIC["minimum"](i, 2 * n - 1 - i)
    period = PUBLIC["maximum"](2 * n - 2, np.int64(1))
    i = PUBLIC["mod"](i, period)
    return PUBLIC["minimum"](i, PUBLIC["abs"](period - i)) if whole != 1 else i * 0
