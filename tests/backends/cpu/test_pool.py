"""The native pool: each unit is run once, by whoever, and nobody waits for ever."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from symgraph.backends.cpu import loader, pool, threads
from symgraph.backends.cpu.unit import compile_module

# add_one(context, begin, end, scratch): counts[i] += 1, and who did it in counts[n + i]
# nested(context, ...): context = (sg_parallel, add_one, counts, n): a job inside a job
FUNCTIONS = """
define void @add_one(ptr %counts, i64 %begin, i64 %end, ptr %scratch) nounwind {
entry:
  store i64 %begin, ptr %scratch
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %at = getelementptr i64, ptr %counts, i64 %i
  %old = load i64, ptr %at
  %new = add i64 %old, 1
  store i64 %new, ptr %at
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  %mine = load i64, ptr %scratch
  %lost = icmp ne i64 %mine, %begin
  br i1 %lost, label %spoil, label %fine
spoil:
  store i64 -1000000, ptr %counts
  br label %fine
fine:
  ret void
}

define void @nested(ptr %context, i64 %begin, i64 %end, ptr %scratch) nounwind {
entry:
  %parallel = load ptr, ptr %context
  %f.at = getelementptr ptr, ptr %context, i64 1
  %f = load ptr, ptr %f.at
  %counts.at = getelementptr ptr, ptr %context, i64 2
  %counts = load ptr, ptr %counts.at
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %first = mul i64 %i, 10
  %part = getelementptr i64, ptr %counts, i64 %first
  call void %parallel(ptr %f, ptr %part, i64 10, i64 1)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


@pytest.fixture(scope="module")
def functions() -> Any:
    return loader.load(compile_module(FUNCTIONS))


@pytest.fixture
def resize() -> Iterator[Callable[[int], None]]:
    yield threads.the_pool().resize
    threads.the_pool().resize(threads.count())


def job(function: int, context: int, units: int, block: int) -> None:
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(threads.the_pool().parallel)(
        function, context, units, block
    )


@pytest.mark.parametrize("size", [1, 2, 3, 8, 70])
def test_each_unit_is_run_once(functions: Any, resize: Any, size: int) -> None:
    resize(size)
    counts = np.zeros(5000, np.int64)
    rounds = 0
    for units in (1, 2, 7, 100, 999, 5000):
        for block in (1, 3, 64, 4999, 2**62):
            for _ in range(2):
                job(functions.address("add_one"), counts.ctypes.data, units, block)
                rounds += 1
    wanted = np.zeros(5000, np.int64)
    for units in (1, 2, 7, 100, 999, 5000):
        wanted[:units] += 10
    np.testing.assert_array_equal(counts, wanted)
    assert rounds == 60


def test_no_units_are_no_call(functions: Any) -> None:
    job(functions.address("add_one"), 0, 0, 1)
    job(functions.address("add_one"), 0, -5, 1)


def test_many_tiny_jobs_end(functions: Any, resize: Any) -> None:
    resize(3)
    counts = np.zeros(6, np.int64)
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(threads.the_pool().parallel)
    for _ in range(10_000):
        call(functions.address("add_one"), counts.ctypes.data, 6, 1)
    assert counts.tolist() == [10_000] * 6


def test_the_number_of_threads_may_change_between_jobs(
    functions: Any, resize: Any
) -> None:
    counts = np.zeros(64, np.int64)
    sizes = [1, 4, 2, 8, 3, 1, 5] * 40
    for size in sizes:
        resize(size)
        job(functions.address("add_one"), counts.ctypes.data, 64, 1)
    assert counts.tolist() == [len(sizes)] * 64


def test_a_job_inside_a_job_is_run_by_its_caller(functions: Any, resize: Any) -> None:
    resize(4)
    counts = np.zeros(1000, np.int64)
    context = np.array(
        [threads.the_pool().parallel, functions.address("add_one"), counts.ctypes.data],
        np.int64,
    )
    for _ in range(50):
        job(functions.address("nested"), context.ctypes.data, 100, 1)
    assert counts.tolist() == [50] * 1000


def test_callers_at_the_same_time_do_not_meet(functions: Any, resize: Any) -> None:
    resize(3)
    counts = np.zeros((4, 3000), np.int64)

    def call(row: int) -> None:
        for _ in range(300):
            job(functions.address("add_one"), counts[row].ctypes.data, 3000, 100)

    callers = [threading.Thread(target=call, args=(row,)) for row in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert np.all(counts == 300)


def test_workers_sleep_when_there_is_nothing_to_do(functions: Any, resize: Any) -> None:
    if not pool.has_threads():
        pytest.skip("no threads on this system")
    resize(3)
    counts = np.zeros(100, np.int64)
    job(functions.address("add_one"), counts.ctypes.data, 100, 1)
    state = threads.the_pool().state
    waiting = threading.Event()
    for _ in range(200):
        if state[pool.SLEEPERS] >= 2:
            break
        waiting.wait(0.005)
    assert state[pool.SLEEPERS] >= 2
    assert state[pool.ACTIVE] == 0
    job(functions.address("add_one"), counts.ctypes.data, 100, 1)
    assert counts.tolist() == [2] * 100


def test_systems_without_futex_run_all_in_the_caller(
    functions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool.sys, "platform", "darwin")
    text = pool.pool_text()
    monkeypatch.undo()
    assert "pthread_create" not in text
    library = loader.load(compile_module(text))
    counts = np.zeros(100, np.int64)
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(library.address("sg_parallel"))(
        functions.address("add_one"), counts.ctypes.data, 100, 7
    )
    assert counts.tolist() == [1] * 100
