"""Shared variables: types from values, what set_value takes, storage, copies."""

import copy
import pickle
import threading

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.config import config
from symgraph.core.shared import ALIGNMENT, SharedVariable, aligned_empty, shared
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError, ConversionError, DtypeError, InputError


@pytest.mark.parametrize("value,dtype,ndim", [
    (3.0, "float64", 0), (3, "int64", 0), (True, "bool", 0), (1j, "complex128", 0),
    (np.float32(2), "float32", 0), ([1, 2], "int64", 1), ([[1.0]], "float64", 2),
    (np.zeros((1, 3), "float32"), "float32", 2), (np.zeros(2, ">f4"), "float32", 1),
    (np.zeros((0, 3), "int8"), "int8", 2),
])  # fmt: skip
def test_the_type_comes_from_the_value_and_promises_no_extent(
    value: object, dtype: str, ndim: int
) -> None:
    with config.override(floatX="float32"):
        made = shared(value, name="s")
    assert made.type == TensorType(dtype, (None,) * ndim)
    assert made.name == "s"
    assert made.get_value().dtype == dtype
    assert made.get_value().dtype.isnative
    np.testing.assert_array_equal(made.get_value(), value)


def test_extents_are_fixed_where_asked() -> None:
    row = shared(np.zeros((1, 3)), broadcastable=(True, False))
    assert row.type.shape == (1, None)
    row.set_value(np.ones((1, 5)))
    with pytest.raises(InputError, match="fixed at 1"):
        row.set_value(np.ones((2, 5)))
    assert shared(np.zeros((2, 3)), shape=(None, 3)).type.shape == (None, 3)
    with pytest.raises(InputError, match="extent 3"):
        shared(np.zeros((2, 3)), shape=(None, 4))
    with pytest.raises(ArgumentError, match="axes"):
        shared(np.zeros((2, 3)), shape=(None,))
    with pytest.raises(ArgumentError, match="not both"):
        shared(np.zeros(1), shape=(1,), broadcastable=(True,))


@pytest.mark.parametrize("held,value,fits", [
    ("float32", 0.1, True), ("float32", [0.1, 0.2], False), ("float32", 7, True),
    ("float32", np.float64(0.1), False), ("float32", np.float64(0.5), True),
    ("float32", np.array(0.5), False), ("float32", np.int16(9), True),
    ("float32", 2**24 + 1, False), ("float32", np.array(3, "int32"), False),
    ("int64", 3.0, True), ("int64", 3.5, False), ("int64", np.float32(2), True),
    ("int64", np.array(2.0), False), ("int8", 100, True), ("int8", 200, False),
    ("float64", np.float32(0.1), True), ("float64", np.array(1, "int32"), True),
    ("float64", 1j, False), ("bool", 1, True), ("bool", 2, False),
    ("float32", float("nan"), True), ("int64", float("nan"), False),
])  # fmt: skip
def test_set_value_takes_what_loses_nothing(
    held: str, value: object, fits: bool
) -> None:
    s = shared(np.zeros((), held), name="s")
    if fits:
        s.set_value(value)
        assert s.get_value().dtype == held
        np.testing.assert_array_equal(s.get_value(), np.asarray(value).astype(held))
    else:
        with pytest.raises(InputError, match=r"s : .* made at"):
            s.set_value(value)
        assert s.get_value() == 0


def test_a_list_of_python_floats_goes_into_float32() -> None:
    s = shared(np.zeros(2, "float32"))
    s.set_value([0.1, 0.2])
    assert s.get_value().tolist() == np.float32([0.1, 0.2]).tolist()


def test_arrays_of_another_dtype_need_allow_downcast() -> None:
    s = shared(np.zeros(2, "float32"), name="weights")
    with pytest.raises(InputError) as caught:
        s.set_value(np.ones(2))
    text = str(caught.value)
    assert "float64" in text
    assert "float32" in text
    assert "allow_downcast" in text
    easy = shared(np.zeros(2, "float32"), allow_downcast=True)
    easy.set_value(np.array([0.1, 2.0]))
    assert easy.get_value().tolist() == np.float32([0.1, 2.0]).tolist()
    with pytest.raises(InputError, match="imaginary"):
        easy.set_value(np.array([1j, 2]))


def test_allow_downcast_false_and_strict_are_stricter() -> None:
    with pytest.raises(InputError):
        shared(np.float32(0), allow_downcast=False).set_value(0.1)
    strict = shared(np.zeros(2, "float32"), strict=True)
    strict.set_value(np.ones(2, "float32"))
    with pytest.raises(InputError, match="strict"):
        strict.set_value([1, 2])


def test_the_rank_stays_and_the_shape_may_change() -> None:
    s = shared(np.zeros((2, 3)))
    s.set_value(np.ones((4, 1)))
    assert s.get_value().shape == (4, 1)
    with pytest.raises(InputError, match="rank 1"):
        s.set_value(np.ones(3))


@pytest.mark.parametrize("value", ["text", None, {}, object(), [[1], [1, 2]], [None]])
def test_what_is_no_number_cannot_be_shared(value: object) -> None:
    with pytest.raises(ConversionError):
        shared(value)


