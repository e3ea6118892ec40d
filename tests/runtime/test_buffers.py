"""Memory of temporaries is shared only by those that no step needs both."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.runtime.buffers import ALIGNMENT, layout

Temps = list[tuple[int, float, float]]


def clashes(temps: Temps, offsets: list[int]) -> list[tuple[int, int]]:
    """Pairs that live in one moment and have bytes in common."""
    found = []
    for j, (size, first, last) in enumerate(temps):
        for k, (other, begin, end) in enumerate(temps[:j]):
            together = first <= end and begin <= last
            a, b = offsets[j], offsets[k]
            if together and a < b + max(other, 1) and b < a + max(size, 1):
                found.append((k, j))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_what_lives_at_one_moment_has_no_byte_in_common(seed: int) -> None:
    choices = random.Random(seed)
    temps: Temps = []
    for _ in range(choices.randint(1, 30)):
        first = choices.choice([float(choices.randint(0, 9)), choices.uniform(0, 9)])
        last = first + choices.choice([0, 0, 1, 1, 2, choices.uniform(0, 3)])
        temps.append((choices.choice([0, 1, 8, 63, 64, 65, 1000]), first, last))
    offsets, total = layout(temps)  # type: ignore[arg-type]
    assert clashes(temps, offsets) == []
    assert all(offset % ALIGNMENT == 0 for offset in offsets)
    assert all(o + size <= total for o, (size, *_) in zip(offsets, temps, strict=True))


def test_what_is_read_while_another_is_written_stays_apart() -> None:
    offsets, _ = layout([(64, 0, 1), (64, 1, 2), (64, 2, 3)])
    assert offsets[0] != offsets[1] != offsets[2]
    assert offsets[0] == offsets[2]


#: chains of steps of one size, each of which reads what the one before wrote
CHAINS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "products": (lambda a, w: T.dot(w, a), lambda a, w: w @ a),
    "products of two": (
        lambda a, w: T.dot(a, T.dot(w, a)) * 0.1,
        lambda a, w: a @ (w @ a) * 0.1,
    ),
    "transposes": (lambda a, w: T.dot(a.T, w), lambda a, w: a.T @ w),
    "sums along": (
        lambda a, w: T.cumsum(a[:, ::-1], axis=1) * w,
        lambda a, w: np.cumsum(a[:, ::-1], axis=1) * w,
    ),
    "sorted": (
        lambda a, w: T.sort(a, axis=0) - T.dot(w, a),
        lambda a, w: np.sort(a, axis=0) - w @ a,
    ),
    "rows taken": (
        lambda a, w: a[T.argsort(a[:, 0])] + w.T,
        lambda a, w: a[np.argsort(a[:, 0])] + w.T,
    ),
    "softmax": (
        lambda a, w: T.dot(T.softmax(a), w),
        lambda a, w: np.exp(a) / np.exp(a).sum(1, keepdims=True) @ w,
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_steps_read_what_was_written(name: str) -> None:
    symbols, numpy = CHAINS[name]
    rng = np.random.default_rng(2)
    a, w = T.dmatrix("a"), T.dmatrix("w")
    x, y = a, a
    for k in range(4):
        x, y = symbols(x, w), symbols(y + k, w.T)
    f = sg.function([a, w], [x + y, x.sum() - y[0]])
    for size in (5, 24):
        one, other = rng.normal(size=(2, size, size)) * 0.4
        u, v = one, one
        for k in range(4):
            u, v = numpy(u, other), numpy(v + k, other.T)
        for have, want in zip(f(one, other), (u + v, u.sum() - v[0]), strict=True):
            np.testing.assert_allclose(have, want, 1e-9, 1e-10)


def test_chains_inside_steps_of_a_loop() -> None:
    rng = np.random.default_rng(3)
    w, h = T.dmatrix("w"), T.dmatrix("h")

    def step(s: Any) -> Any:
        return T.tanh(T.dot(w, T.dot(T.dot(s, w), T.dot(w, s))))

    rows, _ = sg.scan(step, outputs_info=h, n_steps=3)
    f = sg.function([w, h], [rows, sg.grad(rows[-1].sum(), w)])
    one, start = rng.normal(size=(2, 9, 9)) * 0.3
    wanted, s = [], start
    for _ in range(3):
        s = np.tanh(one @ ((s @ one) @ (one @ s)))
        wanted.append(s)
    np.testing.assert_allclose(f(one, start)[0], wanted, 1e-10)
    slow = sg.function([w, h], sg.grad(rows[-1].sum(), w), mode="FAST_COMPILE")
    np.testing.assert_allclose(f(one, start)[1], slow(one, start), 1e-9, 1e-12)
