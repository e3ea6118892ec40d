"""Samples of linear algebra, with NumPy and SciPy as oracles; see tests/structure.py.

Matrices are well conditioned and their singular values and eigenvalues differ, so that
derivatives exist. What happens elsewhere is in tests/ops/test_linalg.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg as scipy
from structure import Nested, Sample, bad, good, table

from symgraph.errors import (
    ArgumentError,
    AxisError,
    ConversionError,
    NotSupportedError,
    ShapeError,
)

_random = np.random.default_rng(17)


def matrices(*shape: int, dtype: str = "float64") -> np.ndarray:
    """Return matrices of singular values 1, 2, 3, ... and random bases."""
    *batch, m, n = shape
    u = np.linalg.qr(_random.normal(size=(*batch, m, m)))[0]
    v = np.linalg.qr(_random.normal(size=(*batch, n, n)))[0]
    k = min(m, n)
    made = (u[..., :k] * np.arange(1.0, k + 1)) @ np.swapaxes(v, -1, -2)[..., :k, :]
    return np.asarray(made).astype(dtype)


def positive(*shape: int, dtype: str = "float64") -> np.ndarray:
    """Return symmetric matrices of eigenvalues 1, 2, 3, ..."""
    u = np.linalg.qr(_random.normal(size=shape))[0]
    made = (u * np.arange(1.0, shape[-1] + 1)) @ np.swapaxes(u, -1, -2)
    return np.asarray((made + np.swapaxes(made, -1, -2)) / 2).astype(dtype)


def numbers(*shape: int, dtype: str = "float64") -> np.ndarray:
    """Return random numbers."""
    return np.asarray(_random.normal(size=shape)).astype(dtype)


def plain(*args: Any, **kwargs: Any) -> list[Sample]:
    """One call whose derivative is not asked for."""
    return [Nested(args, kwargs), Nested(args, kwargs, static=True)]


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply a function of one matrix to every matrix of a batch."""

    def batched(x: np.ndarray, *rest: Any, **named: Any) -> Any:
        x = np.asarray(x)
        if x.ndim == 2:
            return function(x, *rest, **named)
        return np.stack([batched(part, *rest, **named) for part in x])

    return batched


M1, M2, M3, M4 = (matrices(n, n) for n in (1, 2, 3, 4))
BATCH = matrices(2, 3, 3)
TALL, WIDE = matrices(4, 2), matrices(2, 4)
NONE = np.zeros((0, 0))
F32 = matrices(3, 3, dtype="float32")
Z = (matrices(3, 3) + 1j * matrices(3, 3)).astype("complex128")
WHOLE = np.array([[2, 1], [1, 3]])
NOT_SQUARE = bad(ShapeError, numbers(2, 3)) + bad(ShapeError, numbers(3))
SQUARES = [
    good(x) for x in (M1, M2, M3, BATCH, matrices(2, 1, 3, 3)[:, :, ::-1].copy())
]
OTHERS = [plain(x) for x in (NONE, np.zeros((2, 0, 0)), F32, WHOLE)]

# --- inverses and determinants --------------------------------------------------------

table(np.linalg.inv, "matrix_inverse", *SQUARES, *OTHERS, plain(Z), NOT_SQUARE,
      bad(ConversionError, "x"))  # fmt: skip
table(np.linalg.det, "det", *SQUARES, *OTHERS, plain(Z), NOT_SQUARE)
table(lambda x: tuple(np.linalg.slogdet(x)), "slogdet", *SQUARES, *OTHERS, plain(Z),
      NOT_SQUARE)  # fmt: skip
