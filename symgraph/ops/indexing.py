"""Reading and writing parts of a tensor by ints and slices.

`Subtensor` and `SetSubtensor` carry a spec (see ops/slices.py) and the scalars that it
names; each is part of the gradient of the other. The ops for integer arrays are in
ops/gather.py and offered here as well. How ``x[...]`` becomes these ops is in
ops/index_plan.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_discrete
from symgraph.core.node import Apply, Constant, Op, Shape, Variable, listing
from symgraph.core.public import PUBLIC
from symgraph.core.sizes import Sizes
from symgraph.core.types import StaticShape, TensorType, fast_type
from symgraph.errors import ArgumentError, AxisError, DtypeError, ShapeError
from symgraph.ops.broadcast import sum_like
from symgraph.ops.gather import CheckIndex, ScatterAdd, ScatterSet, Take
from symgraph.ops.slices import (
    Spec,
    check_range,
    filled,
    is_slice,
    numpy_key,
    rendered,
    same_length,
    scalar_count,
    slice_bounds,
    static_length,
)

__all__ = [
    "CheckIndex", "ScatterAdd", "ScatterSet", "SetSubtensor", "Subtensor", "Take",
]  # fmt: skip

Gradients = Sequence[Variable | None]


def _region(
    spec: Spec, x: Variable, scalars: Sequence[Variable], what: str
) -> StaticShape:
    """Static shape of the part that a spec selects; checks the spec and its scalars."""
    if len(spec) != x.ndim:
        raise AxisError(
            f"{what}: {len(spec)} indices for {x.ndim} axes{listing(x)}\n"
            "Give one index per axis."
        )
    if len(scalars) != scalar_count(spec):
        raise ArgumentError(
            f"{what}: {len(scalars)} scalar operands, the index needs "
            f"{scalar_count(spec)}{listing(x)}"
        )
    for v in scalars:
        if v.type.shape != () or v.type.dtype != "int64":
            raise DtypeError(f"{what}: an index must be a 0-d int64{listing(v)}")
    shape: list[int | None] = []
    for axis, (entry, given, extent) in enumerate(
        zip(spec, filled(spec, scalars), x.type.shape, strict=True)
    ):
        if isinstance(entry, tuple):
            if entry[3] == 0:
                raise ArgumentError(
                    f"{what}: the step of the slice of axis {axis} is 0{listing(x)}\n"
                    "Use a step that is not 0."
                )
            shape.append(extent if same_length(entry) else static_length(entry, extent))
            continue
        number = int(given.data) if isinstance(given, Constant) else given
        if isinstance(number, int) and extent is not None:
            check_range(number, extent, axis, what, listing(x))
    return tuple(shape)


def _can_fail(spec: Spec) -> bool:
    return any(entry[3] == "v" if isinstance(entry, tuple) else True for entry in spec)


def _as_extent(v: Any) -> Any:
    return int(v.data) if isinstance(v, Constant) else v


def require_indices(sizes: Sizes, spec: Spec, scalars: Sequence[Variable]) -> None:
    """Indices lie in their axes, and no step is 0."""
    for axis, entry in enumerate(filled(spec, list(scalars))):
        if isinstance(entry, tuple):
            for part in entry:  # known as a size now, so that who needs it waits for it
                if isinstance(part, Variable):
                    sizes.of(part)
            if isinstance(entry[2], Variable):
                step = sizes.of(entry[2])
                text = f"the step of the slice of axis {axis} is 0"
                sizes.inside(sizes.of(0), step * step, text)  # unless step * step is 0
            continue
        index, extent = sizes.of(entry), sizes.shapes[0][axis]
        if index.constant is None or extent.constant is None:
            text = f"index {{index}} lies outside axis {axis} of extent {{extent}}"
            sizes.inside(index, extent, text)


class Subtensor(Op):
    """out = x[spec]: ints drop their axis, slices keep it."""

    spec: Spec

    name = "subtensor"
    is_view = True
    is_repeated = True
    gathers = True

    @property
    def can_fail(self) -> bool:  # type: ignore[override]
        """An int may lie outside its axis, a symbolic step may be 0."""
        return _can_fail(self.spec)

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Lengths of the slices where they are known."""
        x, *scalars = inputs
        return (fast_type(x.type.dtype, _region(self.spec, x, scalars, "x[...]")),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Lengths of the slices, clipped to the axis as in Python."""
        given = filled(self.spec, [_as_extent(v) for v in inputs[1:]])
        return (
            tuple(
                extent if same_length(entry) else slice_bounds(bounds, extent)[1]
                for entry, bounds, extent in zip(
                    self.spec, given, shapes[0], strict=True
                )
                if is_slice(entry)
            ),
        )

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """The gradient set into zeros of the shape of x."""
        (g,), (x, *scalars) = gradients, inputs
        rest = (None,) * len(scalars)
        if g is None or is_discrete(x.type.dtype):
            return (None, *rest)
        zeros = PUBLIC["zeros_like"](x)
        return (SetSubtensor(self.spec, "set")(zeros, g, *scalars), *rest)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's basic indexing."""
        x, *scalars = arrays
        return (np.array(x[numpy_key(self.spec, scalars, x.shape, "x[...]")]),)

    def require(self, sizes: Sizes) -> None:
        """Indices lie in their axes, and no step is 0."""
        require_indices(sizes, self.spec, sizes.inputs[1:])

    def render(self, parts: list[str]) -> str:
        """x[1:3, ::-1]"""
        return rendered(self.spec, parts[0], parts[1:])


class SetSubtensor(Op):
    """out = x with ``x[spec] = y`` (mode "set") or ``x[spec] += y`` (mode "inc").

    y has as many axes as ``x[spec]``; its axes of known extent 1 are broadcast.
    """

    spec: Spec
    mode: str

    name = "set_subtensor"
    changes = True

    @property
    def can_fail(self) -> bool:  # type: ignore[override]
        """An int may lie outside its axis, a symbolic step may be 0."""
        return _can_fail(self.spec)

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of x."""
        x, y, *scalars = inputs
        what = f"{self.mode}_subtensor"
        region = _region(self.spec, x, scalars, what)
        if y.type.dtype != x.type.dtype:
            raise DtypeError(
                f"{what}: the new values have dtype {y.type.dtype}, the tensor has "
                f"{x.type.dtype}{listing(x, y)}\nCast them first."
            )
        if y.ndim != len(region):
            raise ShapeError(
                f"{what}: the new values have {y.ndim} axes, the part has {len(region)}"
                f"{listing(x, y)}"
            )
        for axis, (new, old) in enumerate(zip(y.type.shape, region, strict=True)):
            if new is not None and new != 1 and old is not None and new != old:
                raise ShapeError(
                    f"{what}: the new values have extent {new} at axis {axis}, the "
                    f"part they go to has {old}{listing(x, y)}\n"
                    "Reshape them; only an extent of 1 is broadcast."
                )
        return (x.type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of x."""
        return (shapes[0],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """y gets g[spec]; x gets g, with zeros at [spec] where it was overwritten."""
        (g,), (x, y, *scalars) = gradients, inputs
        rest = (None,) * len(scalars)
        if g is None or is_discrete(x.type.dtype):
            return (None, None, *rest)
        to_y = sum_like(Subtensor(self.spec)(g, *scalars), y)
        to_x = g
        if self.mode == "set":
            nothing = Constant(np.zeros((1,) * y.ndim, x.type.dtype))
            to_x = SetSubtensor(self.spec, "set")(g, nothing, *scalars)
        return (to_x, to_y, *rest)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's assignment into a copy."""
        x, y, *scalars = arrays
        what = f"{self.mode}_subtensor"
        key = numpy_key(self.spec, scalars, x.shape, what)
        out = x.copy()
        part = out[key]
        if any(n not in (1, e) for n, e in zip(y.shape, part.shape, strict=True)):
            raise ShapeError(
                f"{what}: new values of shape {y.shape} do not fit into the part of "
                f"shape {part.shape} of a tensor of shape {x.shape}"
            )
        out[key] = y if self.mode == "set" else part + y
        return (out,)

    def is_light(self, node: Apply) -> bool:
        """Its elements are copied."""
        return True

    def require(self, sizes: Sizes) -> None:
        """Indices lie in their axes, and y has the extents of the part or 1."""
        scalars = sizes.inputs[2:]
        require_indices(sizes, self.spec, scalars)
        pairs = zip(filled(self.spec, list(scalars)), sizes.given(0), strict=True)
        region = [slice_bounds(e, n)[1] for e, n in pairs if isinstance(e, tuple)]
        y = sizes.shapes[1]
        for axis in range(-len(y), 0):
            if y[axis] != sizes.one:
                sizes.equal(
                    sizes.of(region[axis]), y[axis], (0, 1), axis, broadcast=True
                )

    def render(self, parts: list[str]) -> str:
        """set_subtensor(x[1:3], y)"""
        part = rendered(self.spec, parts[0], parts[2:])
        return f"{self.mode}_subtensor({part}, {parts[1]})"
