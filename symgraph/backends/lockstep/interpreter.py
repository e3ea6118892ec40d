"""Run CUDA kernel text without a GPU: all threads of a block, event by event.

In: the Python text of a kernel in the dialect shared by numba-cuda and
numba-cuda-mlir, a grid, a block, NumPy arrays. Out: the arrays, written to.

Each thread is a generator. `cuda.syncthreads()` and the warp shuffles become
`yield`; every other statement runs as it stands, on NumPy scalars. Threads run one
after the other up to their next event, in an order that `seed` decides, so that a
missing barrier gives different numbers under different seeds. What is undefined on a
GPU raises `LockstepError`: an index out of range, a barrier or a shuffle that some
threads miss. Shared and local memory start as NaN (integers as `POISON`).

How text becomes generators, and which names it may use, is told in `dialect.py`. Speed,
fast-math and types that a compiler would reject are left to the GPU and the compiler.
"""

import itertools
import math
import random
from collections import namedtuple
from typing import Any

import numpy as np

from symgraph.backends.cuda.dialect import WIDE, Event, Scalar, filename, load
from symgraph.errors import LockstepError

WARP = 32
MAX_THREADS = 1024  # per block, on every GPU
MAX_SHARED = 48 * 1024  # bytes of static shared memory per block
POISON = 0x5AFEDEAD5AFEDEAD  # "not written yet" in integer memory

Dim3 = namedtuple("Dim3", "x y z")


def launch(
    source: str,
    name: str,
    grid: int | tuple[int, ...],
    block: int | tuple[int, ...],
    args: tuple[Any, ...] | list[Any],
    seed: int = 0,
    races: bool = False,
) -> None:
    """Run kernel `name` of `source` for every thread of `grid` x `block`.

    Parameters
    ----------
    source : Python text that holds the kernel and the device functions it calls
    name : the kernel's name in `source`
    grid, block : threads as in a CUDA launch, one to three extents
    args : C-contiguous arrays (the kernel sees them flat) and numbers
    seed : decides the order of blocks, and of threads between events
    races : look for elements that two threads touch, one of them writing, with no
        barrier between them: other blocks, or another thread since the last barrier

    Raises
    ------
    LockstepError : the kernel does something that is undefined on a GPU

    Examples
    --------
    >>> text = '''
    ... def twice(x, n):
    ...     i = cuda.grid(1)
    ...     if i < n:
    ...         x[i] = x[i] + x[i]
    ... '''
    >>> x = np.arange(5, dtype=np.float32)
    >>> launch(text, "twice", grid=2, block=4, args=(x, 5))
    >>> x
    array([0., 2., 4., 6., 8.], dtype=float32)
    """
    kernel, waits = load(source, name)
    grid3, block3 = _dim3(grid, "grid"), _dim3(block, "block")
    if math.prod(block3) > MAX_THREADS:
        raise LockstepError(f"{name}: a block holds at most {MAX_THREADS} threads")
    watch = _Watch() if races else None
    bound = [_bind(name, number, value, watch) for number, value in enumerate(args)]
    order = random.Random(seed)
    blocks = list(_indices(grid3))
    order.shuffle(blocks)
    with np.errstate(all="ignore"):
        for index in blocks:
            shared: dict[Any, Memory] = {}
            threads = [
                Thread(name, number, thread, index, block3, grid3, shared, watch)
                for number, thread in enumerate(_indices(block3))
            ]
            if waits:
                _run_block(threads, kernel, bound, order)
            else:
                for thread in order.sample(threads, len(threads)):
                    thread.step(lambda thread=thread: kernel(thread, *bound))


# --- one block ----------------------------------------------------------------------


def _run_block(
    threads: list["Thread"], kernel: Any, args: list[Any], order: random.Random
) -> None:
    """Advance every thread to its next event until all have left the kernel."""
    for thread in threads:
        thread.body = kernel(thread, *args)
    ready = list(threads)
    while ready:
        order.shuffle(ready)
        for thread in ready:
            thread.event = thread.step(lambda thread=thread: _next(thread))
        ready = []
        for start in range(0, len(threads), WARP):
            ready += _exchange(threads[start : start + WARP])
        ready = ready or _barrier(threads)


