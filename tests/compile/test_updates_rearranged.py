"""Updates that rearrange the old value: parts of it joined, slices written over it.

Each element of the new value is read before the old one is overwritten, in a call, in
native loops, and where outputs and other updates read the old value too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

START = np.array([3.0, -1.0, 4.0, 1.5, -5.0, 9.0])
Formula = Callable[[Any, Any], Any]


def put(s: np.ndarray, where: Any, value: Any) -> np.ndarray:
    made = s.copy()
    made[where] = value
    return made


#: name → the new value of s, with an input x, in symbols and in NumPy
ARRANGED: dict[str, tuple[Formula, Formula]] = {
    "shifted": (
        lambda s, x: T.concatenate([s[1:], x[:1]]),
        lambda s, x: np.concatenate([s[1:], x[:1]]),
    ),
    "shifted back": (
        lambda s, x: T.concatenate([x[:1], s[:-1]]),
        lambda s, x: np.concatenate([x[:1], s[:-1]]),
    ),
    "shifted by two": (
        lambda s, x: T.concatenate([s[2:], x[:2]]),
        lambda s, x: np.concatenate([s[2:], x[:2]]),
    ),
    "rolled": (lambda s, x: T.roll(s, 2), lambda s, x: np.roll(s, 2)),
    "halves swapped": (
        lambda s, x: T.concatenate([s[3:], s[:3] * 2]),
        lambda s, x: np.concatenate([s[3:], s[:3] * 2]),
    ),
    "reversed": (lambda s, x: s[::-1], lambda s, x: s[::-1]),
    "beside its reverse": (lambda s, x: s[::-1] + s, lambda s, x: s[::-1] + s),
    "written one further": (
        lambda s, x: T.set_subtensor(s[1:], s[:-1]),
        lambda s, x: put(s, slice(1, None), s[:-1]),
    ),
    "written one before": (
        lambda s, x: T.set_subtensor(s[:-1], s[1:] * 2),
        lambda s, x: put(s, slice(None, -1), s[1:] * 2),
    ),
    "half added in reverse": (
        lambda s, x: T.inc_subtensor(s[:4], s[2:][::-1]),
        lambda s, x: put(s, slice(4), s[:4] + s[2:][::-1]),
    ),
    "every second": (
        lambda s, x: T.set_subtensor(s[::2], s[1::2]),
        lambda s, x: put(s, slice(None, None, 2), s[1::2]),
    ),
    "stacked": (
        lambda s, x: T.stack([s[k] for k in (5, 4, 3, 2, 1, 0)]),
        lambda s, x: s[[5, 4, 3, 2, 1, 0]],
    ),
    "taken": (
        lambda s, x: s[T.constant([5, 4, 0, 0, 1, 2])],
        lambda s, x: s[[5, 4, 0, 0, 1, 2]],
    ),
    "chosen": (
        lambda s, x: T.switch(s > s[::-1], s, x),
        lambda s, x: np.where(s > s[::-1], s, x),
    ),
    "sums": (lambda s, x: T.cumsum(s) - x, lambda s, x: np.cumsum(s) - x),
    "repeated": (lambda s, x: T.repeat(s[:3], 2), lambda s, x: np.repeat(s[:3], 2)),
    "differences": (
        lambda s, x: T.concatenate([s[:1], s[1:] - s[:-1]]),
        lambda s, x: np.concatenate([s[:1], s[1:] - s[:-1]]),
    ),
    "smoothed": (
        lambda s, x: T.concatenate([s[:1], (s[:-2] + s[2:]) / 2, s[-1:]]),
        lambda s, x: np.concatenate([s[:1], (s[:-2] + s[2:]) / 2, s[-1:]]),
    ),
    "less its mean": (lambda s, x: s - s.mean(), lambda s, x: s - s.mean()),
}


@pytest.mark.parametrize("name", ARRANGED)
def test_the_new_value_is_made_of_the_old_one(name: str) -> None:
    symbols, numpy = ARRANGED[name]
    x, s, t = T.dvector("x"), sg.shared(START, "s"), sg.shared(START * 2, "t")
    f = sg.function(
        [x], [s + 1, s[1:] * 2, symbols(s, x)],
        updates=[(s, symbols(s, x)), (t, t + s[::-1])], on_unused_input="ignore",
    )  # fmt: skip
    old, other, row = START, START * 2, np.linspace(0.0, 1.0, 6)
    for _ in range(3):
        found = f(row)
        for have, want in zip(found, (old + 1, old[1:] * 2, numpy(old, row))):
            np.testing.assert_allclose(have, want, 1e-12)
        old, other = numpy(old, row), other + old[::-1]
        np.testing.assert_allclose(s.get_value(), old, 1e-12)
        np.testing.assert_allclose(t.get_value(), other, 1e-12)


@pytest.mark.parametrize("name", ARRANGED)
def test_native_loops_do_the_same_to_rows_of_matrices(name: str) -> None:
    symbols, numpy = ARRANGED[name]
    x, s = T.dvector("x"), sg.shared(np.stack([START, -START], 1), "s")
    row, old = np.linspace(0.0, 1.0, 6), np.stack([START, -START], 1)
    new = T.stack([symbols(s[:, 0], x), symbols(s[:, 1], x)], axis=1)
    f = sg.function([x], s.sum(axis=1), updates=[(s, new)], on_unused_input="ignore")
    sums = []
    for _ in range(4):
        sums.append(old.sum(axis=1))
        old = np.stack([numpy(old[:, 0], row), numpy(old[:, 1], row)], 1)
    np.testing.assert_allclose(f.repeat(4, row), sums, 1e-12)
    np.testing.assert_allclose(s.get_value(), old, 1e-12)


def test_values_that_are_exchanged() -> None:
    a, b, c = (sg.shared(np.full((2, 3), k), n) for n, k in zip("abc", (1.0, 2.0, 3.0)))
    f = sg.function([], [], updates=[(a, b), (b, c[::-1]), (c, a.T.T + 0)])
    f()
    assert [float(v.get_value()[0, 0]) for v in (a, b, c)] == [2.0, 3.0, 1.0]
    f.repeat(2)
    assert [float(v.get_value()[0, 0]) for v in (a, b, c)] == [1.0, 2.0, 3.0]


def test_a_matrix_becomes_its_transpose_and_blocks_of_itself() -> None:
    start = np.arange(16.0).reshape(4, 4)
    m, n = sg.shared(start, "m"), sg.shared(start, "n")
    blocks = T.concatenate(
        [
            T.concatenate([n[2:, 2:], n[2:, :2]], axis=1),
            T.concatenate([n[:2, 2:], n[:2, :2]], axis=1),
        ]
    )
    f = sg.function([], [m[1], n[:, 1]], updates=[(m, m.T), (n, blocks)])
    row, column = f()
    assert (row.tolist(), column.tolist()) == (start[1].tolist(), start[:, 1].tolist())
    np.testing.assert_array_equal(m.get_value(), start.T)
    np.testing.assert_array_equal(n.get_value(), np.roll(start, (2, 2), (0, 1)))
