"""Positions of a mask that is not as long as what is read at them: nonzero, not x[mask]."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

ROWS = np.arange(1.0, 11.0).reshape(5, 2)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_short_mask_chooses_rows_that_are_there(length: int) -> None:
    mask, x = T.dvector("mask"), T.dmatrix("x")
    places = T.nonzero(mask > 0)[0]
    total = T.sqr(x[places]).sum()
    written = T.inc_subtensor(x[places], T.exp(x[places]))
    f = sg.function([mask, x], [total, sg.grad(total, x), written])
    given = np.array([0.5, -1.0, 2.0, 0.0, 1.0])[:length]
    at = np.flatnonzero(given > 0)
    wanted = np.zeros_like(ROWS)
    wanted[at] = 2 * ROWS[at]
    added = ROWS.copy()
    added[at] += np.exp(ROWS[at])
    for have, want in zip(
        f(given, ROWS), [(ROWS[at] ** 2).sum(), wanted, added], strict=True
    ):
        np.testing.assert_allclose(have, want)


def test_a_mask_of_the_same_length_is_still_no_gather() -> None:
    mask, x = T.dvector("mask"), T.dvector("x")
    f = sg.function([mask, x], T.exp(x[mask > 0]).sum())
    assert "sum_of_masked_to_sum_of_choice" in f.explain()
    own = sg.function([x], T.exp(x[T.nonzero(x > 0)[0]]).sum())
    assert "sum_of_masked_to_sum_of_choice" in own.explain()
    np.testing.assert_allclose(own([1.0, -1.0, 2.0]), np.exp([1.0, 2.0]).sum())
