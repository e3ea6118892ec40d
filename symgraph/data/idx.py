"""The IDX format of MNIST and its relatives: read and write, plain or gzipped.

A file is: two zero bytes, a type code, the number of axes, one big-endian uint32 for
each extent, then the elements, big-endian, last axis fastest.  Everything is checked;
a wrong file is a ``DataError`` that says what was wanted and what was found.

Reference: Y. LeCun, C. Cortes, C. Burges, The MNIST database, "The IDX file format".
"""

from __future__ import annotations

import gzip
import struct
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.data.files import MAX_BYTES, read_file, unpacked
from symgraph.errors import DataError

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}
_MAX_AXES = 32  # NumPy holds 64, IDX files in use have at most 4


def read_idx(path: str | Path, limit: int = MAX_BYTES) -> np.ndarray:
    """Read one IDX file, gzipped or not (recognised by content, not by name).

    Parameters
    ----------
    path : file of the IDX format
    limit : most bytes of the file, packed and unpacked

    Returns
    -------
    array in native byte order: uint8, int8, int16, int32, float32 or float64

    Raises
    ------
    DataError : no such file, not a regular file, over the limit, not IDX, unknown type
        code, or length not as declared
    """
    path = Path(path)
    data = unpacked(read_file(path, limit), str(path), limit)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise DataError(
            f"{path}: not an IDX file; it starts with {data[:4].hex(' ') or 'nothing'},"
            " an IDX file with 00 00 and a type code"
        )
    code, axes = data[2], data[3]
    if code not in _DTYPES:
        known = ", ".join(f"0x{known:02x}" for known in _DTYPES)
        raise DataError(f"{path}: IDX type code 0x{code:02x} is none of {known}")
    if axes > _MAX_AXES:
        raise DataError(f"{path}: IDX header declares {axes} axes, over {_MAX_AXES}")
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(
            f"{path}: truncated IDX header, {len(data)} bytes of {start}, {axes} axes"
        )
    shape = struct.unpack(f">{axes}I", data[4:start])
    dtype = _DTYPES[code]
    wanted, found = prod(shape) * dtype.itemsize, len(data) - start
    if wanted != found:
        kind = "truncated" if found < wanted else "too long"
        raise DataError(
            f"{path}: {kind} IDX file, shape {shape} of {dtype.name} takes {wanted} "
            f"bytes after the header, found {found}"
        )
    try:
        elements = np.frombuffer(data, dtype, offset=start).reshape(shape)
    except ValueError as error:  # nothing in it, and extents beyond all bounds
        raise DataError(f"{path}: IDX file of shape {shape}: {error}") from error
    return elements.astype(dtype.newbyteorder("="))


def write_idx(path: str | Path, array: np.ndarray) -> None:
    """Write an array as an IDX file; a name that ends in ``.gz`` is gzipped.

    Parameters
    ----------
    path : file to write, replaced when it exists
    array : uint8, int8, int16, int32, float32 or float64, at least one axis

    Raises
    ------
    DataError : a dtype that IDX has no code for, or a scalar
    """
    array, path = np.asarray(array), Path(path)
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None or array.ndim == 0:
        known = ", ".join(dtype.name for dtype in _CODES)
        raise DataError(
            f"{path}: IDX cannot hold {array.dtype} {array.shape}; "
            f"it takes arrays of at least one axis of {known}"
        )
    header = struct.pack(f">2xBB{array.ndim}I", code, array.ndim, *array.shape)
    data = header + array.astype(_DTYPES[code]).tobytes()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)  # the same array gives the same bytes
    path.write_bytes(data)
