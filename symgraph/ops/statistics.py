"""mean, var, std, ptp and norm: expressions made of reductions.

Integers and bools give float64, as in Theano.
"""

from typing import Any

import numpy as np

from symgraph.core.dtypes import canonical, is_complex, is_discrete, real_dtype
from symgraph.core.node import Constant, Variable, as_variable, listing, scalar_constant
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, DtypeError
from symgraph.ops.axes import normalize_axes
from symgraph.ops.families import cast
from symgraph.ops.reduction import along
from symgraph.ops.shape import AnyExtent, extents, product, static, subtract


@public
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """Out = max(x) - min(x) over `axis`."""
    x = as_variable(x)
    return PUBLIC["max"](x, axis, keepdims) - PUBLIC["min"](x, axis, keepdims)


@public
def mean(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    op: bool = False,
    keepdims: bool = False,
    acc_dtype: Any = None,
) -> Variable:
    """Out = sum(x) / number of elements, over `axis`.

    Parameters
    ----------
    dtype : of the result; float64 for integers and bool, else that of x
    axis, keepdims, acc_dtype : as for `sum`
    op : accepted as in Theano, without effect

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> T.imatrix("i").mean(axis=-1).type
    float64 (None,)
    """
    x = as_variable(x)
    result = _mean_dtype(x) if dtype is None else canonical(dtype)
    if is_discrete(result):
        raise DtypeError(
            f"mean: a mean in dtype {result} would be cut off{listing(x)}\n"
            "Give a float dtype, and cast or round the result."
        )
    inner = result if acc_dtype is None else canonical(acc_dtype)
    axes = normalize_axes(axis, x.ndim, "mean", x)
    added: Any = along("sum", cast(x, inner), axes, keepdims, "mean")
    return cast(added / _number(_count(x, axes), inner), result)


@public
def var(
    x: Any,
    axis: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
    corrected: bool = False,
) -> Variable:
    """Out = sum(abs(x - mean(x))**2) / (n - ddof), over `axis` of n elements.

    Parameters
    ----------
    ddof : 1 gives the unbiased estimate
    corrected : subtract ``sum(x - mean(x))**2 / n`` first, which is 0 but for rounding
        (Chan, Golub and LeVeque 1983, equation 1.7)
    """
    x = as_variable(x)
    axes = normalize_axes(axis, x.ndim, "var", x)
    if is_discrete(x.type.dtype):
        x = cast(x, "float64")
    away: Any = PUBLIC["sub"](x, mean(x, axes, keepdims=True))
    size = PUBLIC["abs"](away) if is_complex(x.type.dtype) else away
    added: Any = along("sum", PUBLIC["sqr"](size), axes, keepdims, "var")
    dtype = real_dtype(x.type.dtype)
    count = _count(x, axes)
    if corrected:
        error = along("sum", away, axes, keepdims, "var")
        error = PUBLIC["abs"](error) if is_complex(x.type.dtype) else error
        added = added - PUBLIC["sqr"](error) / _number(count, dtype)
    if isinstance(ddof, bool) or not isinstance(ddof, int):
        raise ArgumentError(f"var: ddof must be an int, not {ddof!r}")
    return added / _number(subtract(count, ddof), dtype)


@public
def std(
    x: Any,
    axis: Any = None,
    ddof: int = 0,
    keepdims: bool = False,
    corrected: bool = False,
) -> Variable:
    """Out = sqrt(var(x)) over `axis`; arguments as for `var`."""
    return PUBLIC["sqrt"](var(x, axis, ddof, keepdims, corrected))


def _mean_dtype(x: Variable) -> str:
    return "float64" if is_discrete(x.type.dtype) else x.type.dtype


def _count(x: Variable, axes: tuple[int, ...]) -> AnyExtent:
    shape = extents(x)
    return product(shape[axis] for axis in axes)


def _number(value: AnyExtent, dtype: str) -> Variable:
    number = static(value)
    if number is not None:
        return scalar_constant(number, dtype)
    assert isinstance(value, Variable)
    return cast(value, dtype)


@public
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Variable:
    """Out = (sum of abs(x)**ord)**(1/ord) over `axis`.

    Parameters
    ----------
    ord : 2 unless given (the Euclidean norm of all elements); 0 counts the elements
        that are not 0, inf and -inf give the largest and smallest magnitude
    """
    x = as_variable(x)
    if isinstance(ord, Constant) and ord.ndim == 0:
        ord = ord.data.item()
    ord = 2 if ord is None or ord == "fro" else ord
    if isinstance(ord, Variable) or not isinstance(ord, int | float):
        raise ArgumentError(f"norm: ord must be a number, not {ord!r}")
    if is_discrete(x.type.dtype):
        x = cast(x, "float64")
    size = PUBLIC["abs"](x)
    if ord in (np.inf, -np.inf):
        return PUBLIC["max" if ord > 0 else "min"](size, axis, keepdims)
    if ord == 0:
        return cast(
            PUBLIC["sum"](PUBLIC["neq"](x, 0), axis, None, keepdims), size.type.dtype
        )
    if ord == 1:
        return PUBLIC["sum"](size, axis, None, keepdims)
    if ord == 2:
        return PUBLIC["sqrt"](PUBLIC["sum"](PUBLIC["sqr"](size), axis, None, keepdims))
    power = PUBLIC["power"]
    return power(PUBLIC["sum"](power(size, ord), axis, None, keepdims), 1.0 / ord)
