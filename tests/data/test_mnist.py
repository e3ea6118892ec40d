"""MNIST folders, made here with the IDX writer."""

import numpy as np
import pytest

from symgraph.data.idx import write_idx
from symgraph.data.mnist import load_mnist
from symgraph.errors import DataError


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for part, n in (("train", 6), ("t10k", 4)):
        images = random.integers(0, 256, (n, 28, 28)).astype("uint8")
        images[0, 0, :2] = 0, 255
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        labels = random.integers(0, 10, n).astype("uint8")
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels)
    return tmp_path


def test_mnist_folder_gives_scaled_images_and_int32_labels(folder):
    mnist = load_mnist(folder)
    assert mnist.x_train.shape == (6, 28, 28)
    assert mnist.x_test.shape == (4, 28, 28)
    assert (mnist.x_train.dtype, mnist.y_train.dtype) == ("f4", "i4")
    assert (mnist.x_train.min(), mnist.x_train.max()) == (0.0, 1.0)
    assert mnist.flat().x_test.shape == (4, 784)


def test_mnist_files_are_found_under_their_dotted_names(folder):
    for file in list(folder.iterdir()):
        file.rename(folder / file.name.replace("-idx", ".idx"))
    assert len(load_mnist(folder).y_test) == 4


def test_missing_mnist_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="neither t10k-labels-idx1-ubyte nor"):
        load_mnist(folder)


def test_missing_mnist_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_mnist(tmp_path / "absent")


def test_mnist_labels_of_another_number_are_refused(folder):
    write_idx(folder / "train-labels-idx1-ubyte", np.zeros(5, "uint8"))
    with pytest.raises(DataError, match=r"labels must be uint8 \(6,\).*\(5,\)"):
        load_mnist(folder)


def test_mnist_images_of_another_rank_are_refused(folder):
    write_idx(folder / "train-images-idx3-ubyte.gz", np.zeros((6, 784), "uint8"))
    with pytest.raises(DataError, match="images must be uint8 of 3 axes"):
        load_mnist(folder)
