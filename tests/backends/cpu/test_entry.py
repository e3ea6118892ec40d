"""The native builtin and its Python stand-in: same checks, same effects."""

import ctypes
import gc
import subprocess
import sys
import threading
import time
import timeit

import numpy as np
import pytest

from symgraph.backends.base import RAISED
from symgraph.backends.cpu import entry, loader, unit
from symgraph.backends.cpu.entry import BUSY, MISMATCH, ArgumentSpec
from symgraph.errors import BackendError

# slots: 0 flag, 1 and 2 float64 inputs of three, 3 output; out = a + b
ADD = """
define i64 @step(ptr %slots) {
  %pa = getelementptr i64, ptr %slots, i64 1
  %a = load ptr, ptr %pa
  %pb = getelementptr i64, ptr %slots, i64 2
  %b = load ptr, ptr %pb
  %pc = getelementptr i64, ptr %slots, i64 3
  %c = load ptr, ptr %pc
  %x = load <3 x double>, ptr %a, align 8
  %y = load <3 x double>, ptr %b, align 8
  %z = fadd <3 x double> %x, %y
  store <3 x double> %z, ptr %c, align 8
  %flag = load i64, ptr %slots
  ret i64 %flag
}
define i64 @nothing(ptr %slots) {
  %flag = load i64, ptr %slots
  ret i64 %flag
}
"""

DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "float32 float64 complex64 complex128"
).split()


@pytest.fixture(scope="module")
def library():
    return loader.load(unit.compile_module(ADD))


@pytest.fixture(params=["native", "ctypes"])
def way(request, monkeypatch):
    if request.param == "native" and not entry._layout_is_known():
        pytest.skip("another interpreter or NumPy layout")
    monkeypatch.setenv(entry.VARIABLE, request.param)
    return request.param


@pytest.fixture
def add(way, library):
    slots = np.zeros(4, np.int64)
    specs = [ArgumentSpec("float64", (3,), 1), ArgumentSpec("float64", (3,), 2)]
    step = library.address("step")
    return entry.make_entry(step, slots, specs, [3], keep=library), slots


def nothing(library, *specs, outputs=()):
    slots = np.zeros(64, np.int64)
    return entry.make_entry(
        library.address("nothing"), slots, list(specs), outputs, keep=library
    )


def test_native_is_what_one_gets_here(library, monkeypatch):
    monkeypatch.delenv(entry.VARIABLE, raising=False)
    if entry._layout_is_known():
        assert type(nothing(library)).__name__ == "builtin_function_or_method"


def test_call_runs_on_the_arrays_given(add):
    fast, slots = add
    for k in range(3):
        a, b, out = np.arange(3.0) + k, np.ones(3), np.empty(3)
        assert fast(a, b, out) == 0
        np.testing.assert_array_equal(out, a + b)
    assert slots.tolist() == [0, a.ctypes.data, b.ctypes.data, out.ctypes.data]


def test_error_flag_comes_back(add):
    fast, slots = add
    for flag in (1, 300, 2**40):
        slots[0] = flag
        assert fast(np.ones(3), np.ones(3), np.empty(3)) == flag


def misfits():
    good = np.ones(3)
    unaligned = np.frombuffer(bytearray(25), np.uint8)[1:].view(np.float64)
    return {
        "float32": good.astype(np.float32),
        "int64": good.astype(np.int64),
        "swapped bytes": good.astype(">f8"),
        "longer": np.ones(4),
        "empty": np.ones(0),
        "a matrix": np.ones((3, 1)),
        "a scalar array": np.array(1.0),
        "strided": np.ones(6)[::2],
        "reversed": good[::-1],
        "broadcast": np.broadcast_to(np.float64(1), (3,)),
        "unaligned": unaligned,
        "a subclass": good.view(np.rec.recarray),
        "a list": [1.0, 1.0, 1.0],
        "a NumPy scalar": np.float64(1),
        "None": None,
        "int": 5,
    }


@pytest.mark.parametrize("name", misfits())
@pytest.mark.parametrize("place", [0, 1])
def test_what_does_not_match_does_not_run(add, name, place):
    fast, slots = add
    arguments = [np.ones(3), np.ones(3)]
    arguments[place] = misfits()[name]
    out = np.full(3, 7.0)
    assert fast(*arguments, out) == MISMATCH
    np.testing.assert_array_equal(out, [7, 7, 7])
    assert slots[3] == 0


