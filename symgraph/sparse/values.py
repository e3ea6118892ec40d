"""SciPy's sparse matrices taken apart into arrays, and put together again.

SciPy is an extra; it is loaded when the first value is met.
"""

import functools
import importlib
from typing import Any

import numpy as np

from symgraph.core.dtypes import NUMPY, canonical
from symgraph.errors import ConversionError, InputError, NotSupportedError, ShapeError
from symgraph.sparse.types import SparseType


@functools.cache
def scipy_sparse() -> Any:
    """``scipy.sparse``; NotSupportedError where SciPy is not installed."""
    try:
        return importlib.import_module("scipy.sparse")
    except ImportError:
        raise NotSupportedError(
            "sparse matrices need SciPy, which is not installed: pip install scipy"
        ) from None


def is_matrix(value: Any) -> bool:
    """Whether a value is one of SciPy's sparse matrices or arrays."""
    return hasattr(value, "tocsr") and scipy_sparse().issparse(value)


def arrays_of(matrix: Any) -> list[np.ndarray]:
    """Data, indices and indptr; the integers as int64, all contiguous."""
    return [
        np.ascontiguousarray(matrix.data),
        np.ascontiguousarray(matrix.indices, dtype=np.int64),
        np.ascontiguousarray(matrix.indptr, dtype=np.int64),
    ]


def matrix_of(
    format: str, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, minor: int
) -> Any:
    """A SciPy matrix of arrays."""
    kind = getattr(scipy_sparse(), f"{format}_matrix")
    shape = (len(indptr) - 1, minor)
    return kind(
        (data, indices, indptr), shape=shape if format == "csr" else shape[::-1]
    )


def compressed(value: Any, format: str | None = None) -> Any:
    """A SciPy matrix as CSR or CSC; its own format if it has one of these."""
    if not is_matrix(value):
        raise ConversionError(
            f"a value of type {type(value).__name__} is no sparse matrix; pass one of "
            "scipy.sparse, or make one with scipy.sparse.csr_matrix(value)"
        )
    if value.ndim != 2:
        raise ConversionError(f"a sparse array of rank {value.ndim} is no matrix")
    canonical(value.dtype)
    own = value.format if value.format in ("csr", "csc") else "csr"
    matrix = value.asformat(own if format is None else format)
    matrix.check_format(full_check=True)
    return matrix


def checked_value(value: Any, wanted: SparseType, name: str | None) -> Any:
    """A value of a call, in the format and dtype of its variable."""
    label = f"input {name or ''} : {wanted}"
    if not is_matrix(value):
        raise InputError(
            f"a value of type {type(value).__name__} for the sparse {label}\n"
            "Pass a matrix of scipy.sparse."
        )
    matrix = compressed(value, wanted.format)
    if matrix.dtype != NUMPY[wanted.dtype]:
        if not np.can_cast(matrix.dtype, NUMPY[wanted.dtype], casting="safe"):
            raise InputError(
                f"a value of dtype {matrix.dtype} would lose data in the sparse {label}\n"
                f"Convert it with value.astype({wanted.dtype!r})."
            )
        matrix = matrix.astype(NUMPY[wanted.dtype])
    for axis, (extent, known) in enumerate(
        zip(matrix.shape, wanted.shape, strict=True)
    ):
        if known is not None and extent != known:
            raise ShapeError(
                f"extent {extent} of axis {axis} where {known} is declared, for the "
                f"sparse {label}"
            )
    return matrix
