"""Vector loops: rests of all lengths, masks, strides, gathers, accumulators."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.cpu import device
from symgraph.backends.cpu.target import features, vector_bytes
from symgraph.backends.cpu.vector_values import compares_floats
from symgraph.backends.cpu.vectors import emit_kernel
from symgraph.errors import NotSupportedError
from symgraph.lower.ir import Access, Buffer, Call, Const, Kernel, Load, Loop, Store

LENGTHS = [*range(0, 36), 63, 64, 65, 127, 128, 129, 1000, 4097]
COMBINES = {
    "sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "all": np.all,
    "any": np.any,
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64", "bool"])
def test_every_length_is_computed_and_nothing_beside_it(dtype: str) -> None:
    x = T.TensorType(dtype, (None,))("x")
    f = sg.function([x], T.where(x > 0, x, x) if dtype != "bool" else ~x)
    whole = np.random.default_rng(0).integers(0, 2, 5000).astype(dtype)
    for n in LENGTHS:
        a = whole[:n].copy()
        np.testing.assert_array_equal(f(a), a if dtype != "bool" else ~a)


@pytest.mark.parametrize("name", COMBINES)
@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int16", "int64", "uint8", "bool"]
)
def test_reductions_of_every_length(name: str, dtype: str) -> None:
    x = T.TensorType(dtype, (None,))("x")
    f = sg.function([x], getattr(T, name)(x))
    random = np.random.default_rng(0)
    for n in LENGTHS:
        if n == 0 and name in ("max", "min"):
            continue
        a = random.uniform(0.9, 1.1, n) if dtype[0] == "f" else random.integers(0, 2, n)
        a = a.astype(dtype)
        got = f(a)
        want = (
            COMBINES[name](a, dtype=got.dtype)
            if name in ("sum", "prod")
            else (COMBINES[name](a))
        )
        np.testing.assert_allclose(got, want, 1e-5 if dtype == "float32" else 1e-12)


def test_masked_lanes_take_no_part_in_reductions() -> None:
    """Their loads are zeros, so 0 / 0 and log(0) arise there."""
    for n in (1, 9, 17, 33):
        x, y = T.vector("x", shape=(n,)), T.vector("y")
        a = np.linspace(1.0, 2.0, n)
        for make in (
            lambda v: v / v,
            lambda v: T.log(v),
            lambda v: 1 / v,
            lambda v: 0 * v,
        ):
            for v in (x, y):
                for reduce in (T.sum, T.max, T.min, T.prod):
                    assert np.isfinite(sg.function([v], reduce(make(v)))(a))


def test_sums_are_accurate() -> None:
    x = T.fvector("x")
    a = np.random.default_rng(0).uniform(0, 1, 1_000_003).astype("float32")
    got = float(sg.function([x], x.sum())(a))
    exact = float(a.astype("float64").sum())
    assert got == pytest.approx(exact, rel=2e-6)


def test_the_place_of_a_maximum_is_found_again() -> None:
    """The value is computed twice; both must be the same to the last bit."""
    x, w = T.dmatrix("x"), T.dvector("w")
    y = x * w + 0.1
    top = y.max(axis=1, keepdims=True)
    f = sg.function([x, w], [T.eq(y, top).sum(axis=1), T.ge(y, top).sum(axis=1)])
    slope = sg.grad(y.max(axis=1).sum(), x)
    g = sg.function([x, w], slope)
    random = np.random.default_rng(0)
    for n in (3, 16, 17, 40):
        a, b = random.normal(size=(50, n)), random.normal(size=n)
        for count in f(a, b):
            assert (count == 1).all()
        found = g(a, b)
        assert ((found != 0).sum(axis=1) == 1).all()
        np.testing.assert_array_equal(np.abs(found).argmax(1), (a * b).argmax(1))


def test_kernels_that_compare_floats_are_not_contracted() -> None:
    x = T.dvector("x")
    plain = sg.function([x], x * 2.5 + 1).lowered.native
    text = device.module_text(plain, False)
    assert "contract" in text
    assert not any(map(compares_floats, plain.kernels.values()))
    seeking = sg.function([x], T.eq(x * 2.5 + 1, (x * 2.5 + 1).max())).lowered.native
    assert any(map(compares_floats, seeking.kernels.values()))


@pytest.mark.parametrize("shape", [(5, 7), (1, 9), (9, 1), (33, 3), (3, 33)])
def test_strided_and_reversed_reads_and_writes(shape: tuple[int, int]) -> None:
    x = T.dmatrix("x")
    f = sg.function(
        [x], [x.T + 1, x[::-1, ::2] * 2, x[:, ::-1].T - 1, T.set_subtensor(x[:, 0], 3.0),
              T.set_subtensor(x[::-2], x[::2] * 2), x.dimshuffle(1, "x", 0) * 1.5]
    )  # fmt: skip
    a = np.random.default_rng(0).normal(size=shape)
    column, rows = a.copy(), a.copy()
    column[:, 0] = 3.0
    rows[::-2] = a[::2] * 2
    wanted = [a.T + 1, a[::-1, ::2] * 2, a[:, ::-1].T - 1, column, rows,
              a.T[:, None] * 1.5]  # fmt: skip
    for got, want in zip(f(a), wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_gathers_and_scatters_by_index() -> None:
    x, i = T.dmatrix("x"), T.ivector("i")
    f = sg.function([x, i], [x[i], x[:, i], T.inc_subtensor(x[i], 1.0), x[i, i]])
    a = np.random.default_rng(0).normal(size=(19, 19))
    for n in (0, 1, 7, 16, 40):
        index = np.random.default_rng(n).integers(-19, 19, n).astype("int32")
        added = a.copy()
        np.add.at(added, index, 1.0)
        for got, want in zip(
            f(a, index), [a[index], a[:, index], added, a[index, index]], strict=True
        ):
            np.testing.assert_allclose(got, want)


def test_dtypes_of_different_widths_meet_in_one_loop() -> None:
    b, i, f, d = T.bvector("b"), T.ivector("i"), T.fvector("f"), T.dvector("d")
    made = sg.function(
        [b, i, f, d], [(b * i + f) * d, T.where(b > 0, f, d).sum(), b + i]
    )
    for n in (1, 15, 64, 100):
        random = np.random.default_rng(n)
        u = random.integers(-100, 100, n).astype("int8")
        v = random.integers(-100, 100, n).astype("int32")
        x, y = random.normal(size=n).astype("float32"), random.normal(size=n)
        one, two, three = made(u, v, x, y)
        np.testing.assert_allclose(one, (u * v + x.astype("float64")) * y, rtol=1e-6)
        np.testing.assert_allclose(two, np.where(u > 0, x, y).sum(), rtol=1e-9)
        np.testing.assert_array_equal(three, u + v)


def test_complex_buffers_are_refused_by_the_emitter_itself() -> None:
    at = Access(terms=(("i", 1),))
    value = Call(
        "add", (Load("x", at, "complex64"), Const(1.0, "complex64")), "complex64"
    )
    kernel = Kernel(
        "k", (Buffer("x", "complex64"), Buffer("y", "complex64", "out")), ("n",),
        (Loop("i", "n", (Store("y", at, value),), "vector"),),
    )  # fmt: skip
    with pytest.raises(NotSupportedError, match="pairs"):
        emit_kernel(kernel, "k", features(), vector_bytes(features()))


def test_a_product_into_memory_that_holds_nan_is_clean() -> None:
    x, y = T.dmatrix("x"), T.dmatrix("y")
    f = sg.function([x, y], [T.dot(x, y), T.dot(x[0], y), T.dot(x, y[:, 0])])
    for shape in ((1, 51, 1), (1, 3, 7), (7, 3, 1), (2, 2, 2), (1, 0, 1)):
        rows, inner, columns = shape
        a, b = np.ones((rows, inner)), np.ones((inner, columns))
        for _ in range(20):
            trash = [np.full(n, np.nan) for n in (1, 7, 49, 4, 2)]
            del trash
            for got in f(a, b):
                assert (got == inner).all()
