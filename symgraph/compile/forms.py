"""Forms: one function's graph with what is known of shapes when it is called.

Shared variables have the shapes of their present values; inputs have the axes known to
be 1 that broadcasting asks for. Leaves with refined types take the place of the user's
own in the frozen graph, and all types follow. In: Request. Out: Form.
"""

from dataclasses import dataclass
from typing import Any

from symgraph.compile.arguments import Request
from symgraph.compile.expand import expand
from symgraph.core.graph import Graph, freeze
from symgraph.core.node import Variable
from symgraph.core.types import fast_type


@dataclass(frozen=True, slots=True)
class Form:
    """A frozen graph, its shared leaves in the order of the request, and its key."""

    graph: Graph
    leaves: tuple[Variable, ...]
    key: Any


def form_of(request: Request, key: Any) -> Form:
    """The graph for shapes of shared variables and axes of inputs that are 1."""
    shapes, ones = key
    refined: dict[Variable, Variable] = {}
    leaves: list[Variable] = []
    for variable, shape in zip(request.shared, shapes, strict=True):
        leaf = _refined(variable, shape)
        refined[variable] = leaf
        leaves.append(leaf)
    inputs: list[Variable] = []
    for position, entry in enumerate(request.inputs):
        variable = entry.variable
        if ones and ones[position]:
            shape = tuple(
                1 if axis in ones[position] else extent
                for axis, extent in enumerate(variable.type.shape)
            )
            refined[variable] = _refined(variable, shape)
        inputs.append(refined.get(variable, variable))
    graph = freeze(
        inputs,
        request.outputs,
        [(target, new) for target, new in request.updates],
        refined,
    )
    return Form(expand(graph), tuple(leaves), key)


def _refined(variable: Variable, shape: tuple[int | None, ...]) -> Variable:
    type = fast_type(variable.type.dtype, tuple(shape))
    return Variable(type, None, 0, variable.name, variable.place)
