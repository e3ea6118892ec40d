"""Graphs are made ready for loops: folds over one element are none."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T


@pytest.mark.parametrize("combine", ["sum", "max", "prod"])
@pytest.mark.parametrize("part", [np.s_[::-2], np.s_[:1], np.s_[1:]])
def test_a_fold_of_one_term_is_not_made_in_a_loop_of_another(
    combine: str, part: slice
) -> None:
    """That the extent is 1 follows from the other operand of the product alone."""
    x, t = T.dvector("x"), T.vector("t", "float64", shape=(1,))
    w = sg.shared(np.array([1.0, 2.0]))
    wide = T.broadcast_to(T.exp(t), (x.shape[0],))
    total = T.dot(x, w)
    f = sg.function([x, t], [total, getattr(wide[part], combine)() * (x * total)])
    _, found = f([1.0, 2.0], [0.3])
    np.testing.assert_allclose(found, np.exp(0.3) * 5 * np.array([1.0, 2.0]))


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1, 2), (1, 2)])
def test_axes_that_turn_out_to_have_one_element_are_folded(
    axes: tuple[int, ...],
) -> None:
    x, y = T.dtensor3("x"), T.tensor("float64", (1, 3, 1))
    f = sg.function([x, y], [x.sum(axis=axes), (x - y).max(axis=axes) + 1])
    a, b = np.arange(3.0).reshape(1, 3, 1), np.ones((1, 3, 1))
    total, most = f(a, b)
    np.testing.assert_array_equal(total, a.sum(axis=axes))
    np.testing.assert_array_equal(most, (a - b).max(axis=axes) + 1)
