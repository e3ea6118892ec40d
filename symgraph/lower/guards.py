"""What a graph requires of values that it computes: conditions, and sizes from data.

    ifelse(c, x + y, x)     x and y must fit together if c holds
    x[x > 0] + y            the number of positive elements must be that of y's, or 1

Rewriting may drop the node that requires it, so the conditions and the computed sizes are
kept as roots of the graph that is rewritten. Where a condition has been computed, a
`Demand` leaves the program if sizes do not fit; a size is compared when it is known. In:
a graph before rewriting. Out: what is kept, and what it is for.
"""

from collections.abc import Sequence

from symgraph.core.graph import Graph, freeze
from symgraph.core.node import Apply, Variable, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.core.record import Record
from symgraph.loops.conditions import Path, conditions_of
from symgraph.lower.checks import Check, Range
from symgraph.lower.extents import Extents
from symgraph.lower.inner_graph import bodies, leaf_shapes, preset_values
from symgraph.lower.sizes import SizePolynomial, lates_of


class Guard(Record):
    """A path of conditions, and what must be true of sizes where they hold."""

    path: Path
    checks: tuple[Check, ...]
    ranges: tuple[Range, ...]


class Required(Record, frozen=False):
    """What a graph before rewriting requires.

    Attributes
    ----------
    extents : of the graph
    guards : what its branches require
    checks : of computed sizes
    sizes : what these are computed from, by its number among the late values
    """

    extents: Extents
    guards: list[Guard]
    checks: list[Check]
    sizes: dict[int, Variable]


def is_late(extents: Extents, *sizes: SizePolynomial) -> bool:
    """Whether the function computes one of these sizes."""
    recipes = extents.atoms.recipes
    return any(lates_of(recipes[atom]) for size in sizes for atom in size.atoms())


def required(graph: Graph, leaves: Sequence[Variable]) -> Required:
    """What a graph requires; the answer is kept with the graph."""
    kept = graph.__dict__.setdefault("_required", {})
    key = tuple(leaves)
    if key not in kept:
        kept[key] = _required(graph, leaves)
    found: Required = kept[key]
    return found


def _required(graph: Graph, leaves: Sequence[Variable]) -> Required:
    """The extents of a graph before rewriting, and what it requires of them.

    What the steps of its loops require is among its checks, or those of the branch in
    which the loop stands. Sizes that steps and branches compute are compared by the
    rewritten graph alone, and so is what a branch of a step requires.
    """
    paths = conditions_of(graph.roots)
    extents = Extents(graph, leaves, paths=paths if any(paths.values()) else None)
    late = [c for c in extents.checks if is_late(extents, c.left, c.right)]
    numbers: set[int] = set()
    for check in late:
        numbers |= extents.atoms.lates(check.left) | extents.atoms.lates(check.right)
    sizes = {number: extents.atoms.late[number] for number in sorted(numbers)}
    with graph.interner:
        for node in graph.applies():
            if node.op.name != "scan":
                continue
            checks, ranges = extents.checks, extents.ranges
            if paths[node]:
                checks, ranges = extents.guarded.setdefault(paths[node], ([], []))
                with extents.atoms.branch():
                    _of_step(node, extents, checks, ranges)
            else:
                _of_step(node, extents, checks, ranges)
    guards = []
    for path, (some, others) in extents.guarded.items():
        early = tuple(c for c in some if not is_late(extents, c.left, c.right))
        inside = tuple(r for r in others if not is_late(extents, r.index, r.extent))
        if early or inside:
            guards.append(Guard(path, early, inside))
    return Required(extents, guards, late, sizes)


def _of_step(
    node: Apply, outer: Extents, checks: list[Check], ranges: list[Range]
) -> None:
    """Add what each step of a loop requires, and loops inside it."""
    (inner,) = bodies(node)
    graph = freeze(inner.inputs, inner.outputs)
    atoms, shapes = outer.atoms, leaf_shapes(node, outer)
    preset_values(node, outer, inner.inputs)
    paths = conditions_of(graph.roots)
    found = Extents(graph, inner.inputs, atoms, shapes, paths)
    checks += found.checks
    ranges += found.ranges
    for within in graph.applies():
        if within.op.name == "scan" and not paths[within]:
            _of_step(within, found, checks, ranges)
    atoms.shape_of = outer.stated


def with_requirements(graph: Graph, leaves: Sequence[Variable]) -> Graph:
    """The graph with what `required` tells of kept: conditions, then sizes."""
    found = required(graph, leaves)
    if not found.guards and not found.sizes:
        return graph
    with graph.interner:
        kept = tuple(_condition(guard.path) for guard in found.guards)
    return graph.replace(kept=(*graph.kept, *kept, *found.sizes.values()))


def holds_if(path: Path) -> bool:
    """The value of what is kept for a path for which its conditions are as told."""
    return path[0][1] if len(path) == 1 else True


def _condition(path: Path) -> Variable:
    """One value for a path; a condition further inside is looked at only if it counts."""
    if len(path) == 1:
        return path[0][0]
    no = scalar_constant(False, "bool")
    last, holds = path[-1]
    found = last if holds else PUBLIC["switch"](last, no, scalar_constant(True, "bool"))
    for condition, holds in reversed(path[:-1]):
        sides = (found, no) if holds else (no, found)
        found = PUBLIC["ifelse"](condition, *sides)
    return found
