"""Digits of any picture made like the bundled ones."""

import numpy as np
import pytest

from symgraph.data.digits import load_digits
from symgraph.data.ink import INK, normalized

SHAPE = (8, 8)
DIGITS = load_digits().x.reshape(-1, 8, 8)


def page(digit: np.ndarray, rows: int, columns: int, at: tuple[int, int]) -> np.ndarray:
    """A picture with a digit of four times the size somewhere in it."""
    made = np.zeros((rows, columns), np.float32)
    large = np.kron(digit, np.ones((4, 4), np.float32))
    made[at[0] : at[0] + 32, at[1] : at[1] + 32] = large
    return made


@pytest.mark.parametrize("at", [(0, 0), (40, 5), (3, 60), (30, 30)])
def test_the_place_of_the_digit_does_not_matter(at: tuple[int, int]) -> None:
    centred = normalized(page(DIGITS[3], 100, 100, (34, 34)), SHAPE)
    np.testing.assert_array_equal(
        normalized(page(DIGITS[3], 100, 100, at), SHAPE), centred
    )


@pytest.mark.parametrize("factor", [0.2, 0.5, 1.0])
def test_the_darkness_of_the_ink_does_not_matter(factor: float) -> None:
    image = page(DIGITS[5], 50, 60, (5, 5))
    faint = normalized(image * np.float32(factor), SHAPE)
    np.testing.assert_allclose(faint, normalized(image, SHAPE), atol=0.1)


def test_digits_have_full_height_and_the_usual_weight() -> None:
    for digit in DIGITS[:20]:
        made = normalized(page(digit, 64, 64, (8, 8)), SHAPE)
        assert made.shape == SHAPE
        assert made.dtype == np.float32
        assert made[0].any()
        assert made[-1].any()
        assert abs(made.mean() - INK) < 0.06


def test_what_leans_is_set_upright() -> None:
    stroke = np.zeros((40, 60), np.float32)
    for row in range(40):
        stroke[row, 10 + row // 2 : 14 + row // 2] = 1
    columns = normalized(stroke, SHAPE).sum(0)
    assert columns[[0, 7]].sum() == 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3), (0, 5)])
def test_pictures_of_all_shapes(shape: tuple[int, int]) -> None:
    assert not normalized(np.zeros(shape, np.float32), SHAPE).any()
    if 0 not in shape:
        assert np.isfinite(normalized(np.ones(shape, np.float32), SHAPE)).all()
