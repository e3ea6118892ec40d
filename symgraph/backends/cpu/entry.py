"""The door from Python into a compiled function: one native builtin.

In: the address of a driver ``i64 step(ptr slots)``, its slot table, and what each
argument must look like. Out: a callable that checks its arrays, writes their data
pointers into the slots and runs the driver, in about 50 ns.

The builtin is the same machine code for all functions, a METH_FASTCALL function
written in LLVM text below; what differs stands in a table of int64 that is the
builtin's ``__self__``. Its object is kept in the store that the caller gives. It reads
NumPy's array struct directly, so `_layout_is_known` compares the struct with a probe
array first. Where that fails, or with SYMGRAPH_ENTRY=ctypes, a slower Python callable
does the same. Converting arguments that do not match is left to the caller.

Threads: a call holds the GIL, unless ``release_gil`` is set; then the table is marked
busy meanwhile, and another thread's call returns BUSY without touching the slots.
The caller guards `rebind` and its slow path with a lock of its own.
"""

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from symgraph.backends.cpu import loader, target
from symgraph.core.digest import digest
from symgraph.core.record import Record
from symgraph.errors import BackendError

VARIABLE = "SYMGRAPH_ENTRY"

#: What a call returns besides the driver's result (0 fine, > 0 its error flag).
MISMATCH = -1
BUSY = -2

_C_CONTIGUOUS, _ALIGNED = 0x1, 0x100

# Words of the table before the records of the arguments.
_STEP, _SLOTS, _INPUTS, _OUTPUTS, _RELEASE, _TYPE, _BUSY, _HEADER = range(8)


class ArgumentSpec(Record):
    """What an argument must be: dtype, exact shape, and the slot of its address."""

    dtype: str
    shape: tuple[int, ...]
    slot: int


class Store(Protocol):
    """Where object code is kept between processes, such as `runtime.cache.Cache`."""

    def get(self, key: str) -> tuple[dict[str, Any], bytes] | None: ...

    def put(self, key: str, metadata: dict[str, Any], code: bytes) -> bool: ...


def make_entry(
    step: int,
    slots: np.ndarray,
    arguments: Sequence[ArgumentSpec],
    outputs: Sequence[int] = (),
    *,
    release_gil: bool = False,
    keep: Any = None,
    store: Store | None = None,
) -> Callable[..., int]:
    """Make the callable of a compiled function.

    ``fast(*arrays, *output_arrays)`` returns 0 when the function ran, a positive
    error flag from its driver, MISMATCH when an array is not exactly as specified
    (nothing ran; some slots may have been written), or BUSY (see the module).

    Parameters
    ----------
    step : address of the driver, ``i64 step(ptr slots)``
    slots : int64 (n,), C-contiguous; the entry keeps it alive
    arguments : one for each input array: an exact `numpy.ndarray`, of native byte
        order, C-contiguous and aligned
    outputs : slot of each output array; the caller has just made those arrays, so
        nothing but their type is checked
    release_gil : let other Python threads run meanwhile (costs about 50 ns)
    keep : anything that must live as long as the callable, such as a `Library`
    store : where the builtin's own object code is kept, asked once in a process

    Returns
    -------
    callable with ``__self__``, the table that `rebind` changes
    """
    if slots.dtype != np.int64 or not slots.flags.c_contiguous or slots.ndim != 1:
        raise BackendError("slots must be a contiguous vector of int64")
    words = _words(step, slots, arguments, outputs, release_gil)
    table = np.array(words, np.int64).view(_Table)
    # dtype objects stay alive, so that their addresses go on meaning them
    table.keep = (slots, keep, [np.dtype(a.dtype) for a in arguments])
    native = _native(store)
    return native(table) if native is not None else _CtypesEntry(table)


def rebind(
    fast: Callable[..., int],
    slots: np.ndarray,
    arguments: Sequence[ArgumentSpec],
    outputs: Sequence[int] = (),
) -> None:
    """Give an entry other shapes or slots; dtypes and ranks must be those it had.

    Not while a call that released the GIL is running (BackendError).
    """
    table = fast.__self__  # type: ignore[attr-defined]
    step, release = int(table[_STEP]), bool(table[_RELEASE])
    words = _words(step, slots, arguments, outputs, release)
    if len(words) != len(table):
        raise BackendError("rebind: the ranks or the number of arguments differ")
    if table[_BUSY]:
        raise BackendError("rebind: the function is running in another thread")
    table.keep = (slots, table.keep[1], [np.dtype(a.dtype) for a in arguments])
    table[:] = words


