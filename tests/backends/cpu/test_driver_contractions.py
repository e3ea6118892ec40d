"""Products by BLAS whose inner extent is cut: no term is lost, whatever lies how."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.config import config

#: inner extents around one and several calls of BLAS, an empty one too
INNER = [0, 1, 2047, 2048, 2049, 4096, 6000]


def integers(*shape: int, dtype: str = "float32") -> Any:
    """Small integers whose sums are exact."""
    return np.random.default_rng(len(shape)).integers(-3, 4, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["plain", "left", "right", "both"])
def test_every_term_is_added_once(dtype: str, order: str) -> None:
    a, b = (T.matrix(n, dtype=dtype) for n in "ab")
    left = a.T if order in ("left", "both") else a
    right = b.T if order in ("right", "both") else b
    with config.override(blas="blas"):
        f = sg.function([a, b], T.dot(left, right))
    for n in INNER:
        x, y = integers(5, n, dtype=dtype), integers(n, 7, dtype=dtype)
        given = [x.T if left is not a else x, y.T if right is not b else y]
        np.testing.assert_array_equal(f(*map(np.ascontiguousarray, given)), x @ y)


@pytest.mark.parametrize("blas", ["auto", "blas"])
def test_vectors_batches_and_updates(blas: str) -> None:
    a, b, v = T.fmatrix("a"), T.fmatrix("b"), T.fvector("v")
    p, q = T.ftensor3("p"), T.ftensor3("q")
    s = sg.shared(np.zeros((5, 7), "float32"))
    with config.override(blas=blas):
        f = sg.function([a, v], [T.dot(a, v), T.dot(v, a.T)])
        batched = sg.function([p, q], T.batched_dot(p, q))
        step = sg.function([a, b], updates=[(s, 2 * s - 3 * T.dot(a, b))])
    for n in INNER:
        x, y, w = integers(5, n), integers(n, 7), integers(n)
        for found in f(x, w):
            np.testing.assert_array_equal(found, x @ w)
        many, more = integers(3, 4, n), integers(3, n, 2)
        np.testing.assert_array_equal(batched(many, more), many @ more)
        s.set_value(np.ones((5, 7), "float32"))
        step(x, y)
        np.testing.assert_array_equal(s.get_value(), 2 - 3 * (x @ y))


def test_known_inner_extents_are_cut_where_they_are_long() -> None:
    for n in (2048, 2049):
        a = T.matrix("a", dtype="float32", shape=(5, n))
        b = T.matrix("b", dtype="float32", shape=(n, 7))
        x, y = integers(5, n), integers(n, 7)
        f = sg.function([a, b], T.dot(a, b))
        np.testing.assert_array_equal(f(x, y), x @ y)
