"""The thread pool of this process: when it is made, how large it is, what it is given.

The pool itself is native (backends/cpu/pool.py). Its object is compiled once on a
machine, kept in the cache of object code and mapped when the first function that can
use it is made; its threads start at the first step that is worth them. A function
without such a step costs nothing here.

`config.threads` decides how many threads there are, 0 meaning all that this process may
use. It takes effect at once, for functions that exist as well. Results do not depend on
it: how work is cut into units follows from sizes alone, and a unit computes the same
whoever runs it. So results are the same bit for bit with any number of threads, and
there is no separate deterministic mode.

A forked child starts without threads and makes its own. Process exit does not wait for
idle threads. In: `config`. Out: the symbols that compiled functions call.
"""

import ctypes
import functools
import math
import os
import threading
from typing import Any

import numpy as np

from symgraph.backends.cpu import loader, pool, target
from symgraph.config import config, when_changed
from symgraph.core.cache import default_cache
from symgraph.core.digest import digest

_lock = threading.Lock()
_pools: list["Pool"] = []


class Pool:
    """The mapped pool. There is one in a process, and it is never unmapped."""

    def __init__(self) -> None:
        library = loader.load(_object())
        # threads run in it until the process ends, longer than Python's own objects
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
        self.library = library
        self.parallel = library.address("sg_parallel")
        words: Any = ctypes.c_int64 * pool.WORDS
        self.state = np.ctypeslib.as_array(
            words.from_address(library.address("sg_pool_state"))
        )
        self._resize = ctypes.CFUNCTYPE(None, ctypes.c_int64)(
            library.address("sg_pool_resize")
        )

    def resize(self, threads: int) -> None:
        """Have `threads` threads from the next job on."""
        self._resize(threads if pool.has_threads() else 1)

    @property
    def started(self) -> int:
        """Threads that run now, the caller included."""
        return int(self.state[pool.STARTED]) + 1

    def forget(self) -> None:
        """Start afresh in a child: its parent's threads are not there."""
        for word in (pool.BUSY, pool.EPOCH, pool.SLEEPERS, pool.ACTIVE, pool.STARTED):
            self.state[word] = 0


def symbols() -> dict[str, int]:
    """Addresses by name of what compiled functions call; loads the pool.

    Examples
    --------
    >>> list(symbols())
    ['sg_parallel']
    """
    return {"sg_parallel": the_pool().parallel}


def the_pool() -> Pool:
    """The pool of this process, made when first asked for."""
    with _lock:
        if not _pools:
            made = Pool()
            made.resize(count())
            _pools.append(made)
        return _pools[0]


def count() -> int:
    """How many threads compiled functions use: `config.threads`, or all usable cores.

    Examples
    --------
    >>> from symgraph import config
    >>> with config.override(threads=1):
    ...     count()
    1
    """
    wish = config.threads or usable_cores()
    return min(wish, pool.MOST_THREADS) if pool.has_threads() else 1


@functools.cache
def usable_cores() -> int:
    """Cores that this process may run on: its affinity and its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count() or 1
    try:  # control groups, version 2: "quota period" in microseconds, or "max period"
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        found = min(found, max(1, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        pass
    return found


def _object() -> bytes:
    """Object code of the pool, from the cache or compiled."""
    text = pool.pool_text()
    cache = default_cache()
    key = digest(f"pool\n{target.fingerprint()}\n{text}".encode()).hexdigest()
    found = cache.get(key)
    if found is not None:
        return found[1]
    # a miss only: it imports Numba
    from symgraph.backends.cpu.unit import compile_module  # noqa: PLC0415

    code = compile_module(text)
    cache.put(key, {"what": "pool"}, code)
    return code


def _changed(value: Any) -> None:
    if _pools:
        _pools[0].resize(count())


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    usable_cores.cache_clear()
    if _pools:
        _pools[0].forget()


when_changed("threads", _changed)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
