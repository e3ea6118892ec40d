"""Dtype names and the promotion rules.

A dtype is a string everywhere ("float32"). The rules are Theano's: arrays promote as
in NumPy (float32 with int32 gives float64, with int8 or int16 float32); Python numbers
are weak: an int takes the smallest integer dtype, a float the float dtype of its
partners, or ``config.floatX`` where there is none.
"""

from functools import cache
from typing import Any

import numpy as np

from symgraph.config import config
from symgraph.errors import DtypeError

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
COMPLEXES = ("complex64", "complex128")
DTYPES = ("bool", *INTEGERS, *FLOATS, *COMPLEXES)
_KNOWN = frozenset(DTYPES)
NUMPY = {name: np.dtype(name) for name in DTYPES}
ITEMSIZE = {name: dtype.itemsize for name, dtype in NUMPY.items()}


def canonical(dtype: Any) -> str:
    """Name of a dtype given as string ("floatX" included), NumPy dtype or type."""
    if isinstance(dtype, str):
        if dtype in _KNOWN:
            return dtype
        if dtype == "floatX":
            return config.floatX
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in _KNOWN:
        raise DtypeError(
            f"dtype {name!r} is not supported; use one of {', '.join(DTYPES)}"
        )
    return name


def is_float(dtype: str) -> bool:
    """Whether values are real floating-point numbers."""
    return dtype in FLOATS


def is_integer(dtype: str) -> bool:
    """Whether values are integers (bool is not one)."""
    return dtype in INTEGERS


def is_complex(dtype: str) -> bool:
    """Whether values are complex numbers."""
    return dtype in COMPLEXES


def is_discrete(dtype: str) -> bool:
    """Whether values are integers or bools: nothing differentiates through them."""
    return dtype in INTEGERS or dtype == "bool"


@cache
def upcast(*dtypes: str) -> str:
    """Smallest dtype that holds all of them, as NumPy's array promotion.

    Examples
    --------
    >>> upcast("float32", "int32"), upcast("float32", "int16"), upcast("int8", "uint8")
    ('float64', 'float32', 'int16')
    """
    return np.result_type(*(NUMPY[dtype] for dtype in dtypes)).name


@cache
def to_float(dtype: str) -> str:
    """Dtype of a float function of a value: int8 and int16 give float32, wider float64.

    Examples
    --------
    >>> to_float("int16"), to_float("int64"), to_float("float32")
    ('float32', 'float64', 'float32')
    """
    if dtype in FLOATS or dtype in COMPLEXES:
        return dtype
    return "float32" if ITEMSIZE[dtype] <= 2 else "float64"


def sum_dtype(dtype: str) -> str:
    """Dtype of a sum or product: small integers and bool grow to 64 bits."""
    if dtype == "bool" or dtype.startswith("int"):
        return "int64"
    return "uint64" if dtype.startswith("uint") else dtype


def real_dtype(dtype: str) -> str:
    """Dtype of the real part."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def complex_dtype(dtype: str) -> str:
    """Dtype of a complex number whose parts have this dtype."""
    return {"float32": "complex64", "complex64": "complex64"}.get(dtype, "complex128")


def int_dtype(value: int) -> str:
    """Smallest signed integer dtype that holds a Python int (uint64 as a last resort).

    Examples
    --------
    >>> int_dtype(3), int_dtype(300), int_dtype(-(2**40))
    ('int8', 'int16', 'int64')
    """
    for bits in (8, 16, 32, 64):
        if -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            return f"int{bits}"
    if 0 <= value < 2**64:
        return "uint64"
    raise DtypeError(f"the integer {value} does not fit into 64 bits")


def python_dtype(value: bool | int | float | complex, partners: tuple[str, ...]) -> str:
    """Dtype that a Python number takes beside operands of the dtypes `partners`.

    Beside floats it is a float of theirs; alone, an int is as small as it can be. Beside
    uint64 one that is not negative is unsigned: the two would meet in float64.
    """
    if isinstance(value, bool):
        return "bool"
    inexact = [dtype for dtype in partners if dtype in FLOATS or dtype in COMPLEXES]
    if isinstance(value, int):
        if inexact:
            return upcast(*inexact)
        if value >= 0 and partners and upcast(*partners) == "uint64":
            return "uint64"
        return int_dtype(value)
    if isinstance(value, complex):
        return (
            complex_dtype(upcast(*inexact)) if inexact else complex_dtype(config.floatX)
        )
    return real_dtype(upcast(*inexact)) if inexact else config.floatX


def can_cast_safely(source: str, target: str) -> bool:
    """Whether every value survives: int32 to float64 yes, float64 to float32 no."""
    return bool(np.can_cast(NUMPY[source], NUMPY[target], casting="safe"))


def holds_masked(value: Any) -> bool:
    """Whether a value is a masked array with masked elements, which have no value."""
    return (
        isinstance(value, np.ndarray)
        and type(value) is not np.ndarray
        and bool(np.any(getattr(value, "mask", False)))
    )


#: what to do about it, for error texts
MASKED = "masked elements have no value\nGive the array filled: array.filled(value)."


def rounded(array: np.ndarray, dtype: str) -> np.ndarray | None:
    """Python floats as a float dtype, each the nearest; None where one is too large."""
    with np.errstate(all="ignore"):
        made = array.astype(NUMPY[dtype])
    return made if (np.isfinite(made) | ~np.isfinite(array)).all() else None
