"""Guarded values have guarded gradients: no NaN comes through the branch not taken."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.autodiff.guards import guard_of
from symgraph.backends.reference import evaluate
from symgraph.core.graph import freeze
from symgraph.core.traverse import applies
from symgraph.rewrite.pipeline import optimize

X = np.array([0.0, 2.0, -1.0, 0.5])


def values(out: Any, **given: Any) -> np.ndarray:
    """The value as built, which that of the rewritten graph equals."""
    graph = freeze([], [out])
    leaves = {v: np.asarray(given[v.name]) for v in graph.leaves() if v.name in given}
    (built,) = evaluate(graph.outputs, leaves)
    (found,) = evaluate(optimize(graph, assume_equal=True).graph.outputs, leaves)
    np.testing.assert_allclose(found, built, rtol=1e-9, atol=1e-12)
    return built


def where(x: np.ndarray, c: np.ndarray, value: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.where(c, value(x), 0)


def of_root(f: Any) -> Any:
    return lambda x: f(T.sqrt(x))


CASES: dict[str, tuple[Any, Any]] = {
    "log": (
        lambda x: T.switch(x > 0, T.log(x), 0.0),
        lambda x: where(x, x > 0, lambda x: 1 / x),
    ),
    "the other branch": (
        lambda x: T.switch(x <= 0, 0.0, T.log(x)),
        lambda x: where(x, x > 0, lambda x: 1 / x),
    ),
    "sqrt": (
        lambda x: T.switch(x > 0, T.sqrt(x), 0.0),
        lambda x: where(x, x > 0, lambda x: 0.5 / np.sqrt(x)),
    ),
    "a power": (
        lambda x: T.switch(x > 0, x**0.3, 0.0),
        lambda x: where(x, x > 0, lambda x: 0.3 * x**-0.7),
    ),
    "reciprocal": (
        lambda x: T.switch(T.eq(x, 0), 5.0, 1 / x),
        lambda x: where(x, x != 0, lambda x: -1 / x**2),
    ),
    "sinc": (
        lambda x: T.switch(T.eq(x, 0), 1.0, T.sin(x) / x),
        lambda x: where(x, x != 0, lambda x: (np.cos(x) - np.sin(x) / x) / x),
    ),
    "x log x": (
        lambda x: T.switch(x > 0, x * T.log(x), 0.0),
        lambda x: where(x, x > 0, lambda x: np.log(x) + 1),
    ),
    "arccos": (
        lambda x: T.switch(abs(x) < 1, T.arccos(x), 0.0),
        lambda x: where(x, abs(x) < 1, lambda x: -1 / np.sqrt(1 - x**2)),
    ),
    "exp that overflows": (
        lambda x: T.switch(x < 1, T.exp(1000 * x), 0.0),
        lambda x: where(x, x < 1, lambda x: 1000 * np.exp(1000 * x)),
    ),
    "a chain": (
        lambda x: T.switch(x > 0, T.log(T.sqrt(x)) * T.sqrt(x), 0.0),
        lambda x: where(x, x > 0, lambda x: (np.log(x) / 2 + 1) / (2 * np.sqrt(x))),
    ),
    "a guard in a guard": (
        lambda x: T.switch(x > 0, T.switch(x < 1, T.log(x * (1 - x)), x), 0.0),
        lambda x: np.where(
            x > 0, where(x, x < 1, lambda x: (1 - 2 * x) / (x * (1 - x))) + (x >= 1), 0
        ),
    ),
    "two guards, one condition": (
        of_root(lambda r: T.switch(r > 0, T.log(r), 0.0) + T.switch(r > 0, r**3, 0.0)),
        lambda x: where(x, x > 0, lambda x: 0.5 / x + 1.5 * np.sqrt(x)),
    ),
    "a norm": (
        lambda x: (lambda n: T.switch(n > 0, x / n, 0.0))(T.sqrt((x**2).sum() * 0)),
        lambda x: np.zeros(4),
    ),
    "a cast": (
        lambda x: T.switch(x > 0, T.log(T.cast(x, "float32")), np.float32(0)),
        lambda x: where(x, x > 0, lambda x: 1 / x),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_zero_where_the_guard_took_the_other_branch(name: str) -> None:
    f, derivative = CASES[name]
    for x in (T.dvector("x"), T.dvector("x", shape=(4,))):
        found = values(sg.grad(f(x).sum(), x), x=X)
        np.testing.assert_allclose(found, derivative(X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["log", "sqrt", "reciprocal", "x log x", "arccos"])
def test_second_derivatives_are_guarded_too(name: str) -> None:
    f, derivative = CASES[name]
    x = T.dvector("x")
    second = values(sg.grad(sg.grad(f(x).sum(), x).sum(), x), x=X)
    assert np.isfinite(second).all()
    inside, step = X[3], 1e-6
    slope = (derivative(inside + step) - derivative(inside - step)) / (2 * step)
    np.testing.assert_allclose(second[3], slope, rtol=1e-6)
    pushed = values(sg.Rop(f(x), x, T.ones_like(x)), x=X)
    np.testing.assert_allclose(pushed, derivative(X), rtol=1e-9, atol=1e-12)


def test_rows_of_zeros_are_normalised_with_a_gradient() -> None:
    m = T.dmatrix("m")
    rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    kept = T.sqrt((m**2).sum(axis=1, keepdims=True))
    turned = T.sqrt((m**2).sum(axis=1)).dimshuffle(0, "x")
    wanted = [[0.8**2 / 5 - 0.48 / 5, 0.6**2 / 5 - 0.48 / 5], [0, 0]]
    for norm in (kept, turned):
        found = values(sg.grad(T.switch(norm > 0, m / norm, 0.0).sum(), m), m=rows)
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    total = m.sum(axis=0)
    whole = T.switch(total > 0, m / T.sqrt(total), 0.0)
    found = values(sg.grad(whole.sum(), m), m=[[1.0, 0.0], [3.0, 0.0]])
    np.testing.assert_allclose(found, [[0.25, 0], [0.25, 0]], atol=1e-12)


def test_a_guard_of_another_shape_is_undone_with_the_broadcasting() -> None:
    m, v = T.dmatrix("m"), T.dvector("v")
    rows, row = np.array([[1.0, -1.0], [2.0, -2.0]]), np.array([4.0, 0.0])
    guarded = T.switch(v > 0, m * T.log(v), 0.0).sum()
    assert np.array_equal(values(sg.grad(guarded, v), m=rows, v=row), [0.75, 0])
    wanted = [[np.log(4.0), 0]] * 2
    np.testing.assert_allclose(values(sg.grad(guarded, m), m=rows, v=row), wanted)


def test_steps_of_loops_are_guarded() -> None:
    x = T.dvector("x")
    h, _ = sg.scan(
        lambda v, s: T.switch(v > 0, T.log(v), 0.0) + s,
        sequences=x, outputs_info=T.constant(0.0),
    )  # fmt: skip
    f = sg.function([x], sg.grad(h[-1], x))
    np.testing.assert_allclose(f(X), [0, 0.5, 0, 2])


def test_what_is_not_guarded_stays_infinite() -> None:
    x = T.dvector("x")
    for out in (
        T.sqrt(x),
        T.switch(x < 1, T.sqrt(x), 0.0),
        T.switch(x > 0, x, T.sqrt(x)),
    ):
        assert np.isinf(values(sg.grad(out.sum(), x), x=X[:1]))


def test_guards_join_only_where_their_conditions_are_the_same() -> None:
    x = T.dvector("x")
    root = T.sqrt(x)
    out = T.switch(x > 1, T.log(root), 0.0) + T.switch(x > 0.1, root * 2, 0.0)
    found = values(sg.grad(out.sum(), x), x=[0.25, 4.0])
    np.testing.assert_allclose(found, [2, 0.625])


def test_a_chain_of_guards_stays_as_long_as_the_chain() -> None:
    x = T.dvector("x")
    out = x
    for k in range(40):
        out = T.switch(out > 0, T.sqrt(out * 2), float(k))
    count = len(applies([sg.grad(out.sum(), x)]))
    assert count < 40 * 16


def test_a_gradient_of_zeros_is_no_guard() -> None:
    x = T.dvector("x")
    g = T.switch(x > 0, T.constant(0.0), 0.0)
    assert guard_of(g) is None
    assert guard_of(T.switch(x > 0, x, 0.0)).inside is x
