"""Threads of compiled functions: the same bits with any number, and no surprises."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from random_graphs import make

import symgraph as sg
import symgraph.backends.cpu.partition as lowering
import symgraph.lower.block_size as grains
import symgraph.tensor as T
from symgraph.backends.cpu import pool, threads
from symgraph.backends.cpu.device import needs
from symgraph.config import config, from_environment
from symgraph.errors import ConfigError, IndexRangeError

COUNTS = (1, 2, 3, 8)


@pytest.fixture
def everything_is_shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Divide whatever can be divided, however small."""
    monkeypatch.setattr(grains, "LEAST", 0)
    monkeypatch.setattr(grains, "BLOCK", 1)
    monkeypatch.setattr(lowering, "LEAST", 0)
    with config.override(cache=False):
        yield


def blocks(f: Any) -> list[int]:
    """Sizes of blocks in the binding used last."""
    executor = f._executor
    binding = list(executor.bindings.values())[-1]
    return [
        int(binding.slots[number])
        for number, what in enumerate(executor.program.slots)
        if isinstance(what, tuple) and what[0] == "block_size"
    ]


def same_with_any_number(f: Any, *arrays: np.ndarray) -> Any:
    results = []
    for number in COUNTS:
        with config.override(threads=number):
            results.append(f(*arrays))
    for result in results[1:]:
        for a, b in zip(results[0], result, strict=True):
            assert a.tobytes() == b.tobytes()
    return results[0]


