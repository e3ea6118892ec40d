"""The last rows of a loop, from the few that are kept: only rows that steps made."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import IndexRangeError
from symgraph.rewrite.loop_ends import LAST

START = np.array([1.0, 10.0, 100.0])
READS: dict[str, Callable[[Any], Any]] = {
    "last": lambda h: h[-1:],
    "two": lambda h: h[-2:],
    "three": lambda h: h[-3:],
    "sum": lambda h: h[-2:].sum(),
    "mean": lambda h: h[-3:].sum() / 3.0,
    "reversed": lambda h: h[-2:][::-1],
    "twice": lambda h: h[-1:].sum() * h[-3:],
    "part": lambda h: h[-3:][:2],
}


def step(*rows: Any) -> Any:
    return sum((k + 2) * row for k, row in enumerate(rows))


def history(taps: Sequence[int], steps: int) -> np.ndarray:
    """The new rows of the loop below, by NumPy."""
    depth = -min(taps)
    rows = list(START[:depth])
    for t in range(steps):
        rows.append(step(*(rows[depth + t + tap] for tap in taps)))
    return np.array(rows[depth:])


def loop(taps: Sequence[int], n: Any, end: Any = None) -> tuple[Any, Any]:
    h = T.dvector("h")

    def body(*rows: Any) -> Any:
        new = step(*rows)
        return new if end is None else (new, sg.until(new > end))

    given = dict(initial=h[: -min(taps)], taps=list(taps))
    return h, sg.scan(body, outputs_info=given, n_steps=n)[0]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("taps", [(-2,), (-2, -1), (-3, -1)])
def test_fewer_steps_than_rows_kept_leave_no_initial_rows(
    taps: tuple[int, ...], read: str
) -> None:
    n = T.lscalar("n")
    h, rows = loop(taps, n)
    f = sg.function([h, n], READS[read](rows))
    for steps in range(5):
        wanted = READS[read](history(taps, steps))
        np.testing.assert_array_equal(f(START, steps), wanted)


def test_rows_are_kept_in_a_ring_all_the_same() -> None:
    n = T.lscalar("n")
    h, rows = loop((-3, -1), n)
    f = sg.function([h, n], [rows[-2:], rows[-1]])
    assert LAST in {firing.rule for firing in f.rewritten.firings}
    loops = [node for node in f.rewritten.graph.applies() if node.op.name == "scan"]
    assert [node.op.keep for node in loops] == [(2,)]  # type: ignore[attr-defined]


def test_a_number_of_steps_that_is_known_is_taken_as_it_is() -> None:
    for steps in (1, 2, 3):
        h, rows = loop((-2, -1), steps)
        f = sg.function([h], [rows[-1:], rows[-1]])
        wanted = history((-2, -1), steps)
        np.testing.assert_array_equal(f(START)[0], wanted[-1:])
        assert f(START)[1] == wanted[-1]


def test_rows_that_were_not_made_are_refused_though_initial_ones_are_kept() -> None:
    x = T.dvector("x")
    h, rows = loop((-2, -1), (x > 0).sum())
    f = sg.function([h, x], [rows[-2], rows[-1]])
    np.testing.assert_array_equal(f(START, [1.0, 1.0]), history((-2, -1), 2))
    for some in ([1.0], [-1.0]):
        with pytest.raises(IndexRangeError, match="index -2 lies outside axis 0"):
            f(START, some)


@pytest.mark.parametrize("end", [0.0, 40.0, 1e9])
def test_a_loop_that_ends_early_gives_the_rows_it_made(end: float) -> None:
    n, top = T.lscalar("n"), T.dscalar("top")
    h, rows = loop((-2, -1), n, top)
    f = sg.function([h, n, top], [rows[-2:], rows[-1:], rows[-2:].sum()])
    for steps in range(5):
        made = history((-2, -1), steps)
        over = np.flatnonzero(made > end)
        made = made[: over[0] + 1] if len(over) else made
        found = f(START, steps, end)
        for have, want in zip(found, (made[-2:], made[-1:], made[-2:].sum())):
            np.testing.assert_array_equal(have, want)


def test_the_row_before_the_last_of_one_step_is_refused() -> None:
    top = T.dscalar("top")
    h, rows = loop((-2, -1), 20, top)
    f = sg.function([h, top], rows[-2])
    assert f(START, 40.0) == history((-2, -1), 2)[-2]
    with pytest.raises(IndexRangeError, match="extent 1"):
        f(START, 0.0)


@pytest.mark.parametrize("read", ["two", "sum", "reversed"])
def test_gradients_of_the_last_rows_of_few_steps(read: str) -> None:
    n = T.lscalar("n")
    h, rows = loop((-2, -1), n)
    cost = (READS[read](rows) ** 2).sum()
    given = [h, n], [cost, sg.grad(cost, h)]
    f, g = sg.function(*given), sg.function(*given, mode="FAST_COMPILE")
    for steps in range(4):
        for have, want in zip(f(START, steps), g(START, steps), strict=True):
            np.testing.assert_allclose(have, want, 1e-12)


def test_a_state_of_matrices_and_sums_over_all_steps() -> None:
    x, w, n = T.dmatrix("x"), T.dmatrix("w"), T.lscalar("n")
    rows, _ = sg.scan(lambda total, w: total + T.dot(w, w), None, x, w, n_steps=n)
    f = sg.function([x, w, n], [rows[-1:], rows[-1:].sum()])
    one = np.ones((2, 2))
    for steps in range(3):
        wanted = np.array([one + (k + 1) * one @ one for k in range(steps)])
        wanted = wanted.reshape(-1, 2, 2)[-1:]
        np.testing.assert_array_equal(f(one, one, steps)[0], wanted)
        assert f(one, one, steps)[1] == wanted.sum()


def test_the_last_row_is_kept_by_whichever_number_it_is_read() -> None:
    for read in (lambda h: h[-1], lambda h: h[3], lambda h: h[3:], lambda h: h[2:4]):
        h, rows = loop((-2, -1), 4)
        f = sg.function([h], read(rows))
        np.testing.assert_array_equal(f(START), read(history((-2, -1), 4)))
        assert LAST in {firing.rule for firing in f.rewritten.firings}


ADDED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "subtracted": lambda s, a, w: s - (a * w).sum(),
    "added and subtracted": lambda s, a, w: s + a[0] - a[1] - a.sum() * 3.0,
    "difference first": lambda s, a, w: (a[1] - a[0]) + s,
    "difference subtracted": lambda s, a, w: s - (a[0] - a[1]),
    "old subtracted twice": lambda s, a, w: a[0] - (a[1] - s),
    "the same in all steps": lambda s, a, w: s - w.sum() + a[0],
    "old from new": lambda s, a, w: a[0] - s,
    "a product": lambda s, a, w: (
        s - (T.dot(a, w) if isinstance(a, T.Variable) else a @ w)
    ),
}


@pytest.mark.parametrize("name", ADDED)
def test_a_state_that_only_adds_up_has_the_signs_of_its_terms(name: str) -> None:
    x, w, start = T.dmatrix("x"), T.dvector("w"), T.dscalar("start")
    add = ADDED[name]
    rows, _ = sg.scan(lambda a, s: add(s, a, w), x, start)
    outputs = [rows[-1], sg.grad(rows[-1], x)]
    f = sg.function([x, w, start], outputs, on_unused_input="ignore")
    a, b = np.arange(12.0).reshape(4, 3) ** 1.5, np.array([1.0, -2.0, 0.5])
    found, slope = f(a, b, 7.0)
    wanted = 7.0
    for row in a:
        wanted = add(wanted, row, b)
    np.testing.assert_allclose(found, wanted, 1e-12)
    moved = a.copy()
    moved[1, 1] += 1  # linear
    np.testing.assert_allclose(slope[1, 1], f(moved, b, 7.0)[0] - found, 1e-9, 1e-9)
    fired = {firing.rule for firing in f.rewritten.firings}
    assert ("sums_to_after_loop" in fired) == (name != "old from new")
