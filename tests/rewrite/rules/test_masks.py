"""Sums over what masks select: nothing is gathered, and only where that is right."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import freeze
from symgraph.core.node import Variable
from symgraph.errors import ShapeError
from symgraph.rewrite.pipeline import optimize

X, Y = T.dvectors("x", "y")
M, N = T.TensorType("bool", (None,))("m"), T.TensorType("bool", (None,))("n")
RANDOM = np.random.default_rng(2)
GIVEN: list[Any] = [RANDOM.normal(size=9), RANDOM.normal(size=9),
                    RANDOM.uniform(size=9) < 0.5, RANDOM.uniform(size=9) < 0.5]  # fmt: skip


def ops_of(*outputs: Variable) -> set[str]:
    """Names of the ops that are left; compiled values are those of the reference."""
    inputs = [X, Y, M, N]
    f = sg.function(inputs, list(outputs), on_unused_input="ignore")
    slow = sg.function(inputs, list(outputs), "FAST_COMPILE", on_unused_input="ignore")
    for have, want in zip(f(*GIVEN), slow(*GIVEN), strict=True):
        np.testing.assert_allclose(have, want, 1e-12, 1e-12)
    rewritten = optimize(freeze(inputs, list(outputs)), assume_equal=True).graph
    return {node.op.name for node in rewritten.applies()}


def test_a_masked_loss_and_its_gradient_gather_nothing() -> None:
    loss = T.mean((T.tanh(X[M]) - Y[M]) ** 2)
    left = ops_of(loss, *sg.grad(loss, [X, Y]))
    assert not left & {"mask_positions", "take", "scatter_add"}


def test_a_masked_axis_of_a_matrix_is_summed_without_positions() -> None:
    table = T.outer(X, Y)
    assert "mask_positions" not in ops_of(T.exp(table[:, M]).sum(axis=1))
    assert "mask_positions" not in ops_of((table[M] * 2).sum())


def test_two_masks_are_not_taken_for_one() -> None:
    some = int(min(GIVEN[2].sum(), GIVEN[3].sum()))
    out = T.sum(X[M][:some] * X[N][:some])
    assert "mask_positions" in ops_of(out)


def test_what_was_not_read_at_the_mask_is_gathered() -> None:
    extra = T.arange(X[M].shape[0]) * 0.5
    assert "mask_positions" in ops_of(T.sum(X[M] * extra))
    assert "mask_positions" in ops_of(T.sum(T.sort(X[M])))
    assert "mask_positions" in ops_of(T.max(X[M]))


def test_masks_of_another_length_are_refused_still() -> None:
    f = sg.function([X, Y, M], T.sum(X[M] * Y[M]))
    with pytest.raises(ShapeError, match="mask"):
        f(np.ones(3), np.ones(3), [True, False])
    with pytest.raises(ShapeError, match="mask"):
        f(np.ones(3), np.ones(1), [True, False, True])
