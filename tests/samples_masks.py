"""Samples of functions that tell where something is true; see tests/structure.py."""

from typing import Any

import numpy as np
from structure import X, bad, floats, good, ints, plain, table

from symgraph.errors import (
    ArgumentError,
    AxisError,
    ConversionError,
    ShapeError,
)

SOME = np.array([[0.0, 1.5, 0.0], [-2.0, 0.0, 0.5]])
KEEP = np.array([1, 0, 1, 0], "int8")


def _nonzero(x: Any, return_matrix: bool = False) -> Any:
    found = np.nonzero(x)
    return np.stack(found) if return_matrix else found


table(
    _nonzero,
    "nonzero",
    good(SOME),
    good(SOME > 0),
    good(floats(3) > 0),
    good(ints(2, 3, 2)),
    good(SOME, return_matrix=True),
    good(np.zeros((2, 0))),
    good([0, 3, 0]),
    bad(ShapeError, floats()),
    bad(ConversionError, "x"),
)
table(
    np.flatnonzero,
    "flatnonzero",
    good(SOME),
    good(floats()),
    good(np.array([False, True, True])),
    bad(ConversionError, "x"),
)
table(
    lambda x: x[np.nonzero(x)],
    "nonzero_values",
    good(floats(2, 3)),
    plain(SOME),
    plain(ints(5)),
    plain(np.zeros(3)),
    bad(ConversionError, "x"),
)
table(
    np.compress,
    "compress",
    good(KEEP[:2], X, axis=0),
    good(KEEP, X, axis=-1),
    good([True, False, True], X, 1),
    good(KEEP > 0, X),
    good(KEEP[:3] > 0, floats(5)),
    bad(ShapeError, SOME > 0, X),
    bad(AxisError, KEEP, X, 3),
)
table(
    np.where,
    "where",
    good(SOME > 0, SOME, floats(2, 1)),
    plain(SOME, SOME, 0.0),
    good(SOME > 0),
    good(ints(4)),
    bad(ArgumentError, SOME > 0, SOME),
    bad(ShapeError, floats()),
)
