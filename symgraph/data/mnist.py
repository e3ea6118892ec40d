"""MNIST (or any set in its four IDX files) from a folder that the user names.

In: a folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two
``t10k-`` files, each plain or with ``.gz``.  Out: images from 0 to 1 and int32 labels,
checked against each other.  The format is read in ``idx.py``; nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from symgraph.data.idx import read_idx
from symgraph.errors import DataError


class Mnist(NamedTuple):
    """Training and test images, float32 (n, rows, columns) in [0, 1]; int32 labels."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    def flat(self) -> Mnist:
        """Return the same set with each image as one row."""
        return self._replace(
            x_train=self.x_train.reshape(len(self.x_train), -1),
            x_test=self.x_test.reshape(len(self.x_test), -1),
        )


def load_mnist(folder: str | Path) -> Mnist:
    """Load the four MNIST files of a folder.

    Parameters
    ----------
    folder : path that holds the IDX files, gzipped or not

    Returns
    -------
    Mnist : float32 images in [0, 1] (pixel / 255) and int32 labels

    Raises
    ------
    DataError : a file is missing or damaged, or images and labels differ in number
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; MNIST needs one with four IDX files"
        )
    return Mnist(*_load_part(folder, "train"), *_load_part(folder, "t10k"))


def _load_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    image_file = _find(folder, f"{part}-images-idx3-ubyte")
    label_file = _find(folder, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise DataError(
            f"{image_file}: images must be uint8 of 3 axes, "
            f"found {images.dtype} {images.shape}"
        )
    if labels.ndim != 1 or labels.dtype != np.uint8 or len(labels) != len(images):
        raise DataError(
            f"{label_file}: labels must be uint8 ({len(images)},) for the images of "
            f"{image_file.name}, found {labels.dtype} {labels.shape}"
        )
    return images.astype(np.float32) / np.float32(255), labels.astype(np.int32)


def _find(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")  # some copies are unpacked under this name
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    raise DataError(f"{folder}: neither {name} nor {name}.gz is there")
