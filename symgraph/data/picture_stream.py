"""Pictures that do not fit into memory: decoded by threads while a training runs.

In: a folder or an archive as `load_image_folder` takes it.  Out: two streams of batches,
for training and for the test.  At any time only a few batches are in memory.  Which
pictures are in a batch depends on the seed and the epoch alone, so a training that goes
on after it was killed sees the same.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from symgraph.data.images import (
    PictureFile,
    PictureFiles,
    classes_of,
    divided,
    sorted_by_class,
    target_shape,
)
from symgraph.data.pictures import decode_picture
from symgraph.errors import ArgumentError, DataError

#: pictures that a thread decodes in one go, and batches that are in the making
SHARE, AHEAD = 8, 3

Batch = tuple[np.ndarray, np.ndarray]


class PictureStream:
    """Batches of pictures, decoded anew in each epoch; what `fit` takes for X.

    Attributes
    ----------
    classes : names
    labels : int32 (n,), number of the class of each picture
    image_shape : channels, rows and columns
    batch_size : pictures of a batch; the last of an epoch may have fewer
    skipped : files that were left out because they are damaged
    """

    def __init__(
        self, source: PictureFiles, files: list[PictureFile], labels: np.ndarray,
        classes: tuple[str, ...], shape: tuple[int, int, int], batch_size: int,
        shuffle: bool, seed: int, threads: int, skip_bad: bool,
    ) -> None:  # fmt: skip
        self.classes = classes
        self.labels = labels
        self.image_shape = shape
        self.batch_size = batch_size
        self.skipped: list[str] = []
        self._source = source
        self._files = files
        self._shuffle = shuffle
        self._seed = seed
        self._threads = threads
        self._skip_bad = skip_bad

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-len(self._files) // self.batch_size)

    def __repr__(self) -> str:
        channels, rows, columns = self.image_shape
        return (
            f"<{len(self._files)} pictures of {rows}x{columns} pixels, {channels} "
            f"channel(s), {len(self.classes)} classes, in batches of {self.batch_size}>"
        )

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the first epoch."""
        return self.of_epoch(0)

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, in its own order.

        Yields
        ------
        uint8 (batch, channels, rows, columns) and int32 (batch,)
        """
        order = np.arange(len(self._files))
        if self._shuffle:
            order = np.random.default_rng((self._seed, epoch)).permutation(order)
        waiting: deque[tuple[np.ndarray, np.ndarray, list[Future[list[int]]]]] = deque()
        with ThreadPoolExecutor(self._threads, "symgraph-pictures") as pool:
            try:
                for start in range(0, len(order), self.batch_size):
                    rows = order[start : start + self.batch_size]
                    pixels = np.empty((len(rows), *self.image_shape), np.uint8)
                    parts = [
                        pool.submit(self._decode, rows, pixels, first)
                        for first in range(0, len(rows), SHARE)
                    ]
                    waiting.append((pixels, self.labels[rows], parts))
                    if len(waiting) > AHEAD:
                        yield from self._ready(*waiting.popleft())
                while waiting:
                    yield from self._ready(*waiting.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _ready(
        self, pixels: np.ndarray, labels: np.ndarray, parts: list[Future[list[int]]]
    ) -> Iterator[Batch]:
        """The batch as soon as all its pictures are there, without those left out."""
        bad = [position for part in parts for position in part.result()]
        if bad:
            kept = np.delete(np.arange(len(labels)), bad)
            pixels, labels = pixels[kept], labels[kept]
        if len(labels):
            yield pixels, labels

    def _decode(self, rows: np.ndarray, pixels: np.ndarray, first: int) -> list[int]:
        """Decode some pictures of a batch; the positions of those that are damaged."""
        bad = []
        for position in range(first, min(first + SHARE, len(rows))):
            path = self._files[rows[position]].path
            name = self._source.full_name(path)
            channels, height, width = self.image_shape
            try:
                data = self._source.read(path)
                pixels[position] = decode_picture(data, name, (height, width), channels)
            except DataError as error:
                if not self._skip_bad:
                    raise DataError(
                        f"{error}; remove the file, or leave out what is damaged with "
                        "skip_bad=True"
                    ) from error
                if name not in self.skipped:
                    self.skipped.append(name)
                bad.append(position)
        return bad


def stream_image_folder(
    path: str | Path,
    size: int | tuple[int, int],
    batch_size: int = 32,
    channels: int = 3,
    test: float = 0.2,
    seed: int = 0,
    threads: int | None = None,
    skip_bad: bool = False,
) -> tuple[PictureStream, PictureStream]:
    """Pictures sorted by class, as streams that are decoded by threads.

    Parameters
    ----------
    path, channels, test, seed : see `load_image_folder`; the parts are the same
    size : pixels of a side, or (rows, columns), to which all pictures are scaled
    batch_size : pictures of a batch
    threads : that decode; None for as many as there are cores
    skip_bad : leave damaged pictures out of their batches, and list them, rather than stop

    Returns
    -------
    streams of the training part, shuffled anew in each epoch, and of the test part

    Raises
    ------
    DataError : nothing at `path`, fewer than two classes, files at places that tell no
        class; while it streams, a picture that is damaged

    Examples
    --------
    >>> train, test = stream_image_folder("cats", size=64)     # doctest: +SKIP
    >>> model.fit(train, epochs=10, validation=test)           # doctest: +SKIP
    """
    shape = target_shape(size)
    if shape is None:
        raise ArgumentError(
            "stream_image_folder: a size is needed, all are scaled to it"
        )
    if channels not in (1, 3):
        raise ArgumentError(f"stream_image_folder: channels = {channels}, use 1 or 3")
    threads = len(os.sched_getaffinity(0)) if threads is None else threads
    for name, value in (("batch_size", batch_size), ("threads", threads)):
        if isinstance(value, bool) or value < 1:
            raise ArgumentError(f"stream_image_folder: {name} = {value}, use 1 or more")
    if isinstance(seed, bool) or seed < 0:
        raise ArgumentError(f"stream_image_folder: seed = {seed!r}, use 0 or more")
    source = PictureFiles(Path(path))
    files = sorted_by_class(source.names, str(path))
    files.sort(key=lambda file: (file.part != "train", file.path))
    classes = classes_of(files, str(path))
    labels, rows, others = divided(files, classes, str(path), test, seed)
    made = [
        PictureStream(
            source, [files[row] for row in chosen], labels[chosen], classes,
            (channels, *shape), batch_size, shuffle, seed, threads, skip_bad,
        )
        for chosen, shuffle in ((rows, True), (others, False))
    ]  # fmt: skip
    return made[0], made[1]