def _next(thread: "Thread") -> Event | None:
    """Run to the next event; None when the thread has left the kernel."""
    try:
        return thread.body.send(thread.answer)
    except StopIteration:
        return None
    finally:
        thread.answer = None


def _barrier(threads: list["Thread"]) -> list["Thread"]:
    """Let the block pass its barrier; all threads must stand at the same one."""
    waiting = [(thread, thread.event) for thread in threads if thread.event]
    if not waiting:
        return []
    for thread, event in waiting:
        if event.kind != "syncthreads":
            lanes = _lanes(event.mask)
            raise LockstepError(
                f"{thread}, line {event.line}: {event.kind} names lanes "
                f"{lanes[0]}..{lanes[-1]} and some of them never take part"
            )
    first, barrier = waiting[0]
    for thread in threads:
        if thread.event is None or thread.event.line != barrier.line:
            where = f"is at line {thread.event.line}" if thread.event else "has exited"
            raise LockstepError(
                f"divergent barrier: {first} waits at line {barrier.line} "
                f"while {thread} {where}"
            )
    for thread in threads:
        thread.rounds += 1
    return [thread for thread, _ in waiting]


def _exchange(warp: list["Thread"]) -> list["Thread"]:
    """Resolve the shuffles of one warp whose lanes have all arrived."""
    released: list[Thread] = []
    for thread in warp:
        event = thread.event
        if event is None or event.kind == "syncthreads" or thread in released:
            continue
        lanes = _lanes(event.mask)
        if thread.lane not in lanes:
            raise LockstepError(
                f"{thread}, line {event.line}: {event.kind} mask leaves out its caller"
            )
        group = [warp[lane] for lane in lanes if lane < len(warp)]
        arrived = [
            (other, other.event)
            for other in group
            if other.event and other.event[:3] == event[:3]
        ]
        if len(arrived) == len(lanes):
            values = {other.lane: its.value for other, its in arrived}
            for other, its in arrived:
                other.answer = _shuffled(its, other.lane, values)
            released += group
    return released


def _shuffled(event: Event, lane: int, values: dict[int, Any]) -> Any:
    """Return what `lane` receives; a lane outside the warp leaves it its own value."""
    if event.kind == "syncwarp":
        return None
    source = {
        "shfl_down_sync": lane + event.lane,
        "shfl_up_sync": lane - event.lane,
        "shfl_xor_sync": lane ^ event.lane,
        "shfl_sync": event.lane % WARP,
    }[event.kind]
    own = values[lane]
    if not 0 <= source < WARP:
        return own
    return values[int(source)] if source in values else _poison(own.dtype)


def _lanes(mask: int) -> list[int]:
    return [lane for lane in range(WARP) if int(mask) >> lane & 1]


# --- what a kernel sees -------------------------------------------------------------


class Memory:
    """A flat or shaped array whose every access is checked and whose ints are wide."""

    __slots__ = ("data", "dtype", "limit", "name", "shape", "wide")

    def __init__(self, name: str, data: np.ndarray, shape: tuple[int, ...]) -> None:
        self.name, self.data, self.shape = name, data, shape
        self.limit, self.dtype = data.size, data.dtype
        self.wide = WIDE.get(data.dtype.kind)

    def at(self, index: Any) -> Any:
        """Return the flat position of `index`, which must lie in every extent."""
        position = 0
        indices = index if isinstance(index, tuple) else (index,)
        if len(indices) != len(self.shape):
            raise LockstepError(f"{self.name} has {len(self.shape)} axes, not {index}")
        for i, extent in zip(indices, self.shape, strict=True):
            if isinstance(i, (float, np.floating, bool, np.bool_, slice)):
                raise LockstepError(f"{self.name}: index {i!r} is not an integer")
            if not 0 <= i < extent:
                raise LockstepError(
                    f"{self.name}[{i}] is out of range, extent {extent}"
                )
            position = position * extent + int(i)
        return position

    def __getitem__(self, index: Any) -> Any:
        """Load one element."""
        value = self.data[self.at(index)]
        return self.wide(value) if self.wide else value

    def __setitem__(self, index: Any, value: Any) -> None:
        """Store one element, converted as a C cast does."""
        self.data[self.at(index)] = value


