"""Picking one of several by an index for each place: take_along_axis, choose.

Both are a `Take` at linear indices into the merged axes (see ops/reading.py), so they
and their gradients are native loops.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.core.dtypes import is_discrete, upcast
from symgraph.core.node import Variable, as_operands, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.gather import CheckIndex, Take
from symgraph.ops.index_plan import index_array
from symgraph.ops.shape import AnyExtent, extents, normalize_axis, product, variable

MODES = ("raise", "wrap", "clip")


@public
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Variable:
    """out[a, i, b] = x[a, indices[a, i, b], b]; i runs along `axis`.

    Parameters
    ----------
    indices : integers, of the rank of x; extents beside the axis are those of x or 1
    axis : int, or None for the flattened x

    Raises
    ------
    ShapeError : ranks or extents do not fit
    IndexRangeError : an index lies outside the axis, at run time

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.fmatrix("x")
    >>> T.take_along_axis(x, T.argsort(x, axis=0), axis=0).type
    float32 (None, None)
    """
    x, places = as_variable(x), index_array(as_variable(indices))
    if axis is None:
        x, axis = PUBLIC["flatten"](x), 0
    axis = normalize_axis(axis, x.ndim, "take_along_axis", x)
    if places.ndim != x.ndim:
        raise ShapeError(
            f"take_along_axis: indices have {places.ndim} axes, x has {x.ndim}"
            f"{listing(x, places)}\nUse x[indices] or take for other ranks."
        )
    for i, (a, b) in enumerate(zip(x.type.shape, places.type.shape, strict=True)):
        if i != axis and None not in (a, b) and 1 not in (a, b) and a != b:
            raise ShapeError(
                f"take_along_axis: extents of axis {i} differ, {a} and {b}"
                f"{listing(x, places)}"
            )
    checked = CheckIndex(axis, x.name or "")(places, variable(extents(x)[axis]))
    return _at(x, checked, axis)


def _at(x: Variable, places: Variable, axis: int) -> Variable:
    """x[i0, ..., places[i0, ...], ...]: all axes merged, one linear index."""
    shape = extents(x)
    flat: Any = None
    for i, size in enumerate(shape):
        if i == axis:
            one: Any = places
        elif x.type.shape[i] == 1:
            one = None
        else:
            pattern = [0 if k == i else "x" for k in range(x.ndim)]
            one = PUBLIC["dimshuffle"](PUBLIC["arange"](size), *pattern)
        if flat is not None and x.type.shape[i] != 1:
            flat = flat * variable(size)
        flat = one if flat is None else flat if one is None else flat + one
    return Take(0, True)(PUBLIC["reshape"](x, (product(shape),)), flat)


@public
def choose(a: Any, choices: Any, mode: str = "raise") -> Variable:
    """out[i] = choices[a[i]][i]; a and the choices are broadcast together.

    Parameters
    ----------
    a : integers or bools
    choices : list of tensors, or one tensor whose first axis numbers them
    mode : "raise", "wrap" or "clip"
        what happens to an `a` outside 0 .. n - 1.

    Raises
    ------
    ArgumentError : no choices, or another mode
    IndexRangeError : `a` lies outside, at run time, in mode "raise"

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.choose(T.ivector("a"), [T.fvector("x"), T.fvector("y")]).type
    float32 (None,)
    """
    a = as_variable(a)
    if mode not in MODES:
        raise ArgumentError(f"choose: mode={mode!r}; use one of {', '.join(MODES)}")
    if not is_discrete(a.type.dtype):
        raise DtypeError(f"choose: a must hold integers{listing(a)}\nCast it to int64.")
    a = cast(a, "int64")
    if isinstance(choices, list | tuple):
        if not choices:
            raise ArgumentError(f"choose: the list of choices is empty{listing(a)}")
        return _chosen(_limited(a, len(choices), mode), choices)
    table = as_variable(choices)
    if not table.ndim:
        raise ShapeError(f"choose: choices need a first axis{listing(table)}")
    places = _limited(a, extents(table)[0], mode)
    rank = max(table.ndim - 1, a.ndim)
    shape = extents(table)
    places = PUBLIC["dimshuffle"](places, *["x"] * (rank - a.ndim), *range(a.ndim))
    lead = ["x"] * (rank - table.ndim + 1)
    wide = PUBLIC["dimshuffle"](table, 0, *lead, *range(1, table.ndim))
    flat: Any = places
    for i in range(rank):
        size = (1,) * len(lead) + shape[1:]
        one = PUBLIC["arange"](size[i])
        if wide.type.shape[i + 1] == 1:
            continue
        pattern = [0 if k == i else "x" for k in range(rank)]
        flat = flat * variable(size[i]) + PUBLIC["dimshuffle"](one, *pattern)
    return Take(0, True)(PUBLIC["reshape"](wide, (product(shape),)), flat)


def _limited(a: Variable, count: AnyExtent, mode: str) -> Variable:
    """`a` within 0 .. count - 1."""
    size = variable(count)
    if mode == "wrap":
        return PUBLIC["mod"](a, size)
    if mode == "clip":
        return PUBLIC["clip"](a, 0, size - 1)
    return CheckIndex(-1, "the choices", False)(a, size)


def _chosen(a: Variable, choices: Sequence[Any]) -> Variable:
    options = as_operands(*choices)
    dtype = upcast(*(v.type.dtype for v in options))
    out = cast(options[-1], dtype)
    if len(options) == 1:
        return PUBLIC["switch"](PUBLIC["ge"](a, 0), out, out)
    for number in reversed(range(len(options) - 1)):
        here = PUBLIC["eq"](a, number)
        out = PUBLIC["switch"](here, cast(options[number], dtype), out)
    return out
