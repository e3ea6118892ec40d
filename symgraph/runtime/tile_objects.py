"""The tile library as this process has it: compiled once on a machine, mapped once.

In: what a compiled function needs, as `backends.cpu.device.needs` lists it: a family of
tiles, its dtype, and the symbols that are called. Out: their addresses. Each family is
one object in the cache of object code, under a key that `stamp` (the state of the
package's sources) is part of. A warm start reads it and imports no emitter.
"""

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

from symgraph.backends.cpu import loader, target
from symgraph.core.digest import digest
from symgraph.runtime.cache import default_cache

_lock = threading.Lock()
_libraries: dict[tuple[str, str, str], Any] = {}


def symbols(needs: Sequence[str], stamp: str) -> dict[str, int]:
    """Addresses by name; loads, or compiles, the families that are new.

    Parameters
    ----------
    needs : such as "gemm float32 sg_gemm_f32 sg_gemm_f32_units"
    stamp : text that changes when the emitters do
    """
    found: dict[str, int] = {}
    for need in needs:
        family, dtype, *names = need.split()
        library = _library(family, dtype, stamp)
        found |= {name: library.address(name) for name in names}
    return found


def _library(family: str, dtype: str, stamp: str) -> Any:
    """A mapped family; it stays mapped while the process lives."""
    key = (family, dtype, target.restriction())
    with _lock:
        known = _libraries.get(key)
        if known is None:
            known = _libraries[key] = loader.load(_object(family, dtype, stamp))
            # a thread of the pool may be in it when the interpreter ends
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(known))
        return known


def _object(family: str, dtype: str, stamp: str) -> bytes:
    cache = default_cache()
    facts = f"tiles\n{family}\n{dtype}\n{target.fingerprint()}\n{stamp}"
    key = digest(facts.encode()).hexdigest()
    found = cache.get(key)
    if found is not None:
        return found[1]
    # a miss only: it imports Numba
    from symgraph.backends.cpu.library_object import tile_object  # noqa: PLC0415

    code = tile_object(frozenset([(family, dtype)]))
    cache.put(key, {"what": f"tiles {family} {dtype}"}, code)
    return code
