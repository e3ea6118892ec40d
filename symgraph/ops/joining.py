"""Joining, splitting and repeating tensors: functions made of the movement ops.

concatenate, stack and split; tile, repeat, flip and roll. None is an op of its own
except `Concatenate`; repeating is a broadcast along a new axis that a reshape merges.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_integer, upcast
from symgraph.core.node import Constant, Variable, as_operands, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.arrange import expand_dims
from symgraph.ops.broadcast import broadcast_to
from symgraph.ops.families import cast
from symgraph.ops.gather import Take
from symgraph.ops.movement import Concatenate, dimshuffle, flatten, reshape
from symgraph.ops.movement import slices as _slices
from symgraph.ops.positions import repeat_positions
from symgraph.ops.shape import (
    AnyExtent,
    MakeVector,
    as_extent,
    as_shape,
    extents,
    floor_divide,
    multiply,
    normalize_axes,
    normalize_axis,
    static,
    subtract,
    total,
    variable,
    vector_elements,
)
from symgraph.ops.specify import specify_shape


def _operands(tensors: Any, what: str) -> list[Variable]:
    """The tensors, converted and cast to their common dtype."""
    if isinstance(tensors, Variable | np.ndarray):
        tensors = list(iter(tensors))
    if not isinstance(tensors, list | tuple):
        raise ArgumentError(f"{what}: pass a list of tensors, not {tensors!r}")
    if not tensors:
        raise ArgumentError(f"{what}: the list of tensors is empty")
    variables = as_operands(*tensors)
    dtype = upcast(*(v.type.dtype for v in variables))
    return [cast(v, dtype) for v in variables]


@public
def concatenate(tensors: Any, axis: int = 0) -> Variable:
    """The tensors one after the other along an axis; all other extents agree.

    Parameters
    ----------
    tensors : list of tensors of equal rank, at least 1; dtypes are promoted

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x, y = T.matrix("x", shape=(None, 3)), T.matrix("y", shape=(None, 4))
    >>> T.concatenate([x, y], axis=1).type.shape
    (None, 7)
    """
    parts = _operands(tensors, "concatenate")
    if not parts[0].ndim:
        raise ShapeError(
            f"concatenate: scalars have no axis to join along{listing(*parts)}\n"
            "Use stack."
        )
    axis = normalize_axis(axis, parts[0].ndim, "concatenate", parts[0])
    if len(parts) == 1:
        return parts[0]
    if parts[0].type.dtype == "int64" and all(map(_is_listed, parts)):
        values = [e for v in parts for e in vector_elements(v, "concatenate")]
        return MakeVector("int64")(*(variable(e) for e in values))
    return Concatenate(axis)(*parts)


def _is_listed(v: Variable) -> bool:
    """Whether the elements of a vector (of a shape, mostly) are known one by one."""
    if isinstance(v, Constant):
        return v.ndim == 1 and v.data.size <= 8
    return v.owner is not None and isinstance(v.owner.op, MakeVector)


@public
def join(axis: int, *tensors: Any) -> Variable:
    """``concatenate(tensors, axis)``, in Theano's order of arguments."""
    return concatenate(tensors, axis)


@public
def stack(*tensors: Any, axis: int = 0) -> Variable:
    """The tensors one after the other along a new axis; they have one shape.

    ``stack([a, b], axis)``, or ``stack(a, b)`` as in old Theano.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x, y = T.vectors("x", "y")
    >>> T.stack([x, y], axis=1).type.shape
    (None, 2)
    """
    if tensors and isinstance(tensors[0], list | tuple):
        if len(tensors) > 2:
            raise ArgumentError("stack: pass one list of tensors and an axis")
        axis = tensors[1] if len(tensors) == 2 else axis
        tensors = tuple(tensors[0])
    parts = _operands(tensors, "stack")
    rank = parts[0].ndim
    if any(v.ndim != rank for v in parts):
        raise ShapeError(
            f"stack: ranks {[v.ndim for v in parts]} differ{listing(*parts)}\n"
            "All tensors of a stack have one shape."
        )
    axis = normalize_axis(axis, rank + 1, "stack", parts[0])
    if not rank:
        return MakeVector(parts[0].type.dtype)(*parts)
    return concatenate([expand_dims(v, axis) for v in parts], axis)


