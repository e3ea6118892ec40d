"""Calling the tile library from tests: NumPy arrays in, phases run unit by unit.

Units run one at a time in a random order, as any pool of threads might take them.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from symgraph.backends.cpu import library_object, select, target
from symgraph.backends.cpu.loader import Library, load

LEVELS = ("native", "avx2", "generic")
_PHASE = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)
_UNITS = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
_memory = np.zeros(library_object.SCRATCH_BYTES + 64, np.uint8)
_scratch = _memory.ctypes.data + -_memory.ctypes.data % 64


@contextmanager
def restricted(level: str) -> Iterator[None]:
    """Compile for a level of CPU features."""
    old = os.environ.get(target.VARIABLE)
    os.environ[target.VARIABLE] = level
    try:
        yield
    finally:
        if old is None:
            del os.environ[target.VARIABLE]
        else:
            os.environ[target.VARIABLE] = old


@cache
def library(family: str, dtype: str, level: str) -> Library:
    """The mapped functions of a family."""
    with restricted(level):
        return load(library_object.tile_object(frozenset({(family, dtype)})))


class Operation:
    """Parameters of one call, ready to run."""

    def __init__(
        self, name: str, dtype: str, level: str, values: dict[str, Any]
    ) -> None:
        names = library_object.PARAMETERS[name]
        assert values.keys() <= set(names), values.keys() - set(names)
        self.kept = values
        self.table = np.array([_number(values.get(n, 0)) for n in names], np.int64)
        code = library(library_object.FAMILY[name], dtype, level)
        self.phases = [
            (_PHASE(code.address(work)), _UNITS(code.address(units)))
            for work, units in library_object.phases(name, dtype)
        ]

    def units(self) -> list[int]:
        """Units of each phase."""
        return [units(self.table.ctypes.data) for _, units in self.phases]

    def run(self, random: np.random.Generator | None = None) -> None:
        """All phases; in one piece, or unit by unit in a random order."""
        for (work, _), count in zip(self.phases, self.units(), strict=True):
            if random is None:
                work(self.table.ctypes.data, 0, count, _scratch)
                continue
            for unit in random.permutation(count).tolist():
                work(self.table.ctypes.data, unit, unit + 1, _scratch)


def _number(value: Any) -> int:
    return value.ctypes.data if isinstance(value, np.ndarray) else int(value or 0)


def gemm(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, level: str = "native", **more: Any
) -> Operation:
    """c = a @ b of matrices, or of stacks of them, any strides; c's rows contiguous."""
    dtype, item = str(c.dtype), c.itemsize
    (rows, depth), columns = a.shape[-2:], b.shape[-1]
    scalars = {
        name: np.array([more[name]], dtype)
        for name in ("alpha", "beta", "slope")
        if more.get(name) is not None
    }
    values: dict[str, Any] = {
        "a": a, "b": b, "c": c, "batch": c.shape[0] if c.ndim == 3 else 1,
        "rows": rows, "columns": columns, "depth": depth,
        "a_down": a.strides[-2] // item, "a_across": a.strides[-1] // item,
        "b_down": b.strides[-2] // item, "b_across": b.strides[-1] // item,
        "c_down": c.strides[-2] // item,
    }  # fmt: skip
    if c.ndim == 3:
        values |= {
            f"{n}_batch": v.strides[0] // item
            for n, v in (("a", a), ("b", b), ("c", c))
        }
    return Operation("gemm", dtype, level, values | more | scalars)


def convolution(
    name: str, x: np.ndarray, w: np.ndarray, y: np.ndarray, level: str = "native",
    *, strides: Any = (1, 1, 1), pads: Any = (0, 0, 0), dilations: Any = (1, 1, 1),
    groups: int = 1, **more: Any,
) -> Operation:  # fmt: skip
    """An operation on x (N, D, H, W, C), w (K, C/g, T, R, S), y (N, OD, OH, OW, K)."""
    axes = ("depth", "height", "width")
    dtype = str(x.dtype)
    size = select.workspace(name, dtype, w.shape, groups).value(())
    raw = np.full(size + 64 + 64, 255, np.uint8)  # NaN, and a guard behind the end
    first = -raw.ctypes.data % 64
    values: dict[str, Any] = {
        "x": x, "w": w, "y": y, "workspace": raw[first:], "batch": x.shape[0],
        "channels": x.shape[4], "filters": w.shape[0], "groups": groups,
    }  # fmt: skip
    for i, axis in enumerate(axes):
        values |= {
            axis: x.shape[1 + i], f"out_{axis}": y.shape[1 + i],
            f"window_{axis}": w.shape[2 + i], f"stride_{axis}": strides[i],
            f"pad_{axis}": pads[i], f"dilation_{axis}": dilations[i],
        }  # fmt: skip
    if more.get("slope") is not None:
        more["slope"] = np.array([more["slope"]], dtype)
    made = Operation(name, dtype, level, values | more)
    made.guard = raw[first + size : first + size + 64]  # type: ignore[attr-defined]
    return made


__all__ = ["LEVELS", "Operation", "convolution", "gemm", "library", "restricted"]
