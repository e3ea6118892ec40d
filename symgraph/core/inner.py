"""Inner: a graph inside an op, such as the body of a loop or a branch.

Everything that the outputs depend on is an input or a constant, so an inner graph is a
function of its inputs and nothing else. Inner graphs are equal when they have the same
structure: names, places and the identity of nodes do not count. In: variables that the
user or a rewrite built. Out: an immutable value that is part of an op's parameters.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.core.demand import compute
from symgraph.core.graph import Graph, fingerprint
from symgraph.core.node import Apply, Constant, Op, Variable
from symgraph.core.record import Record
from symgraph.core.traverse import applies, leaves, replace
from symgraph.core.types import TensorType
from symgraph.errors import GraphError


class Inner(Record):
    """outputs as functions of inputs.

    Attributes
    ----------
    inputs : leaves, each of which occurs once
    outputs : what depends on them and on constants only

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> Inner((x,), (x * 2,)) == Inner((y,), (y * 2,))
    True
    """

    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> None:
        super().__init__(tuple(inputs), tuple(outputs))
        known = set(self.inputs)
        if len(known) != len(self.inputs):
            raise GraphError("an inner graph has an input twice")
        for leaf in leaves(self.outputs):
            if leaf not in known and not isinstance(leaf, Constant):
                raise GraphError(f"an inner graph depends on {leaf!r}, no input of it")
        self.__dict__["_digest"] = fingerprint(Graph(self.inputs, self.outputs))

    @property
    def digest(self) -> str:
        """What equal inner graphs have in common."""
        found: str = self.__dict__["_digest"]
        return found

    def _key(self) -> tuple[Any, ...]:
        return (self.digest,)

    def __repr__(self) -> str:
        return f"Inner({self.digest})"

    def apply(self, operands: Sequence[Variable]) -> list[Variable]:
        """The outputs with operands in place of the inputs."""
        table = dict(zip(self.inputs, operands, strict=True))
        return replace(self.outputs, table)

    def narrowed(self, types: Sequence[TensorType]) -> "Inner":
        """The same graph for inputs of these types; all types that follow anew."""
        if all(v.type == t for v, t in zip(self.inputs, types, strict=True)):
            return self
        fresh = [
            v if v.type == t else Variable(t, None, 0, v.name, v.place)
            for v, t in zip(self.inputs, types, strict=True)
        ]
        return Inner(fresh, self.apply(fresh))

    def reference(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Values of the outputs, by the references of the nodes."""
        known: dict[Variable, np.ndarray] = dict(
            zip(self.inputs, map(np.asarray, arrays), strict=True)
        )
        for leaf in leaves(self.outputs):
            if isinstance(leaf, Constant):
                known[leaf] = leaf.data

        def visit(node: Apply, arrays: list[np.ndarray]) -> None:
            results = node.op.values_of(node, arrays)
            for variable, array in zip(node.outputs, results, strict=True):
                known[variable] = np.asarray(array)

        compute(self.outputs, known, visit)
        return [known[v] for v in self.outputs]


def captured(
    outputs: Sequence[Variable], inputs: Sequence[Variable]
) -> dict[Variable, Variable]:
    """Leaves that outputs need beside the inputs → fresh leaves of the same types."""
    own = set(inputs)
    return {
        leaf: Variable(leaf.type, None, 0, leaf.name, leaf.place)
        for leaf in leaves(outputs)
        if leaf not in own and not isinstance(leaf, Constant)
    }


def closed(
    inputs: Sequence[Variable], outputs: Sequence[Variable]
) -> tuple[Inner, list[Variable]]:
    """An inner graph of what may use outer leaves, and those leaves.

    The captured leaves become further inputs, after `inputs`, in order of use.
    """
    found = captured(outputs, inputs)
    made = replace(outputs, found)
    return Inner((*inputs, *found.values()), made), list(found)


def inners(op: Op) -> list[Inner]:
    """The inner graphs of an op."""
    values = (getattr(op, name) for name in op.fields)
    return [value for value in values if isinstance(value, Inner)]


def all_applies(outputs: Sequence[Variable]) -> Iterator[Apply]:
    """The applications that compute the outputs, and those of inner graphs."""
    for node in applies(outputs):
        yield node
        for inner in inners(node.op):
            yield from all_applies(inner.outputs)
