"""Ops that change gradients only: their value is their operand.

`disconnected_grad` cuts the path (a gradient through it alone is an error), `zero_grad`
makes it zero, `grad_clip` limits it element by element.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Variable
from symgraph.core.op import Op, Shape, as_variable, public
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError
from symgraph.ops.arithmetic import fill
from symgraph.ops.comparison import alias
from symgraph.ops.piecewise import clip


class _Unchanged(Op):
    """One operand, which is also the value."""

    __slots__ = ()

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The operand's type."""
        (x,) = inputs
        return (x.type,)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The operand's extents."""
        return (shapes[0],)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """A copy of the operand."""
        return (np.array(arrays[0]),)


class DisconnectedGrad(_Unchanged):
    """out = x; no gradient path leads through it."""

    name = "disconnected_grad"

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """Nothing flows."""
        return (None,)

    def connection(self) -> tuple[bool, ...] | None:
        """The operand is not connected."""
        return (False,)


class ZeroGrad(_Unchanged):
    """out = x; the gradient is 0."""

    name = "zero_grad"

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """Zeros."""
        (g,) = gradients
        return (None if g is None else fill(g, as_variable(0, g.type.dtype)),)


class GradClip(_Unchanged):
    """out = x; the gradient is limited to lower .. upper."""

    lower: float
    upper: float

    name = "grad_clip"

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """The gradient, clipped."""
        (g,) = gradients
        return (None if g is None else clip(g, self.lower, self.upper),)


@public
def disconnected_grad(x: Any) -> Variable:
    """out = x, seen as a constant by `grad`: no gradient path leads through it.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.dscalar("x")
    >>> straight_through = x + T.disconnected_grad(T.round(x) - x)
    """
    found: Variable = DisconnectedGrad()(x)
    return found


@public
def zero_grad(x: Any) -> Variable:
    """out = x, with gradient 0."""
    found: Variable = ZeroGrad()(x)
    return found


@public
def grad_clip(x: Any, lower: float, upper: float) -> Variable:
    """out = x, with its gradient limited to lower .. upper, element by element.

    Parameters
    ----------
    x : float
    lower, upper : numbers, lower <= upper
    """
    if not lower <= upper:
        raise ArgumentError(f"grad_clip: lower {lower} is not below upper {upper}")
    found: Variable = GradClip(float(lower), float(upper))(x)
    return found


alias(zero_grad, "consider_constant")
