"""The interpreter computes what a GPU would, and refuses what one leaves open."""

import doctest

import numpy as np
import pytest

from symgraph.backends.lockstep import interpreter as lockstep
from symgraph.backends.lockstep.interpreter import launch
from symgraph.errors import LockstepError

FLOATS = ["float32", "float64"]

BROADCAST_MAP = """
import math
from numba import cuda, float32

def add_tanh(out, x, bias, rows, columns, bias_row_stride):
    start = cuda.grid(1)
    for flat in range(start, rows * columns, cuda.gridsize(1)):
        row = flat // columns
        column = flat % columns
        out[flat] = math.tanh(x[flat] + bias[row * bias_row_stride + column])
"""

ROW_SUM = """
def row_sum(out, x, columns):
    row = cuda.blockIdx.x
    total = x[0] - x[0]
    for column in range(cuda.threadIdx.x, columns, cuda.blockDim.x):
        total += x[row * columns + column]
    step = 16
    while step > 0:
        total += cuda.shfl_down_sync(0xFFFFFFFF, total, step)
        step //= 2
    if cuda.threadIdx.x == 0:
        out[row] = total
"""

TREE_SUM = """
def tree_sum(out, x, n):
    partial = cuda.shared.array(64, {dtype})
    thread = cuda.threadIdx.x
    i = cuda.grid(1)
    partial[thread] = x[i] if i < n else {dtype}(0.0)
    {barrier}
    half = 32
    while half > 0:
        if thread < half:
            partial[thread] += partial[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        out[cuda.blockIdx.x] = partial[0]
"""

SOFTMAX = """
def block_max(value, partial):
    step = 16
    while step > 0:
        other = cuda.shfl_xor_sync(0xFFFFFFFF, value, step)
        value = other if other > value else value
        step //= 2
    if cuda.threadIdx.x % 32 == 0:
        partial[cuda.threadIdx.x // 32] = value
    cuda.syncthreads()
    value = partial[0]
    for warp in range(1, cuda.blockDim.x // 32):
        value = partial[warp] if partial[warp] > value else value
    cuda.syncthreads()
    return value

def block_sum(value, partial):
    for level in range(5):
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 1 << level)
    if cuda.threadIdx.x % 32 == 0:
        partial[cuda.threadIdx.x // 32] = value
    cuda.syncthreads()
    value = partial[0]
    for warp in range(1, cuda.blockDim.x // 32):
        value += partial[warp]
    cuda.syncthreads()
    return value

def softmax(out, x, columns):
    partial = cuda.shared.array(shape=(4,), dtype=float64)
    base = cuda.blockIdx.x * columns
    top = float64(-math.inf)
    for column in range(cuda.threadIdx.x, columns, cuda.blockDim.x):
        value = float64(x[base + column])
        top = value if value > top else top
    top = block_max(top, partial)
    total = float64(0.0)
    for column in range(cuda.threadIdx.x, columns, cuda.blockDim.x):
        total += math.exp(x[base + column] - top)
    total = block_sum(total, partial)
    for column in range(cuda.threadIdx.x, columns, cuda.blockDim.x):
        out[base + column] = math.exp(x[base + column] - top) / total
"""


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bias_row_stride", [0, 7])
def test_map_reads_a_broadcast_operand_through_its_strides(dtype, bias_row_stride):
    random = np.random.default_rng(0)
    x = random.normal(size=(5, 7)).astype(dtype)
    bias = random.normal(size=(5 if bias_row_stride else 1, 7)).astype(dtype)
    out = np.full_like(x, np.nan)
    args = (out, x, bias, np.int32(5), np.int32(7), np.int32(bias_row_stride))
    launch(BROADCAST_MAP, "add_tanh", grid=2, block=8, args=args)
    np.testing.assert_allclose(out, np.tanh(x + bias), rtol=1e-6)
    assert out.dtype == dtype


@pytest.mark.parametrize("columns", [1, 31, 32, 33, 100])
def test_row_reduction_by_shuffles_sums_each_row(columns):
    x = np.random.default_rng(1).normal(size=(3, columns))
    out = np.full(3, np.nan)
    launch(ROW_SUM, "row_sum", grid=3, block=32, args=(out, x, columns))
    np.testing.assert_allclose(out, x.sum(1), rtol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 64, 100])
def test_tree_reduction_in_shared_memory_sums_each_block(dtype, n):
    source = TREE_SUM.format(dtype=dtype, barrier="cuda.syncthreads()")
    x = np.random.default_rng(2).normal(size=n).astype(dtype)
    out = np.full(2, np.nan, dtype)
    launch(source, "tree_sum", grid=2, block=64, args=(out, x, n), seed=3)
    expected = [x[:64].sum(), x[64:].sum()]
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_softmax_of_rows_joins_warps_through_device_functions(seed):
    x = np.random.default_rng(4).normal(size=(3, 150)) * 10
    out = np.full_like(x, np.nan)
    launch(SOFTMAX, "softmax", grid=3, block=128, args=(out, x, 150), seed=seed)
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(out, e / e.sum(1, keepdims=True), rtol=1e-12)


