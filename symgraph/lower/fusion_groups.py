"""What fusion works with: axes, groups, uses, and which ops compute, rename or view.

A *group* is a set of computing nodes (elementwise, casts, reductions) over one domain:
outer axes, and inner axes if it reduces. How groups are found is in lower/fuse.py.
"""

from collections.abc import Sequence

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.record import Record, fresh
from symgraph.lower.builder import is_ramp
from symgraph.lower.sizes import SizePolynomial
from symgraph.ops.families import is_cheap as is_cheap_op

RENAMING = frozenset({"dimshuffle", "broadcast_to"})
#: how many cheap operations a costly one is as long as: exp, log, tanh in vectors
COSTLY = 16
#: length and number of values of a group, at most. The time that LLVM takes for a body
#: grows faster than the body: per tanh 0.4 ms in bodies of 25, 1.0 ms in those of 50, 5 ms
#: in those of 800; a kernel of 100 operations per load and store waits for no memory.
HEAVY, MEMBERS = 2000, 100


def is_computed(node: Apply) -> bool:
    """Whether a node makes values, rather than telling where others find theirs."""
    return not (node.op.is_view or node.op.is_implied)


def late_homes(graph: Graph) -> dict[Variable, Variable]:
    """What decides extents → where it is computed: itself, or its copy in memory."""
    found = {}
    for variable in graph.kept:
        found[variable] = variable
        node = variable.owner
        if node is not None and getattr(node.op, "scalar", "") == "materialize":
            found[node.inputs[0]] = variable
    return found


class Axis:
    """One loop of a group; compared by identity."""

    __slots__ = ("extent", "inner")

    def __init__(self, extent: SizePolynomial, inner: bool = False) -> None:
        self.extent = extent
        self.inner = inner

    def __repr__(self) -> str:
        return f"{'inner' if self.inner else 'outer'}({self.extent})"


Axes = tuple[Axis | None, ...]


class Group(Record, frozen=False):
    """Nodes that one kernel computes.

    Attributes
    ----------
    axes : the loops; those with `inner` are reduced over
    members : variable → the axis that indexes each of its dimensions (None: no loop,
        its extent is 1 or one of the points)
    domains : reduction or take → the axes of what it reads
    joins : concatenation → its parts, members that are written where it has them
    weight : length of its body, in cheap operations
    """

    axes: list[Axis] = fresh(factory=list)
    members: dict[Variable, Axes] = fresh(factory=dict)
    domains: dict[Variable, Axes] = fresh(factory=dict)
    joins: dict[Variable, list[Variable]] = fresh(factory=dict)
    weight: int = 0

    @property
    def outer(self) -> list[Axis]:
        """Axes that are not reduced."""
        return [a for a in self.axes if not a.inner]

    @property
    def inner(self) -> list[Axis]:
        """Axes that are reduced."""
        return [a for a in self.axes if a.inner]


Unit = Group | Apply


def made_by(unit: Unit) -> list[Variable]:
    """What a unit computes."""
    if isinstance(unit, Group):
        return [*unit.members, *unit.joins]
    return list(unit.outputs)


class Use(Record):
    """A node reads `source` through renamings; `axes[k]` indexes its dimension k."""

    source: Variable
    axes: Axes
    direct: bool  # False: through a slice or reshape, so the source must be stored


def is_iota(variable: Variable) -> bool:
    """Whether a variable is 0, 1, 2, ... along one axis, computed or constant."""
    while variable.owner is not None and variable.owner.op.name in RENAMING:
        variable = variable.owner.inputs[0]
    if variable.owner is not None:
        return variable.owner.op.name == "iota"
    return isinstance(variable, Constant) and is_ramp(variable)


def is_cheap(node: Apply | None) -> bool:
    """Whether computing a node again costs about as much as loading its value."""
    if node is None:
        return True
    return is_cheap_op(node.op)


def weight_of(node: Apply, unrolled: int) -> int:
    """Length of the body of a node that is computed at so many points."""
    return unrolled * (1 if is_cheap(node) else COSTLY)


def fit_together(one: Group, other: Group) -> bool:
    """Whether two groups are one kernel of bearable length."""
    return (
        one.weight + other.weight <= HEAVY
        and len(one.members) + len(other.members) <= MEMBERS
    )


def can_fail(unit: Unit) -> bool:
    """Whether a unit may set the error flag; of what runs a body it is not known."""
    nodes: Sequence[Apply | None] = (
        [v.owner for v in unit.members] if isinstance(unit, Group) else [unit]
    )
    return any(
        node is not None and (node.op.can_fail or node.op.has_inner) for node in nodes
    )
