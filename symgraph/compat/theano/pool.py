"""``theano.tensor.signal.pool`` where it differs: windows must be known numbers.

Theano also takes symbolic extents of windows. Programs that try them expect ValueError
where they are not to be had, and go another way.
"""

from typing import Any

from symgraph.core.node import Constant, Variable, as_variable
from symgraph.core.public import PUBLIC
from symgraph.errors import ArgumentError

__all__ = ["Pool", "max_pool_2d", "max_pool_2d_same_size", "pool_2d", "pool_3d"]


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
) -> Variable:
    """`symgraph.tensor.signal.pool.pool_2d`; symbolic windows raise ArgumentError."""
    _refuse_symbolic("pool_2d", ws, stride, pad, ds, st, padding)
    return PUBLIC["pool_2d"](
        input, ws, ignore_border, stride, (0, 0) if pad is None else pad, mode, ds, st,
        padding,
    )  # fmt: skip


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
) -> Variable:
    """`symgraph.tensor.signal.pool.pool_3d`; symbolic windows raise ArgumentError."""
    _refuse_symbolic("pool_3d", ws, stride, pad, ds, st, padding)
    return PUBLIC["pool_3d"](
        input, ws, ignore_border, stride, (0, 0, 0) if pad is None else pad, mode, ds,
        st, padding,
    )  # fmt: skip


def max_pool_2d(
    input: Any,
    ds: Any,
    ignore_border: bool | None = None,
    st: Any = None,
    padding: Any = (0, 0),
    mode: str = "max",
) -> Variable:
    """``downsample.max_pool_2d``, the name of `pool_2d` before Theano 0.8."""
    return pool_2d(input, ds, ignore_border, st, padding, mode)


def max_pool_2d_same_size(input: Any, patch_size: Any) -> Variable:
    """out = input where it is the largest of its patch, else 0."""
    rows, columns = patch_size
    pooled = pool_2d(input, (rows, columns), ignore_border=False)
    spread = PUBLIC["repeat"](PUBLIC["repeat"](pooled, rows, -2), columns, -1)
    x = as_variable(input)
    same = spread[..., : x.shape[-2], : x.shape[-1]]
    return PUBLIC["switch"](PUBLIC["eq"](same, x), x, PUBLIC["zeros_like"](x))


class Pool:
    """``Pool.out_shape``: the shape of a pooled tensor, without pooling one."""

    @staticmethod
    def out_shape(
        imgshape: Any,
        ws: Any = None,
        ignore_border: bool = False,
        stride: Any = None,
        pad: Any = None,
        ndim: int = 2,
        ds: Any = None,
        st: Any = None,
        padding: Any = None,
    ) -> list[Any]:
        """Extents after pooling the last `ndim` axes of a tensor of shape `imgshape`."""
        windows = ws if ds is None else ds
        strides = stride if st is None else st
        strides = windows if strides is None else strides
        pads = pad if padding is None else padding
        outer, inner = list(imgshape[:-ndim]), imgshape[-ndim:]
        for axis, (n, w, s) in enumerate(zip(inner, windows, strides, strict=True)):
            n = n + 2 * (0 if pads is None else pads[axis])
            if ignore_border:
                outer.append((n - w) // s + 1)
            elif s >= w:
                outer.append((n - 1) // s + 1)
            else:
                outer.append(max(0, (n - 1 - w + s) // s) + 1)
        return outer


def _refuse_symbolic(what: str, *settings: Any) -> None:
    for setting in settings:
        parts = setting if isinstance(setting, list | tuple) else (setting,)
        for part in parts:
            if isinstance(part, Variable) and not isinstance(part, Constant):
                raise ArgumentError(
                    f"{what}: a symbolic window, stride or padding, {part!r}\n"
                    "It must be known when the graph is built: pass ints."
                )