def test_missing_barrier_gives_wrong_numbers_under_some_seed():
    raced = TREE_SUM.format(dtype="float64", barrier="pass")
    guarded = TREE_SUM.format(dtype="float64", barrier="cuda.syncthreads()")
    x = np.random.default_rng(5).normal(size=64)

    def totals(source):
        out = np.empty((6, 1))
        for seed in range(6):
            launch(source, "tree_sum", 1, 64, (out[seed], x, 64), seed=seed)
        return out

    np.testing.assert_allclose(totals(guarded), x.sum(), rtol=1e-12)
    assert not np.allclose(totals(raced), x.sum(), rtol=1e-12)


def test_missing_barrier_with_shuffled_threads_reads_poison():
    source = """
def neighbour(out):
    box = cuda.shared.array(32, float32)
    i = cuda.threadIdx.x
    box[i] = float32(i)
    out[i] = box[(i + 1) % 32]
"""
    out = np.zeros(32, "float32")
    launch(source, "neighbour", 1, 32, (out,))
    assert np.isnan(out).any()


@pytest.mark.parametrize(
    "body",
    [
        "if i < 3:\n        cuda.syncthreads()",
        "if i < 3:\n        return\n    cuda.syncthreads()",
        "if i < 3:\n        cuda.syncthreads()\n    else:\n        cuda.syncthreads()",
    ],
    ids=["one-sided", "after-an-exit", "two-places"],
)
def test_barrier_that_some_threads_miss_is_an_error(body):
    source = f"def kernel(x):\n    i = cuda.threadIdx.x\n    {body}\n"
    with pytest.raises(LockstepError, match="divergent barrier"):
        launch(source, "kernel", 1, 8, (np.zeros(8),))


@pytest.mark.parametrize("block", [32, 16])
def test_shuffle_that_named_lanes_miss_is_an_error(block):
    source = """
def kernel(x):
    i = cuda.threadIdx.x
    if i < 16:
        x[i] = cuda.shfl_down_sync(0xFFFFFFFF, x[i], 1)
"""
    with pytest.raises(
        LockstepError, match=r"lanes 0\.\.31 and some .* never take part"
    ):
        launch(source, "kernel", 1, block, (np.zeros(32),))


def test_shuffles_of_half_a_warp_need_only_that_half():
    source = """
def kernel(x):
    i = cuda.threadIdx.x
    if i < 16:
        x[i] = cuda.shfl_xor_sync(0xFFFF, x[i], 1)
    cuda.syncwarp()
"""
    x = np.arange(32.0)
    launch(source, "kernel", 1, 32, (x,))
    np.testing.assert_array_equal(x[:16], np.arange(16) ^ 1)
    np.testing.assert_array_equal(x[16:], np.arange(16, 32))


def test_every_shuffle_moves_values_as_cuda_defines():
    source = """
def kernel(up, down, xor, broadcast, x):
    i = cuda.threadIdx.x
    up[i] = cuda.shfl_up_sync(0xFFFFFFFF, x[i], 2)
    down[i] = cuda.shfl_down_sync(0xFFFFFFFF, x[i], 2)
    xor[i] = cuda.shfl_xor_sync(0xFFFFFFFF, x[i], 3)
    broadcast[i] = cuda.shfl_sync(0xFFFFFFFF, x[i], 5)
"""
    lanes = np.arange(32, dtype="int32")
    out = np.zeros((4, 32), "int32")
    launch(source, "kernel", 1, 32, (*out, lanes * 10))
    up = np.where(lanes < 2, lanes, lanes - 2)
    down = np.where(lanes > 29, lanes, lanes + 2)
    expected = np.stack([up, down, lanes ^ 3, np.full(32, 5)]) * 10
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("index", ["8", "-1", "i + 1", "i - 1"])
@pytest.mark.parametrize("access", ["x[{}] = 0.0", "y = x[{}]"])
def test_index_out_of_range_is_an_error_and_does_not_wrap(index, access):
    source = f"def kernel(x):\n    i = cuda.grid(1)\n    {access.format(index)}\n"
    with pytest.raises(LockstepError, match=r"kernel thread .* line 3: .*out of range"):
        launch(source, "kernel", 2, 4, (np.zeros(8),))


def test_second_axis_of_shared_memory_is_checked_on_its_own():
    source = """
def kernel(x):
    tile = cuda.shared.array((4, 8), float32)
    tile[0, 8] = x[0]
"""
    with pytest.raises(LockstepError, match="extent 8"):
        launch(source, "kernel", 1, 1, (np.zeros(1),))


@pytest.mark.parametrize("index", ["1.0", "x[0]", "float32(1)"])
def test_index_that_is_no_integer_is_an_error(index):
    source = f"def kernel(x):\n    x[{index}] = 0.0\n"
    with pytest.raises(LockstepError, match="not an integer"):
        launch(source, "kernel", 1, 1, (np.zeros(4),))


