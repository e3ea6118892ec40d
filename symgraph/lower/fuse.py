"""Cut a graph into units: groups of nodes that become one kernel, and single nodes.

A *group* is a set of computing nodes (elementwise, casts, reductions) over one domain:
outer axes, and inner axes if it reduces. Its kernel runs the outer axes as loops and,
inside, passes over the inner axes: softmax is one group with three passes. Nodes that
only rename axes (dimshuffle, broadcast) are looked through; what crosses the border of
a group is stored. Everything else (products, joins, scatter) is a unit of its own.

Groups start as single nodes and are merged, producer into consumer first, then
neighbours that read the same values, as long as domains agree and no cycle appears.
In: Graph and Extents. Out: a list of units in a valid order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from symgraph.core.graph import Graph
from symgraph.core.node import Apply, Constant, Variable
from symgraph.lower.builder import is_ramp
from symgraph.lower.extents import Extents
from symgraph.lower.sizes import ONE, Poly

COMPUTING = frozenset({"elementwise", "cast", "reduce", "random_bits", "check_index", "take"})
RENAMING = frozenset({"dimshuffle", "broadcast_to"})
VIEWS = RENAMING | {"subtensor", "reshape", "iota", "extent"}
CHEAP = frozenset(
    """add sub mul neg abs sign sqr maximum minimum fmax fmin lt le gt ge eq ne and or xor
    not where isnan isinf isfinite cast relu clip second identity shift_left shift_right
    floor ceil trunc rint copysign signbit reciprocal div sqrt hard_sigmoid real imag
    conj broadcast_extent heaviside""".split()
)


INLINE_SOURCES = frozenset({"extent", "iota", "check_index"})


class Axis:
    """One loop of a group; compared by identity."""

    __slots__ = ("extent", "inner")

    def __init__(self, extent: Poly, inner: bool = False) -> None:
        self.extent = extent
        self.inner = inner

    def __repr__(self) -> str:
        return f"{'inner' if self.inner else 'outer'}({self.extent})"


Axes = tuple[Axis | None, ...]


@dataclass(eq=False, slots=True)
class Group:
    """Nodes that one kernel computes.

    Attributes
    ----------
    axes : the loops; those with `inner` are reduced over
    members : variable → the axis that indexes each of its dimensions (None: extent 1)
    domains : reduction or take → the axes of what it reads
    """

    axes: list[Axis] = field(default_factory=list)
    members: dict[Variable, Axes] = field(default_factory=dict)
    domains: dict[Variable, Axes] = field(default_factory=dict)

    @property
    def outer(self) -> list[Axis]:
        """Axes that are not reduced."""
        return [a for a in self.axes if not a.inner]

    @property
    def inner(self) -> list[Axis]:
        """Axes that are reduced."""
        return [a for a in self.axes if a.inner]


Unit = Group | Apply


@dataclass(frozen=True, slots=True)
class Use:
    """A node reads `source` through renamings; `axes[k]` indexes its dimension k."""

    source: Variable
    axes: Axes
    direct: bool  # False: through a slice or reshape, so the source must be stored


class Fusion:
    """The units of a graph. `units` are in a valid order; `stored` need a buffer."""

    def __init__(self, graph: Graph, extents: Extents) -> None:
        self.graph = graph
        self.extents = extents
        self.unit_of: dict[Variable, Unit] = {}
        self._order: dict[int, int] = {}
        self._reads: dict[Variable, list[Use]] = {}  # valid while a group is the same
        nodes = graph.applies()
        self.inline = self._inline(nodes)
        for position, node in enumerate(nodes):
            if node.op.name in VIEWS or node.outputs[0] in self.inline:
                continue
            unit: Unit = node
            if node.op.name in COMPUTING:
                unit = self._single(node)
            self._order[id(unit)] = position
            for variable in node.outputs:
                self.unit_of[variable] = unit
        self._nodes = nodes
        self._retired: list[Group] = []  # kept, so that no id is used twice
        self._link()
        self._merge_producers()
        self._merge_neighbours()
        self._order_updates()
        self.units = self._sorted()
        self.stored = self._stored()

    def _inline(self, nodes: Sequence[Apply]) -> set[Variable]:
        """Values so cheap that every kernel computes them for itself.

        Scalars made of extents, constants and 0-d leaves by cheap ops, and comparisons
        with an iota (one-hot masks). They belong to no group, so they tie no groups
        together. What another unit or a result needs in memory is not inline.
        """
        found: set[Variable] = set()
        needed = {self._behind(root).source for root in self.graph.roots}
        for node in nodes:
            if node.op.name not in COMPUTING and node.op.name not in VIEWS:
                needed.update(self._behind(v).source for v in node.inputs)
            if node.op.name in ("take", "reshape"):
                needed.add(self._behind(node.inputs[0]).source)
        for node in nodes:
            if node.op.name not in ("elementwise", "cast") or not is_cheap(node):
                continue
            (out,) = node.outputs
            below = [self._behind(v).source for v in node.inputs]
            scalar = out.ndim == 0
            mask = out.type.dtype == "bool" and any(_is_iota(v) for v in node.inputs)
            if out not in needed and (scalar or mask) and all(
                isinstance(v, Constant)
                or v in found
                or (v.owner is None and v.ndim == 0)
                or (v.owner is not None and v.owner.op.name in INLINE_SOURCES)
                for v in below
            ):
                found.add(out)
        return found

    # --- reading the graph ---------------------------------------------------------

    def _dims(self, variable: Variable) -> tuple[Poly, ...]:
        return self.extents.shape(variable)

    def _single(self, node: Apply) -> Group:
        group = Group()
        out = node.outputs[0]
        if node.op.name == "reduce":
            reduced = set(node.op.axes)  # type: ignore[attr-defined]
            domain: list[Axis | None] = []
            for k, extent in enumerate(self._dims(node.inputs[0])):
                axis = None if extent == ONE else Axis(extent, k in reduced)
                domain.append(axis)
            group.axes = [a for a in domain if a is not None]
            group.members[out] = tuple(
                a for k, a in enumerate(domain) if k not in reduced
            )
            group.domains[out] = tuple(domain)
        else:
            axes = tuple(
                None if extent == ONE else Axis(extent) for extent in self._dims(out)
            )
            group.axes = [a for a in axes if a is not None]
            group.members[out] = axes
        return group

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
            return axes[:at] + (None,) + axes[at + rank :]
        if node.op.name == "random_bits":
            return ()
        dims = self._dims(operand)
        shift = len(axes) - len(dims)
        return tuple(
            None if extent == ONE else axes[shift + i] for i, extent in enumerate(dims)
        )

    def trace(self, variable: Variable, axes: Axes) -> Use:
        """Follow renamings down to what is computed or stored."""
        while True:
            node = variable.owner
            if node is None or node.op.name not in VIEWS:
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
                    for i, extent in enumerate(self._dims(source))
                )
                variable = source
            elif name == "reshape":
                renamed = self._reshape_of_ones(node, axes)
                if renamed is None:
                    return self._behind(variable)
                variable, axes = node.inputs[0], renamed
            else:
                return self._behind(variable)

    def _behind(self, variable: Variable) -> Use:
        """The computed or stored variable below slices and reshapes."""
        while variable.owner is not None and variable.owner.op.name in VIEWS:
            if not variable.owner.inputs or variable.owner.op.name in ("iota", "extent"):
                return Use(variable, (), False)
            variable = variable.owner.inputs[0]
        return Use(variable, (), False)

    def _reshape_of_ones(self, node: Apply, axes: Axes) -> Axes | None:
        """Axes of the source if the reshape only adds or drops extents of 1."""
        source = self._dims(node.inputs[0])
        target = self._dims(node.outputs[0])
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
                if node.op.name == "take" and k == 0:
                    use = Use(use.source, use.axes, False)
                found.append(use)
            self._reads[out] = found
        return found

    # --- the graph of units ---------------------------------------------------------

    def _link(self) -> None:
        self._before: dict[int, set[int]] = {}
        self._after: dict[int, set[int]] = {}
        self._unit: dict[int, Unit] = {}
        for unit in dict.fromkeys(self.unit_of.values()):
            self._unit[id(unit)] = unit
            self._before[id(unit)] = set()
            self._after.setdefault(id(unit), set())
        for unit in self._unit.values():
            for source in self.sources(unit):
                other = self.unit_of.get(source)
                if other is not None and other is not unit:
                    self._before[id(unit)].add(id(other))
                    self._after[id(other)].add(id(unit))

    def sources(self, unit: Unit) -> Iterator[Variable]:
        """What a unit reads, below all renamings and slices."""
        if isinstance(unit, Group):
            for out in unit.members:
                for use in self.reads(unit, out):
                    yield from self._beneath(use.source)
        else:
            for operand in unit.inputs:
                yield self._behind(operand).source

    def _beneath(self, source: Variable) -> Iterator[Variable]:
        """The source itself, or what an inline value is made of."""
        if source not in self.inline:
            yield source
            return
        assert source.owner is not None
        for operand in source.owner.inputs:
            yield from self._beneath(self._behind(operand).source)

    def _reaches(self, start: Unit, goal: Unit) -> bool:
        """Whether `goal` depends on `start` through a third unit."""
        target = id(goal)
        stack = [u for u in self._after[id(start)] if u != target]
        seen = set(stack)
        while stack:
            for after in self._after[stack.pop()]:
                if after == target:
                    return True
                if after not in seen:
                    seen.add(after)
                    stack.append(after)
        return False

    # --- merging ---------------------------------------------------------------------

    def _merge_producers(self) -> None:
        for node in self._nodes:
            for out in node.outputs:
                changed = True
                while changed:
                    changed = False
                    group = self.unit_of.get(out)
                    if not isinstance(group, Group):
                        break
                    for use in list(self.reads(group, out)):
                        other = self.unit_of.get(use.source)
                        if (
                            isinstance(other, Group)
                            and other is not group
                            and use.direct
                            and self._join(other, group, self._pairs(other, use))
                        ):
                            changed = True
                            break

    def _pairs(self, producer: Group, use: Use) -> dict[Axis, Axis] | None:
        pairs: dict[Axis, Axis] = {}
        own = producer.members[use.source]
        for mine, theirs in zip(own, use.axes, strict=True):
            if (mine is None) != (theirs is None):
                return None
            if mine is not None and theirs is not None:
                if pairs.setdefault(mine, theirs) is not theirs:
                    return None
        if len(set(map(id, pairs.values()))) != len(pairs):
            return None
        return pairs

    def _merge_neighbours(self) -> None:
        readers: dict[Variable, list[tuple[Group, Variable]]] = {}
        for unit in list(self._unit.values()):
            if isinstance(unit, Group):
                for out in unit.members:
                    for use in self.reads(unit, out):
                        if use.direct and use.source.ndim:
                            readers.setdefault(use.source, []).append((unit, out))
        for source, found in readers.items():
            outs = list(dict.fromkeys(out for _, out in found))
            for out in outs[1:]:
                first, second = self.unit_of[outs[0]], self.unit_of[out]
                if (
                    first is second
                    or not isinstance(first, Group)
                    or not isinstance(second, Group)
                ):
                    continue
                a = self._axes_of(first, source)
                b = self._axes_of(second, source)
                if a is None or b is None:
                    continue
                pairs: dict[Axis, Axis] | None = {}
                for x, y in zip(a, b, strict=True):
                    if (x is None) != (y is None):
                        pairs = None
                        break
                    if x is not None and y is not None:
                        pairs[x] = y  # type: ignore[index]
                if pairs is None or len(set(map(id, pairs.values()))) != len(pairs):
                    continue
                if len(pairs) == len(first.axes) == len(second.axes):
                    if self._reaches(second, first) or id(first) in self._after[id(second)]:
                        continue
                    self._join(first, second, pairs, neighbours=True)

    def _axes_of(self, group: Group, source: Variable) -> Axes | None:
        for out in group.members:
            for use in self.reads(group, out):
                if use.source is source and use.direct:
                    return use.axes
        return None

    def _join(
        self,
        producer: Group,
        consumer: Group,
        pairs: dict[Axis, Axis] | None,
        neighbours: bool = False,
    ) -> bool:
        """Merge `producer` into `consumer` if their loops agree; says whether it did."""
        if pairs is None:
            return False
        mapping = self._agree(producer, consumer, pairs)
        if mapping is None:
            return False
        if self._misread(producer, consumer, mapping):
            return False
        if self._misread(consumer, producer, mapping):
            return False
        if self._reaches(producer, consumer):
            return False
        if not neighbours and self._wasteful(producer, consumer, mapping):
            return False
        self._absorb(producer, consumer, mapping)
        return True

    def _agree(
        self, producer: Group, consumer: Group, pairs: dict[Axis, Axis]
    ) -> dict[Axis, Axis] | None:
        """Producer axis → consumer axis for all axes of the producer, or None.

        Axes of the consumer that become inner are marked on success; a reduced axis of
        the producer that has no partner is added to the consumer by the caller.
        """
        images = set(map(id, pairs.values()))
        free_consumer = [a for a in consumer.axes if id(a) not in images]
        free_producer = [a for a in producer.axes if a not in pairs]
        reduces = bool(producer.inner)
        if any(a.extent != b.extent for a, b in pairs.items()):
            return None
        if not reduces:
            if free_producer:
                return None
            return dict(pairs)
        if any(a.inner for a in free_producer) and any(
            not a.inner for a in free_producer
        ):
            return None
        if not free_producer:  # a value of the full domain is read
            if free_consumer:
                return None
            if consumer.inner and any(a.inner != b.inner for a, b in pairs.items()):
                return None
            return dict(pairs)
        # values of the outer axes are read: all inner axes of the producer are free
        if any(not a.inner for a in free_producer) or any(a.inner for a in pairs):
            return None
        if consumer.inner:
            if free_consumer != consumer.inner:
                return None
        elif free_consumer and len(free_consumer) != len(free_producer):
            return None
        if free_consumer:
            if [a.extent for a in free_consumer] != [a.extent for a in free_producer]:
                return None
            return dict(pairs) | dict(zip(free_producer, free_consumer, strict=True))
        return dict(pairs)

    def _misread(
        self, source: Group, reader: Group, mapping: dict[Axis, Axis]
    ) -> bool:
        """Whether a value is read elsewhere than where the merged loops compute it.

        Through a slice, or at other axes, as the second operand of ``y - y.T`` is.
        """

        def placed(axes: Axes) -> Axes:
            return tuple(a and mapping.get(a, a) for a in axes)

        return any(
            use.source in source.members
            and (not use.direct or placed(source.members[use.source]) != placed(use.axes))
            for out in reader.members
            for use in self.reads(reader, out)
        )

    def _wasteful(
        self, producer: Group, consumer: Group, mapping: dict[Axis, Axis]
    ) -> bool:
        """Whether the producer's values would be computed again and again.

        A producer of lower rank is computed once for each combination of the axes it
        lacks, unless it can be hoisted: it has no axes, or only outer ones beside an
        inner loop.
        """
        if producer.inner:
            return False
        lacking = [a for a in consumer.axes if a not in set(mapping.values())]
        if not lacking or not mapping:
            return False
        if all(a.inner for a in lacking) and not any(a.inner for a in mapping.values()):
            return False
        cost = sum(not is_cheap(v.owner) for v in producer.members)
        users = self._after[id(producer)]
        return cost > 0 or len(producer.members) > 4 or len(users) > 1

    def _absorb(
        self, producer: Group, consumer: Group, mapping: dict[Axis, Axis]
    ) -> None:
        for old, new in mapping.items():
            new.inner = new.inner or old.inner
        for axis in producer.axes:
            if axis not in mapping:
                mapping[axis] = axis
                consumer.axes.append(axis)
        for variable, axes in producer.members.items():
            self._reads.pop(variable, None)
            consumer.members[variable] = tuple(a and mapping[a] for a in axes)
            self.unit_of[variable] = consumer
        for variable, axes in producer.domains.items():
            consumer.domains[variable] = tuple(a and mapping[a] for a in axes)
        old_id, new_id = id(producer), id(consumer)
        for other in self._before.pop(old_id):
            self._after[other].discard(old_id)
            if other != new_id:
                self._after[other].add(new_id)
                self._before[new_id].add(other)
        for other in self._after.pop(old_id):
            self._before[other].discard(old_id)
            if other != new_id:
                self._before[other].add(new_id)
                self._after[new_id].add(other)
        self._order[new_id] = max(self._order[new_id], self._order[old_id])
        del self._unit[old_id]
        self._retired.append(producer)

    # --- results -----------------------------------------------------------------------

    def _order_updates(self) -> None:
        """Readers of a shared variable before the unit that makes its new value."""
        if not self.graph.updates:
            return
        sources = {u: set(self.sources(unit)) for u, unit in self._unit.items()}
        for target, new in self.graph.updates:
            writer = self.unit_of.get(new)
            if writer is None:
                continue
            for unit in self._unit.values():
                if (
                    unit is not writer
                    and target in sources[id(unit)]
                    and id(unit) not in self._after[id(writer)]
                    and not self._reaches(writer, unit)
                ):
                    self._after[id(unit)].add(id(writer))
                    self._before[id(writer)].add(id(unit))

    def _sorted(self) -> list[Unit]:
        """Units in order of computation; what can fail comes as early as possible."""
        urgent: set[int] = set()
        stack = [u for u, unit in self._unit.items() if _can_fail(unit)]
        while stack:
            unit_id = stack.pop()
            if unit_id not in urgent:
                urgent.add(unit_id)
                stack.extend(self._before[unit_id])
        waiting = {u: len(before) for u, before in self._before.items()}
        ready = [u for u, count in waiting.items() if count == 0]
        result: list[Unit] = []
        while ready:
            ready.sort(key=lambda u: (u not in urgent, self._order[u]))
            current = ready.pop(0)
            result.append(self._unit[current])
            for after in self._after[current]:
                waiting[after] -= 1
                if waiting[after] == 0:
                    ready.append(after)
        assert len(result) == len(self._unit), "fusion made a cycle"
        return result

    def _stored(self) -> set[Variable]:
        """What needs memory; cheap values of one stored operand are sunk to their users."""
        stored: set[Variable] = set()
        crossing: dict[Variable, None] = {}
        for unit in self.units:
            if isinstance(unit, Apply):
                stored.update(unit.outputs)
                for operand in unit.inputs:
                    stored.add(self._behind(operand).source)
                continue
            for out in unit.members:
                for use in self.reads(unit, out):
                    if use.source in self.inline:
                        stored.update(self._beneath(use.source))
                    elif not use.direct:
                        stored.add(use.source)
                    elif self.unit_of.get(use.source) is not unit:
                        crossing[use.source] = None
        for root in self.graph.roots:
            stored.add(self._behind(root).source)
            if root in self.unit_of:
                stored.add(root)
        for variable in crossing:
            if variable in stored:
                continue
            recipe = self._recipe(variable, stored)
            if recipe is None:
                stored.add(variable)
            else:
                self.inline.update(recipe)
                for member in recipe:
                    stored.update(self._beneath(member))
        return {v for v in stored if v.owner is None or v.owner.op.name not in VIEWS}

    def _recipe(self, variable: Variable, stored: set[Variable]) -> list[Variable] | None:
        """Cheap nodes that make a value of one stored operand, or None.

        A mask ``h > 0`` or a derivative ``1 - y**2`` is computed again by those who need
        it, from what is in memory anyway, rather than stored beside it.
        """
        steps: list[Variable] = []
        bases: set[Variable] = set()
        stack = [variable]
        while stack:
            current = stack.pop()
            node = current.owner
            if isinstance(current, Constant) or current in steps:
                continue
            if current in stored or node is None or current in self.inline:
                bases.add(current)
                continue
            if (
                node.op.name not in ("elementwise", "cast")
                or not is_cheap(node)
                or any(v.ndim not in (0, current.ndim) for v in node.inputs)
                or any(
                    v.ndim and self._dims(v) != self._dims(current) for v in node.inputs
                )
            ):
                return None
            steps.append(current)
            stack.extend(node.inputs)
        if len(steps) > 3 or len([v for v in bases if v.ndim]) != 1:
            return None
        return steps


def _is_iota(variable: Variable) -> bool:
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
    return getattr(node.op, "scalar", node.op.name) in CHEAP


def _can_fail(unit: Unit) -> bool:
    nodes: Sequence[Apply | None] = (
        [v.owner for v in unit.members] if isinstance(unit, Group) else [unit]
    )
    return any(node is not None and node.op.can_fail for node in nodes)
