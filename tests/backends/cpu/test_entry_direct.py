"""The entry that makes its own outputs: fresh arrays, nothing leaked, same refusals."""

import gc
import sys

import numpy as np
import pytest

from symgraph.backends.cpu import entry, loader, unit
from symgraph.backends.cpu.entry import ArgumentSpec

# slots: 0 flag, 1 float64 input of three, 2 and 3 outputs; out = a + a, flag = slot 0
DOUBLE = """
define i64 @step(ptr %slots) {
  %pa = getelementptr i64, ptr %slots, i64 1
  %a = load ptr, ptr %pa
  %pb = getelementptr i64, ptr %slots, i64 2
  %b = load ptr, ptr %pb
  %pc = getelementptr i64, ptr %slots, i64 3
  %c = load ptr, ptr %pc
  %x = load <3 x double>, ptr %a, align 8
  %z = fadd <3 x double> %x, %x
  store <3 x double> %z, ptr %b, align 8
  %first = extractelement <3 x double> %z, i64 0
  store double %first, ptr %c, align 8
  %flag = load i64, ptr %slots
  ret i64 %flag
}
"""
DOUBLES = np.dtype("float64")
SHAPES = [((3,), DOUBLES), ((), DOUBLES)]


@pytest.fixture(scope="module")
def library():
    return loader.load(unit.compile_module(DOUBLE))


@pytest.fixture(params=["native", "ctypes"])
def made(request, monkeypatch, library):
    if request.param == "native" and not entry._layout_is_known():
        pytest.skip("another interpreter or NumPy layout")
    monkeypatch.setenv(entry.VARIABLE, request.param)

    def make(single, release=False):
        slots = np.zeros(5, np.int64)
        outputs = [2] if single else [2, 3]
        if single:  # somewhere to write the other result
            spare = np.zeros(1)
            slots[3] = spare.ctypes.data
            make.spare = spare
        fast = entry.make_entry(
            library.address("step"), slots, [ArgumentSpec("float64", (3,), 1)],
            outputs, keep=library, release_gil=release,
        )  # fmt: skip
        return entry.make_direct(fast, SHAPES[: len(outputs)], single), slots

    return make


@pytest.mark.parametrize("release", [False, True])
def test_outputs_are_fresh_arrays_of_the_right_kind(made, release):
    direct, _ = made(False, release)
    a = np.array([1.0, 2.0, 3.0])
    first, second = direct(a), direct(a)
    for result in (first, second):
        assert isinstance(result, list)
        np.testing.assert_array_equal(result[0], [2.0, 4.0, 6.0])
        assert result[1].shape == ()
        assert float(result[1]) == 2.0
        for array in result:
            assert type(array) is np.ndarray
            assert array.dtype == np.float64
            assert array.flags.owndata
            assert array.flags.writeable
            assert array.flags.c_contiguous
            assert array.flags.aligned
    assert not np.shares_memory(first[0], second[0])
    first[0][:] = 0
    np.testing.assert_array_equal(second[0], [2.0, 4.0, 6.0])


@pytest.mark.parametrize("release", [False, True])
def test_a_single_output_comes_bare(made, release):
    direct, _ = made(True, release)
    np.testing.assert_array_equal(direct(np.ones(3)), [2.0, 2.0, 2.0])


@pytest.mark.parametrize("single", [False, True])
def test_what_does_not_fit_or_fails_gives_none(made, single):
    direct, slots = made(single)
    good = np.ones(3)
    for arguments in ((), (good, good), (good.astype("float32"),), (np.ones(4),),
                      (good[::-1],), ([1.0, 1.0, 1.0],)):  # fmt: skip
        assert direct(*arguments) is None
    slots[0] = 7
    assert direct(good) is None
    slots[0] = 0
    assert direct(good) is not None


@pytest.mark.parametrize("single", [False, True])
def test_references_are_neither_lost_nor_kept(made, single):
    direct, slots = made(single)
    good = np.ones(3)
    bad = np.ones(4)
    direct(good)
    gc.collect()
    before = sys.getrefcount(DOUBLES), sys.getrefcount(good), sys.getrefcount(None)
    for _ in range(500):
        direct(good)
        direct(bad)
        slots[0] = 1
        direct(good)
        slots[0] = 0
    gc.collect()
    after = sys.getrefcount(DOUBLES), sys.getrefcount(good), sys.getrefcount(None)
    assert all(abs(a - b) < 50 for a, b in zip(after, before, strict=True))
    result = direct(good)
    arrays = [result] if single else result
    assert all(sys.getrefcount(array) <= 4 for array in arrays)


def test_the_native_one_is_what_one_gets_here(library, monkeypatch):
    monkeypatch.delenv(entry.VARIABLE, raising=False)
    if entry._layout_is_known():
        slots = np.zeros(5, np.int64)
        fast = entry.make_entry(library.address("step"), slots, [], [2], keep=library)
        direct = entry.make_direct(fast, SHAPES[:1], True)
        assert type(direct).__name__ == "builtin_function_or_method"