def test_results_are_the_same_bits_with_any_number_of_threads() -> None:
    x, m = T.fvector("x"), T.fmatrix("m")
    s = T.nnet.softmax(m)
    outputs = [
        T.tanh(x) * 2 + T.exp(-x), s, m.mean(axis=1), (m * s).sum(axis=0),
        T.nnet.relu(m + x[: m.shape[1]]), m > 0,
    ]  # fmt: skip
    f = sg.function([x, m], outputs)
    random = np.random.default_rng(1)
    a = random.normal(size=100_003).astype("float32")
    b = random.normal(size=(513, 301)).astype("float32")
    got = same_with_any_number(f, a, b)
    assert sum(size < grains.SERIAL for size in blocks(f)) >= 3
    np.testing.assert_allclose(
        got[0], np.tanh(a) * 2 + np.exp(-a), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(got[2], b.mean(axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("everything_is_shared")
@pytest.mark.parametrize("seed", range(300, 312))
def test_random_graphs_have_the_same_bits_with_any_number_of_threads(seed: int) -> None:
    made = make(seed, steps=12)
    before = [v.get_value() for v, _ in made.updates]
    f = sg.function(
        list(made.values), made.outputs, updates=made.updates, on_unused_input="ignore"
    )
    results = []
    for number in COUNTS:
        for (v, _), value in zip(made.updates, before, strict=True):
            v.set_value(value)
        with config.override(threads=number):
            got = f(*made.values.values())
        results.append([*got, *(v.get_value() for v, _ in made.updates)])
    for result in results[1:]:
        for a, b in zip(results[0], result, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("channels", [1, 3, 10, 33, 64, 130])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_long_sums_of_few_columns_are_shared(channels: int, dtype: str) -> None:
    x = T.matrix("x", dtype, shape=(None, channels))
    shape = (600_001 // (channels + 1), channels)
    values = np.random.default_rng(channels).normal(size=shape) * 100
    values = values.astype(dtype)
    outputs = [x.sum(axis=0) * 2, x.max(axis=0), (x > 0).all(axis=0)]
    f = sg.function([x], outputs)
    got = same_with_any_number(f, values)
    assert any(size < grains.SERIAL for size in blocks(f))
    np.testing.assert_allclose(
        got[0], values.sum(axis=0, dtype="float64") * 2, rtol=1e-5, atol=1
    )
    np.testing.assert_array_equal(got[1], values.max(axis=0))
    np.testing.assert_array_equal(got[2], (values > 0).all(axis=0))
    np.testing.assert_allclose(f(values[:7])[0], values[:7].sum(axis=0) * 2, rtol=1e-5)


@pytest.mark.usefixtures("everything_is_shared")
def test_updates_in_place_are_shared() -> None:
    w = sg.shared(np.zeros((300, 7)), "w")
    g = T.dmatrix("g")
    f = sg.function([g], (w * g).sum(axis=1), updates=[(w, w - 0.1 * g)])
    value = np.random.default_rng(2).normal(size=(300, 7))
    wanted = np.zeros((300, 7))
    for number in COUNTS:
        with config.override(threads=number):
            f(value)
        wanted = wanted - 0.1 * value
        np.testing.assert_allclose(w.get_value(), wanted)
    assert any(size < grains.SERIAL for size in blocks(f))


@pytest.mark.usefixtures("everything_is_shared")
def test_a_wrong_index_is_reported_by_whoever_meets_it() -> None:
    table, index = T.fmatrix("table"), T.lvector("index")
    f = sg.function([table, index], table[index] * 2)
    values = np.ones((10, 5), np.float32)
    right = np.arange(3000) % 10
    with config.override(threads=4):
        assert f(values, right).shape == (3000, 5)
        for place in (0, 1234, 2999):
            wrong = right.copy()
            wrong[place] = 10
            with pytest.raises(IndexRangeError, match="outside axis 0"):
                f(values, wrong)
            np.testing.assert_array_equal(f(values, right), 2)
    assert any(size < grains.SERIAL for size in blocks(f))


@pytest.mark.usefixtures("everything_is_shared")
def test_runs_of_two_python_threads_do_not_meet() -> None:
    x = T.dmatrix("x")
    made = [sg.function([x], T.nnet.softmax(x).sum(axis=1) * k) for k in (1, 2)]
    values = np.random.default_rng(3).normal(size=(200, 40))
    failures: list[Exception] = []

    def call(f: Any, k: int) -> None:
        try:
            for _ in range(20):
                np.testing.assert_allclose(f.repeat(5, values), np.full((5, 200), k))
        except Exception as error:  # noqa: BLE001  (told in the main thread)
            failures.append(error)

    with config.override(threads=3):
        callers = [
            threading.Thread(target=call, args=(f, k))
            for f, k in zip(made, (1, 2), strict=True)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert not failures


def test_small_work_stays_in_the_caller() -> None:
    x = T.fvector("x")
    f = sg.function([x], T.tanh(x))
    f(np.ones(100, np.float32))
    assert all(size == grains.SERIAL for size in blocks(f))
    f(np.ones(1_000_000, np.float32))
    assert any(size < grains.SERIAL for size in blocks(f))


def test_fixed_small_sizes_do_not_even_ask() -> None:
    w = sg.shared(np.zeros((4, 2)), "w")
    f = sg.function([], T.tanh(w))
    assert needs(f._executor.program) == []
    assert ("parallel",) not in f.lowered.native.slots


def test_blocks_are_made_of_work_alone() -> None:
    assert grains.block_size(10, 10**6) == grains.SERIAL
    assert grains.block_size(1000, 10**9) == 8
    assert grains.block_size(1000, 10**9, align=256) == 256
    assert grains.block_size(200, 10**9, align=256) == grains.SERIAL
    assert grains.block_size(1000, 10**9, scratch=2**40) == grains.SERIAL
    assert grains.block_size(1, 10**12) == grains.SERIAL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    x = T.fvector("x")
    f = sg.function([x], T.exp(x) + 1)
    value = np.linspace(-1, 1, 300_000, dtype=np.float32)
    with config.override(threads=3):
        wanted = f(value)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                fresh = threads.the_pool().started == 1
                same = f(value).tobytes() == wanted.tobytes()
                grown = threads.the_pool().started == 3 or not pool.has_threads()
                code = 0 if fresh and same and grown else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert f(value).tobytes() == wanted.tobytes()


PROGRAM = """
import sys
import numpy as np, symgraph as sg, symgraph.tensor as T
x = T.fvector("x")
f = sg.function([x], T.exp(x) + 1)
f(np.ones(500_000, np.float32))
from symgraph.backends.cpu import threads
print(threads.count(), threads.the_pool().started, "llvmlite" in sys.modules)
"""


@pytest.mark.slow
def test_a_process_ends_at_once_and_a_second_one_compiles_nothing(
    tmp_path: Any,
) -> None:
    def run() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60,
            check=True, env=os.environ | {
                "SYMGRAPH_NUM_THREADS": "3", "SYMGRAPH_CACHE_DIR": str(tmp_path),
            },
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.split()

    run()
    started = "3" if pool.has_threads() else "1"
    assert run() == [started, started, "False"]


def test_the_setting_is_checked() -> None:
    for wrong in (-1, 1.5, "2", True, None):
        with pytest.raises(ConfigError, match="expected a number of threads"):
            config.threads = wrong  # type: ignore[assignment]
    assert from_environment("threads=3").threads == 3
    assert from_environment("", "5").threads == 5
    assert from_environment("threads=2", "5").threads == 2
    with pytest.raises(ConfigError, match="SYMGRAPH_NUM_THREADS='many'"):
        from_environment("", "many")
    with pytest.raises(ConfigError, match="threads='-2'"):
        from_environment("threads=-2")


def test_zero_means_all_usable_cores() -> None:
    with config.override(threads=0):
        assert 1 <= threads.count() <= pool.MOST_THREADS
        if pool.has_threads():
            assert threads.count() == min(threads.usable_cores(), pool.MOST_THREADS)
    with config.override(threads=10_000):
        assert threads.count() <= pool.MOST_THREADS


def test_a_changed_setting_reaches_the_pool_at_once() -> None:
    made = threads.the_pool()
    with config.override(threads=2):
        assert made.state[pool.WANTED] == threads.count()
        with config.override(threads=1):
            assert made.state[pool.WANTED] == 1
        assert made.state[pool.WANTED] == threads.count()
