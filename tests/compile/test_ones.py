"""Computed extents that turn out to be 1 broadcast as in NumPy, in every mode."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ShapeError

X = np.arange(6.0).reshape(2, 3)
V = np.array([1.0, 2.0, 3.0])
MASKS = ([1, 1, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1])


def mask(*bits: int) -> np.ndarray:
    return np.array(bits, bool)


#: expressions of x (2, 3), v (3,) and a mask m (3,), for symgraph and for NumPy alike
CASES: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "mask": lambda n, x, v, m: v[m] * x,
    "mask of columns": lambda n, x, v, m: x[:, m] + x,
    "two masks": lambda n, x, v, m: v[m] - v[m & (v > 0)] * v,
    "sum over it": lambda n, x, v, m: (x * v[m]).sum(axis=1),
    "product": lambda n, x, v, m: n.dot(x * v[m], x.T),
    "switch": lambda n, x, v, m: n.where(x > 2, v[m], 0.0),
    "broadcast_to": lambda n, x, v, m: n.broadcast_to(v[m], (2, 3)),
    "unique": lambda n, x, v, m: n.unique(v[m]) * x,
    "nonzero": lambda n, x, v, m: n.flatnonzero(m) + x,
}


@pytest.mark.parametrize("name", CASES)
def test_a_computed_extent_of_one_broadcasts(name: str) -> None:
    x, v, m = T.dmatrix("x"), T.dvector("v"), T.vector("m", "bool")
    out = CASES[name](T, x, v, m)
    f = sg.function([x, v, m], out, on_unused_input="ignore")
    for bits in MASKS:
        wanted = CASES[name](np, X, V, mask(*bits))
        found = f(X, V, mask(*bits))
        assert found.shape == wanted.shape
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(ShapeError):
        f(X, V, mask(1, 0, 1))


def test_gradients_sum_over_it_and_updates_are_made_once() -> None:
    x, v, m = T.dmatrix("x"), T.dvector("v"), T.vector("m", "bool")
    calls = sg.shared(0.0)
    loss = T.sqr(v[m] * x).sum()
    f = sg.function([x, v, m], sg.grad(loss, [x, v]), updates=[(calls, calls + 1)])
    for bits in MASKS:
        chosen = mask(*bits)
        gx, gv = f(X, V, chosen)
        np.testing.assert_allclose(gx, 2 * X * V[chosen] ** 2)
        slope = 2 * V[chosen] * X**2
        wanted = np.zeros(3)
        wanted[chosen] = slope.sum(0) if chosen.sum() > 1 else slope.sum()
        np.testing.assert_allclose(gv, wanted)
    assert float(calls.get_value()) == len(MASKS)


def test_steps_in_a_row_and_updates_that_read_it() -> None:
    w, m = sg.shared(np.ones(3)), T.matrix("m", "bool")
    step = sg.function([m], updates=[(w, w * T.constant(V)[m[0]])])
    step.epoch(np.array(MASKS, bool), batch_size=1)
    np.testing.assert_array_equal(w.get_value(), V * 2 * 1 * V)
    step.repeat(3, mask(0, 1, 0)[None])
    np.testing.assert_array_equal(w.get_value(), V * 2 * V * 8)


@pytest.mark.parametrize("mode", ["DEBUG", "FAST_COMPILE"])
def test_other_modes_do_the_same(mode: str) -> None:
    x, v, m = T.dmatrix("x"), T.dvector("v"), T.vector("m", "bool")
    f = sg.function([x, v, m], v[m] * x, mode=mode)
    for bits in MASKS[:2]:
        np.testing.assert_array_equal(f(X, V, mask(*bits)), V[mask(*bits)] * X)


def test_a_diagonal_of_one_row_and_a_written_part() -> None:
    x, v, m = T.dmatrix("x"), T.dvector("v"), T.vector("m", "bool")
    f = sg.function([x, v], T.diagonal(x) * v)
    for _ in range(2):
        np.testing.assert_array_equal(f(np.full((1, 3), 2.0), V), 2 * V)
    np.testing.assert_array_equal(f(np.full((3, 4), 2.0), V), 2 * V)
    with pytest.raises(ShapeError, match="3 and 2"):
        f(np.ones((3, 3)), V[:2])
    g = sg.function([v, m], T.set_subtensor(T.zeros(3)[:2], v[m]))
    assert g(V, mask(0, 1, 0)).tolist() == [2, 2, 0]
    assert g(V, mask(0, 1, 1)).tolist() == [2, 3, 0]


def test_what_a_loop_and_a_branch_read() -> None:
    x, v, m = T.dmatrix("x"), T.dvector("v"), T.vector("m", "bool")
    rows, _ = sg.scan(lambda row: (row * v[m]).sum(), sequences=x)
    f = sg.function([x, v, m], rows)
    for bits in MASKS:
        np.testing.assert_allclose(f(X, V, mask(*bits)), (X * V[mask(*bits)]).sum(1))
    g = sg.function([x, v], sg.ifelse(T.gt(x.sum(), 0), T.diagonal(x) * v, v))
    np.testing.assert_array_equal(g(np.ones((1, 3)), V), V)


@pytest.mark.parametrize(
    "make",
    [
        lambda n, u: T.zeros((n,)) + u,
        lambda n, u: T.ones((n,)) * u,
        lambda n, u: T.switch(T.zeros((n,)) > 1, 1.0, u),
        lambda n, u: T.arange(n) * 0 + u,
    ],
)
def test_an_operand_that_gives_only_its_extent_is_kept(make: Any) -> None:
    v, u = T.dvectors("v", "u")
    f = sg.function([v, u], make(T.cast(v.sum(), "int64"), u))
    assert f([3.0], [5.0]).tolist() == [5.0, 5.0, 5.0]
    assert f([1.0], [5.0, 6.0]).tolist() == [5.0, 6.0]
    assert f([1.0, 1.0], [5.0, 6.0]).tolist() == [5.0, 6.0]
    assert f([0.0], [5.0]).tolist() == []
    with pytest.raises(ShapeError, match=r"2 and 3|3 and 2"):
        f([2.0], [5.0, 6.0, 7.0])


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_other_extents_are_one_in_later_calls_of_the_same_shapes(mode: str) -> None:
    x, y = T.dvectors("x", "y")
    one, other = T.vector("one", "bool"), T.vector("other", "bool")
    out = (x[one] * y[other], T.sum(y[other] - x[one]))
    f = sg.function([x, y, one, other], out, mode=mode)
    whole = mask(1, 1, 1)
    for turn in (mask(0, 1, 0), mask(0, 0, 1), mask(1, 1, 0)):
        for first, second in (
            (turn, whole),
            (whole, turn),
            (turn, turn),
            (turn, whole),
        ):
            if turn.sum() > 1:
                second = first
            found, total = f(V, V + 1, first, second)
            wanted = V[first] * (V + 1)[second]
            np.testing.assert_array_equal(found, wanted)
            assert total == np.sum((V + 1)[second] - V[first])


def test_three_masks_that_select_one_in_turn() -> None:
    v = T.dvector("v")
    masks = [T.vector(name, "bool") for name in ("one", "two", "three")]
    f = sg.function([v, *masks], v[masks[0]] + v[masks[1]] * v[masks[2]])
    single, whole = mask(0, 1, 0), mask(1, 1, 1)
    for number in (1, 2, 4, 3, 6, 5, 7, 1, 0):
        given = [single if number >> k & 1 else whole for k in range(3)]
        wanted = V[given[0]] + V[given[1]] * V[given[2]]
        np.testing.assert_array_equal(f(V, *given), wanted)
