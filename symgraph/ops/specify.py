"""Promising and forgetting static extents: specify_shape, unbroadcast and their kin.

Made of `SpecifyShape` in ops/shape.py, which keeps the values and checks promises.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import public
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.axes import normalize_axes
from symgraph.ops.shape import SpecifyShape, as_extent, static


@public
def specify_shape(x: Any, shape: Any) -> Variable:
    """Out = x, with extents promised (int) or left as they are (None).

    A promise that turns out false is a ShapeError when the function runs.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.specify_shape(T.fmatrix("x"), (None, 784)).type
    float32 (None, 784)
    """
    x = as_variable(x)
    if not isinstance(shape, list | tuple):
        raise ArgumentError(
            f"specify_shape: shape must be a tuple of ints and None, not {shape!r}"
        )
    told = tuple(None if e is None else static(as_extent(e)) for e in shape)
    if len(told) == x.ndim:
        pairs = zip(told, x.type.shape, strict=True)
        told = tuple(known if new is None else new for new, known in pairs)
    return _specified(x, told)


@public
def unbroadcast(x: Any, *axes: int) -> Variable:
    """Out = x, where the extent of `axes` counts as unknown.

    Needed where a later value may have more than one element along them.
    """
    x = as_variable(x)
    forget = normalize_axes(list(axes), x.ndim, "unbroadcast", x)
    return _specified(
        x, tuple(None if i in forget else e for i, e in enumerate(x.type.shape))
    )


@public
def addbroadcast(x: Any, *axes: int) -> Variable:
    """Out = x, with the extent of `axes` promised to be 1, so that they broadcast."""
    x = as_variable(x)
    promise = normalize_axes(list(axes), x.ndim, "addbroadcast", x)
    return _specified(
        x, tuple(1 if i in promise else e for i, e in enumerate(x.type.shape))
    )


@public
def patternbroadcast(x: Any, broadcastable: Sequence[bool]) -> Variable:
    """Out = x; axes marked True have extent 1 and broadcast, those marked False do not.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.patternbroadcast(T.row("x"), (False, True)).type.shape
    (None, 1)
    """
    x = as_variable(x)
    if len(broadcastable) != x.ndim:
        raise ShapeError(
            f"patternbroadcast: {len(broadcastable)} entries for {x.ndim} axes"
            f"{listing(x)}"
        )
    told = tuple(
        1 if flag else (None if known == 1 else known)
        for flag, known in zip(broadcastable, x.type.shape, strict=True)
    )
    return _specified(x, told)


def _specified(x: Variable, told: tuple[int | None, ...]) -> Variable:
    return x if told == x.type.shape else SpecifyShape(told)(x)
