"""ImageSet: labelled images for training and testing, as bytes.

What `load_mnist_images`, `load_cifar10` and `load_image_folder` return and what
`symgraph train` takes.  Pixels stay uint8, a quarter of the memory of float32; the
network divides by 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from symgraph.errors import DataError


@dataclass(frozen=True)
class ImageSet:
    """Training and test images with their classes.

    Attributes
    ----------
    x_train, x_test : uint8 (n, channels, rows, columns)
    y_train, y_test : int32 (n,), number of the class
    classes : name of each class
    skipped : files that were left out because they are damaged
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        channels, rows, columns = self.x_train.shape[1:]
        return channels, rows, columns


def held_out(
    labels: np.ndarray, fraction: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows in two, with the same mix of classes in both.

    Every class is shuffled and gives its first round(fraction n) rows to the second
    part, at least one where the class has two rows or more.

    Parameters
    ----------
    labels : (n,) integer classes
    fraction : share of the second part, from 0 (nothing) to below 1
    seed : of the shuffling; the same seed gives the same parts

    Returns
    -------
    numbers of the rows of the first and of the second part, each in rising order

    Raises
    ------
    DataError : fraction out of range, or the first part would be empty

    Examples
    --------
    >>> kept, held = held_out(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25)
    >>> len(kept), len(held)
    (6, 2)
    """
    if not 0 <= fraction < 1:
        raise DataError(f"held_out: fraction = {fraction:g}, must be from 0 to below 1")
    random = np.random.default_rng(seed)
    taken = []
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        count = round(fraction * len(rows))
        if fraction and len(rows) > 1:
            count = min(max(count, 1), len(rows) - 1)
        taken.append(rows[:count])
    second = np.zeros(len(labels), bool)
    second[np.concatenate(taken) if taken else []] = True
    if second.all():
        raise DataError(f"held_out: {len(labels)} rows are too few to divide")
    return np.flatnonzero(~second), np.flatnonzero(second)
