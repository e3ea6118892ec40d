"""Tensors made of nothing but extents: Iota, and arange, linspace, logspace from it.

Only `Iota` is an op; the others scale it, so they fuse with what uses them. Constant
fillings (zeros, ones, full) are in ops/broadcast.py, eye and tri in ops/diagonal.py.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.config import config
from symgraph.core.dtypes import canonical, is_complex, is_discrete, upcast
from symgraph.core.node import (
    Constant,
    Op,
    Shape,
    Variable,
    as_operands,
    listing,
    scalar_constant,
)
from symgraph.core.public import PUBLIC, public
from symgraph.core.types import TensorType, fast_type
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.shape import (
    AnyExtent,
    as_extent,
    floor_divide,
    folded,
    is_never_negative,
    maximum,
    negate,
    static,
    subtract,
    variable,
)

Gradients = Sequence[Variable | None]


class Iota(Op):
    """out[i] = i for i in 0..n-1, int64."""

    name = "iota"
    is_implied = True
    is_inlined = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """A vector; its length is known if n is a constant."""
        (n,) = inputs
        if n.ndim or n.type.dtype != "int64":
            raise DtypeError(f"iota: the length must be a 0-d int64{listing(n)}")
        length = static(n)
        if length is not None and length < 0:
            raise ShapeError(f"iota: length {length} is negative{listing(n)}")
        return (fast_type("int64", (length,)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The length."""
        return ((folded(inputs[0]),),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """Nothing flows through integers."""
        return (None,)

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through integers."""
        return (False,)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """NumPy's arange."""
        return (np.arange(int(arrays[0]), dtype=np.int64),)


def iota(n: AnyExtent) -> Variable:
    """0..n-1 as an int64 vector."""
    return Iota()(variable(n))


@public
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Variable:
    """out[i] = start + i * step, as long as it lies before `stop`.

    Parameters
    ----------
    start, stop, step : numbers or scalars; ``arange(n)`` is 0..n-1
    dtype : int64 for integers, else the common float dtype

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.arange(2, 10, 3).type
    int64 (3,)
    >>> T.arange(T.lscalar("n")).type
    int64 (None,)
    """
    if stop is None:
        start, stop = 0, start
    parts = as_operands(start, stop, step)
    for v in parts:
        if v.ndim:
            raise ShapeError(f"arange: start, stop and step are scalars{listing(v)}")
        if is_complex(v.type.dtype):
            raise DtypeError(f"arange: complex numbers have no order{listing(v)}")
    if isinstance(parts[2], Constant) and not parts[2].data:
        raise ArgumentError("arange: step is 0")
    common = upcast(*(v.type.dtype for v in parts))
    if all(is_discrete(v.type.dtype) for v in parts):
        result = "int64" if dtype is None else canonical(dtype)
        first, last, by = (
            int(v.data) if isinstance(v, Constant) else cast(v, "int64") for v in parts
        )
        index = iota(_steps(first, last, by))
        return cast(_scaled(index, first, by), result)
    result = common if dtype is None else canonical(dtype)
    wide = "float64" if is_discrete(result) else result
    if all(isinstance(v, Constant) for v in parts):
        a, b, s = (float(v.data) for v in parts)  # type: ignore[attr-defined]
        length: AnyExtent = _not_negative(math.ceil((b - a) / s))
    else:
        first, last, by = (cast(v, "float64") for v in parts)
        steps = PUBLIC["ceil"](PUBLIC["true_div"](PUBLIC["sub"](last, first), by))
        length = _not_negative(cast(steps, "int64"))
    index = cast(iota(length), wide)
    return cast(_scaled(index, cast(parts[0], wide), cast(parts[2], wide)), result)


def _steps(first: AnyExtent, last: AnyExtent, by: AnyExtent) -> AnyExtent:
    """ceil((last - first) / by), at least 0."""
    if static(by) == 1:
        return _not_negative(subtract(last, first))
    return _not_negative(negate(floor_divide(subtract(first, last), by)))


def _not_negative(value: AnyExtent) -> AnyExtent:
    return value if is_never_negative(value) else maximum(value, 0)


def _scaled(index: Variable, first: Any, by: Any) -> Variable:
    """First + index * by, leaving out what is known to do nothing."""
    if not (by == 1 or (isinstance(by, Constant) and by.data == 1)):
        index = index * by
    if not (first == 0 or (isinstance(first, Constant) and first.data == 0)):
        index = index + first
    return index


@public
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    dtype: Any = None,
) -> Variable:
    """`num` numbers from `start` to `stop`, equally spaced.

    Parameters
    ----------
    endpoint : whether `stop` is the last number, or the one after it
    dtype : ``config.floatX`` for numbers, else that of the scalars

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.linspace(0.0, 1.0, 5).type
    float64 (5,)
    """
    first, last = as_operands(start, stop)
    if first.ndim or last.ndim:
        raise ShapeError(f"linspace: start and stop are scalars{listing(first, last)}")
    common = upcast(first.type.dtype, last.type.dtype)
    common = config.floatX if is_discrete(common) else common
    result = common if dtype is None else canonical(dtype)
    inner = "float64" if is_discrete(result) else result
    count = as_extent(num, "linspace")
    low: Any = cast(first, inner)
    high: Any = cast(last, inner)
    index = iota(count)
    gaps = maximum(subtract(count, 1) if endpoint else count, 1)
    number = static(gaps)
    span = scalar_constant(number, inner) if number is not None else cast(gaps, inner)
    out = low + cast(index, inner) * ((high - low) / span)
    if endpoint:
        at_end = PUBLIC["and_"](
            PUBLIC["eq"](index, subtract(count, 1)), PUBLIC["gt"](index, 0)
        )
        out = PUBLIC["switch"](at_end, high, out)
    return cast(PUBLIC["floor"](out) if is_discrete(result) else out, result)


@public
def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
) -> Variable:
    """``base ** linspace(start, stop, num)``."""
    out = PUBLIC["power"](base, linspace(start, stop, num, endpoint))
    return out if dtype is None else cast(out, dtype)
