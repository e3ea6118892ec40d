"""Samples of pooling; see tests/samples_structure.py, which imports this file."""

from typing import Any

import numpy as np
from structure import X, bad, floats, good, ints, table
from window_oracles import pooled

from symgraph.errors import ArgumentError, DtypeError, NotSupportedError, ShapeError


def oracle(rank: int) -> Any:
    """NumPy's pooling with the arguments of the public function."""

    def pool(
        x: Any, ws: Any, ignore_border: Any = None, stride: Any = None, pad: Any = 0,
        mode: str = "max", ties: str = "all", st: Any = None, padding: Any = None,
        ds: Any = None,
    ) -> np.ndarray:  # fmt: skip
        stride, pad = stride or st or ws, pad if padding is None else padding
        size = (ws,) * rank if isinstance(ws, int) else ws
        step = (stride,) * rank if isinstance(stride, int) else stride
        pads = (pad,) * rank if isinstance(pad, int) else pad
        pairs = [p if isinstance(p, tuple) else (p, p) for p in pads]
        if mode.startswith("average") and x.dtype.kind in "iu":
            x = x.astype("float32" if x.itemsize < 4 else "float64")
        return pooled(x, size, step, pairs, bool(ignore_border), mode)

    return pool


IMAGE = floats(2, 3, 5, 6)
table(
    oracle(2),
    "pool_2d",
    good(IMAGE, (2, 2)),
    good(IMAGE, (2, 2), True),
    good(IMAGE, 2, ignore_border=True, stride=1),
    good(IMAGE, (3, 2), True, (2, 1), (1, 0)),
    good(IMAGE, (3, 3), True, (2, 2), ((0, 1), (2, 1)), ties="first"),
    good(IMAGE, (3, 3), False, (2, 2), mode="sum"),
    good(IMAGE, (2, 3), True, mode="average_inc_pad", padding=(1, 2)),
    good(IMAGE, (2, 3), True, mode="average_exc_pad", pad=(1, 2)),
    good(IMAGE, (2, 4), False, mode="average_exc_pad"),
    good(IMAGE, (5, 6), True, mode="average_inc_pad"),
    good(IMAGE, (2, 2), True, st=(3, 3)),
    good(floats(5, 6), (2, 2), True),
    good(X, (2, 2), True),
    good(floats(2, 2, 3, 4, 4), (2, 2), True, (1, 2)),
    good(floats(3, 3, 1, 1), (1, 1), True, mode="sum"),
    good(floats(2, 3, 5, 6, dtype="float32"), (2, 2), True, mode="sum"),
    good(ints(2, 1, 4, 5), (2, 2), True),
    good(ints(2, 1, 4, 5, dtype="int8"), (2, 3), False, mode="average_inc_pad"),
    bad(ArgumentError, IMAGE),
    bad(ArgumentError, IMAGE, (2, 2), False, pad=(1, 1)),
    bad(ArgumentError, IMAGE, (2, 2), True, pad=(2, 0)),
    bad(ArgumentError, IMAGE, (2, 2, 2), True),
    bad(ArgumentError, IMAGE, (2, 0), True),
    bad(ArgumentError, IMAGE, (2, 2), True, mode="median"),
    bad(ArgumentError, IMAGE, (2, 2), True, ties="last"),
    bad(ArgumentError, IMAGE, (2, 2), True, (1, 1), st=(1, 1)),
    bad(ShapeError, IMAGE, (6, 2), True),
    bad(ShapeError, floats(2, 3, 0, 4), (2, 2), False),
    bad(ShapeError, floats(4), (2, 2), True),
    bad(DtypeError, IMAGE > 0, (2, 2), True),
    bad(NotSupportedError, IMAGE, (np.array(2), 2), True),
)
table(
    oracle(1),
    "pool_1d",
    good(floats(2, 3, 7), 3, True),
    good(floats(2, 3, 7), (3,), False, (2,)),
    good(floats(7), 2, True, 1, 1, "average_exc_pad"),
    good(floats(3, 7), 3, False, mode="sum"),
    bad(ShapeError, floats(), 2),
)
table(
    oracle(3),
    "pool_3d",
    good(floats(1, 2, 3, 4, 5), (2, 2, 2), True),
    good(floats(1, 2, 3, 4, 5), (3, 2, 2), True, (1, 2, 1), (1, 0, 1)),
    good(floats(2, 3, 4, 5), 2, False, mode="average_exc_pad"),
    good(floats(3, 4, 5), (2, 3, 2), False, (2, 2, 2), mode="sum"),
    bad(ShapeError, X[0], (2, 2, 2)),
)
