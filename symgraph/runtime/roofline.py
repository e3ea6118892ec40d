"""What this machine can do at best: multiply-adds, and bytes moved, in a second.

The roofline of Williams, Waterman and Patterson (2009, doi:10.1145/1498765.1498785): a
step with F operations and B bytes takes at least max(F / flops, B / bandwidth). Both
are measured, with two generated kernels (backends/cpu/peak.py) on as many threads as
compiled functions use: the bandwidth for working sets from a first-level cache to main
memory, as data that stays in a cache moves faster. In: a dtype, a number of threads.
Out: `Peak`. It takes about 0.2 s, once in a process.
"""

import ctypes
import functools
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from symgraph.backends.cpu import loader, target
from symgraph.backends.cpu.peak import flops_of_round, peak_text
from symgraph.core.cache import default_cache
from symgraph.core.digest import digest
from symgraph.core.dtypes import ITEMSIZE, NUMPY
from symgraph.core.record import Record

#: bytes of the working sets, for each thread
SETS = (2**14, 2**17, 2**20, 2**22, 2**25)
_LEAST = 1e-3  # seconds of one measurement
_ROUNDS = 5


class Peak(Record):
    """The roofline for one dtype and number of threads.

    Attributes
    ----------
    flops : floating point operations per second, a multiply-add being two
    bandwidths : (bytes of a working set, bytes per second)
    """

    dtype: str
    threads: int
    flops: float
    bandwidths: tuple[tuple[int, float], ...]

    def bandwidth(self, size: float) -> float:
        """Bytes per second for a step that touches `size` bytes."""
        for fits, rate in self.bandwidths:
            if size <= fits:
                return rate
        return self.bandwidths[-1][1]

    def seconds(self, flops: float, size: float) -> float:
        """The least time for so many operations and bytes: the roofline.

        Examples
        --------
        >>> peak = Peak("float32", 1, 1e11, ((2**20, 1e11), (2**25, 1e10)))
        >>> peak.seconds(1e6, 1e5), peak.seconds(1e6, 1e8)
        (1e-05, 0.01)
        """
        return max(flops / self.flops, size / self.bandwidth(size))

    def __str__(self) -> str:
        rates = ", ".join(
            f"{rate / 1e9:.0f} GB/s in {size / 2**10:.0f} KiB"
            for size, rate in self.bandwidths
        )
        return (
            f"{self.dtype}, {self.threads} thread(s): {self.flops / 1e9:.0f} GFLOP/s; "
            f"{rates}"
        )


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
