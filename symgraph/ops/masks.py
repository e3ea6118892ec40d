"""Masks: `MaskFor` checks one, `MaskPositions` finds where it is true; nonzero, compress.

How many elements are true is known only when the graph runs. It is an input of the op,
a 0-d int64 that the graph computes; so the extent of the result is an expression like
any other. ``x[mask]`` is made of the same op, in ops/index_plan.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.node import (
    Constant,
    Op,
    Shape,
    Variable,
    as_variable,
    constant_of,
    listing,
    scalar_constant,
)
from symgraph.core.public import PUBLIC, public
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import DtypeError, ShapeError
from symgraph.ops.families import broadcast_extents_of
from symgraph.ops.gather import Take
from symgraph.ops.shape import (
    extent,
    extent_key,
    extents,
    folded,
    inferred_extents,
    normalize_axis,
    static,
    variable,
)


class MaskFor(Op):
    """out = mask, promised to have the extents of x from an axis on; else it fails."""

    axis: int

    name = "mask_for"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """What is known of either shape; ShapeError where they differ."""
        mask, x = inputs
        if mask.type.dtype != "bool":
            raise DtypeError(f"x[mask]: a mask is bool{listing(mask)}")
        known = x.type.shape[self.axis : self.axis + mask.ndim]
        pairs = list(zip(mask.type.shape, known, strict=True))
        if any(a is not None and b is not None and a != b for a, b in pairs):
            raise ShapeError(
                f"x[mask]: {mask_text(mask.type.shape, known, self.axis)}"
                f"{listing(x, mask)}\nA mask has the shape of the axes it stands for."
            )
        return (fast_type("bool", tuple(b if a is None else a for a, b in pairs)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents of x."""
        mask, x = shapes
        return (tuple(x[self.axis : self.axis + len(mask)]),)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through a mask."""
        return (False, False)

    def decompose(self, *inputs: Variable) -> Variable:
        """A reshape for each promise, which checks the number of elements."""
        mask, x = inputs
        wanted = extents(x)[self.axis : self.axis + mask.ndim]
        out = mask
        for axis, told in enumerate(wanted):
            shape = extents(out)
            if extent_key(shape[axis]) != extent_key(told):
                out = PUBLIC["reshape"](out, (*shape[:axis], told, *shape[axis + 1 :]))
        return out

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The mask; ShapeError where it does not fit."""
        mask, x = arrays
        wanted = x.shape[self.axis : self.axis + mask.ndim]
        if mask.shape != wanted:
            raise ShapeError(f"x[mask]: {mask_text(mask.shape, wanted, self.axis)}")
        return (mask,)

    def require(self, sizes: Sizes) -> None:
        """The extents of the mask are those of the axes that it indexes."""
        mask, x = sizes.shapes
        for axis, size in enumerate(mask):
            own = self.axis + axis
            what = f"axis {axis} of the mask and axis {own} of what it indexes"
            sizes.equal(size, x[own], (0, 1), what=what)


class MaskPositions(Op):
    """out[k] = position of the k-th true element in the flattened mask, int64.

    Inputs are the mask (bool) and how many of its elements are true.
    """

    name = "mask_positions"
    host = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A vector of int64; its length is known if the count is."""
        mask, count = inputs
        if mask.type.dtype != "bool":
            raise DtypeError(f"mask_positions: a mask is bool{listing(mask)}")
        if count.ndim or count.type.dtype != "int64":
            raise DtypeError(f"mask_positions: expected a 0-d int64{listing(count)}")
        length = folded(count)
        return (fast_type("int64", (length if isinstance(length, int) else None,)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The count."""
        return ((folded(inputs[1]),),)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through positions."""
        return (False, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's flatnonzero."""
        return (np.flatnonzero(arrays[0]),)


def mask_text(
    mask: Sequence[int | None], indexed: Sequence[int | None], first: int = 0
) -> str:
    """What is wrong with a mask, in words."""
    axes = (
        f"axes {first}..{first + len(mask) - 1}" if len(mask) > 1 else f"axis {first}"
    )
    return (
        f"the mask has shape {_text(mask)}, {axes} of what it indexes "
        f"{'have' if len(mask) > 1 else 'has'} shape {_text(indexed)}"
    )


def _text(shape: Sequence[int | None]) -> str:
    comma = "," if len(shape) == 1 else ""
    return f"({', '.join('?' if e is None else str(e) for e in shape)}{comma})"


def count_of(mask: Variable) -> Variable:
    """How many elements of a mask are true, int64; one node for each mask."""
    if isinstance(mask, Constant):
        return scalar_constant(int(np.count_nonzero(mask.data)), "int64")
    found: Variable | None = mask.__dict__.get("_count")
    if found is None:
        found = mask.__dict__["_count"] = PUBLIC["sum"](mask, dtype="int64")
    return found


def mask_positions(mask: Variable, checked: Variable | None = None) -> Variable:
    """Flat positions of the true elements; `checked` is the mask after a check."""
    if isinstance(mask, Constant) and checked in (None, mask):
        return constant_of(np.flatnonzero(mask.data), "int64")
    return MaskPositions()(mask if checked is None else checked, count_of(mask))


