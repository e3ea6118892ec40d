"""The tile library as this process has it: compiled once on a machine, mapped once.

In: what a compiled function needs, as `backends.cpu.device.needs` lists it: a family of
tiles, its dtype, and the symbols that are called. Out: their addresses. Each family is
kept in the cache of object code, under a key that `stamp` (the state of the
package's sources) is part of; one object may hold several. A warm start reads it and
imports no emitter.
"""

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

from symgraph.backends.cpu import loader, target
from symgraph.core.cache import default_cache
from symgraph.core.digest import digest

_lock = threading.Lock()
_libraries: dict[tuple[str, str, str], Any] = {}


def symbols(needs: Sequence[str], stamp: str) -> dict[str, int]:
    """Addresses by name; loads, or compiles, the families that are new.

    Parameters
    ----------
    needs : such as "gemm float32 sg_gemm_f32 sg_gemm_f32_units"
    stamp : text that changes when the emitters do
    """
    wanted = [need.split() for need in needs]
    libraries = have([(family, dtype) for family, dtype, *_ in wanted], stamp)
    return {
        name: libraries[family, dtype].address(name)
        for family, dtype, *names in wanted
        for name in names
    }


def have(families: Sequence[tuple[str, str]], stamp: str) -> dict[tuple[str, str], Any]:
    """The mapped libraries of these families, which stay mapped; compiles new ones.

    Those that this machine lacks are compiled together, for they share the tiles.
    """
    level = target.restriction()
    with _lock:
        new = [f for f in families if (*f, level) not in _libraries]
        for family, code in _objects(new, stamp).items():
            library = _libraries[(*family, level)] = loader.load(code)
            # a thread of the pool may be in it when the interpreter ends
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
        return {f: _libraries[(*f, level)] for f in families}


def _objects(
    families: Sequence[tuple[str, str]], stamp: str
) -> dict[tuple[str, str], bytes]:
    cache = default_cache()
    made: dict[tuple[str, str], bytes] = {}
    keys = {f: _key(f, stamp) for f in families}
    for family, key in keys.items():
        found = cache.get(key)
        if found is not None:
            made[family] = found[1]
    missing = [f for f in families if f not in made]
    if missing:  # a miss only: it imports Numba
        from symgraph.backends.cpu.library_object import tile_object  # noqa: PLC0415

        code = tile_object(frozenset(missing))
        for family in missing:
            made[family] = code
            cache.put(keys[family], {"what": f"tiles {' '.join(family)}"}, code)
    return made


def _key(family: tuple[str, str], stamp: str) -> str:
    name, dtype = family
    facts = f"tiles\n{name}\n{dtype}\n{target.fingerprint()}\n{stamp}"
    return digest(facts.encode()).hexdigest()
