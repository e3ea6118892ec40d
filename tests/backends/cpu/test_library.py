"""NumPy's BLAS by address: found, called, and threads set and read."""

import ctypes

import numpy as np
import pytest

from symgraph.backends.cpu import library, loader, unit

pytestmark = pytest.mark.skipif(library.blas() is None, reason="NumPy without a BLAS")


def integer():
    return ctypes.c_int64 if library.blas().ilp64 else ctypes.c_int32


@pytest.mark.parametrize(
    ("name", "real", "dtype"),
    [("sg_sgemm", ctypes.c_float, np.float32), ("sg_dgemm", ctypes.c_double, float)],
)
def test_matrix_products_by_address(name, real, dtype):
    i, p = integer(), ctypes.c_void_p
    m, n, k = 3, 4, 5
    random = np.random.default_rng(0)
    a = random.normal(size=(m, k)).astype(dtype)
    b = random.normal(size=(n, k)).astype(dtype)
    c = random.normal(size=(m, n)).astype(dtype)
    expected = 2 * a @ b.T + 0.5 * c
    kinds = [ctypes.c_int] * 3 + [i] * 3 + [real, p, i, p, i, real, p, i]
    gemm = ctypes.CFUNCTYPE(None, *kinds)(library.blas().symbols[name])
    gemm(library.ROW_MAJOR, library.NO_TRANSPOSE, library.TRANSPOSE, m, n, k,
         2.0, a.ctypes.data, k, b.ctypes.data, k, 0.5, c.ctypes.data, n)  # fmt: skip
    np.testing.assert_allclose(c, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "real", "dtype"),
    [("sg_sgemv", ctypes.c_float, np.float32), ("sg_dgemv", ctypes.c_double, float)],
)
def test_matrix_times_vector_by_address(name, real, dtype):
    i, p = integer(), ctypes.c_void_p
    a = np.arange(6, dtype=dtype).reshape(2, 3)
    x, y = np.array([1, 2], dtype), np.ones(3, dtype)
    kinds = [ctypes.c_int] * 2 + [i] * 2 + [real, p, i, p, i, real, p, i]
    gemv = ctypes.CFUNCTYPE(None, *kinds)(library.blas().symbols[name])
    gemv(library.ROW_MAJOR, library.TRANSPOSE, 2, 3, 1.0, a.ctypes.data, 3,
         x.ctypes.data, 1, 10.0, y.ctypes.data, 1)  # fmt: skip
    np.testing.assert_array_equal(y, a.T @ x + 10)


def test_generated_code_reaches_the_blas_by_our_name():
    wide = library.blas().ilp64
    i = "i64" if wide else "i32"
    text = f"""
    declare void @sg_dgemm(i32, i32, i32, {i}, {i}, {i}, double, ptr, {i}, ptr, {i},
                           double, ptr, {i})
    define void @product(ptr %a, ptr %b, ptr %c) {{
      call void @sg_dgemm(i32 101, i32 111, i32 111, {i} 2, {i} 2, {i} 2, double 1.0,
        ptr %a, {i} 2, ptr %b, {i} 2, double 0.0, ptr %c, {i} 2)
      ret void
    }}
    """
    symbols = library.blas().symbols
    code = loader.load(unit.compile_module(text, symbols), symbols)
    a, b = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8]])
    c = np.empty((2, 2))
    product = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(code.address("product"))
    product(a.ctypes.data, b.ctypes.data, c.ctypes.data)
    np.testing.assert_array_equal(c, a @ b)


def test_threads_are_set_and_read_back():
    blas = library.blas()
    if "sg_blas_set_threads" not in blas.symbols:
        pytest.skip("this BLAS has no such functions")
    before = blas.get_threads()
    try:
        blas.set_threads(1)
        assert blas.get_threads() == 1
    finally:
        blas.set_threads(before)
    assert blas.get_threads() == before


def test_it_is_the_one_that_numpy_uses():
    blas = library.blas()
    assert set(library._PRODUCTS) <= {name[3:] for name in blas.symbols}
    if "numpy" in blas.path:
        name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
        assert blas.name in name


def test_a_library_without_products_is_none():
    assert library._inspect("libm.so.6", ctypes.CDLL("libm.so.6")) is None
