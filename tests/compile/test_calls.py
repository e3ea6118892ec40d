"""Calls of compiled functions: arrays, new sizes, broadcasting, failures, threads."""

import threading
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu import unit
from symgraph.errors import IndexRangeError, InputError, ShapeError


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts of the modules that are compiled from here on; the cache is off."""
    seen: list[str] = []
    compile_module = unit.compile_module

    def counted(text: str, *args: Any, **kwargs: Any) -> bytes:
        if "@step(" in text:  # not the thread pool
            seen.append(text)
        return compile_module(text, *args, **kwargs)

    monkeypatch.setattr(unit, "compile_module", counted)
    with sg.config.override(cache=False):
        yield seen


def mlp() -> Any:
    x, y = T.dmatrix("x"), T.lvector("y")
    random = np.random.default_rng(0)
    w = sg.shared(random.normal(size=(4, 3)), name="w")
    b = sg.shared(np.zeros(3), name="b")
    p = T.nnet.softmax(T.dot(x, w) + b)
    loss = T.nnet.categorical_crossentropy(p, y).mean()
    gw, gb = sg.grad(loss, [w, b])
    f = sg.function([x, y], loss, updates=[(w, w - 0.1 * gw), (b, b - 0.1 * gb)])
    return f, w, b


# --- sizes ----------------------------------------------------------------------------


def test_a_new_batch_size_needs_no_compilation(compilations: list[str]) -> None:
    f, w, b = mlp()
    start = [w.get_value(), b.get_value()]
    random = np.random.default_rng(1)
    for rows in (8, 1, 17, 2, 100):
        x, y = random.normal(size=(rows, 4)), random.integers(0, 3, rows)
        w.set_value(start[0])
        b.set_value(start[1])
        z = x @ start[0] + start[1]
        wanted = (np.log(np.exp(z).sum(1)) - z[np.arange(rows), y]).mean()
        assert float(f(x, y)) == pytest.approx(wanted, rel=1e-12)
    assert len(compilations) == 1


def test_a_length_of_one_broadcasts_at_run_time(compilations: list[str]) -> None:
    x, y = T.dmatrices("x", "y")
    f = sg.function([x, y], [x + y, (x * y).sum(axis=0)])
    random = np.random.default_rng(0)
    for a, b in [((3, 4), (3, 4)), ((3, 4), (1, 4)), ((3, 1), (3, 4)), ((1, 1), (3, 4)),
                 ((3, 4), (3, 4)), ((1, 4), (3, 1)), ((1, 1), (1, 1)), ((5, 1), (5, 7)),
                 ((0, 4), (1, 4)), ((0, 1), (0, 4))]:  # fmt: skip
        u, v = random.normal(size=a), random.normal(size=b)
        total, product = f(u, v)
        np.testing.assert_array_equal(total, u + v)
        np.testing.assert_allclose(product, (u * v).sum(axis=0), atol=1e-12)
    made = len(compilations)
    assert made <= 8
    f(random.normal(size=(9, 1)), random.normal(size=(9, 2)))
    assert len(compilations) == made


def test_gradients_of_run_time_broadcasting_have_the_shape_of_their_operands() -> None:
    x, y = T.dmatrices("x", "y")
    gx, gy = sg.grad((x * y).sum(), [x, y])
    f = sg.function([x, y], [gx, gy])
    random = np.random.default_rng(0)
    for a, b in [((3, 4), (3, 4)), ((3, 4), (1, 4)), ((1, 1), (3, 4))]:
        u, v = random.normal(size=a), random.normal(size=b)
        du, dv = f(u, v)
        assert du.shape == a
        assert dv.shape == b
        np.testing.assert_allclose(du.sum(), (np.ones_like(u * v) * v).sum())


def test_a_computed_length_of_one_broadcasts() -> None:
    x, y = T.dvectors("x", "y")
    f = sg.function([x, y], x[::2] + y[1:])
    for n, m in [(6, 4), (2, 4), (6, 2), (1, 9)]:
        u, v = np.arange(float(n)), np.arange(float(m))
        np.testing.assert_array_equal(f(u, v), u[::2] + v[1:])


def test_lengths_that_do_not_fit_name_operands_and_line() -> None:
    x, y = T.dmatrices("x", "y")
    f = sg.function([x, y], x + y)
    with pytest.raises(ShapeError, match=r"3 and 5 differ.*test_calls.py:\d+"):
        f(np.ones((2, 3)), np.ones((2, 5)))
    g = sg.function([x, y], T.dot(x, y))
    with pytest.raises(ShapeError, match="inner extents: 3 and 2 differ"):
        g(np.ones((2, 3)), np.ones((2, 3)))
    assert f(np.ones((2, 3)), np.ones((2, 3))).sum() == 12.0


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_empty_arrays_go_through(mode: str) -> None:
    x, w = T.dmatrix("x"), sg.shared(np.ones((4, 3)))
    f = sg.function(
        [x],
        [T.dot(x, w), x.sum(axis=0), x.sum(), T.nnet.softmax(x), T.concatenate([x, x]),
         x.T, x[::2], T.exp(x) + 1, x.prod(axis=1), T.all(x > 0, axis=0)],
        mode=mode,
    )  # fmt: skip
    got = f(np.zeros((0, 4)))
    shapes = [(0, 3), (4,), (), (0, 4), (0, 4), (4, 0), (0, 4), (0, 4), (0,), (4,)]
    assert [a.shape for a in got] == shapes
    assert got[1].tolist() == [0.0] * 4
    assert float(got[2]) == 0.0
    assert got[9].all()
    v = T.dmatrix("v")
    g = sg.function([v], T.dot(v, v.T), mode=mode)
    np.testing.assert_array_equal(g(np.ones((3, 0))), np.zeros((3, 3)))


def test_the_maximum_of_nothing_is_refused() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], x.max(axis=0))
    with pytest.raises(ShapeError, match="empty"):
        f(np.ones((0, 3)))
    assert f(np.ones((2, 0))).shape == (0,)


# --- kinds of arrays --------------------------------------------------------------------


def test_any_layout_of_memory_is_accepted() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], [x * 2, x.sum(axis=0), T.dot(x, x.T)])
    base = np.arange(48.0).reshape(6, 8)
    readonly = base.copy()
    readonly.flags.writeable = False
    shifted = (
        np.frombuffer(bytearray(8 * 48 + 1), np.uint8)[1:].view("f8").reshape(6, 8)
    )
    shifted[...] = base
    kinds = [
        base, base.T, base[::2, ::-1], np.asfortranarray(base), readonly,
        base.astype(">f8"), base[:, :1], base[:1], shifted, base.tolist(),
        base.astype("float32"), base.astype("int16"), np.broadcast_to(base[0], (3, 8)),
        base > 3, memoryview(base),
    ]  # fmt: skip
    for value in kinds * 2:
        a = np.asarray(value).astype("f8")
        for got, want in zip(f(value), [a * 2, a.sum(axis=0), a @ a.T], strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)


def test_scalars_of_all_kinds_are_accepted() -> None:
    x = T.dscalar("x")
    f = sg.function([x], x * 2)
    for value in (
        1.5,
        3,
        True,
        np.float64(1.5),
        np.float32(0.5),
        np.array(2.0),
        np.int8(4),
    ):
        for _ in range(2):
            got = f(value)
            assert got.shape == ()
            assert float(got) == 2 * float(value)


def test_inputs_are_never_written() -> None:
    x, w = T.dmatrix("x"), sg.shared(np.ones((3, 3)))
    f = sg.function([x], T.set_subtensor(x[0], 7.0), updates=[(w, x + 1)])
    given = np.zeros((3, 3))
    f(given)
    f(given)
    assert not given.any()


def test_subclasses_and_masked_values_are_plain_arrays_inside() -> None:
    x = T.dvector("x")
    f = sg.function([x], x + 1)

    class Mine(np.ndarray):
        pass

    got = f(np.zeros(3).view(Mine))
    assert type(got) is np.ndarray
    f(np.zeros(3))
    assert f(np.zeros(3).view(Mine)).tolist() == [1.0] * 3


# --- failures -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "DEBUG"])
def test_a_call_that_fails_leaves_shared_variables_as_they_were(mode: str) -> None:
    i = T.lvector("i")
    w = sg.shared(np.arange(4.0), name="w")
    v = sg.shared(np.zeros(()), name="v")
    f = sg.function(
        [i], w[i].sum(), updates=[(w, w + 1), (v, v + w[i].sum())], mode=mode
    )
    f([0, -1])
    before = w.get_value(), v.get_value()
    for bad in ([4], [0, -5], [10**12]):
        with pytest.raises((IndexRangeError, IndexError)):
            f(bad)
        assert np.array_equal(w.get_value(), before[0])
        assert np.array_equal(v.get_value(), before[1])
    f([3])
    assert not np.array_equal(w.get_value(), before[0])


def test_the_failing_index_is_named_with_its_line() -> None:
    x, i = T.dvector("table"), T.lvector("rows")
    f = sg.function([x, i], T.take(x, i))
    with pytest.raises(IndexRangeError, match=r"(?s)test_calls.py:\d+.*table.*rows"):
        f(np.ones(3), [0, 3])


def test_a_scalar_index_out_of_range_is_refused_before_anything_runs() -> None:
    x, i = T.dvector("x"), T.lscalar("i")
    w = sg.shared(0.0)
    f = sg.function([x, i], x[i], updates=[(w, w + 1)])
    assert float(f(np.arange(3.0), -1)) == 2.0
    with pytest.raises(IndexRangeError, match=r"index 3 .* extent 3"):
        f(np.arange(3.0), 3)
    assert float(w.get_value()) == 1.0


# --- values that decide extents -----------------------------------------------------------


def test_values_of_integers_decide_extents_at_every_call() -> None:
    x, n, k = T.dvector("x"), T.lscalar("n"), T.lscalar("k")
    f = sg.function([x, n, k], [x[n:], x[:n:k], T.arange(n), T.alloc(x[0], n, k)])
    data = np.arange(10.0)
    for a, b in [(3, 2), (0, 1), (9, 4), (3, 2), (20, 3), (3, 5)]:
        got = f(data, a, b)
        wanted = [data[a:], data[:a:b], np.arange(a), np.full((a, b), 0.0)]
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_negative_steps_from_values() -> None:
    x, k = T.dvector("x"), T.lscalar("k")
    f = sg.function([x, k], [x[::k], x[::k].sum()])
    data = np.arange(7.0)
    for step in (1, -1, 2, -2, -3, 10, -10):
        got = f(data, step)
        np.testing.assert_array_equal(got[0], data[::step])
        assert float(got[1]) == data[::step].sum()


def test_a_shared_integer_decides_an_extent() -> None:
    n = sg.shared(np.int64(3))
    f = sg.function([], T.arange(n), updates=[(n, n + 1)])
    assert f().tolist() == [0, 1, 2]
    assert f().tolist() == [0, 1, 2, 3]


# --- threads --------------------------------------------------------------------------


def test_four_threads_may_call_one_function() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], [T.tanh(T.dot(x, x.T)).sum(axis=0), T.nnet.softmax(x)])
    failures: list[str] = []

    def work(number: int) -> None:
        random = np.random.default_rng(number)
        for step in range(150):
            a = random.normal(size=(3 + (number + step) % 5, 4 + step % 3))
            one, two = f(a)
            if not np.allclose(one, np.tanh(a @ a.T).sum(axis=0)):
                failures.append(f"{number} {step}")
            e = np.exp(a - a.max(axis=1, keepdims=True))
            if not np.allclose(two, e / e.sum(axis=1, keepdims=True)):
                failures.append(f"{number} {step} softmax")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_updates_from_four_threads_are_all_counted() -> None:
    w = sg.shared(np.zeros(2000))
    f = sg.function([], updates=[(w, w + 1)])

    def work() -> None:
        for _ in range(200):
            f()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (w.get_value() == 800).all()


def test_one_variable_is_given_new_storage_between_calls() -> None:
    w = sg.shared(np.zeros(3))
    f, g = sg.function([], w + 1), sg.function([], updates=[(w, w + 1)])
    for k in range(4):
        w.set_value(np.full(3, float(k)), borrow=True)
        g()
        assert f().tolist() == [k + 2.0] * 3
        w.set_value(np.full(5, float(k)))
        g()
        assert f().tolist() == [k + 2.0] * 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_half_floats_go_into_wider_ones(dtype: str) -> None:
    x = T.TensorType(dtype, (None,))("x")
    f = sg.function([x], x * 2)
    got = f(np.array([0.5, 1.5], np.float16))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, [1.0, 3.0])


@pytest.mark.parametrize("given", ["longdouble", "clongdouble", "complex64"])
def test_what_would_lose_data_is_refused_by_name(given: str) -> None:
    x = T.dvector("x")
    f = sg.function([x], x * 2)
    with pytest.raises(InputError, match=f"dtype {np.dtype(given).name} would lose"):
        f(np.array([0.5, 1.5], given))
