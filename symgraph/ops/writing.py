"""Writing by a plan: a copy of x that differs where ``x[index]`` reads.

The plan is carried out backwards: dimshuffle, integer arrays, merged axes, slices.
Masks with one value for all places are a choice between old and new, which fuses. In:
plans of ops/index_plan.py. Reading is in ops/reading.py. Where the copy lives is decided
when a function is compiled.
"""

from collections.abc import Sequence

import numpy as np

from symgraph.core.dtypes import NUMPY, is_integer
from symgraph.core.node import Constant, Variable, as_variable, listing, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.index_plan import Plan
from symgraph.ops.indexing import CheckIndex, ScatterAdd, ScatterSet, SetSubtensor, Take
from symgraph.ops.reading import (
    basic_part,
    folded,
    is_pick,
    mask_of,
    merged_axes,
    name_of,
    rows_of,
)
from symgraph.ops.shape import extent, extent_key, extents, inferred_extents, variable


def write(x: object, y: object, mode: str) -> Variable:
    """The tensor that x is a part of, with y set ("set") or added ("inc") there."""
    what = f"{mode}_subtensor"
    plan = x.__dict__.get("_indexing") if isinstance(x, Variable) else None
    if plan is None:
        told = listing(x) if isinstance(x, Variable) else f"\n  {x!r}"
        raise ArgumentError(
            f"{what}: the first argument must be an indexing expression, as in "
            f"{what}(a[1:3], y){told}"
        )
    assert isinstance(x, Variable)
    target = plan.x
    new = _new_values(y, target, what)
    if new.ndim > x.ndim:
        raise ShapeError(
            f"{what}: the new values have {new.ndim} axes, the part they go to has "
            f"{x.ndim}{listing(x, new)}\nReshape them."
        )
    if new.ndim < x.ndim:
        new = PUBLIC["dimshuffle"](new, *["x"] * (x.ndim - new.ndim), *range(new.ndim))
    new = _unpatterned(new, plan.pattern)
    if not plan.arrays:
        return SetSubtensor(plan.spec, mode)(target, new, *plan.scalars)
    base = basic_part(plan)
    changed = _written(plan, base, new, mode)
    if plan.is_whole:
        return changed
    return SetSubtensor(plan.spec, "set")(target, changed, *plan.scalars)


def _written(plan: Plan, base: Variable, y: Variable, mode: str) -> Variable:
    if is_pick(plan, base) and rows_of(plan, base) is base:
        mask = mask_of(base, plan.arrays[-1][1])
        return _chosen(mask, PUBLIC["dimshuffle"](y, 0, "x"), base, mode)
    if plan.mask is not None and y.type.shape[plan.mask[0]] == 1:
        place, mask = plan.mask
        behind = base.ndim - place - mask.ndim
        order = (*range(place), *["x"] * mask.ndim, *range(place + 1, y.ndim))
        wide = PUBLIC["dimshuffle"](y, *order)
        mask = PUBLIC["dimshuffle"](mask, *range(mask.ndim), *["x"] * behind)
        if any(extent != 1 for extent in wide.type.shape):
            wide = _spread(wide, base, mode)
        return _chosen(mask, wide, base, mode)
    flat = folded(base, plan)
    changed = _scattered(plan, flat, y, mode)
    return changed if flat is base else PUBLIC["reshape"](changed, extents(base))


def _chosen(mask: Variable, y: Variable, base: Variable, mode: str) -> Variable:
    if mode == "set":
        return PUBLIC["switch"](mask, y, base)
    return base + PUBLIC["switch"](mask, y, scalar_constant(0, base.type.dtype))


def _scattered(plan: Plan, base: Variable, y: Variable, mode: str) -> Variable:
    scatter = ScatterSet if mode == "set" else ScatterAdd
    if len(plan.arrays) == 1:
        axis, indices = plan.arrays[0]
        if plan.mask is None:
            size = variable(extent(base, axis))
            indices = CheckIndex(plan.axes[0], name_of(plan))(indices, size)
        part = Take(axis, True)(base, indices)
        return scatter(axis, True)(base, indices, _spread(y, part, mode))
    merged, flat, axis = merged_axes(base, plan.arrays, plan)
    part = Take(axis, True)(merged, flat)
    changed = scatter(axis, True)(merged, flat, _spread(y, part, mode))
    return PUBLIC["reshape"](changed, extents(base))


def _new_values(y: object, target: Variable, what: str) -> Variable:
    wanted = target.type.dtype
    new = as_variable(y, None, (wanted,))
    if new.type.dtype == wanted:
        return new
    python = not isinstance(y, Variable | np.ndarray | np.generic)
    if python and isinstance(new, Constant) and is_integer(wanted):
        if (new.data == new.data.astype(wanted)).all():
            return cast(new, wanted)
        raise DtypeError(
            f"{what}: {y!r} does not fit into {wanted}{listing(target)}\n"
            "Cast the tensor to a dtype that holds it."
        )
    if not np.can_cast(NUMPY[new.type.dtype], NUMPY[wanted], casting="same_kind"):
        raise DtypeError(
            f"{what}: values of dtype {new.type.dtype} do not go into {wanted}"
            f"{listing(target, new)}\nCast the values to {wanted}, or the tensor to "
            f"{new.type.dtype}."
        )
    return cast(new, wanted)


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


def _spread(y: Variable, part: Variable, mode: str) -> Variable:
    """`y` broadcast to the shape of the part it goes to."""
    for axis, (a, b) in enumerate(zip(y.type.shape, part.type.shape, strict=True)):
        if a is not None and a != 1 and b is not None and a != b:
            raise ShapeError(
                f"{mode}_subtensor: the new values have extent {a} at axis {axis}, the "
                f"part they go to has {b}{listing(y, part)}"
            )
    wanted = inferred_extents(part)
    pairs = zip(extents(y), wanted, strict=True)
    if all(extent_key(a) == extent_key(b) for a, b in pairs):
        return y
    return PUBLIC["broadcast_to"](y, wanted)
