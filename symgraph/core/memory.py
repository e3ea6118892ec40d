"""Memory: bytes on a device, as addresses; and that of this process.

Programs name memory by int64 addresses, whichever device they run on. `Memory` is what a
device offers: blocks that are freed when dropped, reading and writing. What a block of
another device holds can be had as a copy only; in `HostMemory` an array over the bytes
themselves. In: sizes and arrays. Out: `Block`s and arrays.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from symgraph.core.dtypes import NUMPY

ALIGNMENT = 64
_HEAD = (
    object.__basicsize__
)  # an array's first word behind its head tells where it lies
_word = ctypes.c_size_t.from_address


def _told(array: np.ndarray) -> int:
    return array.ctypes.data


def _read(array: np.ndarray) -> int:
    return _word(id(array) + _HEAD).value


_probe = np.zeros(3)
#: the address of an array's first element, as ``array.ctypes.data`` gives it at six
#: times the cost
address_of = _read if _read(_probe[1:]) == _told(_probe[1:]) else _told


class Block(Protocol):
    """Bytes at `address`, aligned to 64; they are freed when this object is dropped."""

    address: int
    size: int


class Memory(Protocol):
    """Bytes on a device. Its `name` is the device's."""

    name: str

    def block(self, size: int) -> Block:
        """Have `size` bytes, with undefined contents."""

    def read(self, address: int, dtype: str, shape: Sequence[int]) -> np.ndarray:
        """The array at an address: a copy, on the host the bytes themselves."""

    def taken(self, block: Block, dtype: str, shape: Sequence[int]) -> np.ndarray:
        """The array in a block, for good; on the host it keeps the block."""

    def write(self, address: int, array: np.ndarray) -> None:
        """Copy an array to an address, in C order."""

    def poison(self, block: Block) -> None:
        """Fill a block with NaN."""


def held(memory: Memory, array: np.ndarray) -> Block:
    """A block with a copy of an array."""
    block = memory.block(array.nbytes)
    memory.write(block.address, array)
    return block


class HostBlock:
    """Bytes of this process; keeps the array that owns them."""

    __slots__ = ("address", "bytes", "size")

    def __init__(self, size: int) -> None:
        whole = np.empty(size + ALIGNMENT, np.uint8)
        skip = -address_of(whole) % ALIGNMENT
        self.bytes = whole[skip:]
        self.address = address_of(whole) + skip
        self.size = size


class HostMemory:
    """The memory of this process."""

    name = "cpu"

    def block(self, size: int) -> HostBlock:
        """Have `size` bytes."""
        return HostBlock(size)

    def read(self, address: int, dtype: str, shape: Sequence[int]) -> np.ndarray:
        """The array over the bytes at an address; it does not keep them."""
        kind: np.dtype[Any] = np.dtype(NUMPY[dtype])
        count = 1
        for extent in shape:
            count *= extent
        if not count:
            return np.empty(tuple(shape), kind)
        memory: Any = (ctypes.c_char * (count * kind.itemsize)).from_address(address)
        return np.frombuffer(memory, kind).reshape(tuple(shape))

    def taken(self, block: Any, dtype: str, shape: Sequence[int]) -> np.ndarray:
        """The array over a block, which it keeps."""
        kind: np.dtype[Any] = np.dtype(NUMPY[dtype])
        used = block.bytes[: block.size]
        return used.view(kind).reshape(tuple(shape))

    def write(self, address: int, array: np.ndarray) -> None:
        """Copy an array to an address."""
        if array.size:
            memory: Any = (ctypes.c_char * array.nbytes).from_address(address)
            np.frombuffer(memory, array.dtype).reshape(array.shape)[...] = array

    def poison(self, block: Block) -> None:
        """Fill a block with NaN."""
        self.read(block.address, "uint8", (block.size,)).fill(0xFF)


HOST = HostMemory()
