"""Generated calls: what a case is, arrays of all layouts, and the check of a case.

Hypothesis draws cases: a public function with its arguments, arrays with any extents
(0 and 1 often), known or unknown while building, contiguous or not, with NaN,
infinities and -0.0. The check compares values with NumPy's, and what was inferred with
what came out. Families register in `FAMILIES` (files generated_*.py beside this one);
tests/fuzz/test_generated.py runs them, on both backends.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from family_checks import check_against_inferred, compare_gradient
from hypothesis import strategies as st

import symgraph.tensor  # noqa: F401  fills the registries
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.types import TensorType

Values = dict[Variable, np.ndarray]


@dataclass(frozen=True, repr=False)
class Case:
    """A call with everything it needs.

    Attributes
    ----------
    text : the call, for messages
    arrays : values of the variables
    known : for each array, which extents are known while building
    build : variables → result, or list of results
    oracle : arrays → array, or list of arrays
    rough : relative tolerance of float64; 0 for functions that move numbers
    error : what building or evaluating raises, or None
    smooth : whether the derivative may be compared with differences
    """

    text: str
    arrays: tuple[np.ndarray, ...]
    known: tuple[tuple[bool, ...], ...]
    build: Callable[..., Any]
    oracle: Callable[..., Any]
    rough: float = 0.0
    error: type[Exception] | None = None
    smooth: bool = False

    def made(self) -> tuple[list[Variable], Values]:
        """Results as variables, and the values of the inputs."""
        values: Values = {}
        for position, (array, known) in enumerate(
            zip(self.arrays, self.known, strict=True)
        ):
            shape = tuple(
                n if fixed else None
                for n, fixed in zip(array.shape, known, strict=True)
            )
            leaf: Variable = TensorType(array.dtype.name, shape)(f"x{position}")
            values[leaf] = array
        result = self.build(*values)
        return list(result) if isinstance(result, list | tuple) else [result], values

    def wanted(self) -> list[np.ndarray]:
        """What the oracle says."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing
            told = self.oracle(*self.arrays)
        return [
            np.asarray(a) for a in (told if isinstance(told, list | tuple) else [told])
        ]

    def __repr__(self) -> str:
        operands = ", ".join(f"{a.dtype}{a.shape}/{a.strides}" for a in self.arrays)
        return f"{self.text} of {operands}; known {self.known}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def check(case: Case) -> None:
    """Value, dtype, shape, and everything inferred, on the reference backend."""
    if case.error is not None:
        with pytest.raises(case.error):
            evaluate(*case.made())
        return
    outputs, values = case.made()
    check_arrays(case, outputs, evaluate(outputs, values))
    check_against_inferred(outputs, values)
    if case.smooth:
        floats = [v for v in outputs if v.type.dtype == "float64"]
        for output in floats[:1]:
            compare_gradient(output, values)


def check_arrays(
    case: Case,
    outputs: Sequence[Variable],
    found: Sequence[np.ndarray],
    hidden: bool = False,
) -> None:
    """Computed arrays are those of the oracle.

    Where rewrites took part, they may have hidden a NaN or the sign of a zero.
    """
    wanted = case.wanted()
    assert len(wanted) == len(found), case
    for v, have, want in zip(outputs, found, wanted, strict=True):
        note = str(case)
        assert have.dtype.name == v.type.dtype, note
        assert have.shape == want.shape, f"{note}: {have.shape}, NumPy {want.shape}"
        single = have.dtype.name in ("float32", "complex64")
        bound = (1e-5 if single else case.rough) if case.rough else 0.0
        if hidden and want.dtype.kind in "fc":
            want = np.where(np.isnan(want), have, want)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(
                have, want.astype(have.dtype), bound, bound, err_msg=note
            )
        if not case.rough and not hidden and have.dtype.kind == "f":
            assert (np.signbit(have) == np.signbit(want))[want == 0].all(), note


# --- strategies -------------------------------------------------------------------------

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5])
extents = st.sampled_from([1, 2, 3, 0, 1, 4])
seeds = st.integers(0, 2**16)


def shapes(least: int = 0, most: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of some rank; extents of 0 and 1 are frequent."""
    return st.lists(extents, min_size=least, max_size=most).map(tuple)


def numbers(
    random: np.random.Generator, shape: tuple[int, ...], dtype: str, kind: str
) -> np.ndarray:
    """Values: "plain", "special" (with NaN, infinities and -0.0) or "distinct"."""
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if "int" in dtype:
        return random.integers(0 if dtype[0] == "u" else -9, 10, shape).astype(dtype)
    if kind == "special":
        return np.asarray(random.choice(SPECIAL, shape)).astype(dtype)
    if kind == "distinct":
        count = int(np.prod(shape))
        steps = random.permutation(count).reshape(shape) - count // 2 + 0.25
        return np.asarray(steps / max(count, 8) * 4).astype(dtype)
    real = random.uniform(-3, 3, shape)
    if dtype.startswith("complex"):
        return np.asarray(real + 1j * random.uniform(-3, 3, shape)).astype(dtype)
    return np.asarray(real).astype(dtype)


@st.composite
def arrays(
    draw: Any,
    shape: tuple[int, ...],
    dtype: str = "float64",
    kinds: Sequence[str] = ("plain", "special"),
) -> np.ndarray:
    """An array in one of five layouts: C, Fortran, reversed, strided, a view of one."""
    random = np.random.default_rng(draw(seeds))
    kind = draw(st.sampled_from(kinds))
    layout = draw(st.sampled_from(["C", "F", "reversed", "strided", "broadcast"]))
    if layout == "strided":
        wide = numbers(random, tuple(2 * n for n in shape), dtype, kind)
        return wide[(..., *[slice(1, None, 2)] * len(shape))]
    array = numbers(random, shape, dtype, kind)
    if layout == "F":
        return array.T.copy().T
    if layout == "reversed":
        return array[(..., *[slice(None, None, -1)] * array.ndim)]
    if layout == "broadcast" and kind != "distinct" and shape and shape[0] > 1:
        return np.broadcast_to(array[:1], shape)
    return array


@st.composite
def known_for(draw: Any, *some: np.ndarray) -> tuple[tuple[bool, ...], ...]:
    """Which extents are known: all, none, those of 1, or any."""
    kind = draw(st.sampled_from(["all", "none", "ones", "any"]))
    if kind == "any":
        return tuple(tuple(draw(st.booleans()) for _ in a.shape) for a in some)
    return tuple(
        tuple(kind == "all" or (kind == "ones" and n == 1) for n in a.shape)
        for a in some
    )


@dataclass(frozen=True)
class Family:
    """A strategy of cases; `examples` are run on the reference backend.

    `batches` functions of twenty cases each are compiled.
    """

    cases: st.SearchStrategy[Case]
    examples: int
    batches: int


FAMILIES: dict[str, Family] = {}


def family(name: str, examples: int, batches: int = 2) -> Callable[[Any], Any]:
    """Register a composite strategy as a family of cases."""

    def register(strategy: Callable[[], st.SearchStrategy[Case]]) -> Any:
        assert name not in FAMILIES, name
        FAMILIES[name] = Family(strategy(), examples, batches)
        return strategy

    return register
