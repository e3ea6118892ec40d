"""TensorType: what is known of a value before it exists.

A type is a dtype and a static shape, one entry per axis: an int where the extent is
known, None where it is not. An axis of static extent 1 broadcasts. This file also holds
the algebra of static extents; nothing here knows of graphs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import canonical
from symgraph.errors import ArgumentError, InputError

StaticShape = tuple[int | None, ...]


def _no_variables(type: Any, name: str | None) -> Any:
    raise AssertionError("symgraph.core.node has not been imported")


#: makes a variable of a type; set by core/node.py
make_variable: Callable[[Any, str | None], Any] = _no_variables


class TensorType:
    """Type of a tensor: dtype and static shape.

    Parameters
    ----------
    dtype : str
    shape : sequence
        one entry per axis: int, None (unknown), or as in Theano's `broadcastable`
        True (extent 1) and False (unknown).
    name, sparse_grad : accepted as in Theano

    Examples
    --------
    >>> TensorType("float32", (None, 784))
    float32 (None, 784)
    >>> TensorType("float64", (True, False)).shape
    (1, None)
    """

    __slots__ = ("dtype", "shape")
    dtype: str
    shape: StaticShape

    def __init__(
        self,
        dtype: Any,
        shape: Sequence[int | bool | None] | None = None,
        *,
        broadcastable: Sequence[bool] | None = None,
        name: str | None = None,
        sparse_grad: bool = False,
    ) -> None:
        given: Any = shape
        if given is None and broadcastable is not None:
            given = [bool(entry) for entry in broadcastable]
        if given is None:
            raise ArgumentError("TensorType needs a shape or broadcastable")
        object.__setattr__(self, "dtype", canonical(dtype))
        object.__setattr__(self, "shape", tuple(_extent(e) for e in given))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a TensorType is immutable: {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return fast_type, (self.dtype, self.shape)

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, TensorType)
            and self.dtype == other.dtype
            and self.shape == other.shape
        )

    def __hash__(self) -> int:
        return hash((self.dtype, self.shape))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """True for each axis whose extent is known to be 1."""
        return tuple(extent == 1 for extent in self.shape)

    def __call__(self, name: str | None = None) -> Any:
        """Make a variable of this type."""
        return make_variable(self, name)

    def filter(
        self, data: Any, strict: bool = False, allow_downcast: bool | None = None
    ) -> np.ndarray:
        """The value as an array of this type.

        Parameters
        ----------
        strict : take arrays of this dtype only
        allow_downcast : True rounds; None lets Python floats go into float32

        Raises
        ------
        InputError : another rank, another known extent, a dtype that would lose data

        Examples
        --------
        >>> TensorType("float32", (None,)).filter([1, 2.5])
        array([1. , 2.5], dtype=float32)
        """
        array = np.asarray(data)
        named = isinstance(data, np.ndarray | np.generic)
        if array.dtype.kind not in "biufc" or (
            strict and not (named and array.dtype == self.dtype)
        ):
            raise InputError(f"a value of dtype {array.dtype} for the type {self}")
        if not (allow_downcast or np.can_cast(array.dtype, self.dtype, "safe")):
            with np.errstate(all="ignore"):
                same = np.array_equal(array.astype(self.dtype), array)
            weak = allow_downcast is None and array.dtype.kind == self.dtype[0] == "f"
            if named or not (same or weak):
                raise InputError(
                    f"a value of dtype {array.dtype} would lose data in the type {self}"
                )
        if array.ndim != self.ndim or any(
            known is not None and known != extent
            for known, extent in zip(self.shape, array.shape, strict=True)
        ):
            raise InputError(f"a value of shape {array.shape} for the type {self}")
        with np.errstate(all="ignore"):
            return array.astype(self.dtype, copy=False)

    def clone(self, dtype: str | None = None, shape: Any = None) -> "TensorType":
        """Copy with another dtype or shape."""
        return TensorType(
            self.dtype if dtype is None else dtype,
            self.shape if shape is None else shape,
        )

    def __repr__(self) -> str:
        return f"{self.dtype} {self.shape}"


#: types that were made, so that equal ones mostly are one object
_types: dict[tuple[str, StaticShape], TensorType] = {}
KEPT_TYPES = 4096


def fast_type(dtype: str, shape: StaticShape) -> TensorType:
    """TensorType of a canonical dtype and a checked shape, without checking again."""
    made = _types.get((dtype, shape))
    if made is None:
        made = object.__new__(TensorType)
        object.__setattr__(made, "dtype", dtype)
        object.__setattr__(made, "shape", shape)
        if len(_types) < KEPT_TYPES:
            _types[dtype, shape] = made
    return made


def _extent(entry: Any) -> int | None:
    if entry is None:
        return None
    if isinstance(entry, bool | np.bool_):
        return 1 if entry else None
    if isinstance(entry, str) or int(entry) != entry or entry < 0:
        raise ArgumentError(f"extent {entry!r}: expected a non-negative int or None")
    return int(entry)


def broadcast_extents(extents: Sequence[int | None]) -> int | None:
    """Extent of the broadcast of one axis; raises ValueError where two known differ.

    Unknown against 1 is unknown; unknown against another known extent is that extent
    (an unknown axis that turns out to be 1 at run time broadcasts as well).

    Examples
    --------
    >>> broadcast_extents([None, 1]), broadcast_extents([None, 5]), broadcast_extents([1])
    (None, 5, 1)
    """
    known = {e for e in extents if e is not None and e != 1}
    if len(known) > 1:
        raise ValueError(f"extents {sorted(known)} differ")
    if known:
        return known.pop()
    return None if None in extents else 1


def broadcast_shapes(shapes: Sequence[StaticShape]) -> StaticShape:
    """Static shape of the broadcast of several, aligned at the last axis."""
    if shapes and all(s == shapes[0] for s in shapes):
        return shapes[0]
    ndim = max(map(len, shapes), default=0)
    padded = [(1,) * (ndim - len(s)) + tuple(s) for s in shapes]
    return tuple(broadcast_extents(axis) for axis in zip(*padded, strict=True))
