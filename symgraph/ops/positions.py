"""Positions as numbers: bincount, unravel_index, ravel_multi_index, repeats.

Indices that lie outside what they count in are refused, negative ones too.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import is_discrete, is_integer
from symgraph.core.node import (
    Op,
    Shape,
    Variable,
    as_variable,
    listing,
    scalar_constant,
)
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.gather import CheckIndex, ScatterAdd
from symgraph.ops.index_plan import index_array
from symgraph.ops.shape import as_extent, as_shape, extents, folded, product, variable


class RepeatPositions(Op):
    """out = 0 counts[0] times, 1 counts[1] times, ...; int64.

    Inputs are the counts, their sum, and the extent that the counts must have.
    """

    name = "repeat_positions"
    host = True
    can_fail = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """An int64 vector."""
        counts, total, extent = inputs
        if counts.ndim != 1 or counts.type.dtype != "int64":
            raise DtypeError(f"repeat: counts must be an int64 vector{listing(counts)}")
        for v in (total, extent):
            if v.ndim or v.type.dtype != "int64":
                raise DtypeError(f"repeat: expected a 0-d int64{listing(v)}")
        known, told = counts.type.shape[0], folded(extent)
        if known is not None and isinstance(told, int) and known != told:
            raise ShapeError(
                f"repeat: {known} counts for an axis of extent {told}{listing(counts)}"
            )
        length = folded(total)
        return (fast_type("int64", (length if isinstance(length, int) else None,)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The sum of the counts."""
        return ((folded(inputs[1]),),)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through positions."""
        return (False, False, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's repeat of arange."""
        counts, _, extent = arrays
        if counts.size != extent:
            raise ShapeError(
                f"repeat: {counts.size} counts for an axis of extent {int(extent)}"
            )
        if (counts < 0).any():
            raise ArgumentError(f"repeat: the count {int(counts.min())} is negative")
        return (np.repeat(np.arange(counts.size, dtype=np.int64), counts),)


def repeat_positions(counts: Variable, extent: Any) -> Variable:
    """Positions that repeat each element of an axis as often as `counts` tells."""
    if not is_discrete(counts.type.dtype):
        raise DtypeError(f"repeat: counts must be integers{listing(counts)}")
    counts = cast(counts, "int64")
    total = PUBLIC["maximum"](PUBLIC["sum"](counts), np.int64(0))
    return RepeatPositions()(counts, total, variable(extent))


# --- public functions --------------------------------------------------------------


@public
def bincount(
    x: Any, weights: Any = None, minlength: Any = None, assert_nonneg: bool = False
) -> Variable:
    """out[k] = how often k occurs in x, or the sum of the weights where it does.

    Parameters
    ----------
    x : vector of integers from 0 up; others fail at run time
    weights : vector as long as x
    minlength : the result has at least this many elements; int or scalar
    assert_nonneg : accepted for compatibility; negative ones are always refused

    Returns
    -------
    vector of extent ``max(x) + 1`` or more; int64, or the dtype of the weights

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.lvector("x")
    >>> sg.function([x], T.bincount(x, minlength=5), "FAST_COMPILE")([1, 3, 1]).tolist()
    [0, 2, 0, 1, 0]
    """
    x = as_variable(x)
    if x.ndim != 1:
        raise ShapeError(f"bincount: expected a vector{listing(x)}\nFlatten it.")
    if not is_discrete(x.type.dtype):
        raise DtypeError(f"bincount: x must hold integers{listing(x)}\nCast it.")
    values = as_variable(np.int64(1) if weights is None else weights)
    if values.ndim > 1 or (weights is not None and not values.ndim):
        raise ShapeError(f"bincount: weights must be a vector{listing(values)}")
    if values.type.dtype == "bool":
        values = cast(values, "int64")
    places = cast(x, "int64")
    nothing = scalar_constant(-1, "int64")
    some = PUBLIC["concatenate"]([PUBLIC["shape_padleft"](nothing), places])
    count = PUBLIC["max"](some) + np.int64(1)
    if minlength is not None:
        count = PUBLIC["maximum"](count, variable(as_extent(minlength, "bincount")))
    else:
        count = PUBLIC["maximum"](count, np.int64(0))
    checked = CheckIndex(-1, "the counts", False)(places, count)
    zeros = PUBLIC["alloc"](scalar_constant(0, values.type.dtype), count)
    if weights is None:
        values = PUBLIC["alloc"](values, *extents(places))
    return ScatterAdd(0, True)(zeros, checked, values)