def test_wrong_number_of_arguments_does_not_run(add):
    fast, _ = add
    good = np.ones(3)
    assert fast() == MISMATCH
    assert fast(good, good) == MISMATCH
    assert fast(good, good, good, good) == MISMATCH


def test_an_output_that_is_no_array_does_not_run(add):
    assert add[0](np.ones(3), np.ones(3), [0.0, 0.0, 0.0]) == MISMATCH


def test_read_only_inputs_are_welcome(add):
    a = np.ones(3)
    a.flags.writeable = False
    assert add[0](a, a, np.empty(3)) == 0


def test_keywords_are_a_type_error(way, library):
    with pytest.raises(TypeError):
        nothing(library)(x=1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_told_from_every_other(way, library, dtype):
    fast = nothing(library, ArgumentSpec(dtype, (2, 2), 1))
    for other in DTYPES:
        expected = 0 if other == dtype else MISMATCH
        assert fast(np.zeros((2, 2), other)) == expected


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (2, 3, 4, 5), (1,) * 9])
def test_every_rank_and_every_extent_counts(way, library, shape):
    fast = nothing(library, ArgumentSpec("float32", shape, 1))
    assert fast(np.zeros(shape, np.float32)) == 0
    assert fast(np.zeros((*shape, 1), np.float32)) == MISMATCH
    for axis in range(len(shape)):
        other = list(shape)
        other[axis] += 1
        assert fast(np.zeros(other, np.float32)) == MISMATCH


def test_fortran_order_is_told_from_c_order(way, library):
    fast = nothing(library, ArgumentSpec("float32", (2, 3), 1))
    assert fast(np.zeros((2, 3), np.float32, order="F")) == MISMATCH


def test_no_arguments_and_twenty_arguments(way, library):
    assert nothing(library)() == 0
    specs = [ArgumentSpec("float32", (k,), k + 1) for k in range(20)]
    fast = nothing(library, *specs, outputs=range(21, 26))
    arrays = [np.zeros(k, np.float32) for k in range(20)]
    outputs = [np.zeros(1) for _ in range(5)]
    assert fast(*arrays, *outputs) == 0
    slots = fast.__self__.keep[0]
    addresses = [array.ctypes.data for array in arrays + outputs]
    assert slots[1:26].tolist() == addresses
    arrays[7], arrays[8] = arrays[8], arrays[7]
    assert fast(*arrays, *outputs) == MISMATCH


def test_rebind_changes_shapes_and_slots(way, library):
    fast = nothing(library, ArgumentSpec("float64", (3, 2), 1), outputs=[2])
    slots = np.zeros(3, np.int64)
    entry.rebind(fast, slots, [ArgumentSpec("float64", (5, 2), 2)], [1])
    a, out = np.zeros((5, 2)), np.zeros(1)
    assert fast(np.zeros((3, 2)), out) == MISMATCH
    assert fast(a, out) == 0
    assert slots.tolist() == [0, out.ctypes.data, a.ctypes.data]


def test_rebind_to_other_ranks_is_an_error(way, library):
    fast = nothing(library, ArgumentSpec("float64", (3,), 1))
    with pytest.raises(BackendError, match="ranks"):
        entry.rebind(fast, np.zeros(2, np.int64), [ArgumentSpec("float64", (3, 1), 1)])


def test_slots_outside_the_table_are_an_error(library):
    with pytest.raises(BackendError, match="slot"):
        nothing(library, ArgumentSpec("float64", (3,), 64))
    with pytest.raises(BackendError, match="slot"):
        nothing(library, outputs=[-1])
    with pytest.raises(BackendError, match="slot"):
        nothing(library, outputs=[0])  # the error flag's


def test_slots_must_be_a_vector_of_int64(library):
    with pytest.raises(BackendError, match="int64"):
        entry.make_entry(library.address("nothing"), np.zeros(4, np.int32), [])


