"""Labelled pictures from a folder or a zip archive that the user names.

In: files ``class/name.jpg``, in two parts ``train/class/name.jpg`` and
``test/class/name.jpg``, or ``class.name.jpg`` side by side; one folder around them all is
fine.  Out: an `ImageSet` of bytes.  Archives are read where they are, nothing is
unpacked to disk.  One picture is decoded in `pictures.py`.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType

import numpy as np

from symgraph.data.files import one_line, read_file
from symgraph.data.image_set import ImageSet, held_out
from symgraph.data.pictures import SUFFIXES, decode_picture
from symgraph.errors import ArgumentError, DataError

PARTS = {"train": 0, "training": 0, "test": 1, "testing": 1}
MAX_FILE_BYTES = 1 << 27  # of one picture file, unpacked
MAX_BYTES = 1 << 35  # of all decoded pixels


@dataclass(frozen=True)
class PictureFile:
    """One picture: where it is, which part and class it belongs to."""

    path: str
    part: str | None
    label: str


def load_image_folder(
    path: str | Path,
    size: int | tuple[int, int] | None = None,
    channels: int = 3,
    test: float = 0.2,
    seed: int = 0,
    skip_bad: bool = False,
) -> ImageSet:
    """Load a folder or a zip archive of pictures that are sorted by class.

    Parameters
    ----------
    path : folder or zip archive; other files than pictures are left out, and so are
        those whose name begins with a dot
    size : pixels of a side, or (rows, columns), to which all pictures are scaled; None
        when all have the same size
    channels : 3 for colour, 1 for brightness
    test : share of each class that becomes the test set, where there is no part of
        that name
    seed : of that division
    skip_bad : leave damaged pictures out and list them, rather than stop

    Returns
    -------
    ImageSet : uint8 (n, channels, rows, columns), files in the order of their paths

    Raises
    ------
    DataError : nothing at `path`, fewer than two classes, files at places that tell no
        class, a picture that is damaged or too large, sizes that differ

    Examples
    --------
    >>> load_image_folder("cats-and-dogs.zip", size=32)     # doctest: +SKIP
    """
    shape = target_shape(size)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ArgumentError(
            f"load_image_folder: seed = {seed!r}, use an int of 0 or more"
        )
    if channels not in (1, 3):
        raise ArgumentError(f"load_image_folder: channels = {channels}, use 1 or 3")
    with PictureFiles(Path(path)) as source:
        files = sorted_by_class(source.names, str(path))
        classes = classes_of(files, str(path))
        order = sorted(files, key=lambda file: (file.part != "train", file.path))
        images, kept, skipped = _decoded(source, order, shape, channels, skip_bad)
    labels, rows, others = divided(kept, classes, str(path), test, seed)
    return ImageSet(
        _rows(images, rows), labels[rows], _rows(images, others), labels[others],
        classes, tuple(skipped),
    )  # fmt: skip


def classes_of(files: list[PictureFile], where: str) -> tuple[str, ...]:
    """Names of the classes, sorted; DataError where there is one only."""
    classes = tuple(sorted({file.label for file in files}))
    if len(classes) < 2:
        raise DataError(
            f"{where}: all pictures are of one class, {classes[0]!r}; put those of "
            "each class into a folder of its own"
        )
    return classes


def divided(
    files: list[PictureFile],
    classes: tuple[str, ...],
    where: str,
    test: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of the classes of all files; which are for training, which for the test."""
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[file.label] for file in files], np.int32)
    if any(file.part for file in files):
        tested = np.array([file.part == "test" for file in files])
        rows, others = np.flatnonzero(~tested), np.flatnonzero(tested)
    else:
        rows, others = held_out(labels, test, seed)
    for name, chosen in (("training", rows), ("test", others)):
        if not len(chosen):
            raise DataError(f"{where}: there are no pictures for the {name} part")
    missing = [classes[i] for i in sorted(set(range(len(classes))) - set(labels[rows]))]
    if missing:
        raise DataError(
            f"{where}: no training pictures of the class(es) {', '.join(missing)}"
        )
    return labels, rows, others


