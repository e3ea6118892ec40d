"""Rests of vector loops of known extent: every index once, in few registers."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu.vector_tail import pieces


@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
@pytest.mark.parametrize("short", [False, True])
def test_pieces_cover_the_rest_exactly(lanes: int, short: bool) -> None:
    for rest in range(1, 70):
        found = pieces(rest, lanes, short)
        assert sum(used for _, used in found) == rest
        assert all(0 < used <= width for width, used in found)
        assert all(width & (width - 1) == 0 and width >= 2 for width, _ in found)
        registers = sum(max(1, width // lanes) for width, _ in found)
        assert registers <= max(1, (1 << (rest - 1).bit_length()) // lanes)
        if not short:
            assert len(found) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int8"])
@pytest.mark.parametrize("extent", [2, 3, 5, 17, 18, 33, 50, 63])
def test_reductions_over_rests_are_right(dtype: str, extent: int) -> None:
    x = T.TensorType(dtype, (None, extent))("x")
    f = sg.function([x], [x.sum(axis=1), x.max(axis=1), x.min(axis=1), x + 1])
    for low, high in ((-50, 50), (3, 50), (-50, -3)):
        value = np.random.RandomState(3).randint(low, high, (9, extent)).astype(dtype)
        total, largest, least, more = f(value)
        np.testing.assert_allclose(total, value.sum(1, dtype=total.dtype), rtol=1e-5)
        np.testing.assert_array_equal(largest, value.max(1))
        np.testing.assert_array_equal(least, value.min(1))
        np.testing.assert_array_equal(more, value + np.array(1, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("extent", [2, 3, 5, 17, 18, 33, 50, 63])
def test_every_combination_over_rests_begins_at_its_identity(
    dtype: str, extent: int
) -> None:
    x = T.TensorType(dtype, (None, extent))("x")
    positive = x > 0
    outputs = [x.prod(axis=1), positive.all(axis=1), positive.any(axis=1),
               x.max(axis=1), x.argmin(axis=1)]  # fmt: skip
    f = sg.function([x], outputs)
    rows = np.array([[1.0], [2.0], [-1.0], [0.0]]) * np.ones(extent)
    rows = np.concatenate([rows, rows])
    rows[4:, -1] = [-1, 1, 1, 1]
    value = rows.astype(dtype)
    product, every, some, largest, least = f(value)
    np.testing.assert_array_equal(product, value.prod(1))
    np.testing.assert_array_equal(every, (value > 0).all(1))
    np.testing.assert_array_equal(some, (value > 0).any(1))
    np.testing.assert_array_equal(largest, value.max(1))
    np.testing.assert_array_equal(least, value.argmin(1))
