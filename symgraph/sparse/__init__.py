"""``symgraph.sparse``: sparse matrices in graphs, under the names of ``theano.sparse``.

A sparse variable (`csr_matrix`, `csc_matrix`) takes and gives matrices of SciPy, which
is an extra (``pip install symgraph[linalg]``). Gradients have the structure of the
matrix: what is not stored has none.
"""

import sys
from typing import Any

from symgraph.config import config
from symgraph.core.node import Variable
from symgraph.sparse import arithmetic as _arithmetic
from symgraph.sparse.arithmetic import (
    add,
    col_scale,
    mul,
    neg,
    row_scale,
    sp_sum,
    structured_add,
    structured_add_s_v,
    structured_maximum,
    structured_minimum,
    structured_pow,
    sub,
    true_div,
)
from symgraph.sparse.arrange import (
    CSC,
    CSM,
    CSR,
    as_sparse,
    asformat,
    clean,
    csc_from_dense,
    csm_data,
    csm_indices,
    csm_indptr,
    csm_properties,
    csm_shape,
    csr_from_dense,
    dense_from_sparse,
    diag,
    ensure_sorted_indices,
    getitem,
    hstack,
    is_sparse,
    remove0,
    sp_ones_like,
    sp_zeros_like,
    square_diagonal,
    transpose,
    vstack,
)
from symgraph.sparse.arrange import as_sparse_or_tensor_ as as_sparse_or_tensor_variable
from symgraph.sparse.arrange import cast_ as cast
from symgraph.sparse.product import (
    dot,
    sampling_dot,
    structured_dot,
    true_dot,
    usmm,
)
from symgraph.sparse.shared import SparseSharedVariable, shared
from symgraph.sparse.types import SparseType
from symgraph.sparse.variable import SparseConstant, SparseVariable

as_sparse_variable = constant = as_sparse
get_item_2d = get_item_scalar = get_item_list = getitem
add_s_s = add_s_d = add
mul_s_s = mul_s_d = mul_s_v = mul
basic = sys.modules[__name__]


def _is_sparse_variable(x: Any) -> bool:
    """Whether `x` is a sparse variable."""
    return isinstance(x, SparseVariable)


def _is_dense_variable(x: Any) -> bool:
    """Whether `x` is a dense variable."""
    return isinstance(x, Variable)


_is_sparse = is_sparse


def matrix(format: str, name: str | None = None, dtype: Any = None) -> SparseVariable:
    """A sparse variable in the format "csr" or "csc"; dtype ``config.floatX`` unless given.

    Examples
    --------
    >>> matrix("csc", "x", "float32").type.dtype
    'float32'
    """
    made: SparseVariable = SparseType(
        format, config.floatX if dtype is None else dtype
    )(name)
    return made


def csr_matrix(name: str | None = None, dtype: Any = None) -> SparseVariable:
    """A sparse variable, compressed by rows.

    Examples
    --------
    >>> import numpy as np, scipy.sparse, symgraph as sg
    >>> x = csr_matrix("x", "float64")
    >>> f = sg.function([x], (x * 2).transpose())
    >>> f(scipy.sparse.csr_matrix(np.array([[0.0, 3.0]]))).toarray()
    array([[0.],
           [6.]])
    """
    return matrix("csr", name, dtype)


def csc_matrix(name: str | None = None, dtype: Any = None) -> SparseVariable:
    """A sparse variable, compressed by columns."""
    return matrix("csc", name, dtype)


def csr_fmatrix(name: str | None = None) -> SparseVariable:
    """A float32 variable, compressed by rows."""
    return matrix("csr", name, "float32")


def csr_dmatrix(name: str | None = None) -> SparseVariable:
    """A float64 variable, compressed by rows."""
    return matrix("csr", name, "float64")


def csc_fmatrix(name: str | None = None) -> SparseVariable:
    """A float32 variable, compressed by columns."""
    return matrix("csc", name, "float32")


def csc_dmatrix(name: str | None = None) -> SparseVariable:
    """A float64 variable, compressed by columns."""
    return matrix("csc", name, "float64")


def __getattr__(name: str) -> Any:
    """Functions of the elements that are stored: `structured_exp`, `sqr`, ..."""
    found = _arithmetic.STRUCTURED.get(name)
    if found is None:
        raise AttributeError(f"symgraph.sparse has no {name!r}")
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *_arithmetic.STRUCTURED})


__all__ = [
    "CSC", "CSM", "CSR", "SparseConstant", "SparseSharedVariable", "SparseType",
    "SparseVariable", "_is_dense_variable", "_is_sparse", "_is_sparse_variable", "add",
    "add_s_d", "add_s_s", "as_sparse", "as_sparse_or_tensor_variable",
    "as_sparse_variable", "asformat", "basic", "cast", "clean", "col_scale", "constant",
    "csc_dmatrix", "csc_fmatrix", "csc_from_dense", "csc_matrix", "csm_data",
    "csm_indices", "csm_indptr", "csm_properties", "csm_shape", "csr_dmatrix",
    "csr_fmatrix", "csr_from_dense", "csr_matrix", "dense_from_sparse", "diag", "dot",
    "ensure_sorted_indices", "get_item_2d", "get_item_list", "get_item_scalar",
    "getitem", "hstack", "is_sparse", "matrix", "mul", "mul_s_d", "mul_s_s", "mul_s_v",
    "neg", "remove0", "row_scale", "sampling_dot", "shared", "sp_ones_like", "sp_sum",
    "sp_zeros_like", "square_diagonal", "structured_add", "structured_add_s_v",
    "structured_dot", "structured_maximum", "structured_minimum", "structured_pow",
    "sub", "transpose", "true_div", "true_dot", "usmm", "vstack",
]  # fmt: skip
