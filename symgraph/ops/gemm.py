"""Gemm: a scaled matrix product added to a scaled matrix; made by rewrites only."""

from collections.abc import Sequence

import numpy as np

from symgraph.core.dtypes import is_discrete
from symgraph.core.node import Layout, Op, Shape, Variable, listing
from symgraph.core.public import PUBLIC
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ShapeError
from symgraph.ops.contraction import Dot, adjoint, check_dtypes, check_extents

Gradients = Sequence[Variable | None]


class Gemm(Op):
    """out = beta * z + alpha * (a @ b), for matrices; alpha and beta are scalars.

    Operands in the order z, alpha, a, b, beta. z may have known extents of 1, which
    broadcast.
    """

    name = "gemm"
    factors = (2, 3)
    accumulates = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Matrices of one dtype whose shapes fit."""
        z, alpha, a, b, beta = inputs
        dtype = check_dtypes("gemm", *inputs)
        if (z.ndim, alpha.ndim, a.ndim, b.ndim, beta.ndim) != (2, 0, 2, 2, 0):
            raise ShapeError(
                f"gemm: it takes a matrix, a scalar, two matrices, a scalar"
                f"{listing(*inputs)}"
            )
        check_extents("gemm", a, 1, b, 0)
        shape = []
        for axis, outer in enumerate((a, b)):
            known = outer.type.shape[axis]
            if z.type.shape[axis] != 1:
                check_extents("gemm", z, axis, outer, axis, "outer")
                known = z.type.shape[axis] if known is None else known
            shape.append(known)
        return (fast_type(dtype, tuple(shape)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """Rows of a, columns of b."""
        return ((shapes[2][0], shapes[3][1]),)

    def grad(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:  # fmt: skip
        """That of the expression it stands for."""
        (g,), (z, alpha, a, b, beta) = gradients, inputs
        if g is None or is_discrete(a.type.dtype):
            return (None,) * 5
        total, conj = PUBLIC["sum"], PUBLIC["conj"]
        to_z = g * conj(beta)
        axes = tuple(axis for axis in (0, 1) if z.type.shape[axis] == 1)
        if axes:
            to_z = total(to_z, axis=axes, keepdims=True)
        return (
            to_z,
            total(g * conj(Dot()(a, b))),
            conj(alpha) * Dot()(g, adjoint(b)),
            conj(alpha) * Dot()(adjoint(a), g),
            total(g * conj(z)),
        )

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The expression, by NumPy."""
        z, alpha, a, b, beta = arrays
        if a.shape[1] != b.shape[0]:
            raise ShapeError(
                f"gemm: shapes {a.shape} and {b.shape} do not fit together"
            )
        shape = (a.shape[0], b.shape[1])
        if any(n not in (1, m) for n, m in zip(z.shape, shape, strict=True)):
            raise ShapeError(f"gemm: z has shape {z.shape}, the product {shape}")
        with np.errstate(all="ignore"):
            return (np.asarray(beta * z + alpha * np.dot(a, b)).astype(a.dtype),)

    def layout(self, position: int) -> Layout:
        """What is added to is overwritten, so it has memory of its own."""
        return ("own", "any", "matrix", "matrix", "any")[position]  # type: ignore[return-value]

    def require(self, sizes: Sizes) -> None:
        """Inner extents are equal, and the outer ones those of z."""
        z, _, a, b, _ = sizes.shapes
        sizes.equal(a[1], b[0], (2, 3), what="inner extents")
        sizes.equal(z[0], a[0], (0, 2), what="rows")
        sizes.equal(z[1], b[1], (0, 3), what="columns")
