"""The entry point from Python into a compiled function: one native builtin.

In: the address of a driver ``i64 step(ptr slots)``, its slot table, and what each
argument must look like. Out: a callable that checks its arrays, writes their data
pointers into the slots and runs the driver, in about 50 ns.

The builtin is the same machine code for all functions, a METH_FASTCALL function of
entry_code.py; what differs stands in a table of int64 that is the
builtin's ``__self__``. Its object is kept in the store that the caller gives. It reads
NumPy's array struct directly, so `_layout_is_known` compares the struct with a probe
array first. Where that fails, or with SYMGRAPH_ENTRY=ctypes, a slower Python callable
does the same. Converting arguments that do not match is left to the caller.

Threads: a call holds the GIL, unless ``release_gil`` is set; then the table is marked
busy meanwhile, and another thread's call returns BUSY without touching the slots.
The caller guards `rebind` and its slow path with a lock of its own. `make_direct` takes
words that must have certain values when the call begins, such as those that tell that
another thread holds a shared variable; `close` refuses all further calls. `make_runner`
runs many steps without the GIL.
"""

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from symgraph.backends.base import DONE, MISMATCH, RAISED, ArgumentSpec
from symgraph.backends.cpu import loader, target, watch
from symgraph.backends.cpu.entry_code import ENTRY
from symgraph.core.digest import digest
from symgraph.core.memory import address_of
from symgraph.core.record import Record
from symgraph.errors import BackendError

VARIABLE = "SYMGRAPH_ENTRY"

#: What a call returns besides the driver's result (0 fine, > 0 its error flag), and
#: besides MISMATCH.
BUSY = -2

_C_CONTIGUOUS, _ALIGNED = 0x1, 0x100

# Words of the table before the records of the arguments.
(
    _STEP, _SLOTS, _INPUTS, _OUTPUTS, _RELEASE, _TYPE, _BUSY, _GUARD, _GUARDS, _HEADER
) = range(10)  # fmt: skip


