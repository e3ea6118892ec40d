"""Running sums and products along an axis, and differences.

`Cumulate` combines each element with what was found before it; `Recurrence` is
y[i] = a[i] * y[i - 1] + b[i], of which the gradient of a running product is made. Each
has the other end as its adjoint: the same loop over the flipped axis.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import canonical, is_discrete, sum_dtype
from symgraph.core.node import Op, Shape, Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError, AxisError, DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.shape import normalize_axis

Gradients = Sequence[Variable | None]
COMBINES = {"sum": np.add, "prod": np.multiply}


def _check_axis(axis: int, x: Variable, what: str) -> None:
    if not 0 <= axis < x.ndim:
        raise AxisError(f"{what}: axis {axis} of {x.ndim} axes{listing(x)}")


class Cumulate(Op):
    """out[i] = x[0] + ... + x[i] along the axis, or their product; the dtype stays."""

    combine: str
    axis: int

    name = "cumulate"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of x."""
        (x,) = inputs
        if self.combine not in COMBINES:
            raise ArgumentError(f"cumulate: {self.combine!r} is not 'sum' or 'prod'")
        _check_axis(self.axis, x, f"cum{self.combine}")
        if x.type.dtype == "bool":
            raise DtypeError(f"cumulate of dtype bool{listing(x)}\nCast it first.")
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
        """For a sum, the running sum of g from the other end.

        For a product, x[k] gets what comes before it, times the sum of g[i] times what
        lies between k and i, which is a recurrence from the other end; no division, so
        zeros do no harm.
        """
        (x,), (y,), (g,) = inputs, outputs, gradients
        if g is None or is_discrete(x.type.dtype):
            return (None,)
        if self.combine == "sum":
            return (
                _flipped(Cumulate("sum", self.axis)(_flipped(g, self.axis)), self.axis),
            )
        before = _shifted(y, self.axis, 1)
        after = _shifted(_flipped(x, self.axis), self.axis, 1)
        behind = Recurrence(self.axis)(after, _flipped(g, self.axis))
        return (before * _flipped(behind, self.axis),)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's accumulate."""
        with np.errstate(all="ignore"):
            return (COMBINES[self.combine].accumulate(arrays[0], axis=self.axis),)

    def render(self, parts: list[str]) -> str:
        """cumsum(x, axis=0)"""
        return f"cum{self.combine}({parts[0]}, axis={self.axis})"


class Recurrence(Op):
    """y[i] = a[i] * y[i - 1] + b[i] along the axis, with y[-1] = 0."""

    axis: int

    name = "recurrence"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The type of b; that of a has the same dtype and shape."""
        a, b = inputs
        _check_axis(self.axis, b, "recurrence")
        if a.type.dtype != b.type.dtype or a.ndim != b.ndim:
            raise DtypeError(f"recurrence: types differ{listing(a, b)}")
        pairs = zip(a.type.shape, b.type.shape, strict=True)
        if any(m is not None and n is not None and m != n for m, n in pairs):
            raise ShapeError(f"recurrence: shapes differ{listing(a, b)}")
        return (b.type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shape of b."""
        return (shapes[1],)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """w[i] = g[i] + a[i + 1] * w[i + 1] goes to b[i], w[i] * y[i - 1] to a[i]."""
        (a, b), (y,), (g,) = inputs, outputs, gradients
        if g is None or is_discrete(b.type.dtype):
            return (None, None)
        after = _shifted(_flipped(a, self.axis), self.axis, 1)
        w = _flipped(Recurrence(self.axis)(after, _flipped(g, self.axis)), self.axis)
        before = _shifted(y, self.axis, 0)
        return (w * before, w)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Step by step."""
        a, b = (np.moveaxis(v, self.axis, 0) for v in arrays)
        if a.shape != b.shape:
            raise ShapeError(f"recurrence: shapes {a.shape} and {b.shape} differ")
        y = np.empty_like(b)
        with np.errstate(all="ignore"):
            for i in range(len(b)):
                y[i] = a[i] * y[i - 1] + b[i] if i else b[i]
        return (np.ascontiguousarray(np.moveaxis(y, 0, self.axis)),)

    def require(self, sizes: Sizes) -> None:
        """Both have one shape."""
        for axis, (a, b) in enumerate(zip(*sizes.shapes, strict=True)):
            sizes.equal(a, b, (0, 1), axis)


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, part)


def _flipped(x: Variable, axis: int) -> Variable:
    return x[_along(axis, slice(None, None, -1))]


def _shifted(x: Variable, axis: int, first: int) -> Variable:
    """One place further along the axis, behind a `first`; the last falls out."""
    start = PUBLIC["full_like"](x[_along(axis, slice(0, 1))], first)
    kept = x[_along(axis, slice(0, -1))]
    joined = PUBLIC["concatenate"]([start, kept], axis)
    shape = PUBLIC["shape"](x)
    return PUBLIC["reshape"](joined, shape, ndim=x.ndim)


# --- public functions --------------------------------------------------------------


def _cumulated(combine: str, x: Any, axis: Any, dtype: Any) -> Variable:
    x = as_variable(x)
    if axis is None:
        x, axis = PUBLIC["flatten"](x), 0
    axis = normalize_axis(axis, x.ndim, f"cum{combine}", x)
    wanted = sum_dtype(x.type.dtype) if dtype is None else canonical(dtype)
    return Cumulate(combine, axis)(cast(x, wanted))


@public
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Variable:
    """out[i] = x[0] + ... + x[i] along `axis`.

    Parameters
    ----------
    axis : int, or None for the flattened x
    dtype : of the result; int64 (uint64) for integers and bool, else that of x

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> sg.function([x], T.cumsum(x))([1.0, 2.0, 4.0]).tolist()
    [1.0, 3.0, 7.0]
    """
    return _cumulated("sum", x, axis, dtype)


@public
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Variable:
    """out[i] = x[0] * ... * x[i] along `axis`; arguments as for `cumsum`.

    The gradient takes as long as the product, and zeros in x do no harm.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> sg.function([x], T.cumprod(x))([1.0, 2.0, 4.0]).tolist()
    [1.0, 2.0, 8.0]
    """
    return _cumulated("prod", x, axis, dtype)


@public
def diff(
    x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None
) -> Variable:
    """out[i] = x[i + 1] - x[i] along `axis`, n times over.

    Parameters
    ----------
    n : int from 0 up
    prepend, append : put before and behind x first; scalars, or of x's rank
        differences of bools tell where they differ.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.diff(T.matrix("x", shape=(None, 5))).type.shape
    (None, 4)
    """
    x = as_variable(x)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise ArgumentError(f"diff: n={n!r}; it is an int from 0 up{listing(x)}")
    axis = normalize_axis(axis, x.ndim, "diff", x)
    ends = [None if v is None else _end(x, axis, v) for v in (prepend, append)]
    parts = [v for v in (ends[0], x, ends[1]) if v is not None]
    if len(parts) > 1:
        x = PUBLIC["concatenate"](parts, axis)
    for _ in range(n):
        later, sooner = x[_along(axis, slice(1, None))], x[_along(axis, slice(0, -1))]
        x = PUBLIC["neq" if x.type.dtype == "bool" else "sub"](later, sooner)
    return x


def _end(x: Variable, axis: int, value: Any) -> Variable:
    end = as_variable(value, None, (x.type.dtype,))
    if end.ndim:
        return end
    shape = list(PUBLIC["shape"](x))
    shape[axis] = 1
    return PUBLIC["alloc"](end, *shape)
