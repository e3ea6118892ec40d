"""The memory of the lockstep device: an address space apart from that of this process.

An address names a byte of a block; addresses of this process, of freed blocks, and
between blocks name nothing, and using one raises `LockstepError`. Blocks are NumPy
arrays that only this file reads. What nobody has written is NaN.
"""

import bisect
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.dtypes import NUMPY
from symgraph.core.memory import ALIGNMENT, Block
from symgraph.errors import LockstepError

#: where the device's addresses begin: no process has memory there
FIRST = 1 << 56
#: bytes between two blocks, at least
GAP = 256


class DeviceBlock:
    """Bytes of the device, freed when this object is dropped."""

    __slots__ = ("__weakref__", "address", "size")

    def __init__(self, address: int, size: int) -> None:
        self.address = address
        self.size = size


class LockstepMemory:
    """Blocks by address."""

    name = "lockstep"

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._starts: list[int] = []
        self._bytes: dict[int, np.ndarray] = {}
        self._next = FIRST

    def block(self, size: int) -> DeviceBlock:
        """Have `size` bytes of NaN."""
        with self._lock:
            start = self._next
            self._next += size + GAP + -(size + GAP) % ALIGNMENT
            self._bytes[start] = np.full(size, 0xFF, np.uint8)
            self._starts.append(start)  # addresses only grow
        made = DeviceBlock(start, size)
        weakref.finalize(made, self._free, start)
        return made

    def _free(self, start: int) -> None:
        with self._lock:
            del self._bytes[start]
            self._starts.pop(bisect.bisect_left(self._starts, start))

    @property
    def used(self) -> int:
        """Bytes of all blocks."""
        with self._lock:
            return sum(a.size for a in self._bytes.values())

    def bytes_from(self, address: int, size: int | None = None) -> np.ndarray:
        """The bytes from an address on: `size` of them, or all to the end of the block."""
        with self._lock:
            place = bisect.bisect_right(self._starts, address) - 1
            start = self._starts[place] if place >= 0 else 0
            found = self._bytes.get(start)
        if found is None or not 0 <= address - start <= found.size:
            raise LockstepError(
                f"address {address:#x} is not of the device: memory of this process "
                "cannot be used in a kernel"
                if address < FIRST
                else f"address {address:#x} lies in no block of the device: it was freed"
            )
        rest = found[address - start :]
        if size is None:
            return rest
        if size > rest.size:
            raise LockstepError(
                f"{size} bytes from {address:#x} leave their block, which has "
                f"{rest.size} more"
            )
        return rest[:size]

    def elements(self, address: int, dtype: str) -> np.ndarray:
        """All elements from an address to the end of its block, flat."""
        kind: np.dtype[Any] = np.dtype(NUMPY[dtype])
        found = self.bytes_from(address)
        return found[: found.size // kind.itemsize * kind.itemsize].view(kind)

    def read(self, address: int, dtype: str, shape: Sequence[int]) -> np.ndarray:
        """A copy of the array at an address."""
        kind: np.dtype[Any] = np.dtype(NUMPY[dtype])
        count = int(np.prod(shape, dtype=np.int64))
        if not count:
            return np.empty(tuple(shape), kind)
        found = self.bytes_from(address, count * kind.itemsize)
        return found.copy().view(kind).reshape(tuple(shape))

    def taken(self, block: Block, dtype: str, shape: Sequence[int]) -> np.ndarray:
        """A copy of the array in a block."""
        return self.read(block.address, dtype, shape)

    def write(self, address: int, array: np.ndarray) -> None:
        """Copy an array to an address, in C order."""
        if array.size:
            whole = np.array(array, order="C", copy=True).reshape(-1).view(np.uint8)
            self.bytes_from(address, array.nbytes)[...] = whole

    def copy(self, target: int, source: int, size: int) -> None:
        """Copy bytes on the device."""
        if size:
            self.bytes_from(target, size)[...] = self.bytes_from(source, size).copy()

    def poison(self, block: Block) -> None:
        """Fill a block with NaN."""
        self.bytes_from(block.address, block.size)[...] = 0xFF