class _Watch:
    """Who runs, and who touched which element of a watched memory last."""

    def __init__(self) -> None:
        self.thread: Any = None

    def touched(self, memory: "Watched", place: int, writes: bool) -> None:
        """Note an access, and refuse one that another thread's may meet."""
        me = self.thread
        mine = (me.blockIdx, me.threadIdx, me.rounds)
        last = memory.writers.get(place)
        if last is not None and _meet(last, mine):
            raise LockstepError(
                f"race: {memory.name}[{place}] was written by thread "
                f"{tuple(map(int, last[1]))} of block {tuple(map(int, last[0]))} with "
                "no barrier since"
            )
        if writes:
            for reader in memory.readers.pop(place, ()):
                if _meet(reader, mine):
                    raise LockstepError(
                        f"race: {memory.name}[{place}] is written, and was read by "
                        f"thread {tuple(map(int, reader[1]))} of block "
                        f"{tuple(map(int, reader[0]))} with no barrier since"
                    )
            memory.writers[place] = mine
        else:
            memory.readers.setdefault(place, set()).add(mine)


def _meet(one: Any, other: Any) -> bool:
    """Whether two accesses may happen at one time: by (block, thread, barriers so far)."""
    if one[0] != other[0]:
        return True
    return bool(one[1] != other[1] and one[2] == other[2])


class Watched(Memory):
    """Memory that notes who touches it."""

    __slots__ = ("readers", "watch", "writers")

    def __init__(
        self, name: str, data: np.ndarray, shape: tuple[int, ...], watch: _Watch
    ) -> None:
        super().__init__(name, data, shape)
        self.watch = watch
        self.writers: dict[int, Any] = {}
        self.readers: dict[int, set[Any]] = {}

    def __getitem__(self, index: Any) -> Any:
        """Load one element."""
        self.watch.touched(self, self.at(index), False)
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Store one element."""
        self.watch.touched(self, self.at(index), True)
        super().__setitem__(index, value)


class Thread:
    """The name `cuda` inside a kernel, as one thread sees it."""

    laneid = property(lambda self: np.int64(self.lane))
    warpsize = np.int64(WARP)

    def __init__(
        self,
        kernel: str,
        number: int,
        thread: Dim3,
        block: Dim3,
        block_dim: Dim3,
        grid_dim: Dim3,
        shared: dict[Any, Memory],
        watch: "_Watch | None" = None,
    ) -> None:
        self.kernel, self.lane, self.shared = kernel, number % WARP, shared
        self.threadIdx, self.blockIdx = thread, block
        self.blockDim, self.gridDim = block_dim, grid_dim
        self.atomic = Atomic
        self.watch, self.rounds = watch, 0
        self.body: Any = None
        self.event: Event | None = None
        self.answer: Any = None

    def __repr__(self) -> str:
        """Name the thread as CUDA does."""
        thread = tuple(int(i) for i in self.threadIdx)
        block = tuple(int(i) for i in self.blockIdx)
        return f"{self.kernel} thread {thread} of block {block}"

    def step(self, run: Any) -> Any:
        """Call `run`, naming this thread and its line in what goes wrong."""
        if self.watch is not None:
            self.watch.thread = self
        try:
            return run()
        except Exception as error:
            line = None
            trace = error.__traceback__
            while trace:
                if trace.tb_frame.f_code.co_filename == filename(self.kernel):
                    line = trace.tb_lineno
                trace = trace.tb_next
            text = error if isinstance(error, LockstepError) else repr(error)
            raise LockstepError(f"{self}, line {line}: {text}") from error

    def grid(self, ndim: int) -> Any:
        """Return the thread's place in the whole grid, one number per axis."""
        axes = zip(self.blockIdx, self.blockDim, self.threadIdx, strict=True)
        place = tuple(block * extent + thread for block, extent, thread in axes)
        return place[0] if ndim == 1 else place[: int(ndim)]

    def gridsize(self, ndim: int) -> Any:
        """Return the number of threads of the grid, one number per axis."""
        size = tuple(g * b for g, b in zip(self.gridDim, self.blockDim, strict=True))
        return size[0] if ndim == 1 else size[: int(ndim)]

    def shared_array(self, key: str, shape: Any, scalar: Scalar) -> Memory:
        """Return the array that the block owns at this place of the text."""
        if key not in self.shared:
            self.shared[key] = _poisoned(key, shape, scalar, self.watch)
            used = sum(memory.data.nbytes for memory in self.shared.values())
            if used > MAX_SHARED:
                raise LockstepError(f"{used} bytes shared; a block has {MAX_SHARED}")
        return self.shared[key]

    def local_array(self, key: str, shape: Any, scalar: Scalar) -> Memory:
        """Return a new array of this thread's own."""
        return _poisoned(key, shape, scalar)