class ObjectStore(Protocol):
    """Where object code is kept between processes, such as `core.cache.Cache`."""

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
    store: ObjectStore | None = None,
) -> Callable[..., int]:
    """Make the callable of a compiled function that writes into given arrays.

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
    return native.entry(table) if native is not None else _CtypesEntry(table)


def make_direct(
    fast: Callable[..., Any],
    shapes: Sequence[tuple[tuple[int, ...], np.dtype]],
    single: bool,
    store: ObjectStore | None = None,
    guard: Sequence[tuple[Any, int]] = (),
) -> Callable[..., Any]:
    """Make the callable of a compiled function that makes its outputs.

    ``direct(*arrays)`` returns the fresh output array (`single`) or a list of them, or
    None where `fast` would not have returned 0.

    Parameters
    ----------
    fast : what `make_entry` made; the slots are its slots
    shapes : (shape, dtype) of each output
    guard : words in memory (`ctypes.c_int64`) and the values that they must have;
        otherwise nothing runs, and the result is None
    """
    given: _Table = fast.__self__  # type: ignore[attr-defined]
    words: list[int] = []
    for shape, dtype in shapes:
        words += [id(dtype), len(shape), *shape]
    table = np.append(given, np.array(words, np.int64)).view(_Table)
    table[_RELEASE] = int(given[_RELEASE]) + 2 * (not single)
    pairs = [part for word, value in guard for part in (ctypes.addressof(word), value)]
    guards = np.array(pairs, np.int64)
    table[_GUARD], table[_GUARDS] = address_of(guards), len(guard)
    table.keep = (*given.keep, [dtype for _, dtype in shapes], guards, guard)
    native = _native(store)
    if native is not None and native.direct is not None:
        return native.direct(table)

    def direct(*arrays: Any) -> Any:
        if table[_BUSY] or any(word.value != value for word, value in guard):
            return None
        made = [np.empty(shape, dtype) for shape, dtype in shapes]
        if fast(*arrays, *made) != 0:
            return None
        return made[0] if single else made

    direct.__self__ = table  # type: ignore[attr-defined]
    return direct


def close(direct: Callable[..., Any]) -> None:
    """Have what `make_direct` made return None from now on, in every thread."""
    direct.__self__[_BUSY] = 1  # type: ignore[attr-defined]


def make_runner(
    run: int, step: int, store: ObjectStore | None = None
) -> Callable[..., int]:
    """Make what has `run` (`sg_steps` in support.py) execute `step`, without the GIL.

    ``runner(slots, n, moves, count, rows, row_count, order, batch, watch, progress)``
    takes addresses and numbers as `run` does, a table as `watch.made` gives it, and a
    function of the number of steps done, or None, that is called now and then. Signals
    are heard meanwhile: an exception of their handlers, or of `progress`, ends the run
    and is raised; `watch[DONE]` is the number of whole steps.
    """
    native = _native(store)
    numbers = [ctypes.c_int64] * 10
    if native is not None:
        called = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64, *numbers)(native.run)

        def runner(*given: Any) -> int:
            *words, table, progress = given
            table[watch.CHECK] = native.watch
            table[watch.PROGRESS] = 0 if progress is None else id(progress)
            return int(called(run, step, *words, address_of(table)))

        return runner
    released = ctypes.CFUNCTYPE(ctypes.c_int64, *numbers)(run)
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)

    def slow_runner(*given: Any) -> int:
        *words, table, progress = given
        errors: list[BaseException] = []

        def check(_: int) -> int:
            try:
                if progress is not None:
                    progress(int(table[DONE]))
            except BaseException as error:  # raised again when the run has ended
                errors.append(error)
            return len(errors)

        entry_point = kind(check)
        table[watch.CHECK] = ctypes.cast(entry_point, ctypes.c_void_p).value
        flag = int(released(step, *words, address_of(table)))
        if errors:
            raise errors[0]
        return flag

    return slow_runner


def guarded(
    function: Callable[..., int], errors: list[Any], store: ObjectStore | None = None
) -> Callable[..., int]:
    """Make what calls a function; `errors` gets what it raises, the answer is RAISED.

    Native code that calls Python can raise nothing itself. A signal may raise before
    the first line of a Python function, where no ``try`` of its own helps.

    Parameters
    ----------
    errors : an empty list; the function itself becomes its first item
    """
    errors.insert(0, function)
    native = _native(store)
    if native is not None:
        return native.guarded(errors)

    def attempt(*given: Any) -> int:
        try:
            return function(*given)
        except BaseException as error:
            errors.append(error)
            return RAISED

    return attempt


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
        int(release_gil), id(np.ndarray), 0, 0, 0,
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
# positions in NumPy's table of C functions, fixed since NumPy 1.0
_NEW_FROM_DESCR, _FEATURE_VERSION = 94, 211


Maker = Callable[[Any], Callable[..., Any]]


class _Native(Record):
    """Makers of builtins, and the addresses of `sg_run` and `sg_watch`."""

    entry: Maker
    direct: Maker | None
    guarded: Maker
    run: int
    watch: int


def _native(store: ObjectStore | None) -> _Native | None:
    """Return what the native entry point has, or None where the Python callable must do."""
    wish = os.environ.get(VARIABLE, "")
    if wish not in ("", "native", "ctypes"):
        raise BackendError(f"{VARIABLE}={wish!r}: expected native or ctypes")
    if wish == "ctypes" or not _layout_is_known():
        return None
    if not _makers:
        _makers.append(_both(store))  # twice, if two threads are first: no harm
    return _makers[0]


_makers: list[_Native] = []


def _both(store: ObjectStore | None) -> _Native:
    new_array = _new_array()
    symbols = _python_symbols() | {"PyArray_NewFromDescr": new_array}
    library = loader.load(_object(store), symbols)
    return _Native(
        _maker(library, "sg_entry"),
        _maker(library, "sg_direct") if new_array else None,
        _maker(library, "sg_guarded"),
        library.address("sg_run"),
        library.address("sg_watch"),
    )


def _new_array() -> int:
    """Address of NumPy's PyArray_NewFromDescr, or 0 where it is not found as expected."""
    try:
        capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    except AttributeError:
        return 0
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = (
        ctypes.c_void_p,
        [ctypes.py_object, ctypes.c_char_p],
    )
    table = pointer(capsule, None)
    address = int(ctypes.c_int64.from_address(table + 8 * _NEW_FROM_DESCR).value)
    # the same table, asked for a function whose answer is known
    version = ctypes.c_int64.from_address(table + 8 * _FEATURE_VERSION).value
    if not 0x0D <= ctypes.CFUNCTYPE(ctypes.c_uint)(version)() < 0x100:
        return 0
    return address


def _maker(library: loader.Library, name: str) -> Maker:
    definition = _MethodDef(
        b"compiled", library.address(name), _METH_FASTCALL, b"A compiled function."
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
    names = ("PyLong_FromLongLong", "PyEval_SaveThread", "PyEval_RestoreThread",
             "Py_IncRef", "Py_DecRef", "PyList_New", "PyList_SetItem",
             "PyErr_CheckSignals", "PyObject_CallOneArg", "PyObject_Vectorcall",
             "PyList_GetItem", "PyList_Append", "PyErr_Fetch",
             "PyErr_NormalizeException", "PyException_SetTraceback")  # fmt: skip
    found = {}
    for name in names:
        function = getattr(ctypes.pythonapi, name)
        found[name] = ctypes.cast(function, ctypes.c_void_p).value or 0
    none = ctypes.c_char.in_dll(ctypes.pythonapi, "_Py_NoneStruct")
    return found | {"_Py_NoneStruct": ctypes.addressof(none)}


def _object(store: ObjectStore | None) -> bytes:
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
            opt=0, reloc="pic", codemodel="default"
        )
        code = bytes(machine.emit_object(module))
    except RuntimeError as error:
        raise BackendError(f"LLVM rejects the entry function: {error}") from error
    if store is not None:
        store.put(key, {"what": "entry"}, code)
    return code
