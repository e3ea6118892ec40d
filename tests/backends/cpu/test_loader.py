"""Mapping object code: addresses, external symbols, other processes, bad bytes."""

import ctypes
import gc
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest

from symgraph.backends.cpu import elf, loader, unit
from symgraph.errors import BackendError

MODULE = """
@table = constant [3 x double] [double 1.0, double 2.5, double 4.0]
@weights = internal constant [3 x double] [double 10.0, double 20.0, double 30.0]
@counter = global i64 5
@first = global ptr @table
declare double @lgamma(double)
declare double @sg_given(double)

define double @entry_of(i64 %i) {
  %p = getelementptr [3 x double], ptr @table, i64 0, i64 %i
  %x = load double, ptr %p
  %q = getelementptr [3 x double], ptr @weights, i64 0, i64 %i
  %w = load double, ptr %q
  %y = fadd double %x, %w
  ret double %y
}
define i64 @count() {
  %x = load i64, ptr @counter
  %y = add i64 %x, 1
  store i64 %y, ptr @counter
  ret i64 %y
}
define double @through() {
  %p = load ptr, ptr @first
  %x = load double, ptr %p
  ret double %x
}
define double @gamma(double %x) {
  %y = call double @lgamma(double %x)
  ret double %y
}
define double @given(double %x) {
  %y = call double @sg_given(double %x)
  %z = call double @gamma(double %y)
  ret double %z
}
define ptr @where() {
  ret ptr @lgamma
}
"""


@pytest.fixture(scope="module")
def image() -> bytes:
    return unit.compile_module(MODULE, {"sg_given": 1})


@pytest.fixture(params=["elf", "llvm"])
def way(request, monkeypatch) -> str:
    if request.param == "elf" and not elf.supported():
        pytest.skip("this machine's objects are not ELF for x86-64")
    monkeypatch.setenv(loader.VARIABLE, request.param)
    return request.param


@pytest.fixture
def double_it():
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: 2 * x)
    return function, ctypes.cast(function, ctypes.c_void_p).value


def double_function(library, name, *arguments):
    kinds = [ctypes.c_double] * len(arguments)
    return ctypes.CFUNCTYPE(ctypes.c_double, *kinds)(library.address(name))(*arguments)


def test_functions_constants_and_globals_work(way, image, double_it):
    library = loader.load(image, {"sg_given": double_it[1]})
    entry = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)
    entry = entry(library.address("entry_of"))
    assert [entry(i) for i in range(3)] == [11.0, 22.5, 34.0]
    count = ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("count"))
    assert [count(), count()] == [6, 7]
    assert ctypes.c_int64.from_address(library.address("counter")).value == 7
    assert double_function(library, "through") == 1.0


def test_symbols_come_from_the_caller_and_from_the_process(way, image, double_it):
    library = loader.load(image, {"sg_given": double_it[1]})
    assert double_function(library, "gamma", 5.0) == pytest.approx(np.log(24.0))
    assert double_function(library, "given", 2.5) == pytest.approx(np.log(24.0))
    where = ctypes.CFUNCTYPE(ctypes.c_void_p)(library.address("where"))()
    assert double_function_at(where, 3.0) == pytest.approx(np.log(2.0))


def double_function_at(address, x):
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(address)(x)


def test_caller_symbols_go_before_those_of_the_process(way, image, double_it):
    library = loader.load(image, {"sg_given": double_it[1], "lgamma": double_it[1]})
    assert double_function(library, "gamma", 5.0) == 10.0


def test_two_copies_have_their_own_state(way, image, double_it):
    first = loader.load(image, {"sg_given": double_it[1]})
    second = loader.load(image, {"sg_given": double_it[1]})
    for library in (first, second):
        assert ctypes.CFUNCTYPE(ctypes.c_int64)(library.address("count"))() == 6
    del first
    gc.collect()
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(second.address("count"))() == 7


def test_unknown_name_is_an_error(way, image):
    with pytest.raises(BackendError, match="no_such"):
        loader.load(image, {"sg_given": 1}).address("no_such")


def test_missing_symbol_is_an_error(way, image):
    with pytest.raises(BackendError, match="given"):
        loader.load(image).address("given")


def test_bytes_that_are_no_object_are_an_error(way):
    with pytest.raises(BackendError):
        loader.load(b"not an object file").address("x")


def test_unknown_way_is_an_error(image, monkeypatch):
    monkeypatch.setenv(loader.VARIABLE, "sideways")
    with pytest.raises(BackendError, match="sideways"):
        loader.load(image)


def test_threads_may_load_at_once(way, image, double_it):
    libraries = []

    def work():
        for _ in range(3):
            libraries.append(loader.load(image, {"sg_given": double_it[1]}))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [double_function(one, "through") for one in libraries] == [1.0] * 12


@pytest.mark.skipif(not elf.supported(), reason="only ELF objects load without LLVM")
def test_another_process_loads_it_without_llvm(image, tmp_path, monkeypatch):
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    file = tmp_path / "code.o"
    file.write_bytes(image)
    script = (
        "import ctypes, pathlib, sys\n"
        "from symgraph.backends.cpu import loader\n"
        "code = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "library = loader.load(code, {'sg_given': loader.process_symbol('exp')})\n"
        "kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)\n"
        "assert kind(library.address('given'))(0.0) == 0.0\n"
        "assert not {'llvmlite', 'numba'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, timeout=60)


@pytest.mark.skipif(not elf.supported(), reason="reads ELF")
def test_no_page_is_both_writable_and_executable(image, double_it):
    library = loader.load(image, {"sg_given": double_it[1]})
    wanted = {library.address("gamma"): "r-xp", library.address("table"): "r--p",
              library.address("counter"): "rw-p"}  # fmt: skip
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps]
    for address, mode in wanted.items():
        for line in lines:
            start, end = (int(part, 16) for part in line[0].split("-"))
            if start <= address < end:
                assert line[1] == mode


@pytest.mark.skipif(not elf.supported(), reason="reads ELF")
def test_memory_is_returned_when_the_library_is_dropped(image, double_it):
    library = loader.load(image, {"sg_given": double_it[1]})
    start = library.address("counter") & -elf.PAGE
    library = None
    gc.collect()
    with open("/proc/self/maps") as maps:
        starts = [int(line.split("-")[0], 16) for line in maps]
    assert start not in starts


@pytest.mark.skipif(not elf.supported(), reason="reads ELF")
@pytest.mark.parametrize("kind", [3, 19, 10])
def test_unknown_relocations_are_refused(image, kind, double_it):
    changed = bytearray(image)
    for section in elf._sections(image):
        if section["kind"] == 4 and section["info"] in elf._kept(elf._sections(image)):
            struct.pack_into("<I", changed, int(section["offset"]) + 8, kind)
            break
    with pytest.raises(elf.UnmappableError, match=f"kind {kind}"):
        elf.map_object(
            bytes(changed), {"sg_given": double_it[1]}, loader.process_symbol
        )


@pytest.mark.skipif(not elf.supported(), reason="reads ELF")
def test_truncated_objects_are_refused(image, double_it):
    for length in range(0, len(image), 97):
        with pytest.raises(elf.UnmappableError):
            elf.map_object(image[:length], {"sg_given": 1}, loader.process_symbol)
