"""A function's graph with what is known of shapes when it is called.

Shared variables have the shapes of their present values. Inputs keep their declared
shapes; axes of extent 1 are made known where broadcasting asks for it, and all extents
where an op waits for them (a Jacobian's number of rows). Leaves with refined types take
the place of the user's own in the frozen graph, and all types follow. In: Request.
Out: Specialization.
"""

from collections.abc import Sequence

from symgraph.compile.arguments import Request
from symgraph.compile.expand import expand, waits
from symgraph.compile.ones import Ones
from symgraph.core.graph import Graph, freeze
from symgraph.core.node import Variable
from symgraph.core.record import Record
from symgraph.core.types import StaticShape, fast_type
from symgraph.ops.shape import SpecifyShape

#: static shape of each shared variable, then of each input (none: as declared), and
#: computed extents of 1 that broadcast
Key = tuple[tuple[StaticShape, ...], tuple[StaticShape, ...], Ones]


class Specialization(Record):
    """A frozen graph, its shared leaves in the order of the request, and its key.

    `needs_shapes` says that it has ops which need more extents than the key knows.
    """

    graph: Graph
    leaves: tuple[Variable, ...]
    key: Key
    needs_shapes: bool


def specialized(request: Request, key: Key) -> Specialization:
    """The graph for these static shapes of shared variables and inputs."""
    shared, given, ones = key
    refined: dict[Variable, Variable] = {}
    leaves: list[Variable] = []
    for holder, shape in zip(request.shared, shared, strict=True):
        leaf = _refined(holder, shape)
        refined[holder] = leaf
        leaves.append(leaf)
    inputs: list[Variable] = []
    for position, entry in enumerate(request.inputs):
        variable = entry.variable
        shape = given[position] if given else variable.type.shape
        if shape != variable.type.shape or variable.owner is not None:
            refined[variable] = _refined(variable, shape)
        inputs.append(refined.get(variable, variable))
    graph = freeze(
        inputs,
        request.outputs,
        [(target, new) for target, new in request.updates],
        refined,
        {variable: _promise(variable, axes) for variable, axes in ones},
    )
    graph = expand(graph)
    return Specialization(graph, tuple(leaves), key, waits(graph))


def _promise(variable: Variable, axes: Sequence[int]) -> SpecifyShape:
    told = enumerate(variable.type.shape)
    return SpecifyShape(tuple(1 if k in axes else known for k, known in told))


def _refined(variable: Variable, shape: StaticShape) -> Variable:
    type = fast_type(variable.type.dtype, tuple(shape))
    return Variable(type, None, 0, variable.name, variable.place)
