"""Batch normalization: compositions under Theano's names.

In: activations, scale and offset, statistics. Out: ordinary expressions, which fuse and
have gradients as any other. Layers with their own statistics are in nn/.
"""

from collections.abc import Sequence
from typing import Any

from symgraph.core.node import Variable, as_variable, listing, scalar_constant
from symgraph.core.public import PUBLIC, public
from symgraph.errors import ArgumentError, ShapeError
from symgraph.ops.families import cast
from symgraph.ops.movement import dimshuffle
from symgraph.ops.shape import extents, variable

NORMALIZATION = (
    "batch_normalization", "batch_normalization_test", "batch_normalization_train",
)  # fmt: skip


@public
def batch_normalization(
    inputs: Any, gamma: Any, beta: Any, mean: Any, std: Any, mode: str = "low_mem"
) -> Variable:
    """out = (x - mean) * gamma / std + beta, elementwise; the operands broadcast.

    Parameters
    ----------
    inputs : x
    mode : accepted for compatibility

    References
    ----------
    Ioffe and Szegedy 2015, Batch normalization. arXiv:1502.03167

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x, row = T.fmatrix("x"), T.frow("r")
    >>> T.nnet.batch_normalization(x, row, row, row, row).type
    float32 (None, None)
    """
    x, g, b = as_variable(inputs), as_variable(gamma), as_variable(beta)
    return (x - as_variable(mean)) * (g / as_variable(std)) + b


@public
def batch_normalization_train(
    inputs: Any,
    gamma: Any,
    beta: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
    running_average_factor: Any = 0.1,
    running_mean: Any = None,
    running_var: Any = None,
) -> tuple[Variable, ...]:
    """out = (x - mean) / sqrt(var + epsilon) * gamma + beta, with x's own mean and var.

    Parameters
    ----------
    inputs : x, of rank 2 or more
    gamma, beta : of the rank of x, with extent 1 along `axes`; or without those axes
    axes : that mean and variance are taken over: "per-activation" is the first,
        "spatial" all but the second, or a tuple of ints
    epsilon : added to the variance
    running_average_factor : r
    running_mean, running_var : averages of earlier batches, of the shape of gamma

    Returns
    -------
    out, mean, 1 / sqrt(var + epsilon), the last two of the shape of gamma; and where
    running averages are given, running_mean * (1 - r) + mean * r and
    running_var * (1 - r) + var * n / (n - 1) * r, with n elements in each mean

    Raises
    ------
    ShapeError, ArgumentError : ranks that do not fit, axes that do not exist

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x, gamma, beta = T.ftensor4("x"), T.fvector("gamma"), T.fvector("beta")
    >>> [v.type for v in T.nnet.batch_normalization_train(x, gamma, beta, "spatial")]
    [float32 (None, None, None, None), float32 (None,), float32 (None,)]
    """
    what = "batch_normalization_train"
    x = as_variable(inputs)
    over = _axes(x, axes, what)
    gamma, beta = as_variable(gamma), as_variable(beta)
    scale, offset = _wide(x, gamma, over, what), _wide(x, beta, over, what)
    mean = PUBLIC["mean"](x, axis=over, keepdims=True)
    variance = PUBLIC["var"](x, axis=over, keepdims=True)
    inverse = PUBLIC["rsqrt"](variance + epsilon)
    found: list[Variable] = [
        (x - mean) * (scale * inverse) + offset,
        _narrow(mean, gamma, over),
        _narrow(inverse, gamma, over),
    ]
    shape = extents(x)
    count: Any = scalar_constant(1, "int64")
    for axis in over:
        count = count * variable(shape[axis])
    n = cast(count, x.type.dtype)
    for running, present in (
        (running_mean, mean),
        (running_var, variance * n / (n - 1)),
    ):
        if running is not None:
            before = as_variable(running)
            r = running_average_factor
            wide = _wide(x, before, over, what)
            found.append(_narrow(wide * (1 - r) + present * r, before, over))
    return tuple(found)


@public
def batch_normalization_test(
    inputs: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    var: Any,
    axes: Any = "per-activation",
    epsilon: float = 1e-4,
) -> Variable:
    """out = (x - mean) / sqrt(var + epsilon) * gamma + beta, with given mean and var.

    Parameters
    ----------
    inputs, gamma, beta, axes, epsilon : see `batch_normalization_train`
    mean, var : of the shape of gamma
    """
    what = "batch_normalization_test"
    x = as_variable(inputs)
    over = _axes(x, axes, what)
    scale, offset, mean, var = (
        _wide(x, as_variable(v), over, what) for v in (gamma, beta, mean, var)
    )
    return (x - mean) * (scale * PUBLIC["rsqrt"](var + epsilon)) + offset


def _axes(x: Variable, axes: Any, what: str) -> tuple[int, ...]:
    if x.ndim < 2:
        raise ShapeError(f"{what}: inputs need a rank of 2 or more{listing(x)}")
    if axes == "per-activation":
        return (0,)
    if axes == "spatial":
        return (0, *range(2, x.ndim))
    if not isinstance(axes, list | tuple) or any(
        not isinstance(axis, int) or not -x.ndim <= axis < x.ndim for axis in axes
    ):
        raise ArgumentError(
            f'{what}: axes={axes!r}: expected "per-activation", "spatial" or a tuple of '
            f"axes{listing(x)}"
        )
    return tuple(sorted({axis % x.ndim for axis in axes}))


def _wide(x: Variable, v: Variable, over: Sequence[int], what: str) -> Variable:
    """A parameter with the rank of x: extent 1 along the axes of the means."""
    if v.ndim == x.ndim:
        return PUBLIC["addbroadcast"](v, *over)
    if v.ndim != x.ndim - len(over):
        raise ShapeError(
            f"{what}: a parameter of rank {v.ndim} fits neither the rank {x.ndim} of the "
            f"inputs nor the {x.ndim - len(over)} axes that are kept{listing(x, v)}"
        )
    kept = iter(range(v.ndim))
    return dimshuffle(v, *("x" if i in over else next(kept) for i in range(x.ndim)))


def _narrow(wide: Variable, like: Variable, over: Sequence[int]) -> Variable:
    """A result in the shape of the parameter `like`."""
    if like.ndim == wide.ndim:
        return wide
    return dimshuffle(wide, *(i for i in range(wide.ndim) if i not in over))
