"""Reductions: Reduce, ArgReduce, and sum, prod, max, min, all, any, argmax, argmin.

`Reduce` combines elements along axes with one of six functions and keeps the dtype; the
public functions choose the dtype first (integer sums are int64, integer means float64),
and put kept dimensions back with a dimshuffle. How a reduction is accumulated is
decided by lowering.
"""

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import (
    NUMPY,
    canonical,
    is_complex,
    is_discrete,
    is_float,
    sum_dtype,
)
from symgraph.core.node import (
    Apply,
    Op,
    Shape,
    Variable,
    as_variable,
    listing,
    scalar_constant,
)
from symgraph.core.public import PUBLIC, public
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, AxisError, DtypeError, ShapeError
from symgraph.ops.broadcast import broadcast_to
from symgraph.ops.creation import Iota
from symgraph.ops.families import cast
from symgraph.ops.movement import dimshuffle, reshape
from symgraph.ops.shape import (
    extents,
    normalize_axes,
    product,
    variable,
)

Gradients = Sequence[Variable | None]

#: combine → its NumPy ufunc
COMBINES = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "all": np.logical_and,
    "any": np.logical_or,
}


def _reduced(op: "Reduce | ArgReduce", x: Variable) -> tuple[int | None, ...]:
    """Static extents that remain; checks the axes and that extremes have elements."""
    if tuple(sorted(set(op.axes))) != op.axes or not op.axes:
        raise AxisError(f"{op.combine}: axes {op.axes} are not sorted and distinct")
    if not 0 <= op.axes[0] <= op.axes[-1] < x.ndim:
        raise AxisError(
            f"{op.combine}: axes {op.axes} of an operand of rank {x.ndim}{listing(x)}"
        )
    total = isinstance(op, Reduce) and op.total
    if op.combine in ("max", "min"):
        if total and not is_float(x.type.dtype):
            raise DtypeError(f"{op.combine}: of no {x.type.dtype} it is undefined")
        if is_complex(x.type.dtype):
            raise DtypeError(
                f"{op.combine}: complex numbers have no order{listing(x)}\n"
                "Take abs(x), real(x) or imag(x)."
            )
        if not total and any_of(x.type.shape[axis] == 0 for axis in op.axes):
            raise ShapeError(
                f"{op.combine}: no elements along axes {op.axes}{listing(x)}\n"
                "The extreme of nothing is undefined."
            )
    return tuple(e for axis, e in enumerate(x.type.shape) if axis not in op.axes)


any_of, all_of, sum_of = builtins.any, builtins.all, builtins.sum


