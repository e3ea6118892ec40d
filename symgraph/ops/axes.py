"""Axis arguments: any spelling becomes a sorted tuple of non-negative ints.

All ops that take an axis go through here, so the errors read alike.
"""

from typing import Any

import numpy as np

from symgraph.core.node import Constant, Variable, listing
from symgraph.errors import AxisError, DtypeError


def normalize_axes(
    axis: Any, ndim: int, what: str, x: Variable | None = None
) -> tuple[int, ...]:
    """None, int, or sequence of ints as sorted non-negative axes.

    Examples
    --------
    >>> normalize_axes((-1, 0), 3, "sum"), normalize_axes(None, 2, "sum")
    ((0, 2), (0, 1))
    """
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, Constant):
        axis = axis.data.tolist()
    if isinstance(axis, np.ndarray):
        axis = axis.tolist()
    given = list(axis) if isinstance(axis, list | tuple) else [axis]
    found = [normalize_axis(one, ndim, what, x) for one in given]
    if len(set(found)) != len(found):
        raise AxisError(
            f"{what}: axis {tuple(given)} names an axis twice"
            + ("" if x is None else listing(x))
        )
    return tuple(sorted(found))


def normalize_axis(axis: Any, ndim: int, what: str, x: Variable | None = None) -> int:
    """One axis as a non-negative int; AxisError where it lies outside the rank."""
    operand = "" if x is None else listing(x)
    if isinstance(axis, Constant) and axis.ndim == 0:
        axis = axis.data.item()
    if isinstance(axis, np.integer):
        axis = int(axis)
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise DtypeError(f"{what}: axis must be an int, not {axis!r}{operand}")
    if not -ndim <= axis < ndim:
        allowed = f"Use an axis in {-ndim}..{ndim - 1}." if ndim else "It has no axes."
        raise AxisError(
            f"{what}: axis {axis} lies outside an operand of rank {ndim}{operand}\n"
            f"{allowed}"
        )
    return axis % ndim
