"""The BLAS that NumPy has brought into this process, by address.

In: nothing. Out: a `Blas` with the addresses of matrix products under names of our
own, or None. Generated code calls those names (``sg_sgemm`` and so on) and `loader`
binds them, so object code on disk does not depend on which BLAS a machine has.

NumPy's wheels ship OpenBLAS with decorated names and 64-bit integers
(``scipy_cblas_sgemm64_``); distributions and conda link a plain ``cblas_sgemm`` or
MKL. Whether the integers have 64 bits is read from the decoration, and where there is
none from OpenBLAS' own description or the file name. Choosing between BLAS and our
own kernels is left to the caller.
"""

import ctypes
import functools
import os
from collections.abc import Iterator

import numpy as np

from symgraph.core.record import Record

ROW_MAJOR = 101  # CblasRowMajor
NO_TRANSPOSE, TRANSPOSE = 111, 112  # CblasNoTrans, CblasTrans

# Prefix and suffix of a name, and whether its integers have 64 bits (None: ask).
_DECORATIONS: tuple[tuple[str, str, bool | None], ...] = (
    ("scipy_", "64_", True),
    ("", "64_", True),
    ("", "_64", True),
    ("scipy_", "", None),
    ("", "", None),
)
_PRODUCTS = ("sgemm", "dgemm", "sgemv", "dgemv")
_FILES = ("blas", "mkl", "blis", "accelerate", "armpl")


class Blas(Record):
    """A BLAS with the C interface.

    Attributes
    ----------
    name : "openblas", "mkl" or "cblas"
    config : what the library says of itself, or its file name
    path : its file
    ilp64 : whether integer arguments have 64 bits
    symbols : address by our name: sg_sgemm, sg_dgemm, sg_sgemv, sg_dgemv (cblas
        argument order), and where the library has them sg_blas_set_threads
        (void (int)) and sg_blas_get_threads (int (void))
    """

    name: str
    config: str
    path: str
    ilp64: bool
    symbols: dict[str, int]

    def get_threads(self) -> int:
        """Return how many threads a product may use (1 when it cannot be asked)."""
        address = self.symbols.get("sg_blas_get_threads")
        return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)()) if address else 1

    def set_threads(self, count: int) -> None:
        """Limit the threads of later products, of NumPy's as well."""
        address = self.symbols.get("sg_blas_set_threads")
        if address:
            ctypes.CFUNCTYPE(None, ctypes.c_int)(address)(count)


@functools.cache
def blas() -> Blas | None:
    """Return the BLAS that NumPy uses, or None when there is none to be found."""
    for path in _files():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        found = _inspect(path, library)
        if found is not None:
            return found
    return None


# --- helpers ---------------------------------------------------------------------


def _files() -> Iterator[str]:
    """Yield loaded libraries that may be a BLAS, then the files beside NumPy."""
    seen = set()
    package = os.path.dirname(os.path.abspath(np.__file__))
    bundled = [package + ".libs", os.path.join(package, ".dylibs")]
    loaded = sorted(_loaded(), key=lambda path: not path.startswith(package))
    for path in loaded:
        if _may_be_blas(path) and path not in seen:
            seen.add(path)
            yield path
    for folder in bundled:
        if not os.path.isdir(folder):
            continue
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if _may_be_blas(name) and path not in seen:
                seen.add(path)
                yield path


def _may_be_blas(path: str) -> bool:
    name = os.path.basename(path).lower()
    return any(part in name for part in _FILES)


def _loaded() -> list[str]:
    """Files of shared libraries mapped into this process (Linux; else none)."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            lines = maps.read().splitlines()
    except OSError:
        return []
    paths = (line.split(maxsplit=5)[5:] for line in lines)
    return list(dict.fromkeys(p[0] for p in paths if p and ".so" in p[0]))


def _inspect(path: str, library: ctypes.CDLL) -> Blas | None:
    for decoration in _DECORATIONS:
        prefix, suffix, wide = decoration
        symbols = {
            f"sg_{name}": _address(library, f"{prefix}cblas_{name}{suffix}")
            for name in _PRODUCTS
        }
        if all(symbols.values()):
            break
    else:
        return None
    setter = getter = 0
    for stem in (f"{prefix}openblas", "openblas"):
        setter = setter or _address(library, f"{stem}_set_num_threads{suffix}")
        getter = getter or _address(library, f"{stem}_get_num_threads{suffix}")
    config, name = _describe(library, prefix, suffix), "openblas"
    if not config:
        name = "mkl" if "mkl" in os.path.basename(path).lower() else "cblas"
        config = os.path.basename(path)
        setter = setter or _address(library, "MKL_Set_Num_Threads")
        getter = getter or _address(library, "MKL_Get_Max_Threads")
    if setter and getter:
        symbols |= {"sg_blas_set_threads": setter, "sg_blas_get_threads": getter}
    if wide is None:
        wide = "USE64BITINT" in config or "ilp64" in config
    return Blas(name, config, path, wide, symbols)


def _describe(library: ctypes.CDLL, prefix: str, suffix: str) -> str:
    """OpenBLAS' own description, "" for another library."""
    for stem in (f"{prefix}openblas", "openblas"):
        address = _address(library, f"{stem}_get_config{suffix}")
        if address:
            text = ctypes.CFUNCTYPE(ctypes.c_char_p)(address)()
            return (text or b"").decode("ascii", "replace").strip()
    return ""


def _address(library: ctypes.CDLL, name: str) -> int:
    try:
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    except AttributeError:
        return 0
