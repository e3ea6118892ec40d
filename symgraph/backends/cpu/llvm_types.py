"""LLVM's spelling of dtypes and numbers.

In: dtype names, lane counts, Python numbers. Out: the text that LLVM IR has for them.
``llvm`` builds instructions from these.
"""

from __future__ import annotations

import math
import struct
from functools import cache

import numpy as np

_INTEGERS = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]

#: Width of an element in bits (a bool in a register has one).
BITS = {"bool": 1, "float32": 32, "float64": 64} | {
    name: int(name.split("int")[1]) for name in _INTEGERS
}

#: LLVM element type of each dtype; signedness lives in the dtype only.
ELEMENT = {name: f"i{bits}" for name, bits in BITS.items()} | {
    "float32": "float",
    "float64": "double",
}

#: The signed integer that has the bits of a float.
BITS_OF = {"float32": "int32", "float64": "int64"}

FLOATS = frozenset({"float32", "float64"})
SIGNED = frozenset(name for name in _INTEGERS if name[0] == "i")


@cache
def type_name(dtype: str, lanes: int) -> str:
    """LLVM type of ``lanes`` elements: ``float`` for one, else ``<8 x float>``."""
    element = ELEMENT[dtype]
    return element if lanes == 1 else f"<{lanes} x {element}>"


@cache
def suffix(dtype: str, lanes: int) -> str:
    """The mangled part of an overloaded intrinsic's name, such as ``v8f32``."""
    letter = "f" if dtype in FLOATS else "i"
    element = f"{letter}{BITS[dtype]}"
    return element if lanes == 1 else f"v{lanes}{element}"


def number(value: float, dtype: str) -> str:
    """Write one scalar constant; floats as exact bit patterns, integers wrapped."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype in FLOATS:
        if dtype == "float32":
            with np.errstate(over="ignore"):
                value = float(np.float32(value))
        if math.isnan(value):
            return "0x7FF8000000000000"
        return "0x" + struct.pack(">d", value).hex().upper()
    return str(int(value) & ((1 << BITS[dtype]) - 1))


@cache
def _splat_text(value: float, dtype: str, lanes: int) -> str:
    text = number(value, dtype)
    return text if lanes == 1 else f"splat ({ELEMENT[dtype]} {text})"


def constant_text(value: float, dtype: str, lanes: int) -> str:
    """Write a constant for all lanes, such as ``splat (i32 7)``."""
    if not value:  # 0.0 and -0.0 are one key of a dictionary but two constants
        return _splat_text.__wrapped__(value, dtype, lanes)
    return _splat_text(value, dtype, lanes)


def attributes(features: frozenset[str]) -> str:
    """Attributes of a function; without them LLVM cuts vectors of 64 bytes in two."""
    if "avx512f" not in features:
        return "nounwind"
    return 'nounwind "prefer-vector-width"="512" "min-legal-vector-width"="512"'
