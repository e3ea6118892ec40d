"""Python source written from Kernel IR computes what NumPy computes, and reads well."""

import doctest
import os
from pathlib import Path

import numpy as np
import pytest
import writer_kernels as kernels
from primitive_cases import (
    BINARY,
    BITWISE,
    COMPLEX,
    DTYPES,
    ELSEWHERE,
    FAMILIES,
    FLOAT,
    LOGICAL,
    PHILOX,
    case,
)
from scipy import special

from symgraph.backends import writer
from symgraph.backends.writer import source
from symgraph.core.primitives import PRIMITIVES
from symgraph.errors import NotSupportedError
from symgraph.lower.ir import (
    Buffer,
    Const,
    Fail,
    Fold,
    Index,
    Init,
    Kernel,
    Let,
    Load,
    Local,
    Loop,
    SizeValue,
    Store,
)

GOLDEN = Path(__file__).parents[1] / "golden"
FLOATS = ["float32", "float64"]


def run(kernel, *arguments):
    """Execute the source of `kernel` on arrays and sizes; return the module's names."""
    scope = {}
    exec(source(kernel), scope)
    with np.errstate(all="ignore"):
        scope[kernel.name](*arguments)
    return scope


def same_as_golden(name, text):
    """Compare with the reviewed text; SYMGRAPH_GOLDEN=write takes the new one."""
    if os.environ.get("SYMGRAPH_GOLDEN") == "write":
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()


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


@pytest.mark.parametrize(("function", "reference"), COMPLEX.items())
def test_primitive_of_complex_numbers(function, reference):
    x = np.array([1 + 2j, -0.5 + 0.25j, 3 - 1j, -2 - 2j], "complex64")
    arrays = [x, x[::-1].copy()][: 2 if function in BINARY else 1]
    y = reference(*arrays)
    out = np.zeros_like(y)
    kernel = kernels.primitive(function, ("complex64",) * len(arrays), str(y.dtype))
    run(kernel, *arrays, out, len(out))
    np.testing.assert_allclose(out, y, rtol=1e-6)


def test_every_primitive_of_the_kernel_ir_is_tested():
    tested = {*FLOAT, *BITWISE, *LOGICAL, *COMPLEX, *ELSEWHERE}
    assert tested == set(PRIMITIVES)


