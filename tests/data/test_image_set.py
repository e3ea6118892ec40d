"""ImageSet and the division of labelled rows."""

import numpy as np
import pytest

from symgraph.data import ImageSet, held_out
from symgraph.errors import DataError


def test_image_shape_is_that_of_the_training_images():
    x, y = np.zeros((4, 3, 5, 6), np.uint8), np.zeros(4, np.int32)
    assert ImageSet(x, y, x, y, ("a", "b")).image_shape == (3, 5, 6)


def test_parts_are_disjoint_complete_and_have_the_same_mix():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    kept, held = held_out(labels, 0.2, seed=3)
    assert sorted([*kept, *held]) == list(range(160))
    assert np.bincount(labels[held]).tolist() == [20, 10, 2]
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()


def test_the_seed_decides_which_rows():
    labels = np.zeros(100, int)
    first, second, again = (held_out(labels, 0.5, seed)[1] for seed in (1, 2, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_small_classes_give_one_row_and_keep_one():
    labels = np.array([0, 0, 1, 2, 2, 2])
    kept, held = held_out(labels, 0.1)
    assert np.bincount(labels[held], minlength=3).tolist() == [1, 0, 1]
    assert set(labels[kept]) == {0, 1, 2}


def test_nothing_held_out():
    kept, held = held_out(np.arange(5), 0)
    assert kept.tolist() == [0, 1, 2, 3, 4]
    assert len(held) == 0


@pytest.mark.parametrize("fraction", [-0.1, 1, float("nan")])
def test_fractions_out_of_range(fraction):
    with pytest.raises(DataError, match="must be from 0 to below 1"):
        held_out(np.zeros(4, int), fraction)
