"""pool_1d, pool_2d, pool_3d: maximum, sum and mean over windows, for users.

They have Theano's names and arguments and pool the last axes of a tensor; all axes
before count as batch. Means are sums divided by the numbers of elements. The ops are in
ops/pool_ops.py.
"""

from typing import Any

import numpy as np

from symgraph.core.dtypes import is_discrete, to_float
from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.padding_modes import per_axis
from symgraph.ops.pool_ops import TIES, Pool, pooled
from symgraph.ops.shape import AnyExtent, extents, product, static, variable

AVERAGES = ("average_inc_pad", "average_exc_pad")
POOL_MODES = ("max", "sum", *AVERAGES)


def _either(what: str, name: str, new: Any, old_name: str, old: Any) -> Any:
    """The value of an argument that has two names."""
    if new is not None and old is not None:
        raise ArgumentError(f"{what}: {name} and {old_name} are the same; give one")
    return old if new is None else new


def _margins(pad: Any, rank: int, what: str) -> tuple[tuple[int, int], ...]:
    entries = (
        tuple(pad) if isinstance(pad, list | tuple | np.ndarray) else (pad,) * rank
    )
    if len(entries) != rank:
        raise ArgumentError(
            f"{what}: pad {pad!r} has {len(entries)} entries, not {rank}"
        )
    pairs = (e if isinstance(e, list | tuple) else (e, e) for e in entries)
    return tuple(per_axis(p, 2, f"{what}: pad") for p in pairs)  # type: ignore[misc]


def _pool(
    what: str, rank: int, input: Any, ws: Any, ignore_border: Any, stride: Any,
    pad: Any, mode: Any, ties: Any,
) -> Variable:  # fmt: skip
    x = as_variable(input)
    if ws is None:
        raise ArgumentError(f"{what}: the extents of the window, ws, are missing")
    if mode not in POOL_MODES or ties not in TIES:
        raise ArgumentError(
            f"{what}: mode {mode!r}, ties {ties!r}; modes are {', '.join(POOL_MODES)}, "
            f"ties are {', '.join(TIES)}"
        )
    if x.ndim < rank:
        raise ShapeError(
            f"{what}: it pools the last {rank} axes; the operand has {x.ndim}"
            f"{listing(x)}"
        )
    size = per_axis(ws, rank, f"{what}: ws")
    op = Pool(
        mode="max" if mode == "max" else "sum",
        size=size,
        strides=size if stride is None else per_axis(stride, rank, f"{what}: stride"),
        padding=_margins(0 if pad is None else pad, rank, what),
        ignore_border=bool(ignore_border),
        ties=ties if mode == "max" else "all",
    )
    if mode in AVERAGES and is_discrete(x.type.dtype):
        x = cast(x, to_float(x.type.dtype))
    y = _outside(op(_inside(x, rank)), x, rank)
    return y / _count(op, mode, x) if mode in AVERAGES else y


def _inside(x: Variable, rank: int) -> Variable:
    """X with two axes before the spatial ones."""
    before = x.ndim - rank
    if before < 2:
        return PUBLIC["dimshuffle"](x, *["x"] * (2 - before), *range(x.ndim))
    if before == 2:
        return x
    shape = extents(x)
    return PUBLIC["reshape"](x, (product(shape[: before - 1]), *shape[before - 1 :]))


def _outside(y: Variable, x: Variable, rank: int) -> Variable:
    """The reverse of `_inside`."""
    before = x.ndim - rank
    if before < 2:
        return PUBLIC["dimshuffle"](y, *range(2 - before, rank + 2))
    if before == 2:
        return y
    return PUBLIC["reshape"](y, (*extents(x)[: before - 1], *extents(y)[1:]))


def _count(op: Pool, mode: str, x: Variable) -> Variable:
    """Number of elements that each window averages over, broadcasting to y."""
    rank, dtype = op.rank, x.type.dtype
    with_padding = mode == "average_inc_pad"
    whole = with_padding or not any(map(any, op.padding))
    if op.ignore_border and whole:
        return cast(int(np.prod(op.size)), dtype)
    result: Any = None
    for axis, extent in enumerate(extents(x)[x.ndim - rank :]):
        counts = _counts(op, axis, extent)
        if isinstance(counts, np.ndarray) and len(set(counts.tolist())) == 1:
            part = cast(int(counts[0]), dtype)
        else:
            pattern: list[Any] = ["x"] * rank
            pattern[axis] = 0
            part = cast(PUBLIC["dimshuffle"](as_variable(counts), *pattern), dtype)
        result = part if result is None else result * part
    return result


