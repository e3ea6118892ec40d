"""Quantiles: median, quantile, percentile, from a sort along the last axis."""

from typing import Any

import numpy as np

from symgraph.core.dtypes import is_complex, to_float
from symgraph.core.node import Constant, Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.shape import extents, normalize_axes, product, subtract, variable
from symgraph.ops.sorting import sort

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


@public
def quantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False,
) -> Variable:  # fmt: skip
    """out = the value below which the part q of the elements over `axis` lies.

    With the elements sorted, s[0] .. s[n - 1], and p = q * (n - 1): s[p] for a whole p,
    else by `method` from its neighbours; NaN if there is one.

    Parameters
    ----------
    q : in 0 .. 1; number, vector, or variable of those ranks
        a vector makes a new first axis.
    axis : None (all), int, or tuple of ints
    method : "linear", "lower", "higher", "midpoint" or "nearest" (halves to even p)
    keepdims : leave the axes in place with extent 1

    Raises
    ------
    ArgumentError : a known q lies outside, or the method is another
    IndexRangeError : q lies outside, at run time

    References
    ----------
    Hyndman and Fan 1996, Sample quantiles in statistical packages, definition 7.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> f = sg.function([x], T.quantile(x, [0.0, 0.75]), "FAST_COMPILE")
    >>> f([3.0, 1.0, 2.0, 5.0]).tolist()
    [1.0, 3.5]
    """
    return _quantile(x, as_variable(q), 1.0, axis, method, keepdims, "quantile")


@public
def percentile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False,
) -> Variable:  # fmt: skip
    """``quantile(x, q / 100)``; q in 0 .. 100."""
    return _quantile(x, as_variable(q), 100.0, axis, method, keepdims, "percentile")


@public
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """out = the middle element over `axis`, or the mean of the two in the middle.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.median(T.fmatrix("x"), axis=1).type
    float32 (None,)
    """
    half = as_variable(np.float64(0.5))
    return _quantile(x, half, 1.0, axis, "midpoint", keepdims, "median")


def _quantile(
    x: Any, q: Variable, whole: float, axis: Any, method: str, keepdims: bool, what: str
) -> Variable:
    x = as_variable(x)
    if method not in METHODS:
        raise ArgumentError(f"{what}: method={method!r}; use one of {METHODS}")
    if q.ndim > 1:
        raise ShapeError(f"{what}: q must be a number or a vector{listing(q)}")
    if is_complex(x.type.dtype) or is_complex(q.type.dtype):
        raise DtypeError(f"{what}: complex numbers have no order{listing(x, q)}")
    if isinstance(q, Constant) and not ((q.data >= 0) & (q.data <= whole)).all():
        raise ArgumentError(f"{what}: q={q.data.tolist()} lies outside 0 .. {whole:g}")
    dtype = to_float(x.type.dtype)
    axes = normalize_axes(axis, x.ndim, what, x)
    if any(x.type.shape[axis] == 0 for axis in axes):
        raise ShapeError(f"{what}: no elements along axes {axes}{listing(x)}")
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    shape = extents(x)
    count = product(shape[axis] for axis in axes)
    rows = PUBLIC["reshape"](
        PUBLIC["dimshuffle"](cast(x, dtype), *kept, *axes),
        (*(shape[axis] for axis in kept), count),
    )
    out = _picked(sort(rows), cast(q, "float64") / whole, subtract(count, 1), method)
    if q.ndim:
        out = PUBLIC["moveaxis"](out, -1, 0)
    if keepdims:
        old = iter(range(q.ndim, out.ndim))
        places = ("x" if axis in axes else next(old) for axis in range(x.ndim))
        out = PUBLIC["dimshuffle"](out, *range(q.ndim), *places)
    return out


def _picked(rows: Variable, q: Any, last: Any, method: str) -> Variable:
    """Elements of sorted rows at q * last, along the last axis."""
    dtype = rows.type.dtype
    place: Any = q * cast(variable(last), "float64")
    if method == "nearest":
        place = PUBLIC["rint"](place)
    low, high = PUBLIC["floor"](place), PUBLIC["ceil"](place)
    at = rows.ndim - 1

    def take(where: Variable) -> Any:
        return PUBLIC["take"](rows, cast(where, "int64"), axis=at)

    if method in ("lower", "nearest"):
        out = take(low)
    elif method == "higher":
        out = take(high)
    else:
        a, b = take(low), take(high)
        if method == "midpoint":
            out = (a + b) * np.array(0.5, dtype)
        else:  # from the nearer end, so that a whole place gives the element itself
            part = cast(place - low, dtype)
            near = PUBLIC["lt"](part, 0.5)
            out = PUBLIC["switch"](near, a + (b - a) * part, b - (b - a) * (1 - part))
    # the maximum of one element: of none it is refused, before an index is
    missing = PUBLIC["isnan"](PUBLIC["max"](rows[(..., slice(-1, None))], axis=-1))
    if q.ndim:
        missing = PUBLIC["shape_padright"](missing)
    return PUBLIC["switch"](missing, np.array(np.nan, dtype), out)
