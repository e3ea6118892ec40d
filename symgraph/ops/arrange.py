"""Functions of axes: transpose, swapaxes, moveaxis, squeeze, expand_dims, padding.

Each is a `dimshuffle` with a pattern worked out from its arguments.
"""

import builtins
from typing import Any

from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import public
from symgraph.errors import AxisError
from symgraph.ops.axes import normalize_axes, normalize_axis
from symgraph.ops.movement import dimshuffle
from symgraph.ops.specify import addbroadcast


@public
def transpose(x: Any, *order: Any, axes: Any = None) -> Variable:
    """Axes reversed, or in the given order (arguments or one tuple).

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.tensor3("x", shape=(2, 3, 4)).transpose(0, 2, 1).type.shape
    (2, 4, 3)
    """
    x = as_variable(x)
    if len(order) == 1 and (order[0] is None or isinstance(order[0], list | tuple)):
        order = () if order[0] is None else tuple(order[0])
        if not order and x.ndim == 0:
            return x
    if axes is not None:
        order = tuple(axes)
    if not order:
        return dimshuffle(x, *reversed(range(x.ndim)))
    if len(order) != x.ndim:
        raise AxisError(
            f"transpose: {len(order)} axes given for an operand of rank {x.ndim}"
            f"{listing(x)}\nName every axis once."
        )
    return dimshuffle(x, *(normalize_axis(a, x.ndim, "transpose", x) for a in order))


@public
def swapaxes(x: Any, axis1: int, axis2: int) -> Variable:
    """X with two axes exchanged."""
    x = as_variable(x)
    order = list(range(x.ndim))
    a = normalize_axis(axis1, x.ndim, "swapaxes", x)
    b = normalize_axis(axis2, x.ndim, "swapaxes", x)
    order[a], order[b] = order[b], order[a]
    return dimshuffle(x, *order)


@public
def moveaxis(x: Any, source: Any, destination: Any) -> Variable:
    """X with the axes `source` at the positions `destination`, the others in order."""
    x = as_variable(x)

    def axes(given: Any) -> list[int]:
        given = given if isinstance(given, list | tuple) else [given]
        return [normalize_axis(a, x.ndim, "moveaxis", x) for a in given]

    from_, to = axes(source), axes(destination)
    if len(from_) != len(to) or len({*from_}) != len(from_) or len({*to}) != len(to):
        raise AxisError(
            f"moveaxis: source {source} and destination {destination} differ in "
            f"length, or name an axis twice{listing(x)}"
        )
    order = [axis for axis in range(x.ndim) if axis not in from_]
    for position, axis in sorted(zip(to, from_, strict=True)):
        order.insert(position, axis)
    return dimshuffle(x, *order)


@public
def rollaxis(x: Any, axis: int, start: int = 0) -> Variable:
    """X with `axis` moved back until it stands before position `start`."""
    x = as_variable(x)
    axis = normalize_axis(axis, x.ndim, "rollaxis", x)
    start = start + x.ndim if start < 0 else start
    if not 0 <= start <= x.ndim:
        raise AxisError(f"rollaxis: start {start} of rank {x.ndim}{listing(x)}")
    return moveaxis(x, axis, start - 1 if axis < start else start)


@public
def squeeze(x: Any, axis: Any = None) -> Variable:
    """X without the axes of extent 1: all that are known to be, or those named.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.tensor3("x", shape=(1, None, 1)).squeeze().type.shape
    (None,)
    """
    x = as_variable(x)
    if axis is None:
        drop = tuple(i for i, known in enumerate(x.type.shape) if known == 1)
    else:
        drop = normalize_axes(axis, x.ndim, "squeeze", x)
        x = addbroadcast(x, *drop)
    return dimshuffle(x, *(i for i in range(x.ndim) if i not in drop))


@public
def expand_dims(x: Any, axis: Any) -> Variable:
    """X with new axes of extent 1 at the positions `axis` of the result."""
    x = as_variable(x)
    count = len(axis) if isinstance(axis, list | tuple) else 1
    new = normalize_axes(axis, x.ndim + count, "expand_dims", x)
    old = iter(range(x.ndim))
    return dimshuffle(
        x, *("x" if i in new else next(old) for i in range(x.ndim + count))
    )


@public
def shape_padleft(x: Any, n_ones: int = 1) -> Variable:
    """X with `n_ones` new axes of extent 1 before the others."""
    x = as_variable(x)
    return dimshuffle(x, *["x"] * n_ones, *range(x.ndim))


@public
def shape_padright(x: Any, n_ones: int = 1) -> Variable:
    """X with `n_ones` new axes of extent 1 after the others."""
    x = as_variable(x)
    return dimshuffle(x, *range(x.ndim), *["x"] * n_ones)


@public
def shape_padaxis(x: Any, axis: int) -> Variable:
    """X with a new axis of extent 1 at position `axis` of the result."""
    return expand_dims(x, axis)


@public
def atleast_1d(x: Any) -> Variable:
    """x, with one axis if it had none."""
    x = as_variable(x)
    return x if x.ndim else dimshuffle(x, "x")


@public
def atleast_2d(x: Any) -> Variable:
    """X with new axes in front until it has two."""
    x = as_variable(x)
    return shape_padleft(x, builtins.max(0, 2 - x.ndim))


@public
def atleast_3d(x: Any) -> Variable:
    """X with three axes or more, as NumPy places them: (1, n, 1), (m, n, 1)."""
    x = as_variable(x)
    patterns = {0: ("x", "x", "x"), 1: ("x", 0, "x"), 2: (0, 1, "x")}
    return dimshuffle(x, *patterns.get(x.ndim, range(x.ndim)))