@pytest.mark.parametrize("space", ["shared", "local"])
def test_memory_of_a_block_or_thread_starts_as_poison(space):
    source = f"""
def kernel(x, n):
    a = cuda.{space}.array(4, float32)
    b = cuda.{space}.array(4, int32)
    x[0] = a[3]
    n[0] = b[3]
"""
    x, n = np.zeros(1, "float32"), np.zeros(1, "int32")
    launch(source, "kernel", 1, 1, (x, n))
    assert np.isnan(x[0])
    assert n[0] == np.asarray(lockstep.POISON).astype("int32")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("n = 4\n    a = cuda.shared.array(n, float32)", "literal"),
        ("a = cuda.shared.array(13000, float32)", "52000 bytes"),
        ("unknown(x[0])", "unknown"),
        ("x[0] = len(x)", "len"),
    ],
)
def test_text_outside_the_dialect_is_refused(statement, message):
    source = f"def kernel(x):\n    {statement}\n"
    with pytest.raises(LockstepError, match=message):
        launch(source, "kernel", 1, 1, (np.zeros(1),))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "other"}, "no kernel 'other'"),
        ({"block": 2048}, "at most 1024"),
        ({"grid": 0}, "grid"),
        ({"args": (np.zeros((4, 4)).T,)}, "not C-contiguous"),
    ],
)
def test_impossible_launches_are_refused(arguments, message):
    usual = {"name": "kernel", "grid": 1, "block": 1, "args": (np.zeros(4),)}
    with pytest.raises(LockstepError, match=message):
        launch("def kernel(x):\n    x[0] = 1.0\n", **usual | arguments)


def test_literals_are_wide_as_in_numba_so_that_untyped_ones_show():
    source = """
def kernel(typed, untyped, x):
    typed[0] = x[0] * float32(0.1)
    untyped[0] = x[0] * 0.1
"""
    x = np.array([3.0], "float32")
    typed, untyped = np.zeros(1), np.zeros(1)
    launch(source, "kernel", 1, 1, (typed, untyped, x))
    assert typed[0] == np.float32(3) * np.float32(0.1)
    assert untyped[0] == np.float64(3) * np.float64(0.1)


def test_narrow_integers_are_computed_in_64_bits_and_wrap_when_cast_or_stored():
    source = """
def kernel(stored, cast, product, a, b):
    product[0] = uint32(a[0]) * uint32(b[0])
    cast[0] = uint32(a[0] * b[0])
    stored[0] = a[0] * b[0]
"""
    a, b = np.array([0xD2511F53], "uint32"), np.array([0xCD9E8D57], "uint32")
    product, cast = np.zeros(1, "uint64"), np.zeros(1, "uint64")
    stored = np.zeros(1, "uint32")
    launch(source, "kernel", 1, 1, (stored, cast, product, a, b))
    exact = 0xD2511F53 * 0xCD9E8D57
    assert int(product[0]) == exact
    assert int(cast[0]) == int(stored[0]) == exact & 0xFFFFFFFF


def test_grids_of_two_axes_number_threads_x_first():
    source = """
def kernel(out, width):
    x, y = cuda.grid(2)
    wide, high = cuda.gridsize(2)
    out[y * width + x] = float64(wide * 100 + high)
"""
    out = np.zeros((6, 8))
    launch(source, "kernel", (2, 3), (4, 2), (out, 8))
    assert (out == 806).all()


def test_atomics_of_many_blocks_all_count():
    source = """
def kernel(total, top, low, x):
    i = cuda.grid(1)
    cuda.atomic.add(total, 0, x[i])
    cuda.atomic.max(top, 0, x[i])
    cuda.atomic.min(low, 0, x[i])
"""
    x = np.random.default_rng(6).integers(-50, 50, 64).astype("int32")
    total, top, low = np.zeros((3, 1), "int32")
    launch(source, "kernel", 4, 16, (total, top, low, x), seed=7)
    assert (total[0], top[0], low[0]) == (x.sum(), x.max(), x.min())


def test_math_keeps_float32_and_poles_give_infinity():
    source = """
def kernel(out, x):
    out[0] = math.exp(x[0]) / float32(3)
    out[1] = math.lgamma(x[1])
    out[2] = math.log(x[1])
    out[3] = x[0] / x[1]
    out[4] = math.erf(x[0])
"""
    out = np.zeros(5)
    launch(source, "kernel", 1, 1, (out, np.array([1, 0], "float32")))
    assert out[0] == np.exp(np.float32(1)) / np.float32(3)
    assert out[4] == np.float32(0.8427007929497149)
    np.testing.assert_array_equal(out[1:4], [np.inf, -np.inf, np.inf])


def test_examples_in_the_docstrings_run():
    assert doctest.testmod(lockstep).failed == 0