def stretched(places: Variable, arrays: Sequence[tuple[int, Variable]]) -> Variable:
    """Positions of a mask that stands beside index arrays, to broadcast with them.

    Where the mask is true once, that position is repeated as often as the others want:
    the count is known when it is too late to broadcast. Other index arrays come back.
    """
    node = places.owner
    if node is None or not isinstance(node.op, MaskPositions):
        return places
    count = node.inputs[1]
    ends = [(extents(v)[-1],) for _, v in arrays if v is not places and v.ndim]
    wanted = (
        [e for e in broadcast_extents_of(ends, 1) if static(e) != 1] if ends else []
    )
    if static(count) is not None or not wanted:
        return places
    once = PUBLIC["eq"](count, 1)
    length = PUBLIC["switch"](once, variable(wanted[0]), count)
    numbers = PUBLIC["switch"](once, np.int64(0), PUBLIC["arange"](length))
    out: Variable = Take(0, True)(places, numbers)
    return out


def fitted(mask: Variable, x: Variable, axis: int) -> Variable:
    """The mask, checked to have the extents of x from an axis on."""
    pairs = zip(
        inferred_extents(mask), inferred_extents(x)[axis : axis + mask.ndim],
        strict=True,
    )  # fmt: skip
    if all(extent_key(a) == extent_key(b) for a, b in pairs):
        return mask
    return MaskFor(axis)(mask, x)


def truth_of(x: Any) -> Variable:
    """The tensor as a mask: where it is not 0."""
    x = as_variable(x)
    if isinstance(x, Constant):
        return constant_of(x.data != 0)
    return x if x.type.dtype == "bool" else PUBLIC["neq"](x, 0)


# --- public functions --------------------------------------------------------------


@public
def flatnonzero(x: Any) -> Variable:
    """Positions of the elements that are not 0 in the flattened x, an int64 vector.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.flatnonzero(T.dmatrix("x")).type
    int64 (None,)
    """
    return mask_positions(truth_of(x))


@public
def nonzero(x: Any, return_matrix: bool = False) -> Any:
    """Indices of the elements that are not 0: one int64 vector for each axis.

    The tuple can be used as an index: ``x[x.nonzero()]``.

    Parameters
    ----------
    return_matrix : stack the vectors as the rows of a matrix

    Raises
    ------
    ShapeError : x has no axes

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dmatrix("x")
    >>> f = sg.function([x], T.nonzero(x), "FAST_COMPILE")
    >>> [v.tolist() for v in f([[0, 1], [2, 0]])]
    [[0, 1], [1, 0]]
    """
    x = as_variable(x)
    if not x.ndim:
        raise ShapeError(f"nonzero: expected one axis or more{listing(x)}")
    mask = truth_of(x)
    flat: Any = mask_positions(mask)
    vectors = []
    for axis in reversed(range(x.ndim)):
        if axis == 0:
            vectors.append(flat)
            break
        size = variable(extent(x, axis))
        vectors.append(PUBLIC["mod"](flat, size))
        flat = PUBLIC["floor_div"](flat, size)
    vectors.reverse()
    for axis, v in enumerate(vectors):
        v.__dict__["_nonzero"] = mask, axis
    return PUBLIC["stack"](vectors) if return_matrix else tuple(vectors)


def masked_by(arrays: Sequence[Variable], x: Variable, axis: int) -> Variable | None:
    """The mask of which the first arrays are the `nonzero`, if it fits x at the axis.

    ``x[(x > 0).nonzero()]`` is ``x[x > 0]``, which knows more.
    """
    mask, place = arrays[0].__dict__.get("_nonzero", (None, 0))
    if mask is None or place or len(arrays) < mask.ndim or axis + mask.ndim > x.ndim:
        return None
    for number, v in enumerate(arrays[: mask.ndim]):
        found, place = v.__dict__.get("_nonzero", (None, 0))
        if found is not mask or place != number:
            return None
    pairs = zip(
        inferred_extents(mask), inferred_extents(x)[axis : axis + mask.ndim],
        strict=True,
    )  # fmt: skip
    return mask if all(extent_key(a) == extent_key(b) for a, b in pairs) else None


@public
def nonzero_values(x: Any) -> Variable:
    """The elements of x that are not 0, in row-major order.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.nonzero_values(T.fmatrix("x")).type
    float32 (None,)
    """
    x = as_variable(x)
    return PUBLIC["take"](PUBLIC["flatten"](x), flatnonzero(x), axis=0)


@public
def compress(condition: Any, x: Any, axis: int | None = None) -> Variable:
    """out = the slices of x along `axis` where the condition is not 0.

    Parameters
    ----------
    condition : vector; it may be shorter than the axis, what lies behind is left out
    axis : int, or None for the flattened x

    Raises
    ------
    ShapeError : the condition is no vector
    IndexRangeError : it is true behind the end of the axis, at run time

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.compress(T.bvector("keep"), T.fmatrix("x"), axis=1).type
    float32 (None, None)
    """
    x, condition = as_variable(x), as_variable(condition)
    if condition.ndim != 1:
        raise ShapeError(
            f"compress: the condition must be a vector{listing(condition)}"
        )
    if axis is None:
        x, axis = PUBLIC["flatten"](x), 0
    axis = normalize_axis(axis, x.ndim, "compress", x)
    return PUBLIC["take"](x, flatnonzero(condition), axis=axis)
