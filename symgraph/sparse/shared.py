"""Sparse matrices that keep their values between calls."""

from typing import Any

from symgraph.core.shared import SharedVariable
from symgraph.core.shared import shared as shared_array
from symgraph.sparse.values import arrays_of, checked_value, compressed
from symgraph.sparse.variable import SparseVariable


class SparseSharedVariable(SparseVariable):
    """A sparse matrix that keeps its value between calls; made by `shared`.

    The format, dtype and shape stay; how many elements are stored may change.
    """

    data: SharedVariable
    indices: SharedVariable
    indptr: SharedVariable

    def get_value(
        self, borrow: bool = False, return_internal_type: bool = False
    ) -> Any:
        """The value, a SciPy matrix; with `borrow` it may share memory."""
        parts = (self.data, self.indices, self.indptr)
        return self.unflatten([part.get_value(borrow) for part in parts])

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Give the variable another value of its shape; InputError if it is no matrix."""
        matrix = checked_value(new_value, self.type, self.name)
        parts = (self.data, self.indices, self.indptr)
        for part, array in zip(parts, arrays_of(matrix), strict=True):
            part.set_value(array)


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
) -> SparseSharedVariable:
    """A sparse variable that keeps `value`, a SciPy matrix, between calls.

    Examples
    --------
    >>> import scipy.sparse, symgraph as sg
    >>> x = sg.shared(scipy.sparse.eye(3, format="csr"), name="x")
    >>> x.type
    SparseType(format='csr', dtype='float64', shape=(3, 3))
    >>> x.get_value().nnz
    3
    """
    matrix = compressed(value)
    label = name or "sparse"
    parts = [
        shared_array(array, f"{label}.{part}", strict, allow_downcast, shape=shape)
        for part, array, shape in zip(
            ("data", "indices", "indptr"),
            arrays_of(matrix),
            ((None,), (None,), (len(matrix.indptr),)),
            strict=True,
        )
    ]
    minor = matrix.shape[1 if matrix.format == "csr" else 0]
    data, indices, indptr = parts
    return SparseSharedVariable(matrix.format, data, indices, indptr, minor, name)
