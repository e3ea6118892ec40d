"""Names that NumPy has dropped, for programs older than that: on request only.

`restore` adds them to the module ``numpy``, `remove` takes them away again. Names that
NumPy has are never touched.
"""

from typing import Any

import numpy as np

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
    "msort": lambda a: np.sort(a, axis=0),
}  # fmt: skip
_added: list[str] = []


def restore() -> None:
    """Give NumPy the names back that it has not."""
    for name, value in NAMES.items():
        if name not in vars(np):
            setattr(np, name, value)
            _added.append(name)


def remove() -> None:
    """Take away what `restore` added."""
    while _added:
        delattr(np, _added.pop())
