"""CUDA text written from Kernel IR computes what NumPy computes, in lockstep."""

import doctest
import os
from pathlib import Path

import numpy as np
import pytest
import writer_kernels as kernels
from primitive_cases import DTYPES, FAMILIES, PHILOX, case
from scipy import special

from symgraph.backends.cuda import writer
from symgraph.backends.cuda.sharing import is_independent
from symgraph.backends.cuda.writer import BLOCK, write
from symgraph.backends.lockstep.interpreter import launch
from symgraph.errors import NotSupportedError
from symgraph.lower.independence import with_independence
from symgraph.lower.ir import (
    Access,
    Buffer,
    Const,
    Fail,
    Fold,
    Init,
    Kernel,
    Load,
    Local,
    Loop,
    Store,
)
from symgraph.lower.sizes import SizePolynomial

GOLDEN = Path(__file__).parents[2] / "golden"
FLOATS = ["float32", "float64"]


def proven(kernel):
    """The kernel with its independent loops marked; its sizes are any sizes."""
    sizes = {name: SizePolynomial((((k,), 1),)) for k, name in enumerate(kernel.sizes)}
    return with_independence(kernel, sizes)


def run(kernel, *arguments, seed=0, blocks=None):
    """Run a kernel in lockstep with its own launch plan; return its text."""
    plan = write(proven(kernel))
    values = dict(zip(plan.parameters, arguments, strict=True))
    grid = blocks or plan.grid(values)
    launch(plan.source, plan.name, grid, plan.block, arguments, seed)
    return plan


# --- every primitive ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "reference", "dtype"),
    FAMILIES,
    ids=lambda x: getattr(x, "__name__", x),
)
def test_primitive_gives_the_numbers_of_numpy(function, reference, dtype):
    arrays, y, tolerance = case(function, reference, dtype)
    out = np.full_like(y, 77)
    kernel = kernels.primitive(function, (dtype,) * len(arrays), str(y.dtype))
    run(kernel, *arrays, out, len(out))
    np.testing.assert_allclose(out, y, rtol=tolerance, atol=tolerance / 10)


