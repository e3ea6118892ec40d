"""Grids: mgrid and ogrid beside NumPy's."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.errors import ArgumentError


def test_grids_of_slices_are_numpys() -> None:
    index = np.s_[0:3, 2:10:3, 0:1:4j]
    for ours, theirs in ((T.mgrid, np.mgrid), (T.ogrid, np.ogrid)):
        found = evaluate(ours[index])
        assert len(found) == 3
        for mine, wanted in zip(found, theirs[index], strict=True):
            np.testing.assert_allclose(mine, wanted, 1e-15)
            assert mine.shape == wanted.shape


def test_one_slice_gives_a_vector_and_ends_may_be_symbolic() -> None:
    n = T.lscalar("n")
    assert evaluate([T.mgrid[1:n]], {n: np.int64(4)})[0].tolist() == [1, 2, 3]
    rows, _ = T.ogrid[:n, 0:2]
    assert evaluate([rows], {n: np.int64(2)})[0].tolist() == [[0], [1]]


def test_anything_but_slices_is_refused() -> None:
    for index in (3, (slice(3), 1), slice(1, None)):
        with pytest.raises(ArgumentError, match="grid"):
            T.mgrid[index]
