"""The bundled digits and their stratified parts."""

from importlib import resources

import numpy as np
import pytest

from symgraph.data.digits import load_digits, split
from symgraph.errors import DataError


def test_digits_have_the_published_size_range_and_class_counts():
    x, y = load_digits()
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((1797, 64), "f4", (1797,), "i4")
    assert (x.min(), x.max()) == (0.0, 1.0)
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # of optdigits.tes
    assert np.bincount(y).tolist() == counts


def test_digits_are_those_of_the_original_table():
    x, y = load_digits()
    first = "0 0 5 13 9 1 0 0 0 0 13 15 10 15 5 0 0 3 15 2 0 11 8 0 0 4 12 0 0 8 8 0"
    assert (x[0, :32] * 16).tolist() == [float(value) for value in first.split()]
    assert y[:10].tolist() == list(range(10))
    assert int((x.astype(np.float64) * 16).sum()) == 561718


def test_digits_come_with_licence_and_source():
    text = resources.files("symgraph.data").joinpath("digits-LICENSE.txt").read_text()
    for needed in ("CC BY 4.0", "Alpaydin", "Kaynak", "archive.ics.uci.edu"):
        assert needed in text


def test_each_load_gives_arrays_of_its_own():
    load_digits().x[:] = 7
    assert load_digits().x.max() == 1


def test_split_parts_are_disjoint_and_cover_all_rows():
    rows = np.arange(1797)
    parts = split(rows, load_digits().y, seed=3)
    seen = np.concatenate([parts.train[0], parts.validation[0], parts.test[0]])
    assert sorted(seen.tolist()) == rows.tolist()


def test_split_keeps_the_mix_of_classes_to_within_one_row():
    y = load_digits().y
    parts = split(y, y, train=0.6, validation=0.15, test=0.25, seed=1)
    for fraction, (_, labels) in zip(
        (0.6, 0.15, 0.25), (parts.train, parts.validation, parts.test), strict=True
    ):
        expected = np.bincount(y) * fraction
        assert np.abs(np.bincount(labels) - expected).max() <= 1


def test_split_rows_and_labels_stay_together():
    x, y = load_digits()
    parts = split(x, y, seed=5)
    by_image = {image.tobytes(): label for image, label in zip(x, y, strict=True)}
    images, labels = parts.test
    assert [by_image[image.tobytes()] for image in images] == labels.tolist()


def test_split_depends_on_the_seed_only():
    x, y = load_digits()
    first, again, other = split(x, y, seed=1), split(x, y, seed=1), split(x, y, seed=2)
    assert np.array_equal(first.train[0], again.train[0])
    assert not np.array_equal(first.train[1], other.train[1])


def test_split_without_validation_gives_an_empty_part():
    parts = split(*load_digits(), train=0.8, validation=0, test=0.2)
    assert len(parts.validation[1]) == 0
    assert len(parts.train[1]) + len(parts.test[1]) == 1797


@pytest.mark.parametrize(
    ("fractions", "text"),
    [
        ((0.9, 0.1, 0.2), "sum to 1"),
        ((0.0, 0.5, 0.5), "positive"),
        ((0.5, -0.1, 0.5), "validation=-0.1"),
        ((0.5, 0.0, float("nan")), "test=nan"),
    ],
)
def test_split_refuses_fractions_out_of_range(fractions, text):
    with pytest.raises(DataError, match=text):
        split(*load_digits(), *fractions)


def test_split_names_the_shapes_that_do_not_go_together():
    with pytest.raises(DataError, match=r"x \(3, 2\) and y \(4,\)"):
        split(np.zeros((3, 2)), np.zeros(4, int))


def test_split_of_too_few_rows_is_refused():
    with pytest.raises(DataError, match="2 rows are too few"):
        split(np.zeros((2, 1)), np.array([0, 1]))
