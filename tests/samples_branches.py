"""Samples of `ifelse`; see tests/structure.py."""

from typing import Any

import numpy as np
from structure import Nested, X, bad, floats, good, ints, table

from symgraph.errors import ArgumentError, DtypeError, ShapeError

YES, NO = np.array(True), np.array(0, "int8")


def _ifelse(condition: Any, a: Any, b: Any, name: str | None = None) -> Any:
    chosen = a if condition else b
    many = isinstance(a, list | tuple) or isinstance(b, list | tuple)
    return list(chosen) if many else chosen


table(
    _ifelse,
    "ifelse",
    good(YES, X, X + 1),
    good(NO, X, X + 1),
    good(np.array(-2.5), floats(3), floats(3, seed=1)),
    good(YES, floats(), 2.0),
    good(NO, 2.0, floats()),
    good(True, floats(2), floats(2, seed=1)),
    good(YES, [floats(2), ints(3)], (floats(2, seed=1), ints(3, seed=1))),
    good(NO, [floats(2), floats(2)], [floats(2, seed=1), floats(2)]),
    good(YES, floats(0), floats(0)),
    good(NO, ints(2, 2), ints(2, 2, seed=1), name="chosen"),
    [Nested((YES, floats(2), floats(3)), gradient=True),
     Nested((NO, floats(2), floats(3)), gradient=True)],
    bad(ShapeError, floats(2), X, X),
    bad(ShapeError, YES, floats(2), X),
    bad(DtypeError, YES, floats(2), ints(2)),
    bad(ArgumentError, YES, [X, X], [X]),
    bad(ArgumentError, YES, [], []),
)  # fmt: skip
