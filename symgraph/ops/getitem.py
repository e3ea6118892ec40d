"""Indexing, the public functions: `getitem`, `set_subtensor`, `inc_subtensor`, `take`.

`getitem` is ``x[index]``; it keeps its plan (see ops/plans.py) with the result, so that
the writing functions know what ``x[index]`` read. They make a copy of x that differs
there, by the plan carried out backwards: dimshuffle, integer arrays, slices. Where the
copy lives is decided when a function is compiled.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import NUMPY
from symgraph.core.node import Variable, listing
from symgraph.core.op import PUBLIC, as_variable, public, scalar_constant
from symgraph.errors import ArgumentError, DtypeError, NotSupportedError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.indexing import ScatterAdd, ScatterSet, SetSubtensor, Subtensor, Take
from symgraph.ops.plans import (
    Plan,
    element_of,
    gathered,
    index_array,
    is_pick,
    mask_of,
    merged_axes,
    parse,
    picked,
    read,
    rows_of,
)
from symgraph.ops.shape import (
    extent,
    extent_key,
    extents,
    inferred_extents,
    normalize_axis,
    variable,
)


def _lists_axes(index: Any) -> bool:
    """Whether it has one entry per axis: a tuple, or as in Theano a list with slices."""
    return isinstance(index, tuple) or (
        isinstance(index, list) and any(isinstance(item, slice) for item in index)
    )


@public
def getitem(x: Any, index: Any) -> Variable:
    """out = x[index], with NumPy's meaning.

    Parameters
    ----------
    x : tensor
    index : int, slice, None, Ellipsis, integer array, or a tuple of those
        ints and bounds may be 0-d integer variables, arrays integer variables.

    Raises
    ------
    IndexRangeError : a known index lies outside a known extent, or at run time
    AxisError : more indices than axes
    NotSupportedError : boolean masks

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.TensorType("float32", (None, 10))("x")
    >>> x[0, ::-2].type, x[:, None, 2:].type
    (float32 (5,), float32 (None, 1, 8))
    """
    x = as_variable(x)
    items = tuple(index) if _lists_axes(index) else (index,)
    direct = element_of(x, items)
    if direct is not None:
        return direct
    plan = parse(x, items)
    core = read(plan)
    out = core
    if plan.pattern != tuple(range(core.ndim)):
        out = PUBLIC["dimshuffle"](core, *plan.pattern)
    out.__dict__["_indexing"] = plan
    return out


@public
def set_subtensor(
    x: Variable,
    y: Any,
    inplace: bool = False,
    tolerate_inplace_aliasing: bool = False,
) -> Variable:
    """out = a copy of a, with ``a[index] = y``, where x is the term ``a[index]``.

    Parameters
    ----------
    x : what indexing gave, ``a[index]``
    y : new values, broadcast to the shape of x; cast to the dtype of x where NumPy's
        assignment would do it quietly (float64 to float32, but not float to int)
    inplace, tolerate_inplace_aliasing : accepted for compatibility; memory reuse is
        decided when a function is compiled

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> a = T.fmatrix("a")
    >>> T.set_subtensor(a[:, 0], 0.0).type
    float32 (None, None)
    """
    return _write(x, y, "set")


@public
def inc_subtensor(
    x: Variable,
    y: Any,
    inplace: bool = False,
    set_instead_of_inc: bool = False,
    tolerate_inplace_aliasing: bool = False,
    ignore_duplicates: bool = False,
) -> Variable:
    """out = a copy of a, with ``a[index] += y``, where x is the term ``a[index]``.

    Repeated indices add up. See `set_subtensor` for the arguments.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> a, i = T.fmatrix("a"), T.lvector("i")
    >>> T.inc_subtensor(a[i], 1.0).type
    float32 (None, None)
    """
    if ignore_duplicates:
        raise NotSupportedError(
            "inc_subtensor: ignore_duplicates=True is not supported; repeated indices "
            "always add up"
        )
    return _write(x, y, "set" if set_instead_of_inc else "inc")


@public
def take(
    x: Any, indices: Any, axis: int | None = None, mode: str = "raise"
) -> Variable:
    """out[a, i, b] = x[a, indices[i], b]; a, b stand for the axes around `axis`.

    Parameters
    ----------
    indices : integers, any rank
    axis : int, or None for the flattened x
    mode : "raise", "wrap" or "clip"
        what happens to indices outside the axis.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.take(T.fmatrix("W"), T.imatrix("words"), axis=0).type
    float32 (None, None, None)
    """
    x = as_variable(x)
    if axis is None:
        x, axis = PUBLIC["flatten"](x), 0
    axis = normalize_axis(axis, x.ndim, "take", x)
    places = index_array(as_variable(indices))
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(f"take: mode={mode!r}; use 'raise', 'wrap' or 'clip'")
    if mode == "wrap":
        places = PUBLIC["mod"](places, variable(extent(x, axis)))
    elif mode == "clip":
        last = variable(extent(x, axis)) - 1
        places = PUBLIC["minimum"](PUBLIC["maximum"](places, 0), last)
    return Take(axis)(x, cast(places, "int64"))


@public
def pick(x: Any, y: Any) -> Variable:
    """out[i] = x[i, y[i]]: one element of each row; i stands for all axes but the last.

    It is a sum over a mask, so that it and its gradient fuse with what computes x.

    Parameters
    ----------
    x : (..., n)
    y : integers (...), in -n .. n - 1; others fail at run time

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.pick(T.fmatrix("p"), T.ivector("y")).type
    float32 (None,)
    """
    return picked(as_variable(x), index_array(as_variable(y)))


# --- carrying a plan out backwards -----------------------------------------------


def _write(x: Variable, y: Any, mode: str) -> Variable:
    what = f"{mode}_subtensor"
    plan = x.__dict__.get("_indexing") if isinstance(x, Variable) else None
    if plan is None:
        told = listing(x) if isinstance(x, Variable) else f"\n  {x!r}"
        raise ArgumentError(
            f"{what}: the first argument must be an indexing expression, as in "
            f"{what}(a[1:3], y){told}"
        )
    target = plan.x
    y = _new_values(y, target, what)
    if y.ndim > x.ndim:
        raise ShapeError(
            f"{what}: the new values have {y.ndim} axes, the part they go to has "
            f"{x.ndim}{listing(x, y)}\nReshape them."
        )
    if y.ndim < x.ndim:
        y = PUBLIC["dimshuffle"](y, *["x"] * (x.ndim - y.ndim), *range(y.ndim))
    if not plan.arrays:
        y = _unpatterned(y, plan.pattern)
        return SetSubtensor(plan.spec, mode)(target, y, *plan.scalars)
    base = target if plan.is_whole else Subtensor(plan.spec)(target, *plan.scalars)
    changed = _scatter(plan, base, _unpatterned(y, plan.pattern), mode)
    if plan.is_whole:
        return changed
    return SetSubtensor(plan.spec, "set")(target, changed, *plan.scalars)


def _scatter(plan: Plan, base: Variable, y: Variable, mode: str) -> Variable:
    if is_pick(plan, base) and rows_of(plan, base) is base:
        mask = mask_of(base, plan.arrays[-1][1])
        column = PUBLIC["dimshuffle"](y, 0, "x")
        if mode == "set":
            return PUBLIC["switch"](mask, column, base)
        zero = scalar_constant(0, base.type.dtype)
        return base + PUBLIC["switch"](mask, column, zero)
    scatter = ScatterSet if mode == "set" else ScatterAdd
    if len(plan.arrays) == 1:
        axis, indices = plan.arrays[0]
        return scatter(axis)(base, indices, _spread(y, Take(axis)(base, indices)))
    merged, flat, axis = merged_axes(plan, base)
    changed = scatter(axis)(merged, flat, _spread(y, Take(axis)(merged, flat)))
    order = gathered([axis for axis, _ in plan.arrays], base.ndim)
    shape = extents(base)
    restored = PUBLIC["reshape"](changed, tuple(shape[axis] for axis in order))
    if order == list(range(base.ndim)):
        return restored
    return PUBLIC["dimshuffle"](restored, *np.argsort(order).tolist())


def _new_values(y: Any, target: Variable, what: str) -> Variable:
    wanted = target.type.dtype
    y = as_variable(y, None, (wanted,))
    if y.type.dtype == wanted:
        return y
    if not np.can_cast(NUMPY[y.type.dtype], NUMPY[wanted], casting="same_kind"):
        raise DtypeError(
            f"{what}: values of dtype {y.type.dtype} do not go into {wanted}"
            f"{listing(target, y)}\nCast the values to {wanted}, or the tensor to "
            f"{y.type.dtype}."
        )
    return cast(y, wanted)


def _unpatterned(y: Variable, pattern: Sequence[int | str]) -> Variable:
    """`y` with the axes of the indexed part: undoes a dimshuffle of that pattern."""
    new = [axis for axis, entry in enumerate(pattern) if entry == "x"]
    unknown = [axis for axis in new if y.type.shape[axis] != 1]
    if unknown:
        y = PUBLIC["addbroadcast"](y, *unknown)
    kept = [axis for axis in range(len(pattern)) if axis not in new]
    order = sorted(kept, key=lambda axis: pattern[axis])
    if order == list(range(y.ndim)):
        return y
    return PUBLIC["dimshuffle"](y, *order)


def _spread(y: Variable, part: Variable) -> Variable:
    """`y` broadcast to the shape of the part it goes to."""
    for axis, (a, b) in enumerate(zip(y.type.shape, part.type.shape, strict=True)):
        if a is not None and a != 1 and b is not None and a != b:
            raise ShapeError(
                f"set_subtensor: the new values have extent {a} at axis {axis}, the "
                f"part they go to has {b}{listing(y, part)}"
            )
    wanted = inferred_extents(part)
    pairs = zip(extents(y), wanted, strict=True)
    if all(extent_key(a) == extent_key(b) for a, b in pairs):
        return y
    return PUBLIC["broadcast_to"](y, wanted)
