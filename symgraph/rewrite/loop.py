"""A scan taken apart, so that rewrites can change it, and put together again.

`OpenLoop` names what a `Scan` node has by position: sequences with the variable of their
row, states with their taps, what is handed in, what is collected. `slots` says for each
output of the node what it is now: a state, a collected row, or a variable outside that
took its place. In: a node. Out: variables for its outputs.
"""

from collections.abc import Iterable, Mapping, Sequence

from symgraph.core.inner import Inner
from symgraph.core.node import Constant, Variable
from symgraph.core.record import Record
from symgraph.core.traverse import ancestors, applies, leaves, replace
from symgraph.loops.layout import Parts
from symgraph.loops.scan import Scan
from symgraph.ops.indexing import Subtensor
from symgraph.ops.shape import extent_key, inferred_extents, offset
from symgraph.ops.slices import ALL
from symgraph.rewrite.batching import rows_of


class LoopState(Record, frozen=False):
    """A state: its taps in ascending order, its variables inside, its initial rows."""

    places: tuple[int, ...]
    taps: list[Variable]
    initial: Variable
    new: Variable
    keep: int | None


class CollectedRow(Record, frozen=False):
    """A row that is collected."""

    v: Variable


class Count(Record, frozen=False):
    """The number of steps that were done."""


Slot = LoopState | CollectedRow | Count | Variable


