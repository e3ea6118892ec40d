"""Operations and bytes of steps, the clocks, and the roofline they are compared with."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu.roofline import SETS, peak
from symgraph.backends.roofline import Peak
from symgraph.runtime.profile import Profile
from symgraph.runtime.work import work_of

N, K = 6, 10


def works(expression: Any, *inputs: Any, **sizes: int) -> list[tuple[int, int]]:
    """(operations, bytes) of each step for arrays of ones of these shapes."""
    f = sg.function(list(inputs), expression)
    shapes = {1: (K,), 2: (N, K)}
    arrays = [np.ones(shapes[v.ndim], v.dtype) for v in inputs]
    found = f.profile(*arrays, calls=1)
    assert isinstance(found, Profile)
    return [(row.flops, row.bytes) for row in found.rows]


x, y = T.dmatrix("x"), T.dvector("y")

CASES: dict[str, tuple[Any, tuple[Any, ...], int, int]] = {
    # two operations an element; read once, written once
    "chain": (x * 2 + 1, (x,), 2 * N * K, 2 * 8 * N * K),
    # the vector is read once, however many rows there are
    "broadcast": (x + y, (x, y), N * K, 8 * (2 * N * K + K)),
    # a fold for each element, and one number for each row
    "sum": (x.sum(axis=1), (x,), N * K, 8 * (N * K + N)),
    # the same elements twice count once
    "reuse": (x * x + x, (x,), 2 * N * K, 2 * 8 * N * K),
    # choices are no operations
    "choice": (T.switch(T.gt(x, 0), x, -x), (x,), N * K, 2 * 8 * N * K),
}


@pytest.mark.parametrize("name", CASES)
def test_loops_count_operations_and_the_bytes_they_cannot_avoid(name: str) -> None:
    expression, inputs, flops, size = CASES[name]
    assert works(expression, *inputs) == [(flops, size)]


def test_a_batched_product_counts_every_matrix() -> None:
    a, b = T.ftensor3("a"), T.ftensor3("b")
    f = sg.function([a, b], T.batched_dot(a, b))
    found = f.profile(np.ones((3, 4, 5), "f4"), np.ones((3, 5, 6), "f4"), calls=1)
    assert isinstance(found, Profile)
    (row,) = found.rows
    assert row.flops == 2 * 3 * 4 * 5 * 6
    assert row.bytes == 4 * 3 * (4 * 5 + 5 * 6 + 4 * 6)


def test_a_convolution_counts_each_product_of_its_window() -> None:
    image, filters = T.ftensor4("image"), T.ftensor4("filters")
    f = sg.function([image, filters], T.nnet.conv2d(image, filters))
    found = f.profile(np.ones((2, 3, 8, 9), "f4"), np.ones((5, 3, 3, 2), "f4"), calls=1)
    assert isinstance(found, Profile)
    row = next(row for row in found.rows if row.kind.startswith("convolution"))
    assert row.flops == 2 * 2 * 5 * 6 * 8 * (3 * 3 * 2)


def test_work_follows_the_sizes_of_a_call() -> None:
    program = sg.function([x], T.exp(x)).program
    (step,) = program.steps
    sizes = {}
    for rows in (1, 7):
        slots = [0 if isinstance(s, tuple) else rows * K for s in program.slots]
        sizes[rows] = work_of(program, step, slots).flops
    assert sizes == {1: K, 7: 7 * K}


def test_the_clock_of_a_longer_step_shows_more() -> None:
    f = sg.function([x], [T.exp(T.dot(x, x.T)), x.sum()])
    found = f.profile(np.ones((300, 200)), calls=3)
    assert isinstance(found, Profile)
    product = next(row for row in found.rows if row.kind == "dot")
    total = next(row for row in found.rows if row.kind == "reduction")
    assert product.seconds > total.seconds


def test_the_roofline_is_the_slower_of_computing_and_moving() -> None:
    made = Peak("float32", 1, 1e10, ((1000, 1e10), (10**6, 1e9)))
    assert made.bandwidth(1000) == 1e10
    assert made.bandwidth(1001) == 1e9
    assert made.bandwidth(10**9) == 1e9
    assert made.seconds(1e10, 10) == 1.0
    assert made.seconds(1, 10**9) == 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_this_machines_roofline_is_plausible(dtype: str) -> None:
    found = peak(dtype, 1)
    assert found is peak(dtype, 1)  # measured once
    assert 1e8 < found.flops < 1e13
    assert [size for size, _ in found.bandwidths] == list(SETS)
    assert all(1e8 < rate < 1e13 for _, rate in found.bandwidths)
    # main memory is slower than the first cache
    assert found.bandwidths[-1][1] < found.bandwidths[0][1]
    assert dtype in str(found)