# --- helpers ---------------------------------------------------------------------


class _Table(np.ndarray):
    """The words that the builtin reads; also holds what they point to."""

    keep: Any = None


def _words(
    step: int,
    slots: np.ndarray,
    arguments: Sequence[ArgumentSpec],
    outputs: Sequence[int],
    release_gil: bool,
) -> list[int]:
    address = slots.__array_interface__["data"][0]
    words = [
        step, address, len(arguments), len(outputs),
        int(release_gil), id(np.ndarray), 0,
    ]  # fmt: skip
    for argument in arguments:
        words += (id(np.dtype(argument.dtype)), argument.slot, len(argument.shape))
        words += argument.shape
    words += outputs
    count = len(slots)
    if any(not 1 <= s < count for s in (*(a.slot for a in arguments), *outputs)):
        raise BackendError(f"a slot lies outside 1 .. {count - 1} (0 is the flag's)")
    return words


class _CtypesEntry:
    """The builtin's behaviour in Python, for interpreters whose structs differ."""

    def __init__(self, table: _Table) -> None:
        self.__self__ = table
        prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
        holding = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
        self._step = (prototype if table[_RELEASE] else holding)(int(table[_STEP]))

    def __call__(self, *arrays: Any) -> int:
        table = self.__self__
        words = table.tolist()
        inputs, outputs = words[_INPUTS], words[_OUTPUTS]
        if len(arrays) != inputs + outputs:
            return MISMATCH
        if words[_BUSY]:
            return BUSY
        slots = table.keep[0]
        place = _HEADER
        for array in arrays[:inputs]:
            descr, slot, rank = words[place : place + 3]
            place += 3
            if (
                type(array) is not np.ndarray
                or id(array.dtype) != descr
                or array.ndim != rank
                or list(array.shape) != words[place : place + rank]
                or not (array.flags.c_contiguous and array.flags.aligned)
            ):
                return MISMATCH
            place += rank
            slots[slot] = array.__array_interface__["data"][0]
        for array, slot in zip(arrays[inputs:], words[place:], strict=True):
            if type(array) is not np.ndarray:
                return MISMATCH
            slots[slot] = array.__array_interface__["data"][0]
        table[_BUSY] = words[_RELEASE]
        try:
            return int(self._step(words[_SLOTS]))
        finally:
            table[_BUSY] = 0


@functools.cache
def _layout_is_known() -> bool:
    """Whether CPython's and NumPy's structs are as the builtin reads them."""
    if sys.implementation.name != "cpython" or sys.maxsize < 2**32:
        return False
    if "t" in getattr(sys, "abiflags", ""):  # free-threaded: another object header
        return False

    def word(address: int, kind: Any = ctypes.c_int64) -> int:
        return int(kind.from_address(address).value)

    for array in (
        np.zeros((3, 5), np.float32),
        np.zeros((2, 3, 4), np.int64)[:, ::2],
        np.zeros((), np.complex128),
        np.zeros(4, np.uint8).view(_Table),
    ):
        start = id(array)
        dimensions = word(start + 32)
        if (
            word(start + 8) != id(type(array))
            or word(start + 16) != array.__array_interface__["data"][0]
            or word(start + 24, ctypes.c_int32) != array.ndim
            or [word(dimensions + 8 * i) for i in range(array.ndim)]
            != list(array.shape)
            or word(start + 56) != id(array.dtype)
            or word(start + 64, ctypes.c_int32) != array.flags.num
            or bool(array.flags.num & _C_CONTIGUOUS) != array.flags.c_contiguous
            or bool(array.flags.num & _ALIGNED) != array.flags.aligned
        ):
            return False
    return True


