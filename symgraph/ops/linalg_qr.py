"""QR factors: an orthonormal basis of the columns, and coordinates in it.

The op is `Qr`.

References
----------
Walter and Lehmann 2018, Algorithmic differentiation of linear algebra functions with
application in optimum experimental design, section 3.3. arXiv:1001.1654. Roberts and
Roberts 2020, QR and LQ decomposition matrix backpropagation algorithms for square, wide,
and deep matrices, for wide ones. arXiv:2009.10071
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Shape, Variable, listing
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, GradientError, NotSupportedError
from symgraph.ops.linalg_solve import SolveMatrix
from symgraph.ops.linalg_svd import shorter, static_shorter
from symgraph.ops.matrices import (
    Gradients,
    MatrixOp,
    check_float,
    check_matrix,
    matrix_operand,
    product,
    real_only,
    transposed,
)
from symgraph.ops.shape import extents


class Qr(MatrixOp):
    """q, r with x = q @ r, orthonormal columns of q, upper triangular r.

    Attributes
    ----------
    complete : whether q is square
    """

    complete: bool

    name = "qr"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Any matrix of floats."""
        (x,) = inputs
        check_matrix(x, self.name)
        dtype, (*batch, rows, columns) = check_float(self.name, x), x.type.shape
        count = rows if self.complete else static_shorter(x.type.shape)
        return (
            fast_type(dtype, (*batch, rows, count)),
            fast_type(dtype, (*batch, count, columns)),
        )

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The shorter side between them, or the rows."""
        (*batch, rows, columns) = shapes[0]
        count = rows if self.complete else shorter(rows, columns)
        return (*batch, rows, count), (*batch, count, columns)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """Walter and Lehmann 2018; the columns beyond the square, Roberts 2020."""
        (x,), (q, r), (gq, gr) = inputs, outputs, gradients
        if gq is None and gr is None:
            return (None,)
        real_only("qr", x)
        rows, columns = x.type.shape[-2:]
        known = rows is not None and columns is not None
        if self.complete and not (known and (rows or 0) <= (columns or 0)):
            raise GradientError(
                f'qr: with mode="complete" there is a gradient only where the matrix is '
                f'known to have as many columns as rows{listing(x)}\nUse mode="reduced".'
            )
        gq = PUBLIC["zeros_like"](q) if gq is None else gq
        gr = PUBLIC["zeros_like"](r) if gr is None else gr
        if known and (rows or 0) >= (columns or 0):
            return (_square(q, r, gq, gr),)
        count = shorter(*extents(x)[-2:])
        rest = _columns(x, count, None)
        g_rest = _columns(gr, count, None)
        gq = gq + product(rest, transposed(g_rest))
        first = _square(q, _columns(r, None, count), gq, _columns(gr, None, count))
        second = product(q, g_rest)
        return (PUBLIC["concatenate"]([first, second], axis=x.ndim - 1),)

    def compute(self, *arrays: np.ndarray) -> Sequence[Any]:
        """NumPy's qr."""
        q, r = np.linalg.qr(arrays[0], "complete" if self.complete else "reduced")
        return np.ascontiguousarray(q), np.ascontiguousarray(r)


def _columns(x: Variable, start: Any, stop: Any) -> Variable:
    index = (*(slice(None),) * (x.ndim - 1), slice(start, stop))
    found: Variable = PUBLIC["getitem"](x, index)
    return found


def _square(q: Variable, r: Variable, gq: Variable, gr: Variable) -> Variable:
    """(gq + q @ s) @ inverse of r', s the lower triangle of r gr' - gq' q, mirrored."""
    inner = product(r, transposed(gr)) - product(transposed(gq), q)
    below: Variable = PUBLIC["tril"](inner, -1)
    mirrored = PUBLIC["tril"](inner) + transposed(below)
    right = gq + product(q, mirrored)
    return transposed(SolveMatrix("upper")(r, transposed(right)))


@public
def qr(x: Any, mode: str = "reduced") -> Any:
    """(q, r) with x = q @ r, orthonormal columns of q and an upper triangular r.

    Parameters
    ----------
    x : (..., m, n)
    mode : "reduced", "complete" (q is square), or "r" (r alone)

    Returns
    -------
    q, r : (..., m, k), (..., k, n) with k = min(m, n), or k = m if "complete"

    References
    ----------
    Walter and Lehmann 2018, section 3.3, and for m < n Roberts and Roberts 2020, for
    the gradient, which needs linearly independent (first) columns.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> q, r = T.linalg.qr(T.dmatrix("x", shape=(3, 2)))
    >>> q.type, r.type
    (float64 (3, 2), float64 (2, 2))
    """
    if mode == "raw":
        raise NotSupportedError('qr: mode="raw" is not supported; use "reduced"')
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f'qr: mode={mode!r}; use "reduced", "complete" or "r"')
    q, r = Qr(mode == "complete")(matrix_operand(x, "qr"))
    return r if mode == "r" else (q, r)
