"""Event files as TensorBoard reads them: records of protocol buffers.

In: numbers, arrays, pictures, a graph.  Out: a file ``events.out.tfevents...`` to which
each adds one record.  A record is the length of an event, the event, and a checksum of
each (TFRecord); an event is a message of `event.proto` of TensorFlow.  Both formats are
small enough to be written here, which needs no other package.

References
----------
protobuf.dev, "Encoding"; tensorflow.org, "TFRecord and tf.train.Example";
tensorboard/compat/proto: event.proto, summary.proto, graph.proto, attr_value.proto;
tensorboard/plugins/hparams/plugin_data.proto
"""

from __future__ import annotations

import os
import socket
import struct
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: polynomial of CRC-32C (Castagnoli), its bits reversed
_CASTAGNOLI = 0x82F63B78
#: what TFRecord adds to a rotated checksum
_MASK = 0xA282EAD8
#: buckets of a histogram
BUCKETS = 30
_started = 0


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (_CASTAGNOLI if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
    """The checksum of a record: CRC-32C, rotated by 15 bits, plus a constant.

    Examples
    --------
    >>> hex(masked_crc(b"123456789"))  # the CRC-32C is 0xe3069283
    '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


# --- protocol buffers: fields as bytes --------------------------------------------------


def varint(number: int) -> bytes:
    """A whole number in groups of seven bits, the lowest first.

    Examples
    --------
    >>> varint(300).hex()
    'ac02'
    """
    number &= (1 << 64) - 1  # negative ones in two's complement
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def whole(field: int, value: int) -> bytes:
    """A field of an integer, a bool or an enum."""
    return varint(field << 3) + varint(int(value))


def double(field: int, value: float) -> bytes:
    """A field of a double."""
    return varint(field << 3 | 1) + struct.pack("<d", value)


def single(field: int, value: float) -> bytes:
    """A field of a float."""
    return varint(field << 3 | 5) + struct.pack("<f", value)


def text(field: int, value: str | bytes) -> bytes:
    """A field of text, bytes, or a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def doubles(field: int, values: Any) -> bytes:
    """A field of many doubles, packed."""
    return text(field, np.asarray(values, "<f8").tobytes())


# --- the file ----------------------------------------------------------------------------


class EventFile:
    """A file of events, flushed after each call.

    Parameters
    ----------
    folder : made if it is missing; each file has a name of its own
    first : step before which events of an earlier file count, those after do not

    Attributes
    ----------
    path : of the file
    """

    def __init__(self, folder: str | Path, first: int | None = None) -> None:
        global _started
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _started += 1
        name = (
            f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{_started}"
        )
        self.path = folder / f"events.out.tfevents.{name}"
        self._stream = self.path.open("xb")
        self._write(text(3, "brain.Event:2"), 0)
        if first is not None:
            self._write(text(7, whole(1, 1)), first)  # SessionLog, START

    def close(self) -> None:
        """No more events."""
        self._stream.close()

    def _write(self, body: bytes, step: int) -> None:
        event = double(1, time.time()) + whole(2, step) + body
        length = struct.pack("<Q", len(event))
        self._stream.write(
            length
            + struct.pack("<I", masked_crc(length))
            + event
            + struct.pack("<I", masked_crc(event))
        )
        self._stream.flush()

    def values(self, made: Iterable[bytes], step: int) -> None:
        """Values of one step, as the functions below make them."""
        self._write(text(5, b"".join(text(1, value) for value in made)), step)

    def graph(self, nodes: Iterable[bytes]) -> None:
        """A graph of nodes, as `node` makes them."""
        made = b"".join(text(1, each) for each in nodes)
        self._write(text(4, made + text(4, whole(1, 27))), 0)  # VersionDef.producer


# --- values -------------------------------------------------------------------------------


def scalar(tag: str, value: float) -> bytes:
    """A number."""
    return text(1, tag) + single(2, value)


def histogram(tag: str, values: Any) -> bytes:
    """How the numbers of an array are spread; NaN and infinities are left out."""
    array = np.asarray(values, np.float64).ravel()
    array = array[np.isfinite(array)]
    low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
    counts, edges = np.histogram(array, BUCKETS)
    body = (
        double(1, low)
        + double(2, high)
        + double(3, array.size)
        + double(4, array.sum())
        + double(5, float(array @ array))
        + doubles(6, edges[1:])
        + doubles(7, counts)
    )
    return text(1, tag) + text(5, body)


def image(tag: str, pixels: Any) -> bytes:
    """A picture.

    Parameters
    ----------
    pixels : uint8 (height, width) or (height, width, 3)
    """
    height, width = pixels.shape[:2]
    colours = 3 if pixels.ndim == 3 else 1
    body = whole(1, height) + whole(2, width) + whole(3, colours) + text(4, png(pixels))
    return text(1, tag) + text(4, body)


def png(pixels: Any) -> bytes:
    """A picture as a PNG file (ISO/IEC 15948), grey or in colour.

    Examples
    --------
    >>> png(np.zeros((2, 3), np.uint8))[1:4]
    b'PNG'
    """
    pixels = np.ascontiguousarray(pixels, np.uint8)
    height, width = pixels.shape[:2]
    kind = 2 if pixels.ndim == 3 else 0
    rows = pixels.reshape(height, -1)
    unfiltered = np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n"
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(unfiltered)), (b"IEND", b""))
    for name, data in parts:
        crc = zlib.crc32(name + data)
        made += struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)
    return made


