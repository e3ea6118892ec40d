"""What rules may ask about the graph around a node: who uses it, which shape it has.

`Context` is made once for a sweep over a graph. `users` counts consumers, `same_shape`
proves that two variables have the same extents, `fit` gives a replacement the shape of
what it replaces. Two extents that cannot be shown to be equal count as different, so a
rewrite never drops the operand that a broadcast took its extent from.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from symgraph.core.node import Apply, Shape, Variable
from symgraph.errors import SymgraphError
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Elementwise
from symgraph.ops.shape import (
    Extent,
    SpecifyShape,
    extent_key,
    inferred_extents,
    is_late_key,
    static,
    variable,
)

#: an axis: a known extent other than 1, or the set of unknown extents it is broadcast of
#: (the empty set is extent 1)
Axis = int | frozenset[object]


class Equalities:
    """Extents that a graph needs to be equal, or else it fails when it runs.

    Inner extents of matrix products always; with `broadcasting` also unknown extents
    that meet in an elementwise op. One of those may turn out to be 1 in a call: who
    asks for that has to check it. What a function computes from values is known too
    late for such a check, and equals only itself.
    """

    def __init__(
        self,
        nodes: Iterable[Apply] = (),
        broadcasting: bool = False,
        ties: Iterable[tuple[Variable, Variable]] = (),
    ) -> None:
        self._parent: dict[object, object] = {}
        self.broadcasting = broadcasting
        for a, b in ties:
            self._unite(frozenset((extent_key(a),)), frozenset((extent_key(b),)))
        context = Context(equal=self)  # what met before is one extent
        for node in nodes:
            op = node.op
            pairs: list[tuple[Axis, Axis]] = []
            if op.factors is not None:
                a, b = (node.inputs[k] for k in op.factors)
                left, right = context.axes(a), context.axes(b)
                if left is None or right is None:
                    continue
                pairs.append((left[-1], right[0 if b.ndim == 1 else -2]))
                if op.is_batched:
                    pairs.append((left[0], right[0]))
            elif broadcasting and isinstance(op, Elementwise) and len(node.inputs) > 1:
                found = [axes for v in node.inputs if (axes := context.axes(v))]
                for first, second in pairwise(found):
                    pairs.extend(
                        (one, other)
                        for one, other in zip(first[::-1], second[::-1], strict=False)
                        if not (_is_late(one) or _is_late(other))
                    )
            for one, other in pairs:
                self._unite(one, other)

    def _unite(self, one: Axis, other: Axis) -> None:
        atoms: list[object] = []
        for axis in (one, other):
            if isinstance(axis, int):
                atoms.append(axis)
            elif len(axis) == 1:
                atoms.extend(axis)
        if len(atoms) != 2:
            return
        a, b = map(self.find, atoms)
        if a == b:
            return
        if isinstance(a, int):
            a, b = b, a
        if not isinstance(a, int):  # two known extents that differ fail in the call
            self._parent[a] = b

    def find(self, atom: object) -> object:
        """The representative of an extent: an int where one is known."""
        above = []
        while atom in self._parent:
            above.append(atom)
            atom = self._parent[atom]
        for passed in above[:-1]:  # the next look-up is short
            self._parent[passed] = atom
        return atom


def _is_late(axis: Axis) -> bool:
    """Whether values that are computed decide on an extent."""
    return not isinstance(axis, int) and any(map(is_late_key, axis))


class Context:
    """Knowledge about one graph that is being rewritten.

    Parameters
    ----------
    applications : the nodes of the graph at the start of the sweep
    roots : its outputs and new values
    equal : extents that are equal
    """

    def __init__(
        self,
        applications: Iterable[Apply] = (),
        roots: Sequence[Variable] = (),
        equal: "Equalities | None" = None,
    ) -> None:
        self._equal = equal
        self._users: dict[Variable, list[Apply | None]] = {}
        for node in applications:
            for v in node.inputs:
                self._users.setdefault(v, []).append(node)
        for v in roots:
            self._users.setdefault(v, []).append(None)
        self._axes: dict[Variable, tuple[Axis, ...] | None] = {}
        self._atoms: dict[Variable, Axis] = {}

    @property
    def assumes_equal(self) -> bool:
        """Whether unknown extents that meet in an elementwise op count as equal."""
        return self._equal is not None and self._equal.broadcasting

    # --- users -------------------------------------------------------------------

    def users(self, v: Variable) -> Sequence[Apply | None]:
        """The applications that read v, with multiplicity; None stands for a root."""
        return self._users.get(v, ())

    def knows(self, v: Variable) -> bool:
        """Whether v is used in the graph (and not only made by a rewrite)."""
        return v in self._users

    def is_shared(self, v: Variable) -> bool:
        """Whether more than one application or root reads v."""
        return len(self._users.get(v, ())) > 1

    def inherit(self, old: Variable, new: Variable) -> None:
        """`new` takes the place of `old`, which is not there any more."""
        if old is new or old not in self._users:
            return
        known = self._users.get(new)
        mine = self._users.pop(old)
        self._users[new] = list(mine) if known is None else known + mine

    def forget(self, gone: Iterable[Variable]) -> None:
        """These are not there any more: who makes one again pays for it."""
        for v in gone:
            self._users.pop(v, None)

    # --- shapes ------------------------------------------------------------------

    def axes(self, v: Variable) -> tuple[Axis, ...] | None:
        """Each axis in a form that is equal only for equal extents; None if unknown."""
        if v in self._axes:
            return self._axes[v]
        known = v.type.shape
        found: tuple[Axis, ...] | None
        if None not in known:
            found = tuple(frozenset() if e == 1 else e for e in known)  # type: ignore
        else:
            try:
                found = tuple(map(self.axis, inferred_extents(v)))
            except SymgraphError:
                found = None
        self._axes[v] = found
        return found

    def axis(self, extent: int | Variable) -> Axis:
        """An extent in a form that is equal only for equal extents."""
        number = static(extent)
        if number is not None:
            return frozenset() if number == 1 else number
        assert isinstance(extent, Variable)
        stack = [extent]
        while stack:
            current = stack[-1]
            if current not in self._atoms:
                parts = [e for e in _joined_of(current) if isinstance(e, Variable)]
                waiting = [
                    e for e in parts if static(e) is None and e not in self._atoms
                ]
                if waiting:
                    stack += waiting
                    continue
                self._atoms[current] = self._atom(current)
            stack.pop()
        return self._atoms[extent]

    def _atom(self, extent: Variable) -> Axis:
        """The axis of an extent, when those that it is joined of are known."""
        parts = _joined_of(extent)
        if parts:
            found: Axis = frozenset()
            for part in parts:
                found = self._union(found, self.axis(part))
            return found
        key = extent_key(extent)
        if self._equal is not None:
            key = self._equal.find(key)
            if isinstance(key, int):
                return key
        return frozenset((key,))

    def _union(self, one: Axis, other: Axis) -> Axis:
        """`_joined`, and one extent of those that are known to be equal."""
        if self._equal is not None and isinstance(one, frozenset):
            one = self._present(one)
        if self._equal is not None and isinstance(other, frozenset):
            other = self._present(other)
        return _joined(one, other)

    def _present(self, axis: frozenset[object]) -> Axis:
        assert self._equal is not None
        found = frozenset(map(self._equal.find, axis))
        known = next((key for key in found if isinstance(key, int)), None)
        return found if known is None else known

    def same_shape(self, a: Variable, b: Variable) -> bool:
        """Whether a and b are known to have equal extents in every valid call."""
        if a is b or (a.type.shape == b.type.shape and None not in a.type.shape):
            return True
        if a.ndim != b.ndim:
            return False
        left, right = self.axes(a), self.axes(b)
        return left is not None and left == right

    def covers(self, operands: Sequence[Variable], out: Variable) -> bool:
        """Whether the broadcast of the operands has the shape of `out`."""
        if max((v.ndim for v in operands), default=-1) != out.ndim:
            return False
        wanted = self.axes(out)
        if wanted is None:
            return False
        have: list[Axis] = [frozenset()] * out.ndim
        for v in operands:
            mine = self.axes(v)
            if mine is None:
                return False
            offset = out.ndim - len(mine)
            for i, axis in enumerate(mine):
                have[offset + i] = _joined(have[offset + i], axis)
        return tuple(have) == wanted

    def extents(self, v: Variable) -> Shape | None:
        """Extents of v that do not read v itself; None where that is not possible."""
        found = inferred_extents(v)
        for e in found:
            if isinstance(e, Variable) and e.owner is not None:
                if (
                    isinstance(e.owner.op, Extent)
                    and e.owner.inputs[0] is v
                    and v.owner
                ):
                    return None
        return found

    def fit(self, new: Variable, old: Variable) -> Variable | None:
        """`new` with the shape of `old`: itself, or broadcast; None if impossible."""
        if new is old:
            return None
        if self.same_shape(new, old):
            if new.type.shape == old.type.shape:
                return new
            merged = tuple(
                n if o is None else o
                for n, o in zip(new.type.shape, old.type.shape, strict=True)
            )
            return new if merged == new.type.shape else SpecifyShape(merged)(new)
        if new.ndim > old.ndim:
            return None
        extents = self.extents(old)
        if extents is None:
            return None
        return BroadcastTo(old.ndim)(new, *map(variable, extents))


def _joined_of(extent: Variable) -> Sequence[int | Variable]:
    """The extents that one is broadcast of, or the one that it is; none otherwise."""
    node = extent.owner
    if node is None:
        return ()
    if isinstance(node.op, Elementwise):
        return node.inputs if node.op.scalar == "broadcast_extent" else ()
    if isinstance(node.op, Extent):
        x = node.inputs[0]
        if x.owner is not None:
            found = inferred_extents(x)[node.op.axis]
            if found is not extent:
                return (found,)
    return ()


def _joined(a: Axis, b: Axis) -> Axis:
    if isinstance(a, int):
        return a
    return b if isinstance(b, int) else a | b
