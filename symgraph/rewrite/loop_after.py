"""What a loop need not do step by step: computed after it.

A product that no later step reads is done after the loop, for all steps at once, from
the rows that the loop leaves. A state that only adds up (the gradient of what is handed
in) becomes a sum over all rows: of products, it is one product,

    sum over t of a[t].T @ b[t]  =  A.T @ B    with A, B the rows of all steps

In and out: a `OpenLoop`. Rows that are needed become collected ones.
"""

import contextlib
from collections.abc import Sequence

from symgraph.core.node import Apply, Variable
from symgraph.core.traverse import ancestors, applies, replace
from symgraph.core.types import fast_type
from symgraph.loops.capture import is_view
from symgraph.loops.residuals import has_varying_shape
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.contraction import Dot
from symgraph.ops.families import Elementwise, cast, elementwise
from symgraph.ops.gather import ScatterAdd
from symgraph.ops.indexing import SetSubtensor, Subtensor
from symgraph.ops.movement import Concatenate, DimShuffle, Reshape
from symgraph.ops.reduction import Reduce
from symgraph.ops.shape import Extent, SpecifyShape, extents, multiply, static, variable
from symgraph.ops.slices import ALL
from symgraph.rewrite.batching import Timed, batched, indexed_axis
from symgraph.rewrite.loop import CollectedRow, LoopState, OpenLoop

#: where rows come from: a collected one, or a state and the first of its rows
Source = CollectedRow | tuple[LoopState, int]
PRODUCTS = "products_to_after_loop"
SUMS = "sums_to_after_loop"


class _Uneven(Exception):
    """Steps give a value different shapes, so there are no rows of it."""


def push_after(loop: OpenLoop) -> list[tuple[int, Variable, dict[Variable, Source]]]:
    """Take out of the loop what can follow it.

    Returns
    -------
    for each output of the node that will be made after the loop: its position, its
    expression in terms of leaves, and what each leaf stands for
    """
    if loop.condition is not None:
        return []
    return _Later(loop).taken()


