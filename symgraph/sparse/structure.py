"""Ops on the structure of compressed matrices: integers in, integers out.

A compressed matrix has a long axis (rows of CSR, columns of CSC): `indptr[i]` to
`indptr[i + 1]` are the places of its i-th slice, `indices` the positions along the other
axis, whose extent is `minor`. Where the number of elements of a result depends on
values, an op counts them first, and the op that follows takes the count as an input.
All values then are ordinary reads and sums at these positions, with their gradients.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symgraph.core.node import Op, Shape, Variable, listing
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import DtypeError, IndexRangeError, ShapeError
from symgraph.ops.shape import add, folded

Gradients = Sequence[Variable | None]
Arrays = tuple[np.ndarray, ...]


class StructureOp(Op):
    """An op of integers that NumPy computes; nothing flows through it.

    Attributes
    ----------
    lengths : for each output the extent of its axis: a letter for an operand ("a" the
        length of the first, "B" the value of the second), with "+1"; "" for a number
    """

    host: ClassVar[bool] = True
    can_fail = True
    lengths: ClassVar[tuple[str, ...]] = ()

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Integer vectors and numbers; outputs are int64."""
        for v in inputs:
            if v.ndim > 2 or (v.ndim < 2 and v.type.dtype != "int64"):
                raise DtypeError(f"{self.name}: int64 is needed{listing(v)}\nCast it.")
        shapes = [v.type.shape for v in inputs]
        found = []
        for length in self.lengths:
            known = self._length(length, inputs, shapes)
            shape = () if length == "" else (known if isinstance(known, int) else None,)
            found.append(fast_type("int64", shape))
        return tuple(found)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Extents of operands, or their values."""
        return tuple(
            () if length == "" else (self._length(length, inputs, shapes),)
            for length in self.lengths
        )

    def _length(
        self, text: str, inputs: Sequence[Variable], shapes: Sequence[Any]
    ) -> Any:
        if not text:
            return None
        place = ord(text[0].lower()) - ord("a")
        extent: Any = shapes[place][0] if text[0].islower() else folded(inputs[place])
        step = int(text[1:] or 0)
        return None if extent is None else add(extent, step)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """Nothing flows through integers."""
        return (None,) * len(inputs)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through integers."""
        return (False,) * 8

    def __str__(self) -> str:
        return self.name


def checked(indices: np.ndarray, indptr: np.ndarray, minor: int, what: str) -> None:
    """Refuse a structure that is none: lengths, order of indptr, range of indices."""
    if not len(indptr) or indptr[0] != 0 or indptr[-1] != len(indices):
        raise ShapeError(
            f"{what}: indptr must go from 0 to the number of elements, {len(indices)}"
        )
    if (np.diff(indptr) < 0).any():
        raise ShapeError(f"{what}: indptr must not fall")
    if len(indices) and not 0 <= indices.min() <= indices.max() < minor:
        raise IndexRangeError(
            f"{what}: an index of a sparse matrix lies outside its axis of extent {minor}"
        )


def slices_of(indptr: np.ndarray) -> np.ndarray:
    """For each element the number of its slice."""
    return np.repeat(np.arange(len(indptr) - 1, dtype=np.int64), np.diff(indptr))


class MajorIndices(StructureOp):
    """out[p] = the slice of element p. Operands: indptr, indices."""

    name = "major_indices"
    lengths = ("b",)

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """NumPy's repeat."""
        indptr, indices = arrays
        checked(indices, indptr, 2**62, self.name)
        return (slices_of(indptr),)


class Regroup(StructureOp):
    """Order of the elements, indices and indptr, when compressed along the other axis.

    Operands: indices, indptr, minor. Elements of one slice are sorted by index.
    """

    name = "regroup"
    lengths = ("a", "a", "C+1")

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """A stable sort."""
        indices, indptr, minor = arrays
        checked(indices, indptr, int(minor), self.name)
        order = np.argsort(indices, kind="stable")
        ends = np.cumsum(np.bincount(indices, minlength=int(minor)))
        start = np.concatenate([[0], ends]).astype(np.int64)
        return order.astype(np.int64), slices_of(indptr)[order], start


def _keys(indices: np.ndarray, indptr: np.ndarray, minor: int, what: str) -> np.ndarray:
    """One number for each place of a matrix, in the order of the elements."""
    checked(indices, indptr, minor, what)
    return slices_of(indptr) * minor + indices


