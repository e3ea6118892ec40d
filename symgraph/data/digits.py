"""The UCI handwritten digits that come with the package, and how to divide them.

In: nothing but the bundled ``digits.npz`` (its source, authors and licence stand in
``digits-LICENSE.txt`` beside it).  Out: float32 rows in [0, 1] with int32 labels, and
stratified parts of them.  Mini-batches are made in ``batches.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

import numpy as np

from symgraph.errors import DataError

PIXEL_MAXIMUM = 16  # each pixel counts the inked cells of a 4x4 block
IMAGE_SHAPE = (8, 8)
CLASSES = 10


class Digits(NamedTuple):
    """Images as rows with their labels.

    Attributes
    ----------
    x : float32 (1797, 64), from 0 (empty) to 1 (ink), rows of the image one by one
    y : int32 (1797,), the digit shown
    """

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Split:
    """Three parts of a data set, each a pair of arrays (x, y)."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def load_digits() -> Digits:
    """Load the 1,797 bundled images of handwritten digits.

    x = pixels / 16, one row of 64 for each image

    Returns
    -------
    Digits(x, y) : float32 (1797, 64) in [0, 1] and int32 (1797,)

    References
    ----------
    E. Alpaydin and C. Kaynak 1998, Optical Recognition of Handwritten Digits, UCI
    Machine Learning Repository, doi:10.24432/C50P49 (CC BY 4.0).

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.x.shape, digits.y.shape, digits.y[:5].tolist()
    ((1797, 64), (1797,), [0, 1, 2, 3, 4])
    """
    file = resources.files("symgraph.data").joinpath("digits.npz")
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    x = images.reshape(len(images), -1).astype(np.float32) / np.float32(PIXEL_MAXIMUM)
    return Digits(x, labels.astype(np.int32))


def split(
    x: np.ndarray,
    y: np.ndarray,
    train: float = 0.7,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Split:
    """Divide labelled rows into three parts with the same mix of classes in each.

    Every class is shuffled and cut at the same fractions, so that each part has its
    share of it to within one row; no row is in two parts.

    Parameters
    ----------
    x : (n, ...), any dtype
    y : (n,), integer class of each row
    train, validation, test : fractions, positive (validation may be 0), sum at most 1
    seed : of the shuffling; the same seed gives the same parts

    Returns
    -------
    Split of three (x, y) pairs, rows in shuffled order

    Raises
    ------
    DataError : lengths differ, fractions are out of range, or a part would be empty

    Examples
    --------
    >>> parts = split(*load_digits(), seed=1)
    >>> [len(part[1]) for part in (parts.train, parts.validation, parts.test)]
    [1258, 180, 359]
    """
    x, y = np.asarray(x), np.asarray(y)
    if y.ndim != 1 or x.ndim == 0 or len(x) != len(y):
        raise DataError(
            f"split: x {x.shape} and y {y.shape} do not go together; "
            "y must be a vector with one label for each row of x"
        )
    _check_fractions(train, validation, test)
    random = np.random.default_rng(seed)
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for label in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == label))
        ends = np.rint(np.cumsum([train, validation, test]) * len(rows)).astype(int)
        for part, start, end in zip(parts, (0, *ends[:-1]), ends, strict=True):
            part.append(rows[start:end])
    chosen = [random.permutation(np.concatenate(p)) if p else y[:0] for p in parts]
    if not len(chosen[0]) or not len(chosen[2]) or (validation and not len(chosen[1])):
        raise DataError(
            f"split: {len(y)} rows are too few for parts of "
            f"{train:g}, {validation:g} and {test:g}"
        )
    return Split(*((x[rows], y[rows]) for rows in chosen))


def _check_fractions(train: float, validation: float, test: float) -> None:
    total = train + validation + test
    if not (train > 0 and validation >= 0 and test > 0 and total <= 1 + 1e-9):
        raise DataError(
            f"split: fractions train={train:g}, validation={validation:g}, "
            f"test={test:g} must be positive (validation may be 0) and sum to 1 at most"
        )
