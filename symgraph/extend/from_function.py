"""`as_op`: a Python function of NumPy arrays as an op."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Apply
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError, UserOpError
from symgraph.extend.contract import line_of
from symgraph.extend.op import Op, type_of


class FromFunction(Op):
    """outputs = function(*inputs); made by `as_op`."""

    __props__ = ("function", "itypes", "otypes", "shapes")

    def __init__(
        self,
        function: Callable[..., Any],
        itypes: tuple[TensorType, ...],
        otypes: tuple[TensorType, ...],
        shapes: Callable[..., Any] | None,
    ) -> None:
        self.function = function
        self.itypes = itypes
        self.otypes = otypes
        self.shapes = shapes
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    def __str__(self) -> str:
        return self.__name__

    def perform(
        self,
        node: Apply,
        inputs: Sequence[np.ndarray],
        output_storage: Sequence[list[Any]],
    ) -> None:
        """Call the function."""
        found = self.function(*inputs)
        results = found if isinstance(found, list | tuple) else (found,)
        if len(results) != len(self.otypes):
            raise UserOpError(
                f"{self}{line_of(self.function)} returned {len(results)} values, "
                f"otypes has {len(self.otypes)}"
            )
        for cell, result in zip(output_storage, results, strict=True):
            cell[0] = result

    def infer_shape(self, node: Any, shapes: Any) -> Any:
        """What the function given to `as_op` tells."""
        if self.shapes is None:
            raise NotImplementedError
        return self.shapes(node, shapes)


def as_op(
    itypes: Any, otypes: Any, infer_shape: Callable[..., Any] | None = None
) -> Callable[[Callable[..., Any]], FromFunction]:
    """Make an op of a function of NumPy arrays, which compiled functions call back.

    The function must not change its arguments, and must give the same for the same. It
    has no gradient: see `Op` for one that has, and `elemwise_op` for what is computed
    element by element.

    Parameters
    ----------
    itypes, otypes : a type, or a list of types, of the inputs and outputs
    infer_shape : ``(node, input_shapes) -> shapes of the outputs``; without it the
        function runs before anything that depends on the shapes can be planned

    Examples
    --------
    >>> @sg.as_op(itypes=[T.dvector], otypes=[T.dvector])
    ... def positive(x):
    ...     return x[x > 0]
    >>> x = T.dvector("x")
    >>> positive(x).eval({x: [1.0, -2.0, 3.0]})
    array([1., 3.])
    """
    ins, outs = (
        tuple(map(type_of, t if isinstance(t, list | tuple) else [t]))
        for t in (itypes, otypes)
    )
    if infer_shape is not None and not callable(infer_shape):
        raise ArgumentError(f"as_op: infer_shape={infer_shape!r} is no function")

    def make(function: Callable[..., Any]) -> FromFunction:
        return FromFunction(function, ins, outs, infer_shape)

    return make
