"""Coordinates of grids: meshgrid, mgrid, ogrid, from vectors along one axis each."""

from collections.abc import Sequence
from typing import Any

from symgraph.core.node import Variable, as_variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.shape import AnyExtent, extents


@public
def meshgrid(
    *vectors: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True
) -> list[Variable]:
    """Coordinates of the grid that vectors span: one tensor for each of them.

    ``out[k][i0, i1, ...] = vectors[k][i_k]``; with "xy" the first two axes change places.

    Parameters
    ----------
    indexing : "xy" or "ij"
    sparse : leave extents at 1 along the axes of the others
    copy : accepted for compatibility

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> [v.type.shape for v in T.meshgrid(T.arange(3), T.arange(2))]
    [(2, 3), (2, 3)]
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing={indexing!r}; use 'xy' or 'ij'")
    operands = [PUBLIC["atleast_1d"](as_variable(v)) for v in vectors]
    for v in operands:
        if v.ndim != 1:
            raise ShapeError(f"meshgrid: expected vectors{listing(v)}\nFlatten it.")
    order = list(range(len(operands)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    return _spanned(operands, order, sparse)


def _spanned(
    vectors: Sequence[Variable], order: Sequence[int], sparse: bool
) -> list[Variable]:
    """Vector k along axis order[k], the others repeated unless `sparse`."""
    shape: list[AnyExtent] = [1] * len(order)
    for v, axis in zip(vectors, order, strict=True):
        shape[axis] = extents(v)[0]
    found = []
    for v, axis in zip(vectors, order, strict=True):
        wide = PUBLIC["dimshuffle"](
            v, *(0 if a == axis else "x" for a in range(len(order)))
        )
        found.append(wide if sparse else PUBLIC["broadcast_to"](wide, tuple(shape)))
    return found


class Grid:
    """``mgrid[0:2, 0:3]``: coordinates of a grid, one tensor for each slice.

    Slices are ``start:stop:step`` as for `arange`, symbolic ones too; an imaginary step
    ``5j`` makes five points, both ends among them. `ogrid` leaves extents at 1 along the
    axes of the others. A single slice, without a comma, gives one vector.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> [v.type.shape for v in T.mgrid[0:2, 0:3]], [v.type.shape for v in T.ogrid[0:2, :3]]
    ([(2, 3), (2, 3)], [(2, 1), (1, 3)])
    """

    def __init__(self, name: str, sparse: bool) -> None:
        self._name, self._sparse = name, sparse

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._vector(index)
        if not isinstance(index, tuple) or not all(isinstance(s, slice) for s in index):
            raise ArgumentError(f"{self._name}[...]: use slices, not {index!r}")
        vectors = [self._vector(part) for part in index]
        return _spanned(vectors, range(len(vectors)), self._sparse)

    def __repr__(self) -> str:
        return self._name

    def _vector(self, part: slice) -> Variable:
        if part.stop is None:
            raise ArgumentError(f"{self._name}[...]: a slice needs a stop, as in 0:5")
        start = 0 if part.start is None else part.start
        step = 1 if part.step is None else part.step
        if isinstance(step, complex):
            return PUBLIC["linspace"](start * 1.0, part.stop * 1.0, int(abs(step)))
        return PUBLIC["arange"](start, part.stop, step)


mgrid = Grid("mgrid", False)
ogrid = Grid("ogrid", True)
