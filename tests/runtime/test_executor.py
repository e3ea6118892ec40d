"""Bindings: one for each signature, kept within bounds, valid when storage moves."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.memory import HOST
from symgraph.errors import ShapeError
from symgraph.runtime import executor as executors
from symgraph.runtime.buffers import ALIGNMENT, Arena, layout
from symgraph.runtime.image import from_json, image_of, to_json


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


def test_an_image_survives_json() -> None:
    import json

    x, n, i = T.dmatrix("x"), T.lscalar("n"), T.lvector("i")
    f = sg.function([x, n, i], [x[:n].sum(), x[i], T.arange(n) + x.shape[0]])
    image = image_of(f.program)
    again = from_json(json.loads(json.dumps(to_json(image, str))), str)
    for field in ("slots", "recipes", "leaves", "temps", "outputs", "checks", "ranges",
                  "failures", "resized"):  # fmt: skip
        assert getattr(again, field) == getattr(image, field), field


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
