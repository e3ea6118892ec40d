"""Folders and archives of pictures: layouts, divisions, sizes, what is refused."""

import io
import zipfile

import numpy as np
import pytest

from symgraph.data import images, load_image_folder
from symgraph.errors import ArgumentError, DataError

Image = pytest.importorskip("PIL.Image")


def png(value, size=(4, 4)):
    stream = io.BytesIO()
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def layout(kind, count=5):
    """Path → content: cats are dark, dogs light, each picture of another value."""
    files = {}
    for label, base in (("cat", 0), ("dog", 100)):
        for number in range(count):
            part = "test" if number == 0 else "train"
            path = {
                "flat": f"{label}/{number}.png",
                "parts": f"{part}/{label}/{number}.png",
                "inside": f"pets/all/{label}/{number}.png",
                "parts inside": f"pets/{part}/{label}/{number}.png",
                "names": f"{label}.{number}.png",
            }[kind]
            files[path] = png(base + number)
    return files


def written(tmp_path, files, form):
    if form == "folder":
        for name, data in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return tmp_path / "data"
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for name, data in reversed(files.items()):
            archive.writestr(name, data)
    return tmp_path / "data.zip"


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("kind", ["flat", "parts", "inside", "parts inside", "names"])
def test_every_layout_gives_the_same_pictures(tmp_path, kind, form):
    found = load_image_folder(written(tmp_path, layout(kind), form))
    assert found.classes == ("cat", "dog")
    assert found.image_shape == (3, 4, 4)
    assert found.x_train.dtype == np.uint8
    assert found.y_train.dtype == np.int32
    for x, y in ((found.x_train, found.y_train), (found.x_test, found.y_test)):
        assert x.flags.c_contiguous
        assert ((x[:, 0, 0, 0] >= 100) == y).all()
    values = [*found.x_train[:, 0, 0, 0], *found.x_test[:, 0, 0, 0]]
    assert sorted(values) == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]
    assert found.y_train.tolist() == [0] * 4 + [1] * 4
    if "parts" in kind:
        assert found.x_test[:, 0, 0, 0].tolist() == [0, 100]


def test_folder_and_archive_are_divided_alike(tmp_path):
    files = layout("flat", 20)
    a = load_image_folder(written(tmp_path, files, "folder"), test=0.3, seed=5)
    b = load_image_folder(written(tmp_path, files, "zip"), test=0.3, seed=5)
    c = load_image_folder(written(tmp_path, files, "zip"), test=0.3, seed=6)
    assert np.array_equal(a.x_test, b.x_test)
    assert np.array_equal(a.y_test, b.y_test)
    assert len(a.y_test) == 12
    assert not np.array_equal(a.x_test, c.x_test)


def test_other_files_and_hidden_ones_are_left_out(tmp_path):
    files = layout("flat")
    files |= {
        "readme.txt": b"x", "cat/.3.png": b"x", "__MACOSX/cat/1.png": b"x",
        "cat/Thumbs.db": b"x",
    }  # fmt: skip
    found = load_image_folder(written(tmp_path, files, "zip"))
    assert len(found.y_train) + len(found.y_test) == 10


def test_pictures_are_scaled_to_one_size(tmp_path):
    files = layout("flat")
    files["cat/9.png"] = png(9, (7, 9))
    path = written(tmp_path, files, "zip")
    assert load_image_folder(path, size=8).image_shape == (3, 8, 8)
    assert load_image_folder(path, size=(2, 3), channels=1).image_shape == (1, 2, 3)
    with pytest.raises(DataError, match=r"cat/9\.png has 7x9 pixels, .* 4x4; give"):
        load_image_folder(path)


def test_damaged_pictures_stop_or_are_left_out(tmp_path):
    files = layout("flat")
    files["dog/3.png"] = files["dog/3.png"][:45]
    path = written(tmp_path, files, "zip")
    with pytest.raises(DataError, match=r"data\.zip:dog/3\.png: damaged.*skip_bad"):
        load_image_folder(path)
    found = load_image_folder(path, skip_bad=True)
    assert found.skipped == (f"{path}:dog/3.png",)
    assert len(found.y_train) + len(found.y_test) == 9
    every = {name: b"x" for name in layout("flat")}
    with pytest.raises(DataError, match="no picture could be read"):
        load_image_folder(written(tmp_path, every, "zip"), skip_bad=True)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"a.txt": b"x"}, "holds no pictures"),
        ({"cat/1.png": png(1), "cat/2.png": png(2)}, "all pictures are of one class"),
        (
            {"cat/1.png": png(1), "dog/old/2.png": png(2)},
            r"place of dog/old/2\.png tells no class; wanted class/name\.jpg",
        ),
        ({"1.png": png(1), "2.png": png(2)}, r"place of 1\.png tells no class"),
        (
            {"train/cat/1.png": png(1), "train/dog/1.png": png(2)},
            "there are no pictures for the test part",
        ),
        (
            {"train/cat/1.png": png(1), "test/dog/1.png": png(2)},
            r"no training pictures of the class\(es\) dog",
        ),
    ],
)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_what_is_refused(tmp_path, files, text, form):
    with pytest.raises(DataError, match=text):
        load_image_folder(written(tmp_path, files, form))


def test_paths_that_are_neither(tmp_path):
    with pytest.raises(DataError, match="no such folder or zip archive"):
        load_image_folder(tmp_path / "nothing")
    (tmp_path / "file").write_text("hello")
    with pytest.raises(DataError, match="file: not a zip archive"):
        load_image_folder(tmp_path / "file")


@pytest.mark.parametrize("size", [0, (4,), (4, -1), "big", 5000])
def test_sizes_out_of_range(tmp_path, size):
    with pytest.raises(ArgumentError, match="use 1 to 4096 pixels"):
        load_image_folder(tmp_path, size=size)


def test_channels_are_one_or_three(tmp_path):
    with pytest.raises(ArgumentError, match="channels = 4, use 1 or 3"):
        load_image_folder(tmp_path, channels=4)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_files_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch, form):
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 1000)
    files = layout("flat") | {"cat/8.png": bytes(2000)}
    with pytest.raises(DataError, match=r"8\.png: over 1000 bytes"):
        load_image_folder(written(tmp_path, files, form))


def test_an_archive_that_lies_about_sizes_is_refused(tmp_path):
    path = written(tmp_path, layout("flat"), "zip")
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 16 : at + 20] = b"\0\0\0\0"  # the checksum of the first entry
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="cannot be unpacked: Bad CRC-32"):
        load_image_folder(path)


def test_all_pixels_together_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    with pytest.raises(DataError, match=r"10 pictures of 4x4 pixels .* smaller size"):
        load_image_folder(written(tmp_path, layout("flat"), "zip"))
