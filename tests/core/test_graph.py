"""Frozen graphs: each node once, also by several threads; fingerprints tell them apart."""

import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import Interner, fingerprint, freeze, verify
from symgraph.core.node import building

SECONDS = 60.0


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*works: Callable[[], object]) -> list[object]:
    """What functions return that run at once, each in a thread."""
    results: list[object] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int) -> None:
        start.wait(SECONDS)
        try:
            results[number] = works[number]()
        except BaseException as error:
            results[number] = error

    threads = [
        threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(works))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def test_an_interner_interrupts_another_and_gives_back() -> None:
    first, second = Interner(), Interner()
    with first:
        with second:
            assert building.interner is second
            with first:
                assert building.interner is first
            assert building.interner is second
        assert building.interner is first
    assert building.interner is None


def test_what_is_raised_inside_leaves_no_interner_on() -> None:
    with pytest.raises(ZeroDivisionError), Interner(), Interner():
        raise ZeroDivisionError
    assert building.interner is None


@pytest.mark.parametrize("first_leaves", [True, False])
def test_threads_that_overlap_in_one_interner_keep_their_own(
    first_leaves: bool,
) -> None:
    shared, outer = Interner(), Interner()
    inside, left = threading.Barrier(2), threading.Event()

    def nested() -> tuple[object, object]:
        with outer:
            with shared:
                inside.wait(SECONDS)
                if not first_leaves:
                    left.wait(SECONDS)
            after = building.interner
            if first_leaves:
                left.set()
        return after, building.interner

    def plain() -> object:
        with shared:
            inside.wait(SECONDS)
            if first_leaves:
                left.wait(SECONDS)
        found = building.interner
        if not first_leaves:
            left.set()
        return found

    (after, end), found = together(nested, plain)  # type: ignore[misc]
    assert after is outer
    assert end is None
    assert found is None


@pytest.mark.usefixtures("switching")
def test_threads_that_intern_the_same_get_the_same_nodes() -> None:
    x = T.dvector("x")
    interner = Interner()

    def build() -> list[object]:
        with interner:
            y = x
            found = []
            for _ in range(60):
                y = T.tanh(y) + x
                found.append(y)
        return found

    results = together(*[build] * 4)
    for other in results[1:]:
        assert all(a is b for a, b in zip(results[0], other, strict=True))  # type: ignore


@pytest.mark.usefixtures("switching")
def test_threads_that_explain_one_function_tell_the_same() -> None:
    x = T.dmatrix("x")
    w = sg.shared(np.ones(3), name="w")
    loss = T.log(1 + T.exp(T.dot(x, w))).mean()
    f = sg.function([x], loss, updates=[(w, w - 0.1 * sg.grad(loss, w))], name="step")
    wanted = f.explain().partition("\ncompilation")[0]

    def explain() -> tuple[str, object]:
        for kept in ("_rewritten", "_program"):
            f.__dict__.pop(kept, None)
        return f.explain().partition("\ncompilation")[0], building.interner

    for text, interner in together(*[explain] * 3):  # type: ignore[misc]
        assert text == wanted
        assert interner is None
    verify(f.rewritten.graph)
    assert T.exp(x).owner is not T.exp(x).owner


@pytest.mark.usefixtures("switching")
def test_functions_of_one_expression_compile_in_threads() -> None:
    x = T.dvector("x")
    y = T.sqr(T.tanh(x) * 2).sum()

    def compiled() -> float:
        return float(sg.function([x], y)([1.0, 2.0]))

    (first, *others) = together(*[compiled] * 4)
    assert first == pytest.approx(float((4 * np.tanh([1, 2]) ** 2).sum()))
    assert all(other == first for other in others)


def test_a_frozen_graph_is_interned() -> None:
    x = T.dvector("x")
    graph = freeze([x], [T.exp(x) + T.exp(x)])
    verify(graph)
    assert len(graph.applies()) == 2


def test_graphs_that_compute_or_change_something_else_have_other_fingerprints() -> None:
    x, y = T.dvectors("x", "y")
    v, w, i = (sg.shared(value) for value in (np.ones(3), np.ones(3), np.arange(3)))
    a, b = x + v * w, x * v - w
    graphs = [
        freeze(*parts)
        for parts in (
            ([x], [a]),
            ([x], [b]),
            ([x], [a, b]),
            ([x], [b, a]),
            ([x], [a, a]),
            ([x, y], [a]),
            ([y, x], [a]),
            ([x], [a], [(v, b)]),
            ([x], [a], [(w, b)]),
            ([x], [b], [(v, a)]),
            ([x], [], [(v, a), (w, b)]),
            ([x], [], [(w, a), (v, b)]),
            ([x], [a], [(v, w), (w, v)]),
            ([x], [a], [(v, v), (w, w)]),
            ([x], [x + v * v]),
            ([x], [v + x * w]),
            ([x], [x[i]]),
            ([x], [x[i[::-1]]]),
            ([x], [x + T.constant(np.ones(3))]),
            ([x], [x + T.constant(np.ones((1, 3)))]),
            ([x], [x + T.constant(np.array([1.0, 1.0, 2.0]))]),
        )
    ]
    assert len({fingerprint(graph) for graph in graphs}) == len(graphs)
    assert fingerprint(graphs[0]) == fingerprint(freeze([x], [x + v * w]))
    assert fingerprint(graphs[0], ["extra"]) != fingerprint(graphs[0])


def test_names_and_values_of_variables_are_not_in_a_fingerprint() -> None:
    def made(name: str, value: float) -> str:
        x, w = T.dvector(name), sg.shared(np.full(3, value), name=name + "w")
        return fingerprint(freeze([x], [x * w], [(w, w - x)]))

    assert made("x", 1.0) == made("y", 2.0)