@pytest.mark.parametrize("source_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_cast_converts_as_numpy_does(source_dtype, dtype):
    x = np.array([0, 1, 2, 3.7, 100, 127], source_dtype)
    out = np.zeros(len(x), dtype)
    run(kernels.primitive("cast", (source_dtype,), dtype), x, out, len(x))
    np.testing.assert_array_equal(out, x.astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_chooses_by_its_condition(dtype):
    condition = np.array([True, False, True])
    a, b = np.array([[1, 2, 3], [0, 5, 1]]).astype(dtype)
    out = np.zeros(3, dtype)
    kernel = kernels.primitive("where", ("bool", dtype, dtype), dtype)
    run(kernel, condition, a, b, out, 3)
    np.testing.assert_array_equal(out, np.where(condition, a, b))


@pytest.mark.parametrize(("key", "step", "index", "answer"), PHILOX)
def test_philox_gives_the_published_answers(key, step, index, answer):
    out = np.zeros(1, "uint64")
    kernel = kernels.primitive("philox", ("uint64", "uint64", "int64"), "uint64")
    words = [np.array([word], "uint64") for word in (key, step, index)]
    run(kernel, *words[:2], words[2].view("int64"), out, 1)
    assert int(out[0]) == answer


# --- kernels ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("step", [0, 1])
def test_map_with_a_broadcast_row(dtype, step):
    random = np.random.default_rng(0)
    x, b = random.normal(size=(3, 5)).astype(dtype), random.normal(size=5).astype(dtype)
    y = np.empty_like(x)
    run(kernels.bias_sigmoid(dtype), x.ravel(), b, y.ravel(), 3, 5, step)
    np.testing.assert_allclose(y, special.expit(2 * x + (b if step else b[0])), 1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_of_rows(dtype):
    x = np.random.default_rng(1).normal(size=(4, 7)).astype(dtype) * 50
    y = np.empty_like(x)
    run(kernels.softmax(dtype), x.ravel(), y.ravel(), 4, 7)
    np.testing.assert_allclose(y, special.softmax(x, 1), rtol=2e-6)


@pytest.mark.parametrize(
    ("combine", "dtype", "reference"),
    [
        ("add", "float32", np.sum), ("mul", "float64", np.prod),
        ("maximum", "float32", np.max), ("minimum", "int32", np.min),
        ("maximum", "uint8", np.max), ("and", "bool", np.all), ("or", "bool", np.any),
    ],
)  # fmt: skip
def test_row_reductions(combine, dtype, reference):
    x = np.random.default_rng(2).integers(0, 4, size=(6, 3)).astype(dtype)
    y = np.zeros(6, dtype)
    run(kernels.row_reduction(combine, dtype), x.ravel(), y, 6, 3)
    factor = 1 if dtype == "bool" else 3
    np.testing.assert_allclose(y, reference(x, axis=1) * factor)


def test_maximum_of_a_row_with_nan_is_nan():
    x, y = np.array([1.0, np.nan, 2.0]), np.zeros(1)
    run(kernels.row_reduction("maximum", "float64"), x, y, 1, 3)
    assert np.isnan(y[0])


def test_scatter_add_runs_through_repeated_indices():
    x, y = np.arange(20.0), np.zeros(15)
    run(kernels.scatter_add("float64"), np.array([2, 0, 2, 2]), x, y, 4)
    full = np.zeros((3, 5))
    np.add.at(full, [2, 0, 2, 2], x.reshape(4, 5))
    np.testing.assert_array_equal(y.reshape(3, 5), full)


def test_failure_sets_the_error_flag_only_where_its_condition_holds():
    x = Load("x", kernels.at(("i", 1)), "int64")
    bad = kernels.call("lt", x, Const(0, "int64"), dtype="bool")
    loop = Loop("i", "n", (Fail(bad, 7),))
    kernel = Kernel("check", (Buffer("x", "int64"),), ("n",), (loop,))
    for values, code in ([1, 2], 0), ([1, -2], 7):
        error = np.zeros(1, "int64")
        run(kernel, np.array(values), 2, error)
        assert error[0] == code


def test_indices_and_sizes_are_int64_values():
    value = kernels.call("add", Index("i"), SizeValue("n"))
    store = Store("y", kernels.at(("i", 1)), kernels.call("cast", value, dtype="int8"))
    kernel = Kernel(
        "k", (Buffer("y", "int8", "out"),), ("n",), (Loop("i", "n", (store,)),)
    )
    y = np.zeros(200, "int8")
    run(kernel, y, 200)
    np.testing.assert_array_equal(y, (np.arange(200) + 200).astype("int8"))


def test_constants_keep_float32_and_name_infinities():
    here = kernels.at(("i", 1))
    x = Load("x", here, "float32")
    constants = [Const(v, "float32") for v in (0.1, float("-inf"), float("nan"), -0.0)]
    lets = tuple(Let(f"c{k}", c) for k, c in enumerate(constants))
    store = Store("y", here, kernels.call("mul", x, Local("c0", "float32")))
    buffers = (Buffer("x", "float32"), Buffer("y", "float64", "out"))
    kernel = Kernel("k", buffers, (), (*lets, Loop("i", 1, (store,))))
    y = np.zeros(1)
    run(kernel, np.array([3], "float32"), y)
    assert y[0] == np.float32(0.1) * np.float32(3)
    text = source(kernel)
    assert "c1 = np.float32(-np.inf)" in text
    assert "c2 = np.float32(np.nan)" in text
    assert "c3 = np.float32(-0.0)" in text


def test_names_that_python_or_the_writer_uses_are_changed():
    x = Load("np", kernels.at(("lambda", 1)), "float64")
    fold = Loop("lambda", "range", (Fold("value", kernels.call("neg", x)),))
    store = Store("abs", kernels.at(), Local("value", "float64"))
    buffers = (Buffer("np", "float64"), Buffer("abs", "float64", "out"))
    body = (Init("value", "maximum", "float64"), fold, store)
    y = np.zeros(1)
    run(Kernel("k", buffers, ("range",), body), np.array([3.0, -4.0]), y, 2)
    assert y[0] == 4


def test_unknown_combination_of_primitive_and_dtype_is_refused():
    with pytest.raises(NotSupportedError, match=r"lgamma of float64 .* Python"):
        source(kernels.primitive("lgamma", ("float64",), "float64"))


@pytest.mark.parametrize("name", ["bias_sigmoid", "softmax", "column_sum"])
def test_source_reads_as_reviewed(name):
    same_as_golden(f"python_{name}.txt", source(getattr(kernels, name)("float32")))


def test_helpers_stand_once_above_the_kernels_that_use_them():
    pair = [
        kernels.primitive(f, ("float64",), "float64") for f in ("digamma", "erfinv")
    ]
    text = source(*pair, pair[0])
    assert text.count("def digamma(x):") == text.count("def erfinv(x):") == 1
    assert text.index("def erfinv(x)") < text.index("def k_digamma(x0")


def test_examples_in_the_docstrings_run():
    assert doctest.testmod(writer).failed == 0
