"""``T.linalg``, ``T.nlinalg`` and ``T.slinalg``: linear algebra under Theano's names.

``T.linalg`` has NumPy's names too; ``inv`` is the inverse of a matrix there, while
``T.inv`` is 1 / x.
"""

from symgraph.errors import LinearAlgebraError
from symgraph.ops.linalg_cholesky import Cholesky
from symgraph.ops.linalg_eig import Eig
from symgraph.ops.linalg_expm import Expm
from symgraph.ops.linalg_inverse import (
    Det,
    MatrixInverse,
    SlogDet,
    matrix_dot,
    matrix_inverse,
)
from symgraph.ops.linalg_norm import array_norm
from symgraph.ops.linalg_solve import Solve
from symgraph.ops.namespaces import Namespace

#: functions of ``theano.tensor.nlinalg``
NUMPY_NAMES = (
    "alloc_diag", "det", "diag", "eig", "eigh", "extract_diag", "lstsq", "matrix_dot",
    "matrix_inverse", "matrix_power", "pinv", "qr", "slogdet", "svd",
    "tensorinv", "tensorsolve", "trace",
)  # fmt: skip
#: functions of ``theano.tensor.slinalg``
SCIPY_NAMES = (
    "cho_solve", "cholesky", "eigvalsh", "expm", "kron", "solve",
    "solve_lower_triangular", "solve_symmetric", "solve_triangular",
    "solve_upper_triangular",
)  # fmt: skip
MORE_NAMES = (
    "cholesky_inverse", "cond", "cross", "diagonal", "dot", "eigvals", "inner", "logdet",
    "matmul", "matrix_rank", "outer", "svdvals", "tensordot", "tril", "triu",
)  # fmt: skip

nlinalg = Namespace(
    "nlinalg", NUMPY_NAMES, MatrixInverse=MatrixInverse, Det=Det, Eig=Eig,
    SlogDet=SlogDet, norm=array_norm,
)  # fmt: skip
slinalg = Namespace("slinalg", SCIPY_NAMES, Cholesky=Cholesky, Solve=Solve, Expm=Expm)
linalg = Namespace(
    "linalg", NUMPY_NAMES + SCIPY_NAMES + MORE_NAMES, inv=matrix_inverse,
    norm=array_norm, multi_dot=matrix_dot, LinAlgError=LinearAlgebraError,
)  # fmt: skip
