"""Generated calls of linear algebra: batches, empty stacks, one by one, any layout."""

from typing import Any

import numpy as np
import samples_structure  # noqa: F401  fills structure.ORACLES
import structure
from generated import Case, arrays, extents, family, known_for, shapes
from hypothesis import strategies as st

from symgraph.core.public import PUBLIC

CLOSE = 1e-8


def _well(a: np.ndarray) -> np.ndarray:
    """A square matrix far from singular."""
    return a + 7 * np.eye(a.shape[-1], dtype=a.dtype)


def _positive(a: np.ndarray) -> np.ndarray:
    return _well(a @ np.swapaxes(a, -1, -2))


@family("linear algebra", 150, 3)
@st.composite
def linalg(draw: Any) -> Case:
    """inv, det, slogdet, solve, cholesky, eigvalsh, svdvals, pinv, expm, powers."""
    name = draw(
        st.sampled_from(
            ["matrix_inverse", "det", "slogdet", "solve", "cholesky", "svdvals", "pinv",
             "matrix_power", "logdet", "eigvalsh", "solve_triangular"]
        )
    )  # fmt: skip
    n = draw(st.sampled_from([1, 2, 3, 5]))
    batch = draw(shapes(0, 2)) if name != "eigvalsh" else ()
    dtype = draw(st.sampled_from(["float64", "float64", "float32"]))
    a = _well(draw(arrays((*batch, n, n), dtype, ("plain",))))
    args: tuple[Any, ...] = ()
    some = [a]
    rough = CLOSE if dtype == "float64" else 1e-4
    if name in ("cholesky", "eigvalsh"):
        some = [_positive(a)]
    elif name in ("svdvals", "pinv"):
        m = draw(st.sampled_from([1, 2, 4]))
        some = [draw(arrays((*batch, m, n), dtype, ("distinct",)))]
    elif name == "matrix_power":
        args = (draw(st.integers(-2, 4)),)
        some = [a / 7]
    elif name == "solve":
        columns = draw(st.one_of(st.none(), extents))
        vector = (n,) if columns is None else (n, columns)
        batch = batch if columns is not None else ()
        a = _well(draw(arrays((*batch, n, n), dtype, ("plain",))))
        some = [a, draw(arrays((*batch, *vector), dtype, ("plain",)))]
    elif name == "solve_triangular":
        a = _well(draw(arrays((n, n), dtype, ("plain",))))
        some = [np.tril(a), draw(arrays((n, 2), dtype, ("plain",)))]
        args = (0, True)
    if draw(st.booleans()):
        some = [np.asfortranarray(x) if x.ndim else x for x in some]
    smooth = dtype == "float64" and name not in ("svdvals", "pinv", "eigvalsh")
    return Case(
        f"{name}{args}", tuple(some), draw(known_for(*some)),
        lambda *v: PUBLIC[name](*v, *args),
        lambda *x: structure.ORACLES[name](*x, *args),
        rough, smooth=smooth and all(x.size for x in some)
        and draw(st.integers(0, 4)) == 0,
    )  # fmt: skip