def test_everything_needed_lives_as_long_as_the_callable(way):
    library = loader.load(unit.compile_module(ADD))
    fast = entry.make_entry(library.address("nothing"), np.full(8, 3), [], keep=library)
    del library
    gc.collect()
    np.full(8, 9)  # would take the place of slots that were freed
    assert fast() == 3


def test_calls_do_not_leak(way, add):
    fast, _ = add
    a, b, out = np.ones(3), np.ones(3), np.ones(3)
    before = [sys.getrefcount(x) for x in (a, b, out, -1)]
    for _ in range(200):
        fast(a, b, out)
        fast(a, b[:1], out)
    after = [sys.getrefcount(x) for x in (a, b, out, -1)]
    assert [y - x for x, y in zip(before, after, strict=True)] == pytest.approx(
        [0] * 4, abs=5
    )


def test_released_gil_lets_others_run_and_refuses_a_second_call(way):
    inside, leave = threading.Event(), threading.Event()

    @ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
    def step(_slots):
        inside.set()
        leave.wait(10)
        return 0

    address = ctypes.cast(step, ctypes.c_void_p).value
    slots = np.zeros(4, np.int64)
    specs = [ArgumentSpec("float64", (3,), 1)]
    fast = entry.make_entry(address, slots, specs, release_gil=True, keep=step)
    results = []
    first = np.ones(3)
    worker = threading.Thread(target=lambda: results.append(fast(first)))
    worker.start()
    assert inside.wait(10)
    assert fast(np.zeros(3)) == BUSY
    with pytest.raises(BackendError, match="running"):
        entry.rebind(fast, slots, specs)
    assert slots[1] == first.ctypes.data
    leave.set()
    worker.join(10)
    assert results == [0]
    assert fast(np.ones(3)) == 0


def test_unknown_way_is_an_error(library, monkeypatch):
    monkeypatch.setenv(entry.VARIABLE, "sideways")
    with pytest.raises(BackendError, match="sideways"):
        nothing(library)


def test_unknown_layout_takes_the_python_callable(library, monkeypatch):
    monkeypatch.setattr(entry, "_layout_is_known", lambda: False)
    assert type(nothing(library)) is entry._CtypesEntry


def test_a_warm_process_needs_neither_llvm_nor_numba(tmp_path, monkeypatch):
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    monkeypatch.delenv(entry.VARIABLE, raising=False)
    if not entry._layout_is_known():
        pytest.skip("another interpreter")
    script = (
        "import sys, numpy as np\n"
        "from symgraph.backends.cpu import entry\n"
        "from symgraph.core.cache import Cache\n"
        "entry.make_entry(0, np.zeros(1, np.int64), [], store=Cache(sys.argv[1]))\n"
        "print({'llvmlite', 'numba'} & set(sys.modules))\n"
    )
    folder = str(tmp_path / "cache")
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script, folder], check=True, timeout=60,
            capture_output=True, text=True,
        ).stdout.strip()
        for _ in range(2)
    ]  # fmt: skip
    if loader.elf.supported():
        assert outputs == ["{'llvmlite'}", "set()"]


def test_a_native_call_costs_less_than_half_a_microsecond(library, monkeypatch):
    monkeypatch.delenv(entry.VARIABLE, raising=False)
    if not entry._layout_is_known():
        pytest.skip("another interpreter")
    specs = [ArgumentSpec("float64", (3,), 1), ArgumentSpec("float64", (3,), 2)]
    fast = nothing(library, *specs, outputs=[3])
    a, b, out = np.ones(3), np.ones(3), np.ones(3)
    best, until = 1.0, time.monotonic() + 5
    while best > 0.5e-6 and time.monotonic() < until:
        best = min(best, timeit.timeit(lambda: fast(a, b, out), number=1000) / 1000)
    assert best < 0.5e-6


@pytest.mark.parametrize("door", ["native", "ctypes"])
def test_what_a_guarded_function_raises_is_kept(door, monkeypatch):
    monkeypatch.setenv(entry.VARIABLE, door)
    errors = []

    def divided(a, b):
        return a // b

    door = entry.guarded(divided, errors)
    assert door(7, 2) == 3
    assert door(7, 0) == RAISED
    assert door() == RAISED
    assert [type(e) for e in errors[1:]] == [ZeroDivisionError, TypeError]
    assert errors[1].__traceback__ is not None