table(lambda x: np.linalg.slogdet(x)[1], "logdet", *SQUARES, plain(Z), NOT_SQUARE)
table(
    np.linalg.pinv, "pinv",
    *SQUARES, good(TALL), good(WIDE), good(matrices(2, 3, 2)), good(TALL, rcond=1e-3),
    plain(F32, rcond=1e-6), plain(Z), plain(np.zeros((0, 2))),
    plain(np.ones((2, 2)), rcond=1e-6), plain(np.zeros((2, 3))),
    bad(ShapeError, numbers(3)), bad(ArgumentError, M2, True),
)  # fmt: skip
table(
    np.linalg.matrix_power, "matrix_power",
    good(M3, 0), good(M3, 1), good(M3, 2), good(M3, 7), good(M3, -1), good(M2, -3),
    good(BATCH, 3), good(BATCH, 0), plain(F32, 2), plain(NONE, 2),
    bad(ArgumentError, M2, 0.5), bad(ShapeError, TALL, 2),
)  # fmt: skip
table(
    lambda *xs: np.linalg.multi_dot(xs) if len(xs) > 1 else xs[0], "matrix_dot",
    good(M3), good(TALL, M2), good(TALL, WIDE, TALL, M2), good(numbers(4), TALL, WIDE),
    good(WIDE, TALL, numbers(2)), good(numbers(2), M2, numbers(2)), plain(F32, F32, F32),
    bad(ArgumentError), bad(ShapeError, TALL, TALL), bad(ShapeError, M2, numbers(2), M2),
)  # fmt: skip
table(
    np.linalg.tensorinv, "tensorinv",
    good(matrices(6, 6).reshape(2, 3, 6), ind=2), good(matrices(6, 6).reshape(6, 3, 2), 1),
    bad(ArgumentError, M2, 0), bad(ShapeError, M2, 2), bad(ShapeError, numbers(2, 3), 1),
)  # fmt: skip
table(
    np.linalg.tensorsolve, "tensorsolve",
    good(matrices(6, 6).reshape(2, 3, 6), numbers(2, 3)),
    good(matrices(6, 6).reshape(6, 2, 3), numbers(6)),
    good(np.moveaxis(matrices(6, 6).reshape(2, 3, 6), 2, 0), numbers(2, 3), axes=(0,)),
    bad(ShapeError, M2, numbers(2, 2, 2)), bad(ShapeError, numbers(2, 3), numbers(2)),
    bad(AxisError, M2, numbers(2), axes=(2,)),
)  # fmt: skip

# --- equations ------------------------------------------------------------------------

LOWER, UPPER = np.tril(M3) + 2 * np.eye(3), np.triu(M3) + 2 * np.eye(3)
LOWERS = np.tril(BATCH) + 2 * np.eye(3)
V3, V32 = numbers(3), numbers(3, 2)


def _solve(a: Any, b: Any, assume_a: str = "gen", lower: bool = False,
           transposed: bool = False) -> Any:  # fmt: skip
    a = np.asarray(a)
    a = {"lower": np.tril, "upper": np.triu}.get(assume_a[:5], np.asarray)(a)
    a = np.swapaxes(a, -1, -2) if transposed else a
    b = np.asarray(b)
    return (
        np.linalg.solve(a, b[:, None])[..., 0] if b.ndim == 1 else np.linalg.solve(a, b)
    )


def _triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False,
                unit_diagonal: bool = False) -> Any:  # fmt: skip
    if unit_diagonal:
        a = a - np.eye(a.shape[-1]) * a + np.eye(a.shape[-1])
    kind = "lower" if lower else "upper"
    a = np.conj(a) if trans in (2, "C") else a
    return _solve(a, b, kind, transposed=trans not in (0, "N"))


ASK = (
    good(M3, V3), good(M3, V32), good(M3 + 5 * np.eye(3), V32), good(M1, numbers(1)),
    good(BATCH, numbers(2, 3, 2)), good(BATCH, V3), good(M3, numbers(2, 3, 1)),
    good(matrices(2, 1, 3, 3), numbers(4, 3, 2)), plain(F32, numbers(3, dtype="float32")),
    plain(NONE, np.zeros((0, 2))), plain(M3, np.zeros((3, 0))), plain(WHOLE, WHOLE),
    plain(F32, V32),
    bad(ShapeError, TALL, numbers(4)), bad(ShapeError, M3, numbers(2)),
    bad(ShapeError, M3, numbers(2, 2)), bad(ShapeError, M3, 1.0),
    bad(ShapeError, BATCH, numbers(4, 3, 1)),
)  # fmt: skip
table(
    _solve, "solve", *ASK, plain(Z, V32), good(M3, V3, transposed=True),
    good(LOWER, V3, "lower triangular"), good(UPPER, V32, "upper triangular"),
    good(LOWER, V3, "lower triangular", transposed=True), good(positive(3, 3), V3, "pos"),
    bad(ArgumentError, M3, V3, "tri"),
)  # fmt: skip
table(_solve, "solve_symmetric", *ASK)
LOWER_CASES = (good(LOWER, V3), good(M3 + 3 * np.eye(3), V32), good(LOWERS, V3),
               good(LOWERS, numbers(2, 3, 2)), plain(LOWER.astype("float32"), F32),
               plain(LOWER + 1j * M3, V32), plain(NONE, np.zeros(0)),
               bad(ShapeError, TALL, numbers(4)))  # fmt: skip
table(lambda a, b: _solve(a, b, "lower"), "solve_lower_triangular", *LOWER_CASES)
table(lambda a, b: _solve(a, b, "upper"), "solve_upper_triangular",
      good(UPPER, V3), good(M3 + 3 * np.eye(3), V32), good(np.swapaxes(LOWERS, 1, 2), V3),
      bad(ShapeError, numbers(2), V3))  # fmt: skip
