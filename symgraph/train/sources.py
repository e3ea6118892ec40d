"""Where the rows of an epoch come from: arrays in memory, or batches that stream.

In: what `fit` was given, made into arrays by a function of the model.  Out: chunks, each
some batches of one size that the training step runs in one native call.  Streams are read
by a thread, two chunks ahead, while the step works.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from symgraph.core.record import Record
from symgraph.errors import DataError

#: bytes of batches that are joined to one chunk, and chunks that are read ahead
CHUNK_BYTES, AHEAD = 1 << 22, 2
#: tells the numbers for changes of rows from those for their order
_CHANGE = 1
Augmentation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Arrays(Record):
    """Rows that belong together.

    Attributes
    ----------
    inputs, targets : arrays of the same number of rows
    weight : of each row, or None
    """

    inputs: list[np.ndarray]
    targets: list[np.ndarray]
    weight: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.inputs[0])

    @property
    def all(self) -> list[np.ndarray]:
        """As a compiled function takes them."""
        weight = [] if self.weight is None else [self.weight]
        return [*self.inputs, *self.targets, *weight]

    @property
    def signature(self) -> Any:
        """What tells which compiled function takes them; see ``functions.py``."""
        return (
            tuple(a.dtype.name for a in self.inputs),
            tuple((a.dtype.name, a.ndim) for a in self.targets),
            self.weight is not None,
        )

    def taken(self, rows: Any) -> Arrays:
        """Some of the rows."""
        return Arrays(
            [a[rows] for a in self.inputs],
            [a[rows] for a in self.targets],
            None if self.weight is None else self.weight[rows],
        )


class Chunk(Record):
    """Batches of one size (the last may be shorter) for one native call.

    Attributes
    ----------
    shuffle : seed of the order that the call itself gives the rows, False for none
    order : which rows of the whole these are, None where that has no meaning
    """

    arrays: Arrays
    batch_size: int
    shuffle: int | bool = False
    order: np.ndarray | None = None

    def first(self) -> Arrays:
        """The rows of its first batch, whatever order the call itself gives them."""
        return self.arrays.taken(slice(0, self.batch_size))


def order_seed(seed: int, epoch: int) -> int:
    """Seed of the order of the rows in an epoch; each pair has one of its own."""
    return (seed << 40) + epoch


def change_random(seed: int, epoch: int, part: int = 0) -> np.random.Generator:
    """What changes of the rows in an epoch, or in a part of it, draw from."""
    return np.random.default_rng((seed, epoch, part, _CHANGE))


class Whole:
    """Rows in memory.

    Parameters
    ----------
    arrays : all rows
    batch_size : rows of a step; more than there are means all
    shuffle : whether each epoch has an order of its own; a single batch has none
    seed : of the orders and changes
    augmentation : functions of (inputs, generator) that give changed copies
    """

    streams = False

    def __init__(
        self,
        arrays: Arrays,
        batch_size: int,
        shuffle: bool,
        seed: int,
        augmentation: Iterable[Augmentation] = (),
    ) -> None:
        self.arrays = arrays
        self.rows = arrays.rows
        self.batch_size = min(batch_size, self.rows)
        self.steps: int | None = -(-self.rows // self.batch_size)
        self.shuffle = shuffle and self.steps > 1
        self.seed = seed
        self.augmentation = list(augmentation)

    def chunks(self, epoch: int, every: int | None, done: int = 0) -> Iterator[Chunk]:
        """The chunks of an epoch.

        Parameters
        ----------
        every : steps of a chunk; None for all of them in one
        done : steps that were made already
        """
        arrays = self.arrays
        if self.augmentation:
            arrays = changed(
                arrays,
                self.augmentation,
                change_random(self.seed, epoch),
                "augmentation",
            )
        seed = order_seed(self.seed, epoch)
        if every is None and not done:
            shuffle = seed if self.shuffle else False
            yield Chunk(arrays, self.batch_size, shuffle)
            return
        order = self.order(epoch)
        size = self.rows if every is None else every * self.batch_size
        for start in range(done * self.batch_size, self.rows, size):
            rows = order[start : start + size]
            yield Chunk(arrays.taken(rows), self.batch_size, False, rows)

    def order(self, epoch: int) -> np.ndarray:
        """Numbers of the rows in the order of an epoch."""
        if not self.shuffle:
            return np.arange(self.rows)
        seed = order_seed(self.seed, epoch)
        return np.random.default_rng(seed).permutation(self.rows)


def changed(
    arrays: Arrays,
    augmentation: Iterable[Augmentation],
    random: np.random.Generator,
    what: str,
) -> Arrays:
    """Rows whose first input is a changed copy; shapes and dtypes stay."""
    first = arrays.inputs[0]
    made = first
    for change in augmentation:
        made = change(made, random)
        if not isinstance(made, np.ndarray) or made.shape != first.shape:
            shape = getattr(made, "shape", type(made).__name__)
            raise DataError(
                f"fit: {what} gave {shape} for rows {first.shape}; it must keep the shape"
            )
    made = np.ascontiguousarray(made, first.dtype)
    return Arrays([made, *arrays.inputs[1:]], arrays.targets, arrays.weight)


class Stream:
    """Batches that somebody else makes, read ahead by a thread.

    Parameters
    ----------
    batches : called for each epoch, gives an iterator of batches
    arrays_of : makes Arrays of a batch as it comes
    steps : batches of an epoch; None takes all that come
    seed, augmentation : see `Whole`
    """

    streams = True
    batch_size: int | None = None

    def __init__(
        self,
        batches: Callable[[int], Iterator[Any]],
        arrays_of: Callable[[Any], Arrays],
        steps: int | None,
        seed: int,
        augmentation: Iterable[Augmentation] = (),
    ) -> None:
        self.batches = batches
        self.arrays_of = arrays_of
        self.steps = steps
        self.rows: int | None = None
        self.seed = seed
        self.augmentation = list(augmentation)

    def chunks(self, epoch: int, every: int | None, done: int = 0) -> Iterator[Chunk]:
        """The chunks of an epoch, see `Whole.chunks`."""
        return ahead(self._made(epoch, every, done))

    def _made(self, epoch: int, every: int | None, done: int) -> Iterator[Chunk]:
        waiting: list[Arrays] = []
        count = 0
        for count, batch in enumerate(self._limited(epoch), 1):
            if count <= done:
                continue
            arrays = self.arrays_of(batch)
            if self.augmentation:
                random = change_random(self.seed, epoch, count)
                arrays = changed(arrays, self.augmentation, random, "augmentation")
            if waiting and not _alike(waiting[0], arrays):
                yield _joined(waiting)
                waiting = []
            waiting.append(arrays)
            size = len(waiting) * sum(a.nbytes for a in arrays.all)
            full = size >= CHUNK_BYTES if every is None else not count % every
            if full:
                yield _joined(waiting)
                waiting = []
        if waiting:
            yield _joined(waiting)
        if not count:
            raise DataError(
                f"fit: the data gave no batch for epoch {epoch}; an iterator that is used "
                "up cannot begin again. Pass a function that returns a new one."
            )
        if self.steps is not None and count < self.steps:
            raise DataError(
                f"fit: the data ended after {count} of {self.steps} batches of epoch "
                f"{epoch}"
            )

    def _limited(self, epoch: int) -> Iterator[Any]:
        made = self.batches(epoch)
        if self.steps is None:
            yield from made
            return
        for _ in range(self.steps):
            try:
                yield next(made)
            except StopIteration:
                return


def _alike(a: Arrays, b: Arrays) -> bool:
    return a.signature == b.signature and [x.shape for x in a.all] == [
        x.shape for x in b.all
    ]


def _joined(batches: list[Arrays]) -> Chunk:
    size = batches[0].rows
    if len(batches) == 1:
        return Chunk(batches[0], size)
    columns = [np.concatenate(each) for each in zip(*(b.all for b in batches))]
    inputs, targets = len(batches[0].inputs), len(batches[0].targets)
    weight = columns[inputs + targets] if batches[0].weight is not None else None
    return Chunk(
        Arrays(columns[:inputs], columns[inputs : inputs + targets], weight), size
    )


class _Failure(Record):
    error: BaseException


_END = object()


def ahead(items: Iterator[Any], count: int = AHEAD) -> Iterator[Any]:
    """Give what an iterator gives, which a thread reads some items ahead.

    An exception in the thread is raised here, where its item would have come.

    Parameters
    ----------
    count : items that wait at most

    Examples
    --------
    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    waiting: queue.Queue[Any] = queue.Queue(count)
    ended = threading.Event()

    def put(item: Any) -> None:
        while not ended.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        try:
            for item in items:
                put(item)
                if ended.is_set():
                    return
            put(_END)
        except BaseException as error:  # whatever it is, the reader has to know
            put(_Failure(error))

    thread = threading.Thread(target=read, name="symgraph-batches", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if item is _END:
                return
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        ended.set()
        thread.join(timeout=10)
