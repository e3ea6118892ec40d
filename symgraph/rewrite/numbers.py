"""Numbers that collecting computes with: which are whole, finite, and fit into a dtype."""

from typing import Any

import numpy as np

from symgraph.core.dtypes import NUMPY, is_complex, is_integer
from symgraph.core.node import Constant, scalar_constant


def finite(value: Any) -> bool:
    """Whether a number is neither inf nor NaN."""
    return bool(np.isfinite(value))


def whole(value: Any) -> int | None:
    """The number as an int, if it is one."""
    if value is None or not finite(value) or value.imag != 0:
        return None
    value = value.real
    return int(value) if value == int(value) else None


def representable(value: Any, dtype: str) -> bool:
    """Whether a float coefficient neither overflows nor vanishes in its dtype."""
    if is_integer(dtype):
        return True
    size = abs(value)
    if dtype.endswith(("32", "x64")):  # float32, and complex64 of two of them
        return size == 0 or 1.2e-38 < size < 3.4e38
    return bool(finite(size))


def wrapped(value: int, dtype: str) -> int:
    """The integer modulo the width of its dtype, as the value of least magnitude."""
    bits = 8 * NUMPY[dtype].itemsize
    value = int(value) % (1 << bits)
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


def number(value: Any, dtype: str) -> Constant:
    """0-d constant; integers wrap."""
    if is_integer(dtype):
        value = int(value)
        if dtype.startswith("uint"):
            value %= 1 << (8 * NUMPY[dtype].itemsize)
        return scalar_constant(value, dtype)
    if is_complex(dtype):
        return scalar_constant(complex(value), dtype)
    return scalar_constant(float(value), dtype)