table(
    _triangular, "solve_triangular",
    good(UPPER, V3), good(LOWER, V32, lower=True), good(LOWER, V3, 1, True),
    good(UPPER, V3, "T"), good(M3, V3, "N", True, True), good(M3, V3, 2, False, True),
    plain(UPPER + 1j * M3, V32, "C"), plain(LOWERS, V3, 1, True),
    bad(ArgumentError, UPPER, V3, 3), bad(ShapeError, TALL, V3),
)  # fmt: skip
FACTOR = np.linalg.cholesky(positive(3, 3))


def _cho_solve(c: Any, b: Any) -> Any:
    return scipy.cho_solve(c, b)


table(
    _cho_solve, "cho_solve",
    good((FACTOR, True), V3), good((FACTOR.T.copy(), False), V32), good([LOWER, True], V3),
    bad(ArgumentError, FACTOR, V3), bad(ShapeError, (TALL, True), V3),
)  # fmt: skip


def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    x, _, rank, values = np.linalg.lstsq(a, b, rcond=None if rcond == -1 else rcond)
    return x, ((a @ x - b) ** 2).sum(axis=0), np.int64(rank), values


table(
    _lstsq, "lstsq",
    good(TALL, numbers(4)), good(TALL, numbers(4, 3)), good(WIDE, numbers(2)),
    good(M3, V32), good(TALL, numbers(4), 1e-3), plain(np.ones((3, 2)), V3, 1e-6),
    plain(TALL, numbers(4), -1),
    bad(ShapeError, TALL, numbers(3)), bad(ShapeError, BATCH, V3),
    bad(ShapeError, TALL, 1.0),
)  # fmt: skip

# --- factors --------------------------------------------------------------------------

P3, PS = positive(3, 3), positive(2, 3, 3)


def _cholesky(x: Any, lower: bool = True, on_error: str = "raise") -> Any:
    try:
        found = np.linalg.cholesky(x if lower else np.swapaxes(x, -1, -2))
    except np.linalg.LinAlgError:
        found = np.full_like(x, np.nan)
    return found if lower else np.swapaxes(found, -1, -2)


table(
    _cholesky, "cholesky",
    good(P3), good(PS), good(P3, lower=False), good(PS, False), good(positive(1, 1)),
    good(P3, True, "nan"), good(P3 + np.triu(M3, 1)), good(P3 + np.tril(M3, -1), False),
    plain(positive(3, 3, dtype="float32")), plain(NONE), plain(-P3, on_error="nan"),
    plain(P3 + 1j * (M3 - M3.T) / 9), plain(WHOLE),
    NOT_SQUARE, bad(ArgumentError, P3, True, "ignore"),
)  # fmt: skip
table(
    lambda c, lower=True: np.linalg.inv(c @ c.T if lower else c.T @ c),
    "cholesky_inverse",
    good(LOWER), good(UPPER, False), bad(ShapeError, TALL),
)  # fmt: skip
table(
    lambda x, mode="reduced": np.linalg.qr(x, mode), "qr",
    good(M3), good(TALL), good(WIDE), good(BATCH), good(matrices(2, 3, 2)), good(M1),
    good(matrices(2, 2, 3)), good(TALL, "r"), good(WIDE, "r"), plain(TALL, "complete"),
    good(M3, mode="reduced"), plain(F32), plain(NONE), plain(np.zeros((0, 2))), plain(Z),
    bad(ArgumentError, M3, "full"), bad(NotSupportedError, M3, "raw"),
    bad(ShapeError, V3),
)  # fmt: skip


def _svd(x: Any, full_matrices: Any = True, compute_uv: Any = True) -> Any:
    found = np.linalg.svd(x, bool(full_matrices), bool(compute_uv))
    return tuple(found) if compute_uv else found


table(
    _svd, "svd",
    good(M3, False), good(TALL, False), good(WIDE, 0), good(BATCH, False),
    good(matrices(2, 3, 2), False), good(matrices(2, 2, 3), False), good(M1, False),
    good(TALL, compute_uv=False), [Nested((M3,), gradient=True, static=True)],
    plain(M3), plain(TALL), plain(WIDE), plain(F32), plain(NONE), plain(Z, False),
    bad(ShapeError, V3),
)  # fmt: skip
VALUES = (good(M3), good(TALL), good(WIDE), good(BATCH), good(matrices(2, 2, 3)),
          plain(F32), plain(NONE), plain(Z), bad(ShapeError, V3))  # fmt: skip
