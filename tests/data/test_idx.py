"""IDX files: round trips and every way in which a file can be wrong."""

import gzip
import struct

import numpy as np
import pytest

from symgraph.data.idx import read_idx, write_idx
from symgraph.errors import DataError

DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")


@pytest.mark.parametrize("name", ["plain.idx", "packed.idx.gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_idx_round_trip_keeps_values_shape_and_dtype(tmp_path, dtype, name):
    array = np.arange(-4, 20).astype(dtype).reshape(2, 3, 4)
    write_idx(tmp_path / name, array)
    again = read_idx(tmp_path / name)
    assert again.dtype == np.dtype(dtype)
    assert again.dtype.isnative
    assert np.array_equal(again, array)


def test_idx_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "a", np.array([[1, 258]], "int16"))
    expected = bytes([0, 0, 0x0B, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 1, 2])
    assert (tmp_path / "a").read_bytes() == expected


def test_idx_gzip_is_recognised_by_content_not_by_name(tmp_path):
    write_idx(tmp_path / "a.gz", np.arange(5, dtype="uint8"))
    (tmp_path / "renamed").write_bytes((tmp_path / "a.gz").read_bytes())
    assert read_idx(tmp_path / "renamed").tolist() == [0, 1, 2, 3, 4]


def test_idx_of_big_endian_input_is_read_back_equal(tmp_path):
    array = np.arange(5, dtype=">f4")
    write_idx(tmp_path / "a", array)
    assert np.array_equal(read_idx(tmp_path / "a"), array)


def test_idx_of_strided_input_is_written_in_order(tmp_path):
    array = np.arange(12, dtype="uint8").reshape(3, 4).T
    write_idx(tmp_path / "a", array)
    assert np.array_equal(read_idx(tmp_path / "a"), array)


def test_idx_array_read_is_writable(tmp_path):
    write_idx(tmp_path / "a", np.zeros(3, "uint8"))
    read_idx(tmp_path / "a")[0] = 1


HEADER = struct.pack(">2xBB2I", 8, 2, 2, 3)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not an IDX file.*nothing"),
        (b"\x89PNG\r\n", "not an IDX file.*89 50 4e 47"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\0", "type code 0x07"),
        (b"\0\0\x08\x64" + bytes(400), "100 axes"),
        (HEADER[:9], "truncated IDX header, 9 bytes of 12"),
        (HEADER + bytes(5), r"truncated IDX file, shape \(2, 3\).*takes 6.*found 5"),
        (HEADER + bytes(7), "too long IDX file"),
        (struct.pack(">2xBB3I", 8, 3, 2**32 - 1, 2**32 - 1, 9), "truncated IDX file"),
        (gzip.compress(HEADER + bytes(6), mtime=0)[:-9], "damaged gzip"),
        (b"\x1f\x8b\x08\0" + bytes(20), "damaged gzip"),
    ],
)
def test_damaged_idx_file_is_a_named_error(tmp_path, data, text):
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(DataError, match=text) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_gzip_with_a_wrong_checksum_is_refused(tmp_path):
    data = bytearray(gzip.compress(HEADER + bytes(6), mtime=0))
    data[-5] ^= 1
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(DataError, match="damaged gzip"):
        read_idx(tmp_path / "bad")


@pytest.mark.parametrize("name", ["absent", "."])
def test_idx_path_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path / name)


@pytest.mark.parametrize("array", [np.zeros(2, "int64"), np.float32(1), np.array("a")])
def test_idx_refuses_to_write_what_the_format_cannot_hold(tmp_path, array):
    with pytest.raises(DataError, match="IDX cannot hold"):
        write_idx(tmp_path / "a", array)
    assert not (tmp_path / "a").exists()
