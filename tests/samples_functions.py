"""Samples for indexing, products and nnet functions; see tests/samples.py.

`SAMPLES` maps a name to its samples, `ORACLES` to a NumPy or SciPy function of the same
arguments. Writing functions take ``(x, index, y)`` and are called with ``x[index]``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as scipy
from samples import Sample

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import (
    ArgumentError,
    AxisError,
    ConversionError,
    DtypeError,
    IndexRangeError,
    NotSupportedError,
    ShapeError,
)


@dataclass(frozen=True)
class Writing(Sample):
    """A sample ``(x, index, y)`` of a function that takes ``(x[index], y)``."""

    def build(self, name: str) -> tuple[list[Variable], dict[Variable, np.ndarray]]:
        """As `Sample.build`, for a writing function."""
        read = Sample(self.args[:2], static=self.static)
        (part,), values = read.build("getitem")
        y = self.args[2]
        if isinstance(y, np.ndarray):
            shape = y.shape if self.static else (None,) * y.ndim
            given = y
            y = T.TensorType(given.dtype.name, shape)("y")
            values[y] = given
        return [getattr(T, name)(part, y, **self.kwargs)], values


SAMPLES: dict[str, list[Sample]] = {}
ORACLES: dict[str, Callable[..., Any]] = {}
_random = np.random.default_rng(11)


def _floats(*shape: int, dtype: str = "float64") -> np.ndarray:
    return np.asarray(_random.uniform(-2, 2, shape)).astype(dtype)


def _ints(limit: int, *shape: int, dtype: str = "int64") -> np.ndarray:
    return np.asarray(_random.integers(-limit, limit, shape)).astype(dtype)


_x, _v, _m = _floats(3, 4, 5), _floats(6), _floats(4, 6)
_all = slice(None)

# --- indexing -------------------------------------------------------------------------

_mask2 = np.arange(12).reshape(3, 4) % 5 == 1
_mask3 = _x > 0.5
INDICES: list[Any] = [
    0, -1, slice(1, 3), slice(None, None, -1), slice(None, None, 2), slice(-2, None),
    slice(10, 0, -2), slice(3, 1), (0, 1, 2), (0, ..., -1), (..., slice(1, None, 2)),
    (slice(None), None, 2), None, (None, ..., None), ..., (),
    (_all, slice(3, None, -2)), [0, 2], [-1, -1, 0], [], (_all, [3, 0, 0]),
    (_all, _all, [0, 4]),
    np.array([[0, 1], [2, 0]]), (0, [1, 2]), ([1, 2], 0), (0, _all, [1, 2]),
    ([0, 2], [1, 1]), ([0, 2], _all, [1, 1]), (_all, [0, 2], [1, 1]),
    ([[0], [1]], [[1, 2]]), (slice(1, None), [0, 1], None, [2, 3]), ([0, 1], None),
    (np.int32(2), np.array(1)), ([0, 1, 1], [1, 2, 3], [4, 4, -5]),
    (_all, [3, 1], ..., [0, -2]), ([0, 2], ..., [1, 4], None), ([[0], [2]], _all, [1, 3]),
    (0, ..., [1, 1]), (_all, [[3, 0], [1, 1]], slice(None, None, -2)), [[]],
    [True, False, True], np.zeros(3, bool), _mask2, (_mask2, [0, 4, 2]),
    (_all, [False, True, True, True], slice(3, None, -1)), _mask3, (_mask2, None, 1),
    (1, _mask3[0]), ([0, -1], _all, np.arange(5) == 3), True, (_all, False), (..., True, 0),
]  # fmt: skip
_bad_indices: list[tuple[Any, type[Exception]]] = [
    (3, IndexRangeError), (-4, IndexRangeError), ((0, 4), IndexRangeError),
    ([0, 3], IndexRangeError), ((0, 0, 0, 0), AxisError), ((..., ...), ArgumentError),
    (1.5, DtypeError), ("a", DtypeError), ([0.5], DtypeError),
    ([True, False], ShapeError), (np.ones((3, 5), bool), ShapeError),
    ((_all, np.ones((4, 5), bool), 0), AxisError), (([0, 1], [0, 1, 2]), ShapeError),
    ((np.ones(3, bool), [0, 1]), ShapeError), (slice(None, None, 0), ArgumentError),
    ([[0, 1], [2]], ConversionError),
    (slice(0.5), DtypeError),
]  # fmt: skip

SAMPLES["getitem"] = [
    *(Sample((_x, index), gradient=True) for index in INDICES),
    *(Sample((_x, index), static=True) for index in INDICES),
    *(Sample((_m, (np.arange(4), [0, 1, -1, 5])), gradient=True, static=s)
      for s in (True, False)),
    Sample((_m, (np.arange(3), [0, 1, 2])), gradient=True, static=True),
    Sample((_ints(9, 4, 3), (np.arange(4), [0, 1, 2, 0]))),
    Sample((_ints(9, 4, 3) > 0, (np.arange(4), [0, 1, 2, 0]))),
    Sample((_floats(0, 3), slice(None, None, -1))),
    Sample((_floats(), ...), gradient=True),
    Sample((_floats(), ())),
    *(Sample((_x, index), error=error, static=True) for index, error in _bad_indices),
]  # fmt: skip


def _key(index: Any) -> Any:
    """The index for NumPy, to which an empty list in a list is one of floats."""
    empty = isinstance(index, list) and not np.size(index)
    return np.zeros(np.shape(index), int) if empty else index


ORACLES["getitem"] = lambda x, index: x[_key(index)]


def _assigned(x: np.ndarray, index: Any, y: Any) -> np.ndarray:
    out = x.copy()
    out[_key(index)] = y
    return out


def _increased(x: np.ndarray, index: Any, y: Any) -> np.ndarray:
    out = x.copy()
    np.add.at(out, _key(index), y)
    return out


def _part(index: Any) -> np.ndarray:
    return _floats(*np.shape(ORACLES["getitem"](_x, index)))


_writing = [
    *(Writing((_x, index, _part(index)), gradient=True) for index in INDICES),
    *(Writing((_x, index, 2.5), gradient=True) for index in INDICES[::3]),
    Writing((_x, (0, slice(1, 3)), _floats(1, 5)), gradient=True, static=True),
    Writing((_x, [0, 2], _floats(5)), gradient=True),
    Writing((_x, (_all, None, 2), _floats(5)), gradient=True),
    Writing((_m, (np.arange(4), [0, 1, -1, 5]), _floats(4)), gradient=True),
    Writing((_x.astype("float32"), 0, _floats(4, 5))),
    Writing((_ints(9, 3, dtype="int32"), slice(1), 300)),
    Writing((_x, 0, _floats(3)), error=ShapeError, static=True),
    Writing((_x, 0, _floats(2, 4, 5)), error=ShapeError, static=True),
    Writing((_x, [0, 1], _floats(3, 4, 5)), error=ShapeError, static=True),
    Writing((_ints(9, 3), 0, 0.5), error=DtypeError),
]
SAMPLES["set_subtensor"] = _writing
SAMPLES["inc_subtensor"] = [
    *_writing,
    Writing((_x, 0, 1.0), {"ignore_duplicates": True}, error=NotSupportedError),
]
ORACLES["set_subtensor"], ORACLES["inc_subtensor"] = _assigned, _increased

SAMPLES["take"] = [
    Sample((_x, _ints(3, 2, 2), 0), gradient=True),
    Sample((_x, _ints(4, 3, dtype="int8"), 1), gradient=True),
    Sample((_x, _ints(5, 0), -1), gradient=True),
    Sample((_x, np.int64(2), 1), gradient=True),
    Sample((_x, _ints(60, 4)), gradient=True),
    Sample((_x, np.array([7, -9, 3]), 1), {"mode": "wrap"}, gradient=True),
    Sample((_x, np.array([7, -9, 3]), 1), {"mode": "clip"}, gradient=True),
    Sample((_x, [0, 3], 0), error=IndexRangeError, static=True),
    Sample((_x, _ints(3, 2), 3), error=AxisError),
    Sample((_x, _floats(2), 0), error=DtypeError),
    Sample((_x, _ints(3, 2) > 0, 0), error=DtypeError),
    Sample((_x, _ints(3, 2), 0), {"mode": "nearest"}, error=ArgumentError),
]
ORACLES["take"] = np.take

SAMPLES["pick"] = [
    Sample((_m, np.array([0, 5, -1, 2])), gradient=True),
    Sample((_x, _ints(5, 3, 4, dtype="int32")), gradient=True),
    Sample((_v, np.int64(-2)), gradient=True),
    Sample((_m, np.array([0, 5, -1])), error=ShapeError, static=True),
    Sample((_m, _ints(2, 4, 6)), error=ShapeError),
    Sample((_m, [0, 6, 0, 0]), error=IndexRangeError, static=True),
]
ORACLES["pick"] = lambda x, y: np.take_along_axis(
    x, (np.asarray(y) % x.shape[-1])[..., None], -1
)[..., 0]

# --- products -------------------------------------------------------------------------

_k = {n: _floats(n) for n in (3, 4, 5, 6)}
SAMPLES["dot"] = [
    Sample((_floats(), _floats(2, 3)), gradient=True),
    Sample((_floats(3), 2.0), gradient=True),
    Sample((_k[4], _floats(4)), gradient=True),
    Sample((_k[4], _m), gradient=True),
    Sample((_m, _v), gradient=True),
    Sample((_m, _floats(6, 3)), gradient=True),
    Sample((_m, _floats(6, 3)), gradient=True, static=True),
    Sample((_x, _k[5]), gradient=True),
    Sample((_x, _floats(5, 2)), gradient=True),
    Sample((_k[4], _x), gradient=True),
    Sample((_floats(2, 4), _x), gradient=True),
    Sample((_floats(2, 2, 4), _x), gradient=True),
    Sample((_floats(1, 6), _floats(6, 1)), gradient=True),
    Sample((_floats(0, 6), _floats(6, 3))),
    Sample((_floats(4, 0), _floats(0, 3))),
    Sample((_ints(9, 2, 3), _ints(9, 3, 2, dtype="int32"))),
    Sample((_m.astype("float32"), _floats(6, 2, dtype="float32"))),
    Sample((_m.astype("float32"), _ints(3, 6, dtype="int16"))),
    Sample((_m + 1j, _floats(6, 2))),
    Sample((_m, _floats(5, 3)), error=ShapeError, static=True),
    Sample((_v, _m), error=ShapeError, static=True),
    Sample((_x, _floats(2, 4, 3)), error=ShapeError, static=True),
    Sample((_m > 0, _m.T > 0), error=DtypeError),
]
ORACLES["dot"] = np.dot

SAMPLES["matmul"] = [
    Sample((_m, _floats(6, 3)), gradient=True),
    Sample((_v, _floats(6, 3)), gradient=True),
    Sample((_x, _floats(3, 5, 2)), gradient=True),
    Sample((_x, _floats(3, 5, 2)), gradient=True, static=True),
    Sample((_x, _floats(1, 5, 2)), gradient=True),
    Sample((_floats(2, 1, 4, 5), _floats(3, 5, 2)), gradient=True),
    Sample((_floats(2, 3, 4, 5), _floats(5)), gradient=True),
    Sample((_k[5], _floats(2, 3, 5, 2)), gradient=True),
    Sample((_m, _floats(2, 6, 2)), gradient=True),
    Sample((_floats(), _m), error=ShapeError),
    Sample((_x, _floats(2, 5, 2)), error=ShapeError, static=True),
    Sample((_x, _floats(3, 4, 2)), error=ShapeError, static=True),
]
ORACLES["matmul"] = np.matmul

SAMPLES["batched_dot"] = [
    Sample((_x, _floats(3, 5, 2)), gradient=True),
    Sample((_x, _floats(3, 5)), gradient=True),
    Sample((_floats(3, 5), _floats(3, 5, 2)), gradient=True),
    Sample((_floats(3, 5), _floats(3, 5)), gradient=True),
    Sample((_floats(3), _x), gradient=True),
    Sample((_x, _floats(3)), gradient=True),
    Sample((_floats(3, 2, 4, 5), _floats(3, 5, 2)), gradient=True),
    Sample((_x, _floats(4, 5, 2)), error=ShapeError, static=True),
    Sample((_x, _floats(3, 4, 2)), error=ShapeError, static=True),
    Sample((_floats(), _x), error=ShapeError),
]
ORACLES["batched_dot"] = lambda a, b: np.stack([np.dot(p, q) for p, q in zip(a, b)])

SAMPLES["tensordot"] = [
    Sample((_x, _floats(4, 5, 2)), gradient=True),
    Sample((_x, _floats(5, 2), 1), gradient=True),
    Sample((_x, _floats(2), 0), gradient=True),
    Sample((_x, _floats(5, 2, 3), [[0, 2], [2, 0]]), gradient=True),
    Sample((_x, _floats(2, 4), (1, -1)), gradient=True),
    Sample((_x, _floats(3, 4, 5), 3), gradient=True),
    Sample((_x, _floats(5, 2), [[2], [1]]), error=ShapeError, static=True),
    Sample((_x, _floats(5, 2), [[2, 1], [0]]), error=ArgumentError),
    Sample((_x, _floats(5, 2), [[3], [0]]), error=AxisError),
    Sample((_x, _floats(5, 2), [[2, 2], [0, 1]]), error=ArgumentError),
    Sample((_x, _floats(5, 2), 3), error=ShapeError),
    Sample((_x, _floats(5, 2), [1]), error=ArgumentError),
]
ORACLES["tensordot"] = np.tensordot

SAMPLES["batched_tensordot"] = [
    Sample((_x, _floats(3, 4, 5, 2), 2), gradient=True),
    Sample((_x, _floats(3, 5, 2), [[2], [1]]), gradient=True),
    Sample((_x, _floats(3, 5, 2), [[0], [0]]), error=ArgumentError),
    Sample((_floats(), _x, 1), error=ShapeError),
]
ORACLES["batched_tensordot"] = lambda a, b, axes: np.stack(
    [
        np.tensordot(
            p,
            q,
            axes if isinstance(axes, int) else [[i - 1 for i in some] for some in axes],
        )
        for p, q in zip(a, b)
    ]
)
SAMPLES["outer"] = [
    Sample((_k[3], _k[4]), gradient=True),
    Sample((_floats(2, 2), _k[3]), gradient=True),
    Sample((_floats(), _ints(5, 3))),
]
ORACLES["outer"] = np.outer
SAMPLES["inner"] = [
    Sample((_k[4], _floats(4)), gradient=True),
    Sample((_x, _floats(2, 5)), gradient=True),
    Sample((_x, 2.0), gradient=True),
    Sample((_x, _floats(2, 4)), error=ShapeError, static=True),
]
ORACLES["inner"] = np.inner
SAMPLES["vdot"] = [
    Sample((_k[4], _floats(2, 2)), gradient=True),
    Sample((_k[4] + 2j, _floats(4) - 1j)),
]
ORACLES["vdot"] = np.vdot

# --- nnet -----------------------------------------------------------------------------

_huge = np.array(
    [[1000.0, 0.0, -1000.0], [-np.inf, 3.0, 1.0], [-800.0, -800.0, -900.0]]
)
_rows = [
    Sample((_x,), gradient=True),
    Sample((_m,), gradient=True, static=True),
    Sample((_v,), gradient=True),
    Sample((_x,), {"axis": 0}, gradient=True),
    Sample((_x, -2), gradient=True),
    Sample((_floats(3, 1),), gradient=True),
    Sample((_floats(0, 3),)),
    Sample((_m.astype("float32"),)),
    Sample((_ints(5, 2, 3),)),
    Sample((_ints(5, 2, 3, dtype="int8"),)),
    Sample((_huge,), special=True),
    Sample((_floats(),), error=AxisError),
    Sample((_x, 3), error=AxisError),
    Sample((_m + 1j,), error=DtypeError),
]
SAMPLES["softmax"] = SAMPLES["log_softmax"] = SAMPLES["logsoftmax"] = _rows
ORACLES["softmax"] = lambda x, axis=-1: scipy.softmax(x.astype("float64"), axis)
ORACLES["log_softmax"] = ORACLES["logsoftmax"] = lambda x, axis=-1: scipy.log_softmax(
    x.astype("complex128" if np.iscomplexobj(x) else "float64"), axis
)
SAMPLES["logsumexp"] = [
    Sample((_x,), gradient=True),
    Sample((_x, 1), gradient=True),
    Sample((_x, (0, -1)), {"keepdims": True}, gradient=True, static=True),
    Sample((_x, (0, 2)), gradient=True),
    Sample((_floats(), None)),
    Sample((_huge, 1), special=True),
    Sample((np.array([[np.inf, 0.0], [-np.inf, -np.inf]]), 1), special=True),
    Sample((_m.astype("float32"), 0)),
    Sample((_ints(5, 2, 3),)),
    Sample((_x, (0, 0)), error=AxisError),
]


def _logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
    return scipy.logsumexp(np.asarray(x), axis=axis, keepdims=keepdims)


ORACLES["logsumexp"] = _logsumexp

_p = scipy.softmax(_m, -1)
_labels = np.array([0, 5, 1, 2], "int32")
_hot = scipy.softmax(_floats(4, 6), -1)
SAMPLES["categorical_crossentropy"] = [
    Sample((_p, _labels), gradient=True),
    Sample((_p, _labels), gradient=True, static=True),
    Sample((_p, _hot), gradient=True),
    Sample((_p.astype("float32"), _labels)),
    Sample((scipy.softmax(_x, -1), _ints(5, 3, 4) % 5), gradient=True),
    Sample((_p[0], np.int64(3)), gradient=True),
    Sample((_p, _labels[:3]), error=ShapeError, static=True),
    Sample((_p, _hot[:, :5]), error=ShapeError, static=True),
    Sample((_p, _floats(4)), error=DtypeError),
    Sample((_p, _floats()), error=ShapeError),
    Sample((_p, [0, 1, 6, 0]), error=IndexRangeError, static=True),
    Sample((_p, [0, 1, -1, 0]), error=IndexRangeError, static=True),
]
ORACLES["categorical_crossentropy"] = lambda p, t: (
    -np.sum(t * np.log(p), -1)
    if np.ndim(t) == p.ndim
    else -np.log(ORACLES["pick"](p, t))
)
SAMPLES["crossentropy_categorical_1hot"] = [
    Sample((_p, _labels), gradient=True),
    Sample((_p, _hot), error=ShapeError),
]
ORACLES["crossentropy_categorical_1hot"] = ORACLES["categorical_crossentropy"]

_chance = scipy.expit(_m)
SAMPLES["binary_crossentropy"] = [
    Sample((_chance, (_hot > 0.2).astype("float64")), gradient=True),
    Sample((_chance, _hot[0]), gradient=True),
    Sample((_chance.astype("float32"), _ints(1, 4, 6, dtype="int8") + 1)),
    Sample((_chance, _floats(3)), error=ShapeError, static=True),
]
ORACLES["binary_crossentropy"] = lambda p, t: (
    -(t * np.log(p.astype("float64")) + (1 - t) * np.log(1 - p.astype("float64")))
)
SAMPLES["sigmoid_binary_crossentropy"] = [
    Sample((_m, _hot), gradient=True),
    Sample((np.array([900.0, -900.0, 0.0]), np.array([1.0, 0.0, 1.0]))),
]
ORACLES["sigmoid_binary_crossentropy"] = lambda z, t: np.logaddexp(0, z) - z * t
SAMPLES["crossentropy_softmax_argmax_1hot_with_bias"] = [
    Sample((_m, _v, _labels), gradient=True)
]
ORACLES["crossentropy_softmax_argmax_1hot_with_bias"] = lambda x, b, y: (
    -ORACLES["pick"](scipy.log_softmax(x + b, -1), y),
    scipy.softmax(x + b, -1),
    np.argmax(x + b, -1),
)
SAMPLES["one_hot"] = [
    Sample((_labels, 6), {"dtype": "float32"}),
    Sample((_ints(3, 2, 2, dtype="int8") % 3, 3)),
    Sample((np.int64(2), 3, "int32")),
    Sample((_floats(3), 3), error=DtypeError),
    Sample((np.array([0, 3]), 2.5), error=DtypeError),
    Sample(([0, 3], 3), error=IndexRangeError),
    Sample(([0, -1], 3), error=IndexRangeError),
]
SAMPLES["to_one_hot"] = SAMPLES["one_hot"]
ORACLES["one_hot"] = ORACLES["to_one_hot"] = lambda y, n, dtype="float64": np.eye(
    n, dtype=dtype
)[y]
