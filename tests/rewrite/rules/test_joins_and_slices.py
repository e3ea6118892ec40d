"""Sums of parts that do not overlap, and slices that do not overlap."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.graph import freeze
from symgraph.rewrite.pipeline import optimize


def names(*outputs: sg.Variable) -> tuple[list[str], list[np.ndarray]]:
    """Names of the ops after rewriting, and the values for x = 0 .. 11."""
    graph = optimize(freeze([], outputs), assume_equal=True).graph
    found = [str(n.op).partition("{")[0] for n in graph.applies()]
    leaf = next(v for v in graph.leaves() if v.name == "x")
    values = {leaf: np.arange(12.0).reshape(2, 6)}
    return sorted(found), evaluate(graph.roots, values)


def test_the_gradient_of_gates_is_joined_from_its_parts() -> None:
    x = T.dmatrix("x", shape=(None, 6))
    cost = (T.exp(x[:, :2]) * T.tanh(x[:, 2:4]) * x[:, 4:]).sum()
    found, (value,) = names(sg.grad(cost, x))
    assert "set_subtensor" not in found
    assert found.count("concatenate") == 1
    a, b, c = np.split(np.arange(12.0).reshape(2, 6), 3, axis=1)
    wanted = [np.exp(a) * np.tanh(b) * c, np.exp(a) * c / np.cosh(b) ** 2,
              np.exp(a) * np.tanh(b)]  # fmt: skip
    np.testing.assert_allclose(value, np.concatenate(wanted, axis=1))


def test_what_no_part_covers_stays_zero() -> None:
    x = T.dmatrix("x", shape=(None, 6))
    found, (value,) = names(sg.grad((x[:, :2] * x[:, 3:5]).sum(), x))
    assert "set_subtensor" not in found
    rows = np.arange(12.0).reshape(2, 6)
    wanted = np.zeros((2, 6))
    wanted[:, :2], wanted[:, 3:5] = rows[:, 3:5], rows[:, :2]
    np.testing.assert_array_equal(value, wanted)


def test_parts_that_overlap_are_added() -> None:
    x = T.dmatrix("x", shape=(None, 6))
    found, (value,) = names(sg.grad((x[:, :3] * x[:, 2:5]).sum(), x))
    assert "add" in found
    rows = np.arange(12.0).reshape(2, 6)
    wanted = np.zeros((2, 6))
    wanted[:, :3] += rows[:, 2:5]
    wanted[:, 2:5] += rows[:, :3]
    np.testing.assert_array_equal(value, wanted)


def test_a_sum_is_read_in_parts_where_they_do_not_overlap() -> None:
    x = T.dmatrix("x", shape=(None, 6))
    total = x + T.exp(x)
    found, _ = names(T.tanh(total[:, :3]), T.cosh(total[:, 3:]))
    assert found.count("add") == 2
    found, _ = names(T.tanh(total[:, :4]), T.cosh(total[:, 3:]))
    assert found.count("add") == 1
