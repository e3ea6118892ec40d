"""Thin products: written as sums of products, fused, and right in every special."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.lower.extents import Extents
from symgraph.lower.program import plan
from symgraph.lower.small_products import small_products, within_unroll_budget
from symgraph.lower.steps import Contraction, Launch

RANDOM = np.random.RandomState(5)


def shared(*shape: int, dtype: str = "float64") -> Any:
    return sg.shared(RANDOM.randn(*shape).astype(dtype))


def matrix(name: str, *shape: int | None, dtype: str = "float64") -> Any:
    return T.TensorType(dtype, shape)(name)


def steps(f: Any) -> list[str]:
    return [type(step).__name__ for step in f.program.steps]


@pytest.mark.parametrize("inner", [1, 2, 3, 4])
@pytest.mark.parametrize("columns", [1, 2, 5, 50])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_short_inner_extent_makes_one_kernel(
    inner: int, columns: int, dtype: str
) -> None:
    x, w = matrix("x", None, inner, dtype=dtype), shared(inner, columns, dtype=dtype)
    b = shared(columns, dtype=dtype)
    f = sg.function([x], T.tanh(T.dot(x, w) + b))
    assert steps(f) == ["Launch"]
    for rows in (0, 1, 7, 40):
        value = RANDOM.randn(rows, inner).astype(dtype)
        want = np.tanh(value @ w.get_value() + b.get_value())
        close = 1e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(f(value), want, rtol=close, atol=close)


@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_long_inner_extent_with_few_columns(columns: int, transposed: bool) -> None:
    x = matrix("x", None, 37)
    w = shared(columns, 37) if transposed else shared(37, columns)
    f = sg.function([x], T.dot(x, w.T if transposed else w))
    assert "Contraction" not in steps(f)
    value = RANDOM.randn(21, 37)
    right = w.get_value().T if transposed else w.get_value()
    np.testing.assert_allclose(f(value), value @ right, rtol=1e-12)


@pytest.mark.parametrize("rows", [0, 1, 5, 100, 1000])
def test_a_product_over_rows_with_few_results(rows: int) -> None:
    x, g = matrix("x", None, 3), matrix("g", None, 2)
    f = sg.function([x, g], T.dot(x.T, g))
    assert steps(f) == ["Launch"]
    a, b = RANDOM.randn(rows, 3), RANDOM.randn(rows, 2)
    np.testing.assert_allclose(f(a, b), a.T @ b, rtol=1e-10, atol=1e-12)


def test_wide_products_stay_products() -> None:
    x = matrix("x", None, 64)
    assert "Contraction" in steps(sg.function([x], T.dot(x, shared(64, 10))))
    tall = matrix("t", 4096, 4096)
    assert "Contraction" in steps(sg.function([tall], T.dot(tall, shared(4096, 2))))


def test_the_optimized_graph_still_says_product() -> None:
    x = matrix("x", None, 2)
    f = sg.function([x], T.dot(x, shared(2, 3)))
    assert "@" in f.optimized


@pytest.mark.parametrize("special", ["vector", "matrix", "both"])
def test_vectors_are_operands_too(special: str) -> None:
    v, m = T.dvector("v"), matrix("m", None, 3)
    if special == "vector":
        f = sg.function([v], T.dot(v, v))
        a = RANDOM.randn(50)
        np.testing.assert_allclose(f(a), a @ a)
    elif special == "matrix":
        f = sg.function([m, v], T.dot(m, v))
        a, b = RANDOM.randn(9, 3), RANDOM.randn(3)
        np.testing.assert_allclose(f(a, b), a @ b)
    else:
        f = sg.function([m, v], T.dot(v, m))
        a, b = RANDOM.randn(9, 3), RANDOM.randn(9)
        np.testing.assert_allclose(f(a, b), b @ a)


def test_points_are_given_up_where_they_would_write_too_much() -> None:
    x = T.TensorType("float64", (4, 4, 4, 4))("x")
    y = matrix("y", None, 4)
    f = sg.function([x, y], [T.exp(x) + 1, T.dot(y, shared(4, 4))])
    graph = f.rewritten.graph
    with graph.interner:
        made, points = small_products(graph, Extents(graph, list(graph.leaves())))
        assert points == {4}
        assert (
            within_unroll_budget(made, Extents(made, list(made.leaves())), points)
            == frozenset()
        )
    a, b = RANDOM.randn(4, 4, 4, 4), RANDOM.randn(6, 4)
    np.testing.assert_allclose(f(a, b)[0], np.exp(a) + 1)


def network(sizes: list[int], loss: str) -> tuple[Any, list[Any], Callable[..., Any]]:
    x, y = T.dmatrix("x"), (T.dmatrix("y") if loss == "squares" else T.lvector("y"))
    h, params = x, []
    for i, (before, after) in enumerate(pairwise(sizes)):
        w, b = shared(before, after), shared(after)
        params += [w, b]
        h = T.dot(h, w) + b
        if i < len(sizes) - 2 or loss == "squares":
            h = T.tanh(h)
    if loss == "squares":
        cost = T.sqr(h - y).mean()
    else:
        cost = T.nnet.categorical_crossentropy(T.nnet.softmax(h), y).mean()
    cost = cost + 1e-3 * sum(T.sum(T.sqr(p)) for p in params[::2])
    updates = [
        (p, p - 0.1 * g) for p, g in zip(params, sg.grad(cost, params), strict=True)
    ]
    start = [p.get_value() for p in params]

    def fresh(mode: Any = None) -> Any:
        for p, value in zip(params, start, strict=True):
            p.set_value(value)
        return sg.function([x, y], cost, updates=updates, mode=mode)

    return fresh, params, cost


@pytest.mark.parametrize(
    ("sizes", "loss", "rows"),
    [([2, 1], "squares", 4), ([4, 3, 1], "squares", 3), ([4, 3, 1], "squares", 1),
     ([2, 3, 2], "classes", 20), ([2, 20, 2], "classes", 33), ([7, 2, 9, 3], "classes", 5)],
)  # fmt: skip
def test_small_networks_learn_as_the_reference_does(
    sizes: list[int], loss: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, params, _ = network(sizes, loss)
    x = RANDOM.randn(rows, sizes[0])
    y = RANDOM.rand(rows, sizes[-1])
    if loss == "classes":
        y = RANDOM.randint(0, sizes[-1], rows)
    slow = fresh("FAST_COMPILE")
    want = [float(slow(x, y)) for _ in range(6)]
    kept = [p.get_value() for p in params]
    for often in (5000, 0):  # 0: the special for these shapes only
        monkeypatch.setattr("symgraph.compile.batches.OFTEN", often)
        f = fresh()
        got = f.repeat(6, x, y)
        np.testing.assert_allclose(got, want, rtol=1e-9)
        for p, value in zip(params, kept, strict=True):
            np.testing.assert_allclose(p.get_value(), value, rtol=1e-8, atol=1e-12)


def test_a_tiny_step_for_one_signature_is_one_kernel() -> None:
    fresh, _, _ = network([4, 3, 1], "squares")
    f = fresh()
    x, y = RANDOM.randn(3, 4), RANDOM.rand(3, 1)
    special = f._present(((None, 4), (None, 1)))
    graph = sg.compile.build.optimized(special.graph).graph
    program = plan(graph, list(special.leaves), special.graph, (3, 3))
    assert [type(s) for s in program.steps] == [Launch]
    assert not any(isinstance(s, Contraction) for s in program.steps)
    f.repeat(2, x, y)


def test_a_special_executor_is_made_after_many_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("symgraph.compile.batches.OFTEN", 10)
    fresh, _, _ = network([2, 1], "squares")
    f = fresh()
    x, y = RANDOM.randn(4, 2), RANDOM.rand(4, 1)
    f.repeat(6, x, y)
    assert len(f._executors) == 1
    f.repeat(6, x, y)
    assert len(f._executors) == 2
    first = float(f(x, y))
    assert first == pytest.approx(f.repeat(1, x, y)[0], rel=0.2)


def test_a_single_row_broadcasts_in_native_loops_of_any_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("symgraph.compile.batches.OFTEN", 0)
    x, y = T.dmatrix("x"), T.dmatrix("y")
    f = sg.function([x, y], T.sqr(x - y).sum())
    a, b = RANDOM.randn(1, 3), RANDOM.randn(4, 3)
    want = ((a - b) ** 2).sum()
    np.testing.assert_allclose(f.repeat(3, a, b), [want] * 3)
    np.testing.assert_allclose(f.repeat(2, b, a), [want] * 2)
    np.testing.assert_allclose(f.repeat(2, b, 2 * b), [(b**2).sum()] * 2)
