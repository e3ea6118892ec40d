"""Reading and writing at integer arrays: `Take`, `ScatterAdd`, `ScatterSet`.

`Take` and `ScatterAdd` are adjoints of one another. `CheckIndex` guards indices that go
into arithmetic. Ints and slices are in ops/indexing.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_discrete, is_integer
from symgraph.core.node import Constant, Op, Shape, Variable, listing, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import AxisError, DtypeError, IndexRangeError, ShapeError
from symgraph.ops.shape import extents
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


def first_outside(index: np.ndarray, limit: int, negative: bool = True) -> str | None:
    """The first index that lies outside 0 .. limit - 1 (or counts from the end), in words.

    Examples
    --------
    >>> import numpy as np
    >>> first_outside(np.array([0, 7, 1]), 5)
    'index 7 in row 1'
    """
    bad = (index < (-limit if negative else 0)) | (index >= limit)
    if not bad.any():
        return None
    places = np.argwhere(bad)[0].tolist()
    value = int(index[tuple(places)])
    if not places:
        return f"index {value}"
    where = f"row {places[0]}" if len(places) == 1 else f"position {tuple(places)}"
    return f"index {value} in {where}"


def _in_range(op: "Take | _Scatter", indices: np.ndarray, extent: int) -> np.ndarray:
    found = first_outside(indices, extent)
    if found is not None:
        raise IndexRangeError(op.failure(str(extent), found))
    return np.where(indices < 0, indices + extent, indices)


def _failure(axis: int, extent: str, of: str = "", index: str = "an index") -> str:
    """What went wrong at an index into an axis (-1: none in particular) of an extent."""
    place = "an axis" if axis < 0 else f"axis {axis}"
    source = f" of {of}" if of else ""
    return f"{index} lies outside {place}{source}, which has extent {extent}"


class Take(Op):
    """out[a, i, b] = x[a, indices[i], b]; a, b stand for the axes around `axis`.

    Negative indices count from the end; others outside the axis fail at run time.
    `safe` says that all are in ``0 .. extent - 1``, so that nothing is checked.
    """

    axis: int
    safe: bool = False

    name = "take"
    is_fused = True
    gathers = True

    @property
    def can_fail(self) -> bool:  # type: ignore[override]
        """Whether an index may lie outside the axis."""
        return not self.safe

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
        zeros = PUBLIC["zeros_like"](x)
        return (ScatterAdd(self.axis, self.safe)(zeros, indices, g), None)

    def failure(self, extent: str, index: str = "an index") -> str:
        """What went wrong, for an axis of this extent."""
        return f"{self.name}: {_failure(self.axis, extent, '', index)}"

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows to the indices."""
        return (True, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's take."""
        x, indices = arrays
        places = _in_range(self, indices, x.shape[self.axis])
        return (np.asarray(np.take(x, places, axis=self.axis)),)


class _Scatter(Op):
    """What `ScatterAdd` and `ScatterSet` share: operands base, indices, values.

    `safe` says that all indices are in ``0 .. extent - 1``.
    """

    __slots__ = ()
    axis: int
    safe: bool = False

    @property
    def can_fail(self) -> bool:  # type: ignore[override]
        """Whether an index may lie outside the axis."""
        return not self.safe

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

    def failure(self, extent: str, index: str = "an index") -> str:
        """What went wrong, for an axis of this extent."""
        return f"{self.name}: {_failure(self.axis, extent, '', index)}"

    def require(self, sizes: Sizes) -> None:
        """In the values, the extents of the indices take the place of the axis."""
        base, indices, values = map(tuple, sizes.shapes)
        wanted = base[: self.axis] + indices + base[self.axis + 1 :]
        for i, (size, want) in enumerate(zip(values, wanted, strict=True)):
            sizes.equal(want, size, (0, 2), i)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows to the indices."""
        return (True, False, True)

    def _places(
        self, base: np.ndarray, indices: np.ndarray, values: np.ndarray
    ) -> tuple[Any, ...]:
        """Index for NumPy that addresses the values; checks range and shape."""
        places = _in_range(self, indices, base.shape[self.axis])
        wanted = base.shape[: self.axis] + indices.shape + base.shape[self.axis + 1 :]
        if values.shape != wanted:
            raise ShapeError(
                f"{self.name}: values of shape {values.shape}, expected {wanted}"
            )
        return (slice(None),) * self.axis + (places,)


class ScatterAdd(_Scatter):
    """out = base; out[a, indices[i], b] += values[a, i, b]; repeated indices add up."""

    axis: int
    safe: bool = False

    name = "scatter_add"
    changes = True

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """The base gets g, the values what `Take` reads of it."""
        (g,), (base, indices, _) = gradients, inputs
        if g is None or is_discrete(base.type.dtype):
            return (None, None, None)
        return (g, None, Take(self.axis, self.safe)(g, indices))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's add.at."""
        base, indices, values = arrays
        out = base.copy()
        np.add.at(out, self._places(base, indices, values), values)
        return (out,)


class ScatterSet(_Scatter):
    """out = base; out[a, indices[i], b] = values[a, i, b]; repeated: the last."""

    axis: int
    safe: bool = False

    name = "scatter_set"
    changes = True

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """The values that stayed get g; the base gets g where nothing was written."""
        (g,), (base, indices, values) = gradients, inputs
        if g is None or is_discrete(base.type.dtype):
            return (None, None, None)
        nothing = PUBLIC["zeros_like"](values)
        to_base = ScatterSet(self.axis, self.safe)(g, indices, nothing)
        read = Take(self.axis, self.safe)(g, indices)
        if not _distinct(indices):
            order = PUBLIC["reshape"](
                PUBLIC["arange"](PUBLIC["size"](indices)), extents(indices)
            )
            start = PUBLIC["alloc"](np.int64(0), extents(base)[self.axis])
            last = ScatterSet(0, self.safe)(start, indices, order)
            stayed = PUBLIC["eq"](Take(0, self.safe)(last, indices), order)
            behind = base.ndim - self.axis - 1
            kept = PUBLIC["dimshuffle"](stayed, *range(indices.ndim), *["x"] * behind)
            read = PUBLIC["switch"](kept, read, scalar_constant(0, g.type.dtype))
        return (to_base, None, read)

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


def _distinct(indices: Variable) -> bool:
    """Whether it is known that no two indices are the same place."""
    if isinstance(indices, Constant):
        data = indices.data
        return bool(data.size == np.unique(data).size and (data >= 0).all())
    return indices.owner is not None and indices.owner.op.name in DISTINCT


#: ops whose results have no element twice
DISTINCT = ("iota", "mask_positions")


class CheckIndex(Op):
    """out = index, negative ones plus extent, as int64; outside the axis it fails.

    `axis` (-1: none) and `of`, the name of what is indexed, are for the error. Without
    `negative`, negative ones fail as well.
    """

    axis: int = -1
    of: str = ""
    negative: bool = True

    name = "check_index"
    can_fail = True
    is_fused = True
    is_inlined = True

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
        found = first_outside(wide, limit, self.negative)
        if found is not None:
            raise IndexRangeError(self.failure(str(limit), found))
        return (np.asarray(np.where(wide < 0, wide + limit, wide)),)

    def failure(self, extent: str, index: str = "an index") -> str:
        """What went wrong, for an axis of this extent."""
        text = _failure(self.axis, extent, self.of, index)
        return text if self.negative else f"{text} (negative ones are not taken)"