@public
def unravel_index(indices: Any, dims: Any, order: str = "C") -> Any:
    """The index into each of the axes `dims` of positions in the flattened tensor.

    Parameters
    ----------
    indices : integers of any rank
    dims : tuple of ints and scalars, or vector of known length
    order : "C", the last axis runs fastest, or "F", the first

    Returns
    -------
    tuple of int64 tensors of the shape of `indices`

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> i = T.lscalar("i")
    >>> [int(v) for v in sg.function([i], list(T.unravel_index(i, (2, 3))))(4)]
    [1, 1]
    """
    shape = _dims(dims, order, "unravel_index")
    whole = variable(product(shape))
    rest: Any = CheckIndex(-1, "the flattened tensor", False)(
        index_array(as_variable(indices)), whole
    )
    found = []
    for size in shape if order == "F" else reversed(shape):
        found.append(PUBLIC["mod"](rest, variable(size)))
        rest = PUBLIC["floor_div"](rest, variable(size))
    return tuple(found if order == "F" else reversed(found))


@public
def ravel_multi_index(
    multi_index: Any, dims: Any, mode: str = "raise", order: str = "C"
) -> Variable:
    """Positions in the flattened tensor of indices into its axes `dims`.

    Parameters
    ----------
    multi_index : an integer tensor for each axis
    mode : "raise", "wrap" or "clip", for indices outside the axis
    order : "C" or "F", as for `unravel_index`

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> i, j = T.lscalars("i", "j")
    >>> int(sg.function([i, j], T.ravel_multi_index((i, j), (2, 3)))(1, 1))
    4
    """
    shape = _dims(dims, order, "ravel_multi_index")
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(
            f"ravel_multi_index: mode={mode!r}; use 'raise', 'wrap' or 'clip'"
        )
    given = list(multi_index)
    if len(given) != len(shape):
        raise ShapeError(
            f"ravel_multi_index: {len(given)} indices for {len(shape)} axes"
        )
    pairs = list(zip(given, shape, strict=True))
    flat: Any = None
    for axis, (index, size) in enumerate(reversed(pairs) if order == "F" else pairs):
        v, n = index_array(as_variable(index)), variable(size)
        if mode == "wrap":
            v = PUBLIC["mod"](v, n)
        elif mode == "clip":
            v = PUBLIC["clip"](v, 0, n - 1)
        else:
            place = len(shape) - 1 - axis if order == "F" else axis
            v = CheckIndex(place, "", False)(v, n)
        flat = v if flat is None else flat * n + v
    return flat


def _dims(dims: Any, order: str, what: str) -> Shape:
    if order not in ("C", "F"):
        raise ArgumentError(f"{what}: order={order!r}; use 'C' or 'F'")
    shape = as_shape(dims, what)
    if not shape:
        raise ShapeError(f"{what}: no axes given")
    return shape


@public
def inverse_permutation(perm: Any) -> Variable:
    """out[perm[i]] = i, for a vector that holds each of 0 .. n - 1 once.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> p = T.lvector("p")
    >>> sg.function([p], T.inverse_permutation(p))([2, 0, 1]).tolist()
    [1, 2, 0]
    """
    p = as_variable(perm)
    if p.ndim != 1 or not is_integer(p.type.dtype):
        raise DtypeError(f"inverse_permutation: expected an integer vector{listing(p)}")
    numbers = PUBLIC["arange"](extents(p)[0])
    zeros = PUBLIC["zeros_like"](numbers)
    return PUBLIC["set_subtensor"](zeros[p], numbers)