@public
def hstack(tensors: Any) -> Variable:
    """The tensors side by side: along axis 1, vectors along axis 0."""
    parts = [as_variable(v) for v in tensors]
    return concatenate(parts, 1 if parts and parts[0].ndim > 1 else 0)


@public
def vstack(tensors: Any) -> Variable:
    """The tensors one below the other along axis 0; a vector is one row."""
    parts = [as_variable(v) for v in tensors]
    return concatenate([dimshuffle(v, "x", 0) if v.ndim == 1 else v for v in parts], 0)


@public
def horizontal_stack(*tensors: Any) -> Variable:
    """Matrices side by side."""
    return concatenate(tensors, 1)


@public
def vertical_stack(*tensors: Any) -> Variable:
    """Matrices one below the other."""
    return concatenate(tensors, 0)


@public
def split(
    x: Any, splits_size: Any, n_splits: int | None = None, axis: int = 0
) -> list[Variable]:
    """Consecutive parts of x along an axis.

    Parameters
    ----------
    splits_size : list or vector of the extents of the parts, or an int: that many parts
        of equal extent
    n_splits : number of parts, needed only for a vector of unknown length

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> [p.type.shape for p in T.split(T.vector("x", shape=(5,)), [2, 3])]
    [(2,), (3,)]
    """
    x = as_variable(x)
    axis = normalize_axis(axis, x.ndim, "split", x)
    whole = extents(x)[axis]
    if isinstance(splits_size, int):
        return _equal_parts(x, splits_size, axis)
    sizes = as_shape(splits_size, "split", n_splits)
    known, added = static(whole), static(total(sizes))
    if known is not None and added is not None and known != added:
        raise ShapeError(
            f"split: sizes {sizes} add up to {added}, "
            f"axis {axis} has {known}{listing(x)}"
        )
    if not sizes:
        raise ShapeError(f"split: no sizes given{listing(x)}")
    parts = _slices(x, sizes[:-1], axis)
    rest = (*(slice(None),) * axis, slice(total(sizes[:-1]), None))
    last, size = PUBLIC["getitem"](x, rest), static(sizes[-1])
    told = [None] * x.ndim
    if size is not None:
        told[axis] = size  # type: ignore[call-overload]
    return [*parts, specify_shape(last, told)]


def _equal_parts(x: Variable, count: int, axis: int) -> list[Variable]:
    shape = extents(x)
    known = static(shape[axis])
    if count < 1 or (known is not None and known % count):
        raise ShapeError(
            f"split: axis {axis} of extent {known} has no {count} equal parts"
            f"{listing(x)}"
        )
    each = floor_divide(shape[axis], count)
    grouped = reshape(x, (*shape[:axis], count, each, *shape[axis + 1 :]))
    before = (slice(None),) * axis
    return [PUBLIC["getitem"](grouped, (*before, i)) for i in range(count)]


# --- repeating ---------------------------------------------------------------------


@public
def tile(x: Any, reps: Any, ndim: int | None = None) -> Variable:
    """X laid out `reps` times along each axis.

    Parameters
    ----------
    reps : int, scalar, tuple of those, or vector; aligned at the last axis
    ndim : rank of the result, at least the longer of x and reps

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.tile(T.matrix("x", shape=(2, 3)), (2, 1, 3)).type.shape
    (2, 2, 9)
    """
    x = as_variable(x)
    times: tuple[AnyExtent, ...] = as_shape(reps, "tile")
    rank = max(x.ndim, len(times)) if ndim is None else ndim
    if rank < max(x.ndim, len(times)):
        raise ShapeError(
            f"tile: ndim={ndim} is less than the rank of x or the number of "
            f"repetitions {len(times)}{listing(x)}"
        )
    times = (1,) * (rank - len(times)) + times
    shape = (1,) * (rank - x.ndim) + extents(x)
    if all(static(t) == 1 for t in times):
        return dimshuffle(x, *["x"] * (rank - x.ndim), *range(x.ndim))
    pattern: list[Any] = []
    wide: list[AnyExtent] = []
    for axis, (count, extent) in enumerate(zip(times, shape, strict=True)):
        source = axis - (rank - x.ndim)
        if static(count) != 1:
            pattern.append("x")
            wide.append(count)
        pattern.append(source if source >= 0 else "x")
        wide.append(extent)
    repeated = broadcast_to(dimshuffle(x, *pattern), tuple(wide))
    pairs = zip(times, shape, strict=True)
    return reshape(repeated, tuple(multiply(e, t) for t, e in pairs))


