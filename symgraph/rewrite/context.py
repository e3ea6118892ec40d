"""What rules may ask about the graph around a node: who uses it, which shape it has.

`Context` is made once for a sweep over a graph. `users` counts consumers, `same_shape`
proves that two variables have the same extents, `fit` gives a replacement the shape of
what it replaces. Two extents that cannot be shown to be equal count as different, so a
rewrite never drops the operand that a broadcast took its extent from.
"""

from collections.abc import Iterable, Sequence

from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.op import Shape
from symgraph.core.types import fast_type
from symgraph.errors import SymgraphError
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Elementwise
from symgraph.ops.shape import (
    Extent,
    SpecifyShape,
    extent_key,
    inferred_extents,
    static,
    variable,
)

#: an axis: a known extent other than 1, or the set of unknown extents it is broadcast of
#: (the empty set is extent 1)
Axis = int | frozenset[object]


class Context:
    """Knowledge about one graph that is being rewritten.

    Parameters
    ----------
    applications : the nodes of the graph at the start of the sweep
    roots : its outputs and new values
    """

    def __init__(
        self, applications: Iterable[Apply] = (), roots: Sequence[Variable] = ()
    ) -> None:
        self._users: dict[Variable, list[Apply | None]] = {}
        for node in applications:
            for v in node.inputs:
                self._users.setdefault(v, []).append(node)
        for v in roots:
            self._users.setdefault(v, []).append(None)
        self._axes: dict[Variable, tuple[Axis, ...] | None] = {}
        self._atoms: dict[Variable, Axis] = {}

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
        """`new` takes the place of `old`."""
        if old is new or old not in self._users:
            return
        known = self._users.get(new)
        mine = self._users[old]
        self._users[new] = list(mine) if known is None else known + mine

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
                found = tuple(map(self._axis, inferred_extents(v)))
            except SymgraphError:
                found = None
        self._axes[v] = found
        return found

    def _axis(self, extent: int | Variable) -> Axis:
        number = static(extent)
        if number is not None:
            return frozenset() if number == 1 else number
        assert isinstance(extent, Variable)
        found = self._atoms.get(extent)
        if found is None:
            found = self._atoms[extent] = self._atom(extent)
        return found

    def _atom(self, extent: Variable) -> Axis:
        node = extent.owner
        if node is not None and isinstance(node.op, Elementwise):
            if node.op.scalar == "broadcast_extent":
                return _joined(*map(self._axis, node.inputs))
        if node is not None and isinstance(node.op, Extent):
            x = node.inputs[0]
            if x.owner is not None:
                found = inferred_extents(x)[node.op.axis]
                if found is not extent:
                    return self._axis(found)
        return frozenset((extent_key(extent),))

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
                if isinstance(e.owner.op, Extent) and e.owner.inputs[0] is v and v.owner:
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


def _joined(a: Axis, b: Axis) -> Axis:
    if isinstance(a, int):
        return a
    return b if isinstance(b, int) else a | b


def like(v: Variable, dtype: str) -> object:
    """The type of v with another dtype."""
    return fast_type(dtype, v.type.shape)


def is_scalar(v: Variable) -> bool:
    """Whether v has one element in every call."""
    return all(e == 1 for e in v.type.shape)


def is_constant(v: Variable) -> bool:
    """Whether v is known while compiling."""
    return isinstance(v, Constant)
