"""Ops that change gradients only: their value is their operand.

`disconnected_grad` cuts the path (a gradient through it alone is an error), `zero_grad`
makes it zero, `grad_clip` limits it element by element.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgraph.core.node import Op, Shape, Variable, as_variable
from symgraph.core.public import public
from symgraph.core.sizes import Sizes
from symgraph.core.types import TensorType
from symgraph.errors import ArgumentError, GradientError
from symgraph.ops.arithmetic import fill
from symgraph.ops.comparison import alias
from symgraph.ops.piecewise import clip
from symgraph.ops.shape import extent_key, inferred_extents


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

    def decompose(self, x: Variable) -> Variable:
        """The operand: a program has no gradients left to change."""
        return x


class DisconnectedGrad(_Unchanged):
    """out = x; no gradient path leads through it."""

    name = "disconnected_grad"
    foldable = False

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
    foldable = False

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
    foldable = False

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """The gradient, clipped."""
        (g,) = gradients
        return (None if g is None else clip(g, self.lower, self.upper),)


class GradientLike(Op):
    """out = g, which must have the shape of x: what an op of the user gave for it."""

    label: str

    name = "gradient_like"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """What is known of either shape."""
        g, x = inputs
        pairs = zip(g.type.shape, x.type.shape, strict=True)
        shape = tuple(b if a is None else a for a, b in pairs)
        return (g.type.clone(shape=shape),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents of x."""
        return (shapes[1],)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Sequence[Variable | None],
    ) -> Sequence[Variable | None]:
        """The gradient goes to g."""
        return (gradients[0], None)

    def connection(self) -> tuple[bool, ...]:
        """Only the shape of x counts."""
        return (True, False)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """g itself; GradientError where the shapes differ."""
        g, x = arrays
        if g.shape != x.shape:
            raise GradientError(
                f"{self.label} has shape {g.shape}, the input {x.shape}"
            )
        return (g,)

    def decompose(self, *inputs: Variable) -> Variable:
        """g; that the shapes are equal is checked when a call binds its sizes."""
        return inputs[0]

    def require(self, sizes: Sizes) -> None:
        """All extents are those of x."""
        for axis, (g, x) in enumerate(zip(*sizes.shapes, strict=True)):
            sizes.equal(g, x, (1,), what=f"{self.label}, axis {axis}: extents")


def gradient_like(g: Variable, x: Variable, label: str) -> Variable:
    """G, checked to have the shape of x when the function runs, if that is not known.

    `label` tells in an error message what g is.
    """
    pairs = zip(inferred_extents(g), inferred_extents(x), strict=True)
    if all(extent_key(a) == extent_key(b) for a, b in pairs):
        return g
    found: Variable = GradientLike(label)(g, x)
    return found


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
