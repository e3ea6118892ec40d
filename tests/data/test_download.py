"""Downloads: mirrors, checksums, what is kept, what is told without a network."""

import gzip
import hashlib

import numpy as np
import pytest

from symgraph.data import cifar10, download, mnist, write_idx
from symgraph.data.download import data_folder, fetch
from symgraph.errors import DataError

CONTENT = b"content" * 100
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def mirror(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "file").write_bytes(CONTENT)
    return (tmp_path / "mirror").as_uri() + "/"


def test_a_file_comes_from_the_first_address_that_has_it(tmp_path, mirror):
    folder = tmp_path / "new" / "folder"
    path = fetch("file", [mirror + "other", mirror + "file"], SHA, folder)
    assert path == folder / "file"
    assert path.read_bytes() == CONTENT
    assert [p.name for p in folder.iterdir()] == ["file"]


def test_a_file_that_is_there_and_right_is_kept(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert fetch("file", [], SHA, tmp_path).read_bytes() == CONTENT


def test_a_file_that_is_there_and_wrong_is_replaced(tmp_path, mirror):
    (tmp_path / "file").write_bytes(b"half")
    assert fetch("file", [mirror + "file"], SHA, tmp_path).read_bytes() == CONTENT


def test_another_content_is_refused_and_not_kept(tmp_path, mirror):
    folder = tmp_path / "folder"
    with pytest.raises(DataError, match=r"file could not be .*SHA-256 is .* not 0000"):
        fetch("file", [mirror + "file"], "0000", folder)
    assert list(folder.iterdir()) == []


def test_too_much_is_refused(tmp_path, mirror):
    with pytest.raises(DataError, match="more than 10 bytes"):
        fetch("file", [mirror + "file"], SHA, tmp_path / "folder", limit=10)


def test_without_a_network_the_way_out_is_told(tmp_path):
    address = "http://127.0.0.1:9/file"  # the port that discards; nobody listens
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9.*Without a network, get"):
        fetch("file", [address], SHA, tmp_path)


def test_gzipped_files_are_judged_by_what_they_hold(tmp_path, mirror):
    for level in (1, 9):
        data = gzip.compress(CONTENT, level)
        (tmp_path / "mirror" / "file").write_bytes(data)
        found = fetch("file", [mirror + "file"], SHA, tmp_path / str(level), True)
        assert found.read_bytes() == data
    (tmp_path / "mirror" / "file").write_bytes(data[:-9])
    with pytest.raises(DataError, match="SHA-256 is"):
        fetch("file", [mirror + "file"], SHA, tmp_path / "bad", True)


def test_the_folder_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv(download.FOLDER_VARIABLE, raising=False)
    assert data_folder() == tmp_path / "cache" / "data"
    monkeypatch.setenv(download.FOLDER_VARIABLE, str(tmp_path / "own"))
    assert data_folder() == tmp_path / "own"


def test_mnist_without_a_folder_is_downloaded_once(monkeypatch, tmp_path):
    monkeypatch.setenv(download.FOLDER_VARIABLE, str(tmp_path / "cache"))
    source = tmp_path / "source"
    source.mkdir()
    digests = {}
    for name in mnist.FILES:
        shape = (3, 4, 4) if "images" in name else (3,)
        write_idx(source / name, np.ones(shape, np.uint8))
        data = gzip.decompress((source / name).read_bytes())
        digests[name] = hashlib.sha256(data).hexdigest()
    monkeypatch.setattr(mnist, "FILES", digests)
    folder = mnist.download_mnist(mirrors=[source.as_uri() + "/"])
    assert folder == tmp_path / "cache" / "mnist"
    found = mnist.load_mnist_images()  # finds what is there, asks nobody
    assert found.x_train.shape == (3, 1, 4, 4)
    assert found.classes == ("0", "1")


def test_mnist_has_the_checksums_of_the_original():
    assert set(mnist.FILES) == {
        f"{part}-{kind}-ubyte.gz"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    }
    assert all(len(digest) == 64 for digest in mnist.FILES.values())


def test_cifar_is_downloaded_from_its_mirror(tmp_path, monkeypatch):
    (tmp_path / cifar10.ARCHIVE).write_bytes(CONTENT)
    monkeypatch.setattr(cifar10, "SHA256", SHA)
    mirrors = [tmp_path.as_uri() + "/"]
    path = cifar10.download_cifar10(tmp_path / "kept", mirrors)
    assert path.read_bytes() == CONTENT
