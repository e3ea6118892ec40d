"""Reading and writing at integer arrays: `Take`, `ScatterAdd`, `ScatterSet`.

`Take` and `ScatterAdd` are adjoints of one another. `CheckIndex` guards indices that go
into arithmetic. Ints and slices are in ops/indexing.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_discrete, is_integer
from symgraph.core.node import Constant, Variable, listing
from symgraph.core.op import PUBLIC, Op, Shape, scalar_constant
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import AxisError, DtypeError, IndexRangeError, ShapeError
from symgraph.ops.shape import extents, variable
from symgraph.ops.slices import check_range

Gradients = Sequence[Variable | None]


def _check_axis(axis: int, x: Variable, what: str) -> None:
    if not 0 <= axis < x.ndim:
        raise AxisError(f"{what}: axis {axis} of {x.ndim} axes{listing(x)}")


def _check_indices(indices: Variable, x: Variable, axis: int, what: str) -> None:
    if indices.type.dtype != "int64":
        raise DtypeError(f"{what}: indices must be int64{listing(indices)}\nCast them.")
    extent = x.type.shape[axis]
    if isinstance(indices, Constant) and extent is not None:
        for index in (indices.data.min(initial=0), indices.data.max(initial=-1)):
            if indices.data.size:
                check_range(int(index), extent, axis, what, listing(x))


def _in_range(indices: np.ndarray, extent: int, axis: int, what: str) -> np.ndarray:
    bad = (indices < -extent) | (indices >= extent)
    if bad.any():
        check_range(int(indices[bad].flat[0]), extent, axis, what)
    return np.where(indices < 0, indices + extent, indices)


class Take(Op):
    """out[a, i, b] = x[a, indices[i], b]; a, b stand for the axes around `axis`.

    Negative indices count from the end; others outside the axis fail at run time.
    """

    axis: int

    name = "take"
    can_fail = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The axis gives way to the axes of the indices."""
        x, indices = inputs
        _check_axis(self.axis, x, "take")
        _check_indices(indices, x, self.axis, "take")
        shape = x.type.shape
        shape = shape[: self.axis] + indices.type.shape + shape[self.axis + 1 :]
        return (fast_type(x.type.dtype, shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The axis gives way to the axes of the indices."""
        x, indices = shapes
        return (x[: self.axis] + indices + x[self.axis + 1 :],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """The gradient added into zeros at the indices."""
        (g,), (x, indices) = gradients, inputs
        if g is None or is_discrete(x.type.dtype):
            return (None, None)
        return (ScatterAdd(self.axis)(PUBLIC["zeros_like"](x), indices, g), None)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows to the indices."""
        return (True, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's take."""
        x, indices = arrays
        places = _in_range(indices, x.shape[self.axis], self.axis, "take")
        return (np.asarray(np.take(x, places, axis=self.axis)),)


class _Scatter(Op):
    """What `ScatterAdd` and `ScatterSet` share: operands base, indices, values."""

    __slots__ = ()
    axis: int

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of the base."""
        base, indices, values = inputs
        _check_axis(self.axis, base, self.name)
        _check_indices(indices, base, self.axis, self.name)
        if values.type.dtype != base.type.dtype:
            raise DtypeError(
                f"{self.name}: values of dtype {values.type.dtype} into "
                f"{base.type.dtype}{listing(base, values)}\nCast them first."
            )
        shape = base.type.shape
        wanted = shape[: self.axis] + indices.type.shape + shape[self.axis + 1 :]
        if len(wanted) != values.ndim or any(
            a is not None and b is not None and a != b
            for a, b in zip(wanted, values.type.shape, strict=True)
        ):
            raise ShapeError(
                f"{self.name}: values of shape {values.type.shape}, expected {wanted}"
                f"{listing(base, indices, values)}"
            )
        return (base.type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of the base."""
        return (shapes[0],)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows to the indices."""
        return (True, False, True)

    def _places(
        self, base: np.ndarray, indices: np.ndarray, values: np.ndarray
    ) -> tuple[Any, ...]:
        """Index for NumPy that addresses the values; checks range and shape."""
        places = _in_range(indices, base.shape[self.axis], self.axis, self.name)
        wanted = base.shape[: self.axis] + indices.shape + base.shape[self.axis + 1 :]
        if values.shape != wanted:
            raise ShapeError(
                f"{self.name}: values of shape {values.shape}, expected {wanted}"
            )
        return (slice(None),) * self.axis + (places,)


class ScatterAdd(_Scatter):
    """out = base; out[a, indices[i], b] += values[a, i, b]; repeated indices add up."""

    axis: int

    name = "scatter_add"
    can_fail = True

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """The base gets g, the values what `Take` reads of it."""
        (g,), (base, indices, _) = gradients, inputs
        if g is None or is_discrete(base.type.dtype):
            return (None, None, None)
        return (g, None, Take(self.axis)(g, indices))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's add.at."""
        base, indices, values = arrays
        out = base.copy()
        np.add.at(out, self._places(base, indices, values), values)
        return (out,)


class ScatterSet(_Scatter):
    """out = base; out[a, indices[i], b] = values[a, i, b]; repeated: the last."""

    axis: int

    name = "scatter_set"
    can_fail = True

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """The values that stayed get g; the base gets g where nothing was written."""
        (g,), (base, indices, _) = gradients, inputs
        if g is None or is_discrete(base.type.dtype):
            return (None, None, None)
        source = self._source(base, indices)
        written = self._along_axis(PUBLIC["ge"](source, 0), base.ndim)
        to_base = PUBLIC["switch"](written, scalar_constant(0, g.type.dtype), g)
        order = PUBLIC["reshape"](
            PUBLIC["arange"](PUBLIC["size"](indices)), extents(indices)
        )
        last = PUBLIC["eq"](Take(0)(source, indices), order)
        behind = base.ndim - self.axis - 1
        kept = PUBLIC["dimshuffle"](last, *range(indices.ndim), *["x"] * behind)
        read = Take(self.axis)(g, indices)
        to_values = PUBLIC["switch"](kept, read, scalar_constant(0, g.type.dtype))
        return (to_base, None, to_values)

    def decompose(self, *inputs: Variable) -> Variable:
        """For each place of the axis, which value goes there; then a take and a choice.

        Compares every place with every index, which suits short axes.
        """
        base, indices, values = inputs
        extent = extents(base)[self.axis]
        shape = extents(values)
        flat = PUBLIC["reshape"](
            values,
            (
                *shape[: self.axis],
                PUBLIC["size"](indices),
                *shape[self.axis + indices.ndim :],
            ),
        )
        both = PUBLIC["concatenate"]([base, flat], axis=self.axis)
        source = self._source(base, indices)
        choice = PUBLIC["switch"](
            PUBLIC["ge"](source, 0), source + extent, PUBLIC["arange"](extent)
        )
        return Take(self.axis)(both, choice)

    def _source(self, base: Variable, indices: Variable) -> Variable:
        """For each place of the axis, the number of the last value for it, else -1."""
        extent = extents(base)[self.axis]
        flat = PUBLIC["flatten"](CheckIndex()(indices, variable(extent)))
        count = extents(flat)[0]
        hit = PUBLIC["eq"](
            PUBLIC["dimshuffle"](flat, 0, "x"),
            PUBLIC["dimshuffle"](PUBLIC["arange"](extent), "x", 0),
        )
        # an axis that is never empty: -1, then the numbers of the values
        number = PUBLIC["dimshuffle"](PUBLIC["arange"](count), 0, "x")
        marks = PUBLIC["switch"](hit, number, np.int64(-1))
        nothing = PUBLIC["alloc"](np.int64(-1), 1, extent)
        return PUBLIC["max"](PUBLIC["concatenate"]([nothing, marks], axis=0), axis=0)

    def _along_axis(self, v: Variable, ndim: int) -> Variable:
        pattern = [0 if axis == self.axis else "x" for axis in range(ndim)]
        return PUBLIC["dimshuffle"](v, *pattern)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's assignment, in order."""
        base, indices, values = arrays
        places = self._places(base, indices, values)[-1].reshape(-1)
        front, behind = base.shape[: self.axis], base.shape[self.axis + 1 :]
        parts = values.reshape(front + places.shape + behind)
        out = base.copy()
        at: tuple[Any, ...] = (slice(None),) * self.axis
        for number, place in enumerate(places):
            out[(*at, place)] = parts[(*at, number)]
        return (out,)


class CheckIndex(Op):
    """out = index, negative ones plus extent, as int64; outside the axis it fails."""

    name = "check_index"
    can_fail = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """An int64 of the shape of the index."""
        index, extent = inputs
        if not is_integer(index.type.dtype):
            raise DtypeError(
                f"an index must be an integer, not {index.type.dtype}{listing(index)}\n"
                "Cast it to int64."
            )
        if extent.type.shape != () or extent.type.dtype != "int64":
            raise DtypeError(
                f"check_index: extent must be a 0-d int64{listing(extent)}"
            )
        if isinstance(index, Constant) and isinstance(extent, Constant):
            try:
                self.reference(index.data, extent.data)
            except IndexRangeError as error:
                raise IndexRangeError(f"{error}{listing(index)}") from None
        return (fast_type("int64", index.type.shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of the index."""
        return (shapes[0],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """Nothing flows through integers."""
        return (None, None)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through integers."""
        return (False, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The wrapped index; IndexRangeError names the first that lies outside."""
        index, extent = arrays
        limit = int(extent)
        wide = index.astype(np.int64)
        bad = (wide < -limit) | (wide >= limit)
        if bad.any():
            first = int(wide[bad].flat[0])
            raise IndexRangeError(
                f"index {first} lies outside an axis of extent {limit}; it must be in "
                f"{-limit}..{limit - 1}"
            )
        return (np.asarray(np.where(wide < 0, wide + limit, wide)),)