def test_expressions_and_unknown_dtypes_cannot_be_shared() -> None:
    with pytest.raises(ConversionError, match="expression"):
        shared(T.dscalar("x"))
    with pytest.raises(DtypeError, match="float16"):
        shared(np.float16(1))


def test_values_are_private_unless_borrowed() -> None:
    data = np.arange(3.0)
    s = shared(data)
    data[0] = 9
    assert s.get_value()[0] == 0
    s.get_value()[0] = 9
    assert s.get_value()[0] == 0
    s.get_value(borrow=True)[0] = 9
    assert s.get_value()[0] == 9


def test_equal_shapes_reuse_the_storage_and_others_bump_the_version() -> None:
    s = shared(np.zeros(3))
    storage, version = s.container.array, s.container.version
    s.set_value(np.ones(3))
    s.set_value(s.get_value(borrow=True)[::-1])
    assert s.container.array is storage
    assert s.container.version == version
    s.set_value(np.ones(4))
    assert s.container.array is not storage
    assert s.container.version == version + 1


def test_storage_is_contiguous_and_aligned() -> None:
    for shape in ((), (3,), (5, 7), (0, 2)):
        for value in (np.ones(shape, "int8"), np.ones(shape[::-1]).T):
            array = shared(value).get_value(borrow=True)
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert array.size == 0 or array.ctypes.data % ALIGNMENT == 0


def test_borrowing_keeps_an_aligned_array_itself() -> None:
    data = aligned_empty((4, 2), "float32")
    data[...] = 1
    s = shared(data, borrow=True)
    assert s.get_value(borrow=True) is data
    before = s.container.version
    other = aligned_empty((4, 2), "float32")
    s.set_value(other, borrow=True)
    assert s.get_value(borrow=True) is other
    assert s.container.version == before + 1
    s.set_value(other.T, borrow=True)  # not contiguous: copied
    assert s.get_value(borrow=True).flags.c_contiguous


def test_clones_share_the_storage_but_not_the_default_update() -> None:
    s = shared(np.zeros(2), name="running")
    s.default_update = s + 1
    s.tag.kind = "statistics"
    twin = s.clone()
    assert isinstance(twin, SharedVariable)
    assert twin is not s
    assert twin.name == "running"
    assert twin.container is s.container
    assert twin.default_update is None
    assert twin.tag.kind == "statistics"
    twin.set_value(np.ones(3))
    assert s.get_value().shape == (3,)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_copies_and_pickles_hold_their_own_value(duplicate: object) -> None:
    s = shared(np.arange(3.0), name="s")
    s.default_update = s * 2
    made = duplicate(s)  # type: ignore[operator]
    made.set_value(np.ones(3))
    assert s.get_value().tolist() == [0, 1, 2]
    assert made.type == s.type
    assert made.get_value(borrow=True).ctypes.data % ALIGNMENT == 0
    assert made.default_update.owner.inputs[0] is made
    assert evaluate([made.default_update])[0].tolist() == [2, 2, 2]


def test_zero_clears_in_place() -> None:
    s = shared(np.ones((2, 2)))
    storage = s.get_value(borrow=True)
    s.zero()
    assert storage.tolist() == [[0, 0], [0, 0]]


def test_readers_never_see_half_a_value() -> None:
    s = shared(np.zeros(20_000))
    torn = []

    def read() -> None:
        for _ in range(200):
            value = s.get_value()
            if value[0] != value[-1]:
                torn.append(value)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(200):
        s.set_value(np.full(20_000, float(number)))
    thread.join()
    assert not torn


def test_shared_variables_take_part_in_expressions() -> None:
    w, x = shared(np.arange(6.0).reshape(2, 3), name="w"), T.dvector("x")
    out = T.dot(w, x)[0] + w.sum()
    assert float(evaluate([out], {x: np.ones(3)})[0]) == 18
    assert isinstance(w, T.Variable)
    assert isinstance(w, T.TensorSharedVariable)


@pytest.mark.parametrize(
    ("first", "shape"),
    [((), ()), ((4,), (4,)), ((4,), (9,)), ((3, 2), (3, 2)), ((3, 2), (5, 1)),
     ((0, 2), (3, 2)), ((3, 2), (0, 2))],
)  # fmt: skip
def test_an_array_that_could_be_kept_is_copied_unless_borrowed(
    first: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    s = shared(np.ones(first))
    data = aligned_empty(shape, "float64")
    data[...] = 2
    s.set_value(data)
    kept = s.get_value(borrow=True)
    assert kept is not data
    assert not np.shares_memory(kept, data)
    data[...] = 7
    s.get_value()[...] = 8
    assert (s.get_value() == 2).all()


def test_a_value_is_not_shared_by_two_variables() -> None:
    data = aligned_empty((3,), "float64")
    data[...] = [1, 2, 3]
    one, other = shared(data), shared(data)
    other.set_value(one.get_value(borrow=True))
    other.get_value(borrow=True)[0] = 9
    one.set_value(other.get_value(borrow=True)[:2])
    other.get_value(borrow=True)[1] = 9
    assert one.get_value().tolist() == [9, 2]
    assert data.tolist() == [1, 2, 3]
