"""Data as users have it, made into the arrays that compiled functions take.

In: NumPy arrays of any dtype, lists, data frames and series, torch tensors, sparse
matrices.  Out: C-contiguous arrays of a wanted dtype.  What would be lost, and what no
network can learn from (NaN, text, labels outside the classes), is told here, before any
work starts.  What is wanted of them is ``heads.py``'s and ``model.py``'s business.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgraph.core.node import Variable
from symgraph.errors import DataError

#: dtypes that stay as they are in memory and become floats in the compiled function
SMALL = ("uint8", "int8", "bool")
#: numbers that are looked at together for NaN; more would need much memory
BLOCK = 1 << 20


def as_array(value: Any, what: str) -> np.ndarray:
    """Return data of any kind as an array of numbers.

    Parameters
    ----------
    value : an array, a list, a data frame or series (whatever has ``to_numpy``), a tensor
        of torch (``detach``), a sparse matrix (``toarray``)
    what : how an error calls it

    Raises
    ------
    DataError : text, objects, rows of different lengths, a symbolic variable

    Examples
    --------
    >>> as_array([[1, 2], [3, 4]], "X").dtype
    dtype('int64')
    """
    if isinstance(value, np.ndarray):
        return _numbers(value, value, what)
    if isinstance(value, Variable):
        raise DataError(f"{what} is a symbolic variable; pass numbers or an array")
    made = value
    if hasattr(made, "detach") and hasattr(made, "numpy"):
        made = made.detach()
        made = made.cpu() if hasattr(made, "cpu") else made
        made = made.numpy()
    elif hasattr(made, "to_numpy"):
        made = made.to_numpy()
    elif hasattr(made, "toarray"):
        made = made.toarray()
    try:
        array = np.asarray(made)
    except (ValueError, TypeError) as error:
        raise DataError(f"{what}: its rows are not all of one shape: {error}") from None
    return _numbers(array, value, what)


def _numbers(array: np.ndarray, given: Any, what: str) -> np.ndarray:
    if isinstance(array, np.ma.MaskedArray):
        raise DataError(f"{what} is a masked array; fill in what is masked, or drop it")
    if array.dtype.kind == "O":
        try:
            return array.astype(np.float64)
        except (ValueError, TypeError):
            pass
    if array.dtype.kind not in "buif":
        where = _column_of(array, given)
        raise DataError(
            f"{what} has dtype {array.dtype}{where}; a network takes numbers. Encode text "
            "as numbers first, for example with numpy.unique(..., return_inverse=True)."
        )
    return array


def _column_of(array: np.ndarray, given: Any) -> str:
    """Name the first column of a data frame that holds no numbers."""
    for position, name in enumerate(getattr(given, "columns", ())):
        try:
            array[:, position].astype(np.float64)
        except (ValueError, TypeError, IndexError):
            return f", column {name!r}"
    return ""


def floats(array: np.ndarray, dtype: str, what: str) -> np.ndarray:
    """Return an array in a float dtype; small integers keep theirs.

    Floats are rounded to the dtype; what is too large for it, and integers that it cannot
    hold exactly, are refused.

    Raises
    ------
    DataError : a NaN or an infinity (its row is named), or a number that does not fit

    Examples
    --------
    >>> floats(np.array([1, 2]), "float32", "X"), floats(np.uint8([7]), "float32", "X")
    (array([1., 2.], dtype=float32), array([7], dtype=uint8))
    """
    if array.dtype.name in SMALL:
        return _tidy(array)
    with np.errstate(over="ignore"):
        made = _tidy(array.astype(dtype, copy=False))
    if array.dtype.kind in "ui" and array.dtype.itemsize > 2:
        wrong = made.astype(np.float64) != array
        if wrong.any():
            raise DataError(
                f"{what}{_place(wrong)} is {array[wrong][0]}, which {dtype} cannot hold "
                "exactly; scale the data, or use a network of float64"
            )
    elif array.dtype.kind == "f":
        _finite(made, array, dtype, what)
    return made


def _finite(made: np.ndarray, array: np.ndarray, dtype: str, what: str) -> None:
    rows = max(1, BLOCK * len(made) // max(1, made.size)) if made.ndim else 1
    for start in range(0, len(made) if made.ndim else 1, rows):
        part = made[start : start + rows] if made.ndim else made
        fine = np.isfinite(part)
        if fine.all():
            continue
        wrong = ~fine
        value = (array[start : start + rows] if made.ndim else array)[wrong][0]
        where = _place(wrong, start)
        if np.isfinite(value):
            raise DataError(f"{what}{where} is {value}, which is too large for {dtype}")
        raise DataError(
            f"{what}{where} is {value}; fill it in or leave the row out before training"
        )


def integers(array: np.ndarray, dtype: str, what: str) -> np.ndarray:
    """Return an array in an integer dtype, where that loses nothing.

    Raises
    ------
    DataError : a fraction, a NaN, or a number outside the dtype

    Examples
    --------
    >>> integers(np.array([0.0, 2.0]), "int32", "y")
    array([0, 2], dtype=int32)
    """
    if array.dtype == dtype:
        return _tidy(array)
    with np.errstate(invalid="ignore"):
        made = array.astype(dtype)
    wrong = made != array
    if np.any(wrong):
        value = array[wrong][0]
        raise DataError(f"{what}{_place(wrong)} is {value}; expected whole numbers")
    return _tidy(made)


def _place(wrong: np.ndarray, start: int = 0) -> str:
    """Where the first True stands: ``, row 3, column 1,``."""
    if not wrong.ndim:
        return ""
    position = np.argwhere(wrong)[0]
    text = f", row {position[0] + start},"
    if len(position) == 2:
        text += f" column {position[1]},"
    elif len(position) > 2:
        text += f" position {tuple(position[1:].tolist())},"
    return text


def _tidy(array: np.ndarray) -> np.ndarray:
    """The same numbers, contiguous, in native byte order; no copy where they are so."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.c_contiguous else np.array(array, order="C")
