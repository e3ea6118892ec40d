"""Threads: a call, a repeat, an epoch and a value read or set are each one event."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.shared import Container, Holding

SECONDS = 60.0


def together(*works: Callable[[], object]) -> None:
    """Run all at once, each in a thread; what one of them raises is raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(w,), daemon=True) for w in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive(), "deadlock"
    if errors:
        raise errors[0]


def times(count: int, work: Callable[[], object]) -> Callable[[], None]:
    def loop() -> None:
        for _ in range(count):
            work()

    return loop


def adding(*variables: Any) -> Any:
    return sg.function([], None, updates=[(v, v + 1) for v in variables])


def test_calls_during_a_repeat_are_not_lost() -> None:
    w = sg.shared(np.zeros(50))
    f = adding(w)
    f()
    together(times(20, lambda: f.repeat(2000)), times(500, f))
    np.testing.assert_array_equal(w.get_value(), np.full(50, 40_501.0))


def test_repeats_of_functions_that_share_a_value_are_all_counted() -> None:
    w = sg.shared(np.zeros(20))
    functions = [adding(w) for _ in range(3)]
    together(*(times(5, lambda f=f: f.repeat(4000)) for f in functions))
    np.testing.assert_array_equal(w.get_value(), np.full(20, 60_000.0))


@pytest.mark.parametrize("read", ["call", "repeat", "dict"])
def test_a_reader_never_sees_torn_pairs(read: str) -> None:
    a, b = sg.shared(np.zeros(3000)), sg.shared(np.zeros(3000))
    f = adding(a, b)
    outputs: Any = [a, b]
    g = sg.function([], {"a": a, "b": b} if read == "dict" else outputs)

    def reader() -> None:
        for _ in range(60):
            found = g.repeat(2) if read == "repeat" else g()
            one, two = found.values() if read == "dict" else found
            np.testing.assert_array_equal(one, two)
            assert np.ptp(one, axis=-1).max() == 0

    together(times(60, lambda: f.repeat(50)), reader, times(200, f))
    np.testing.assert_array_equal(a.get_value(), b.get_value())


def test_a_value_is_never_seen_half_set() -> None:
    w = sg.shared(np.zeros(100_000))
    f = adding(w)

    def reader() -> None:
        for _ in range(60):
            assert np.ptp(w.get_value()) == 0

    def writer() -> None:
        for k in range(60):
            w.set_value(np.full(100_000, float(k)))

    together(reader, writer, times(20, lambda: f.repeat(20)), times(100, f))


def test_shapes_that_change_meanwhile() -> None:
    w = sg.shared(np.ones(4))
    g = sg.function([], [w.sum(), w.shape[0]])

    def writer() -> None:
        for k in range(150):
            w.set_value(np.ones(1 + (k * 7919) % 3000))

    def reader() -> None:
        for _ in range(150):
            total, size = g()
            assert float(total) == int(size)

    together(writer, reader, reader, times(100, lambda: g.repeat(3)))


def test_one_function_with_many_shapes_in_many_threads() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], T.dot(T.tanh(T.dot(x, x.T)), x).sum())

    def work(rows: int) -> Callable[[], None]:
        a = np.random.default_rng(rows).normal(size=(rows, 6))
        want = (np.tanh(a @ a.T) @ a).sum()

        def loop() -> None:
            for _ in range(60):
                np.testing.assert_allclose(f(a), want, rtol=1e-9)

        return loop

    together(*(work(rows) for rows in (2, 30, 71, 150)))


def test_eight_threads_and_twenty_functions_end() -> None:
    variables = [sg.shared(np.zeros(5), name=f"v{k}") for k in range(6)]
    random = np.random.default_rng(0)
    counts = np.zeros(6, int)
    functions = []
    for _ in range(20):
        chosen = random.permutation(6)[:3]
        functions.append((adding(*(variables[k] for k in chosen)), chosen))
    plans = []
    for _ in range(8):
        plan = []
        for _ in range(40):
            f, chosen = functions[random.integers(20)]
            n = int(random.integers(1, 30))
            counts[chosen] += n
            plan.append((f, n))
        plans.append(plan)

    def work(plan: Any) -> None:
        for f, n in plan:
            if n % 2:
                f.repeat(n)
            else:
                times(n, f)()

    together(*(lambda plan=plan: work(plan) for plan in plans))
    for variable, count in zip(variables, counts, strict=True):
        np.testing.assert_array_equal(variable.get_value(), np.full(5, float(count)))


def test_functions_that_call_python_are_events_too() -> None:
    w = sg.shared(np.zeros(6))
    f = sg.function([], T.sort(w), updates=[(w, T.sort(w) + 1)])
    together(times(50, f), times(50, f), times(20, lambda: f.repeat(3)))
    np.testing.assert_array_equal(w.get_value(), np.full(6, 160.0))


def test_who_holds_a_value_may_take_it_again() -> None:
    w = sg.shared(0.0)
    f = adding(w)
    f()
    with w.container:
        f()
        w.set_value(w.get_value() + 1)
        f.repeat(2)
        assert w.container.held.value == 1
    assert w.container.held.value == 0
    assert w.get_value() == 5


def test_containers_are_taken_in_the_order_of_their_making() -> None:
    one, two = Container(np.zeros(1)), Container(np.zeros(1))
    assert Holding([two, one, two]).containers == [one, two]


def test_what_fails_lets_go() -> None:
    w = sg.shared(np.arange(3.0))
    i = T.lscalar("i")
    f = sg.function([i], w[i], updates=[(w, w + 1)])
    for call in (lambda: f(7), lambda: f.repeat(3, 7), lambda: f("a")):
        with pytest.raises(sg.errors.SymgraphError):
            call()
    assert w.container.held.value == 0
    together(lambda: f(1))
