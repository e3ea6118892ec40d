"""What this machine can do at best: multiply-adds, and bytes moved, in a second.

Both are measured, with two generated kernels (peak_kernels.py) on as many threads as
compiled functions use: the bandwidth for working sets from a first-level cache to main
memory, as data that stays in a cache moves faster. In: a dtype, a number of threads.
Out: a `Peak` (backends/roofline.py). It takes about 0.2 s, once in a process.
"""

import ctypes
import functools
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from symgraph.backends.cpu import loader, target
from symgraph.backends.cpu.peak_kernels import flops_of_round, peak_text
from symgraph.backends.roofline import Peak
from symgraph.core.cache import default_cache
from symgraph.core.digest import digest
from symgraph.core.dtypes import ITEMSIZE, NUMPY

#: bytes of the working sets, for each thread
SETS = (2**14, 2**17, 2**20, 2**22, 2**25)
_LEAST = 1e-3  # seconds of one measurement
_ROUNDS = 5


@functools.cache
def peak(dtype: str, threads: int) -> Peak:
    """Measure the roofline of this machine for "float32" or "float64"."""
    library = loader.load(_object(dtype))
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)
    compute = prototype(library.address("sg_peak_flops"))
    four = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)
    move = four(library.address("sg_peak_bytes"))
    outs = [_aligned(1024, dtype) for _ in range(threads)]
    for out in outs:
        out[:] = 0.5

    def rate(works: Sequence[Callable[[int], None]], amount: float) -> float:
        """`amount` of each work in a second, at best, with a thread for each work."""
        times = 1
        # the best of several: one run that waited for a core would end the search early
        while (best := min(_seconds(works, times) for _ in range(_ROUNDS))) < _LEAST:
            times *= 4
        return amount * times * len(works) / best

    flops = rate(
        [_computer(compute, out) for out in outs],
        1000 * flops_of_round(dtype),
    )
    found = []
    for size in SETS:
        count = size // 2 // ITEMSIZE[dtype]
        pairs = [(_aligned(count, dtype), _aligned(count, dtype)) for _ in outs]
        works = [_mover(move, x, y) for x, y in pairs]
        # x is read, y is read and written
        found.append((size * threads, rate(works, 1.5 * size)))
    return Peak(dtype, threads, flops, tuple(found))


Native = Callable[..., None]


def _computer(compute: Native, out: np.ndarray) -> Callable[[int], None]:
    return lambda times: compute(out.ctypes.data, 1000 * times)


def _mover(move: Native, x: np.ndarray, y: np.ndarray) -> Callable[[int], None]:
    return lambda times: move(x.ctypes.data, y.ctypes.data, x.size, times)


def _seconds(works: Sequence[Callable[[int], None]], times: int) -> float:
    """Time that the works take side by side, from the first start to the last end."""
    if len(works) == 1:
        start = time.perf_counter()
        works[0](times)
        return time.perf_counter() - start
    barrier = threading.Barrier(len(works))
    spans: list[tuple[float, float]] = []

    def run(work: Callable[[int], None]) -> None:
        barrier.wait()
        start = time.perf_counter()
        work(times)
        spans.append((start, time.perf_counter()))

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(end for _, end in spans) - min(start for start, _ in spans)


def _aligned(count: int, dtype: str) -> np.ndarray:
    size = count * ITEMSIZE[dtype]
    block = np.zeros(size + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + size].view(NUMPY[dtype])


def _object(dtype: str) -> bytes:
    text = peak_text(dtype)
    cache = default_cache()
    key = digest(f"peak\n{target.fingerprint()}\n{text}".encode()).hexdigest()
    found = cache.get(key)
    if found is not None:
        return found[1]
    # a miss only: it imports Numba
    from symgraph.backends.cpu.unit import compile_module  # noqa: PLC0415

    code = compile_module(text)
    cache.put(key, {"what": "peak"}, code)
    return code