def node(
    name: str, op: str, inputs: Iterable[str], shape: Iterable[int | None] | None
) -> bytes:
    """A node of a graph.

    Parameters
    ----------
    name : "a/b" stands inside a
    shape : of what it gives, None for an extent that is not known
    """
    made = text(1, name) + text(2, op) + b"".join(text(3, each) for each in inputs)
    if shape is not None:
        extents = (text(2, whole(1, -1 if n is None else n)) for n in shape)
        shapes = text(1, text(7, b"".join(extents)))
        made += text(5, text(1, "_output_shapes") + text(2, shapes))
    return made


# --- hyper-parameters ---------------------------------------------------------------------

_STRING, _BOOL, _NUMBER, _SUCCESS = 1, 2, 3, 1


def experiment(settings: Mapping[str, Any], metrics: Iterable[str]) -> bytes:
    """What hyper-parameters and metrics there are."""
    body = b"".join(
        text(4, text(1, name) + whole(4, _kind(value)))
        for name, value in settings.items()
    )
    body += b"".join(text(5, text(1, text(2, name))) for name in metrics)
    return _plugin("_hparams_/experiment", text(2, body))


def session_start(settings: Mapping[str, Any]) -> bytes:
    """The hyper-parameters of a run."""
    body = b"".join(
        text(1, text(1, name) + text(2, _value(value)))
        for name, value in settings.items()
    )
    return _plugin(
        "_hparams_/session_start_info", text(3, body + double(5, time.time()))
    )


def session_end() -> bytes:
    """The end of a run."""
    body = whole(1, _SUCCESS) + double(2, time.time())
    return _plugin("_hparams_/session_end_info", text(4, body))


def _plugin(tag: str, content: bytes) -> bytes:
    metadata = text(1, text(1, "hparams") + text(2, content))
    tensor = whole(1, 1) + text(2, b"") + single(5, 0.0)  # a float of rank 0, unused
    return text(1, tag) + text(8, tensor) + text(9, metadata)


def _kind(value: Any) -> int:
    if isinstance(value, bool):
        return _BOOL
    return _NUMBER if isinstance(value, int | float) else _STRING


def _value(value: Any) -> bytes:
    """A message of google.protobuf.Value."""
    if isinstance(value, bool):
        return whole(4, value)
    if isinstance(value, int | float):
        return double(2, value)
    return text(3, str(value))
