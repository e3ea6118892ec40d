"""Rows of numbers with a target: CSV files and NumPy archives.

In: a ``.csv`` file with a column for the target, or an ``.npz`` archive with arrays of
rows and targets.  Out: a `Table`, divided in a training and a test part; or, where an
archive holds bytes of images, an `ImageSet`.  A target of text or of whole numbers means
classes, another one numbers.  Nothing in a file is run: archives with Python objects are
refused.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from symgraph.data.files import MAX_BYTES, npy_array, one_line, read_file
from symgraph.data.image_set import ImageSet, held_out
from symgraph.errors import DataError

#: share of the rows, of each class alike, that is for the test where no part is
TEST = 0.2
#: bytes of all arrays of an archive
MAX_ARRAYS = 1 << 32


@dataclass(frozen=True)
class Table:
    """Rows of numbers for training and testing.

    Attributes
    ----------
    x_train, x_test : float64 (n, features)
    y_train, y_test : int32 (n,) numbers of classes, or float64 (n,)
    features : their names
    classes : names of the classes; () for a target of numbers
    target : its name
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    features: tuple[str, ...]
    classes: tuple[str, ...]
    target: str


def load_table(
    path: str | Path, target: str | None = None, seed: int = 0
) -> Table | ImageSet:
    """Read a CSV file or an ``.npz`` archive.

    Parameters
    ----------
    path : CSV with commas, semicolons or tabs, its first line the names of the columns
        unless that is all numbers; or an archive with arrays x and y, or x_train, y_train,
        x_test and y_test (capital letters do as well)
    target : name of the CSV's column, by default the last
    seed : of the division where a file has no test part

    Raises
    ------
    DataError : missing, damaged, empty, or with cells that are no numbers (line and column
        are named)
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        if target is not None:
            raise DataError(f"{path}: a target column is named, which a .npz has not")
        return _archive(path, seed)
    names, cells = read_csv(path)
    name = names[-1] if target is None else target
    if name not in names:
        raise DataError(f"{path}: no column {name!r}; there are {', '.join(names)}")
    column = names.index(name)
    features = [n for n in names if n != name]
    if not features:
        raise DataError(f"{path}: {name!r} is the only column, nothing to learn from")
    x = numbers(path, names, cells, features)
    y, classes = _targets(path, [row[column] for row in cells])
    return _divided(path, x, y, tuple(features), classes, name, seed)


def read_csv(path: str | Path) -> tuple[list[str], list[list[str]]]:
    """Names of the columns and the cells of all lines, as text."""
    path = Path(path)
    try:
        text = read_file(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text in UTF-8: {error.reason}") from None
    if "\0" in text:
        raise DataError(f"{path}: not text, it holds null characters")
    first = text.split("\n", 1)[0]
    mark = max(",;\t", key=first.count)
    try:
        lines = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if row]
    except csv.Error as error:
        raise DataError(f"{path}: damaged CSV: {one_line(error)}") from error
    if not lines:
        raise DataError(f"{path}: an empty file")
    if all(_number(cell) is not None for cell in lines[0]):
        names = [f"column{number}" for number in range(1, len(lines[0]) + 1)]
    else:
        names, lines = [cell.strip() for cell in lines[0]], lines[1:]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: two columns are called {twice!r}")
    if not lines:
        raise DataError(f"{path}: no line beside the names of the columns")
    for number, row in enumerate(lines, 1):
        if len(row) != len(names):
            raise DataError(
                f"{path}: row {number} has {len(row)} cells, {len(names)} are expected"
            )
    return names, lines


def numbers(
    path: str | Path, names: list[str], cells: list[list[str]], wanted: Sequence[str]
) -> np.ndarray:
    """The cells of some columns as float64 (rows, columns)."""
    made = np.empty((len(cells), len(wanted)))
    for position, name in enumerate(wanted):
        if name not in names:
            raise DataError(f"{path}: no column {name!r}; there are {', '.join(names)}")
        column = names.index(name)
        for number, row in enumerate(cells):
            value = _number(row[column])
            if value is None or not np.isfinite(value):
                raise DataError(
                    f"{path}: row {number + 1}, column {name!r}, is {row[column]!r}, no "
                    "number; fill it in, encode it, or leave it out"
                )
            made[number, position] = value
    return made


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _targets(path: Path, cells: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of classes with their names, or numbers and no names."""
    values = [_number(cell) for cell in cells]
    empty = [n for n, cell in enumerate(cells, 1) if not cell.strip()]
    if empty:
        raise DataError(f"{path}: row {empty[0]} has no target")
    if all(v is not None and np.isfinite(v) for v in values):
        return _classes(np.array(values, np.float64))
    return _classes(np.array([cell.strip() for cell in cells]))


