"""MNIST (or any set in its four IDX files) from a folder that the user names.

In: a folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two
``t10k-`` files, each plain or with ``.gz``; without a folder, the original files are
downloaded once.  Out: images and int32 labels, checked against each other.  The format
is read in ``idx.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from symgraph.data.download import data_folder, fetch
from symgraph.data.idx import read_idx
from symgraph.data.image_set import ImageSet
from symgraph.errors import DataError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
#: file → SHA-256 of what it holds, unpacked
FILES = {
    "train-images-idx3-ubyte.gz": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte.gz": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}


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
    images = load_mnist_images(folder)
    return Mnist(
        images.x_train[:, 0].astype(np.float32) / np.float32(255),
        images.y_train,
        images.x_test[:, 0].astype(np.float32) / np.float32(255),
        images.y_test,
    )


def load_mnist_images(folder: str | Path | None = None) -> ImageSet:
    """Load the four MNIST files as bytes, with one channel.

    Parameters
    ----------
    folder : path that holds the IDX files, gzipped or not; None downloads them to the
        cache folder of the user (`symgraph.data.download.data_folder`), once

    Returns
    -------
    ImageSet : uint8 (n, 1, rows, columns) and int32 labels; classes are named by number

    Raises
    ------
    DataError : a file is missing, damaged, or cannot be downloaded, or images and
        labels differ in number
    """
    if folder is None:
        folder = download_mnist()
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; MNIST needs one with four IDX files"
        )
    x_train, y_train = _load_part(folder, "train")
    x_test, y_test = _load_part(folder, "t10k")
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"{folder}: training images are {x_train.shape[1:]}, test images "
            f"{x_test.shape[1:]} (channels, rows, columns)"
        )
    count = 1 + max(int(y.max(initial=0)) for y in (y_train, y_test))
    classes = tuple(str(number) for number in range(count))
    return ImageSet(x_train, y_train, x_test, y_test, classes)


def download_mnist(
    folder: str | Path | None = None, mirrors: Sequence[str] = MIRRORS
) -> Path:
    """Download the four files of MNIST, 11 MB, unless they are there; return the folder.

    Parameters
    ----------
    folder : by default "mnist" in `symgraph.data.download.data_folder`
    mirrors : addresses that end in "/", tried in order

    Raises
    ------
    DataError : no mirror gives a file with the right content

    References
    ----------
    Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits
    (CC BY-SA 3.0)
    """
    folder = data_folder() / "mnist" if folder is None else Path(folder)
    for name, sha256 in FILES.items():
        fetch(name, [m + name for m in mirrors], sha256, folder, unpacked=True)
    return folder


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
    return images[:, None], labels.astype(np.int32)


def _find(folder: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")  # some copies are unpacked under this name
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    raise DataError(f"{folder}: neither {name} nor {name}.gz is there")
