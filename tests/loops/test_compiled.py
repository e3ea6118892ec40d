"""Loops in compiled functions: one function with loops of every kind, and training."""

import sys
from pathlib import Path

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

sys.path.insert(0, str(Path(__file__).parent))
import recurrent_steps


def test_loops_of_every_kind_give_what_the_reference_gives() -> None:
    x, h, n, m = T.dvector("x"), T.dvector("h"), T.lscalar("n"), T.dmatrix("m")
    stream = T.RandomStreams(5)
    count = sg.shared(0.0, "count")
    taps, _ = sg.scan(
        lambda a, b, far, near: T.tanh(a * b + far * near),
        dict(input=x, taps=[-1, 1]),
        dict(initial=h, taps=[-3, -1]),
    )
    early, _ = sg.scan(lambda a, s: (s + a * a, sg.until(s > 1.0)), x, T.constant(0.5))
    back, _ = sg.scan(lambda a, s: s / 2 + a, x, 0.0, go_backwards=True)
    random, updates = sg.scan(
        lambda s: (s + stream.normal(()), {count: count + 1}),
        outputs_info=T.constant(0.0),
        n_steps=n,
    )
    nested, _ = sg.scan(
        lambda row, s: sg.scan(lambda a, t: T.sin(t + a), row, s)[0][-1],
        m,
        T.constant(0.1),
    )
    whole = [taps, early, back, random, nested]
    slopes = sg.grad(sum(v.sum() for v in (taps, early, back, nested)), [x, h, m])
    results = []
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        for v in updates:
            v.set_value(np.zeros_like(v.get_value()))
        f = sg.function([x, h, n, m], [*whole, *slopes], updates=updates, mode=mode)
        rng = np.random.default_rng(2)
        given = [rng.normal(size=6), rng.normal(size=3), 4, rng.normal(size=(2, 3))]
        results.append([*f(*given), *f(*given), count.get_value()])
    for one, other in zip(*results, strict=True):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)
    assert results[0][-1] == 8.0


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_training_steps_do_what_the_reference_does(kind: str) -> None:
    given = recurrent_steps.data(kind)
    results = []
    for mode in ("FAST_RUN", "FAST_COMPILE"):
        inputs, cost, weights, pairs = getattr(recurrent_steps, kind)()
        step = sg.function(inputs, cost, updates=pairs, mode=mode)
        costs = [float(step(*given)) for _ in range(3)]
        assert costs[2] < costs[0]
        results.append([costs, *(w.get_value() for w in weights)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_a_loop_is_repeated_within_one_native_call() -> None:
    inputs, cost, _, pairs = recurrent_steps.rnn()
    step = sg.function(inputs, cost, updates=pairs)
    costs = step.repeat(4, *recurrent_steps.data("rnn"))
    assert np.all(np.diff(costs) < 0)


def test_jacobians_and_hessians_are_taken_inside_a_step() -> None:
    x = T.dmatrix("x")
    jacobians, _ = sg.map(lambda r: sg.jacobian(T.tanh(r * r.sum()), r), x)
    bent, _ = sg.scan(
        lambda r, s: s + T.diag(sg.hessian((r**3).sum() * r.sum(), r)), x, T.zeros(2)
    )
    given = np.array([[0.1, 0.2], [0.3, -0.4]])
    found, total = sg.function([x], [jacobians, bent[-1]])(given)
    for row, jacobian in zip(given, found, strict=True):
        slope = 1 - np.tanh(row * row.sum()) ** 2
        wanted = slope[:, None] * (np.eye(2) * row.sum() + row[:, None])
        np.testing.assert_allclose(jacobian, wanted)
    np.testing.assert_allclose(total, sum(6 * r * r.sum() + 6 * r**2 for r in given))
