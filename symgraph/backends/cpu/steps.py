"""Steps of a program as a CPU does them, and the program of them.

In place of contractions and convolutions stand calls of BLAS and operations of the tile
library, and launches tell how threads may share them. `native` (backend.py) makes such
a program of a portable one. Plain data.
"""

from typing import Any

from symgraph.core.record import Record, fresh
from symgraph.lower.steps import Launch, Operand, Program

#: multiplications up to which a BLAS has less to prepare than the tiles, and starts no
#: threads of its own (OpenBLAS: 2**18, interface/gemm.c)
SMALL_PRODUCT = 200_000
#: terms of a sum that BLAS adds up in one call
LONG_INNER = 2048


class Part(Record):
    """Kernel → the loop whose range is cut, and the multiple at which it is."""

    index: str
    align: int


class NativeProgram(Program, frozen=False):
    """A program of CPU steps; `parts` are of the kernels that run in parts.

    Among its slots are ("block_size", units, work, align, scratch), the size of a block for
    the pool (arguments of `block_size.block_size`, the first two and the last Polys), and
    ("parallel",), whether any of them is not SERIAL.
    """

    parts: dict[str, Part] = fresh(factory=dict)


class Shared(Record):
    """A launch of a kernel that gets a part of its range.

    It gets the whole range, slot `units`, or parts of it on the pool where slot
    `block_size` says so. `private` are positions among its buffers of rows that each
    thread needs for itself, and slots of their bytes. If it folds, `width` is the slot
    of the bytes that a part comes to, and `partials` of the memory for them.
    """

    launch: Launch
    units: int
    block_size: int | None = None
    private: tuple[tuple[int, int], ...] = ()
    width: int | None = None
    partials: int | None = None

    @property
    def can_fail(self) -> bool:
        """Whether the kernel may set the error flag."""
        return self.launch.can_fail


class BlasProduct(Record):
    """c = alpha * a @ b + beta * c by BLAS; fields as in `lower.steps.Contraction`.

    With `tiles`, those do it instead where it takes more than SMALL_PRODUCT
    multiplications. `long` says that the inner extent may exceed LONG_INNER, and that
    BLAS is to be called for so many terms at a time: for small products OpenBLAS adds
    all terms one after the other.
    """

    dtype: str
    rows: int
    columns: int
    inner: int
    a: Operand
    b: Operand
    c: int
    alpha: Any = 1.0
    beta: Any = 0.0
    count: int | None = None
    step: int | None = None
    tiles: "Tiles | None" = None
    long: bool = False


class Tiles(Record):
    """An operation of the tile library, phase by phase over one table of parameters.

    A parameter has a name and is a slot (an address or a size), ("literal", n) an
    integer, ("number", value) the address of that number in the operation's dtype.
    `block_size` is a slot: SERIAL where the phases are to run in the caller.
    """

    operation: str
    dtype: str
    parameters: tuple[tuple[str, Any], ...]
    block_size: int
