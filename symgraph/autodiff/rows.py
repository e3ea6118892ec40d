"""Rows: one expression for each value of an index, stacked.

The number of rows may be unknown while building; `compile/expand.py` writes the rows
out once the sizes of a call are known, and the reference evaluates them one by one.
What does not depend on the index stands outside and is computed once. `jacobian` is
made of it. In: an expression and its index. Out: a variable with one axis more.
"""

from collections.abc import Sequence

import numpy as np

from symgraph.autodiff.reverse import propagate
from symgraph.core.dtypes import NUMPY
from symgraph.core.node import Constant, Op, Shape, Variable, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.core.text import expression
from symgraph.core.traverse import applies, leaves, replace
from symgraph.core.types import TensorType, fast_type
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.shape import AnyExtent, extents, folded, static_shape, variable

Gradients = Sequence[Variable | None]


class Rows(Op):
    """out[i] = row at `index` = i, for i in 0..n-1.

    Inputs are n, the extents of a row, then a value for each of `leaves`, which are the
    variables that `row` depends on beside `index` and constants.
    """

    index: Variable
    leaves: tuple[Variable, ...]
    row: Variable

    name = "rows"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """n rows of the given extents."""
        shape = static_shape(inputs[: 1 + self.row.ndim])
        known = tuple(
            inner if given is None else given
            for given, inner in zip(shape[1:], self.row.type.shape, strict=True)
        )
        return (fast_type(self.row.type.dtype, (shape[0], *known)),)

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """n and the given extents."""
        return (tuple(map(folded, inputs[: 1 + self.row.ndim])),)

    def grad(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        gradients: Gradients,
    ) -> Gradients:
        """For each leaf the sum over i of the gradient through row i."""
        (g,) = gradients
        first = 1 + self.row.ndim
        values = inputs[first:]
        nothing: list[Variable | None] = [None] * len(inputs)
        if g is None:
            return nothing
        seed = PUBLIC["getitem"](g, self.index)
        found = propagate({self.row: seed}, self.leaves)
        outer = dict(zip(self.leaves, values, strict=True))
        for position, leaf in enumerate(self.leaves):
            part = found.get(leaf)
            if part is None:
                continue
            (part,) = replace([part], outer)
            shape = extents(values[position])
            parts = rows(part, self.index, folded(inputs[0]), shape)
            nothing[first + position] = PUBLIC["sum"](parts, axis=0)
        return nothing

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows through the extents."""
        return (*(False,) * (1 + self.row.ndim), *(True,) * len(self.leaves))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Row after row, by the references of its nodes."""
        first = 1 + self.row.ndim
        shape = tuple(int(e) for e in arrays[:first])
        known = dict(zip(self.leaves, arrays[first:], strict=True))
        for leaf in leaves([self.row]):
            if isinstance(leaf, Constant):
                known[leaf] = leaf.data
        steps = applies([self.row])
        out = np.empty(shape, NUMPY[self.row.type.dtype])
        for i in range(shape[0]):
            known[self.index] = np.asarray(i, np.int64)
            for node in steps:
                results = node.op.values_of(node, [known[v] for v in node.inputs])
                known.update(zip(node.outputs, map(np.asarray, results), strict=True))
            found = known[self.row]
            assert found.shape == shape[1:], (found.shape, shape)
            out[i] = found
        return (out,)

    def expand(self, length: int, inputs: Sequence[Variable]) -> Variable:
        """The rows written out, for a known n."""
        first = 1 + self.row.ndim
        table = dict(zip(self.leaves, inputs[first:], strict=True))
        if length == 0:
            zero = scalar_constant(0, self.row.type.dtype)
            empty = scalar_constant(0, "int64")
            return BroadcastTo(first)(zero, empty, *inputs[1:first])
        parts = []
        for i in range(length):
            table[self.index] = scalar_constant(i, "int64")
            parts.append(replace([self.row], table)[0])
        found: Variable = PUBLIC["stack"](parts)
        return found

    def render(self, parts: list[str]) -> str:
        """rows(i * x for i < n)"""
        values = parts[1 + self.row.ndim :]
        names = dict(zip(self.leaves, values, strict=True))
        name = self.index.name or "i"
        text = expression(self.row, {**names, self.index: name})
        return f"rows({text} for {name} < {parts[0]})"

    def __str__(self) -> str:
        return self.name


def rows(
    row: Variable, index: Variable, length: AnyExtent, shape: Sequence[AnyExtent]
) -> Variable:
    """out[i] = row at `index` = i, for i in 0..length-1.

    Parameters
    ----------
    row : expression of `index`
    index : 0-d int64 leaf
    length : number of rows
    shape : extents of `row`, which must not depend on `index`
    """
    sizes = [variable(e) for e in (length, *shape)]
    inside = {index}
    outside: dict[Variable, Variable] = {}
    for node in applies([row]):
        if not any(v in inside for v in node.inputs):
            continue
        inside.update(node.outputs)
        for v in node.inputs:
            if v not in inside and v not in outside and not isinstance(v, Constant):
                outside[v] = Variable(v.type, None, 0, v.name, v.place)
    if row not in inside:
        found: Variable = BroadcastTo(len(sizes))(row, *sizes)
        return found
    (inner,) = replace([row], outside)
    found = Rows(index, tuple(outside.values()), inner)(*sizes, *outside)
    return found
