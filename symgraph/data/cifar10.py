"""CIFAR-10 in its binary version: 60,000 colour images of 32 x 32 in ten classes.

In: ``cifar-10-binary.tar.gz`` or the folder that it unpacks to; without a path, the
archive is downloaded once.  Out: an `ImageSet`.  A record is one byte for the class and
3,072 for the pixels: red, green, blue, each row by row.  Nothing is unpickled and nothing
is unpacked to disk.  CIFAR-10 as pictures is read by `images.py`.

Reference: A. Krizhevsky 2009, Learning multiple layers of features from tiny images.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symgraph.data.download import data_folder, fetch
from symgraph.data.files import one_line, read_file
from symgraph.data.image_set import ImageSet
from symgraph.errors import DataError

ARCHIVE = "cifar-10-binary.tar.gz"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
    "truck",
)  # fmt: skip
TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"
RECORD = 1 + 3 * 32 * 32  # bytes
MAX_FILE_BYTES = 1 << 28
MAX_PART_BYTES = 1 << 26  # of one of the six files, twice what they have


def load_cifar10(path: str | Path | None = None) -> ImageSet:
    """Load the binary version of CIFAR-10.

    Parameters
    ----------
    path : the archive, or a folder with the archive or its six files; None downloads
        the archive (170 MB) to the cache folder of the user, once

    Returns
    -------
    ImageSet : uint8 (n, 3, 32, 32); the original has 50,000 training images and 10,000
        for the test

    Raises
    ------
    DataError : a file is missing or damaged, or cannot be downloaded
    """
    if path is None:
        path = download_cifar10()
    path = Path(path)
    if path.is_dir() and not (path / TEST).is_file() and (path / ARCHIVE).is_file():
        path = path / ARCHIVE
    files = _from_folder(path) if path.is_dir() else _from_archive(path)
    parts = [_records(files[name], f"{path}: {name}") for name in (*TRAINING, TEST)]
    images = np.concatenate([x for x, _ in parts[:-1]])
    labels = np.concatenate([y for _, y in parts[:-1]])
    return ImageSet(images, labels, *parts[-1], CLASSES)


def download_cifar10(
    folder: str | Path | None = None, mirrors: Sequence[str] = MIRRORS
) -> Path:
    """Download the archive unless it is there; return its path.

    Parameters
    ----------
    folder : by default "cifar10" in `symgraph.data.download.data_folder`
    mirrors : addresses that end in "/", tried in order

    Raises
    ------
    DataError : no mirror gives the file with the right content
    """
    folder = data_folder() / "cifar10" if folder is None else Path(folder)
    return fetch(ARCHIVE, [m + ARCHIVE for m in mirrors], SHA256, folder)


def _records(data: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    if not data or len(data) % RECORD:
        raise DataError(
            f"{where}: {len(data)} bytes are no whole number of records of {RECORD}"
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    labels = rows[:, 0].astype(np.int32)
    if labels.max() >= len(CLASSES):
        raise DataError(
            f"{where}: a record of class {labels.max()}, wanted 0 to {len(CLASSES) - 1}"
        )
    return rows[:, 1:].reshape(-1, 3, 32, 32), labels


def _from_folder(folder: Path) -> dict[str, bytes]:
    files = {}
    for name in (*TRAINING, TEST):
        files[name] = read_file(folder / name, MAX_FILE_BYTES)
    return files


def _from_archive(path: Path) -> dict[str, bytes]:
    """The six files of the archive, found by their names, whatever folder they are in."""
    files: dict[str, bytes] = {}
    read_file(path, MAX_FILE_BYTES, 0)  # a regular file of a reasonable size
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                stream = archive.extractfile(member)
                if stream and (name in TRAINING or name == TEST):
                    files[name] = stream.read(MAX_PART_BYTES)
    except Exception as error:  # decoders raise whatever they meet in bad data
        raise DataError(
            f"{path}: cannot be read as a tar archive: {one_line(error)}"
        ) from error
    missing = [name for name in (*TRAINING, TEST) if name not in files]
    if missing:
        raise DataError(f"{path}: holds no {', '.join(missing)}")
    return files
