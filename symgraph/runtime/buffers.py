"""The arena: one block of memory for all temporaries of a function.

Offsets come from lifetimes: two temporaries share memory when no step needs both. In:
(bytes, first step, last step) of each temporary. Out: an offset for each, and the size
of the block. Everything is aligned to 64 bytes.
"""

import ctypes
from collections.abc import Sequence

import numpy as np

from symgraph.core.memory import ALIGNMENT, Block, Memory


def layout(temps: Sequence[tuple[int, int, int]]) -> tuple[list[int], int]:
    """Offsets in bytes and the total.

    Largest first, each at the lowest place that is free during its life (greedy by
    size; Pisarchyk and Lee 2020, arXiv:2001.03288).

    Examples
    --------
    >>> layout([(100, 0, 1), (50, 1, 2), (100, 2, 3)])
    ([0, 128, 0], 192)
    """
    order = sorted(range(len(temps)), key=lambda k: -temps[k][0])
    offsets = [0] * len(temps)
    placed: list[tuple[int, int, int, int]] = []  # start, end, first, last
    total = 0
    for k in order:
        size, first, last = temps[k]
        size = max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)
        start = 0
        for begin, end, one, other in placed:
            if one <= last and first <= other and begin < start + size and start < end:
                start = end
        # a later neighbour may lie before the one that moved us: look again
        moved = True
        while moved:
            moved = False
            for begin, end, one, other in placed:
                if (
                    one <= last
                    and first <= other
                    and begin < start + size
                    and start < end
                ):
                    start, moved = end, True
        offsets[k] = start
        placed.append((start, start + size, first, last))
        placed.sort()
        total = max(total, start + size)
    return offsets, total


def poisoned(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An array of NaN, or of what the same bytes are in another dtype.

    What nobody writes is seen in it.
    """
    count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return np.full(count, 0xFF, np.uint8).view(dtype).reshape(shape)


class Arena:
    """Memory that only grows. `address` is valid until `reserve` gives another block.

    `generation` counts the blocks, in `word`, where native code can look.
    """

    __slots__ = ("_block", "_memory", "address", "size", "word")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.size = 0
        self.word = ctypes.c_int64(0)
        self.address = 0
        self._block: Block | None = None

    def reserve(self, size: int) -> None:
        """Have at least `size` bytes."""
        if size <= self.size and self.address:
            return
        before, self._block = self._block, self._memory.block(size)
        self.address = self._block.address
        self.size = size
        self.word.value += 1
        del before  # until here somebody may have its address

    @property
    def generation(self) -> int:
        return self.word.value

    def poison(self) -> None:
        """Fill the block with NaN."""
        if self._block is not None:
            self._memory.poison(self._block)