class _Later:
    """The rows of a loop as they will be after it, and what is made of them."""

    def __init__(self, loop: OpenLoop) -> None:
        self.loop = loop
        rows, taps = loop.rows_and_taps()
        self.timed = loop.depending(rows | taps)
        self.sums = _accumulators(loop)
        ends = [s.new for s in loop.states if id(s) not in self.sums]
        self.needed = set(ancestors(ends))
        self.known: dict[Variable, Timed] = {}
        self.known.update((v, Timed(loop.first_rows(x), True)) for v, x in loop.rows)
        self.known.update((v, Timed(x, False)) for v, x in loop.rest)
        #: variable inside → leaf that stands for its rows
        self.leaves: dict[Variable, Variable] = {}
        self.heavy: set[Variable] = set()
        for node in applies(loop.roots):
            if any(v in self.heavy for v in node.inputs) or self._is_product(node):
                self.heavy.update(v for v in node.outputs if v not in self.needed)
        self.stored = {c.v for c in loop.collected}
        self.initial = {v: s.initial for s in loop.states for v in s.taps}

    def taken(self) -> list[tuple[int, Variable, dict[Variable, Source]]]:
        """Remove what is made later, and say how."""
        loop = self.loop
        found: list[tuple[int, Variable]] = []
        for position, slot in enumerate(loop.slots):
            made = None
            with contextlib.suppress(_Uneven):
                if isinstance(slot, CollectedRow) and slot.v in self.heavy:
                    if not isinstance(slot.v.owner, type(None)):
                        rows = self._pushed(slot.v)
                        made = rows.v if rows is not None and rows.timed else None
                elif isinstance(slot, LoopState) and id(slot) in self.sums:
                    made = self._total(slot)
            if made is not None:
                found.append((position, made))
        if not found:
            return []
        gone = {position for position, _ in found}
        left = {id(slot) for i, slot in enumerate(loop.slots) if i not in gone}
        dropped = {id(loop.slots[position]) for position in gone} - left
        loop.states = [s for s in loop.states if id(s) not in dropped]
        loop.collected = [c for c in loop.collected if id(c) not in dropped]
        loop.changed = True
        used = set(ancestors([v for _, v in found]))
        table: dict[Variable, Source] = {}
        for v, leaf in self.leaves.items():
            if leaf in used:
                table[leaf] = _held(loop, v) or loop.collect(v)
        return [(position, v, table) for position, v in found]

    # --- rows ----------------------------------------------------------------------

    def _is_product(self, node: Apply) -> bool:
        """A product of rows with what is the same in all steps, read by no step."""
        if not isinstance(node.op, Dot) or node.outputs[0] in self.needed:
            return False
        return [v in self.timed for v in node.inputs].count(True) == 1

    def rows(self, v: Variable) -> Timed:
        """The rows of v: known, a view of known ones, or to be collected."""
        found = self.known.get(v)
        if found is not None:
            return found
        node = v.owner
        if v not in self.timed and node is None:
            return Timed(v, False)
        made: list[Timed] | None = None
        if node is not None and isinstance(node.op, Extent):
            source = self.initial.get(node.inputs[0])
            if source is not None:
                size = Extent(node.op.axis + 1).make(source)[0]
                self.known[v] = Timed(size, False)
                return self.known[v]
        if node is not None and (v not in self.timed or moves(v)):
            if v not in self.stored:
                made = batched(node, [self.rows(u) for u in node.inputs], self.loop.n)
        if made is not None:
            self.known.update(zip(node.outputs, made, strict=True))  # type: ignore[union-attr]
            return self.known[v]
        leaf = self.leaves.get(v)
        if leaf is None:
            if has_varying_shape(v, self.timed):
                raise _Uneven
            steps = static(self.loop.n)
            type = fast_type(v.type.dtype, (steps, *v.type.shape))
            leaf = self.leaves[v] = Variable(type, None, 0, v.name, v.place)
        self.known[v] = Timed(leaf, True)
        return self.known[v]

    def _pushed(self, v: Variable) -> Timed | None:
        """The rows of v, computed after the loop from its products on."""
        if v not in self.heavy:
            return self.rows(v)
        if v in self.known:
            return self.known[v]
        assert v.owner is not None
        operands = [self._pushed(u) for u in v.owner.inputs]
        if any(o is None for o in operands):
            return None
        made = batched(v.owner, operands, self.loop.n)  # type: ignore[arg-type]
        if made is None:
            return None
        self.known.update(zip(v.owner.outputs, made, strict=True))
        return self.known[v]

    # --- sums ----------------------------------------------------------------------

    def _total(self, state: LoopState) -> Variable | None:
        """What a state adds up to."""
        total: Variable | None = None
        for sign, term in self.sums[id(state)]:
            part = self.summed(term)
            if part is None:
                return None
            if sign < 0:
                part = elementwise("neg").make(part)[0]
            total = part if total is None else elementwise("add").make(total, part)[0]
        if total is None:
            return None
        if _is_zero(state.initial) and total.ndim == state.initial.ndim - 1:
            return total
        spec = (0, *(ALL,) * (state.initial.ndim - 1))
        first = Subtensor(spec).make(state.initial)[0]
        return elementwise("add").make(first, total)[0]

    def summed(self, v: Variable) -> Variable | None:
        """The sum of v over all steps; None where it is better done in the loop."""
        if v not in self.timed:
            outer = self.rows(v).v
            times = cast(self.loop.n, v.type.dtype)
            return elementwise("mul").make(outer, times)[0]
        node = v.owner
        if node is not None:
            if isinstance(node.op, Dot):
                return self._product(*node.inputs)
            if isinstance(node.op, Reduce) and node.op.combine == "sum":
                x = self.rows(node.inputs[0]).v
                axes = (0, *(axis + 1 for axis in node.op.axes))
                return Reduce("sum", axes).make(x)[0]
            if isinstance(node.op, Elementwise):
                made = self._linear(node, node.op.scalar)
                if made is not None:
                    return made
            elif isinstance(node.op, DimShuffle | Reshape | SpecifyShape | Concatenate):
                return self._moved(node)
            elif isinstance(node.op, SetSubtensor | ScatterAdd):
                return self._placed(node)
        if v.ndim <= 1 or v in self.stored or v in self.known:
            return Reduce("sum", (0,)).make(self.rows(v).v)[0]
        return None

    def _linear(self, node: Apply, scalar: str) -> Variable | None:
        parts: Sequence[Variable | None]
        if scalar in ("add", "sub", "neg"):
            parts = [self.summed(v) for v in node.inputs]
        elif (
            scalar in ("mul", "div")
            and [v in self.timed for v in node.inputs].count(True) == 1
        ):
            if scalar == "div" and node.inputs[1] in self.timed:
                return None
            parts = [
                self.summed(v) if v in self.timed else self.rows(v).v
                for v in node.inputs
            ]
        elif scalar == "mul" and node.outputs[0].ndim == 2:
            return self._outer(*node.inputs)
        else:
            return None
        if any(p is None for p in parts):
            return None
        return node.op.make(*parts)[0]  # type: ignore[arg-type]

    def _outer(self, a: Variable, b: Variable) -> Variable | None:
        """a[:, None] * b[None, :] summed: one product."""
        column, row = (a, b) if _vector(a, (0, "x")) is not None else (b, a)
        left = _vector(column, (0, "x"))
        right = row if row.ndim == 1 else _vector(row, ("x", 0))
        if left is None or right is None:
            return None
        first = DimShuffle((1, 0)).make(self.rows(left).v)[0]
        return Dot().make(first, self.rows(right).v)[0]

    def _moved(self, node: Apply) -> Variable | None:
        parts = [
            self.summed(v) if v in self.timed else self.rows(v).v for v in node.inputs
        ]
        if any(p is None for p in parts):
            return None
        if isinstance(node.op, Concatenate) and any(
            v not in self.timed for v in node.inputs
        ):
            return None
        return node.op.make(*parts)[0]  # type: ignore[arg-type]

    def _placed(self, node: Apply) -> Variable | None:
        """What is put into zeros, summed first or added row by row."""
        base, *rest = node.inputs
        if base in self.timed or not _is_zero(base):
            return None
        zeros = self.rows(base).v
        if isinstance(node.op, SetSubtensor):
            value, *scalars = rest
            if any(v in self.timed for v in scalars):
                if indexed_axis(node.op.spec) != 0:
                    return None
                return self._scattered(zeros, scalars[0], value)
            part = self.summed(value)
            if part is None:
                return None
            return node.op.make(zeros, part, *(self.rows(v).v for v in scalars))[0]
        places, value = rest
        if node.op.axis != 0:  # type: ignore[attr-defined]
            return None
        return self._scattered(zeros, places, value)

    def _scattered(
        self, zeros: Variable, places: Variable, value: Variable
    ) -> Variable | None:
        """Rows added at places that differ from step to step."""
        at, new = self.rows(places), self.rows(value)
        if not at.timed or not new.timed or new.rank != at.rank + zeros.ndim - 1:
            return None
        return ScatterAdd(0).make(zeros, at.v, new.v)[0]

    def _product(self, a: Variable, b: Variable) -> Variable | None:
        if a in self.timed and b in self.timed:
            left, right = self._flat(a, a.ndim - 1), self._flat(b, 0)
            return Dot().make(left, right)[0]
        timed = a if a in self.timed else b
        total = Reduce("sum", (0,)).make(self.rows(timed).v)[0]
        other = self.rows(b if timed is a else a).v
        return Dot().make(*((total, other) if timed is a else (other, total)))[0]

    def _flat(self, v: Variable, axis: int) -> Variable:
        """The rows of v with time joined to `axis`, in front of it."""
        node = v.owner
        turned = (
            v.ndim == 2
            and node is not None
            and isinstance(node.op, DimShuffle)
            and node.op.pattern == (1, 0)
            and v not in self.known
        )
        if turned:
            assert node is not None
            flat = self._flat(node.inputs[0], 1 - axis)
            return DimShuffle((1, 0)).make(flat)[0]
        x = self.rows(v).v
        if v.ndim == 2 and axis == 1:
            x = DimShuffle((1, 0, 2)).make(x)[0]
        shape = extents(x)
        first = 1 if v.ndim == 2 and axis == 1 else 0
        joined = multiply(shape[first], shape[first + 1])
        wanted = (*shape[:first], joined, *shape[first + 2 :])
        return Reshape(len(wanted)).make(x, *map(variable, wanted))[0]


