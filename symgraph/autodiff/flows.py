"""Gradients on their way back, each with the conditions under which it flows.

    y = ifelse(c, log(x), 0)    dy/dx = ifelse(c, g / x, 0),  not  ifelse(c, g, 0) / x

What only a branch uses has a gradient only if that branch is chosen. The walk goes on
with the gradient of the branch alone, and the choice is made where ways meet that do not
hold under the same conditions, at the latest where a gradient is asked for: so nothing is
computed for a branch that is not chosen, and no zero meets an infinite derivative. In:
contributions with their conditions. Out: gradients.
"""

from collections.abc import Mapping, Sequence

from symgraph.autodiff.guards import joined
from symgraph.core.node import Constant, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.shape import extent_key, extents, inferred_extents, variable

#: conditions, and whether they hold, from the outermost to the innermost
Path = tuple[tuple[Variable, bool], ...]
#: how far into a condition one looks to see whether it is another one
DEPTH = 4


class Flows:
    """What flows to each variable, by conditions."""

    def __init__(self, seeds: Mapping[Variable, Variable]) -> None:
        self._of: dict[Variable, dict[Path, Variable]] = {
            v: {(): g} for v, g in seeds.items()
        }
        self._conditions: dict[object, Variable] = {}

    def condition(self, variable: Variable) -> Variable:
        """The one condition that stands for all that are built alike."""
        return self._conditions.setdefault(_form(variable, DEPTH), variable)

    def add(self, variable: Variable, path: Path, gradient: Variable) -> None:
        """One more contribution."""
        parts = self._of.setdefault(variable, {})
        known = parts.get(path)
        parts[path] = gradient if known is None else joined(known, gradient, variable)

    def reaching(
        self, variables: Sequence[Variable]
    ) -> tuple[Path, list[Variable | None]]:
        """The conditions that all contributions share, and the gradients under these."""
        found = [self._of.get(v) for v in variables]
        path = _shared([p for parts in found if parts is not None for p in parts])
        return path, [
            None if parts is None else _chosen(parts, path, v)
            for v, parts in zip(variables, found, strict=True)
        ]

    def whole(self, variable: Variable) -> Variable | None:
        """The gradient of a variable, under no condition."""
        parts = self._of.get(variable)
        return None if parts is None else _chosen(parts, (), variable)


def _form(v: Variable, depth: int) -> object:
    """Equal for variables that are the same function of the same variables."""
    if isinstance(v, Constant):
        return (v.type, v.data.tobytes()) if v.data.size < 100 else v
    if v.owner is None or not depth:
        return v
    node = v.owner
    return (
        node.op,
        node.outputs.index(v),
        *(_form(u, depth - 1) for u in node.inputs),
    )


def has_shape_of(gradient: Variable, v: Variable) -> bool:
    """Whether a gradient is known to have the shape of its variable."""
    if gradient.ndim != v.ndim:
        return False
    pairs = zip(inferred_extents(gradient), inferred_extents(v), strict=True)
    return all(extent_key(a) == extent_key(b) for a, b in pairs)


def chosen(
    condition: Variable, holds: bool, gradient: Variable, like: Variable
) -> Variable:
    """The gradient where the condition `holds`, zeros where it does not."""
    sides = _like(gradient, like), PUBLIC["zeros_like"](like)
    choice: Variable = PUBLIC["ifelse"](condition, *(sides if holds else sides[::-1]))
    return choice


def _like(gradient: Variable, v: Variable) -> Variable:
    """The gradient of a variable, told that it has the shape of that."""
    if gradient.ndim != v.ndim or has_shape_of(gradient, v):
        return gradient
    return BroadcastTo(v.ndim)(gradient, *map(variable, extents(v)))


def _shared(paths: Sequence[Path]) -> Path:
    """The longest path that all of them begin with."""
    shared = paths[0] if paths else ()
    for path in paths[1:]:
        count = 0
        for one, other in zip(shared, path, strict=False):
            if one != other:
                break
            count += 1
        shared = shared[:count]
    return shared


def _chosen(parts: Mapping[Path, Variable], path: Path, like: Variable) -> Variable:
    """The sum of contributions, those under further conditions as choices."""
    found = parts.get(path)
    further: dict[Variable, dict[bool, dict[Path, Variable]]] = {}
    for longer, gradient in parts.items():
        if len(longer) > len(path):
            condition, holds = longer[len(path)]
            sides = further.setdefault(condition, {})
            sides.setdefault(holds, {})[longer] = gradient
    for condition, sides in further.items():
        then, orelse = (
            _chosen(sides[holds], (*path, (condition, holds)), like)
            if holds in sides
            else PUBLIC["zeros_like"](like)
            for holds in (True, False)
        )
        sides_like = [_like(side, like) for side in (then, orelse)]
        choice: Variable = PUBLIC["ifelse"](condition, *sides_like)
        found = choice if found is None else found + choice
    assert found is not None
    return found
