"""Parts of concatenations are written in place; sums of slices become joins."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.lower.steps import Copy, Launch

RANDOM = np.random.default_rng(2)


def launches(f: Any) -> int:
    assert not any(isinstance(step, Copy) for step in f.program.steps)
    return sum(isinstance(step, Launch) for step in f.program.steps)


def same(inputs: list[Any], out: Any, *values: Any) -> Any:
    f = sg.function(inputs, out)
    wanted = sg.function(inputs, out, mode="FAST_COMPILE")(*values)
    np.testing.assert_allclose(f(*values), wanted, rtol=1e-12, atol=1e-12)
    return f


def test_what_one_kernel_computes_is_joined_by_it() -> None:
    x = T.dmatrix("x")
    for axis in (0, 1):
        out = T.concatenate([T.exp(x), T.exp(x) * 2, T.tanh(x)], axis=axis)
        f = same([x], out, RANDOM.normal(size=(5, 7)))
        assert launches(f) == 1


def test_parts_that_others_read_are_joined_by_a_copy() -> None:
    x = T.dmatrix("x")
    part = T.exp(x)
    out = T.concatenate([part, T.tanh(x)], axis=0)
    f = sg.function([x], [out, part, T.dot(part, part.T)])
    values = RANDOM.normal(size=(4, 4))
    found = f(values)
    np.testing.assert_allclose(
        found[0], np.concatenate([np.exp(values), np.tanh(values)])
    )
    np.testing.assert_allclose(found[1], np.exp(values))


def test_the_same_part_twice() -> None:
    x = T.dvector("x")
    part = T.exp(x)
    same([x], T.concatenate([part, part]), RANDOM.normal(size=3))


def test_gradients_of_the_gates_of_one_product_are_written_by_one_kernel() -> None:
    x, z0 = T.dmatrix("x"), sg.shared(RANDOM.normal(size=(3, 32)))
    z = T.dot(x, z0)
    i, f, g, o = (z[:, 8 * k : 8 * k + 8] for k in range(4))
    cost = (T.nnet.sigmoid(i) * T.tanh(g) * T.nnet.sigmoid(o) + T.exp(f)).sum()
    made = same([x], sg.grad(cost, x), RANDOM.normal(size=(20, 3)))
    assert "sum_of_parts_to_join" in {firing.rule for firing in made.rewritten.firings}
    assert launches(made) == 4, made.kernels  # the product, two for gates, the product


def test_slices_with_gaps_are_joined_with_zeros_and_overlapping_ones_are_not() -> None:
    x = T.dmatrix("x", shape=(None, 10))
    apart = (T.exp(x[:, 1:3]) * T.exp(x[:, 5:7])).sum()
    overlapping = (T.exp(x[:, 1:4]) * T.exp(x[:, 3:6])).sum()
    for cost, joined in ((apart, True), (overlapping, False)):
        f = same([x], sg.grad(cost, x), RANDOM.normal(size=(3, 10)))
        names = {firing.rule for firing in f.rewritten.firings}
        assert ("sum_of_parts_to_join" in names) is joined


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_made_again_of_a_part_finds_it_in_memory(axis: int) -> None:
    x, y = T.dmatrix("x"), T.dvector("y")
    whole = T.concatenate([T.tanh(x), x * 2], axis=axis)
    outputs = [whole + y, (whole + y).max(axis=1), sg.grad(T.sqr(whole).sum(), x)]
    f = sg.function([x, y], outputs)
    given, row = np.array([[0.5, -1.0], [2.0, 0.25]]), np.arange(4.0 if axis else 2.0)
    joined = np.concatenate([np.tanh(given), given * 2], axis=axis)
    got = f(given, row)
    np.testing.assert_allclose(got[0], joined + row)
    np.testing.assert_allclose(got[1], (joined + row).max(axis=1))
    slope = 2 * np.tanh(given) * (1 - np.tanh(given) ** 2) + 8 * given
    np.testing.assert_allclose(got[2], slope)