def moves(v: Variable) -> bool:
    """Whether v is other values moved about, or an extent."""
    node = v.owner
    return node is not None and (node.op.is_view or is_view(v))


def _vector(v: Variable, pattern: tuple[int | str, ...]) -> Variable | None:
    """The vector that v is a matrix of one row or column of."""
    node = v.owner
    if node is None or not isinstance(node.op, DimShuffle):
        return None
    return node.inputs[0] if node.op.pattern == pattern else None


def _is_zero(v: Variable) -> bool:
    while v.owner is not None and isinstance(v.owner.op, BroadcastTo):
        v = v.owner.inputs[0]
    data = getattr(v, "data", None)
    return data is not None and not data.any()


def _accumulators(loop: OpenLoop) -> dict[int, list[tuple[int, Variable]]]:
    """States of which only the last row counts and that only add up: their terms."""
    users: dict[Variable, int] = {}
    for node in applies(loop.roots):
        for v in node.inputs:
            users[v] = users.get(v, 0) + 1
    for v in loop.roots:
        users[v] = users.get(v, 0) + 1
    found: dict[int, list[tuple[int, Variable]]] = {}
    for s in loop.states:
        if s.places == (-1,) and s.keep == 1:
            terms = _added(s.new, s.taps[0], users)
            if terms is not None:
                found[id(s)] = terms
    return found