class _MethodDef(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_METH_FASTCALL = 0x80


def _native(store: Store | None) -> Callable[[_Table], Callable[..., int]] | None:
    """Return the maker of builtins, or None where the Python callable must do."""
    wish = os.environ.get(VARIABLE, "")
    if wish not in ("", "native", "ctypes"):
        raise BackendError(f"{VARIABLE}={wish!r}: expected native or ctypes")
    if wish == "ctypes" or not _layout_is_known():
        return None
    if not _makers:
        _makers.append(_maker(store))  # twice, if two threads are first: no harm
    return _makers[0]


_makers: list[Callable[[_Table], Callable[..., int]]] = []


def _maker(store: Store | None) -> Callable[[_Table], Callable[..., int]]:
    library = loader.load(_object(store), _python_symbols())
    definition = _MethodDef(
        b"compiled",
        library.address("sg_entry"),
        _METH_FASTCALL,
        b"A compiled function.",
    )
    prototype = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p
    )
    create = prototype(("PyCFunction_NewEx", ctypes.pythonapi))
    where = ctypes.addressof(definition)
    alive = (library, definition)  # for the life of the process: builtins point here

    def make(table: _Table, _alive: Any = alive) -> Callable[..., int]:
        made: Callable[..., int] = create(where, table, None)
        return made

    return make


def _python_symbols() -> dict[str, int]:
    names = ("PyLong_FromLongLong", "PyEval_SaveThread", "PyEval_RestoreThread")
    found = {}
    for name in names:
        function = getattr(ctypes.pythonapi, name)
        found[name] = ctypes.cast(function, ctypes.c_void_p).value or 0
    return found


def _object(store: Store | None) -> bytes:
    """Return the builtin's object code, from the store or from LLVM."""
    facts = f"entry\n{target.fingerprint()}\n{ENTRY}"
    key = digest(facts.encode()).hexdigest()
    found = store.get(key) if store is not None else None
    if found is not None:
        return found[1]
    import llvmlite.binding as llvm  # noqa: PLC0415  (loads late: 70 ms)

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        module = llvm.parse_assembly(ENTRY)
        module.verify()
        triple = llvm.get_process_triple()
        module.triple = triple
        machine = llvm.Target.from_triple(triple).create_target_machine(
            opt=2, reloc="pic", codemodel="default"
        )
        code = bytes(machine.emit_object(module))
    except RuntimeError as error:
        raise BackendError(f"LLVM rejects the entry function: {error}") from error
    if store is not None:
        store.put(key, {"what": "entry"}, code)
    return code