def _rows(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows: a view where they follow one another, as parts in folders do."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows):
        return images[first : last + 1]
    return images[rows]


def target_shape(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Rows and columns of all pictures, None where they stay as they are."""
    if size is None:
        return None
    shape = (size, size) if isinstance(size, int) else tuple(size)
    if len(shape) != 2 or not all(isinstance(n, int) and 1 <= n <= 4096 for n in shape):
        raise ArgumentError(
            f"load_image_folder: size = {size!r}, use 1 to 4096 pixels, or two of them"
        )
    return shape[0], shape[1]


def _decoded(
    source: PictureFiles,
    files: list[PictureFile],
    shape: tuple[int, int] | None,
    channels: int,
    skip_bad: bool,
) -> tuple[np.ndarray, list[PictureFile], list[str]]:
    """All pictures in one array; those that were kept; names of those that were not."""
    images: np.ndarray | None = None
    kept: list[PictureFile] = []
    skipped: list[str] = []
    for file in files:
        name = source.full_name(file.path)
        try:
            picture = decode_picture(source.read(file.path), name, shape, channels)
        except DataError as error:
            if not skip_bad:
                raise DataError(
                    f"{error}; remove the file, or leave out what is damaged with "
                    "skip_bad=True (--skip-bad)"
                ) from error
            skipped.append(name)
            continue
        if images is None:
            images = _space(len(files), picture.shape)
        if picture.shape != images.shape[1:]:
            first, found = images.shape[2:], picture.shape[1:]
            raise DataError(
                f"{name} has {found[0]}x{found[1]} pixels, pictures before it "
                f"{first[0]}x{first[1]}; give a size to scale all to"
            )
        images[len(kept)] = picture
        kept.append(file)
    if images is None:
        raise DataError(f"{source.path}: no picture could be read")
    return images[: len(kept)], kept, skipped


def _space(count: int, shape: tuple[int, ...]) -> np.ndarray:
    wanted = count * int(np.prod(shape))
    if wanted > MAX_BYTES:
        raise DataError(
            f"{count} pictures of {shape[1]}x{shape[2]} pixels take {wanted >> 30} GiB, "
            f"over {MAX_BYTES >> 30}; give a smaller size"
        )
    return np.empty((count, *shape), np.uint8)


def sorted_by_class(names: list[str], where: str) -> list[PictureFile]:
    """Part and class of each picture, told by its place."""
    paths = [PurePosixPath(name) for name in names if _is_picture(name)]
    if not paths:
        known = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise DataError(f"{where}: holds no pictures ({known})")
    rows = [path.parts for path in paths]
    while (  # folders around everything
        len({row[0] for row in rows}) == 1
        and min(map(len, rows)) > 2
        and rows[0][0].lower() not in PARTS
    ):
        rows = [row[1:] for row in rows]
    divided = all(len(row) > 1 and row[0].lower() in PARTS for row in rows)
    files = []
    for path, row in zip(paths, rows, strict=True):
        part = None
        if divided:
            part, row = ("train", "test")[PARTS[row[0].lower()]], row[1:]
        if len(row) == 1 and row[0].count(".") > 1:  # cat.17.jpg
            label = row[0].partition(".")[0]
        elif len(row) == 2:
            label = row[0]
        else:
            raise DataError(
                f"{where}: the place of {path} tells no class; wanted class/name.jpg, "
                "train/class/name.jpg and test/class/name.jpg, or class.name.jpg"
            )
        files.append(PictureFile(str(path), part, label))
    return files


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(p.startswith(".") or p == "__MACOSX" for p in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


class PictureFiles:
    """Files of a folder or of a zip archive, read one by one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive: zipfile.ZipFile | None = None
        if path.is_dir():
            self.names = sorted(_walk(path))
            self.read: Callable[[str], bytes] = self._read_file
            return
        if not path.is_file():
            raise DataError(f"{path}: no such folder or zip archive")
        try:
            self._archive = zipfile.ZipFile(path)
        except Exception as error:  # so does the reader of its directory
            raise DataError(f"{path}: not a zip archive: {one_line(error)}") from error
        found = {e.filename: e for e in self._archive.infolist() if not e.is_dir()}
        self._entries = found
        self.names = sorted(found)
        self.read = self._read_entry

    def __enter__(self) -> PictureFiles:
        return self

    def close(self) -> None:
        """Close the archive."""
        if self._archive is not None:
            self._archive.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def full_name(self, name: str) -> str:
        """What messages call a file."""
        return f"{self.path}{':' if self._archive else os.sep}{name}"

    def _read_file(self, name: str) -> bytes:
        return read_file(self.path / name, MAX_FILE_BYTES)

    def _read_entry(self, name: str) -> bytes:
        assert self._archive is not None
        where = self.full_name(name)
        try:
            with self._archive.open(self._entries[name]) as stream:
                data = stream.read(MAX_FILE_BYTES + 1)  # whatever its header declares
        except Exception as error:  # decoders raise whatever they meet in bad data
            raise DataError(
                f"{where}: cannot be unpacked: {one_line(error)}"
            ) from error
        if len(data) > MAX_FILE_BYTES:
            raise DataError(f"{where}: over {MAX_FILE_BYTES} bytes")
        return data


def _walk(folder: Path) -> Iterator[str]:
    """Paths of all files below a folder, with slashes."""
    for root, _, files in os.walk(folder):
        for file in files:
            yield (Path(root) / file).relative_to(folder).as_posix()
