"""Sparse matrices that the tests of sparse/ share: A, B (4, 5), C (5, 3); D, E dense."""

from typing import Any

import numpy as np
import scipy.sparse as scipy

MODES = ["FAST_COMPILE", "FAST_RUN"]


def random_matrix(
    rows: int, columns: int, format: str, seed: int = 0, dtype: str = "float64"
) -> Any:
    """A matrix with about 40 elements in 100 places, 1.5 to 2.5 away from 0."""
    random = np.random.default_rng([seed, rows, columns])
    dense = random.uniform(0.5, 2.0, (rows, columns))
    dense *= random.choice([-1, 1], dense.shape) * (random.random(dense.shape) < 0.4)
    return scipy.csr_matrix(dense.astype(dtype)).asformat(format)


def dense(value: Any) -> np.ndarray:
    return value.toarray() if scipy.issparse(value) else np.asarray(value)


A, B, C = (random_matrix(*s, "csr", k) for k, s in enumerate([(4, 5), (4, 5), (5, 3)]))
D, E = (
    np.random.default_rng(1).normal(size=(5, 2)),
    np.cos(np.arange(20.0)).reshape(4, 5),
)
