"""Promotion at the bounds of integers: dtypes, values, what does not fit."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.dtypes import can_cast_safely, int_dtype, python_dtype, to_float
from symgraph.errors import DtypeError

MODES = ["FAST_RUN", "FAST_COMPILE"]


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_an_int_takes_the_smallest_dtype_that_holds_it(bits: int) -> None:
    top = 2 ** (bits - 1)
    wider = {8: "int16", 16: "int32", 32: "int64", 64: "uint64"}[bits]
    assert int_dtype(top - 1) == int_dtype(-top) == f"int{bits}"
    assert int_dtype(top) == wider
    if bits < 64:
        assert int_dtype(-top - 1) == wider


def test_ints_beside_uint64_stay_integers() -> None:
    assert python_dtype(1, ("uint64",)) == "uint64"
    assert python_dtype(1, ("uint64", "uint8")) == "uint64"
    assert python_dtype(-1, ("uint64",)) == "int8"
    assert python_dtype(1, ("uint64", "float32")) == "float32"
    assert python_dtype(1, ("uint8",)) == "int8"
    with pytest.raises(DtypeError, match="64 bits"):
        int_dtype(2**64)


@pytest.mark.parametrize("mode", MODES)
def test_uint64_keeps_all_bits_beside_python_ints(mode: str) -> None:
    u = T.vector("u", "uint64")
    given = np.array([2**64 - 2, 2**63 + 1, 2**53 + 1], "uint64")
    f = sg.function([u], [u + 1, u - 1, 3 * u, u // 2, u % 10, u & 255, u >> 1, u > 2**63,
                          T.maximum(u, 5), T.switch(u > 9, u, 0)], mode=mode)  # fmt: skip
    wanted = [given + 1, given - 1, 3 * given, given // 2, given % 10, given & 255,
              given >> 1, given > 2**63, np.maximum(given, 5), given]  # fmt: skip
    for one, other in zip(f(given), wanted, strict=True):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("value", [127, 128, 200, 255, 256, -128, -129])
def test_python_ints_at_the_bounds_of_bytes(value: int, mode: str) -> None:
    a, b = T.vector("a", "uint8"), T.vector("b", "int8")
    left, right = (
        np.array([0, 1, 200, 255], "uint8"),
        np.array([-128, -1, 0, 127], "int8"),
    )
    f = sg.function([a, b], [a + value, b + value, b - value, a > value, b <= value,
                             T.eq(a, value), T.maximum(b, value)], mode=mode)  # fmt: skip
    wide, narrow = left.astype("int64"), right.astype("int64")
    wanted = [wide + value, narrow + value, narrow - value, wide > value, narrow <= value,
              wide == value, np.maximum(narrow, value)]  # fmt: skip
    small = int_dtype(value)
    dtypes = [np.result_type("uint8", small), np.result_type("int8", small)]
    found = f(left, right)
    assert [found[0].dtype, found[1].dtype] == dtypes
    for one, other in zip(found, wanted, strict=True):
        exact = other if one.dtype == bool else other.astype(one.dtype)
        assert one.tolist() == exact.tolist()


@pytest.mark.parametrize("mode", MODES)
def test_values_of_sets_are_python_ints_that_fit(mode: str) -> None:
    for dtype, fine, refused in [
        ("uint8", (0, 128, 255, [7, 200]), (256, -1, [0, 300])),
        ("int8", (-128, 127, [-1, 1]), (128, -129, 300)),
        ("uint64", (2**64 - 1, 0), (-1,)),
    ]:
        x = T.vector("x", dtype)
        given = np.array([1, 2, 3], dtype)
        outs = [T.set_subtensor(x[:2], value) for value in fine]
        for value, found in zip(
            fine, sg.function([x], outs, mode=mode)(given), strict=True
        ):
            assert found.tolist() == [*np.broadcast_to(value, 2).tolist(), 3]
        for value in refused:
            with pytest.raises(DtypeError, match="does not fit"):
                T.set_subtensor(x[:2], value)
        with pytest.raises(DtypeError):
            T.set_subtensor(x[0], 1.5)
    u = T.vector("u", "uint8")
    one = sg.function([u], T.inc_subtensor(u[[0, 0]], 1), mode=mode)
    assert one(np.array([254, 0], "uint8")).tolist() == [0, 0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32"])
def test_means_of_integers_whose_sum_overflows_them(dtype: str, mode: str) -> None:
    top = np.iinfo(dtype).max
    x = T.matrix("x", dtype)
    given = np.full((300, 70), top, dtype)
    given[::3] = np.iinfo(dtype).min
    outs = [x.sum(), x.sum(axis=0), x.mean(), x.mean(axis=1), x.var(), x.std(axis=0),
            x.cumsum(axis=0)[-1], x.prod(axis=1)[:1] * 0]  # fmt: skip
    wide = given.astype("int64")
    wanted = [
        wide.sum(),
        wide.sum(0),
        wide.mean(),
        wide.mean(1),
        wide.var(),
        wide.std(0),
    ]
    found = sg.function([x], outs, mode=mode)(given)
    assert found[0].dtype == found[1].dtype == np.sum(given).dtype
    for one, other in zip(found, wanted, strict=False):
        np.testing.assert_allclose(one, other, rtol=2e-6 if one.dtype == "f4" else 1e-9)


@pytest.mark.parametrize("length", [32_767, 32_768, 40_001])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_long_bodies_where_16_bits_end(dtype: str, length: int) -> None:
    x, i = T.vector("x", dtype), T.lvector("i")
    body = x
    for k in range(1, 12):
        body = T.maximum(body - k, x) + k
    f = sg.function(
        [x, i],
        [
            body,
            body.max(),
            T.argmax(x),
            x[i],
            x[::-1] + 0,
            T.cast(x, "int64").sum(),
            T.arange(x.shape[0])[-2:],
        ],
    )
    given = (np.arange(length) % 30_000).astype(dtype)
    given[-1] = 32_000
    places = np.array([0, length - 1, -1, 32_766])
    wanted = given.astype("int64")
    for k in range(1, 12):
        wanted = np.maximum(wanted - k, given) + k
    found = f(given, places)
    assert (found[0].astype("int64") == wanted.astype(dtype).astype("int64")).all()
    assert int(found[1]) == int(wanted.astype(dtype).max())
    assert int(found[2]) == length - 1
    assert found[3].tolist() == given[places].tolist()
    assert found[4].tolist() == given[::-1].tolist()
    assert int(found[5]) == int(given.astype("int64").sum())
    assert found[6].tolist() == [length - 2, length - 1]


@pytest.mark.parametrize(
    "dtype, wanted",
    [("bool", "float32"), ("int8", "float32"), ("uint16", "float32"),
     ("int32", "float64"), ("uint32", "float64"), ("int64", "float64"),
     ("float32", "float32"), ("complex64", "complex64")],
)  # fmt: skip
def test_floats_of_integers_hold_all_of_their_values(dtype: str, wanted: str) -> None:
    assert to_float(dtype) == wanted
    assert T.exp(T.vector("x", dtype)).dtype == wanted


def test_complex_numbers_beside_floats_have_their_precision() -> None:
    assert (T.fvector("x") * 1j).dtype == "complex64"
    assert (T.cvector("c") + 2j).dtype == "complex64"
    assert (T.dvector("x") * 1j).dtype == "complex128"
    assert (T.ivector("i") * 1j).dtype == "complex128"


def test_a_safe_cast_keeps_every_value() -> None:
    safe = [("int32", "float64"), ("float32", "float64"), ("bool", "int8")]
    assert all(can_cast_safely(*pair) for pair in safe)
    unsafe = [("float64", "float32"), ("int64", "int32"), ("int8", "uint8")]
    assert not any(can_cast_safely(*pair) for pair in unsafe)
