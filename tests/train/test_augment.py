"""Random shifts of images."""

import numpy as np
import pytest

from symgraph.errors import ArgumentError
from symgraph.train.augment import random_flip, random_shift


class _Fixed:
    """Stands for a generator: gives chosen shifts instead of random ones."""

    def __init__(self, down, right):
        self.shifts = np.array([down, right]).reshape(2, -1, 1, 1)

    def uniform(self, low, high, shape):
        assert shape == self.shifts.shape
        return self.shifts


IMAGE = np.arange(1, 10, dtype="float32").reshape(1, 3, 3)


def test_shift_by_one_pixel_down_moves_rows_and_fills_with_zero():
    moved = random_shift(IMAGE, _Fixed([1.0], [0.0]), pixels=1)
    assert moved[0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]


def test_shift_by_one_pixel_left_moves_columns():
    moved = random_shift(IMAGE, _Fixed([0.0], [-1.0]), pixels=1)
    assert moved[0].tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]


def test_shift_by_half_a_pixel_is_the_mean_of_neighbours():
    moved = random_shift(IMAGE, _Fixed([0.0], [0.5]))
    assert moved[0, 0].tolist() == [0.5, 1.5, 2.5]


def test_shift_keeps_dtype_and_ink_of_a_centred_blot():
    image = np.zeros((5, 8, 8), "float32")
    image[:, 3:5, 3:5] = 1
    moved = random_shift(image, np.random.default_rng(0), 0.5)
    assert moved.dtype == np.float32
    assert np.allclose(moved.sum(axis=(1, 2)), 4, atol=1e-5)
    assert not np.allclose(moved[0], moved[1])


def test_shift_of_zero_pixels_changes_nothing():
    assert np.array_equal(random_shift(IMAGE, np.random.default_rng(0), 0.0), IMAGE)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 3, 5, 4)])
def test_shift_takes_bytes_and_floats_alike(dtype, shape):
    images = np.random.default_rng(1).integers(0, 256, shape).astype(dtype)
    moved = random_shift(images, np.random.default_rng(0), 1.0)
    exact = random_shift(images.astype("float64"), np.random.default_rng(0), 1.0)
    assert moved.dtype == images.dtype
    assert not np.array_equal(moved, images)
    np.testing.assert_allclose(
        moved.astype("float64"), exact, atol=0.51 if dtype == "uint8" else 0.2
    )


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "complex64"])
def test_shift_refuses_other_dtypes(dtype):
    with pytest.raises(ArgumentError, match=f"{dtype}, expected floats or bytes"):
        random_shift(np.ones((2, 3, 3), dtype), np.random.default_rng(0))


@pytest.mark.parametrize(("images", "pixels"), [(IMAGE[0], 0.5), (IMAGE, 1.5)])
def test_shift_refuses_wrong_rank_and_range(images, pixels):
    with pytest.raises(ArgumentError, match="random_shift"):
        random_shift(images, np.random.default_rng(0), pixels)


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_others():
    images = np.arange(400 * 2 * 3 * 4, dtype="uint8").reshape(400, 2, 3, 4)
    before = images.copy()
    out = random_flip(images, np.random.default_rng(0))
    assert np.array_equal(images, before)
    kept = (out == images).all((1, 2, 3))
    turned = (out == images[..., ::-1]).all((1, 2, 3))
    assert (kept ^ turned).all()
    assert 160 < turned.sum() < 240
    assert out.dtype == np.uint8


def test_flip_refuses_what_are_no_images():
    with pytest.raises(ArgumentError, match="are no images"):
        random_flip(np.zeros(3), np.random.default_rng(0))
