"""What a call must find true of sizes: two that are equal, an index inside its axis.

Made by lower/extents.py of what ops require, carried by a Program, and compared by
the runtime as soon as the sizes are known. What must be true only where a branch is
entered has a *guard*: a slot that holds 0, or where it is not true the error flag with
which the branch is left at once (a `Demand` step).
"""

from symgraph.core.record import Record
from symgraph.lower.sizes import SizePolynomial


class Check(Record):
    """Two sizes that a call must find equal.

    `broadcast` says that the mismatch is harmless where one of them is 1: the function
    is then compiled again with that axis known to broadcast. `guard` is a slot, see above.
    """

    left: SizePolynomial
    right: SizePolynomial
    message: str
    broadcast: bool
    guard: int | None = None


class Range(Record):
    """An index that a call must find inside its axis, or (`empty`) an extent over 0."""

    index: SizePolynomial
    extent: SizePolynomial
    message: str
    empty: bool = False
    guard: int | None = None


#: error flags of guards, added to their slots: of shapes, and of indices
SHAPE_FLAG, INDEX_FLAG = 1 << 40, 1 << 41
