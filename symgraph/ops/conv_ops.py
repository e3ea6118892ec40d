"""Convolution and its two adjoints, over 1, 2 or 3 spatial axes.

    y[n, k, o] = sum over c, r of  x[n, g*C/groups + c, o*stride - low + r*dilation]
                                 * w[k, c, r]                  (g = the group of k)

With `flip` it is w[k, c, R - 1 - r]: a convolution in the sense of mathematics, and
Theano's default. x is (N, C, *spatial) and y (N, K, *out); with `channels_last` they
are (N, *spatial, C) and (N, *out, K). w is (K, C / groups, *window) always. Each op is
linear in both of its operands, and its gradients are the other two. Functions for users
are in ops/conv_api.py.

Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning".
"""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from symgraph.core.node import Layout, Op, Shape, Variable, listing
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.shape import (
    AnyExtent,
    extents,
    floor_divide,
    folded,
    multiply,
    static_shape,
    variable,
)
from symgraph.ops.windows import (
    Pairs,
    check_count,
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
Static = Sequence[int | None]


class _Convolution(Op):
    """What the three ops share: the geometry."""

    strides: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int
    flip: bool
    channels_last: bool = False

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.strides)

    @property
    def channel_axis(self) -> int:
        """Axis of the channels in x and y."""
        return self.rank + 1 if self.channels_last else 1

    def spatial(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        """Spatial extents of a shape of x or y."""
        return tuple(shape[1:-1]) if self.channels_last else tuple(shape[2:])

    def joined(self, batch: Any, channels: Any, spatial: Sequence[Any]) -> Any:
        """Shape of x or y from its parts."""
        if self.channels_last:
            return (batch, *spatial, channels)
        return (batch, channels, *spatial)

    def out(self, spatial: Sequence[Any], window: Sequence[Any]) -> tuple[Any, ...]:
        """Spatial extents of y; None where an extent is None."""
        return tuple(
            None if n is None or r is None else count(n, r, s, p, d)
            for n, r, s, p, d in zip(
                spatial, window, self.strides, self.padding, self.dilation, strict=True
            )
        )

    def layout(self, position: int) -> Layout:
        """Images and filters lie as they are; the rest are extents."""
        return "contiguous" if position < 2 else "any"

    def like(self, op: type["_Convolution"]) -> "_Convolution":
        """Another of the three with this geometry."""
        return op(*self.as_tuple())

    def _require_fit(
        self, sizes: Sizes, spatial: Sequence[Any], window: Sequence[Any]
    ) -> None:
        geometry = zip(spatial, window, self.padding, self.dilation, strict=True)
        for axis, (n, r, ends, step) in enumerate(geometry):
            padded = n + sum(ends)
            require_fit(sizes, self.name, axis, padded, r, padded - (r - 1) * step)

    def _check(self, first: Variable, second: Variable, what: tuple[str, str]) -> None:
        check_geometry(
            self.name, self.rank, strides=self.strides, padding=self.padding,
            dilation=self.dilation,
        )  # fmt: skip
        if not isinstance(self.groups, int) or self.groups < 1:
            raise ArgumentError(f"{self.name}: groups {self.groups!r}; it is 1 or more")
        operands = (first, second)
        for v, role in zip(operands, what, strict=True):
            if v.type.dtype not in ("float32", "float64"):
                raise DtypeError(
                    f"{self.name}: {role} has dtype {v.type.dtype}, it must be float32 "
                    f"or float64{listing(*operands)}\nCast it."
                )
            if v.ndim != self.rank + 2:
                raise ShapeError(
                    f"{self.name}: {role} has {v.ndim} axes; with {self.rank} spatial "
                    f"axes it has {self.rank + 2}{listing(*operands)}\n"
                    "Add axes with dimshuffle, or use the function for its rank."
                )
        if first.type.dtype != second.type.dtype:
            raise DtypeError(
                f"{self.name}: dtypes {first.type.dtype} and {second.type.dtype} "
                f"differ{listing(*operands)}\nCast one of them."
            )

    def _check_input(self, x: Variable, each: int | None, *shown: Variable) -> None:
        """Channels of x against those that a filter takes."""
        have = x.type.shape[self.channel_axis]
        if have is not None and each is not None and have != each * self.groups:
            many = f" in each of {self.groups} groups" if self.groups > 1 else ""
            raise ShapeError(
                f"{self.name}: the input has {have} channels, the filters take {each}"
                f"{many}{listing(*shown)}\nFilters are (out channels, in channels / "
                "groups, *window)."
            )
        self._divides(have, "input", *shown)

    def _divides(self, channels: int | None, what: str, *shown: Variable) -> None:
        if channels is not None and channels % self.groups:
            raise ShapeError(
                f"{self.name}: {channels} {what} channels do not divide into "
                f"{self.groups} groups{listing(*shown)}"
            )

    def _check_counts(self, g: Variable, out: Sequence[Any], *shown: Variable) -> None:
        found = self.spatial(g.type.shape)
        for axis, (have, wanted) in enumerate(zip(found, out, strict=True)):
            check_count(self.name, have, wanted, axis, *shown)

    def _spatial_of(self, x: Variable) -> list[Variable]:
        return _scalars(self.spatial(extents(x)))

    def _covers(self, x: Static, window: Static, *shown: Variable) -> None:
        for axis, (n, r) in enumerate(zip(x, window, strict=True)):
            check_covers(
                self.name, n, r, self.padding[axis], self.dilation[axis], axis, *shown
            )

    # --- by NumPy: channels in groups, x padded ---------------------------------------

    def _grouped(self, x: np.ndarray) -> np.ndarray:
        """(N, channels, *spatial) as (N, groups, channels / groups, *spatial)."""
        x = np.moveaxis(x, self.channel_axis, 1)
        each = x.shape[1] // self.groups
        return x.reshape(x.shape[0], self.groups, each, *x.shape[2:])

    def _ungrouped(self, x: np.ndarray) -> np.ndarray:
        x = x.reshape(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:])
        return np.ascontiguousarray(np.moveaxis(x, 1, self.channel_axis))

    def _padded(self, x: np.ndarray) -> np.ndarray:
        return np.pad(self._grouped(x), [(0, 0)] * 3 + list(self.padding))

    def _grouped_filters(self, w: np.ndarray) -> np.ndarray:
        """(groups, K / groups, C / groups, *window), as a correlation has them.

        A view: what is written to it is written to `w`.
        """
        if self.flip:
            w = np.flip(w, tuple(range(2, w.ndim)))
        return w.reshape(self.groups, w.shape[0] // self.groups, *w.shape[1:])

    def _positions(
        self, window: Sequence[int], out: Sequence[int]
    ) -> Iterator[tuple[Any, Any]]:
        for r, where in places(window, self.strides, self.dilation, out):
            yield (..., *r), (..., *where)

    def _expect(self, name: str, found: Sequence[int], wanted: Sequence[int]) -> None:
        if tuple(found) != tuple(wanted):
            raise ShapeError(
                f"{self.name}: {name} has shape {tuple(found)}, expected "
                f"{tuple(wanted)}"
            )

    def _expect_fit(self, x: Sequence[int], w: Sequence[int]) -> tuple[int, ...]:
        """Spatial extents of y for arrays x and w of these shapes."""
        channels = x[self.channel_axis]
        self._divides(channels, "input")
        self._divides(w[0], "output")
        self._expect("w", w[:2], (w[0], channels // self.groups))
        self._covers(self.spatial(x), w[2:])
        return self.out(self.spatial(x), w[2:])


class Convolution(_Convolution):
    """y[n,k,o] = sum over c, r of x[n, c, o*stride - low + r*dilation] * w[k,c,r]."""

    name = "convolution"
    convolves = "forward"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """One float dtype, ranks of the geometry, channels and windows that fit."""
        x, w = inputs
        self._check(x, w, ("the input", "the filters"))
        shape, filters = x.type.shape, w.type.shape
        self._check_input(x, filters[1], x, w)
        self._divides(filters[0], "output", x, w)
        self._covers(self.spatial(shape), filters[2:], x, w)
        out = static_shape(self.out(self.spatial(shape), filters[2:]))
        return (fast_type(x.type.dtype, self.joined(shape[0], filters[0], out)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Batch of x, filters of w, as many positions as windows fit."""
        x, w = shapes
        return (self.joined(x[0], w[0], self.out(self.spatial(x), w[2:])),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """dx = convolution_input(g, w), dw = convolution_weight(x, g)."""
        (g,), (x, w) = gradients, inputs
        if g is None:
            return (None, None)
        return (
            self.like(ConvolutionInput)(g, w, *self._spatial_of(x)),
            self.like(ConvolutionWeight)(x, g, *_scalars(extents(w)[2:])),
        )

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """A product of matrices for each element of the window."""
        x, w = arrays
        out = self._expect_fit(x.shape, w.shape)
        padded, weights = self._padded(x), self._grouped_filters(w)
        y = np.zeros((x.shape[0], *weights.shape[:2], prod(out)), x.dtype)
        with np.errstate(all="ignore"):
            for r, where in self._positions(w.shape[2:], out):
                y += weights[r] @ _flat(padded[where])
        return (self._ungrouped(y.reshape(*y.shape[:3], *out)),)

    def require(self, sizes: Sizes) -> None:
        """Channels are those of the filters, and these fit into the images."""
        x, w = sizes.shapes[:2]
        channels = w[1] * self.groups
        sizes.equal(x[self.channel_axis], channels, (0, 1), what="channels")
        sizes.divides(self.groups, w[0], (1,))
        self._require_fit(sizes, self.spatial(x), w[2:])


class ConvolutionInput(_Convolution):
    """The adjoint of `Convolution` in x: g, w and the spatial extents of x give dx.

    dx[n,c,i] = sum of g[n,k,o] * w[k,c,r] over all k, o, r that read x[n,c,i].
    """

    name = "convolution_input"
    convolves = "input"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A gradient of the shape that the extents and filters make."""
        g, w, *given = inputs
        self._check(g, w, ("the gradient", "the filters"))
        check_extents(self.name, given, self.rank)
        filters, shown = w.type.shape, (g, w)
        have = g.type.shape[self.channel_axis]
        if None not in (have, filters[0]) and have != filters[0]:
            raise ShapeError(
                f"{self.name}: the gradient has {have} channels for {filters[0]} "
                f"filters{listing(*shown)}"
            )
        self._divides(filters[0] if have is None else have, "output", *shown)
        spatial = static_shape(given)
        self._covers(spatial, filters[2:], *shown)
        self._check_counts(g, self.out(spatial, filters[2:]), *shown)
        channels = None if filters[1] is None else filters[1] * self.groups
        shape = self.joined(g.type.shape[0], channels, spatial)
        return (fast_type(g.type.dtype, shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Batch of g, channels that the filters take, the extents given."""
        g, w, *_ = shapes
        channels = multiply(w[1], self.groups)
        return (self.joined(g[0], channels, tuple(map(folded, inputs[2:]))),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """For d: convolution(d, w) and convolution_weight(d, g)."""
        (d,), (g, w, *given) = gradients, inputs
        nothing = (None,) * len(given)
        if d is None:
            return (None, None, *nothing)
        return (
            self.like(Convolution)(d, w),
            self.like(ConvolutionWeight)(d, g, *_scalars(extents(w)[2:])),
            *nothing,
        )

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through the extents."""
        return (True, True, *(False,) * self.rank)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The products of `Convolution`, transposed and added where x was read."""
        g, w, *given = arrays
        spatial, channels = [int(e) for e in given], w.shape[1] * self.groups
        out = self._expect_fit(self.joined(0, channels, spatial), w.shape)
        self._expect("g", g.shape, self.joined(g.shape[0], w.shape[0], out))
        weights = np.swapaxes(self._grouped_filters(w), 1, 2)
        padded = [n + sum(p) for n, p in zip(spatial, self.padding, strict=True)]
        dx = np.zeros((g.shape[0], self.groups, w.shape[1], *padded), g.dtype)
        flat = _flat(self._grouped(g))
        with np.errstate(all="ignore"):
            for r, where in self._positions(w.shape[2:], out):
                dx[where] += (weights[r] @ flat).reshape(*dx.shape[:3], *out)
        inside = (
            slice(low, low + n)
            for n, (low, _) in zip(spatial, self.padding, strict=True)
        )
        return (self._ungrouped(dx[in_last_axes(inside)]),)

    def in_memory(self, inputs: Sequence[Variable]) -> Sequence[Variable]:
        """The last ones are spatial extents."""
        return inputs[:2]

    def require(self, sizes: Sizes) -> None:
        """The gradient has what a convolution of such images gives."""
        g, w = sizes.shapes[:2]
        given = sizes.inputs[2:]
        sizes.equal(g[self.channel_axis], w[0], (0, 1), what="output channels")
        sizes.divides(self.groups, w[0], (1,))
        self._require_fit(sizes, [sizes.of(v) for v in given], w[2:])
        out = self.out(list(map(folded, given)), list(map(folded, sizes.given(1)[2:])))
        require_windows(sizes, self, 0, out)


class ConvolutionWeight(_Convolution):
    """The adjoint of `Convolution` in w: x, g and the window's extents give dw.

    dw[k,c,r] = sum over n, o of x[n, c, o*stride - low + r*dilation] * g[n,k,o].
    """

    name = "convolution_weight"
    convolves = "filters"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """(K, C / groups, *window), where x and g agree about batch and positions."""
        x, g, *given = inputs
        self._check(x, g, ("the input", "the gradient"))
        check_extents(self.name, given, self.rank)
        shape, channels = x.type.shape, x.type.shape[self.channel_axis]
        if None not in (shape[0], g.type.shape[0]) and shape[0] != g.type.shape[0]:
            raise ShapeError(
                f"{self.name}: batches of {shape[0]} and {g.type.shape[0]} differ"
                f"{listing(x, g)}"
            )
        filters = g.type.shape[self.channel_axis]
        self._divides(channels, "input", x, g)
        self._divides(filters, "output", x, g)
        window = static_shape(given)
        self._covers(self.spatial(shape), window, x, g)
        self._check_counts(g, self.out(self.spatial(shape), window), x, g)
        each = None if channels is None else channels // self.groups
        return (fast_type(x.type.dtype, (filters, each, *window)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Channels of g, channels of x in a group, the extents given."""
        x, g, *_ = shapes
        each = floor_divide(x[self.channel_axis], self.groups)
        return ((g[self.channel_axis], each, *map(folded, inputs[2:])),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """For d: convolution_input(g, d) and convolution(x, d)."""
        (d,), (x, g, *given) = gradients, inputs
        nothing = (None,) * len(given)
        if d is None:
            return (None, None, *nothing)
        return (
            self.like(ConvolutionInput)(g, d, *self._spatial_of(x)),
            self.like(Convolution)(x, d),
            *nothing,
        )

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through the extents."""
        return (True, True, *(False,) * self.rank)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """A product of matrices for each element of the window, added over the batch."""
        x, g, *given = arrays
        channels, filters = x.shape[self.channel_axis], g.shape[self.channel_axis]
        dw = np.zeros(
            (filters, channels // self.groups, *(int(e) for e in given)), x.dtype
        )
        out = self._expect_fit(x.shape, dw.shape)
        self._expect("g", g.shape, self.joined(x.shape[0], filters, out))
        padded, weights = self._padded(x), self._grouped_filters(dw)
        flat = _flat(self._grouped(g))
        with np.errstate(all="ignore"):
            for r, where in self._positions(dw.shape[2:], out):
                part = np.swapaxes(_flat(padded[where]), -1, -2)
                weights[r] = np.sum(flat @ part, axis=0)
        return (dw,)

    def in_memory(self, inputs: Sequence[Variable]) -> Sequence[Variable]:
        """The last ones are the extents of a filter."""
        return inputs[:2]

    def require(self, sizes: Sizes) -> None:
        """The gradient has what a convolution by such filters gives."""
        x, g = sizes.shapes[:2]
        given = sizes.inputs[2:]
        sizes.equal(x[0], g[0], (0, 1), what="batch extents")
        sizes.divides(self.groups, x[self.channel_axis], (0,))
        sizes.divides(self.groups, g[self.channel_axis], (1,))
        self._require_fit(sizes, self.spatial(x), [sizes.of(v) for v in given])
        spatial = list(map(folded, self.spatial(sizes.given(0))))
        require_windows(sizes, self, 1, self.out(spatial, list(map(folded, given))))


def _flat(x: np.ndarray) -> np.ndarray:
    """The spatial axes as one."""
    return x.reshape(*x.shape[:3], prod(x.shape[3:]))


def _scalars(shape: Sequence[AnyExtent]) -> list[Variable]:
    return [variable(e) for e in shape]
