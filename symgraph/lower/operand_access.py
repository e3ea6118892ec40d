"""What every node of a graph reads, seen from the loops of the group it belongs to.

Renamings of axes (dimshuffle, broadcast, reshapes of ones) are looked through, so an
operand becomes a `Use`: a computed or stored variable, and the axis that indexes each
of its dimensions. Unrolled axes, those of the extents in `unrolled`, have no axis:
loops never run along them, each of their points is a value of its own
(lower/group_values.py). In: Graph, Extents. Out: `OperandAccess`, which lower/fuse.py
builds on.
"""

import math
from collections.abc import Iterator, Sequence

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Variable
from symgraph.lower.extents import Extents
from symgraph.lower.fusion_groups import (
    Axes,
    Axis,
    Group,
    Unit,
    Use,
    is_computed,
    weight_of,
)
from symgraph.lower.sizes import ONE, SizePolynomial


class OperandAccess:
    """Uses of variables by nodes.

    `inline` values, given with their numbers of operations, are read as what they are
    made of.
    """

    def __init__(
        self, graph: Graph, extents: Extents, unrolled: frozenset[int] = frozenset()
    ) -> None:
        self.graph = graph
        self.extents = extents
        self.unrolled = unrolled
        self.nodes: Sequence[Apply] = ()
        self.inline: dict[Variable, int] = {}
        self._reads: dict[Variable, list[Use]] = {}  # valid while a group is the same

    def dims(self, variable: Variable) -> tuple[SizePolynomial, ...]:
        return self.extents.shape(variable)

    def axis(self, extent: SizePolynomial, inner: bool = False) -> Axis | None:
        """A loop, or None where there is none: for an extent of 1, and for points."""
        if extent == ONE or extent.constant in self.unrolled:
            return None
        return Axis(extent, inner)

    def single(self, node: Apply) -> Group:
        group = Group()
        out = node.outputs[0]
        if node.op.name == "reduce":
            reduced = set(node.op.axes)  # type: ignore[attr-defined]
            domain = [
                self.axis(extent, k in reduced)
                for k, extent in enumerate(self.dims(node.inputs[0]))
            ]
            group.axes = [a for a in domain if a is not None]
            group.members[out] = tuple(
                a for k, a in enumerate(domain) if k not in reduced
            )
            group.domains[out] = tuple(domain)
        else:
            axes = tuple(map(self.axis, self.dims(out)))
            group.axes = [a for a in axes if a is not None]
            group.members[out] = axes
        group.weight = weight_of(node, self.point_count(node))
        return group

    def point_count(self, node: Apply) -> int:
        """How many values a node has, or a reduction adds, at one place of the loops."""
        widest = node.inputs[0] if node.op.name == "reduce" else node.outputs[0]
        sizes = (e.constant for e in self.dims(widest))
        return math.prod(n for n in sizes if n is not None and n in self.unrolled)

    def operand_axes(self, group: Group, out: Variable, k: int) -> Axes:
        """The axes that index operand `k` of the node that computes `out`."""
        node = out.owner
        assert node is not None
        operand = node.inputs[k]
        if node.op.name == "reduce":
            return group.domains[out]
        axes = group.members[out]
        if node.op.name == "take":
            at = node.op.axis  # type: ignore[attr-defined]
            rank = node.inputs[1].ndim
            if k == 1:
                return axes[at : at + rank]
            return (*axes[:at], None, *axes[at + rank :])
        if node.op.name == "random_bits":
            return ()
        dims = self.dims(operand)
        shift = len(axes) - len(dims)
        return tuple(
            None if extent == ONE else axes[shift + i] for i, extent in enumerate(dims)
        )

    def trace(self, variable: Variable, axes: Axes) -> Use:
        """Follow renamings down to what is computed or stored."""
        while True:
            node = variable.owner
            if node is None or is_computed(node):
                return Use(variable, axes, True)
            name = node.op.name
            if name == "dimshuffle":
                source = node.inputs[0]
                found: list[Axis | None] = [None] * source.ndim
                for k, entry in enumerate(node.op.pattern):  # type: ignore[attr-defined]
                    if entry != "x":
                        found[entry] = axes[k]
                variable, axes = source, tuple(found)
            elif name == "broadcast_to":
                source = node.inputs[0]
                shift = len(axes) - source.ndim
                axes = tuple(
                    None if extent == ONE else axes[shift + i]
                    for i, extent in enumerate(self.dims(source))
                )
                variable = source
            elif name == "reshape":
                renamed = self._reshape_of_ones(node, axes)
                if renamed is None:
                    return self.behind(variable)
                variable, axes = node.inputs[0], renamed
            else:
                return self.behind(variable)

    def behind(self, variable: Variable) -> Use:
        """The computed or stored variable below slices and reshapes."""
        while variable.owner is not None and variable.owner.op.is_view:
            variable = variable.owner.inputs[0]
        return Use(variable, (), False)

    def _reshape_of_ones(self, node: Apply, axes: Axes) -> Axes | None:
        """Axes of the source if the reshape only adds or drops extents of 1."""
        source = self.dims(node.inputs[0])
        target = self.dims(node.outputs[0])
        kept = [axes[k] for k, extent in enumerate(target) if extent != ONE]
        if [e for e in source if e != ONE] != [e for e in target if e != ONE]:
            return None
        rest = iter(kept)
        return tuple(None if extent == ONE else next(rest) for extent in source)

    def reads(self, group: Group, out: Variable) -> list[Use]:
        """What the node that computes `out` reads."""
        found = self._reads.get(out)
        if found is None:
            node = out.owner
            assert node is not None
            found = []
            for k, operand in enumerate(node.inputs):
                use = self.trace(operand, self.operand_axes(group, out, k))
                if node.op.gathers and k == 0:
                    use = Use(use.source, use.axes, False)
                found.append(use)
            self._reads[out] = found
        return found

    def forget(self, out: Variable) -> None:
        """Look at a node again: its group is another."""
        self._reads.pop(out, None)

    def sources(self, unit: Unit) -> Iterator[Variable]:
        """What a unit reads, below all renamings and slices."""
        if isinstance(unit, Group):
            for out in unit.members:
                for use in self.reads(unit, out):
                    yield from self.beneath(use.source)
        else:
            for operand in unit.op.in_memory(unit.inputs):
                yield self.behind(operand).source

    def beneath(self, source: Variable) -> Iterator[Variable]:
        """The source itself, or what an inline value is made of."""
        if source not in self.inline:
            yield source
            return
        seen = {source}
        stack = [source]
        while stack:
            node = stack.pop().owner
            assert node is not None
            for operand in reversed(node.inputs):
                below = self.behind(operand).source
                if below in seen:
                    continue
                seen.add(below)
                if below in self.inline:
                    stack.append(below)
                else:
                    yield below

    def atoms_of(self, unit: Unit) -> set[int]:
        """Atoms of all extents and offsets that a unit's loops may need."""
        found: set[int] = set()
        stack = list(unit.members if isinstance(unit, Group) else unit.outputs)
        seen = set(stack)
        own = set(stack)
        while stack:
            variable = stack.pop()
            found.update(a for e in self.dims(variable) for a in e.atoms())
            size = self.extents.atoms.known(variable)
            if size is not None:
                found.update(size.atoms())
            node = variable.owner
            if node is None or not (
                variable in own or variable in self.inline or not is_computed(node)
            ):
                continue
            stack += [v for v in node.inputs if v not in seen]
            seen.update(node.inputs)
        return found