class OpenLoop:
    """A scan node, open for changes.

    Attributes
    ----------
    rows : (variable inside, sequence outside)
    rest : (variable inside, operand outside)
    states, collected, condition : see `Scan`
    slots : for each output of the node what it is
    changed : whether anything is not as it was
    """

    def __init__(self, op: Scan, operands: Sequence[Variable]) -> None:
        given, inside = op.parts(operands), op.inner_parts()
        made = op.results(op.inner.outputs)
        self.op = op
        self.n: Variable = given.n
        self.rows = list(zip(inside.rows, given.sequences, strict=True))
        self.rest = list(zip(inside.rest, given.rest, strict=True))
        self.states = [
            LoopState(places, taps, initial, new, keep)
            for places, taps, initial, new, keep in zip(
                op.states, inside.taps, given.initial, made.states, op.keep, strict=True
            )
        ]
        self.collected = [CollectedRow(v) for v in made.collected]
        self.condition: Variable | None = made.last
        self.slots: list[Slot] = [*self.states, *self.collected]
        if op.until:
            self.slots.append(Count())
        self.changed = False

    # --- looking -----------------------------------------------------------------

    @property
    def roots(self) -> list[Variable]:
        """What a step computes."""
        ends = [] if self.condition is None else [self.condition]
        return [s.new for s in self.states] + [c.v for c in self.collected] + ends

    def rows_and_taps(self) -> tuple[set[Variable], set[Variable]]:
        """Variables inside that come from sequences, and those that come from states."""
        return {v for v, _ in self.rows}, {v for s in self.states for v in s.taps}

    def depending(self, on: Iterable[Variable]) -> set[Variable]:
        """Variables inside that depend on some of `on`, these included."""
        found = set(on)
        for node in applies(self.roots):
            if any(v in found for v in node.inputs):
                found.update(node.outputs)
        return found

    def first_rows(self, x: Variable) -> Variable:
        """The rows of a sequence that the steps go through."""
        (rows, more), (steps, less) = map(offset, (inferred_extents(x)[0], self.n))
        if extent_key(rows) != extent_key(steps) or more < less:
            return rows_of(x, self.n)
        if more == less:
            return x
        spec = (("slice", None, less - more, None), *(ALL,) * (x.ndim - 1))
        return Subtensor(spec).make(x)[0]

    # --- changing ----------------------------------------------------------------

    def substitute(self, table: Mapping[Variable, Variable]) -> None:
        """Put other variables in place of some, in all that a step computes."""
        made = iter(replace(self.roots, table))
        for s in self.states:
            s.new = next(made)
        for c in self.collected:
            c.v = next(made)
        if self.condition is not None:
            self.condition = next(made)
        self.changed = True

    def hand_in(self, v: Variable, outer: Variable, sequence: bool) -> Variable:
        """A new variable inside for a value outside; v is what it stands for."""
        fresh = Variable(v.type, None, 0, v.name, v.place)
        (self.rows if sequence else self.rest).append((fresh, outer))
        self.changed = True
        return fresh

    def collect(self, v: Variable) -> CollectedRow:
        """The collected row of v, new or not."""
        for row in self.collected:
            if row.v is v:
                return row
        made = CollectedRow(v)
        self.collected.append(made)
        self.changed = True
        return made

    def drop(
        self,
        wanted: Iterable[int] | None = None,
        held: Iterable[LoopState | CollectedRow] = (),
    ) -> None:
        """Leave out what no wanted output needs, and operands that nothing reads.

        `held` are states and rows that are wanted beside the outputs.
        """
        if wanted is not None:
            keep = set(wanted)
            self.slots = [
                slot if i in keep else Count() for i, slot in enumerate(self.slots)
            ]
        needed = {id(slot) for slot in (*self.slots, *held)}
        ends = [] if self.condition is None else [self.condition]
        collected = [c for c in self.collected if id(c) in needed]
        states = [s for s in self.states if id(s) in needed]
        while True:
            read = set(
                leaves([*(s.new for s in states), *(c.v for c in collected), *ends])
            )
            more = [
                s
                for s in self.states
                if not any(s is other for other in states)
                and any(v in read for v in s.taps)
            ]
            if not more:
                break
            states += more
        ordered = [s for s in self.states if any(s is other for other in states)]
        for s in ordered:
            if id(s) not in needed and s.keep is None:
                s.keep, self.changed = 1, True
        rows = [(v, x) for v, x in self.rows if v in read]
        rest = [(v, x) for v, x in self.rest if v in read]
        lost = (
            len(rows) < len(self.rows)
            or len(rest) < len(self.rest)
            or len(ordered) < len(self.states)
            or len(collected) < len(self.collected)
        )
        self.changed |= lost
        self.rows, self.rest = rows, rest
        self.states, self.collected = ordered, collected

    # --- closing -----------------------------------------------------------------

    def closed(self) -> tuple[Scan, list[Variable]]:
        """The op and its operands, as they are now."""
        inputs = [
            *(v for v, _ in self.rows),
            *(v for s in self.states for v in s.taps),
            *(v for v, _ in self.rest),
        ]
        op = self.op.replace(
            inner=Inner(inputs, self.roots),
            sequences=len(self.rows),
            states=tuple(s.places for s in self.states),
            keep=tuple(s.keep for s in self.states),
            until=self.condition is not None,
            truncate=None,
            recomputed=False,
        )
        given = Parts(
            self.n,
            [x for _, x in self.rows],
            [s.initial for s in self.states],
            [x for _, x in self.rest],
        )
        return op, given.operands()

    def finished(self) -> "Outputs":
        """Build the scan; where each state and each collected row comes out."""
        op, operands = self.closed()
        if not self.states and not self.collected:
            return Outputs({}, None)
        found = op.results(op.make(*operands))
        where = {id(s): v for s, v in zip(self.states, found.states, strict=True)}
        where.update(
            {id(c): v for c, v in zip(self.collected, found.collected, strict=True)}
        )
        return Outputs(where, found.last)


class Outputs(Record, frozen=False):
    """Where the states and rows of a loop come out."""

    where: dict[int, Variable]
    count: Variable | None

    def of(self, slot: Slot) -> Variable | None:
        """The variable outside for a slot; None for what was dropped."""
        if isinstance(slot, Variable):
            return slot
        if isinstance(slot, Count):
            return self.count
        return self.where.get(id(slot))


def varying(v: Variable) -> bool:
    """Whether something beside constants is in the expression of v."""
    return any(u.owner is None and not isinstance(u, Constant) for u in ancestors([v]))
