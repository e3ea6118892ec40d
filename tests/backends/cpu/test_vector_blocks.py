"""Sums in blocks: no term is lost or added twice, and errors grow with a logarithm.

Sums of small integers are exact, so they show lost terms; equal terms that are no
integers round in the same direction at each addition, so they show long chains of
additions.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.config import config

UNIT = 2.0**-24
#: around the ends of blocks and of levels: 128, 128 * 16, 128 * 16 * 16
ROWS = [0, 1, 127, 128, 129, 255, 256, 257, 2047, 2048, 2049, 2176, 2177, 4097, 32767,
        32768, 32769, 34817, 40000]  # fmt: skip
#: the same by 64 lanes
LENGTHS = [64 * n + k for n in (128, 129, 2048, 2176, 32768) for k in (-1, 0, 1, 65)]


def bound(terms: int) -> float:
    """The relative error that docs/explanation/sums.md allows."""
    levels = math.ceil(math.log(max(terms / 128, 1), 16))
    return (128 + 16 * levels + 40) * UNIT


def integers(*shape: int) -> np.ndarray:
    """Small integers whose sums are exact in float32."""
    return np.random.default_rng(0).integers(-3, 4, shape).astype("float32")


# --- nothing is lost ------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 3, 10, 70])
def test_every_row_is_added_once(columns: int) -> None:
    x = T.fmatrix("x")
    f = sg.function([x], [x.sum(axis=0), (2 * x).sum()])
    whole = integers(max(ROWS), columns)
    for rows in ROWS:
        a = whole[:rows]
        down, total = f(a)
        np.testing.assert_array_equal(down, a.sum(axis=0, dtype="float64"))
        assert total == 2 * a.sum(dtype="float64")


def test_every_element_of_a_vector_is_added_once() -> None:
    x, w = T.fvector("x"), T.fvector("w")
    f = sg.function([x], [x.sum(), T.max(x), T.sum(x * x)])
    dot = sg.function([x, w], T.dot(x, w))
    whole = integers(max(LENGTHS))
    for n in LENGTHS:
        a = whole[:n]
        exact = a.astype("float64")
        assert f(a) == [exact.sum(), exact.max(), exact @ exact]
        assert dot(a, a) == exact @ exact


@pytest.mark.parametrize("rows", [128, 129, 2048, 2300, 33000])
def test_known_extents_lose_nothing(rows: int) -> None:
    x = T.matrix("x", dtype="float32", shape=(rows, 5))
    a = integers(rows, 5)
    f = sg.function([x], [x.sum(axis=0), x.sum(), x.sum(axis=1).max()])
    down, total, most = f(a)
    np.testing.assert_array_equal(down, a.sum(axis=0, dtype="float64"))
    assert total == a.sum(dtype="float64")
    assert most == a.sum(axis=1).max()


def test_sums_beside_other_reductions_and_stores_of_one_loop() -> None:
    x = T.fmatrix("x")
    a = integers(5000, 7)
    found = sg.function(
        [x], [x.sum(axis=0), x.max(axis=0), x.min(axis=0), (x > 0).sum(axis=0), x + 1]
    )(a)
    exact = a.astype("float64")
    want = [exact.sum(0), exact.max(0), exact.min(0), (exact > 0).sum(0), exact + 1]
    for got, expected in zip(found, want, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_complex_sums_lose_nothing() -> None:
    z = T.TensorType("complex64", (None, None))("z")
    a = (integers(3000, 3) + 1j * integers(3000, 3)[::-1]).astype("complex64")
    np.testing.assert_array_equal(sg.function([z], z.sum(axis=0))(a), a.sum(axis=0))


def test_three_nested_loops_that_do_not_merge() -> None:
    x, v = T.ftensor3("x"), T.fvector("v")
    a, b = integers(200, 3, 150), integers(150)
    f = sg.function([x, v], (x * v).sum())
    assert f(a, b) == (a.astype("float64") * b).sum()


def test_long_bodies_are_added_up_in_blocks_as_well() -> None:
    """A body of many statements has no loop of its own for the rest."""
    x = T.fvector("x")
    terms = [T.sin(x * k) * T.exp(-x * k) + T.log(x + k) for k in range(1, 9)]
    f = sg.function([x], sum(terms[1:], terms[0]).sum())
    a = np.full(1_000_000, 0.7, "float32")
    one = sum(np.sin(0.7 * k) * np.exp(-0.7 * k) + np.log(0.7 + k) for k in range(1, 9))
    assert f(a) == pytest.approx(one * a.size, rel=2e-6)


# --- errors ---------------------------------------------------------------------------

BIAS = sg.shared(np.zeros(3, "float32"))
WEIGHTS = sg.shared(np.zeros((3, 9), "float32"))
SCALE = sg.shared(np.float32(1))
PROGRAMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "mean down": (lambda x: x.mean(axis=0), lambda a: a.mean(axis=0)),
    "mean of a transpose": (lambda x: x.T.mean(axis=1), lambda a: a.mean(axis=0)),
    "norm": (lambda x: (x**2).sum(axis=0) ** 0.5, lambda a: (a**2).sum(axis=0) ** 0.5),
    "all": (lambda x: (x * T.arange(1, 4, dtype="float32")).sum(),
            lambda a: (a * [1, 2, 3]).sum()),
    "logsumexp": (lambda x: T.log(T.exp(x).sum(axis=0)),
                  lambda a: np.log(np.exp(a).sum(axis=0))),
    "softmax": (lambda x: T.nnet.softmax(x.T)[:, 0],
                lambda a: np.exp(a[0]) / np.exp(a).sum(axis=0)),
    "gradient of a bias": (
        lambda x: sg.grad(T.tanh(x + BIAS).sum(), BIAS),
        lambda a: (1 - np.tanh(a) ** 2).sum(axis=0),
    ),
    "gradient of weights": (
        lambda x: sg.grad(T.exp(T.dot(x, WEIGHTS)).mean(axis=1).sum(), WEIGHTS),
        lambda a: np.repeat(a.sum(axis=0)[:, None], 9, 1) / 9,
    ),
    "gradient of a scale": (
        lambda x: sg.grad(T.sqr(x * SCALE - 1).sum(), SCALE),
        lambda a: (2 * (a - 1) * a).sum(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_equal_terms_keep_the_bound(name: str) -> None:
    make, exact = PROGRAMS[name]
    x = T.fmatrix("x")
    a = np.full((300_000, 3), 0.1, "float32")
    got = np.asarray(sg.function([x], make(x))(a), "float64")
    want = exact(a.astype("float64"))
    limit = bound(300_000) + (name == "gradient of weights") * 800 * UNIT
    assert np.max(np.abs(got / want - 1)) < limit


def test_a_variance_of_a_far_mean() -> None:
    x = T.fvector("x")
    a = (np.random.default_rng(0).normal(size=2_000_000) + 4).astype("float32")
    exact = a.astype("float64")
    for f in (
        sg.function([x], [x.var(), x.mean(), x.sum()]),
        sg.function([x], [x.var()]),
    ):
        for got, want in zip(
            f(a), [exact.var(), exact.mean(), exact.sum()], strict=False
        ):
            assert got == pytest.approx(want, rel=1e-6)


def test_the_accumulator_s_dtype_is_the_user_s() -> None:
    x = T.fmatrix("x")
    a = np.float32([[1e8], [1.0], [-1e8]])
    wide = sg.function(
        [x], [x.sum(axis=0, acc_dtype="float64"), x.mean(axis=0, acc_dtype="float64")]
    )
    total, mean = wide(a)
    assert total == [1.0]
    assert mean == np.float32([1 / 3])
    assert total.dtype == mean.dtype == np.float32


@pytest.mark.parametrize("rows", [700, 20_000, 300_000])
def test_products_keep_the_bound_of_their_longer_blocks(rows: int) -> None:
    """Small ones on BLAS, large ones on tiles, thin ones as sums."""
    a = np.full((rows, 9), 0.1, "float32")
    want = rows * float(a[0, 0]) ** 2
    for columns in (1, 3, 9):
        for known in (False, True):
            shape = (None, columns if known else None)
            x = T.matrix("x", dtype="float32", shape=shape)
            found = sg.function([x], T.dot(x.T, x))(a[:, :columns])
            assert np.abs(found / want - 1).max() < bound(rows) + 2048 * UNIT


def test_float64_sums_are_in_blocks() -> None:
    x = T.dmatrix("x")
    a = np.full((200_000, 2), 0.1)
    got = sg.function([x], x.sum(axis=0))(a)
    np.testing.assert_allclose(got, math.fsum(a[:, 0]), rtol=bound(200_000) * 2.0**-29)


# --- threads --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda x: x.sum(), lambda x: x.sum(axis=0), lambda x: T.exp(x).mean()]
)
def test_the_same_bits_with_any_number_of_threads(make: Callable[[Any], Any]) -> None:
    a = np.random.default_rng(0).random((700_000, 3)).astype("float32")
    found = []
    for number in (1, 2, 3):
        with config.override(threads=number):
            x = T.fmatrix("x")
            found.append(np.asarray(sg.function([x], make(x))(a)).tobytes())
    assert len(set(found)) == 1


def test_parts_of_threads_are_joined_in_a_tree() -> None:
    """256 parts whose sums are not multiples of what float32 can hold there."""
    x = T.fmatrix("x")
    a = np.ones((12_000_000, 3), "float32")
    f = sg.function([x], (x * T.arange(3, dtype="float32")).sum())
    assert f(a) == pytest.approx(36_000_000, rel=2e-7)
