"""CSV files and archives as tables: what comes out, what is refused."""

import zipfile

import numpy as np
import pytest

from symgraph.data import ImageSet, Table, load_table
from symgraph.errors import DataError


def csv(tmp_path, text, name="t.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


ROWS = "".join(f"{n},{n * n},{'ab'[n % 2]}\n" for n in range(20))


def test_the_last_column_is_the_target_and_text_means_classes(tmp_path):
    table = load_table(csv(tmp_path, "size,area,kind\n" + ROWS))
    assert (table.features, table.target) == (("size", "area"), "kind")
    assert table.classes == ("a", "b")
    assert (len(table.y_train), len(table.y_test)) == (16, 4)
    x = np.concatenate([table.x_train, table.x_test])
    y = np.concatenate([table.y_train, table.y_test])
    np.testing.assert_array_equal(x[:, 1], x[:, 0] ** 2)
    np.testing.assert_array_equal(y, x[:, 0] % 2)
    assert np.bincount(table.y_test).tolist() == [2, 2]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_target_by_name_of_fractions_means_numbers(tmp_path, mark):
    lines = [["y", "x"], *([str(n / 2), str(n)] for n in range(10))]
    text = "\ufeff" + "\r\n".join(mark.join(line) for line in lines)
    table = load_table(csv(tmp_path, text), "y")
    assert (table.features, table.classes) == (("x",), ())
    np.testing.assert_array_equal(table.y_train, table.x_train[:, 0] / 2)


def test_a_file_without_names_has_numbered_columns(tmp_path):
    table = load_table(csv(tmp_path, "".join(f"{n},{n % 3}\n" for n in range(9))))
    assert (table.features, table.target) == (("column1",), "column2")
    assert table.classes == ("0", "1", "2")


def test_archives_hold_tables_with_or_without_a_test_part(tmp_path):
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    np.savez(tmp_path / "a.npz", X=x, y=y)
    table = load_table(tmp_path / "a.npz")
    assert isinstance(table, Table)
    assert (len(table.y_train), len(table.y_test), table.classes) == (8, 2, ("0", "1"))
    np.savez(
        tmp_path / "b.npz", x_train=x, y_train=y / 2, x_test=x[:3], y_test=y[:3] / 2
    )
    table = load_table(tmp_path / "b.npz")
    assert (table.classes, len(table.y_test)) == ((), 3)
    np.testing.assert_array_equal(table.x_test, x[:3])


def test_archives_of_bytes_are_images(tmp_path):
    x = np.zeros((10, 4, 4), np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.array(["cat", "dog"] * 5))
    images = load_table(tmp_path / "a.npz")
    assert isinstance(images, ImageSet)
    assert images.image_shape == (1, 4, 4)
    assert images.classes == ("cat", "dog")


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("", "an empty file"),
        ("a,b\n", "no line beside the names"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ("a,b\n1,2\n3\n", "row 2 has 1 cells, 2 are expected"),
        ("a,b\n1,x\nred,y\n", "row 2, column 'a', is 'red', no number"),
        ("a,b\n1,x\nnan,y\n", "row 2, column 'a', is 'nan'"),
        ("a,b\n1,x\n2,\n", "row 2 has no target"),
        ("a,b\n1,x\n2,x\n3,x\n", "all rows are of one class, 'x'"),
        ("b\nx\ny\n", "nothing to learn from"),
    ],
)
def test_a_bad_csv_names_the_place(tmp_path, text, wanted):
    with pytest.raises(DataError, match=wanted):
        load_table(csv(tmp_path, text))


def test_other_bad_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no column 'c'; there are a, b"):
        load_table(csv(tmp_path, "a,b\n1,2\n"), "c")
    (tmp_path / "l.csv").write_bytes(b"a,b\n\xff,1\n")
    with pytest.raises(DataError, match="not text in UTF-8"):
        load_table(tmp_path / "l.csv")
    with pytest.raises(DataError, match="cannot be read"):
        load_table(tmp_path / "none.csv")
    (tmp_path / "n.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"not a \.npz archive"):
        load_table(tmp_path / "n.npz")


@pytest.mark.parametrize(
    "arrays, wanted",
    [
        ({"a": np.zeros(3)}, "arrays a; expected x and y"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, "not rows with a target each"),
        ({"x": np.zeros((3, 2, 2)), "y": np.arange(3)}, "expected numbers"),
        ({"x": np.full((4, 1), np.nan), "y": np.arange(4.0)}, "a NaN or an infinity"),
        ({"x": np.zeros((4, 1)), "y": np.zeros(4, int)}, "one class"),
        ({"x": np.zeros((4, 1)), "y": np.array([{}] * 4)}, "Python objects"),
    ],
)
def test_a_bad_archive_is_told(tmp_path, arrays, wanted):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=wanted):
        load_table(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("symgraph.data.tables.MAX_ARRAYS", 10_000)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(1_000_000))
    with pytest.raises(DataError, match="1000000 bytes of arrays are over"):
        load_table(tmp_path / "a.npz")
