"""Ctrl-C in native loops: heard soon, between two steps, and it says how many."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu import watch

MOST_SECONDS = 5.0  # of a busy machine; what is measured alone is 0.05


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(work: Callable[[], object], after: float = 0.1) -> str:
    """The text of the KeyboardInterrupt that ends `work`, which lasts for long."""
    sent: list[float] = []
    over = threading.Event()

    def send() -> None:
        while not over.wait(after if not sent else 2.0):
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()

    def until_over() -> None:
        try:
            work()
        finally:
            over.set()

    with pytest.raises(KeyboardInterrupt) as caught:
        until_over()
    assert time.monotonic() - sent[-1] < MOST_SECONDS
    thread.join()
    return str(caught.value)


def counter() -> Any:
    w = sg.shared(0.0, name="w")
    v = sg.shared(np.zeros(3), name="v")
    return sg.function([], None, updates=[(w, w + 1), (v, v + 1)]), w, v


def steps_in(text: str) -> int:
    return int(re.search(r": ([\d,]+) of ", text)[1].replace(",", ""))


def test_a_repeat_ends_between_two_steps() -> None:
    f, w, v = counter()
    f.repeat(6000)  # compiled for this size by then
    w.set_value(0.0)
    v.set_value(np.zeros(3))
    text = interrupted(lambda: f.repeat(10**10))
    assert text.startswith("repeat: ")
    assert "of 10,000,000,000 steps were done" in text
    assert w.get_value() == steps_in(text) > 0
    np.testing.assert_array_equal(v.get_value(), np.full(3, w.get_value()))
    f()  # and goes on
    assert w.get_value() == steps_in(text) + 1


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_ends_between_two_steps(shuffle: bool) -> None:
    x = T.dmatrix("x")
    w, n = sg.shared(np.zeros((64, 64)), name="w"), sg.shared(0, name="n")
    loss = T.tanh(T.dot(x, w)).sum()
    f = sg.function([x], None, updates=[(w, w - sg.grad(loss, w)), (n, n + 1)])
    rows = np.ones((200_000, 64))

    def work() -> None:
        while True:
            n.set_value(0)
            f.epoch(rows, batch_size=8, shuffle=shuffle)

    text = interrupted(work, 0.3)
    if text:  # not between two epochs
        assert text.startswith("epoch: ")
        assert n.get_value() == steps_in(text)


def scanning(state: Any = None) -> Any:
    x, n = T.dscalar("x"), T.lscalar("n")
    out, _ = sg.scan(lambda s: T.sin(s) + 1, outputs_info=x, n_steps=n)
    updates = [] if state is None else [(state, state + out[-1])]
    return sg.function([x, n], out[-1], updates=updates)


def test_a_long_scan_is_left_and_its_updates_are_not_made() -> None:
    w = sg.shared(7.0, name="w")
    f = scanning(w)
    first = f(1.0, 100)
    w.set_value(7.0)
    for _ in range(2):
        interrupted(lambda: f(1.0, 10**9))
        assert w.get_value() == 7.0
    np.testing.assert_allclose(f(1.0, 100), first)


def test_a_scan_that_lasts_is_computed_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    f, w = scanning(), sg.shared(0.0)
    g = scanning(w)
    got = f(1.0, 3_000_000)  # longer than the watch waits
    s = 1.0
    for _ in range(1000):
        s = np.sin(s) + 1
    np.testing.assert_allclose(got, s)
    assert any(b.long for b in f._executor.bindings.values())
    np.testing.assert_allclose([g(1.0, 3_000_000), g(1.0, 5)], [s, f(1.0, 5)])
    np.testing.assert_allclose(w.get_value(), s + f(1.0, 5))


def test_a_step_that_is_a_long_scan_is_left_in_a_repeat_too() -> None:
    w = sg.shared(0.0, name="w")
    f = scanning(w)
    text = interrupted(lambda: f.repeat(5, 1.0, 10**9))
    assert text.startswith("repeat: 0 of 5 steps")
    assert w.get_value() == 0.0


def test_a_scan_that_calls_python_is_left(tmp_path: Any) -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    out, _ = sg.scan(lambda s: T.sort(s)[::-1], outputs_info=x, n_steps=n)
    w = sg.shared(np.zeros(3))
    f = sg.function([x, n], None, updates=[(w, out[-1])])
    interrupted(lambda: f(np.arange(3.0), 10**8))
    np.testing.assert_array_equal(w.get_value(), np.zeros(3))


@pytest.mark.parametrize("compiled", ["FAST_RUN", "FAST_COMPILE"])
def test_progress_is_told_and_may_stop_the_steps(compiled: str) -> None:
    w = sg.shared(0, name="w")
    f = sg.function([], w, updates=[(w, w + 1)], mode=compiled)
    told: list[tuple[int, int]] = []

    def progress(done: int, steps: int) -> None:
        told.append((done, steps))
        if len(told) == 3:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough") as caught:
        f.repeat(10**9 if compiled == "FAST_COMPILE" else 10**8, progress=progress)
    assert [t[0] for t in told] == sorted({t[0] for t in told})
    assert w.get_value() == told[-1][0]
    assert f"repeat: {told[-1][0]:,} of" in caught.value.__notes__[0]


def test_progress_may_call_the_function_that_runs() -> None:
    x = T.dmatrix("x")
    w = sg.shared(np.zeros(()), name="w")
    big = T.dot(x, x.T)
    f = sg.function([x], (big * w).sum(), updates=[(w, w + 1)])
    a = np.ones((30, 30))
    seen = []

    def progress(done: int, steps: int) -> None:
        if len(seen) < 3:
            seen.append(float(f(a)) - 27000.0 * (done + len(seen) // 2))
            seen.append(float(np.size(f.repeat(2, np.ones((60, 60))))))
            w.set_value(w.get_value() - 2)

    f.repeat(30_000, a, progress=progress)
    assert w.get_value() == 30_000 + len(seen) // 2
    assert not any(seen[0::2])


def test_progress_must_be_a_function() -> None:
    f, _, _ = counter()
    with pytest.raises(
        sg.errors.ArgumentError, match="progress=7, expected a function"
    ):
        f.repeat(3, progress=7)


def test_a_step_that_fails_says_how_many_came_before() -> None:
    w = sg.shared(0, name="w")
    x = sg.shared(np.arange(5.0))
    f = sg.function([], x[w], updates=[(w, w + 1)], mode="FAST_COMPILE")
    with pytest.raises(sg.errors.IndexRangeError) as caught:
        f.repeat(9)
    assert "repeat: 5 of 9 steps were done" in "".join(caught.value.__notes__)
    assert w.get_value() == 5


def test_a_handler_of_the_user_is_called_and_the_steps_go_on() -> None:
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    f, w, _ = counter()
    f.repeat(6000)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    while not heard:
        w.set_value(0.0)
        f.repeat(3_000_000)
        assert w.get_value() == 3_000_000
    timer.join()


def test_the_python_door_tells_progress_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_ENTRY", "ctypes")
    f, w, _ = counter()
    told: list[int] = []

    def progress(done: int, steps: int) -> None:
        told.append(done)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        f.repeat(10**9, progress=progress)
    assert w.get_value() == told[-1]


def test_the_watch_asks_seldom() -> None:
    assert watch.PERIOD <= 100_000_000
    assert watch.made(5)[watch.CHECK] == 5


def test_ctrl_c_in_a_process_of_its_own() -> None:
    code = (
        "import symgraph as sg\n"
        "w = sg.shared(0.0)\n"
        "f = sg.function([], None, updates=[(w, w + 1)])\n"
        "print('on', flush=True)\n"
        "f.repeat(10**11)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt: repeat: " in errors
