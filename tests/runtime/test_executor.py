"""Bindings: one for each signature, kept within bounds, valid when storage moves."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.memory import HOST
from symgraph.core.shared import aligned_empty
from symgraph.errors import ShapeError
from symgraph.runtime import executor as executors
from symgraph.runtime.buffers import ALIGNMENT, Arena, layout


def made() -> Any:
    x = T.dmatrix("x")
    h = T.tanh(T.dot(x, x.T))
    return sg.function([x], T.dot(h, h).sum(axis=1))


def test_a_signature_is_bound_once() -> None:
    f = made()
    for rows in (2, 3, 2, 3, 2):
        f(np.ones((rows, 4)))
    assert len(f._executor.bindings) == 2


def test_old_bindings_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "KEPT_BINDINGS", 3)
    f = made()
    for rows in (1, 2, 3, 4, 5, 1, 2):
        a = np.arange(rows * 2.0).reshape(rows, 2) / 10
        h = np.tanh(a @ a.T)
        np.testing.assert_allclose(f(a), (h @ h).sum(axis=1))
    assert len(f._executor.bindings) == 3


def test_older_bindings_follow_a_larger_arena() -> None:
    f = made()
    small = np.ones((2, 3)) / 3
    first = f(small)
    address = f._executor.arena.address
    f(np.ones((200, 3)))
    assert f._executor.arena.address != address
    np.testing.assert_array_equal(f(small), first)


def test_temporaries_that_live_together_do_not_overlap() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        temps = []
        for _ in range(int(random.integers(0, 30))):
            first = int(random.integers(0, 20))
            temps.append((int(random.integers(0, 5000)), first,
                          first + int(random.integers(0, 8))))  # fmt: skip
        offsets, total = layout(temps)
        for k, (size, first, last) in enumerate(temps):
            assert offsets[k] % ALIGNMENT == 0
            assert offsets[k] + size <= total
            for j in range(k):
                other, start, end = temps[j]
                if start <= last and first <= end:
                    assert (
                        offsets[k] + size <= offsets[j]
                        or offsets[j] + other <= offsets[k]
                    )


def test_an_arena_only_grows_and_is_aligned() -> None:
    arena = Arena(HOST)
    arena.reserve(100)
    address, generation = arena.address, arena.generation
    assert address % ALIGNMENT == 0
    arena.reserve(50)
    assert (arena.address, arena.generation) == (address, generation)
    arena.reserve(10_000)
    assert arena.generation > generation


@pytest.mark.parametrize("n", [-3, 10**13, 2**61, 2**62])
@pytest.mark.parametrize("way", ["call", "repeat"])
def test_extents_that_cannot_be_are_told_with_the_line(n: int, way: str) -> None:
    count = T.lscalar("n")
    f = sg.function([count], T.zeros((count, 7)))
    with pytest.raises(ShapeError, match=r"test_executor\.py") as caught:
        f.repeat(2, n) if way == "repeat" else f(n)
    assert "negative" in str(caught.value) or "large" in str(caught.value)
    assert f(2).shape == (2, 7)


def test_temporaries_that_cannot_be_are_told_with_the_line() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    f = sg.function([x, n], T.sort(T.tile(x, n)).sum())
    with pytest.raises(ShapeError, match=r"too large[^$]*"):
        f(np.ones(3), 10**14)
    assert f(np.ones(3), 2) == 6


def test_all_bindings_point_into_the_arena_that_a_large_call_made() -> None:
    f = made()
    values = [np.ones((rows, 3)) / 3 for rows in (2, 150, 5, 300, 2)]
    for value in [*values, *values[::-1]]:
        h = np.tanh(value @ value.T)
        np.testing.assert_allclose(f(value), (h @ h).sum(axis=1))
        binding = f._executor.bind([value])
        for slot, offset in binding.offsets:
            assert binding.slots[slot] == f._executor.arena.address + offset
            assert 0 <= offset < f._executor.arena.size
        assert binding.offsets


@pytest.mark.parametrize("way", ["call", "repeat"])
def test_slots_follow_the_storage_of_shared_variables(way: str) -> None:
    x = T.dvector("x")
    v, w = sg.shared(np.ones(3)), sg.shared(np.ones(3))
    f = sg.function([x], x * v + w, updates=[(w, w + v)])
    kept = []  # so that no storage is given twice
    for number, width in enumerate((3, 3, 4, 3, 3, 4)):
        for variable in (v, w):
            kept.append(variable.get_value(borrow=True))
            fresh = aligned_empty((width,), "float64")
            fresh[...] = number
            variable.set_value(fresh, borrow=number % 2 == 0)
        given = np.ones(width)
        out = f(given) if way == "call" else f.repeat(1, given)[0]
        assert out.tolist() == [2.0 * number] * width
        assert w.get_value().tolist() == [2.0 * number] * width
        binding = f._executor.bind([given])
        for k, variable in enumerate(f._executor.shared):
            slot = f._executor.slot_of[("leaf", 1 + k)]
            assert binding.slots[slot] == variable.container.address


def test_values_of_shared_integers_and_of_inputs_size_each_call() -> None:
    x, k = T.dvector("x"), T.lscalar("k")
    n, m = sg.shared(2, name="n"), sg.shared(np.array([1, 3]), name="m")
    f = sg.function(
        [x, k], [x[:n], T.zeros((m[0], m[1])), T.arange(k, k + n)], updates=[(n, n + 1)]
    )
    a = np.arange(8.0)
    for first in (1, 1, 4, 1):
        for size in (2, 2, 5):
            n.set_value(size)
            m.set_value([first, size])
            for more in range(2):
                head, block, row = f(a, first)
                assert head.tolist() == a[: size + more].tolist()
                assert block.shape == (first, size)
                assert row.tolist() == list(range(first, first + size + more))


def test_a_run_leaves_the_slots_of_calls_alone() -> None:
    f = made()
    value = np.arange(12.0).reshape(4, 3) / 10
    wanted = f(value)
    executor = f._executor
    binding = executor.bind([value])
    before = binding.slots.copy()
    for steps in (1, 3):
        f.repeat(steps, value)
        f.epoch(np.concatenate([value, value]), batch_size=4)
        np.testing.assert_array_equal(binding.slots, before)
    first, arena = executor._own_slots(binding)
    second, other = executor._own_slots(binding)
    assert not np.shares_memory(first, binding.slots)
    places = {id(executor.arena), id(arena), id(other)}
    assert (
        len(places) == len({executor.arena.address, arena.address, other.address}) == 3
    )
    for slots, own in ((first, arena), (second, other)):
        for slot, offset in binding.offsets:
            assert slots[slot] == own.address + offset
    np.testing.assert_array_equal(binding.slots, before)
    np.testing.assert_array_equal(f(value), wanted)