def _added(
    new: Variable, old: Variable, users: dict[Variable, int]
) -> list[tuple[int, Variable]] | None:
    """Signed terms where new = old + terms and nothing else reads old or new."""
    terms: list[tuple[int, Variable]] = []
    stack = [(1, new)]
    met = 0
    while stack:
        sign, v = stack.pop()
        if v is old:
            if sign < 0:
                return None
            met += 1
            continue
        node = v.owner
        name = node.op.scalar if node and isinstance(node.op, Elementwise) else ""
        if node is not None and name in ("add", "sub") and users[v] == 1:
            first, second = node.inputs
            stack += [(sign, first), (-sign if name == "sub" else sign, second)]
        else:
            terms.append((sign, v))
    if met != 1 or users.get(old) != 1 or new.owner is None or not terms:
        return None
    if any(old in ancestors([term]) for _, term in terms):
        return None
    return terms


def _held(loop: OpenLoop, v: Variable) -> Source | None:
    """The state of which v is a row, where all its rows are in the order of the steps."""
    if loop.op.backwards:
        return None
    for s in loop.states:
        length = -s.places[0]
        if v is s.new and s.keep is None:
            return s, length
        read = any(slot is s for slot in loop.slots)
        if v in s.taps and (s.keep is None or not read):
            s.keep = None
            return s, length + s.places[s.taps.index(v)]
    return None


def sources(
    made: Sequence[tuple[int, Variable, dict[Variable, Source]]],
) -> list[LoopState | CollectedRow]:
    """The states and rows that `later` will read."""
    return [
        source if isinstance(source, CollectedRow) else source[0]
        for _, _, table in made[:1]
        for source in table.values()
    ]


def later(
    made: Sequence[tuple[int, Variable, dict[Variable, Source]]],
    where: dict[int, Variable],
) -> dict[int, Variable]:
    """Position → what is made after the loop, now that its outputs exist."""
    if not made:
        return {}
    table = {}
    for leaf, source in made[0][2].items():
        if isinstance(source, CollectedRow):
            table[leaf] = where[id(source)]
            continue
        state, first = source
        spare = -state.places[0] - first
        entry = ("slice", first or None, -spare if spare else None, None)
        spec = (entry, *(ALL,) * (leaf.ndim - 1))
        table[leaf] = Subtensor(spec).make(where[id(state)])[0]
    found = replace([v for _, v, _ in made], table)
    return {position: v for (position, _, _), v in zip(made, found, strict=True)}
