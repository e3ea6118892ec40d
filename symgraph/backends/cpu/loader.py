"""Map object code into this process and find the functions in it.

In: the bytes that `unit` made, now or in an earlier process, and the addresses of
symbols that only this process knows (BLAS, kernels of other units). Out: a `Library`
that gives addresses and keeps the code mapped while it lives.

Two ways lead there, with one behaviour: `elf` maps the object with nothing but NumPy
(1 ms), and LLVM's JIT linker does for every other object format and machine (70 ms
for importing llvmlite once, then 3 ms). SYMGRAPH_LOADER=llvm forces the second.
Symbols that are not given resolve in the process itself: lgamma, atan2, memcpy. The
bytes are trusted here: `core.cache` has checked them.
"""

import ctypes
import functools
import itertools
import os
import threading
from collections.abc import Mapping
from typing import Any

from symgraph.backends.cpu import elf
from symgraph.errors import BackendError

VARIABLE = "SYMGRAPH_LOADER"

_lock = threading.Lock()
_numbers = itertools.count()


class Library:
    """Mapped object code; it stays mapped as long as this object lives."""

    __slots__ = ("_code", "_found")

    def __init__(self, code: Any, found: dict[str, int] | None) -> None:
        self._code = code
        self._found = found

    def address(self, name: str) -> int:
        """Return the address of a function or constant that the object defines.

        Raises
        ------
        BackendError : the object does not define it, or (LLVM's linker only, which
            resolves as late as this) it needs a symbol that nobody defines
        """
        if self._found is not None:
            try:
                return self._found[name]
            except KeyError:
                raise BackendError(f"object code without a symbol {name!r}") from None
        return int(self._code.address(name))


def load(image: bytes, symbols: Mapping[str, int] | None = None) -> Library:
    """Map object code; functions in it may be called until the result is dropped.

    Parameters
    ----------
    image : bytes of a relocatable object, as from `unit.compile_module`
    symbols : addresses by name; they go before those of the process

    Raises
    ------
    BackendError : a symbol is not defined anywhere, or the object is malformed
    """
    given = symbols or {}
    wish = os.environ.get(VARIABLE, "")
    if wish not in ("", "elf", "llvm"):
        raise BackendError(f"{VARIABLE}={wish!r}: expected elf or llvm")
    if wish != "llvm" and elf.supported():
        try:
            mapped = elf.map_object(image, given, process_symbol)
        except elf.UnresolvedError as error:
            raise BackendError(
                f"object code needs {', '.join(error.args[0])}, which nobody defines"
            ) from None
        except elf.UnmappableError as error:
            if wish == "elf":
                raise BackendError(f"object code cannot be mapped: {error}") from error
        else:
            return Library(mapped, mapped.addresses)
    return Library(_Linked(image, given), None)


@functools.lru_cache(maxsize=1024)
def process_symbol(name: str) -> int:
    """Return the address of a C function loaded in this process, or 0.

    Examples
    --------
    >>> process_symbol("lgamma") != 0
    True
    """
    for source in _sources():
        try:
            function = getattr(source, name)
        except AttributeError:
            continue
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    return 0


@functools.cache
def _sources() -> tuple[ctypes.CDLL, ...]:
    """Return the process itself, and the C mathematics library beside it."""
    found = [ctypes.CDLL(None)]
    for name in ("libm.so.6", "libm.dylib"):
        try:
            found.append(ctypes.CDLL(name))
        except OSError:
            continue
    return tuple(found)


class _Linked:
    """An object that LLVM's linker has mapped."""

    def __init__(self, image: bytes, symbols: Mapping[str, int]) -> None:
        llvm, engine = _engine()
        builder = llvm.JITLibraryBuilder().add_object_img(image)
        builder.add_current_process()
        for name, address in symbols.items():
            builder.import_symbol(name, address)
        self._engine = engine
        self._name = f"symgraph{next(_numbers)}"
        try:
            with _lock:
                self._tracker = builder.link(engine, self._name)
        except RuntimeError as error:
            raise BackendError(f"LLVM cannot link object code: {error}") from error
        self._parts: dict[str, Any] = {}

    def address(self, name: str) -> int:
        with _lock:
            if name not in self._parts:
                try:
                    self._parts[name] = self._engine.lookup(self._name, name)
                except RuntimeError as error:
                    raise BackendError(
                        f"object code without a symbol {name!r}: {error}"
                    ) from error
            return int(self._parts[name][name])


def _engine() -> tuple[Any, Any]:
    """LLVM's binding and the one linker of this process."""
    with _lock:
        return _make_engine()


@functools.cache
def _make_engine() -> tuple[Any, Any]:
    import llvmlite.binding as llvm  # noqa: PLC0415  (loads late: 70 ms)

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        return llvm, llvm.create_lljit_compiler(use_jit_link=True, suppress_errors=True)
    except RuntimeError as error:
        raise BackendError(f"LLVM's linker does not start: {error}") from error