# Offsets into PyObject: 8 type. Into PyArrayObject: 16 data, 24 nd, 32 dimensions,
# 56 descr, 64 flags. 257 = C_CONTIGUOUS | ALIGNED. A record is descr, slot, rank and
# then as many extents.
ENTRY = """
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)

define ptr @sg_entry(ptr %self, ptr %args, i64 %given) nounwind {
entry:
  %table.at = getelementptr i8, ptr %self, i64 16
  %table = load ptr, ptr %table.at
  %step = load ptr, ptr %table
  %slots.at = getelementptr i64, ptr %table, i64 1
  %slots = load ptr, ptr %slots.at
  %inputs.at = getelementptr i64, ptr %table, i64 2
  %inputs = load i64, ptr %inputs.at
  %outputs.at = getelementptr i64, ptr %table, i64 3
  %outputs = load i64, ptr %outputs.at
  %release.at = getelementptr i64, ptr %table, i64 4
  %release = load i64, ptr %release.at
  %type.at = getelementptr i64, ptr %table, i64 5
  %type = load ptr, ptr %type.at
  %busy.at = getelementptr i64, ptr %table, i64 6
  %busy = load i64, ptr %busy.at
  %records = getelementptr i64, ptr %table, i64 7
  %wanted = add i64 %inputs, %outputs
  %count.fits = icmp eq i64 %wanted, %given
  br i1 %count.fits, label %counted, label %leave
counted:
  %idle = icmp eq i64 %busy, 0
  br i1 %idle, label %inputs.next, label %leave

inputs.next:
  %i = phi i64 [ 0, %counted ], [ %i.after, %input.fits ]
  %record = phi ptr [ %records, %counted ], [ %record.after, %input.fits ]
  %inputs.done = icmp eq i64 %i, %inputs
  br i1 %inputs.done, label %outputs.next, label %input

input:
  %array.at = getelementptr ptr, ptr %args, i64 %i
  %array = load ptr, ptr %array.at
  %array.type.at = getelementptr i8, ptr %array, i64 8
  %array.type = load ptr, ptr %array.type.at
  %type.fits = icmp eq ptr %array.type, %type
  br i1 %type.fits, label %input.typed, label %leave
input.typed:
  %descr.at = getelementptr i8, ptr %array, i64 56
  %descr = load i64, ptr %descr.at
  %descr.wanted = load i64, ptr %record
  %descr.wrong = xor i64 %descr, %descr.wanted
  %rank.at = getelementptr i8, ptr %array, i64 24
  %rank.short = load i32, ptr %rank.at
  %rank = zext i32 %rank.short to i64
  %rank.wanted.at = getelementptr i64, ptr %record, i64 2
  %rank.wanted = load i64, ptr %rank.wanted.at
  %rank.wrong = xor i64 %rank, %rank.wanted
  %flags.at = getelementptr i8, ptr %array, i64 64
  %flags = load i32, ptr %flags.at
  %flags.kept = and i32 %flags, 257
  %flags.wrong.short = xor i32 %flags.kept, 257
  %flags.wrong = zext i32 %flags.wrong.short to i64
  %wrong.some = or i64 %descr.wrong, %rank.wrong
  %wrong = or i64 %wrong.some, %flags.wrong
  %right = icmp eq i64 %wrong, 0
  br i1 %right, label %extents, label %leave
extents:
  %extents.at = getelementptr i8, ptr %array, i64 32
  %extents.given = load ptr, ptr %extents.at
  %extents.wanted = getelementptr i64, ptr %record, i64 3
  br label %extents.next
extents.next:
  %axis = phi i64 [ 0, %extents ], [ %axis.after, %extent.fits ]
  %extents.done = icmp eq i64 %axis, %rank
  br i1 %extents.done, label %input.fits, label %extent
extent:
  %extent.at = getelementptr i64, ptr %extents.given, i64 %axis
  %extent.given = load i64, ptr %extent.at
  %extent.wanted.at = getelementptr i64, ptr %extents.wanted, i64 %axis
  %extent.wanted = load i64, ptr %extent.wanted.at
  %extent.same = icmp eq i64 %extent.given, %extent.wanted
  br i1 %extent.same, label %extent.fits, label %leave
extent.fits:
  %axis.after = add i64 %axis, 1
  br label %extents.next
input.fits:
  %data.at = getelementptr i8, ptr %array, i64 16
  %data = load i64, ptr %data.at
  %slot.at = getelementptr i64, ptr %record, i64 1
  %slot = load i64, ptr %slot.at
  %place = getelementptr i64, ptr %slots, i64 %slot
  store i64 %data, ptr %place
  %i.after = add i64 %i, 1
  %record.after = getelementptr i64, ptr %extents.wanted, i64 %rank
  br label %inputs.next

outputs.next:
  %o = phi i64 [ 0, %inputs.next ], [ %o.after, %output.typed ]
  %outputs.done = icmp eq i64 %o, %outputs
  br i1 %outputs.done, label %run, label %output
output:
  %o.index = add i64 %inputs, %o
  %out.at = getelementptr ptr, ptr %args, i64 %o.index
  %out = load ptr, ptr %out.at
  %out.type.at = getelementptr i8, ptr %out, i64 8
  %out.type = load ptr, ptr %out.type.at
  %out.fits = icmp eq ptr %out.type, %type
  br i1 %out.fits, label %output.typed, label %leave
output.typed:
  %out.data.at = getelementptr i8, ptr %out, i64 16
  %out.data = load i64, ptr %out.data.at
  %out.slot.at = getelementptr i64, ptr %record, i64 %o
  %out.slot = load i64, ptr %out.slot.at
  %out.place = getelementptr i64, ptr %slots, i64 %out.slot
  store i64 %out.data, ptr %out.place
  %o.after = add i64 %o, 1
  br label %outputs.next

run:
  %released = icmp ne i64 %release, 0
  br i1 %released, label %run.released, label %run.held
run.held:
  %result.held = call i64 %step(ptr %slots)
  br label %leave
run.released:
  store i64 1, ptr %busy.at
  %thread = call ptr @PyEval_SaveThread()
  %result.released = call i64 %step(ptr %slots)
  call void @PyEval_RestoreThread(ptr %thread)
  store i64 0, ptr %busy.at
  br label %leave

leave:
  %result = phi i64 [ -1, %entry ], [ -2, %counted ], [ -1, %input ],
    [ -1, %input.typed ], [ -1, %extent ], [ -1, %output ],
    [ %result.held, %run.held ], [ %result.released, %run.released ]
  %answer = tail call ptr @PyLong_FromLongLong(i64 %result)
  ret ptr %answer
}
"""
