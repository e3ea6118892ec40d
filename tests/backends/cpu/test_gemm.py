"""Matrix products on the tiles against float64 sums: sizes, strides, epilogues."""

from typing import Any

import numpy as np
import pytest
import tile_calls

TOLERANCE = {"float32": 2e-5, "float64": 1e-13}


def matrix(random: np.random.Generator, rows: int, columns: int, dtype: str) -> Any:
    """A matrix of one of four memory orders."""
    way = random.integers(4)
    if way == 0:
        return random.standard_normal((columns, rows)).astype(dtype).T
    if way == 1:
        return random.standard_normal((2 * rows, 3 * columns)).astype(dtype)[::2, ::3]
    if way == 2:
        return random.standard_normal((rows, columns + 3)).astype(dtype)[:, 1:-2]
    return random.standard_normal((rows, columns)).astype(dtype)


@pytest.mark.parametrize("level", tile_calls.LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(4))
def test_products_of_random_sizes_strides_and_epilogues(
    level: str, dtype: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    for case in range(30):
        rows, columns, depth = random.integers(1, 71, 3)
        if case == 0:
            depth = random.integers(801, 1700)  # more than one block of the sum
        if case == 1:
            rows, columns = random.integers(250, 400, 2)
        a = matrix(random, rows, depth, dtype)
        b = matrix(random, depth, columns, dtype)
        around = random.standard_normal((rows + 2, columns + 5)).astype(dtype)
        c = around[1:-1, 2:-3]
        alpha = None if random.random() < 0.5 else random.standard_normal()
        beta = [None, 0.0, 1.0, random.standard_normal()][random.integers(4)]
        bias = random.standard_normal(columns).astype(dtype)
        activation = int(random.integers(3))
        scale = 1.0 if alpha is None else float(np.array(alpha, dtype))
        want = scale * (a.astype(np.float64) @ b.astype(np.float64))
        if beta:
            want += float(np.array(beta, dtype)) * c
        else:
            c[:] = np.nan  # must not be read
        before = around.copy()
        if random.random() < 0.5:
            want += bias
        else:
            bias = None
        if activation:
            slope = 0.0 if activation == 1 else float(np.array(0.1, dtype))
            want = np.where(want > 0, want, slope * want)
        product = tile_calls.gemm(
            a, b, c, level, alpha=alpha, beta=beta, bias=bias, activation=activation,
            slope=0.1,
        )  # fmt: skip
        product.run(random)
        scale = max(1.0, np.abs(want).max())
        np.testing.assert_allclose(c / scale, want / scale, 0, TOLERANCE[dtype])
        c[:] = before[1:-1, 2:-3]
        np.testing.assert_array_equal(around, before)  # nothing beside c is written


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_batch_of_products_and_broadcast_factors(dtype: str) -> None:
    random = np.random.default_rng(0)
    a = random.standard_normal((5, 20, 7)).astype(dtype)
    b = np.broadcast_to(random.standard_normal((7, 33)).astype(dtype), (5, 7, 33))
    c = np.empty((5, 20, 33), dtype)
    tile_calls.gemm(a, b, c).run(random)
    np.testing.assert_allclose(c, a @ b, TOLERANCE[dtype], TOLERANCE[dtype])


@pytest.mark.parametrize("beta", [None, 2.0])
def test_an_empty_sum_gives_the_bias(beta: float | None) -> None:
    a, b = np.empty((3, 0), np.float32), np.empty((0, 40), np.float32)
    c = np.full((3, 40), 1.0 if beta else np.nan, np.float32)
    bias = np.arange(40, dtype=np.float32)
    tile_calls.gemm(a, b, c, bias=bias, beta=beta).run()
    np.testing.assert_array_equal(c, np.broadcast_to(bias + (beta or 0), c.shape))


def test_relu_keeps_nan() -> None:
    a = np.array([[np.nan], [-1.0], [2.0]], np.float32)
    b = np.ones((1, 33), np.float32)
    c = np.empty((3, 33), np.float32)
    tile_calls.gemm(a, b, c, activation=1).run()
    assert np.isnan(c[0]).all()
    np.testing.assert_array_equal(c[1:], np.repeat([[0.0], [2.0]], 33, 1))


def test_results_do_not_depend_on_which_units_run_together() -> None:
    random = np.random.default_rng(3)
    a = random.standard_normal((300, 900)).astype(np.float32)
    b = random.standard_normal((900, 520)).astype(np.float32)
    whole, pieces = (np.empty((300, 520), np.float32) for _ in range(2))
    product = tile_calls.gemm(a, b, whole)
    assert product.units()[0] >= 8
    product.run()
    tile_calls.gemm(a, b, pieces).run(random)
    np.testing.assert_array_equal(whole, pieces)


def test_small_products_are_one_unit_and_large_ones_many() -> None:
    def units(rows: int, depth: int, columns: int) -> int:
        a, b = np.empty((rows, depth), "f4"), np.empty((depth, columns), "f4")
        return tile_calls.gemm(a, b, np.empty((rows, columns), "f4")).units()[0]

    assert units(16, 16, 16) == 1
    assert units(128, 784, 512) >= 16
    assert units(4096, 512, 10) >= 16
    assert units(8, 512, 4096) >= 8


@pytest.mark.parametrize("level", tile_calls.LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("blocks", [2, 18, 19, 34, 35, 36, 275])
def test_every_block_of_a_long_sum_is_added_once(
    level: str, dtype: str, blocks: int
) -> None:
    """Small integers: their sums are exact. 274 inner blocks fill three levels."""
    random = np.random.default_rng(blocks)
    rows, columns = (int(n) for n in random.integers(1, 9 if blocks > 40 else 40, 2))
    depth = 800 * blocks - 7
    a = random.integers(-1, 2, (rows, depth)).astype(dtype)
    b = random.integers(-1, 2, (columns, depth)).astype(dtype).T
    around = random.integers(-3, 4, (rows + 2, columns + 5)).astype(dtype)
    before, c = around.copy(), around[1:-1, 2:-3]
    bias = random.integers(-3, 4, columns).astype(dtype)
    want = 2 * (a @ b) - 3 * c + bias
    tile_calls.gemm(
        a, b, c, level, alpha=2.0, beta=-3.0, bias=bias, activation=1
    ).run(random)  # fmt: skip
    np.testing.assert_array_equal(c, np.maximum(want, 0))
    c[:] = before[1:-1, 2:-3]
    np.testing.assert_array_equal(around, before)  # nothing beside c is written
    c[:] = np.nan
    tile_calls.gemm(a, b, c, level).run(random)
    np.testing.assert_array_equal(c, a @ b)


def test_equal_terms_of_a_long_sum_keep_the_bound() -> None:
    a = np.full((2, 2_000_000), 0.1, np.float32)
    c = np.empty((2, 2), np.float32)
    tile_calls.gemm(a, a.T, c).run()
    want = 2_000_000 * float(np.float32(0.1)) ** 2
    assert np.abs(c / want - 1).max() < (800 + 16 * 3) * 2.0**-24