def _counts(op: Pool, axis: int, extent: AnyExtent) -> Any:
    """Elements of each window that lie inside the input, along one axis."""
    size, step, pair = op.size[axis], op.strides[axis], op.padding[axis]
    windows = pooled(extent, size, step, pair, op.ignore_border)
    known = static(extent)
    if known is not None:
        assert isinstance(windows, int)
        first = np.arange(windows) * step - pair[0]
        return np.minimum(first + size, known) - np.maximum(first, 0)
    start = PUBLIC["arange"](windows) * step - pair[0]
    end = PUBLIC["minimum"](start + size, variable(extent))
    return end - PUBLIC["maximum"](start, 0)


@public
def pool_2d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
    ties: str = "all",
) -> Variable:
    """y[..., i, j] = max, sum or mean of x[..., i*s - a + p, j*s - a + q] over p, q.

    Parameters
    ----------
    input : x, any rank from 2 up; the last two axes are pooled. Integers or floats.
    ws : extents of the window, an int or one for each axis
    ignore_border : True leaves out windows that reach over the end of the padded input;
        False (and None) cuts them off there
    stride : s; the extents of the window by default
    pad : a, for each axis an int, or a pair (before, after); needs ignore_border=True
    mode : "max" (padding is never the maximum), "sum", "average_inc_pad" (padding
        counts as zeros) or "average_exc_pad" (only the elements of x count)
    ds, st, padding : older names of ws, stride and pad
    ties : where the gradient of a maximum goes that several elements have: "all" of
        them, as in Theano, or the "first" in row-major order

    Returns
    -------
    (..., rows, columns) of the dtype of x (means of integers are floats). With
    ignore_border an axis of extent n gives (n + padding - w) // s + 1 windows; without,
    (n - 1) // s + 1 where s >= w, else max(0, (n - 1 - w + s) // s) + 1.

    Raises
    ------
    ShapeError : a window larger than the padded input, an input of rank below 2
    ArgumentError : padding without ignore_border, or not smaller than the window
    DtypeError : bools, complex numbers

    References
    ----------
    Theano 1.0, tensor.signal.pool.pool_2d.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.ftensor4("x", shape=(None, 3, 9, 9))
    >>> T.signal.pool.pool_2d(x, (2, 2), ignore_border=True).type
    float32 (None, 3, 4, 4)
    >>> T.signal.pool.pool_2d(x, (2, 2), ignore_border=False).type
    float32 (None, 3, 5, 5)
    """
    what = "pool_2d"
    ws, stride = (
        _either(what, "ws", ws, "ds", ds),
        _either(what, "stride", stride, "st", st),
    )
    pad = pad if padding is None else padding
    return _pool(what, 2, input, ws, ignore_border, stride, pad, mode, ties)


@public
def pool_3d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0, 0, 0),
    mode: str = "max",
    ds: Any = None,
    st: Any = None,
    padding: Any = None,
    ties: str = "all",
) -> Variable:
    """As `pool_2d`, over the last three axes.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.ftensor5("x", shape=(2, 3, 8, 8, 8))
    >>> T.signal.pool.pool_3d(x, 2, True, mode="average_inc_pad").type
    float32 (2, 3, 4, 4, 4)
    """
    what = "pool_3d"
    ws, stride = (
        _either(what, "ws", ws, "ds", ds),
        _either(what, "stride", stride, "st", st),
    )
    pad = pad if padding is None else padding
    return _pool(what, 3, input, ws, ignore_border, stride, pad, mode, ties)


@public
def pool_1d(
    input: Any,
    ws: Any = None,
    ignore_border: bool | None = None,
    stride: Any = None,
    pad: Any = (0,),
    mode: str = "max",
    ties: str = "all",
) -> Variable:
    """As `pool_2d`, over the last axis.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.signal.pool.pool_1d(T.fmatrix("x", shape=(4, 9)), 3, stride=2).type
    float32 (4, 4)
    """
    return _pool("pool_1d", 1, input, ws, ignore_border, stride, pad, mode, ties)
