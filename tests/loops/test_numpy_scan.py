"""`scan`'s front end, which both backends share, against a loop in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from loops.numpy_scan import numpy_scan

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ShapeError

MODES = ("FAST_COMPILE", "FAST_RUN")
RNG = np.random.default_rng(3)


def given(*sizes: int) -> list[np.ndarray]:
    return [RNG.normal(size=size) for size in sizes]


def agree(
    step: Callable[..., Any],
    sequences: list[tuple[np.ndarray, list[int]]] = [],  # noqa: B006
    infos: list[Any] = [],  # noqa: B006
    n_steps: int | None = None,
    go_backwards: bool = False,
    ends: Callable[..., Any] | None = None,
) -> None:
    """Compare in both modes, with the number of steps known and as an input."""

    def in_numpy(*rows: Any) -> tuple[list[Any], bool]:
        outputs = step(*rows)
        return outputs, bool(ends is not None and ends(*outputs))

    def in_symbols(*rows: Any) -> Any:
        outputs = step(*rows)
        return outputs if ends is None else (outputs, sg.until(ends(*outputs)))

    wanted = numpy_scan(in_numpy, sequences, infos, n_steps, go_backwards)
    leaves = [T.tensor("float64", (None,) * x.ndim) for x, _ in sequences]
    # with the tap -1 alone, what is given is the row before the first step, bare
    rows = [
        None if info is None else info[0][0] if info[1] == [-1] else info[0]
        for info in infos
    ]
    starts = [
        None if row is None else T.tensor("float64", (None,) * np.ndim(row))
        for row in rows
    ]
    values = [x for x, _ in sequences] + [row for row in rows if row is not None]
    n = T.lscalar("n")
    for steps in [n_steps] if n_steps is None else [n_steps, n]:
        outs, _ = sg.scan(
            in_symbols,
            [dict(input=v, taps=taps) for v, (_, taps) in zip(leaves, sequences)],
            [
                None if v is None else dict(initial=v, taps=info[1])
                for v, info in zip(starts, infos)
            ],
            n_steps=steps,
            go_backwards=go_backwards,
            return_list=True,
        )
        inputs = [*leaves, *(v for v in starts if v is not None)]
        more = [(n, n_steps)] if steps is n else []
        for mode in MODES:
            f = sg.function([*inputs, *(v for v, _ in more)], outs, mode=mode)
            found = f(*values, *(k for _, k in more))
            for have, want in zip(found, wanted, strict=True):
                assert len(have) == len(want)
                np.testing.assert_allclose(have, want.reshape(have.shape), 1e-12)


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
@pytest.mark.parametrize("taps", [[-2], [-1, -2], [-2, -1], [-3, -1], [-1, -4, -2]])
def test_taps_of_outputs(taps: list[int], steps: int) -> None:
    weights = [0.5, -0.3, 0.2]
    (start,) = given(-min(taps))
    agree(
        lambda *rows: [sum(w * r for w, r in zip(weights, rows))],
        [], [(start, taps)], steps,
    )  # fmt: skip


@pytest.mark.parametrize("spare", [1, 3])
def test_initial_rows_beyond_the_furthest_tap_are_left_out(spare: int) -> None:
    (start,) = given(2 + spare)
    agree(lambda a, b: [a * 0.5 - b], [], [(start, [-2, -1])], 4)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "taps", [[0], [1], [-1], [-1, 0], [0, 2], [2, -1, 0], [-2], [3]]
)
def test_taps_of_sequences(taps: list[int], backwards: bool) -> None:
    (x,) = given(6)
    weights = [1.0, 10.0, 100.0]
    agree(
        lambda *rows: [sum(w * r for w, r in zip(weights, rows))],
        [(x, taps)], [None], go_backwards=backwards,
    )  # fmt: skip


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (4, 4), (1, 6), (0, 2)])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_shortest_of_several_sequences(
    sizes: tuple[int, int], backwards: bool
) -> None:
    x, y = given(*sizes)
    agree(
        lambda a, b: [a - 2 * b], [(x, [0]), (y, [0])], [None], go_backwards=backwards
    )


@pytest.mark.parametrize("n_steps", [None, 2])
def test_going_backwards_over_several_sequences_with_taps_and_a_state(
    n_steps: int | None,
) -> None:
    x, y, start = given(6, 5, 2)
    agree(
        lambda a, b, c, s, r: [a - b * c + 0.5 * s - r, a * r],
        [(x, [-1, 0]), (y, [1])], [(start, [-1, -2]), None], n_steps, True,
    )  # fmt: skip


@pytest.mark.parametrize("top", [-9.0, 1.0, 1e9])
def test_until_with_outputs_that_are_not_fed_back(top: float) -> None:
    x, start = given(6, 1)
    agree(
        lambda a, s: [abs(s) + abs(a), a * 2, s - a],
        [(x, [0])], [(start, [-1]), None, None],
        ends=lambda s, *_: s > top,
    )  # fmt: skip


def test_until_with_taps_and_no_state_among_the_outputs() -> None:
    (x,) = given(7)
    agree(lambda a, b: [a + b], [(x, [-1, 1])], [None], ends=lambda out: out > 0.2)


def test_rows_of_matrices_and_several_states() -> None:
    x, one, two = RNG.normal(size=(5, 3)), RNG.normal(size=(2, 3)), given(1)[0]
    agree(
        lambda row, p, q, total: [p * 0.5 + q - row, total + (row * p).sum(), p * row],
        [(x, [0])], [(one, [-2, -1]), (two, [-1]), None],
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [True, False])
def test_a_sequence_that_is_too_short_is_refused(first: bool, mode: str) -> None:
    x, y, n = T.dvector("x"), T.dvector("y"), T.lscalar("n")
    out, _ = sg.scan(lambda a, b: a * b, [x, y], n_steps=n)
    f = sg.function([x, y, n], out, mode=mode)
    pair = (np.ones(2), np.ones(5)) if first else (np.ones(5), np.ones(2))
    assert f(*pair, 2).tolist() == [1, 1]
    with pytest.raises(ShapeError, match=r"3 steps, (.* 2 rows|more than a sequence)"):
        f(*pair, 3)


@pytest.mark.parametrize("mode", MODES)
def test_a_sequence_too_short_for_its_taps_is_refused(mode: str) -> None:
    x = T.dvector("x")
    out, _ = sg.scan(lambda a, b: a + b, dict(input=x, taps=[-1, 1]))
    f = sg.function([x], out, mode=mode)
    assert f(np.ones(3)).tolist() == [2.0]
    assert f(np.ones(2)).shape == (0,)
    with pytest.raises(ShapeError):
        f(np.ones(1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("truncate", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_truncated_gradients_to_initial_states(
    steps: int, truncate: int, mode: str
) -> None:
    """Only the last steps are gone back over; a row is reached if one of them reads it."""
    h, n, taps = T.dvector("h"), T.lscalar("n"), [-2, -1]
    rows, _ = sg.scan(
        lambda a, b: 2.0 * a + 3.0 * b,
        outputs_info=dict(initial=h, taps=taps), n_steps=n, truncate_gradient=truncate,
    )  # fmt: skip
    f = sg.function([h, n], sg.grad(rows[-1], h), mode=mode)
    pending = np.zeros(steps + 2)
    pending[steps + 1] = 1.0
    for t in reversed(range(max(steps - truncate, 0), steps)):
        pending[t] += 2.0 * pending[t + 2]
        pending[t + 1] += 3.0 * pending[t + 2]
    np.testing.assert_array_equal(f([1.0, 1.0], steps), pending[:2])