def _places(keys: np.ndarray, rows: int, minor: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and indptr of sorted keys."""
    starts = np.arange(rows + 1, dtype=np.int64) * minor
    indices = keys - keys // max(minor, 1) * max(minor, 1)
    return indices, np.searchsorted(keys, starts).astype(np.int64)


class UnionCount(StructureOp):
    """How many places two matrices have in all.

    Operands: indices and indptr of the first, of the second, minor.
    """

    name = "union_count"
    lengths = ("",)

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """NumPy's unique."""
        return (np.asarray(len(_union(*arrays)[0]), np.int64),)


class Union(StructureOp):
    """indices, indptr of the places of two matrices, and where the elements of each go.

    Operands: as `UnionCount`, then the count.
    """

    name = "union"
    lengths = ("F", "b", "a", "c")

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """NumPy's unique."""
        first, indptr, _, _, minor, _ = arrays
        keys, places = _union(*arrays[:5])
        indices, starts = _places(keys, len(indptr) - 1, int(minor))
        return indices, starts, places[: len(first)], places[len(first) :]


def _union(
    a: np.ndarray,
    a_ptr: np.ndarray,
    b: np.ndarray,
    b_ptr: np.ndarray,
    minor: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    if len(a_ptr) != len(b_ptr):
        raise ShapeError(
            f"sparse matrices with {len(a_ptr) - 1} and {len(b_ptr) - 1} slices do not "
            "fit together"
        )
    both = [
        _keys(a, a_ptr, int(minor), "add"),
        _keys(b, b_ptr, int(minor), "add"),
    ]
    keys, places = np.unique(np.concatenate(both), return_inverse=True)
    return keys, places.astype(np.int64)


class ProductCounts(StructureOp):
    """How many places the product of two matrices has, and how many terms.

    Operands: indices and indptr of the first, of the second, minor of the second.
    """

    name = "product_counts"
    lengths = ("", "")

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """The product of the structures."""
        keys, left, _, _ = _terms(*arrays)
        return np.asarray(len(keys), np.int64), np.asarray(len(left), np.int64)


class ProductStructure(StructureOp):
    """indices, indptr of a product; for each term, the elements it takes, where it goes.

    Operands: as `ProductCounts`, then both counts.
    """

    name = "product_structure"
    lengths = ("F", "b", "G", "G", "G")

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """Gustavson 1978, with a sort in place of the accumulator."""
        _, indptr, _, _, minor, _, _ = arrays
        keys, left, right, places = _terms(*arrays[:5])
        indices, starts = _places(keys, len(indptr) - 1, int(minor))
        return indices, starts, left, right, places


def _terms(
    a: np.ndarray,
    a_ptr: np.ndarray,
    b: np.ndarray,
    b_ptr: np.ndarray,
    minor: np.ndarray,
) -> tuple[np.ndarray, ...]:
    checked(a, a_ptr, len(b_ptr) - 1, "dot")
    checked(b, b_ptr, int(minor), "dot")
    counts = np.diff(b_ptr)[a]
    left = np.repeat(np.arange(len(a), dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    right = np.arange(len(left), dtype=np.int64) - np.repeat(before - b_ptr[a], counts)
    keys = slices_of(a_ptr)[left] * int(minor) + b[right]
    unique, places = np.unique(keys, return_inverse=True)
    return unique, left, right, places.astype(np.int64)


class NonzeroStructure(StructureOp):
    """indices, indptr of a dense matrix; places of its elements in row-major order.

    Operands: the matrix, the number of elements that are not 0.
    """

    name = "nonzero_structure"
    lengths = ("B", "a+1", "B")

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """NumPy's nonzero."""
        x, _ = arrays
        rows, columns = np.nonzero(x)
        starts = np.searchsorted(rows, np.arange(x.shape[0] + 1))
        return columns, starts.astype(np.int64), rows * x.shape[1] + columns


class SelectMajor(StructureOp):
    """Places of the elements of some slices, and their indptr.

    Operands: indptr, numbers of the slices, how many elements they have in all.
    """

    name = "select_major"
    lengths = ("C", "b+1")

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """NumPy's repeat and cumsum."""
        indptr, rows, _ = arrays
        counts = np.diff(indptr)[rows]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        shift = np.repeat(indptr[rows] - (ends - counts), counts)
        starts = np.concatenate([[0], ends]).astype(np.int64)
        return np.arange(total, dtype=np.int64) + shift, starts


class KeepNonzero(StructureOp):
    """Places of the elements that are not 0, and their indptr.

    Operands: for each element whether it is 0 (0 or 1), indptr, how many are not.
    """

    name = "keep_nonzero"
    lengths = ("C", "b")

    def reference(self, *arrays: np.ndarray) -> Arrays:
        """NumPy's flatnonzero."""
        zero, indptr, _ = arrays
        before = np.concatenate([[0], np.cumsum(zero == 0)]).astype(np.int64)
        return np.flatnonzero(zero == 0), before[indptr]
