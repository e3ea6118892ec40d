"""Ops that repeat data without computing, and the one that undoes it.

`BroadcastTo` gives a value the shape somebody asks for (alloc, zeros, ones, full are
made of it); `SumTo` sums a gradient back to the shape of what was broadcast. The
implicit broadcasting of elementwise ops needs neither; see ops/families.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.config import config
from symgraph.core.dtypes import canonical, is_discrete
from symgraph.core.node import (
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
from symgraph.errors import DtypeError, ShapeError
from symgraph.ops.families import broadcast_extents_of, broadcast_static
from symgraph.ops.shape import (
    AnyExtent,
    as_shape,
    extents,
    folded,
    static,
    static_shape,
    variable,
)

Gradients = Sequence[Variable | None]


class BroadcastTo(Op):
    """x repeated along new leading axes and axes of extent 1, to `ndim` extents."""

    ndim: int

    name = "broadcast_to"
    foldable = False
    is_view = True
    is_repeated = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The given extents; those of x, aligned at the last axis, are equal or 1."""
        x, *shape = inputs
        if len(shape) != self.ndim or x.ndim > self.ndim:
            raise ShapeError(
                f"broadcast_to: rank {x.ndim} cannot become {len(shape)}{listing(x)}"
            )
        for v in shape:
            if v.ndim or v.type.dtype != "int64":
                raise DtypeError(
                    f"broadcast_to: an extent must be a 0-d int64{listing(v)}"
                )
        wanted = list(static_shape(shape))
        lead = self.ndim - x.ndim
        for axis, extent in enumerate(wanted):
            known = x.type.shape[axis - lead] if axis >= lead else 1
            if extent is None:
                wanted[axis] = None if known == 1 else known
            elif extent < 0:
                raise ShapeError(
                    f"broadcast_to: extent {extent} is negative{listing(x)}"
                )
            elif known not in (None, 1, extent):
                raise ShapeError(
                    f"broadcast_to: axis {axis - lead} of extent {known} cannot become "
                    f"{extent}{listing(x)}\nOnly axes of extent 1 repeat; use tile "
                    "or repeat, or reshape the operand."
                )
        return (fast_type(x.type.dtype, tuple(wanted)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents given, ints where they are constants."""
        return (tuple(map(folded, inputs[1:])),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """The gradient summed over whatever was repeated."""
        x, *shape = inputs
        (g,) = gradients
        nothing = (None,) * len(shape)
        if g is None or is_discrete(x.type.dtype):
            return (None, *nothing)
        return (sum_like(g, x), *nothing)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through the extents."""
        return (True, *(False,) * self.ndim)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's broadcast_to, copied."""
        x, *shape = arrays
        wanted = tuple(int(e) for e in shape)
        try:
            return (np.broadcast_to(x, wanted).copy(),)
        except ValueError:
            raise ShapeError(
                f"broadcast_to: shape {x.shape} cannot become {wanted}"
            ) from None

    def require(self, sizes: Sizes) -> None:
        """An extent of x that is not 1 stays."""
        new = [sizes.of(v) for v in sizes.inputs[1:]]
        x = sizes.shapes[0]
        offset = len(new) - len(x)
        for axis, size in enumerate(x):
            wanted = new[offset + axis]
            if size != sizes.one:
                sizes.equal(size, wanted, (0,), axis, broadcast=wanted != sizes.one)

    def render(self, parts: list[str]) -> str:
        """broadcast_to(x, (n, 3))"""
        x, *shape = parts
        comma = "," if len(shape) == 1 else ""
        return f"broadcast_to({x}, ({', '.join(shape)}{comma}))"


class SumTo(Op):
    """g summed (dimension kept) along the axes where x has extent 1; same rank as x.

    Which axes they are may be known only when extents are.
    """

    name = "sum_to"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Dtype of g, shape of x."""
        g, x = inputs
        if g.ndim != x.ndim:
            raise ShapeError(f"sum_to: ranks differ{listing(g, x)}")
        shape: list[int | None] = []
        for axis, (have, want) in enumerate(
            zip(g.type.shape, x.type.shape, strict=True)
        ):
            if want not in (None, 1) and have not in (None, want):
                raise ShapeError(
                    f"sum_to: axis {axis} of extent {have} cannot become {want}"
                    f"{listing(g, x)}"
                )
            shape.append(1 if have == 1 else want)
        return (fast_type(g.type.dtype, tuple(shape)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents of x."""
        g, x = shapes
        pairs = zip(g, x, strict=True)
        return (tuple(1 if static(have) == 1 else want for have, want in pairs),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """The gradient repeated to the shape of g."""
        g, _ = inputs
        (outer,) = gradients
        if outer is None or is_discrete(g.type.dtype):
            return (None, None)
        return (_broadcast(outer, extents(g)), None)

    def connection(self) -> tuple[bool, ...]:
        """Of x, only the shape is read."""
        return (True, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's sum; ShapeError where the result has not the shape of x."""
        g, x = arrays
        axes = tuple(
            axis for axis in range(g.ndim) if x.shape[axis] == 1 and g.shape[axis] != 1
        )
        out = g.sum(axis=axes, keepdims=True, dtype=g.dtype) if axes else g
        if out.shape != x.shape:
            raise ShapeError(f"sum_to: shape {g.shape} cannot become {x.shape}")
        return (np.asarray(out),)

    def require(self, sizes: Sizes) -> None:
        """Extents of g are those of x, where these are not 1."""
        for axis, (g, x) in enumerate(zip(*sizes.shapes, strict=True)):
            if x != sizes.one:
                sizes.equal(g, x, (0, 1), axis, broadcast=True)


def sum_like(g: Variable, x: Variable) -> Variable:
    """G summed to the shape of x, which broadcast to the shape of g.

    Axes that are known are summed by `sum`; `SumTo` decides on the others later.
    """
    lead = g.ndim - x.ndim
    if lead:
        g = PUBLIC["sum"](g, axis=tuple(range(lead)))
    repeated = tuple(
        axis
        for axis, (have, want) in enumerate(
            zip(g.type.shape, x.type.shape, strict=True)
        )
        if want == 1 and have != 1
    )
    if repeated:
        g = PUBLIC["sum"](g, axis=repeated, keepdims=True)
    pairs = zip(g.type.shape, x.type.shape, strict=True)
    if all(have == 1 or (want is not None and want != 1) for have, want in pairs):
        return g
    return SumTo()(g, x)


def _broadcast(x: Variable, shape: Sequence[AnyExtent]) -> Variable:
    if len(shape) == x.ndim:
        pairs = zip(shape, x.type.shape, strict=True)
        if all(known is not None and static(e) == known for e, known in pairs):
            return x
    return BroadcastTo(len(shape))(x, *map(variable, shape))


# --- public functions --------------------------------------------------------------


@public
def broadcast_to(x: Any, shape: Any, ndim: int | None = None) -> Variable:
    """X repeated to `shape`; axes are aligned at the last, extents are equal or 1.

    Parameters
    ----------
    shape : int, tuple of ints and scalars, or vector
    ndim : rank of the result, needed only for a vector of unknown length

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.broadcast_to(T.vector("x", shape=(3,)), (2, 3)).type.shape
    (2, 3)
    """
    return _broadcast(as_variable(x), as_shape(shape, "broadcast_to", ndim))


@public
def alloc(value: Any, *shape: Any) -> Variable:
    """`value` repeated to the extents `shape` (arguments, or one tuple or vector).

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.alloc(0.0, 3, 1).type
    float64 (3, 1)
    """
    if len(shape) == 1 and (
        isinstance(shape[0], list | tuple | np.ndarray)
        or (isinstance(shape[0], Variable) and shape[0].ndim == 1)
    ):
        (shape,) = shape
    return _broadcast(as_variable(value), as_shape(shape, "alloc"))


@public
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Variable:
    """A tensor of this shape with every element `fill_value`."""
    value = as_variable(fill_value)
    if dtype is not None:
        value = PUBLIC["cast"](value, dtype)
    return _broadcast(value, as_shape(shape, "full"))


@public
def zeros(shape: Any, dtype: Any = None) -> Variable:
    """A tensor of zeros; dtype is ``config.floatX`` unless given.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.zeros((2, T.lscalar("n")), "int32").type
    int32 (2, None)
    """
    return _broadcast(_number(0, dtype), as_shape(shape, "zeros"))


@public
def ones(shape: Any, dtype: Any = None) -> Variable:
    """A tensor of ones; dtype is ``config.floatX`` unless given."""
    return _broadcast(_number(1, dtype), as_shape(shape, "ones"))


@public
def empty(shape: Any, dtype: Any = None) -> Variable:
    """As `zeros`: a tensor whose elements the caller means to replace."""
    return _broadcast(_number(0, dtype), as_shape(shape, "empty"))


@public
def zeros_like(x: Any, dtype: Any = None, opt: bool = False) -> Variable:
    """Zeros of the shape of x, and of its dtype unless one is given.

    `opt` is accepted as in Theano; what can be simplified is simplified anyway.
    """
    return full_like(x, 0, dtype)


@public
def ones_like(x: Any, dtype: Any = None, opt: bool = False) -> Variable:
    """Ones of the shape of x, and of its dtype unless one is given."""
    return full_like(x, 1, dtype)


@public
def empty_like(x: Any, dtype: Any = None) -> Variable:
    """As `zeros_like`: for a tensor whose elements the caller means to replace."""
    return full_like(x, 0, dtype)


@public
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Variable:
    """`fill_value` in the shape of x, and in its dtype unless one is given."""
    x = as_variable(x)
    name = x.type.dtype if dtype is None else canonical(dtype)
    if isinstance(fill_value, bool | int | float):
        value = _number(fill_value, name)
    else:
        value = PUBLIC["cast"](as_variable(fill_value), name)
    return _broadcast(value, extents(x))


@public
def broadcast_arrays(*operands: Any) -> list[Variable]:
    """The operands, each repeated to the shape of all of them together."""
    variables = [as_variable(v) for v in operands]
    ndim = max((v.ndim for v in variables), default=0)
    broadcast_static("broadcast_arrays", variables)
    shape = broadcast_extents_of([extents(v) for v in variables], ndim)
    return [_broadcast(v, shape) for v in variables]


def _number(value: bool | int | float, dtype: Any) -> Variable:
    name = config.floatX if dtype is None else canonical(dtype)
    return scalar_constant(value, name)
