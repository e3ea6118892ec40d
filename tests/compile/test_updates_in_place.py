"""Updates that share expressions with outputs and other updates; results of empty axes.

A value that is written over the old one is written once, whatever loops stand around it,
and each element of a result is written even where a loop has no steps.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.config import config
from symgraph.errors import ProgramError
from symgraph.lower import memory

Values = dict[str, np.ndarray]

START: Values = {
    "v": np.array([1.0, 2.0, 3.0]),
    "w": np.arange(12.0).reshape(4, 3),
    "u": np.array([0.5, -1.0, 2.0, 1.5]),
    "c": np.array(2.0),
}
#: outputs and updates of X (4, 3) and the shared values, in both languages
PROGRAMS: list[Callable[[Any, Any, Any, Any, Any, Any], tuple[list[Any], Any]]] = [
    lambda m, X, v, w, u, c: ([X + v * 2], {"v": v * 2}),
    lambda m, X, v, w, u, c: ([], {"v": v * 0.5, "w": w - v * 0.5}),
    lambda m, X, v, w, u, c: ([(X * (v + 1)).sum()], {"v": v + 1}),
    lambda m, X, v, w, u, c: ([X * u[:, None]], {"u": u - 1, "w": w * (u - 1)[:, None]}),
    lambda m, X, v, w, u, c: ([(X - v).sum(axis=0)], {"v": v * v, "w": w + v * v}),
    lambda m, X, v, w, u, c: ([X * c * 3], {"c": c * 3, "v": v + c * 3}),
    lambda m, X, v, w, u, c: ([m.maximum(X, v - 1)], {"v": v - 1, "w": w * (v - 1)}),
    lambda m, X, v, w, u, c: ([w + v, X - v], {"w": w + v, "v": -v}),
    lambda m, X, v, w, u, c: ([], {"v": u[:3] * 2, "u": u + 1, "w": w + u[:3] * 2}),
    lambda m, X, v, w, u, c: ([X + v[::-1]], {"v": v[::-1], "w": w + v[::-1]}),
    lambda m, X, v, w, u, c: ([X + v + w], {"v": (X + v).sum(axis=0), "w": X + v}),
    lambda m, X, v, w, u, c: ([m.abs(v) + X], {"v": m.abs(v), "u": u * (m.abs(v)).sum()}),
]  # fmt: skip


def compiled(program: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    X = T.dmatrix("X")
    held = {name: sg.shared(value, name=name) for name, value in START.items()}
    outputs, updates = program(T, X, *held.values())
    pairs = [(held[name], new) for name, new in updates.items()]
    return sg.function(
        [X], outputs, updates=pairs, on_unused_input="ignore", **options
    ), held


def wanted(program: Any, X: np.ndarray, calls: int) -> tuple[list[np.ndarray], Values]:
    now = dict(START)
    outputs: list[np.ndarray] = []
    for _ in range(calls):
        outputs, updates = program(np, X, *now.values())
        now.update(updates)
    return outputs, now


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_each_new_value_is_written_once(number: int, mode: str) -> None:
    program = PROGRAMS[number]
    X = np.random.default_rng(number).normal(size=(4, 3))
    function, held = compiled(program, mode=mode)
    for calls in (1, 2):
        got = function(X)
        outputs, now = wanted(program, X, calls)
        for have, want in zip(got, outputs, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-12)
        for name, want in now.items():
            np.testing.assert_allclose(held[name].get_value(), want, rtol=1e-12)


@pytest.mark.parametrize("number", [0, 1, 4, 5])
def test_native_loops_write_once_too(number: int) -> None:
    program = PROGRAMS[number]
    X = np.random.default_rng(number).normal(size=(4, 3))
    function, held = compiled(program)
    function.repeat(3, X)
    _, now = wanted(program, X, 3)
    for name, want in now.items():
        np.testing.assert_allclose(held[name].get_value(), want, rtol=1e-12)


def test_one_thread_writes_many_rows_once() -> None:
    config.threads = 1
    X, s = T.dmatrix(), sg.shared(np.ones(3))
    f = sg.function([X], X + s * 2, updates=[(s, s * 2)])
    np.testing.assert_array_equal(f(np.zeros((5000, 3))), 2.0)
    np.testing.assert_array_equal(s.get_value(), 2.0)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_result_is_written_whatever_the_rows_of_another(rows: int) -> None:
    X, v = T.dmatrix(), T.dvector()
    f = sg.function([X, v], [v * 2, X + v * 2, (X * (v * 2)).sum(axis=0)])
    x, given = np.ones((rows, 3)), np.arange(3.0)
    f(np.ones((2, 3)), given)  # memory that holds something
    for have, want in zip(
        f(x, given),
        [given * 2, x + given * 2, (x * given * 2).sum(axis=0)],
        strict=True,
    ):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_result_is_written_beside_rows_repeated_so_often(count: int) -> None:
    X, v, n = T.dmatrix(), T.dvector(), T.iscalar()
    rows = T.repeat(X, n, axis=0)
    f = sg.function([X, v, n], [v - 1, rows * (v - 1)])
    x, given = np.ones((2, 3)), np.arange(3.0)
    first, second = f(x, given, count)
    np.testing.assert_array_equal(first, given - 1)
    np.testing.assert_array_equal(second, np.repeat(x, count, axis=0) * (given - 1))


@pytest.mark.parametrize("least", [-2.0, 0.0, 2.0])
def test_a_result_is_written_beside_rows_that_a_mask_selects(least: float) -> None:
    X, v = T.dmatrix(), T.dvector()
    rows = X[X[:, 0] > least]
    f = sg.function([X, v], [v * 3, rows + v * 3, (rows * (v * 3)).sum(axis=0)])
    x, given = np.array([[1.0, 2, 3], [-1, 0, 1]]), np.arange(3.0)
    kept = x[x[:, 0] > least]
    want = [given * 3, kept + given * 3, (kept * given * 3).sum(axis=0)]
    for have, expected in zip(f(x, given), want, strict=True):
        np.testing.assert_array_equal(have, expected)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0), (1, 3), (2, 1)])
def test_updates_beside_empty_axes(shape: tuple[int, int]) -> None:
    X = T.dmatrix()
    v, u = sg.shared(np.ones(shape[1])), sg.shared(np.ones(shape[0]))
    new_v, new_u = v * 2 + 1, u * 3
    f = sg.function(
        [X], [X + new_v, X * new_u[:, None]], updates=[(v, new_v), (u, new_u)]
    )
    x = np.full(shape, 5.0)
    plus, times = f(x)
    np.testing.assert_array_equal(plus, x + 3)
    np.testing.assert_array_equal(times, x * 3)
    np.testing.assert_array_equal(v.get_value(), np.full(shape[1], 3.0))
    np.testing.assert_array_equal(u.get_value(), np.full(shape[0], 3.0))


def test_what_is_not_proven_in_place_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_same_places", lambda *_: True)
    a = sg.shared(np.arange(9.0).reshape(3, 3))
    b = T.dmatrix()
    config.cache = False
    updates = [(a, a.T + a * b)]
    with pytest.raises(ProgramError):
        sg.function([b], [], updates=updates)
    config.verify = "steps"
    f = sg.function([b], [], updates=updates)
    given, before = np.full((3, 3), 2.0), a.get_value()
    f(given)
    np.testing.assert_array_equal(a.get_value(), before.T + before * given)