@public
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Variable:
    """Each element of x `repeats` times along an axis; x is flattened for None.

    Parameters
    ----------
    repeats : int or scalar; or a list or vector, one count for each index

    Raises
    ------
    ShapeError : the vector has another extent than the axis
    ArgumentError : a count is negative

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.repeat(T.matrix("x", shape=(2, 3)), 2, axis=1).type.shape
    (2, 6)
    """
    x = as_variable(x)
    if axis is None:
        x, axis = flatten(x), 0
    axis = normalize_axis(axis, x.ndim, "repeat", x)
    shape = extents(x)
    counts = as_variable(repeats)
    if counts.ndim == 1:
        return _repeated_each(x, counts, axis)
    count = as_extent(counts, "repeat")
    wide = (*shape[: axis + 1], count, *shape[axis + 1 :])
    pattern = (*range(axis + 1), "x", *range(axis + 1, x.ndim))
    repeated = broadcast_to(dimshuffle(x, *pattern), wide)
    merged = multiply(shape[axis], count)
    return reshape(repeated, (*shape[:axis], merged, *shape[axis + 1 :]))


def _repeated_each(x: Variable, counts: Variable, axis: int) -> Variable:
    if not isinstance(counts, Constant):
        places = repeat_positions(counts, extents(x)[axis])
        out: Variable = Take(axis, True)(x, places)
        return out
    length = counts.data.size
    known = x.type.shape[axis]
    if not is_integer(counts.type.dtype) or (counts.data < 0).any():
        raise ArgumentError(f"repeat: counts {counts.data.tolist()} must be ints >= 0")
    if known not in (None, length):
        raise ShapeError(
            f"repeat: {length} counts for axis {axis} of {known}{listing(x)}"
        )
    told = tuple(length if i == axis else None for i in range(x.ndim))
    source = np.repeat(np.arange(length), counts.data)
    return PUBLIC["take"](specify_shape(x, told), source, axis=axis)


@public
def flip(x: Any, axis: Any = None) -> Variable:
    """X with the order of its elements reversed along `axis` (None: all axes)."""
    x = as_variable(x)
    axes = normalize_axes(axis, x.ndim, "flip", x)
    if not axes:
        return x
    index = tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))
    return PUBLIC["getitem"](x, index)


@public
def roll(x: Any, shift: Any, axis: Any = None) -> Variable:
    """out[(i + shift) % n] = x[i] along an axis; x counts as flat for None.

    Several axes are rolled by one shift, or by one of a tuple each.
    """
    x = as_variable(x)
    if isinstance(axis, list | tuple):
        shifts = shift if isinstance(shift, list | tuple) else [shift] * len(axis)
        if len(shifts) != len(axis):
            raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axis)} axes")
        for one, by in zip(axis, shifts, strict=True):
            x = roll(x, by, one)
        return x
    if axis is None:
        return reshape(roll(flatten(x), shift, 0), extents(x))
    axis = normalize_axis(axis, x.ndim, "roll", x)
    shape = extents(x)
    by = as_extent(shift, "roll", minimum=-(2**62))
    whole = shape[axis]
    if isinstance(by, int) and isinstance(whole, int):
        back: AnyExtent = by % whole if whole else 0
    else:
        back = PUBLIC["mod"](variable(by), variable(whole))
    if static(back) == 0:
        return x
    before = (slice(None),) * axis
    cut = subtract(whole, back)
    parts: Sequence[Variable] = [
        PUBLIC["getitem"](x, (*before, slice(cut, None))),
        PUBLIC["getitem"](x, (*before, slice(None, cut))),
    ]
    return reshape(concatenate(parts, axis), shape)
