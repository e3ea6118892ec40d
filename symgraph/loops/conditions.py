"""Under which conditions each node of a graph is needed.

    ifelse(c, x + y, x)     x + y is needed if c holds

A node that is read under several conditions is needed under those that all of its
readers share. In: roots. Out: a path for each node.
"""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from symgraph.core.node import Apply, Variable
from symgraph.core.traverse import applies
from symgraph.loops.ifelse import IfElse
from symgraph.ops.families import Elementwise
from symgraph.ops.shape import extent_key, inferred_extents

#: conditions, and whether they hold, from the outermost to the innermost
Path = tuple[tuple[Variable, bool], ...]


def conditions_of(roots: Sequence[Variable]) -> dict[Apply, Path]:
    """Path of each node; () for what is needed always."""
    order = applies(roots)
    if not any(isinstance(node.op, IfElse) for node in order):
        return dict.fromkeys(order, ())
    path_of: dict[Variable, Path] = {v: () for v in roots}

    def read(v: Variable, path: Path) -> None:
        known = path_of.get(v)
        path_of[v] = path if known is None else shared(known, path)

    found: dict[Apply, Path] = {}
    for node in reversed(order):
        paths = [path_of[v] for v in node.outputs if v in path_of]
        path = paths[0] if paths else ()
        for other in paths[1:]:
            path = shared(path, other)
        found[node] = path
        if not isinstance(node.op, IfElse):
            for v in node.inputs:
                read(v, path)
            continue
        condition = node.inputs[0]
        read(condition, path)
        for holds in (True, False):
            step = (condition, holds)
            inside = path if step in path else (*path, step)
            for k in node.op.reads(holds)[1:]:
                read(node.inputs[k], inside)
    return {node: found[node] for node in order}


def always(roots: Sequence[Variable]) -> list[Apply]:
    """The nodes that are needed whatever conditions hold, in order."""
    return [node for node, path in conditions_of(roots).items() if not path]


def unsafe(paths: Mapping[Apply, Path]) -> set[Apply]:
    """What must not be computed unless its conditions hold: sizes may not fit."""
    found: set[Apply] = set()
    for node, path in paths.items():
        if path and (
            not always_fits(node) or any(v.owner in found for v in node.inputs)
        ):
            found.add(node)
    return found


def always_fits(node: Apply) -> bool:
    """Whether a node cannot fail, whatever the sizes of its operands turn out to be."""
    op = node.op
    if op.can_fail:
        return False
    if isinstance(op, Elementwise):
        shapes = [inferred_extents(v)[::-1] for v in node.inputs]
        sizes = [
            set(map(extent_key, axis)) - {1}
            for axis in zip_longest(*shapes, fillvalue=1)
        ]
        return all(len(axis) < 2 for axis in sizes)
    return op.always_fits(node)


def shared(one: Path, other: Path) -> Path:
    """The longest path with which both begin."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return one[:count]
