"""What a sample is, and how samples of elementwise functions are made.

`Sample.build` turns the arrays of one call into variables and calls the function. The
tables made of samples are in samples.py and the files beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import symgraph.tensor  # noqa: F401  fills PUBLIC
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.types import TensorType
from symgraph.errors import DtypeError, ShapeError


@dataclass(frozen=True)
class Sample:
    """One call of a public function.

    Attributes
    ----------
    args : arrays, which become variables, and anything else, which is passed as it is
    kwargs : keyword arguments, passed as they are
    error : the exception that building raises, or None
    special : whether there are NaN, infinities, zeros with a sign or huge values
    gradient : whether derivatives exist at these values
    static : whether the variables have fully known shapes
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    error: type[Exception] | None = None
    special: bool = False
    gradient: bool = False
    static: bool = False

    def build(self, name: str) -> tuple[list[Variable], dict[Variable, np.ndarray]]:
        """Return outputs of the public function `name`, and its inputs' values."""
        values: dict[Variable, np.ndarray] = {}
        operands = []
        for position, arg in enumerate(self.args):
            if isinstance(arg, np.ndarray):
                shape = arg.shape
                if not self.static:
                    shape = tuple(1 if extent == 1 else None for extent in shape)
                arg_variable = TensorType(arg.dtype.name, shape)(f"x{position}")
                values[arg_variable] = arg
                operands.append(arg_variable)
            else:
                operands.append(arg)
        result = PUBLIC[name](*operands, **self.kwargs)
        return (list(result) if isinstance(result, tuple) else [result]), values

    def __repr__(self) -> str:
        args = [
            f"{a.dtype}{a.shape}" if isinstance(a, np.ndarray) else repr(a)
            for a in self.args
        ]
        options = [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"({', '.join(args + options)})"


#: values at which functions go wrong
SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 3.0, 100.0,
     -100.0, 1e30, -1e30, 1e-30]
)  # fmt: skip
KINDS = {
    "b": ["bool"],
    "i": ["int8", "int16", "int32", "int64"],
    "u": ["uint8", "uint16", "uint32", "uint64"],
    "f": ["float32", "float64"],
    "c": ["complex64", "complex128"],
}


def values(
    shape: tuple[int, ...], dtype: str, low: float, high: float, seed: int = 0
) -> np.ndarray:
    """Return random values within a domain, whole numbers for integer dtypes."""
    random = np.random.default_rng([seed, len(shape), *shape])
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if "int" in dtype:
        first = int(np.ceil(max(low, 0) if dtype[0] == "u" else low))
        last = max(int(np.floor(high)), first)
        return random.integers(first, last, shape, endpoint=True).astype(dtype)
    real = random.uniform(low, high, shape)
    if dtype.startswith("complex"):
        return (real + 1j * random.uniform(0.3, 1.0, shape)).astype(dtype)
    return np.asarray(real).astype(dtype)


def unary(
    low: float, high: float, kinds: str = "biuf", gradient: bool = True
) -> list[Sample]:
    """Samples of a function of one operand, smooth within low .. high."""

    def made(*shape: int, dtype: str = "float64") -> np.ndarray:
        return values(shape, dtype, low, high)

    samples = [Sample((made(5, dtype=d),)) for k in kinds for d in KINDS[k]]
    samples += [
        Sample((made(2, dtype=dtypes[0]),), error=DtypeError)
        for kind, dtypes in KINDS.items()
        if kind not in kinds
    ]
    if "f" in kinds:
        samples += [
            Sample((made(3, 4),), gradient=gradient),
            Sample((made(),), gradient=gradient),
            Sample((made(1, 1, 2, 1),), gradient=gradient),
            Sample((made(6, 4)[::2, ::-1].T,), gradient=gradient),
            Sample((made(0, 3),), gradient=gradient),
            Sample((made(2, 3),), gradient=gradient, static=True),
            Sample((SPECIAL,), special=True),
            Sample((SPECIAL.astype("float32"),), special=True),
            Sample(([[1, 0], [1, 1]],)),
        ]
    return samples


def binary(
    left: tuple[float, float],
    right: tuple[float, float],
    kinds: str = "biuf",
    gradient: bool = True,
) -> list[Sample]:
    """Samples of a function of two operands."""

    def pair(
        a: tuple[int, ...],
        b: tuple[int, ...],
        dtype: str = "float64",
        other: str | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        return values(a, dtype, *left), values(b, other or dtype, *right, seed=1)

    samples = [
        Sample(pair((2, 3), (3,), dtype)) for kind in kinds for dtype in KINDS[kind]
    ]
    samples += [
        Sample(pair((2,), (2,), dtypes[0]), error=DtypeError)
        for kind, dtypes in KINDS.items()
        if kind not in kinds
    ]
    samples.append(
        Sample(pair((3,), (4,), KINDS[kinds[-1]][0]), error=ShapeError, static=True)
    )
    if "i" in kinds:
        samples += [
            Sample(pair((4,), (4,), "int8", "uint8")),
            Sample(pair((4,), (2, 1), "int32", "int64")),
            Sample((values((3,), "int16", *left), int(max(right[1], 1)))),
        ]
    if "f" in kinds:
        shapes = [
            ((3, 4), (3, 4)), ((2, 1), (3,)), ((), (2, 3)), ((2, 3), ()), ((), ()),
            ((1, 1), (1,)), ((0, 3), (1, 3)), ((2, 1, 3), (4, 1)),
        ]  # fmt: skip
        samples += [Sample(pair(a, b), gradient=gradient) for a, b in shapes]
        a, b = pair((6, 4), (3, 6))
        samples += [
            Sample((a[::2, ::-1].T, b[:, ::-2].T.T[:1]), gradient=gradient),
            Sample((values((3,), "float64", *left), right[1]), gradient=gradient),
            Sample((left[1], values((3,), "float32", *right))),
            Sample((values((2, 2), "float32", *left), right[0])),
            Sample((SPECIAL[:, None], SPECIAL), special=True),
        ]
    if "f" in kinds and "i" in kinds:
        samples += [
            Sample(pair((3,), (3,), "float32", "int32")),
            Sample(pair((3,), (3,), "int8", "float32")),
            Sample(pair((3,), (3,), "float64", "bool")),
        ]
    return samples


def variable(dtype: str, *shape: int | None, name: str = "x") -> Variable:
    """Return a leaf; without extents it is 0-d."""
    made: Variable = TensorType(dtype, shape)(name)
    return made


Call = tuple[Sample, list[Variable], dict[Variable, np.ndarray]]


def built(name: str, samples: list[Sample]) -> Iterator[Call]:
    """Yield the samples that do not fail, each with its outputs and inputs' values."""
    for sample in samples:
        if sample.error is None:
            yield sample, *sample.build(name)


class Public:
    """The public functions as attributes."""

    def __getattr__(self, name: str) -> Any:
        """Return the public function of that name."""
        return PUBLIC[name]