class Reduce(Op):
    """out = combine of x over `axes`, which vanish; the dtype stays.

    Attributes
    ----------
    combine : "sum", "prod", "max", "min" (NaN if there is one), "all" or "any" (bool)
    axes : sorted, not negative, not empty
    total : the maximum of no floats is -inf, their minimum inf; else both raise
    """

    combine: str
    axes: tuple[int, ...]
    total: bool = False

    name = "reduce"
    is_fused = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Same dtype, without the axes."""
        (x,) = inputs
        if self.combine not in COMBINES:
            raise ArgumentError(f"reduce: {self.combine!r} is not in {list(COMBINES)}")
        logical = self.combine in ("all", "any")
        if logical != (x.type.dtype == "bool") and (logical or self.combine == "sum"):
            raise DtypeError(
                f"{self.combine} of dtype {x.type.dtype}{listing(x)}\nCast it first."
            )
        return (fast_type(x.type.dtype, _reduced(self, x)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents of x without the axes."""
        return (tuple(e for axis, e in enumerate(shapes[0]) if axis not in self.axes),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """G repeated (sum), where x is the extreme (max, min), times the rest (prod).

        Equal extremes all get g, as in Theano.
        """
        (x,), (y,), (g,) = inputs, outputs, gradients
        if g is None or is_discrete(x.type.dtype) or self.combine in ("all", "any"):
            return (None,)
        g = _expanded(g, self.axes, x.ndim)
        if self.combine == "sum":
            return (broadcast_to(g, extents(x)),)
        switch = PUBLIC["switch"]
        nothing = scalar_constant(0, x.type.dtype)
        if self.combine != "prod":
            chosen = PUBLIC["eq"](x, _expanded(y, self.axes, x.ndim))
            return (switch(chosen, g, nothing),)
        return (g * ProductOfOthers(self.axes)(x),)

    def connection(self) -> tuple[bool, ...] | None:
        """Nothing flows through a logical reduction."""
        return (False,) if self.combine in ("all", "any") else None

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's reduction; sums and products of floats accumulate in 64 bits."""
        (x,) = arrays
        wide = {"float32": "float64", "complex64": "complex128"}.get(x.dtype.name)
        if self.combine not in ("sum", "prod") or wide is None:
            wide = x.dtype.name
        named: dict[str, Any] = {"axis": self.axes, "dtype": NUMPY[wide]}
        if self.total:
            named["initial"] = -np.inf if self.combine == "max" else np.inf
        with np.errstate(all="ignore"):
            out = COMBINES[self.combine].reduce(x, **named)
            return (np.asarray(out).astype(x.dtype, copy=False),)

    def always_fits(self, node: Apply) -> bool:
        """There is no largest and no smallest element of none."""
        return self.combine not in ("max", "min")

    def require(self, sizes: Sizes) -> None:
        """There is no largest and no smallest element of none."""
        if self.combine not in ("max", "min") or self.total:
            return
        for axis in self.axes:
            size = sizes.shapes[0][axis]
            if not size.constant:
                text = f"{self.combine} over axis {axis}, which is empty"
                sizes.positive(size, text, index=size)

    def __str__(self) -> str:
        return f"reduce{{combine={self.combine}, axes={self.axes}}}"

    def render(self, parts: list[str]) -> str:
        """sum(x, axes=(0,))"""
        return f"{self.combine}({parts[0]}, axes={self.axes})"


class ProductOfOthers(Op):
    """out[i] = product of x along the axes, without x[i]; the derivative of prod.

    Computed from the product of all factors and the number of zeros among them. Its
    own derivative multiplies each pair out, which costs n elements for each of the n.
    """

    axes: tuple[int, ...]

    name = "product_of_others"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of x."""
        return (inputs[0].type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of x."""
        return (shapes[0],)

    def decompose(self, x: Variable) -> Variable:
        """All factors but zeros, multiplied; 0 where another factor is 0."""
        switch, equal = PUBLIC["switch"], PUBLIC["eq"]
        nothing = scalar_constant(0, x.type.dtype)
        is_zero = equal(x, nothing)
        factor = switch(is_zero, scalar_constant(1, x.type.dtype), x)
        others = _expanded(Reduce("prod", self.axes)(factor), self.axes, x.ndim)
        zeros = sum(is_zero, axis=self.axes, keepdims=True)
        beside_none = switch(equal(zeros, 0), others / factor, nothing)
        beside_one = switch(equal(zeros, 1), others, nothing)
        return switch(is_zero, beside_one, beside_none)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """To x[k] flows the sum over i != k of g[i] * product without x[i] and x[k]."""
        (x,), (g,) = inputs, gradients
        if g is None:
            return (None,)
        kept = [a for a in range(x.ndim) if a not in self.axes]
        order = [*kept, *self.axes]
        shape = extents(x)
        flat = [*(shape[a] for a in kept), product([shape[a] for a in self.axes])]
        rows = reshape(dimshuffle(x, *order), flat)
        weights = reshape(dimshuffle(g, *order), flat)
        last = rows.ndim - 1
        count = Iota()(variable(product([shape[a] for a in self.axes])))
        same = PUBLIC["eq"](dimshuffle(count, 0, "x"), count)
        one = scalar_constant(1, x.type.dtype)
        wide = dimshuffle(rows, *range(last), "x", last)
        without = ProductOfOthers((last + 1,))(PUBLIC["switch"](same, one, wide))
        terms = dimshuffle(weights, *range(last + 1), "x") * without
        nothing = scalar_constant(0, x.type.dtype)
        found = Reduce("sum", (last,))(PUBLIC["switch"](same, nothing, terms))
        back = reshape(found, [shape[a] for a in order])
        return (dimshuffle(back, *(order.index(a) for a in range(x.ndim))),)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Each product by itself."""
        (x,) = arrays
        moved = np.moveaxis(x, self.axes, range(-len(self.axes), 0))
        kept = x.ndim - len(self.axes)
        count = math.prod(moved.shape[kept:])
        rows = moved.reshape(*moved.shape[:kept], count)
        wide = np.where(np.eye(count, dtype=bool), x.dtype.type(1), rows[..., None, :])
        out = np.multiply.reduce(wide, axis=-1, dtype=x.dtype).reshape(moved.shape)
        return (np.moveaxis(out, range(-len(self.axes), 0), self.axes).copy(),)


class ArgReduce(Op):
    """out = position of the extreme in the flattened reduced axes, int64.

    The first NaN wins, then the first extreme, as in NumPy.
    """

    combine: str
    axes: tuple[int, ...]

    name = "arg_reduce"
    has_loops = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """int64, without the axes."""
        (x,) = inputs
        if self.combine not in ("max", "min"):
            raise ArgumentError(f"arg_reduce: {self.combine!r} is not 'max' or 'min'")
        return (fast_type("int64", _reduced(self, x)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents of x without the axes."""
        return (tuple(e for axis, e in enumerate(shapes[0]) if axis not in self.axes),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """Nothing flows through a position."""
        return (None,)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through a position."""
        return (False,)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's argmax or argmin of the flattened axes."""
        (x,) = arrays
        kept = [axis for axis in range(x.ndim) if axis not in self.axes]
        shape = tuple(x.shape[axis] for axis in kept)
        count = int(np.prod([x.shape[axis] for axis in self.axes]))
        if not count:
            raise ShapeError(f"arg{self.combine}: no elements along axes {self.axes}")
        rows = np.transpose(x, (*kept, *self.axes)).reshape((*shape, count))
        found = rows.argmax(axis=-1) if self.combine == "max" else rows.argmin(axis=-1)
        return (np.asarray(found, dtype=np.int64),)

    def decompose(self, *inputs: Variable) -> Variable:
        """The smallest position where x is the extreme, or NaN."""
        (x,) = inputs
        best = Reduce(self.combine, self.axes)(x)
        hit = PUBLIC["eq"](x, _expanded(best, self.axes, x.ndim))
        if is_float(x.type.dtype):
            hit = PUBLIC["or_"](hit, PUBLIC["isnan"](x))
        shape = extents(x)
        inner = [shape[axis] for axis in self.axes]
        count = variable(product(inner))
        position = reshape(Iota()(count), tuple(inner))
        place = iter(range(len(inner)))
        position = dimshuffle(
            position, *(next(place) if a in self.axes else "x" for a in range(x.ndim))
        )
        return Reduce("min", self.axes)(PUBLIC["switch"](hit, position, count))

    def render(self, parts: list[str]) -> str:
        """argmax(x, axes=(1,))"""
        return f"arg{self.combine}({parts[0]}, axes={self.axes})"


def _expanded(y: Variable, axes: tuple[int, ...], ndim: int) -> Variable:
    """Y with the reduced axes back, of extent 1."""
    kept = iter(range(y.ndim))
    return dimshuffle(y, *("x" if a in axes else next(kept) for a in range(ndim)))


def along(combine: str, x: Variable, axis: Any, keepdims: bool, what: str) -> Variable:
    """Reduce over `axis`, in any spelling; `what` is named in errors."""
    axes = normalize_axes(axis, x.ndim, what, x)
    if not axes:
        return x
    out = Reduce(combine, axes)(x)
    return _expanded(out, axes, x.ndim) if keepdims else out


def _accumulated(
    combine: str, x: Any, axis: Any, dtype: Any, keepdims: bool, acc_dtype: Any
) -> Variable:
    x = as_variable(x)
    result = sum_dtype(x.type.dtype) if dtype is None else canonical(dtype)
    inner = result if acc_dtype is None else canonical(acc_dtype)
    return cast(along(combine, cast(x, inner), axis, keepdims, combine), result)


# --- public functions --------------------------------------------------------------


@public
def sum(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    acc_dtype: Any = None,
) -> Variable:
    """Out = sum of x over `axis`.

    Parameters
    ----------
    axis : None (all), int, or tuple of ints; negative ones count from the end
    dtype : of the result; int64 (uint64) for integers and bool, else that of x
    keepdims : leave the axes in place with extent 1
    acc_dtype : dtype in which to add; that of the result unless given

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.fmatrix("x").sum(axis=0, keepdims=True).type
    float32 (1, None)
    >>> T.bvector("b").sum().type
    int64 ()
    """
    return _accumulated("sum", x, axis, dtype, keepdims, acc_dtype)


@public
def prod(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    acc_dtype: Any = None,
    no_zeros_in_input: bool = False,
) -> Variable:
    """Out = product of x over `axis`; arguments and dtypes as for `sum`.

    `no_zeros_in_input` is accepted as in Theano; the gradient is right either way.
    """
    return _accumulated("prod", x, axis, dtype, keepdims, acc_dtype)


@public
def max(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Out = largest element of x over `axis`; NaN if there is one.

    The gradient goes to every element that equals the maximum.
    """
    return along("max", as_variable(x), axis, keepdims, "max")


@public
def min(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Out = smallest element of x over `axis`; NaN if there is one."""
    return along("min", as_variable(x), axis, keepdims, "min")


@public
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Out = whether every element over `axis` is true (not 0); bool."""
    return along("all", _truth(x), axis, keepdims, "all")


@public
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Out = whether some element over `axis` is true (not 0); bool."""
    return along("any", _truth(x), axis, keepdims, "any")


def _truth(x: Any) -> Variable:
    x = as_variable(x)
    return x if x.type.dtype == "bool" else PUBLIC["neq"](x, 0)


@public
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Out = position of the first largest element over `axis`, int64.

    Over several axes (None: all), the position in them flattened in row-major order.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.fmatrix("x").argmax(axis=1).type
    int64 (None,)
    """
    return _arg("max", x, axis, keepdims)


@public
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Out = position of the first smallest element over `axis`, int64."""
    return _arg("min", x, axis, keepdims)


def _arg(combine: str, x: Any, axis: Any, keepdims: bool) -> Variable:
    x = as_variable(x)
    axes = normalize_axes(axis, x.ndim, f"arg{combine}", x)
    if not axes:
        return PUBLIC["zeros_like"](x, "int64")
    out = ArgReduce(combine, axes)(x)
    return _expanded(out, axes, x.ndim) if keepdims else out


@public
def max_and_argmax(
    x: Any, axis: Any = None, keepdims: bool = False
) -> tuple[Variable, Variable]:
    """``(max(x, axis), argmax(x, axis))``."""
    return max(x, axis, keepdims), argmax(x, axis, keepdims)
