"""Random loops: what is optimized, and what is compiled, gives what the reference gives.

A loop has up to three sequences and states with taps, collected results of several
kinds, at times a condition, and is differentiated. Outputs are read as a whole, by their
last rows, or not at all.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.graph import freeze, verify
from symgraph.lower.resolve_sum_to import resolve_sum_to
from symgraph.rewrite.pipeline import optimize

WIDTH = 3
TAPS = ([-1], [-1], [-2, -1], [-3, -1], [-2])
Case = tuple[list[Any], list[Any], list[Any]]


class Steps:
    """Random expressions of rows."""

    def __init__(self, choices: random.Random, rank: int) -> None:
        self.choices = choices
        self.rank = rank
        self.weights = T.dmatrices("W0", "W1")
        self.bias = T.dvector("b")
        self.makers: list[Callable[..., Any]] = [
            lambda a, _: T.tanh(a),
            lambda a, other: a * other(),
            lambda a, _: T.dot(a, self.choices.choice(self.weights)) * 0.5,
            lambda a, _: T.dot(a, self.weights[0].T) * 0.5,
            lambda a, other: a + other(),
            lambda a, _: a + self.bias,
            lambda a, other: T.nnet.sigmoid(a) - other() * 0.3,
            lambda a, _: T.concatenate([a[..., 1:], a[..., :1]], axis=-1),
            lambda a, _: a - a.mean(axis=-1, keepdims=True),
            lambda a, _: T.nnet.softmax(a) if self.rank == 2 else T.exp(-a * a),
            lambda a, _: T.switch(a > 0, a, 0.1 * a),
            lambda a, other: T.set_subtensor(a[..., :2], other()[..., 1:]),
            lambda a, _: a.sum() * 0.1 + a,
        ]

    def row(self, pool: list[Any], depth: int) -> Any:
        """An expression of the shape of a row."""
        if not depth:
            return self.choices.choice(pool)
        a = self.row(pool, depth - 1)
        maker = self.choices.choice(self.makers)
        return maker(a, lambda: self.row(pool, depth - 1))


def case(seed: int) -> Case:
    """Inputs, results and values of a random loop."""
    choices, rng = random.Random(seed), np.random.default_rng(seed)
    shape = choices.choice([(WIDTH,), (2, WIDTH), (1, WIDTH)])
    rank = len(shape)
    steps = Steps(choices, rank)
    rows, stacks = (T.TensorType("float64", (None,) * r) for r in (rank, rank + 1))
    n, spare = choices.randint(1, 5), choices.choice([0, 0, 2])
    sequences = [stacks(f"x{i}") for i in range(choices.randint(0, 3))]
    infos: list[Any] = []
    starts: list[tuple[Any, Any]] = []
    for i in range(choices.randint(1, 3)):
        taps = choices.choice(TAPS)
        if taps == [-1]:
            starts.append((rows(f"h{i}"), rng.normal(size=shape)))
            infos.append(starts[-1][0])
        else:
            starts.append((stacks(f"h{i}"), rng.normal(size=(-min(taps), *shape))))
            infos.append(dict(initial=starts[-1][0], taps=taps))
    ends, collected = choices.random() < 0.25, choices.randint(0, 2)

    def step(*given: Any) -> Any:
        pool, news, more = list(given), [], []
        for _ in infos[: len(starts)]:
            new = steps.row(pool, choices.randint(1, 3))
            if choices.random() < 0.2:  # something that adds up
                new = given[len(sequences)] * 1.0 + new * 0.1
            news.append(T.tanh(new) if choices.random() < 0.7 else new * 0.5)
        for _ in range(collected):
            result = steps.row(pool + news, choices.randint(0, 3))
            kinds = [result, result.sum(), T.dot(result, steps.weights[1])]
            more.append(choices.choice([*kinds, result.sum(axis=0)]))
        if ends:
            return news + more, sg.until(abs(news[0]).sum() < 0.6)
        return news + more

    outs, _ = sg.scan(
        step,
        sequences,
        infos + [None] * collected,
        n_steps=n if not sequences or choices.random() < 0.3 else None,
        go_backwards=bool(sequences) and choices.random() < 0.3,
        return_list=True,
    )
    cost = T.constant(0.0)
    for out in outs:
        cost = cost + choices.choice(
            [(out**2).sum(), T.sin(out[-1]).sum(), out[-1:].sum() + out.mean(), 0]
        )
    starting = [h for h, _ in starts]
    inputs = [*sequences, *steps.weights, steps.bias, *starting]
    slopes = sg.grad(cost, inputs, disconnected_inputs="ignore")
    roots = [v for v in [*outs, *slopes] if choices.random() < 0.75] + [cost]
    sizes = [(n + spare, *shape)] * len(sequences) + [(WIDTH, WIDTH)] * 2 + [(WIDTH,)]
    values = [rng.normal(size=size) for size in sizes] + [v for _, v in starts]
    return inputs, roots, values


def agree(found: list[Any], wanted: list[Any]) -> None:
    """Equal shapes, equal values but for the order of sums."""
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("seed", range(24))
def test_an_optimized_loop_gives_what_the_loop_gives(seed: int) -> None:
    inputs, roots, values = case(seed)
    graph = freeze(inputs, roots)
    found = optimize(resolve_sum_to(graph), assume_equal=True).graph
    verify(found)
    given = dict(zip(inputs, values, strict=True))
    agree(evaluate(found.roots, given), evaluate(graph.roots, given))


@pytest.mark.parametrize("seed", range(100, 104))
def test_a_compiled_loop_gives_what_the_loop_gives(seed: int) -> None:
    inputs, roots, values = case(seed)
    found, wanted = (
        sg.function(inputs, roots, mode=mode, on_unused_input="ignore")(*values)
        for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    agree(found, wanted)
