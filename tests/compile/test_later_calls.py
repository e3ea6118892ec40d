"""Later calls: other sizes, other strides, other ways of running, after many steps.

Nothing that the first call found out (sizes, memory, threads, which entry is used) may
stay where a later call differs.
"""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.compile.callable import MOST_ENTRIES

RNG = np.random.default_rng(5)


def network() -> Any:
    """Outputs of a matrix and a vector, and their values by NumPy."""
    x, v = T.dmatrix("x"), T.dvector("v")
    scores = T.softmax(T.tanh(x) * v)
    outputs = [scores, T.dot(x.T, x), x[:, ::-1].sum(axis=0) + v, T.sort(x, axis=1)]

    def by_numpy(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        e = np.exp(np.tanh(a) * b)
        return [
            e / e.sum(1, keepdims=True), a.T @ a, a[:, ::-1].sum(0) + b, np.sort(a, 1)
        ]  # fmt: skip

    return sg.function([x, v], outputs), by_numpy


def check(f: Any, by_numpy: Any, a: np.ndarray, b: np.ndarray) -> None:
    for have, want in zip(f(a, b), by_numpy(a, b), strict=True):
        assert have.shape == want.shape
        np.testing.assert_allclose(have, want, 1e-11, 1e-12)


def test_other_widths_of_the_same_rows_after_thousands_of_steps() -> None:
    f, by_numpy = network()
    first = RNG.normal(size=(7, 5)), RNG.normal(size=5)
    for _ in range(1200):
        f(*first)
    for width in (5, 9, 1, 64, 3, 0, 5, 130, 2):
        check(f, by_numpy, RNG.normal(size=(7, width)), RNG.normal(size=width))
    for _ in range(1200):
        f(*first)
    check(f, by_numpy, *first)


def test_other_rows_of_the_same_width() -> None:
    f, by_numpy = network()
    for rows in (1, 0, 33, 1, 200, 2, 33, 7):
        check(f, by_numpy, RNG.normal(size=(rows, 6)), RNG.normal(size=6))


def test_more_shapes_than_are_kept() -> None:
    f, by_numpy = network()
    for turn in range(2):
        for rows in range(1, 31):
            for width in range(1, 21, 1 + turn):
                a, b = np.full((rows, width), 0.5), np.ones(width)
                f(a, b)
    check(f, by_numpy, RNG.normal(size=(3, 4)), RNG.normal(size=4))


LAYOUTS = {
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "fortran": np.asfortranarray,
    "every second": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
    "reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "inside": lambda a: np.pad(a, 3)[3:-3, 3:-3],
    "read only": lambda a: np.broadcast_to(a, a.shape),
    "unaligned": lambda a: np.frombuffer(
        b"\0" + a.tobytes(), np.uint8
    )[1:].view(np.float64).reshape(a.shape),
    "one row for all": lambda a: np.broadcast_to(a[:1], a.shape),
    "other order": lambda a: a.astype(">f8"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_other_strides_after_contiguous_ones_and_back(name: str) -> None:
    f, by_numpy = network()
    a, b = RNG.normal(size=(6, 4)), RNG.normal(size=4)
    other = LAYOUTS[name](a)
    for _ in range(3):
        f(a, b)
    check(f, by_numpy, other, b)
    check(f, by_numpy, a, b)
    long = RNG.normal(size=8)
    check(f, by_numpy, other, long[::2])
    check(f, by_numpy, other, long[::-2])


def trained() -> tuple[Any, Any]:
    """A function with an update whose sizes its arguments decide, and the update."""
    x, w = T.dmatrix("x"), sg.shared(np.zeros(3), "w")
    new = w + T.tanh(x).sum(axis=0)[:3] + x.shape[0] * x.shape[1]
    return sg.function([x], [x.sum(), x.max(axis=1).sum()], updates=[(w, new)]), w


def advance(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return w + np.tanh(x).sum(axis=0)[:3] + x.shape[0] * x.shape[1]


def test_calls_repeats_and_epochs_across_shapes() -> None:
    f, w = trained()
    value = np.zeros(3)
    for rows, width in ((4, 3), (4, 5), (9, 3), (2, 8), (4, 3), (1, 4), (10, 5)):
        x = RNG.normal(size=(rows, width))
        sums = [float(v) for v in f(x)]
        np.testing.assert_allclose(sums, [x.sum(), x.max(1).sum()], 1e-12)
        value = advance(value, x)
        many = f.repeat(3, x)
        np.testing.assert_allclose(many[0], [x.sum()] * 3, 1e-12)
        for _ in range(3):
            value = advance(value, x)
        for batch in (2, 3, 20):
            found = f.epoch(x, batch_size=batch)
            parts = [x[k : k + batch] for k in range(0, rows, batch)]
            np.testing.assert_allclose(found[0], [p.sum() for p in parts], 1e-12)
            np.testing.assert_allclose(found[1], [p.max(1).sum() for p in parts], 1e-12)
            for part in parts:
                value = advance(value, part)
        np.testing.assert_allclose(w.get_value(), value, 1e-12)


def test_repeats_of_another_layout_and_of_another_size() -> None:
    f, w = trained()
    base = RNG.normal(size=(8, 10))
    value = np.zeros(3)
    for x in (base, base.T, base[::2, 1::3], base[:, ::-1], np.asfortranarray(base)):
        f.repeat(2, x)
        f.epoch(x, batch_size=3, shuffle=4)
        order = np.random.default_rng(4).permutation(len(x))
        for part in [x, x, *(x[order[k : k + 3]] for k in range(0, len(x), 3))]:
            value = advance(value, part)
        np.testing.assert_allclose(w.get_value(), value, 1e-11)


def test_shared_values_of_other_shapes_between_calls() -> None:
    x, w = T.dvector("x"), sg.shared(np.ones(3), "w")
    f = sg.function([x], (x * w).sum(), updates=[(w, w * 2)])
    for size in (3, 5, 1, 3, 0, 5):
        w.set_value(np.ones(size))
        f(np.ones(size))
        assert f.repeat(2, np.ones(size)).tolist() == [2.0 * size, 4.0 * size]
        assert w.get_value().tolist() == [8.0] * size


def test_computed_sizes_of_calls_in_a_row() -> None:
    x = T.dvector("x")
    some = x[x > 0]
    f = sg.function([x], [some, T.cumsum(some), T.outer(some, some).sum()])
    for _ in range(500):
        f(np.ones(3))
    for values in ([1.0, -1.0], [], [2.0] * 40, [-1.0], [3.0, 1.0, 2.0]):
        a = np.array(values)
        kept = a[a > 0]
        wanted = [kept, np.cumsum(kept), np.outer(kept, kept).sum()]
        for have, want in zip(f(a), wanted, strict=True):
            np.testing.assert_allclose(have, want, 1e-12)


def test_steps_of_a_loop_in_calls_of_other_lengths() -> None:
    x, h = T.dmatrix("x"), T.dvector("h")
    rows, _ = sg.scan(lambda r, s: T.tanh(r + s), x, h)
    f = sg.function([x, h], [rows, rows[-1:], sg.grad(rows.sum(), h)])
    g = sg.function([x, h], [rows, rows[-1:], sg.grad(rows.sum(), h)],
                    mode="FAST_COMPILE")  # fmt: skip
    for _ in range(300):
        f(np.ones((4, 2)), np.ones(2))
    for steps, width in ((4, 2), (0, 2), (1, 7), (30, 3), (4, 1), (2, 0), (4, 2)):
        given = RNG.normal(size=(steps, width)), RNG.normal(size=width)
        for have, want in zip(f(*given), g(*given), strict=True):
            assert have.shape == want.shape
            np.testing.assert_allclose(have, want, 1e-12)


def test_calls_of_several_shapes_each_keep_their_way_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alternating shapes never go the slow way, with other values shared meanwhile."""
    x, w = T.dvector("x"), sg.shared(2.0)
    f = sg.function([x], x * w + 1)
    arrays = [np.arange(1.0 + k) for k in range(7)]
    for array in arrays:
        f(array)
    slow: list[Any] = []
    monkeypatch.setattr(f, "_slow", lambda args, kwargs: slow.append(args))
    for array in arrays * 5 + arrays[:1] * 40 + arrays:
        np.testing.assert_array_equal(f(array), array * 2 + 1)
    assert not slow
    monkeypatch.undo()
    w.set_value(3.0)
    for array in arrays * 2:
        np.testing.assert_array_equal(f(array), array * 3 + 1)
    for k in range(40):  # more than are kept
        array = np.arange(1.0 + k)
        np.testing.assert_array_equal(f(array), array * 3 + 1)
    assert len(f._entries) <= MOST_ENTRIES
    f.free()
    np.testing.assert_array_equal(f(arrays[3]), arrays[3] * 3 + 1)