class Atomic:
    """cuda.atomic: threads run one at a time here, so plain updates are atomic."""

    @staticmethod
    def add(memory: Memory, index: Any, value: Any) -> Any:
        """Add to an element; return what it held."""
        old = memory[index]
        memory[index] = old + value
        return old

    @staticmethod
    def max(memory: Memory, index: Any, value: Any) -> Any:
        """Raise an element to at least `value`; return what it held."""
        old = memory[index]
        memory[index] = value if value > old else old
        return old

    @staticmethod
    def min(memory: Memory, index: Any, value: Any) -> Any:
        """Lower an element to at most `value`; return what it held."""
        old = memory[index]
        memory[index] = value if value < old else old
        return old


def _poisoned(
    name: str, shape: Any, scalar: Scalar, watch: _Watch | None = None
) -> Memory:
    shape = shape if isinstance(shape, tuple) else (shape,)
    shape = tuple(int(extent) for extent in shape)
    data = np.full(math.prod(shape), _poison(scalar.dtype), scalar.dtype)
    return _memory(name, data, shape, watch)


def _memory(
    name: str, data: np.ndarray, shape: tuple[int, ...], watch: _Watch | None
) -> Memory:
    if watch is None:
        return Memory(name, data, shape)
    return Watched(name, data, shape, watch)


def _poison(dtype: np.dtype) -> Any:
    if dtype.kind in "fc":
        return dtype.type(np.nan)
    return np.asarray(POISON).astype(dtype)[()]


def _bind(name: str, number: int, value: Any, watch: _Watch | None) -> Any:
    """Turn an argument into what the kernel sees."""
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise LockstepError(f"{name}: argument {number} is not C-contiguous")
        label = f"argument {number}"
        return _memory(label, value.reshape(-1), (value.size,), watch)
    if not isinstance(value, np.generic):
        return np.asarray(value)[()]
    wide = WIDE.get(value.dtype.kind)
    return wide(value) if wide else value


def _dim3(extents: int | tuple[int, ...], what: str) -> Dim3:
    extents = extents if isinstance(extents, tuple) else (extents,)
    if not 1 <= len(extents) <= 3 or any(extent < 1 for extent in extents):
        raise LockstepError(f"{what} {extents}: one to three extents of at least 1")
    return Dim3(*(np.int64(extent) for extent in (*extents, 1, 1)[:3]))


def _indices(extents: Dim3) -> Any:
    """Yield every index below `extents`, x fastest, as CUDA numbers threads."""
    z, y, x = (range(int(extent)) for extent in reversed(extents))
    for k, j, i in itertools.product(z, y, x):
        yield Dim3(np.int64(i), np.int64(j), np.int64(k))
