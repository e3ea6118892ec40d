"""`repeat` and `epoch`: equal to calls one by one."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, IndexRangeError, InputError, ShapeError


def counter() -> Any:
    x = T.dvector("x")
    w = sg.shared(np.zeros(3), name="w")
    f = sg.function([x], {"sum": (w * x).sum(), "w": w}, updates=[(w, w + x)])
    return f, w


def regression(mode: str = "FAST_RUN") -> Any:
    x, y, rate = T.dmatrix("x"), T.dvector("y"), T.dscalar("rate")
    w = sg.shared(np.zeros(4), name="w")
    error = T.dot(x, w) - y
    loss = (error**2).mean()
    f = sg.function(
        [x, y, rate],
        [loss, error],
        updates=[(w, w - rate * sg.grad(loss, w))],
        mode=mode,
    )
    return f, w


def single(mode: str = "FAST_RUN") -> Any:
    x, y, rate = T.dmatrix("x"), T.dvector("y"), T.dscalar("rate")
    w = sg.shared(np.zeros(4), name="w")
    loss = ((T.dot(x, w) - y) ** 2).mean()
    f = sg.function(
        [x, y, rate], loss, updates=[(w, w - rate * sg.grad(loss, w))], mode=mode
    )
    return f, w


random = np.random.default_rng(4)
X, Y = random.normal(size=(23, 4)), random.normal(size=23)


@pytest.mark.parametrize("times", [0, 1, 2, 50])
def test_repeat_is_that_many_calls(times: int) -> None:
    f, w = counter()
    x = np.array([1.0, 2.0, 3.0])
    got = f.repeat(times, x)
    assert got["sum"].shape == (times,)
    assert got["w"].shape[0] == times
    after = w.get_value()
    w.set_value(np.zeros(3))
    one_by_one = [f(x) for _ in range(times)]
    np.testing.assert_allclose(got["sum"], [float(r["sum"]) for r in one_by_one])
    for k in range(times):
        np.testing.assert_allclose(got["w"][k], one_by_one[k]["w"])
    np.testing.assert_array_equal(w.get_value(), after)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DEBUG"])
@pytest.mark.parametrize("batch", [1, 5, 23, 40])
def test_an_epoch_is_one_call_for_each_batch(mode: str, batch: int) -> None:
    f, w = single(mode)
    losses = f.epoch(X, Y, 0.05, batch_size=batch)
    after = w.get_value()
    g, v = single("FAST_COMPILE")
    wanted = [
        float(g(X[k : k + batch], Y[k : k + batch], 0.05)) for k in range(0, 23, batch)
    ]
    np.testing.assert_allclose(losses, wanted, rtol=1e-10)
    np.testing.assert_allclose(after, v.get_value(), rtol=1e-10)


def test_a_tail_may_be_dropped() -> None:
    f, _ = single()
    assert f.epoch(X, Y, 0.05, batch_size=5).shape == (5,)
    assert f.epoch(X, Y, 0.05, batch_size=5, drop_last=True).shape == (4,)
    assert f.epoch(X, Y, 0.05, batch_size=30, drop_last=True).shape == (0,)


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_a_shuffled_epoch_sees_every_row_once(mode: str) -> None:
    x, i = T.dmatrix("x"), T.lvector("i")
    seen = sg.shared(np.zeros(23, "int64"))
    one = T.inc_subtensor(T.zeros_like(seen)[i], 1)
    f = sg.function([x, i], x.sum(), updates=[(seen, seen + one)], mode=mode)
    rows = np.arange(23)
    totals = f.epoch(X, rows, batch_size=5, shuffle=3)
    assert (seen.get_value() == 1).all()
    again = f.epoch(X, rows, batch_size=5, shuffle=3)
    np.testing.assert_allclose(totals, again)
    other = f.epoch(X, rows, batch_size=5, shuffle=4)
    assert not np.allclose(totals, other)
    assert totals.sum() == pytest.approx(X.sum())
    order = np.random.default_rng(3).permutation(23)
    np.testing.assert_allclose(totals[0], X[order[:5]].sum())
    f.epoch(X, rows, batch_size=5, shuffle=True)
    assert (seen.get_value() == 4).all()


def test_an_epoch_with_scalars_and_shuffle_agrees_with_calls() -> None:
    f, w = single()
    losses = f.epoch(X, Y, 0.05, batch_size=4, shuffle=9)
    after = w.get_value()
    g, v = single("FAST_COMPILE")
    order = np.random.default_rng(9).permutation(23)
    wanted = [
        float(g(X[order[k : k + 4]], Y[order[k : k + 4]], 0.05))
        for k in range(0, 23, 4)
    ]
    np.testing.assert_allclose(losses, wanted, rtol=1e-10)
    np.testing.assert_allclose(after, v.get_value(), rtol=1e-10)


@pytest.mark.parametrize("shuffle", [False, 5])
def test_bytes_are_read_as_the_input_says(shuffle: Any) -> None:
    x = T.TensorType("uint8", (None, 3))("x")
    y = T.lvector("y")
    f = sg.function([x, y], (T.cast(x, "float32").sum(axis=1) * y).sum())
    data = random.integers(0, 256, (11, 3)).astype("uint8")
    labels = random.integers(0, 9, 11)
    order = (
        np.arange(11) if shuffle is False else np.random.default_rng(5).permutation(11)
    )
    got = f.epoch(data, labels, batch_size=4, shuffle=shuffle)
    rows = data.astype("float64").sum(1) * labels
    np.testing.assert_allclose(got, [rows[order[k : k + 4]].sum() for k in (0, 4, 8)])


def test_memory_of_a_shuffled_epoch_is_that_of_a_batch() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], (T.dot(T.exp(x), np.ones((4, 4000))) ** 2).sum())
    f.epoch(np.zeros((500, 4)), batch_size=5, shuffle=1)
    assert f._executor.arena.size < 1_000_000


@pytest.mark.parametrize("shuffle", ["yes", -1, 1.5])
def test_a_seed_is_an_int(shuffle: Any) -> None:
    f, _ = single()
    with pytest.raises(ArgumentError, match="seed"):
        f.epoch(X, Y, 0.05, batch_size=5, shuffle=shuffle)


def test_outputs_of_steps_with_another_tail_cannot_be_stacked_and_say_so() -> None:
    f, _ = regression()
    losses, errors = f.epoch(X[:20], Y[:20], 0.05, batch_size=5)
    assert losses.shape == (4,)
    assert errors.shape == (4, 5)
    with pytest.raises(ShapeError, match="drop_last"):
        f.epoch(X, Y, 0.05, batch_size=5)


def test_no_steps_give_empty_results() -> None:
    f, w = single()
    got = f.epoch(X[:0], Y[:0], 0.05, batch_size=5)
    assert got.shape == (0,)
    assert not w.get_value().any()


def test_inputs_of_an_epoch_may_have_any_layout() -> None:
    x = T.fmatrix("x")
    f = sg.function([x], x.sum())
    data = np.arange(40, dtype="float32").reshape(10, 4)
    wanted = [data[k : k + 3].sum() for k in range(0, 10, 3)]
    for value in (data, np.asfortranarray(data), data.astype(">f4"), data.tolist()):
        np.testing.assert_allclose(f.epoch(value, batch_size=3), wanted)
        assert sum(f.epoch(value, batch_size=3, shuffle=1)) == data.sum()


def test_random_streams_advance_in_repeat_as_in_calls() -> None:
    def made() -> Any:
        return sg.function([], T.RandomStreams(7).uniform((3,)))

    np.testing.assert_array_equal(made().repeat(5), np.stack([made_call for made_call in (
        lambda f: [f() for _ in range(5)])(made())]))  # fmt: skip


def test_broadcasting_and_value_extents_work_in_loops_too() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    w = sg.shared(0.0)
    f = sg.function([x, n], (x[:n] * 2).sum() + w, updates=[(w, w + 1)])
    assert f.repeat(3, np.ones(4), 2).tolist() == [4.0, 5.0, 6.0]
    a, b = T.dmatrices("a", "b")
    g = sg.function([a, b], (a + b).sum())
    np.testing.assert_allclose(
        g.epoch(np.ones((5, 3)), np.ones((5, 1)), batch_size=2), [12.0, 12.0, 6.0]
    )


def test_a_failing_step_stops_the_loop_with_earlier_steps_kept() -> None:
    i, w = T.lvector("i"), sg.shared(np.zeros(3))
    f = sg.function([i], w[i].sum(), updates=[(w, w + 1)])
    with pytest.raises(IndexRangeError):
        f.epoch([0, 1, 2, 7, 0], batch_size=1)
    assert w.get_value().tolist() == [3.0] * 3


def test_wrong_arguments_are_named() -> None:
    f, _ = single()
    for make, error in [
        (lambda: f.repeat(-1, X, Y, 0.1), ArgumentError),
        (lambda: f.repeat(2.5, X, Y, 0.1), ArgumentError),
        (lambda: f.repeat(True, X, Y, 0.1), ArgumentError),
        (lambda: f.epoch(X, Y, 0.1, batch_size=0), ArgumentError),
        (lambda: f.epoch(X, Y, 0.1, batch_size=2.0), ArgumentError),
        (lambda: f.epoch(X, Y[:3], 0.1, batch_size=2), ShapeError),
        (lambda: f.epoch(X, Y[:, None], 0.1, batch_size=2), InputError),
    ]:
        with pytest.raises(error):
            make()
