"""Reading files that somebody else made: regular files only, and never more than a limit.

A pipe would keep the reader waiting, a device has no end, and a few bytes of gzip can
hold a gigabyte.  In: paths and limits.  Out: bytes, arrays, or a ``DataError`` of one
line.  `printable` makes of any text one that a terminal shows as it is.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import zlib
from math import prod
from pathlib import Path

import numpy as np

from symgraph.errors import DataError

#: bytes of a file, packed or not, that a reader takes without being told otherwise
MAX_BYTES = 1 << 27
GZIP_MAGIC = b"\x1f\x8b"


def read_file(
    path: str | Path, limit: int = MAX_BYTES, first: int | None = None
) -> bytes:
    """Return the bytes of a regular file.

    Parameters
    ----------
    limit : most bytes that the file may have
    first : return only so many of them

    Raises
    ------
    DataError : no such file, not a regular file, not readable, or over the limit
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        if getattr(error, "errno", None) == errno.ENXIO:  # a socket
            reason = "not a regular file"
        raise DataError(f"{path}: cannot be read: {reason}") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise DataError(f"{path}: cannot be read: not a regular file")
    with open(descriptor, "rb") as stream:
        if found.st_size > limit:
            raise DataError(f"{path}: over {limit} bytes, it has {found.st_size}")
        try:
            data = stream.read(found.st_size + 1 if first is None else first)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read: {error.strerror or error}"
            ) from error
    if len(data) > limit:
        raise DataError(f"{path}: over {limit} bytes")
    return data


def unpacked(data: bytes, name: str, limit: int = MAX_BYTES) -> bytes:
    """Return what gzip packed, or the bytes themselves where they are not packed.

    Raises
    ------
    DataError : damaged, or over the limit when unpacked
    """
    if not data.startswith(GZIP_MAGIC):
        return data
    parts: list[bytes] = []
    left, rest = limit + 1, data
    try:
        while rest.startswith(GZIP_MAGIC) and left > 0:
            stream = zlib.decompressobj(31)
            part = stream.decompress(rest, left)
            if not stream.eof and len(part) < left:
                raise DataError(f"{name}: damaged gzip file: it ends too soon")
            parts.append(part)
            left -= len(part)
            rest = stream.unused_data.lstrip(b"\0")  # padding is no harm
    except zlib.error as error:
        raise DataError(f"{name}: damaged gzip file: {error}") from error
    if left <= 0:
        raise DataError(f"{name}: over {limit} bytes when unpacked")
    if rest:
        raise DataError(f"{name}: damaged gzip file: {len(rest)} bytes behind its end")
    return b"".join(parts)


def npy_array(data: bytes, name: str) -> np.ndarray:
    """Return the array of a ``.npy`` file, once its header fits the bytes behind it.

    Raises
    ------
    DataError : damaged, or an array of Python objects
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise DataError(f"{name}: version {version} of the .npy format")
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream)
        if dtype.hasobject:
            raise DataError(f"{name}: damaged .npy file: it holds Python objects")
        wanted, found = prod(shape) * dtype.itemsize, len(data) - stream.tell()
        if min(shape, default=0) < 0 or wanted != found:
            raise DataError(
                f"{name}: damaged .npy file: shape {shape} of {dtype} takes {wanted} "
                f"bytes after the header, found {found}"
            )
        array = np.frombuffer(data, dtype, offset=stream.tell(), count=prod(shape))
        return array.reshape(shape, order="F" if fortran else "C")
    except DataError:
        raise
    except Exception as error:  # the header is Python text: whatever is wrong in it
        raise DataError(f"{name}: damaged .npy file: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """Return the text of an error on one line, or what kind it is."""
    return " ".join(str(error).split()) or type(error).__name__


def printable(text: str) -> str:
    """Return a text with what a terminal might obey, or cannot show, written as escapes.

    Examples
    --------
    >>> printable("a" + chr(27) + "[31mb.png") == "a" + chr(92) + "x1b[31mb.png"
    True
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable() or c in "\n\t"
        else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )
