"""What a graph requires where a condition holds: compared only if it does.

    ifelse(c, x + y, x)     x and y must fit together if c holds

Rewriting may drop the node that requires it, so the conditions are kept as roots of the
graph that is rewritten; where they have been computed, a `Demand` leaves the program if
sizes do not fit. In: a graph before rewriting. Out: conditions, and what they are for.
"""

from collections.abc import Sequence

from symgraph.core.graph import Graph, freeze
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.op import PUBLIC, scalar_constant
from symgraph.core.record import Record
from symgraph.loops.conditions import Path, conditions_of
from symgraph.lower.checks import Check, Range
from symgraph.lower.extents import Extents
from symgraph.lower.inside import bodies, leaf_shapes, preset_values
from symgraph.lower.sizes import Poly, lates_of


class Guard(Record):
    """A path of conditions, and what must be true of sizes where they hold."""

    path: Path
    checks: tuple[Check, ...]
    ranges: tuple[Range, ...]


def is_late(extents: Extents, *sizes: Poly) -> bool:
    """Whether the function computes one of these sizes."""
    recipes = extents.atoms.recipes
    return any(lates_of(recipes[atom]) for size in sizes for atom in size.atoms())


def required(graph: Graph, leaves: Sequence[Variable]) -> tuple[Extents, list[Guard]]:
    """The extents of a graph before rewriting, and what its branches require of them.

    What the steps of its loops require is among its checks, or those of the branch in
    which the loop stands. Sizes that the function computes are compared by the rewritten
    graph alone, and so is what a branch of a step requires.
    """
    paths = conditions_of(graph.roots)
    extents = Extents(graph, leaves, paths=paths if any(paths.values()) else None)
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
    return extents, guards


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
    atoms.shape_of = outer._raw


def with_conditions(graph: Graph) -> Graph:
    """The graph with the conditions that `required` tells of kept, in its order."""
    if not any(node.op.name == "ifelse" for node in graph.applies()):
        return graph
    leaves = [v for v in graph.leaves() if not isinstance(v, Constant)]
    _, guards = required(graph, leaves)
    with graph.interner:
        kept = tuple(_condition(guard.path) for guard in guards)
    return graph.replace(kept=(*graph.kept, *kept))


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