@pytest.mark.parametrize("source_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_cast_converts_as_numpy_does(source_dtype, dtype):
    x = np.array([0, 1, 2, 3.7, 100, 127], source_dtype)
    out = np.zeros(len(x), dtype)
    run(kernels.primitive("cast", (source_dtype,), dtype), x, out, len(x))
    np.testing.assert_array_equal(out, x.astype(dtype))


@pytest.mark.parametrize(("key", "step", "index", "answer"), PHILOX)
def test_philox_gives_the_published_answers(key, step, index, answer):
    out = np.zeros(1, "uint64")
    kernel = kernels.primitive("philox", ("uint64", "uint64", "int64"), "uint64")
    words = [np.array([word], "uint64") for word in (key, step, index)]
    plan = run(kernel, *words[:2], words[2].view("int64"), out, 1)
    assert int(out[0]) == answer
    assert plan.helpers == ("philox",)


@pytest.mark.parametrize("function", ["sigmoid", "softplus", "erf", "rint", "exp2"])
def test_float32_is_never_computed_as_float64(function):
    text = write(kernels.primitive(function, ("float32",), "float32")).source
    kernel = text[text.index("def k_") :]
    launch(
        kernel.replace("y[i] = ", "value = "), f"k_{function}", 1, 32,
        (np.ones(8, "float32"), np.ones(8, "float32"), 8),
    )  # fmt: skip
    assert "float64" not in kernel
    wide = np.zeros(8)
    launch(kernel, f"k_{function}", 1, 32, (np.full(8, 0.3, "float32"), wide, 8))
    np.testing.assert_array_equal(wide, wide.astype("float32"))


def test_complex_numbers_are_refused_by_name():
    with pytest.raises(NotSupportedError, match=r"k_exp: exp of complex64"):
        write(kernels.primitive("exp", ("complex64",), "complex64"))


# --- maps ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (9, 43)])
@pytest.mark.parametrize("step", [0, 1])
def test_map_covers_every_element_with_any_number_of_blocks(dtype, shape, step):
    random = np.random.default_rng(0)
    x, b = random.normal(size=shape), random.normal(size=shape[1])
    x, b = x.astype(dtype), b.astype(dtype)
    expected = special.expit(2 * x + (b if step else b[0]))
    for blocks in (None, 1, 7):
        y = np.full_like(x, np.nan)
        kernel = kernels.bias_sigmoid(dtype)
        plan = run(kernel, x, b, y, *shape, step, blocks=blocks)
        np.testing.assert_allclose(y, expected, rtol=2e-6)
    assert (plan.way, plan.items) == ("map", ("rows", "columns"))
    assert plan.grid({"rows": 9, "columns": 43}) == -(-9 * 43 // BLOCK)


def test_map_over_no_element_still_launches_one_block():
    plan = write(kernels.bias_sigmoid("float32"))
    assert plan.grid({"rows": 0, "columns": 5}) == 1


# --- rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 33), (2, 128), (2, 300)])
def test_row_sums_join_all_warps(dtype, shape):
    x = np.random.default_rng(1).normal(size=shape).astype(dtype)
    for seed, blocks in ((0, None), (1, 1)):
        y = np.full(shape[0], np.nan, dtype)
        kernel = kernels.row_reduction("add", dtype)
        plan = run(kernel, x, y, *shape, seed=seed, blocks=blocks)
        np.testing.assert_allclose(y, 3 * x.sum(1), rtol=1e-4, atol=1e-5)
    assert (plan.way, plan.items) == ("rows", ("rows",))


@pytest.mark.parametrize(
    ("combine", "dtype", "reference"),
    [
        ("mul", "float64", np.prod), ("maximum", "float32", np.max),
        ("minimum", "int32", np.min), ("maximum", "uint8", np.max),
        ("add", "uint64", np.sum), ("add", "int64", np.sum), ("and", "bool", np.all),
        ("or", "bool", np.any), ("or", "uint32", np.bitwise_or.reduce),
    ],
)  # fmt: skip
@pytest.mark.parametrize("columns", [3, 140])
def test_row_reductions_of_every_kind(combine, dtype, reference, columns):
    low, high = (0, 2) if dtype == "bool" else (1, 3) if combine == "mul" else (0, 40)
    x = np.random.default_rng(2).integers(low, high, size=(3, columns)).astype(dtype)
    x[0] = x[0, 0]
    y = np.zeros(3, dtype)
    run(kernels.row_reduction(combine, dtype), x, y, 3, columns)
    factor = np.array(1 if dtype == "bool" else 3, dtype)
    np.testing.assert_allclose(y, reference(x, axis=1) * factor)


def test_maximum_of_a_row_with_nan_is_nan():
    x, y = np.zeros((1, 200)), np.zeros(1)
    x[0, 150] = np.nan
    run(kernels.row_reduction("maximum", "float64"), x, y, 1, 200)
    assert np.isnan(y[0])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("columns", [1, 10, 129, 260])
def test_softmax_of_rows(dtype, columns):
    x = np.random.default_rng(3).normal(size=(3, columns)).astype(dtype) * 40
    for seed in (0, 1):
        y = np.full_like(x, np.nan)
        run(kernels.softmax(dtype), x, y, 3, columns, seed=seed)
        np.testing.assert_allclose(y, special.softmax(x, 1), rtol=2e-5, atol=1e-30)


# --- one block ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (20, 17)])
def test_full_reduction_runs_in_one_block(dtype, shape):
    x = np.random.default_rng(4).normal(size=shape).astype(dtype)
    y = np.full(1, np.nan, dtype)
    plan = run(kernels.mean(dtype), x, np.array([x.size], dtype), y, *shape)
    np.testing.assert_allclose(y[0], x.mean(), rtol=1e-5, atol=1e-6)
    assert (plan.way, plan.grid({})) == ("block", 1)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_follow_one_another_wait_for_each_other(seed):
    x = np.random.default_rng(5).normal(size=(5, 140))
    y = np.full(140, np.nan)
    run(kernels.column_sum("float64"), x, y, 5, 140, seed=seed)
    np.testing.assert_allclose(y, x.sum(0), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_scatter_add_with_repeated_indices(seed):
    index, x, y = np.array([2, 0, 2, 2]), np.arange(20.0), np.zeros((3, 5))
    plan = run(kernels.scatter_add("float64"), index, x, y, 4, seed=seed)
    expected = np.zeros((3, 5))
    np.add.at(expected, index, x.reshape(4, 5))
    np.testing.assert_array_equal(y, expected)
    assert plan.way == "block"


@pytest.mark.parametrize(
    ("sizes", "way"), [((3, 4), "map"), ((3, 3), "block"), (("m", "n"), "block")]
)
def test_running_sum_shares_its_rows_where_they_are_known_to_be_apart(sizes, way):
    x = np.random.default_rng(6).normal(size=(150, 4))
    expected = x.cumsum(1) if sizes != (3, 3) else x.ravel()[:451].cumsum()
    plan = write(kernels.running_sum("float64", *sizes))
    values = [value for name, value in (("m", 3), ("n", 4)) if name in sizes]
    run(kernels.running_sum("float64", *sizes), x, 150, *values)
    got = x if sizes != (3, 3) else x.ravel()[:451]
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert plan.way == way


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_accumulator_folded_by_two_loops_counts_each_once(rows):
    x = Load("x", kernels.at(("i", "n"), ("j", 1)), "float64")
    one = Fold("total", Const(1.0, "float64"))
    again = Loop("j", "n", (Fold("total", x),), "vector")
    mark = Store("seen", kernels.at(), Local("total", "float64"))
    body = (
        Init("total", "add", "float64"),
        one,
        Loop("i", "rows", (again, mark)),
        Loop("i", "rows", (again,)),
        Store("y", kernels.at(), Local("total", "float64")),
    )
    buffers = (
        Buffer("x", "float64"),
        Buffer("seen", "float64", "out"),
        Buffer("y", "float64", "out"),
    )
    array = np.random.default_rng(7).normal(size=(rows, 70))
    y, seen = np.zeros(1), np.zeros(1)
    run(Kernel("k", buffers, ("rows", "n"), body), array, seen, y, rows, 70)
    np.testing.assert_allclose(y[0], 1 + 2 * array.sum(), rtol=1e-10)
    np.testing.assert_allclose(seen[0], (1 + array.sum()) if rows else 0, rtol=1e-10)


def test_value_read_before_an_in_place_store_is_read_by_all_threads_first():
    here = kernels.at(("i", 1))
    scaled = kernels.call("mul", Load("x", here, "float64"), Local("s", "float64"))
    total = Loop("i", "n", (Fold("s", Load("x", here, "float64")),), "vector")
    body = (
        Init("s", "add", "float64"),
        total,
        Store("x", kernels.at(), Const(5.0, "float64")),
        Loop("i", "n", (Store("x", here, scaled),), "vector"),
    )
    kernel = Kernel("k", (Buffer("x", "float64", "inout"),), ("n",), body)
    for seed in range(3):
        x = np.arange(1.0, 200.0)
        expected = np.concatenate([[5.0], x[1:]]) * x.sum()
        run(kernel, x, 199, seed=seed)
        np.testing.assert_allclose(x, expected, rtol=1e-12)


@pytest.mark.parametrize("rounds", [0, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_threads_wait_before_they_touch_what_others_read_or_write(rounds, seed):
    here, mirrored = kernels.at(("j", 1)), kernels.at(("j", -1), offset="last")
    s, y = Load("s", here, "float64"), Load("y", here, "float64")
    other = Load("s", mirrored, "float64")
    once = Store("s", here, kernels.call("add", s, Const(1.0, "float64")))
    gather = Store("y", here, kernels.call("add", y, other))
    back = Store("s", here, kernels.call("mul", y, Const(0.5, "float64")))

    def share(store):
        return Loop("j", "n", (store,), "vector")

    body = (
        share(once),
        Loop("i", "rounds", (share(gather), share(back))),
        share(gather),
        Store("s", kernels.at(), Const(7.0, "float64")),
    )
    buffers = (Buffer("s", "float64", "inout"), Buffer("y", "float64", "inout"))
    kernel = Kernel("k", buffers, ("n", "last", "rounds"), body)
    s, y = np.random.default_rng(8).normal(size=(2, 150))
    want_s, want_y = s + 1, y.copy()
    for _ in range(rounds):
        want_y += want_s[::-1]
        want_s = want_y * 0.5
    want_y += want_s[::-1]
    want_s[0] = 7
    run(kernel, s, y, 150, 149, rounds, seed=seed)
    np.testing.assert_allclose(y, want_y, rtol=1e-12)
    np.testing.assert_allclose(s, want_s, rtol=1e-12)


@pytest.mark.parametrize("rounds", [0, 2])
def test_barrier_in_a_loop_that_may_run_no_time_is_not_counted_on(rounds):
    here, mirrored = kernels.at(("j", 1)), kernels.at(("j", -1), offset="last")

    def share(store):
        return Loop("j", "n", (store,), "vector")

    body = (
        share(Store("s", here, Load("y", here, "float64"))),
        Loop("i", "rounds", (share(Store("z", here, Const(1.0, "float64"))),)),
        share(Store("y", here, Load("s", mirrored, "float64"))),
    )
    buffers = tuple(Buffer(name, "float64", "inout") for name in "syz")
    kernel = Kernel("k", buffers, ("n", "last", "rounds"), body)
    s, y, z = np.full(150, np.nan), np.arange(150.0), np.zeros(150)
    run(kernel, s, y, z, 150, 149, rounds)
    np.testing.assert_array_equal(y, np.arange(150.0)[::-1])
    assert (z == (rounds > 0)).all()


def test_failure_sets_the_error_flag_of_the_grid():
    x = Load("x", kernels.at(("i", 1)), "int64")
    bad = kernels.call("lt", x, Const(0, "int64"), dtype="bool")
    kernel = Kernel(
        "check", (Buffer("x", "int64"),), ("n",), (Loop("i", "n", (Fail(bad, 7),)),)
    )
    for last, code in ((3, 0), (-3, 7)):
        error = np.zeros(1, "int64")
        plan = run(kernel, np.array([0] * 200 + [last]), 201, error)
        assert error[0] == code
    assert plan.parameters == ("x", "n", "error")


# --- which loops threads share ------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "extent", "shared"),
    [
        ((("i", 4), ("j", 1)), 4, True),
        ((("i", 3), ("j", 1)), 4, False),
        ((("i", 1), ("j", 1)), 4, False),
        ((("i", 1), ("j", 1)), 1, True),
        ((("i", 1), ("j", 9)), 4, True),
        ((("i", 1), ("j", 8)), 4, False),
        ((("i", "n"), ("j", 1)), "n", False),
        ((("i", "n"), ("j", "n")), "n", False),
        ((("j", 1),), 4, False),
        ((("i", 0), ("j", 1)), 4, False),
        ((("i", -4), ("j", 1)), 4, True),
    ],
)
def test_loop_is_independent_only_if_its_stores_cannot_meet(terms, extent, shared):
    store = Store("y", Access(0, terms), Const(0.0, "float32"))
    loop = Loop("i", 9, (Loop("j", extent, (store,)),))
    assert is_independent(loop) == shared


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_loop_that_reads_what_another_iteration_writes_is_not_independent(offset):
    load = Load("y", kernels.at(("i", 1), offset=offset), "float32")
    loop = Loop("i", 9, (Store("y", kernels.at(("i", 1)), load),))
    assert is_independent(loop) == (offset == 0)


# --- text ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bias_sigmoid", "softmax", "mean", "column_sum"])
def test_source_reads_as_reviewed(name):
    text = write(proven(getattr(kernels, name)("float32"))).source
    path = GOLDEN / f"cuda_{name}.txt"
    if os.environ.get("SYMGRAPH_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def test_examples_in_the_docstrings_run():
    assert doctest.testmod(writer).failed == 0


@pytest.mark.parametrize("rows", [0, 1, 128, 129, 1000])
def test_a_thread_adds_long_sums_up_in_blocks(rows):
    """Column sums and maxima: a thread has a column, and a sum begins anew for a block."""
    at = Access(terms=(("i", 7), ("j", 1)))
    x = Load("x", at, "float32")
    column = (
        Init("total", "add", "float32"),
        Init("most", "maximum", "float32"),
        Loop("i", "rows", (Fold("total", x), Fold("most", x)), "serial", 128),
        Store("y", Access(terms=(("j", 1),)), Local("total", "float32")),
        Store("z", Access(terms=(("j", 1),)), Local("most", "float32")),
    )
    buffers = (Buffer("x", "float32"), *(Buffer(n, "float32", "out") for n in "yz"))
    kernel = Kernel("k", buffers, ("rows",), (Loop("j", 7, column, "vector"),))
    a = np.random.default_rng(0).integers(-3, 4, (rows, 7)).astype("float32")
    y, z = np.empty(7, "float32"), np.empty(7, "float32")
    plan = run(kernel, a, y, z, rows)
    np.testing.assert_array_equal(y, a.sum(axis=0))
    np.testing.assert_array_equal(z, a.max(axis=0, initial=-np.inf))
    assert "for i_start in range(0, rows, 128):" in plan.source
    assert "part_of_total += x[" in plan.source
    assert "total += part_of_total" in plan.source
