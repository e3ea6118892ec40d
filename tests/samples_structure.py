"""Samples of functions that fill and make tensors; the files it imports hold the rest.

As tests/samples.py for the elementwise functions. Reductions are in
samples_reduction.py, movements in samples_movement.py, linear algebra in
samples_linalg.py, pooling in samples_pooling.py; importing this file fills all.
"""

from typing import Any

import numpy as np
import samples_linalg  # noqa: F401
import samples_masks  # noqa: F401
import samples_movement  # noqa: F401
import samples_order  # noqa: F401
import samples_pooling  # noqa: F401
import samples_reduction  # noqa: F401
import samples_running  # noqa: F401
from structure import ODD, ORACLES, X, bad, floats, good, ints, n, sizes, table

from symgraph.errors import ArgumentError, AxisError, DtypeError, ShapeError

# --- broadcasting and filling ---------------------------------------------------------

table(
    lambda x, shape, ndim=None: np.broadcast_to(x, sizes(shape)),
    "broadcast_to",
    good(floats(3), (2, 3)),
    good(floats(1, 3), (2, 3)),
    good(floats(), (2, 3)),
    good(floats(2, 1, 3), (n(4), 2, n(5), 3)),
    good(X, X.shape),
    good(floats(), ()),
    good(floats(1, 3), (0, 3)),
    good(floats(3), 3),
    good(ODD[:, :1], ODD.shape),
    good(floats(3), np.array([2, 3]), ndim=2),
    good(True, (2,)),
    bad(ShapeError, floats(3), (2, 4)),
    bad(ShapeError, X, (3, 4)),
    bad(ShapeError, floats(3), (-1, 3)),
)
table(
    lambda v, *shape: np.broadcast_to(
        v, sizes(shape[0] if np.ndim(shape[0]) else shape)
    ),
    "alloc",
    good(floats(), 2, 3),
    good(floats(3), n(2), 3),
    good(floats(3), (2, 3)),
    good(floats(3), [4, 3]),
    good(floats(), 2, n(3)),
    bad(ShapeError, floats(3), 2, 4),
    bad(DtypeError, 0.0, 2.5),
)
table(
    lambda shape, dtype=None: np.zeros(sizes(shape), dtype or "float64"),
    "zeros",
    good((2, 3)),
    good((n(2), 3), "int32"),
    good(3),
    good(()),
    good((0, 2), dtype="bool"),
    bad(ShapeError, (-1, 2)),
    bad(DtypeError, 3, "float16"),
)
table(
    lambda shape, dtype=None: np.ones(sizes(shape), dtype or "float64"),
    "ones",
    good((2, 3)),
    good((n(2), 3), "complex64"),
    good([2, n(2)]),
    bad(ShapeError, -1),
)
table(ORACLES["zeros"], "empty", good((2, 3)), good((n(2), 3), "int8"))
table(
    lambda shape, v, dtype=None: np.full(sizes(shape), v, dtype),
    "full",
    good((2, 3), floats()),
    good((n(2), 3), floats(3)),
    good(2, 1.5, "float32"),
    good((2, 3), floats(), dtype="int32"),
    bad(ShapeError, (2, 2), floats(3)),
)
for _name in ("zeros_like", "ones_like"):
    table(
        getattr(np, _name),
        _name,
        good(X),
        good(ints(2, 3, dtype="int16")),
        good(floats()),
        good(X, dtype="int32"),
        good(floats(0, 2), "float32"),
    )
table(np.zeros_like, "empty_like", good(X), good(ints(3), "float32"))
table(
    np.full_like,
    "full_like",
    good(X, 2),
    good(X, floats()),
    good(ints(2, 3), 2.5),
    good(X, floats(4), "float32"),
    bad(ShapeError, X, floats(3)),
)
table(
    np.broadcast_arrays,
    "broadcast_arrays",
    good(floats(3), floats(2, 1)),
    good(X, floats()),
    good(X),
    bad(ShapeError, floats(3), floats(2)),
)

# --- creation -------------------------------------------------------------------------


def _arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    if stop is None:
        start, stop = 0, start
    return np.arange(*(np.asarray(v).item() for v in (start, stop, step)), dtype=dtype)


