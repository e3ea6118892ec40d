"""`elemwise_op`: a Python function of numbers as an elementwise function of tensors."""

import inspect
from collections.abc import Callable
from typing import Any

from symgraph.core.node import Variable
from symgraph.errors import ArgumentError
from symgraph.extend.scalar_function import declare
from symgraph.ops.families import apply_scalar

Function = Callable[..., Any]


class ElementwiseFunction:
    """A function of tensors, element by element; made by `elemwise_op`.

    Attributes
    ----------
    function : the Python function of numbers
    scalar : name of the scalar function in graphs
    """

    def __init__(self, function: Function, grad: Function | None) -> None:
        arity = _arity(function, "elemwise_op")
        if grad is not None:
            if not callable(grad):
                raise ArgumentError(f"elemwise_op: grad={grad!r} is no function")
            if (count := _arity(grad, "elemwise_op: grad", True)) not in (
                -1,
                arity + 2,
            ):
                raise ArgumentError(
                    f"elemwise_op: grad takes {count} arguments, expected {arity + 2}: "
                    "the gradient g of the output, the output y, and the inputs"
                )
        self.function = function
        self.scalar = declare(function, arity, grad)
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *operands: Any) -> Variable:
        """Apply it to tensors, with broadcasting."""
        count = _arity(self.function, "")
        if len(operands) != count:
            raise ArgumentError(
                f"{self.__name__} takes {count} operands, {len(operands)} are given"
            )
        return apply_scalar(self.scalar, *operands)

    def __repr__(self) -> str:
        return f"<elementwise {self.__name__}>"


def elemwise_op(function: Function | None = None, grad: Function | None = None) -> Any:
    """out[i] = function(x[i], y[i], ...), compiled, with NumPy's broadcasting.

    The function is one of numbers, with the functions of `math` or NumPy. Arithmetic and
    common functions fuse with what is around them, in vector instructions. A function that
    branches, loops, or calls others is compiled by Numba and called for each element; that
    loads all of Numba (a second or so), once, and not for code that comes from the cache.
    It must be pure, and what it reads from outside is taken as it is when it is decorated.
    Arithmetic is that of IEEE: 1 / 0 is inf, and math.log(-1) is NaN, without exceptions.

    Parameters
    ----------
    function : of as many numbers as there are operands; left out, a decorator comes back
    grad : ``(g, y, x, ...) -> gradient``, or a tuple with one for each operand, as
        expressions of g (the gradient of the output), y (the output) and the operands

    Returns
    -------
    function of variables; integers become floats, the result has the promoted dtype

    Examples
    --------
    >>> import math
    >>> @sg.elemwise_op(grad=lambda g, y, x: g * (1 - T.tanh(x) ** 2))
    ... def mine(x):
    ...     return math.tanh(x)
    >>> x = T.dvector("x")
    >>> f = sg.function([x], [mine(x), sg.grad(mine(x).sum(), x)])
    >>> [v.tolist() for v in f([0.0, 0.0])]
    [[0.0, 0.0], [1.0, 1.0]]
    """
    if function is None:
        return lambda given: elemwise_op(given, grad)
    if not inspect.isfunction(function):
        raise ArgumentError(f"elemwise_op: {function!r} is no Python function")
    return ElementwiseFunction(function, grad)


def _arity(function: Function, what: str, variadic: bool = False) -> int:
    """Number of arguments; -1 for any number."""
    parameters = inspect.signature(function).parameters.values()
    kinds = {p.kind for p in parameters}
    if inspect.Parameter.VAR_POSITIONAL in kinds and variadic:
        return -1
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not kinds <= set(plain) or not parameters:
        raise ArgumentError(
            f"{what}: {function.__name__} must take a fixed number of operands"
        )
    return len(parameters)
