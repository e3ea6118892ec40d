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

from collections.abc import Mapping

from symgraph.core.graph import Graph
from symgraph.core.node import Variable
from symgraph.lower.concat_in_place import join_in_place
from symgraph.lower.extents import Extents
from symgraph.lower.fusion_groups import (
    Axes,
    Axis,
    Group,
    Unit,
    Use,
    can_fail,
    fit_together,
    is_cheap,
    is_computed,
)
from symgraph.lower.materialization import inline_values, stored_values, summed_products
from symgraph.lower.operand_access import OperandAccess
from symgraph.lower.order import Order
from symgraph.lower.sizes import ONE, lates_of

#: groups that read one value: each is tried with so many of the next ones
NEIGHBOURS = 16


class Fusion(OperandAccess):
    """The units of a graph. `units` are in a valid order; `stored` need a buffer."""

    def __init__(
        self,
        graph: Graph,
        extents: Extents,
        homes: Mapping[Variable, Variable],
        unrolled: frozenset[int] = frozenset(),
    ) -> None:
        """`homes`: what decides extents → the variable that has its value."""
        super().__init__(graph, extents, unrolled)
        self.unit_of: dict[Variable, Unit] = {}
        self.kept = frozenset(graph.kept)  # read while the program runs: units alone
        #: what is stored whoever reads it
        self.results = {self.behind(root).source for root in graph.roots}
        self._homes = homes
        self._rank: dict[int, int] = {}  # unit → its last node
        nodes = graph.applies()
        self.inline = inline_values(self, nodes)
        summed = summed_products(self, nodes)
        for position, node in enumerate(nodes):
            if not is_computed(node) or node.outputs[0] in self.inline:
                continue
            if node.outputs[0] in summed:
                continue
            unit: Unit = node
            if node.op.is_fused:
                unit = self.single(node)
                below = node.inputs[0]
                if below in summed:
                    unit.members[below] = unit.domains[node.outputs[0]]
                    unit.weight *= 2
                    self.unit_of[below] = unit
            self._rank[id(unit)] = position
            for variable in node.outputs:
                self.unit_of[variable] = unit
        self.nodes = nodes
        self._retired: list[Group] = []  # kept, so that no id is used twice
        self._link()
        self._merge_producers()
        self._merge_neighbours()
        self._order_updates()
        self.units = self._sorted()
        self.stored = stored_values(self, self.units, self.unit_of)
        self._merge_neighbours()  # what is made again may be made by one for two
        self.units = self._sorted()
        self.parts = join_in_place(
            self.units,
            self.unit_of,
            self.stored,
            graph,
            extents,
            self.inline,
            self._is_sized,
        )
        if self.parts:
            joins = {id(part.whole.owner) for part in self.parts.values()}
            self.units = [unit for unit in self.units if id(unit) not in joins]
            self.stored -= self.parts.keys()
        #: members that are written to memory, under their own name or as parts
        self.saved = self.stored | self.parts.keys()
        for unit in self.units:
            if isinstance(unit, Group):
                self._restore_loops(unit)

    # --- the graph of units ---------------------------------------------------------

    def _link(self) -> None:
        self._unit: dict[int, Unit] = {
            id(unit): unit for unit in dict.fromkeys(self.unit_of.values())
        }
        self.order = Order(self._unit)
        for number, unit in self._unit.items():
            for source in self.sources(unit):
                self._follows(number, self.unit_of.get(source))
        self._link_late()
        self.order.settle(self._rank)

    def _follows(self, number: int, other: Unit | None) -> None:
        """Note that a unit needs what another one computes."""
        if other is not None:
            self.order.link(number, id(other))

    def _link_late(self) -> None:
        """What has extents that are computed comes after their computation."""
        makers: dict[int, list[Unit]] = {}
        for number in range(len(self.extents.atoms.recipes)):
            found = self._makers_of(number)
            if found:
                makers[number] = found
        if not self._homes:
            return
        for number, unit in self._unit.items():
            for atom in self.atoms_of(unit) & makers.keys():
                for maker in makers[atom]:
                    self._follows(number, maker)
            for late in self._awaited(unit):
                self._follows(number, self.unit_of[self._homes[late]])

    def _awaited(self, unit: Unit) -> set[Variable]:
        """What decides extents of the memory that a unit touches.

        An extent that must be equal to a known one is that one in kernels. That they are
        equal is checked when it has been computed, so what relies on it comes after.
        """
        found: set[Variable] = set()
        made = unit.members if isinstance(unit, Group) else unit.outputs
        for variable in (*made, *self.sources(unit)):
            for extent in self.extents.raw(variable):
                found |= self._decided_by(extent)
        return found

    def _decided_by(self, extent: object) -> set[Variable]:
        """The computed values that an extent, as an expression, is made of."""
        found: set[Variable] = set()
        stack, seen = [extent], set()
        while stack:
            current = stack.pop()
            if not isinstance(current, Variable) or current in seen:
                continue
            seen.add(current)
            node = current.owner
            if current in self._homes:
                found.add(current)
            elif node is not None and node.op.name == "extent":
                raw = self.extents.raw(node.inputs[0])
                stack.append(raw[node.op.axis] if raw else None)  # type: ignore[attr-defined]
            elif node is not None and current.ndim == 0:
                stack.extend(node.inputs)
        return found

    def _makers_of(self, atom: int) -> list[Unit]:
        """The units of this graph that compute what an atom is computed from."""
        atoms = self.extents.atoms
        homes = [
            self._homes.get(atoms.late[late]) for late in lates_of(atoms.recipes[atom])
        ]
        return [self.unit_of[home] for home in homes if home is not None]

    def _is_sized(self, whole: Variable, group: Group) -> bool:
        """Whether the memory of a variable is there when a group runs."""
        makers = {
            id(maker)
            for extent in self.dims(whole)
            for atom in extent.atoms()
            for maker in self._makers_of(atom)
        }
        for unit in self.units if makers else ():
            if unit is group:
                break
            makers.discard(id(unit))
        return not makers

    # --- merging ---------------------------------------------------------------------

    def _note_readers(self) -> None:
        """Which members of groups read each value, or make it again from what they read."""
        self._readers: dict[Variable, list[Variable]] = {}
        for unit in self._unit.values():
            if isinstance(unit, Group):
                for out in unit.members:
                    for use in self.reads(unit, out):
                        for source in {use.source, *self.beneath(use.source)}:
                            self._readers.setdefault(source, []).append(out)

    def _merge_producers(self) -> None:
        self._note_readers()
        for node in self.nodes:
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
        self._note_readers()
        readers: dict[Variable, dict[int, Variable]] = {}
        for number, unit in self._unit.items():
            if isinstance(unit, Group):
                for out in unit.members:
                    for use in self.reads(unit, out):
                        for source in self._seen(use):
                            readers.setdefault(source, {}).setdefault(number, out)
        for source, found in readers.items():
            outs = list(found.values())  # one for each group
            for place, one in enumerate(outs):
                for other in outs[place + 1 : place + 1 + NEIGHBOURS]:
                    first, second = self.unit_of[one], self.unit_of[other]
                    if (
                        first is not second
                        and isinstance(first, Group)
                        and isinstance(second, Group)
                        and len(first.axes) == len(second.axes)
                        and fit_together(first, second)
                    ):
                        self._join_readers(one, other, source)

    def _join_readers(self, one: Variable, other: Variable, source: Variable) -> None:
        """Merge the groups of two values whose nodes run over `source` alike."""
        first, second = self.unit_of[one], self.unit_of[other]
        assert isinstance(first, Group) and isinstance(second, Group)
        a, b = (
            self._axes_over(first, one, source),
            self._axes_over(second, other, source),
        )
        if a is None or b is None:
            return
        pairs: dict[Axis, Axis] = {}
        for x, y in zip(a, b, strict=True):
            if (x is None) != (y is None):
                return
            if x is not None and y is not None:
                pairs[x] = y
        if len(set(map(id, pairs.values()))) != len(pairs):
            return
        if len(pairs) != len(first.axes):
            return
        units = id(first), id(second)
        if self.order.needs(*units) or self.order.reaches(*reversed(units)):
            return
        self._join(first, second, pairs, neighbours=True)

    def _axes_over(self, group: Group, out: Variable, source: Variable) -> Axes | None:
        for use in self.reads(group, out):
            if source in self._seen(use):
                return use.axes
        return None

    def _seen(self, use: Use) -> list[Variable]:
        """The source of a use; of a value made again from a stored one, that one."""
        if not use.direct:
            return []
        if use.source not in self.inline:
            return [use.source] if use.source.ndim else []
        shape = self.dims(use.source)
        return [v for v in self.beneath(use.source) if v.ndim and self.dims(v) == shape]

    def _join(
        self,
        producer: Group,
        consumer: Group,
        pairs: dict[Axis, Axis] | None,
        neighbours: bool = False,
    ) -> bool:
        """Merge `producer` into `consumer` if their loops agree; says whether it did."""
        if pairs is None or not fit_together(producer, consumer):
            return False
        if any(v in self.kept for group in (producer, consumer) for v in group.members):
            return False
        mapping = self._agree(producer, consumer, pairs)
        if mapping is None:
            return False
        if self._misread(producer, consumer, mapping):
            return False
        if self.order.reaches(id(producer), id(consumer)):
            return False
        if not neighbours and self._wasteful(producer, consumer, mapping):
            return False
        if not neighbours and self._slowed(producer, consumer, mapping):
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

    def _misread(self, one: Group, other: Group, mapping: dict[Axis, Axis]) -> bool:
        """Whether a value is read elsewhere than where the merged loops compute it.

        Through a slice, or at other axes, as the second operand of ``y - y.T`` is.
        Only what the smaller group reads and makes is looked at.
        """

        def placed(axes: Axes) -> Axes:
            return tuple(a and mapping.get(a, a) for a in axes)

        def misread(use: Use, source: Group) -> bool:
            if use.source in source.members:
                made = source.members[use.source]
                return not use.direct or placed(made) != placed(use.axes)
            return (  # what an inline value is made of is read from memory
                use.source in self.inline
                and any(v in source.members for v in self.beneath(use.source))
            )

        small, large = sorted((one, other), key=lambda group: len(group.members))
        readers = {
            out
            for variable in small.members
            for out in self._readers.get(variable, ())
            if out in large.members
        }
        return any(
            misread(use, large)
            for out in small.members
            for use in self.reads(small, out)
        ) or any(
            misread(use, small) for out in readers for use in self.reads(large, out)
        )

    def _wasteful(
        self, producer: Group, consumer: Group, mapping: dict[Axis, Axis]
    ) -> bool:
        """Whether the producer's values would be computed again and again.

        A producer of lower rank is computed once for each combination of the axes it
        lacks, unless it can be hoisted: it has no axes, or only outer ones beside an
        inner loop. A result among them is written to memory, which must be done once.
        """
        if producer.inner:
            return False
        lacking = [a for a in consumer.axes if a not in set(mapping.values())]
        if not lacking or not mapping:
            return False
        if all(a.inner for a in lacking) and not any(a.inner for a in mapping.values()):
            return False
        cost = sum(not is_cheap(v.owner) for v in producer.members)
        users = self.order.after[id(producer)]
        return (
            cost > 0
            or len(producer.members) > 4
            or len(users) > 1
            or not self.results.isdisjoint(producer.members)
        )

    def _slowed(
        self, producer: Group, consumer: Group, mapping: dict[Axis, Axis]
    ) -> bool:
        """Whether costly values at points would leave their vectors for an outer loop.

        Beside an inner loop they are computed one by one, as the two exponentials of a
        softmax of two classes after a product; alone they are vectors of rows.
        """
        if all(a in mapping for a in producer.inner) or not consumer.axes:
            return False
        return any(
            not is_cheap(v.owner)
            and any(e != ONE for e, a in zip(self.dims(v), axes, strict=True) if not a)
            for v, axes in consumer.members.items()
        )

    def _absorb(
        self, producer: Group, consumer: Group, mapping: dict[Axis, Axis]
    ) -> None:
        for axis, image in mapping.items():
            image.inner = image.inner or axis.inner
        for axis in producer.axes:
            if axis not in mapping:
                mapping[axis] = axis
                consumer.axes.append(axis)
        for variable, axes in producer.members.items():
            self.forget(variable)
            consumer.members[variable] = tuple(a and mapping[a] for a in axes)
            self.unit_of[variable] = consumer
        for variable, axes in producer.domains.items():
            consumer.domains[variable] = tuple(a and mapping[a] for a in axes)
        old, new = id(producer), id(consumer)
        consumer.weight += producer.weight
        self.order.merge(old, new)
        self._rank[new] = max(self._rank[new], self._rank.pop(old))
        del self._unit[old]
        self._retired.append(producer)

    def _restore_loops(self, group: Group) -> None:
        """Give points loops again where all members are of one shape.

        Memory is then run through as it lies. A reduction must be over all axes.
        """
        reads = {out: self.reads(group, out) for out in group.members}
        full = [
            self.dims(v.owner.inputs[0] if v in group.domains else v)  # type: ignore[union-attr]
            for v in group.members
        ]
        shape = max(full, key=len, default=())
        if not any(e.constant in self.unrolled for e in shape):
            return
        inner = bool(group.domains)
        if inner and group.outer:
            return
        for out, dims in zip(group.members, full, strict=True):
            single = all(e == ONE for e in self.dims(out))
            whole = dims == shape and (out not in group.domains or single)
            beside = inner and single and out not in group.domains
            if not (whole or beside):
                return
            if out.owner.op.gathers:  # type: ignore[union-attr]
                return
        known = [a for v, a in group.members.items() if self.dims(v) == shape]
        known += list(group.domains.values())
        old = next((axes for axes in known if len(axes) == len(shape)), None)
        if old is None or any(axes != old for axes in known):
            return
        if any(
            use.source in group.members and use.axes != group.members[use.source]
            for uses in reads.values()
            for use in uses
        ):
            return
        new = tuple(
            axis or (None if extent == ONE else Axis(extent, inner))
            for axis, extent in zip(old, shape, strict=True)
        )
        group.axes = [a for a in new if a is not None]
        for variable in group.members:
            if self.dims(variable) == shape:
                group.members[variable] = new
            self.forget(variable)
        for variable in group.domains:
            group.domains[variable] = new

    # --- results -----------------------------------------------------------------------

    def _order_updates(self) -> None:
        """Readers of a shared variable before the unit that makes its new value."""
        if not self.graph.updates:
            return
        readers: dict[Variable, dict[int, None]] = {
            target: {} for target, _ in self.graph.updates
        }
        for number, unit in self._unit.items():
            for source in self.sources(unit):
                if source in readers:
                    readers[source][number] = None
        for target, new in self.graph.updates:
            writer = self.unit_of.get(new)
            if writer is None:
                continue
            for reader in readers[target]:
                if (
                    reader != id(writer)
                    and not self.order.needs(reader, id(writer))
                    and not self.order.reaches(id(writer), reader)
                ):
                    self.order.follow(id(writer), reader)

    def _sorted(self) -> list[Unit]:
        """Units in order of computation; what can fail comes as early as possible."""
        urgent: set[int] = set()
        stack = [u for u, unit in self._unit.items() if can_fail(unit)]
        while stack:
            number = stack.pop()
            if number not in urgent:
                urgent.add(number)
                stack.extend(self.order.before[number])
        rank = {u: (u not in urgent, position) for u, position in self._rank.items()}
        return [self._unit[u] for u in self.order.sorted(rank)]
