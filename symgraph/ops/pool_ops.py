"""Pooling: maximum or sum over windows of spatial axes, and the adjoints.

    max:  y[n, c, o] = max over r of x[n, c, o*stride - low + r]
    sum:  y[n, c, o] = sum over r of x[n, c, o*stride - low + r]

where r runs over the elements of the window that lie inside x: padding is never a
maximum, and adds nothing. With `ignore_border` only whole windows of the padded input
count; without, windows that reach over its end are cut off there. x is (N, C,
*spatial), with `channels_last` (N, *spatial, C). Functions for users, means among them,
are in ops/pool_api.py.

Source: the numbers of windows are those of Theano 1.0 (signal/pool.py); the gradient of
a maximum that is met more than once goes to all of them as there, or to the first.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_complex, is_discrete, is_float
from symgraph.core.node import Op, Shape, Variable, listing
from symgraph.core.public import PUBLIC
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.shape import (
    AnyExtent,
    add,
    extents,
    floor_divide,
    folded,
    maximum,
    static_shape,
    variable,
)
from symgraph.ops.windows import (
    Pairs,
    check_covers,
    check_extents,
    check_geometry,
    count,
    in_last_axes,
    places,
    require_fit,
    require_windows,
)

Gradients = Sequence[Variable | None]
MODES = ("max", "sum")
TIES = ("all", "first")


def pooled(
    extent: AnyExtent, size: int, stride: int, padding: tuple[int, int],
    ignore_border: bool,
) -> AnyExtent:  # fmt: skip
    """Number of windows along an axis, as in Theano.

    Examples
    --------
    >>> pooled(5, 2, 2, (0, 0), True), pooled(5, 2, 2, (0, 0), False)
    (2, 3)
    >>> pooled(5, 3, 1, (0, 0), False), pooled(5, 2, 3, (1, 1), True)
    (3, 2)
    """
    if ignore_border:
        return count(extent, size, stride, padding)
    whole = add(extent, sum(padding))
    if stride >= size:
        return floor_divide(add(whole, stride - 1), stride)
    more = floor_divide(add(whole, stride - 1 - size), stride)
    return add(maximum(more, 0), 1)


class _Pool(Op):
    """What the ops share: the geometry."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Pairs
    ignore_border: bool
    channels_last: bool = False

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.size)

    def spatial(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        """Spatial extents of a shape of x or y."""
        return tuple(shape[1:-1]) if self.channels_last else tuple(shape[2:])

    def with_spatial(self, shape: Sequence[Any], spatial: Sequence[Any]) -> Any:
        """A shape with other spatial extents."""
        if self.channels_last:
            return (shape[0], *spatial, shape[-1])
        return (*shape[:2], *spatial)

    def out(self, spatial: Sequence[Any]) -> tuple[Any, ...]:
        """Spatial extents of y; None where an extent is None."""
        return tuple(
            None if n is None else pooled(n, r, s, p, self.ignore_border)
            for n, r, s, p in zip(
                spatial, self.size, self.strides, self.padding, strict=True
            )
        )

    def require(self, sizes: Sizes) -> None:
        """No window is empty or larger than the images."""
        self._require_fit(sizes, self.spatial(sizes.shapes[0]))

    def _require_fit(self, sizes: Sizes, spatial: Sequence[Any]) -> None:
        geometry = zip(spatial, self.size, self.padding, strict=True)
        for axis, (n, size, ends) in enumerate(geometry):
            padded, r = n + sum(ends), sizes.of(size)
            room = padded - (r - 1)
            if not self.ignore_border:
                padded = room = n
            require_fit(sizes, self.name, axis, padded, r, room)

    def _require_pooled(self, sizes: Sizes, like: int) -> None:
        """Operand 1 is the pooled operand 0, and the last one has the shape of one."""
        x, y, other = sizes.shapes
        self._require_fit(sizes, self.spatial(x))
        out = self.out(list(map(folded, self.spatial(sizes.given(0)))))
        require_windows(sizes, self, 1, out)
        for axis in (0, len(x) - 1 if self.channels_last else 1):
            sizes.equal(x[axis], y[axis], (0, 1), axis)
        pairs = zip(other, sizes.shapes[like], strict=True)
        for axis, (n, wanted) in enumerate(pairs):
            sizes.equal(wanted, n, (like, 2), axis)

    @property
    def geometry(self) -> dict[str, Any]:
        """The fields that all the ops have, by name."""
        return {
            "size": self.size, "strides": self.strides, "padding": self.padding,
            "ignore_border": self.ignore_border, "channels_last": self.channels_last,
        }  # fmt: skip

    def _check(self, x: Variable, *others: Variable) -> None:
        name = self.name
        check_geometry(
            name, self.rank, size=self.size, strides=self.strides, padding=self.padding
        )
        if any(max(pair) >= n for pair, n in zip(self.padding, self.size, strict=True)):
            raise ArgumentError(
                f"{name}: padding {self.padding} must be smaller than the window "
                f"{self.size}, else a window lies outside the input{listing(x)}"
            )
        if not self.ignore_border and any(map(any, self.padding)):
            raise ArgumentError(
                f"{name}: padding {self.padding} needs ignore_border=True{listing(x)}"
            )
        for v in (x, *others):
            if v.ndim != self.rank + 2:
                raise ShapeError(
                    f"{name}: an operand has {v.ndim} axes; with {self.rank} spatial "
                    f"axes it has {self.rank + 2}{listing(x, *others)}"
                )
            if v.type.dtype == "bool" or is_complex(v.type.dtype):
                raise DtypeError(
                    f"{name}: it is not defined for {v.type.dtype}"
                    f"{listing(x, *others)}\nCast the operand to integers or floats."
                )
            if v.type.dtype != x.type.dtype:
                raise DtypeError(f"{name}: dtypes differ{listing(x, *others)}")

    def _check_input(self, x: Sequence[int | None], *shown: Variable) -> None:
        """Windows must find something along each axis."""
        for axis, n in enumerate(self.spatial(x)):
            if n == 0:
                raise ShapeError(
                    f"{self.name}: spatial axis {axis} is empty{listing(*shown)}"
                )
            if self.ignore_border:
                size, padding = self.size[axis], self.padding[axis]
                check_covers(self.name, n, size, padding, 1, axis, *shown)

    def _check_agree(self, *operands: Variable) -> None:
        """Operands of one shape."""
        for axis, known in enumerate(
            zip(*(v.type.shape for v in operands), strict=True)
        ):
            if len(set(known) - {None}) > 1:
                raise ShapeError(
                    f"{self.name}: extents of axis {axis} differ{listing(*operands)}"
                )

    def _check_output(self, x: Sequence[Any], y: Variable, *shown: Variable) -> None:
        wanted = self.with_spatial(x, self.out(self.spatial(x)))
        for axis, (have, told) in enumerate(zip(y.type.shape, wanted, strict=True)):
            if have is not None and told is not None and have != told:
                raise ShapeError(
                    f"{self.name}: axis {axis} of the result has extent {have}, the "
                    f"windows make {told}{listing(*shown)}\n"
                    "Pass what the forward operation had."
                )

    # --- by NumPy: channels before the spatial axes -----------------------------------

    def _first(self, x: np.ndarray) -> np.ndarray:
        return np.moveaxis(x, -1, 1) if self.channels_last else x

    def _back(self, x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(x, 1, -1) if self.channels_last else x)

    def _margins(self, spatial: Sequence[int]) -> list[tuple[int, int]]:
        """Elements before and after each axis, until all windows are whole."""
        out = self.out(spatial)
        margins = []
        for n, o, r, s, (low, high) in zip(
            spatial, out, self.size, self.strides, self.padding, strict=True
        ):
            margins.append((low, max(high, (o - 1) * s + r - n - low)))
        return margins

    def _parts(
        self, arrays: Sequence[np.ndarray], fill: Sequence[Any]
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """For each element of the window, what it meets of each array of x's shape."""
        for x in arrays:
            self._check_input(x.shape)
        spatial = self.spatial(arrays[0].shape)
        margins = [(0, 0), (0, 0), *self._margins(spatial)]
        wide = [
            np.pad(self._first(x), margins, constant_values=value)
            for x, value in zip(arrays, fill, strict=True)
        ]
        inside = np.pad(np.ones(spatial, bool), margins[2:])
        for _, where in self._places(spatial):
            yield (*(x[in_last_axes(where)] for x in wide), inside[where])

    def _places(
        self, spatial: Sequence[int]
    ) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        return places(self.size, self.strides, (1,) * self.rank, self.out(spatial))

    def _spread(
        self, spatial: Sequence[int], like: np.ndarray,
        parts: Iterable[tuple[np.ndarray, tuple[slice, ...]]],
    ) -> np.ndarray:  # fmt: skip
        """Zeros of the extents given, to which parts are added at their places."""
        margins = self._margins(spatial)
        wide = [n + sum(pair) for n, pair in zip(spatial, margins, strict=True)]
        out = np.zeros((*like.shape[:2], *wide), like.dtype)
        with np.errstate(all="ignore"):
            for part, where in parts:
                out[in_last_axes(where)] += part
        inside = (
            slice(low, low + n) for n, (low, _) in zip(spatial, margins, strict=True)
        )
        return self._back(out[in_last_axes(inside)])

    def _expect(self, y: np.ndarray, x: Sequence[int]) -> None:
        wanted = self.with_spatial(x, self.out(self.spatial(x)))
        if y.shape != tuple(wanted):
            raise ShapeError(f"{self.name}: shape {y.shape}, expected {wanted}")


class Pool(_Pool):
    """y[n, c, o] = max or sum of x over window o; see the top of the file.

    `ties` says where the gradient of a maximum goes.
    """

    mode: str = "max"
    ties: str = "all"

    name = "pool"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The dtype of x, integer or float; as many positions as windows fit."""
        (x,) = inputs
        if self.mode not in MODES or self.ties not in TIES:
            raise ArgumentError(
                f"pool: mode {self.mode!r} with ties {self.ties!r}; modes are "
                f"{', '.join(MODES)}, ties {', '.join(TIES)}"
            )
        self._check(x)
        self._check_input(x.type.shape, x)
        out = static_shape(self.out(self.spatial(x.type.shape)))
        return (fast_type(x.type.dtype, self.with_spatial(x.type.shape, out)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents of x, windows along the spatial axes."""
        (x,) = shapes
        return (self.with_spatial(x, self.out(self.spatial(x))),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """Of a sum: g for each element read. Of a maximum: g where it was met."""
        (g,), (x,), (y,) = gradients, inputs, outputs
        if g is None or is_discrete(x.type.dtype):
            return (None,)
        if self.mode == "sum":
            given = map(variable, self.spatial(extents(x)))
            return (PoolSumInput(**self.geometry)(g, *given),)
        return (PoolMaxInput(**self.geometry, ties=self.ties)(x, y, g),)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's maximum, or sum, of the strided views of a padded copy."""
        (x,) = arrays
        fill: Any = 0
        if self.mode == "max":
            real = is_float(x.dtype.name)
            fill = -np.inf if real else np.iinfo(x.dtype).min
        combine = np.maximum if self.mode == "max" else np.add
        y: np.ndarray | None = None
        with np.errstate(all="ignore"):
            for part, _ in self._parts([x], [fill]):
                y = part.copy() if y is None else combine(y, part, dtype=x.dtype)
        assert y is not None
        return (self._back(y),)


# the mode comes first, as in Pool("max", size, ...)
Pool.fields = ("mode", *_Pool.fields, "ties")


class PoolSumInput(_Pool):
    """The adjoint of the sum: g and the spatial extents of x give dx.

    dx[n, c, i] = sum of g[n, c, o] over the windows o that hold i.
    """

    name = "pool_sum_input"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A gradient of the shape that the extents make."""
        g, *given = inputs
        self._check(g)
        check_extents(self.name, given, self.rank)
        shape = self.with_spatial(g.type.shape, static_shape(given))
        self._check_input(shape, g)
        self._check_output(shape, g, g)
        return (fast_type(g.type.dtype, shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents given."""
        return (self.with_spatial(shapes[0], tuple(map(folded, inputs[1:]))),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """For d: the sums of d over the windows."""
        (d,) = gradients
        first = None if d is None else Pool(mode="sum", **self.geometry)(d)
        return (first, *(None,) * self.rank)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through the extents."""
        return (True, *(False,) * self.rank)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """G added where each element of the windows lies."""
        g, *given = arrays
        spatial = [int(e) for e in given]
        self._check_input(self.with_spatial(g.shape, spatial))
        self._expect(g, self.with_spatial(g.shape, spatial))
        g = self._first(g)
        parts = ((g, where) for _, where in self._places(spatial))
        return (self._spread(spatial, g, parts),)

    def in_memory(self, inputs: Sequence[Variable]) -> Sequence[Variable]:
        """The last ones are spatial extents."""
        return inputs[:1]

    def require(self, sizes: Sizes) -> None:
        """The gradient has an element for each window."""
        given = sizes.inputs[1:]
        spatial = [sizes.of(v) for v in given]
        require_windows(sizes, self, 0, self.out(list(map(folded, given))))
        self._require_fit(sizes, spatial)


class _PoolMax(_Pool):
    """What the two gradients of a maximum share: which elements it goes to."""

    ties: str = "all"

    def _chosen(
        self, x: np.ndarray, y: np.ndarray
    ) -> Iterator[tuple[np.ndarray, tuple[slice, ...]]]:
        """For each element of the window, where the maximum is taken from it."""
        self._expect(y, x.shape)
        first = self._first(y)
        free = np.ones(first.shape, bool)
        spots = self._places(self.spatial(x.shape))
        for (part, inside), (_, where) in zip(
            self._parts([x], [0]), spots, strict=True
        ):
            hit = (part == first) & inside
            if self.ties == "first":
                hit &= free
                free &= ~hit
            yield hit, where

    def _check_three(self, x: Variable, y: Variable) -> None:
        if self.ties not in TIES:
            raise ArgumentError(f"{self.name}: ties {self.ties!r}; it is all or first")
        self._check_input(x.type.shape, x, y)
        self._check_output(x.type.shape, y, x, y)


class PoolMaxInput(_PoolMax):
    """The gradient of the maximum: x, y and g give dx.

    dx[n, c, i] = sum of g[n, c, o] over the windows o that take their maximum from i:
    all i with x[n, c, i] = y[n, c, o], or the first of them in row-major order.
    """

    name = "pool_max_input"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of x; y and g have the shape of the windows."""
        x, y, g = inputs
        self._check(x, y, g)
        self._check_three(x, y)
        self._check_agree(y, g)
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
        """For d: to x nothing, to g the d of the chosen elements."""
        (d,), (x, y, _) = gradients, inputs
        if d is None:
            return (None, None, None)
        pick = PoolMaxPick(**self.geometry, ties=self.ties)
        return (PUBLIC["zeros_like"](x), None, pick(x, y, d))

    def connection(self) -> tuple[bool, ...]:
        """Derivatives by x are 0; y is a function of x."""
        return (True, False, True)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """G added where x equals the maximum."""
        x, y, g = arrays
        self._expect(g, x.shape)
        g, none = self._first(g), g.dtype.type(0)
        parts = ((np.where(hit, g, none), where) for hit, where in self._chosen(x, y))
        return (self._spread(self.spatial(x.shape), g, parts),)

    def require(self, sizes: Sizes) -> None:
        """y is the pooled x, and g has its shape."""
        self._require_pooled(sizes, 1)


class PoolMaxPick(_PoolMax):
    """The adjoint of `PoolMaxInput` in g: x, y and v give the sums of v that y chose.

    out[n, c, o] = sum of v[n, c, i] over the i that window o takes its maximum from.
    """

    name = "pool_max_pick"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of y; v has the shape of x."""
        x, y, v = inputs
        self._check(x, y, v)
        self._check_three(x, y)
        self._check_agree(x, v)
        return (y.type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of y."""
        return (shapes[1],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """For d: to x nothing, to v pool_max_input(x, y, d)."""
        (d,), (x, y, _) = gradients, inputs
        if d is None:
            return (None, None, None)
        spread = PoolMaxInput(**self.geometry, ties=self.ties)
        return (PUBLIC["zeros_like"](x), None, spread(x, y, d))

    def connection(self) -> tuple[bool, ...]:
        """Derivatives by x are 0; y is a function of x."""
        return (True, False, True)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The sums, by NumPy."""
        x, y, v = arrays
        if v.shape != x.shape:
            raise ShapeError(f"{self.name}: v has shape {v.shape}, x {x.shape}")
        out = np.zeros_like(self._first(y))
        parts = self._parts([v], [0])
        for (hit, _), (part, _) in zip(self._chosen(x, y), parts, strict=True):
            out += np.where(hit, part, out.dtype.type(0))
        return (self._back(out),)

    def require(self, sizes: Sizes) -> None:
        """y is the pooled x, and v has the shape of x."""
        self._require_pooled(sizes, 0)