def _classes(y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if y.dtype.kind == "f" and not np.array_equal(y, np.floor(y)):
        return y.astype(np.float64), ()
    names, found = np.unique(y, return_inverse=True)
    text = [f"{name:g}" if y.dtype.kind == "f" else str(name) for name in names]
    return found.astype(np.int32), tuple(text)


def _divided(
    path: Path, x: np.ndarray, y: np.ndarray, features: tuple[str, ...],
    classes: tuple[str, ...], target: str, seed: int,
) -> Table:  # fmt: skip
    if classes and len(classes) < 2:
        raise DataError(f"{path}: all rows are of one class, {classes[0]!r}")
    labels = y if classes else np.zeros(len(y), np.int32)
    kept, held = held_out(labels, TEST, seed)
    if not len(held):
        raise DataError(f"{path}: {len(y)} rows are too few to divide")
    return Table(x[kept], y[kept], x[held], y[held], features, classes, target)


# --- archives ---------------------------------------------------------------------------


def _archive(path: Path, seed: int) -> Table | ImageSet:
    arrays = read_npz(path)
    found = {name.lower(): array for name, array in arrays.items()}
    if {"x_train", "y_train", "x_test", "y_test"} <= set(found):
        parts = [found[n] for n in ("x_train", "y_train", "x_test", "y_test")]
    elif {"x", "y"} <= set(found):
        parts = [found["x"], found["y"]]
    else:
        raise DataError(
            f"{path}: arrays {', '.join(sorted(arrays)) or 'none'}; expected x and y, or "
            "x_train, y_train, x_test and y_test"
        )
    for x, y in zip(parts[::2], parts[1::2], strict=True):
        if x.ndim < 2 or y.size != len(x) or not len(x):
            raise DataError(
                f"{path}: x of shape {x.shape} and y of shape {y.shape} are not rows with "
                "a target each"
            )
    y, classes = _archive_targets(
        path, np.concatenate([p.ravel() for p in parts[1::2]])
    )
    if len(parts) == 2:
        x = parts[0]
        labels = y if classes else np.zeros(len(y), np.int32)
        kept, held = held_out(labels, TEST, seed)
        x_train, x_test, y_train, y_test = x[kept], x[held], y[kept], y[held]
    else:
        x_train, x_test = parts[0], parts[2]
        y_train, y_test = y[: len(x_train)], y[len(x_train) :]
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"{path}: rows of {x_train.shape[1:]} to train and {x_test.shape[1:]} to test"
        )
    if x_train.dtype == np.uint8 and x_train.ndim in (3, 4) and classes:
        images = [x[:, None] if x.ndim == 3 else x for x in (x_train, x_test)]
        return ImageSet(images[0], y_train, images[1], y_test, classes)
    if x_train.ndim != 2 or x_train.dtype.kind not in "buif":
        raise DataError(
            f"{path}: x is {x_train.dtype} {x_train.shape}; expected numbers (rows, "
            "features), or uint8 images (n, channels, rows, columns)"
        )
    features = tuple(f"feature{n}" for n in range(1, x_train.shape[1] + 1))
    floats = [np.asarray(x, np.float64) for x in (x_train, x_test)]
    for x in floats:
        if not np.isfinite(x).all():
            row = int(np.argwhere(~np.isfinite(x))[0][0])
            raise DataError(f"{path}: row {row} of x holds a NaN or an infinity")
    return Table(floats[0], y_train, floats[1], y_test, features, classes, "y")


def _archive_targets(path: Path, y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if y.dtype.kind not in "buifU":
        raise DataError(f"{path}: y has dtype {y.dtype}, expected numbers or text")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise DataError(f"{path}: row {row} of y is {y[row]}")
    if y.dtype.kind == "f":  # floats are numbers, whole or not
        return y.astype(np.float64), ()
    found, classes = _classes(y if y.dtype.kind != "b" else y.astype(np.int64))
    if len(classes) < 2:
        raise DataError(f"{path}: all rows are of one class, {classes[0]!r}")
    return found, classes


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an archive, none of them Python objects, together of a bounded size."""
    path = Path(path)
    try:
        with zipfile.ZipFile(io.BytesIO(read_file(path, MAX_ARRAYS))) as archive:
            entries = [e for e in archive.infolist() if e.filename.endswith(".npy")]
            size = sum(entry.file_size for entry in entries)
            if size > MAX_ARRAYS:
                raise DataError(f"{path}: {size} bytes of arrays are over {MAX_ARRAYS}")
            return {
                entry.filename.removesuffix(".npy"): npy_array(
                    archive.read(entry), f"{path}[{entry.filename}]"
                )
                for entry in entries
            }
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: not a .npz archive: {one_line(error)}") from error