table(lambda x: np.linalg.svd(x, compute_uv=False), "svdvals", *VALUES)
table(
    np.linalg.matrix_rank, "matrix_rank",
    plain(M3), plain(np.ones((3, 2))), plain(BATCH), plain(np.zeros((2, 2))),
    plain(M3, tol=1.5), bad(ShapeError, V3),
)  # fmt: skip
SYMMETRIC = (good(P3), good(PS), good(positive(1, 1)), good(P3 + np.triu(M3, 1)),
             plain(positive(3, 3, dtype="float32")), plain(NONE),
             plain(P3 + 1j * (M3 - M3.T)), plain(WHOLE))  # fmt: skip
table(lambda x, UPLO="L": tuple(np.linalg.eigh(x, UPLO)), "eigh", *SYMMETRIC,
      good(P3 + np.tril(M3, -1), "U"), NOT_SQUARE,
      bad(ArgumentError, P3, "lower"))  # fmt: skip


def _eigvalsh(a: Any, b: Any = None, lower: bool = True) -> Any:
    if b is None:
        return np.linalg.eigvalsh(a, "L" if lower else "U")
    return scipy.eigh(a, b, lower=lower, eigvals_only=True)


table(
    _eigvalsh, "eigvalsh", *SYMMETRIC, good(P3, positive(3, 3)),
    good(P3 + np.triu(M3, 1), positive(3, 3)), good(P3, positive(3, 3), False),
    NOT_SQUARE, bad(ShapeError, P3, TALL),
)  # fmt: skip


def _eig(x: Any) -> Any:
    kind = np.complex64 if np.asarray(x).dtype == np.float32 else np.complex128
    return tuple(part.astype(kind) for part in np.linalg.eig(x))


GENERAL = [plain(x) for x in (M1, M3, BATCH, F32, NONE, Z, P3, WHOLE)]
table(_eig, "eig", *GENERAL, NOT_SQUARE)
table(lambda x: _eig(x)[0], "eigvals", *GENERAL, NOT_SQUARE)
table(each(scipy.expm), "expm", *SQUARES, good(M4), good(10 * M2), good(M3 / 100),
      good(M3 / 9), plain(NONE), plain(F32), plain(Z), NOT_SQUARE)  # fmt: skip

# --- norms ----------------------------------------------------------------------------

table(
    np.linalg.norm, "array_norm",
    *(good(numbers(4), ord) for ord in (None, 2, 1, np.inf, -np.inf, 3, 0.5, -1)),
    *(good(M3, ord) for ord in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
    plain(numbers(4), 0), good(BATCH), good(BATCH, axis=1), good(BATCH, 3, axis=-1),
    *(good(numbers(2, 3, 4), ord, (2, 0)) for ord in ("fro", 1, np.inf, -1)),
    good(BATCH, 2, (0, 2)), good(BATCH, "nuc", (1, 2), True), good(BATCH, 1, (2, 0), True),
    good(numbers(3, 4), None, 0, True), good(BATCH, keepdims=True), plain(F32, 1),
    plain(Z), plain(Z, 1), plain(WHOLE),
    bad(ArgumentError, V3, "fro"), bad(ArgumentError, M3, 3), bad(ShapeError, BATCH, 2),
    bad(ArgumentError, BATCH, None, (0, 1, 2)), bad(ArgumentError, M3, None, (0, 0)),
    bad(AxisError, M3, None, 2), bad(ArgumentError, V3, numbers()),
)  # fmt: skip
table(
    np.linalg.cond, "cond",
    good(M3), good(TALL), good(M3, -2), good(M3, 1), good(M3, "fro"), good(M3, np.inf),
    good(BATCH), good(BATCH, 1), plain(F32), bad(ShapeError, TALL, 1),
    bad(ShapeError, V3), bad(ArgumentError, M3, 3),
)  # fmt: skip

# --- diagonals ------------------------------------------------------------------------

table(
    np.diagonal, "extract_diag",
    good(M3), good(TALL, 1), good(BATCH, 0, 1, 2), good(WIDE, offset=-1),
    bad(ShapeError, V3), bad(ArgumentError, M3, 0, 1, 1),
)  # fmt: skip


def _alloc_diag(v: Any, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Any:
    n = v.shape[-1] + abs(offset)
    out = np.zeros((*v.shape[:-1], n, n), v.dtype)
    rows = np.arange(v.shape[-1]) + max(-offset, 0)
    out[..., rows, rows + offset] = v
    return np.moveaxis(out, (-2, -1), (axis1, axis2))


table(
    _alloc_diag, "alloc_diag",
    good(V3), good(V3, 1), good(V3, offset=-2), good(V32), good(V32, 1, 0, 2),
    good(V32, 0, 1, 0), plain(np.arange(3)), plain(np.zeros(0)),
    bad(ShapeError, 1.0), bad(ArgumentError, V3, 0.5), bad(AxisError, V3, 0, 3),
)  # fmt: skip