table(
    _arange,
    "arange",
    good(5),
    good(n(5)),
    good(2, 7),
    good(n(2), n(7)),
    good(7, 2, -2),
    good(2, 9, 3),
    good(n(2), n(9), n(3)),
    good(n(9), n(2), n(-3)),
    good(n(9), n(2)),
    good(0),
    good(3, 1),
    good(0.0, 1.0, 0.25),
    good(1.0, 0.0, -0.3),
    good(5, dtype="float32"),
    good(5.5),
    good(np.array(0.5), np.array(3.2), np.array(0.5)),
    good(1, 2, 0.3),
    good(5, dtype="int8"),
    good(n(-3)),
    good(-3, 3),
    bad(ArgumentError, 0, 5, 0),
    bad(ShapeError, ints(3)),
    bad(DtypeError, 1j),
)
table(
    lambda start, stop, num=50, endpoint=True, dtype=None: np.linspace(
        np.asarray(start) * 1.0, np.asarray(stop) * 1.0, int(num), endpoint, dtype=dtype
    ),
    "linspace",
    good(0.0, 1.0, 5),
    good(0, 10, n(4)),
    good(floats(), floats(seed=1), 7),
    good(1.0, 3.0, 4, endpoint=False),
    good(2, 3, 1),
    good(2, 3, 0),
    good(0.0, 9.0),
    good(0, 10, 4, dtype="int32"),
    good(3.0, -1.0, n(1)),
    bad(ShapeError, floats(3), 1.0),
    bad(ShapeError, 0, 1, -1),
    bad(DtypeError, 0, 1, 2.5),
)
table(
    lambda start, stop, num=50, endpoint=True, base=10.0, dtype=None: np.logspace(
        start, stop, num, endpoint, base, dtype
    ),
    "logspace",
    good(0.0, 2.0, 5),
    good(0, 3, 4, base=2.0),
    good(0.0, 2.0, 4, False, dtype="float32"),
)
table(
    lambda rows, m=None, k=0, dtype=None: np.eye(
        int(rows), None if m is None else int(m), int(k), dtype or "float64"
    ),
    "eye",
    good(3),
    good(2, 4),
    good(n(3), 2, 1),
    good(3, 3, -1, "float32"),
    good(3, k=n(1)),
    good(0),
    good(n(2), dtype="bool"),
    bad(ShapeError, -1),
    bad(DtypeError, 2.5),
)
table(
    lambda x: np.eye(*x.shape, dtype=x.dtype),
    "identity_like",
    good(floats(3, 3)),
    good(ints(2, 3, dtype="int32")),
    bad(ShapeError, X),
)
table(
    lambda rows, m=None, k=0, dtype=None: np.tri(
        int(rows), None if m is None else int(m), k, dtype or "float64"
    ),
    "tri",
    good(3),
    good(n(2), 4, 1),
    good(3, 3, -1, "int32"),
    bad(ShapeError, -1),
)
for _oracle in (np.tril, np.triu):
    table(
        _oracle,
        _oracle.__name__,
        good(floats(3, 4)),
        good(floats(3, 4), 1),
        good(X, -1),
        good(ints(3, 3, dtype="int8")),
        bad(ShapeError, floats(3)),
    )
table(
    np.diag,
    "diag",
    good(floats(3)),
    good(floats(3), 1),
    good(floats(3), -2),
    good(floats(3, 4)),
    good(floats(3, 4), 1),
    good(floats(4, 2), -1),
    good(floats(2, 2), 5),
    good(floats(0)),
    bad(ShapeError, X),
    bad(ArgumentError, floats(3), n(1)),
)
table(
    np.diagonal,
    "diagonal",
    good(floats(3, 4)),
    good(floats(4, 3), 2),
    good(X, -1),
    good(X, 1, 1, 2),
    good(X, 0, 2, 0),
    good(floats(0, 3)),
    good(floats(3, 3), -5),
    bad(ShapeError, floats(3)),
    bad(ArgumentError, X, 0, 1, 1),
    bad(AxisError, X, 0, 0, 3),
)
table(
    np.trace,
    "trace",
    good(floats(3, 4)),
    good(X, 1),
    good(ints(3, 3, dtype="int8")),
    bad(ShapeError, floats(3)),
)
