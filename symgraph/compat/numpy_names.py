"""Names that NumPy has dropped, for programs older than that: on request only.

`restore` adds them to the module ``numpy``, `remove` takes them away again. Of the
names that NumPy has, only `linspace` is touched: it takes a float as number again.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


class Casts(dict[Any, Callable[..., Any]]):
    """``np.cast[dtype]``: a function that makes arrays of this dtype."""

    def __missing__(self, dtype: Any) -> Callable[..., Any]:
        return lambda values: np.asarray(values).astype(dtype)


#: dropped name → what it stood for
NAMES: dict[str, Any] = {
    "float": float, "int": int, "object": object, "str": str, "complex": complex,
    "unicode": str, "bool": bool, "long": int,
    "bool8": np.bool_, "float_": np.float64, "complex_": np.complex128,
    "singlecomplex": np.complex64, "cfloat": np.complex128, "unicode_": np.str_,
    "string_": np.bytes_, "object0": np.object_, "int0": np.intp, "uint0": np.uintp,
    "longfloat": np.longdouble, "clongfloat": np.clongdouble, "mat": np.asmatrix,
    "Inf": np.inf, "Infinity": np.inf, "infty": np.inf, "PINF": np.inf,
    "NINF": -np.inf, "NaN": np.nan, "NAN": np.nan, "PZERO": 0.0, "NZERO": -0.0,
    "product": np.prod, "cumproduct": np.cumprod, "alltrue": np.all,
    "sometrue": np.any, "round_": np.round, "row_stack": np.vstack, "rank": np.ndim,
    "in1d": np.isin, "trapz": np.trapezoid,
    "asscalar": lambda a: np.asarray(a).item(),
    "asfarray": lambda a, dtype=np.float64: np.asarray(a, dtype),
    "cast": Casts(),
    "msort": lambda a: np.sort(a, axis=0),
}  # fmt: skip
_added: list[str] = []
_linspace = np.linspace


@functools.wraps(_linspace)
def linspace(start: Any, stop: Any, num: Any = 50, *args: Any, **kwargs: Any) -> Any:
    """`numpy.linspace`, whose `num` may be a float with a whole value."""
    whole = int(num) if isinstance(num, float) and num == int(num) else num
    return _linspace(start, stop, whole, *args, **kwargs)


def restore() -> None:
    """Give NumPy the names back that it has not."""
    for name, value in NAMES.items():
        if name not in vars(np):
            setattr(np, name, value)
            _added.append(name)
    np.linspace = linspace


def remove() -> None:
    """Take away what `restore` added."""
    while _added:
        delattr(np, _added.pop())
    np.linspace = _linspace
