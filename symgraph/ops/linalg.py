"""``T.linalg``, ``T.nlinalg`` and ``T.slinalg``: linear algebra under Theano's names.

``T.linalg`` has NumPy's names too; ``inv`` is the inverse of a matrix there, while
``T.inv`` is 1 / x. Theano's classes take options first and matrices when called.
"""

from collections.abc import Callable
from typing import Any

from symgraph.errors import LinearAlgebraError
from symgraph.ops.linalg_cholesky import Cholesky
from symgraph.ops.linalg_eig import Eig
from symgraph.ops.linalg_eigen import eigh, eigvalsh
from symgraph.ops.linalg_expm import Expm
from symgraph.ops.linalg_inverse import (
    Det,
    MatrixInverse,
    SlogDet,
    matrix_dot,
    matrix_inverse,
    pinv,
)
from symgraph.ops.linalg_norm import array_norm
from symgraph.ops.linalg_qr import qr
from symgraph.ops.linalg_solve import Solve
from symgraph.ops.linalg_svd import svd
from symgraph.ops.linalg_tensor import (
    alloc_diag,
    extract_diag,
    tensorinv,
    tensorsolve,
)
from symgraph.ops.namespaces import Namespace

#: functions of ``theano.tensor.nlinalg``
NUMPY_NAMES = (
    "alloc_diag", "det", "diag", "eig", "eigh", "extract_diag", "lstsq", "matrix_dot",
    "matrix_inverse", "matrix_power", "pinv", "qr", "slogdet", "svd", "tensorinv",
    "tensorsolve", "trace",
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


class OptionsFirst:
    """A function in Theano's form of a class: options when made, matrices when called.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> len(T.nlinalg.SVD(full_matrices=False)(T.dmatrix("x")))
    3
    """

    function: Callable[..., Any]
    names: tuple[str, ...] = ()

    def __init__(self, *options: Any, **named: Any) -> None:
        if len(options) > len(self.names):
            raise TypeError(f"{type(self).__name__} has the options {self.names}")
        self.options = {**dict(zip(self.names, options, strict=False)), **named}

    def __call__(self, *operands: Any) -> Any:
        """The function of the operands, with the options."""
        return type(self).function(*operands, **self.options)


def _class(name: str, function: Callable[..., Any], *names: str) -> type[OptionsFirst]:
    parts = {
        "function": staticmethod(function),
        "names": names,
        "__doc__": f"`{function.__name__}`, with its options first.",
        "__module__": __name__,
    }
    return type(name, (OptionsFirst,), parts)


CLASSES = {
    made.__name__: made
    for made in (
        _class("AllocDiag", alloc_diag, "offset", "axis1", "axis2"),
        _class("ExtractDiag", extract_diag, "offset", "axis1", "axis2"),
        _class("Eigh", eigh, "UPLO"),
        _class("MatrixPinv", pinv),
        _class("QRFull", qr, "mode"),
        _class("QRIncomplete", qr, "mode"),
        _class("SVD", svd, "full_matrices", "compute_uv"),
        _class("TensorInv", tensorinv, "ind"),
        _class("TensorSolve", tensorsolve, "axes"),
    )
}

nlinalg = Namespace(
    "nlinalg", NUMPY_NAMES, MatrixInverse=MatrixInverse, Det=Det, Eig=Eig,
    SlogDet=SlogDet, norm=array_norm, **CLASSES,
)  # fmt: skip
slinalg = Namespace(
    "slinalg", SCIPY_NAMES, Cholesky=Cholesky, Solve=Solve, Expm=Expm,
    Eigvalsh=_class("Eigvalsh", eigvalsh, "lower"),
)  # fmt: skip
linalg = Namespace(
    "linalg", NUMPY_NAMES + SCIPY_NAMES + MORE_NAMES, inv=matrix_inverse,
    norm=array_norm, multi_dot=matrix_dot, LinAlgError=LinearAlgebraError,
)  # fmt: skip
