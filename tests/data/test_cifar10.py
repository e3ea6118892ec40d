"""The binary version of CIFAR-10, from its folder and from its archive."""

import io
import tarfile

import numpy as np
import pytest

from symgraph.data import load_cifar10
from symgraph.data.cifar10 import ARCHIVE, CLASSES, RECORD, TEST, TRAINING
from symgraph.errors import DataError


@pytest.fixture
def records():
    """File → records; the class, then red, green and blue, row by row."""
    random = np.random.default_rng(0)
    made = {}
    for name in (*TRAINING, TEST):
        rows = random.integers(0, 256, (4, RECORD)).astype(np.uint8)
        rows[:, 0] = random.integers(0, 10, 4)
        made[name] = rows
    return made


def archive(path, files):
    with tarfile.open(path, "w:gz") as made:
        for name, data in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("form", ["files", "archive", "archive in a folder"])
def test_every_form_gives_the_same_images(tmp_path, records, form):
    files = {name: rows.tobytes() for name, rows in records.items()}
    if form == "files":
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        path = tmp_path
    else:
        path = archive(tmp_path / ARCHIVE, files | {"readme.html": b"x"})
        path = path if form == "archive" else tmp_path
    found = load_cifar10(path)
    assert found.classes == CLASSES
    assert (found.x_train.shape, found.x_test.shape) == (
        (20, 3, 32, 32),
        (4, 3, 32, 32),
    )
    rows = np.concatenate([records[name] for name in TRAINING])
    assert found.y_train.tolist() == rows[:, 0].tolist()
    assert found.x_train[7, 1, 2, 3] == rows[7, 1 + 1024 + 2 * 32 + 3]
    assert np.array_equal(found.x_test.reshape(4, -1), records[TEST][:, 1:])


def test_what_is_refused(tmp_path, records):
    files = {name: rows.tobytes() for name, rows in records.items()}
    with pytest.raises(DataError, match=r"data_batch_1\.bin: cannot be read"):
        load_cifar10(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        load_cifar10(tmp_path / "nothing.tar.gz")
    (tmp_path / "text.tar.gz").write_text("hello")
    with pytest.raises(DataError, match="cannot be read"):
        load_cifar10(tmp_path / "text.tar.gz")
    short = archive(tmp_path / "a.tar.gz", {TEST: files[TEST]})
    with pytest.raises(DataError, match=r"holds no data_batch_1\.bin, data_batch_2"):
        load_cifar10(short)
    cut = archive(tmp_path / "b.tar.gz", files | {TEST: files[TEST][:-1]})
    with pytest.raises(DataError, match=rf"{TEST}: .* no whole number of records"):
        load_cifar10(cut)
    wrong = records[TEST].copy()
    wrong[0, 0] = 10
    other = archive(tmp_path / "c.tar.gz", files | {TEST: wrong.tobytes()})
    with pytest.raises(DataError, match="record of class 10, wanted 0 to 9"):
        load_cifar10(other)
