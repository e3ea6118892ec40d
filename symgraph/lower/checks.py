"""What a call must find true of sizes: two that are equal, an index inside its axis.

Made by lower/extents.py and lower/requirements.py, carried by a Program, and compared by
the runtime as soon as the sizes are known.
"""

from symgraph.core.record import Record
from symgraph.lower.sizes import Poly


class Check(Record):
    """Two sizes that a call must find equal.

    `broadcast` says that the mismatch is harmless where one of them is 1: the function
    is then compiled again with that axis known to broadcast.
    """

    left: Poly
    right: Poly
    message: str
    broadcast: bool


class Range(Record):
    """An index that a call must find inside its axis, or (`empty`) an extent over 0.

    In a branch it must be so only when the branch is entered: `late` is then the number
    of the late value that is read at its beginning.
    """

    index: Poly
    extent: Poly
    message: str
    empty: bool = False
    late: int | None = None
