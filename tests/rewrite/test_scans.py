"""Loops after rewriting: what is left in a step, and that values stay what they were."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.graph import Graph, freeze, verify
from symgraph.core.node import Variable
from symgraph.loops.scan import Scan
from symgraph.lower.resolve_sum_to import resolve_sum_to
from symgraph.ops.movement import DimShuffle
from symgraph.rewrite.pipeline import DEFAULT, optimize

sys.path.insert(0, str(Path(__file__).parents[1] / "loops"))
import recurrent_steps

RNG = np.random.default_rng(0)


def scans(graph: Graph) -> list[Scan]:
    """The loops of a graph."""
    return [n.op for n in graph.applies() if isinstance(n.op, Scan)]


def names(op: Scan) -> list[str]:
    """What a step computes: names of ops, views left out."""
    inner = freeze(op.inner.inputs, op.inner.outputs)
    found = [
        "dot" if n.op.name == "gemm" else str(n.op).partition("{")[0]
        for n in inner.applies()
        if not isinstance(n.op, DimShuffle)
    ]
    return sorted(found)


def checked(
    inputs: list[Variable], outputs: list[Any], values: list[Any]
) -> tuple[Graph, set[str]]:
    """The optimized graph, which gives the same values; names of the rules that fired."""
    graph = freeze(inputs, outputs)
    found = optimize(resolve_sum_to(graph), assume_equal=True)
    verify(found.graph)
    given = dict(zip(inputs, values, strict=True))
    before = evaluate(graph.roots, given)
    after = evaluate(found.graph.roots, given)
    for one, other in zip(before, after, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(other, one, rtol=1e-10, atol=1e-12)
    return found.graph, {firing.rule for firing in found.firings}


MATRICES = [
    RNG.normal(size=shape) for shape in ((5, 3), (3, 3), (3, 3), (3,))
]  # x, w, u, h


def cell(gate: Callable[[Any], Any] = T.tanh) -> tuple[list[Variable], Any]:
    """h[t] = gate(x[t] W + h[t-1] U), from h."""
    (x, w, u), h = T.dmatrices("x", "w", "u"), T.dvector("h")
    out, _ = sg.scan(lambda row, s: gate(T.dot(row, w) + T.dot(s, u)), x, h)
    return [x, w, u, h], out


def test_products_of_rows_are_one_product_before_the_loop() -> None:
    inputs, out = cell()
    graph, rules = checked(inputs, [out], MATRICES)
    (loop,) = scans(graph)
    assert names(loop) == ["add", "dot", "tanh"]
    assert "rows_to_before_loop" in rules


def test_gradients_of_weights_are_products_after_the_loop() -> None:
    inputs, out = cell()
    slopes = sg.grad((out**2).sum(), inputs)
    graph, rules = checked(inputs, slopes, MATRICES)
    forward, backward = scans(graph)
    assert names(forward).count("dot") == 1
    assert names(backward).count("dot") == 1
    assert backward.backwards
    assert len(backward.states) == 1
    assert {"sums_to_after_loop", "products_to_after_loop"} <= rules


def test_the_forward_loop_of_a_gradient_is_the_loop_itself() -> None:
    inputs, out = cell(lambda z: T.exp(-T.nnet.softplus(z)))
    graph, rules = checked(inputs, [out, sg.grad(out.sum(), inputs[1])], MATRICES)
    assert len(scans(graph)) == 2
    assert "equal_loops_to_one" in rules


def test_only_last_rows_are_kept_where_only_these_are_read() -> None:
    inputs, out = cell()
    graph, rules = checked(inputs, [out[-1]], MATRICES)
    assert scans(graph)[0].keep == (1,)
    assert "last_rows_of_state_to_kept" in rules
    h = T.dvector("h")
    three, _ = sg.scan(
        lambda a, b: a + b * 2, None, dict(initial=h, taps=[-3, -1]), n_steps=5
    )
    graph, _ = checked([h], [three[-2:], three[-1]], [MATRICES[3]])
    assert scans(graph)[0].keep == (2,)
    graph, _ = checked([h], [three[0], three[-1]], [MATRICES[3]])
    assert scans(graph)[0].keep == (None,)


def test_the_last_row_of_a_loop_that_ends_early_is_kept() -> None:
    x = T.dvector("x")
    out, _ = sg.scan(lambda a, s: (s + a, sg.until(s + a > 2.0)), x, T.constant(0.0))
    graph, _ = checked([x], [out[-1]], [np.ones(5)])
    assert scans(graph)[0].keep == (1,)


def test_what_nothing_reads_is_left_out() -> None:
    x, y = T.dvectors("x", "y")
    (a, _, _), _ = sg.scan(
        lambda x, y, s, r: [s * x, r * y, T.exp(y)],
        [x, y],
        [T.constant(1.0), T.constant(1.0), None],
    )
    graph, _ = checked([x, y], [a], [np.ones(3), np.ones(3)])
    (loop,) = scans(graph)
    assert (loop.sequences, len(loop.states), len(loop.inner.outputs)) == (1, 1, 1)


def test_what_no_step_needs_is_no_loop() -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")
    mapped, _ = sg.map(lambda row: T.tanh(T.dot(row, w)).sum(), x)
    total, _ = sg.foldl(lambda row, s: s + T.dot(row, w), x, T.zeros(3))
    graph, _ = checked([x, w], [mapped, total], MATRICES[:2])
    assert scans(graph) == []


def test_what_all_steps_share_is_computed_once_but_views_stay_inside() -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")
    out, _ = sg.scan(
        lambda row, s: T.tanh(T.dot(s, w.T) + T.exp(w).sum() + row), x, T.zeros(3)
    )
    graph, _ = checked([x, w], [out], MATRICES[:2])
    (loop,) = scans(graph)
    assert "exp" not in names(loop)
    assert [v.ndim for v in loop.inner.inputs].count(2) == 1


def test_cheap_arithmetic_of_rows_stays_in_the_step() -> None:
    x = T.dvector("x")
    out, _ = sg.scan(lambda a, s: s * (1 - a), x, T.constant(1.0))
    graph, _ = checked([x], [out], [np.ones(4) * 0.3])
    assert names(scans(graph)[0]) == ["mul", "sub"]


@pytest.mark.parametrize("taps", [[-1], [-2, -1], [-3, -1]])
@pytest.mark.parametrize("backwards", [False, True])
def test_values_and_gradients_stay_what_they_were(
    taps: list[int], backwards: bool
) -> None:
    x, w, h = T.dtensor3("x"), T.dmatrix("w"), T.dtensor3("h")
    v = T.dmatrix("v")

    def step(row: Any, *args: Any) -> Any:
        s = T.tanh(T.dot(row, w) + sum(T.dot(a, w * k) for k, a in enumerate(args, 2)))
        return s, T.nnet.softmax(T.dot(s, v) + row.mean())

    start = h[0] if taps == [-1] else dict(initial=h, taps=taps)
    (s, o), _ = sg.scan(step, x, [start, None], go_backwards=backwards)
    cost = (s[-1] ** 2).sum() + T.log(o).mean()
    inputs = [x, w, h, v]
    values = [RNG.normal(size=shape) for shape in
              ((4, 2, 3), (3, 3), (3, 2, 3), (3, 2))]  # fmt: skip
    graph, _ = checked(inputs, [o, cost, *sg.grad(cost, inputs)], values)
    counts = [names(loop).count("dot") for loop in scans(graph)]
    assert counts == [len(taps)] * 2


def test_second_derivatives_stay_what_they_were() -> None:
    inputs, out = cell()
    slopes = sg.grad((out**2).sum(), inputs)
    again = sg.grad(sum((g**2).sum() for g in slopes), inputs)
    checked(inputs, again, MATRICES)


def test_a_loop_of_loops_is_rewritten_inside() -> None:
    m, w = T.dmatrix("m"), T.dscalar("w")

    def row_of(row: Any, start: Any) -> Any:
        return sg.scan(lambda a, s: T.tanh(s * T.exp(a * w)), row, start)[0][-1]

    out, _ = sg.scan(row_of, m, T.constant(0.5))
    graph, _ = checked([m, w], [out, sg.grad(out.sum(), w)], [MATRICES[0], 0.7])
    inner = freeze(scans(graph)[0].inner.inputs, scans(graph)[0].inner.outputs)
    (loop,) = [n.op for n in inner.applies() if isinstance(n.op, Scan)]
    assert loop.name == "scan"
    assert "exp" not in names(loop)


def test_embedded_rows_are_gathered_before_and_gradients_scattered_after() -> None:
    table, w, places = T.dmatrix("table"), T.dmatrix("w"), T.lvector("places")
    out, _ = sg.scan(lambda i, s: T.tanh(s + T.dot(table[i], w)), places, T.zeros(3))
    slopes = sg.grad((out**2).sum(), [table, w])
    graph, _ = checked(
        [table, w, places], [out, *slopes], [*MATRICES[:2], np.array([1, 4, 1])]
    )
    assert [names(loop).count("dot") for loop in scans(graph)] == [0, 0]
    reads = ("subtensor", "set_subtensor", "take", "scatter_add")
    assert not any(name in reads for loop in scans(graph) for name in names(loop))
    columns, _ = sg.map(lambda i: T.exp(table[:, i]), places)
    graph, _ = checked([table, places], [columns], [MATRICES[0], np.array([2, 0])])
    assert scans(graph) == []


def test_what_a_step_may_not_reach_does_not_fail_before_the_loop() -> None:
    table, places = T.dvector("table"), T.lvector("places")
    out, _ = sg.scan(
        lambda i, s: (s + T.exp(table[i]), sg.until(s > 0)), places, T.constant(0.0)
    )
    values = [np.zeros(2), np.array([0, 1, 9])]
    checked([table, places], [out], values)


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_the_steps_of_training_hold_one_product_each(kind: str) -> None:
    inputs, cost, weights, pairs = getattr(recurrent_steps, kind)()
    news = [new for _, new in pairs]
    graph = freeze([*inputs, *weights], [cost, *news])
    found = optimize(resolve_sum_to(graph), assume_equal=True).graph
    values = [*recurrent_steps.data(kind), *(w.get_value() for w in weights)]
    given = dict(zip([*inputs, *weights], values, strict=True))
    for one, other in zip(
        evaluate(graph.roots, given), evaluate(found.roots, given), strict=True
    ):
        np.testing.assert_allclose(other, one, rtol=1e-10, atol=1e-12)
    counts = [names(loop).count("dot") for loop in scans(found)]
    assert counts == [1, 1]


def test_graphs_without_loops_pass_through_untouched() -> None:
    x = T.dvector("x")
    graph = freeze([x], [x * 2])
    stages = [s for s in DEFAULT if s.name in ("scans", "steps")]
    assert len(stages) == 2
    assert optimize(graph, stages).graph.roots == graph.roots


# --- steps that are normal only once --------------------------------------------------

STEPS = {
    "softmax": lambda x, s, a: T.softmax(s) * x,
    "log_softmax": lambda x, s, a: T.log(T.softmax(s)) + x,
    "logsumexp": lambda x, s, a: T.logsumexp(s) + x,
    "log_sum_exp": lambda x, s, a: T.log(T.exp(s).sum()) + x,
    "shifted": lambda x, s, a: T.exp(s - s.max()) / T.exp(s - s.max()).sum() + x,
    "ratio": lambda x, s, a: T.exp(s) / T.exp(s).sum() + x,
    "forward algorithm": lambda x, s, a: T.logsumexp(s[:, None] + a, axis=0) + x,
    "viterbi": lambda x, s, a: (s[:, None] + a).max(axis=0) + x,
    "attention": lambda x, s, a: T.dot(T.softmax(T.dot(a, s)), a) + x,
    "normalised": lambda x, s, a: T.exp(s + x - T.logsumexp(s + x)),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_with_a_softmax_of_a_vector_state_come_to_an_end(name: str) -> None:
    x, a = T.dmatrices("x", "a")
    zeros = T.zeros_like(x[0])
    h, _ = sg.scan(
        lambda x, s, a: STEPS[name](x, s, a),
        sequences=x, outputs_info=zeros, non_sequences=a,
    )  # fmt: skip
    graph = freeze(
        [x, a], [h, *sg.grad(h[-1].sum(), [x, a], disconnected_inputs="ignore")]
    )
    result = optimize(graph, assume_equal=True)
    leaves = {v.name: v for v in graph.leaves()}
    values = {
        leaves["x"]: np.linspace(-1, 1, 12).reshape(4, 3),
        leaves["a"]: np.linspace(-1, 2, 9).reshape(3, 3),
    }
    wanted = evaluate(graph.outputs, values)
    for one, other in zip(evaluate(result.graph.outputs, values), wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
