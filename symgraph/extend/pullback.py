"""`Pullback`: the gradient of an op that brings its own product with the Jacobian.

`Rop` differentiates gradients with respect to what flows back, in which they are linear.
An op with `R_op` gets its gradient wrapped in this op, whose derivative in that direction
is `R_op`. In a frozen graph the wrapped expressions take its place.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgraph.autodiff.reverse import propagate
from symgraph.core.inner import Inner, closed
from symgraph.core.node import Constant, Op, Shape, Variable, building
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import replace
from symgraph.core.types import TensorType
from symgraph.errors import GradientError
from symgraph.loops.ifelse import outer_extents
from symgraph.ops.undefined import NullType

Gradients = Sequence[Variable | None]
#: (inputs, eval points) → for each output the product, or None where it is zero
Push = Callable[[Sequence[Variable], Gradients], Sequence[Variable | None]]


class Inlined(Op):
    """Base of ops that stand for an inner graph, which takes their place when frozen."""

    inner: Inner

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """The types of the inner outputs."""
        return tuple(v.type for v in self.inner.outputs)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents of the inner outputs."""
        return tuple(outer_extents(self.inner, inputs, shapes))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The values of the inner outputs."""
        return tuple(self.inner.reference(arrays))

    def make(self, *inputs: Variable) -> tuple[Variable, ...]:
        """Apply the op; in a frozen graph, what it stands for."""
        if building.interner is not None:
            return tuple(self.inner.apply(inputs))
        return super().make(*inputs)


class Pullback(Inlined):
    """The gradients of the inputs `given` of an op, from its inputs and what flows back.

    `count` is the number of inputs of the op; what flows back follows them.
    """

    push: Push
    count: int
    given: tuple[int, ...]

    name = "pullback"

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """Of the op's inputs by its own rules, of what flows back by `R_op`."""
        own = list(inputs[: self.count])
        points: list[Variable | None] = [None] * self.count
        for position, g in zip(self.given, gradients, strict=True):
            points[position] = g
        products = self.push(own, points)
        parts: list[Any]
        try:
            parts = pulled(self.inner, inputs, gradients)
        except (
            GradientError
        ) as error:  # a second derivative, which may not be asked for
            parts = [NullType(str(error))() for _ in inputs]
        parts[self.count : self.count + len(products)] = products
        return parts


def pulled(
    inner: Inner, inputs: Sequence[Variable], gradients: Gradients
) -> list[Variable | None]:
    """Gradients of an inner graph's inputs, at `inputs`, from those of its outputs."""
    known = [
        (v, g) for v, g in zip(inner.outputs, gradients, strict=True) if g is not None
    ]
    seeds = {PUBLIC["copy"](v): Variable(g.type, None) for v, g in known}
    flows = propagate(seeds, inner.inputs)
    table = dict(zip(inner.inputs, inputs, strict=True))
    table.update(zip(seeds.values(), (g for _, g in known), strict=True))
    reached = [v for v in inner.inputs if v in flows]
    made = dict(zip(reached, replace([flows[v] for v in reached], table), strict=True))
    return [made.get(v) for v in inner.inputs]


def leaf(v: Variable) -> Variable:
    """A new leaf of the type of v; constants stay."""
    if isinstance(v, Constant):
        return v
    return Variable(v.type, None, 0, v.name, v.place)


def wrapped(
    push: Push,
    inputs: Sequence[Variable],
    flowing: Sequence[Variable],
    rule: Callable[[list[Variable], list[Variable]], Sequence[Any]],
) -> list[Any]:
    """What `rule(inputs, flowing)` gives, with `push` as its derivative in `flowing`."""
    own, seeds = [leaf(v) for v in inputs], [Variable(g.type, None) for g in flowing]
    parts = list(rule(own, seeds))
    given = tuple(i for i, part in enumerate(parts) if isinstance(part, Variable))
    # a constant is no input of an inner graph: it stands there as itself
    free = [v for v in (*own, *seeds) if not isinstance(v, Constant)]
    operands = [
        outer
        for v, outer in zip((*own, *seeds), (*inputs, *flowing), strict=True)
        if not isinstance(v, Constant)
    ]
    kept = [i for i, v in enumerate(own) if not isinstance(v, Constant)]

    def pushed(
        some: Sequence[Variable], points: Gradients
    ) -> Sequence[Variable | None]:
        all_inputs = list(own)
        all_points: list[Variable | None] = [None] * len(own)
        for k, v, point in zip(kept, some, points, strict=True):
            all_inputs[k], all_points[k] = v, point
        return push(all_inputs, all_points)

    given = tuple(i for i in given if i in kept)
    inner, more = closed(free, [parts[i] for i in given])
    places = tuple(kept.index(i) for i in given)
    made = Pullback(inner, pushed, len(kept), places).make(*operands, *more)
    for i, v in zip(given, made, strict=True):
        parts[i] = v
    return parts
