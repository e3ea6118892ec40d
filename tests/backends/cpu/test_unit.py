"""Compiling a module through Numba's code library, and the parts of it we rely on."""

import ctypes
import sys
import threading
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from symgraph.backends.cpu import loader, target, unit
from symgraph.errors import BackendError

ROOT = Path(__file__).parents[3]

ADD_ONE = """
define i64 @step(ptr %slots) {
  %at = getelementptr i64, ptr %slots, i64 1
  %data = load ptr, ptr %at
  %x = load <16 x float>, ptr %data, align 4
  %y = fadd <16 x float> %x, splat (float 1.0)
  store <16 x float> %y, ptr %data, align 4
  ret i64 0
}
"""

LOOP = """
define i64 @step(ptr %slots) {
entry:
  %at = getelementptr i64, ptr %slots, i64 1
  %data = load ptr, ptr %at
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = getelementptr float, ptr %data, i64 %i
  %x = load float, ptr %p
  %y = fadd float %x, 1.0
  store float %y, ptr %p
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, 64
  br i1 %more, label %loop, label %done
done:
  ret i64 0
}
"""

BROKEN = """define i64 @step(ptr %slots) {
  %x = add i64 1, 2
  %y = fadd double %missing, 1.0
  ret i64 0
}
"""


def call_step(library: loader.Library, data: np.ndarray) -> int:
    slots = np.array([0, data.ctypes.data], np.int64)
    step = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(library.address("step"))
    return step(slots.ctypes.data)


def test_the_parts_of_numba_that_we_use_are_there():
    parts = unit._parts()
    codegen = unit._codegen("")
    library = codegen.create_library("guard")
    library.add_llvm_module(parts.llvm.parse_assembly(ADD_ONE))
    assert [f.name for f in library._final_module.functions] == ["step"]
    with parts.lock:
        code = library.emit_native_object()
    assert code[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")


def test_compiled_code_computes():
    data = np.arange(16, dtype=np.float32)
    library = loader.load(unit.compile_module(ADD_ONE))
    assert call_step(library, data) == 0
    np.testing.assert_array_equal(data, np.arange(1, 17))


def test_compiling_twice_gives_the_same_bytes():
    assert unit.compile_module(ADD_ONE) == unit.compile_module(ADD_ONE)


def test_module_passes_run_only_on_demand():
    plain, optimized = (
        unit.compile_module(LOOP, optimize=wish) for wish in (False, True)
    )
    assert optimized != plain
    for code in (plain, optimized):
        data = np.zeros(64, np.float32)
        call_step(loader.load(code), data)
        np.testing.assert_array_equal(data, np.ones(64))


@pytest.mark.skipif(not target.is_x86(), reason="looks at x86 instructions")
def test_restricted_features_change_the_instructions(monkeypatch):
    addps = b"\x0f\x58"  # SSE form; AVX encodes the addition differently
    monkeypatch.setenv(target.VARIABLE, "generic")
    code = unit.compile_module(ADD_ONE)
    assert code.count(addps) == 4
    data = np.zeros(16, np.float32)
    call_step(loader.load(code), data)
    np.testing.assert_array_equal(data, np.ones(16))
    monkeypatch.setenv(target.VARIABLE, "native")
    if "avx" in target.features():
        assert addps not in unit.compile_module(ADD_ONE)


def test_broken_module_is_an_error_with_its_line():
    with pytest.raises(BackendError, match=r"line 3: %y = fadd .* %missing"):
        unit.compile_module(BROKEN)


def test_ill_typed_module_is_an_error():
    with pytest.raises(BackendError, match="LLVM rejects"):
        unit.compile_module("define i64 @step(ptr %s) { ret double 1.0 }")


def test_unknown_external_is_found_when_compiling():
    text = "declare void @sg_nobody()\n"
    text += "define void @k() { call void @sg_nobody()\nret void }"
    with pytest.raises(BackendError, match="sg_nobody"):
        unit.compile_module(text)
    assert unit.compile_module(text, {"sg_nobody": 1})


@pytest.fixture
def changed_numba() -> Iterator[types.ModuleType]:
    """Numba's code generator, to be changed; it is looked at again."""
    unit._parts()
    unit._parts.cache_clear()
    unit._codegen.cache_clear()
    yield sys.modules["numba.core.codegen"]
    unit._parts.cache_clear()
    unit._codegen.cache_clear()


@pytest.mark.parametrize(
    ("owner", "method"), [(owner, method) for owner, method, _ in unit.INTERNALS]
)
def test_a_method_that_numba_renames_is_named(
    changed_numba, monkeypatch, owner, method
):
    monkeypatch.delattr(getattr(changed_numba, owner), method)
    if hasattr(
        getattr(changed_numba, owner), method
    ):  # of a class above, other parameters
        monkeypatch.setattr(getattr(changed_numba, owner), method, None)
    with pytest.raises(BackendError, match=rf"no {owner}\.{method}[ ;].*numba-\d"):
        unit.compile_module(ADD_ONE)


def test_parameters_that_numba_renames_are_named(changed_numba, monkeypatch):
    monkeypatch.setattr(
        changed_numba.CPUCodeLibrary, "add_llvm_module", lambda self, module: None
    )
    wanted = r"add_llvm_module takes \(self, module\), not \(self, ll_module\)"
    with pytest.raises(BackendError, match=wanted):
        unit.import_numba()


def test_a_code_generator_that_ignores_our_target_is_refused(
    changed_numba, monkeypatch
):
    init = changed_numba.CPUCodegen._init

    def other(self, module):
        init(self, module)
        self.asked.discard("options")

    monkeypatch.setattr(changed_numba.CPUCodegen, "_init", other)
    with pytest.raises(BackendError, match="does not ask for our target"):
        unit.compile_module(ADD_ONE)


def test_changed_numba_is_an_error_that_names_versions_and_the_cure(
    changed_numba, monkeypatch
):
    monkeypatch.delattr(changed_numba, "AOTCPUCodegen")
    with pytest.raises(BackendError, match=r"numba-\d[^$]*pip install 'numba==0\.\d"):
        unit.compile_module(ADD_ONE)


def test_the_series_of_numba_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = [d for d in project["dependencies"] if d.startswith("numba")]
    major, minor = map(int, unit.TESTED.split("."))
    assert wanted == f"numba>={unit.TESTED},<{major}.{minor + 1}"


def test_threads_may_compile_at_once():
    results: list[bytes] = []
    workers = [
        threading.Thread(target=lambda: results.append(unit.compile_module(ADD_ONE)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    assert len(set(results)) == 1


@pytest.mark.skipif(not target.is_x86(), reason="levels are x86's")
def test_a_code_generator_belongs_to_the_restriction_it_is_asked_for(monkeypatch):
    monkeypatch.setenv(target.VARIABLE, "generic")
    unit._codegen.cache_clear()
    unit._codegen("")
    monkeypatch.setenv(target.VARIABLE, "native")
    native = unit.compile_module(ADD_ONE)
    unit._codegen.cache_clear()
    assert unit.compile_module(ADD_ONE) == native
