"""Gradients of guarded values: 0 where the guard took the other branch.

    y = switch(c, f(x), b):    dx = switch(c, dy * f'(x), 0)

The rule of `switch` gives ``switch(c, dy, 0)``, and that times an f'(x) which is infinite
or NaN where c is false would be NaN: log(x) at 0, sin(x) / x, the norm of zeros. So what
is multiplied with such a gradient goes inside the choice, in elementwise ops, in their
sums over broadcast axes and in rearrangements. JAX and PyTorch do not do this. A guard
that varies along an axis that is summed ends there, and so it does in other ops.

In: gradients as the rules of ops give them. Out: the same, with the choice outermost.
"""

from collections.abc import Callable, Sequence

from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.record import Record
from symgraph.ops.broadcast import SumTo
from symgraph.ops.comparison import invert, switch
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.movement import DimShuffle
from symgraph.ops.reading import is_mask
from symgraph.ops.shape import extent_key, inferred_extents
from symgraph.ops.undefined import Marker

WHERE = Elementwise("where")
#: how far conditions are compared that were written twice
DEPTH = 4


class Guard(Record):
    """A gradient is `inside` where the condition is `holds`, 0 elsewhere.

    `target` is the variable to whose shape that is summed, if it is: an axis that may
    turn out to be broadcast.
    """

    condition: Variable
    holds: bool
    inside: Variable
    target: Variable | None = None

    def around(self, inside: Variable) -> Variable:
        """Something else under the same guard."""
        within = guard_of(inside)
        if within is None or within.target is not None:
            found = _choice(self.condition, self.holds, inside)
        else:
            both = self._holding() & within._holding()
            found = _choice(both, True, within.inside)
        return found if self.target is None else SumTo()(found, self.target)

    def _holding(self) -> Variable:
        return self.condition if self.holds else invert(self.condition)

    def equals(self, other: "Guard") -> bool:
        """Whether both are 0 at the same elements."""
        return self.holds == other.holds and _same(
            self.condition, other.condition, DEPTH
        )


def _choice(condition: Variable, holds: bool, inside: Variable) -> Variable:
    return switch(condition, inside, 0) if holds else switch(condition, 0, inside)


def _same(a: Variable, b: Variable, depth: int) -> bool:
    """Whether two expressions are the same, as far as that is looked at."""
    if a is b or a.index != b.index:
        return a is b
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a.type == b.type and a.ndim == 0 and bool(a.data == b.data)
    if a.owner is None or b.owner is None or not depth or a.owner.op != b.owner.op:
        return False
    pairs = zip(a.owner.inputs, b.owner.inputs, strict=True)
    return all(_same(u, v, depth - 1) for u, v in pairs)


def _is_zero(v: Variable) -> bool:
    while v.owner is not None and isinstance(v.owner.op, Cast):
        (v,) = v.owner.inputs
    return isinstance(v, Constant) and not v.data.any()


def guard_of(g: Variable) -> Guard | None:
    """The guard of a gradient, if it has one."""
    node = g.owner
    if node is None:
        return None
    if isinstance(node.op, SumTo):
        summed, target = node.inputs
        if summed.owner is not None and isinstance(summed.owner.op, SumTo):
            return None
        found = guard_of(summed)
        return None if found is None else found.replace(target=target)
    if node.op != WHERE:
        return None
    condition, a, b = node.inputs
    if _is_zero(a) == _is_zero(b) or is_mask(condition):
        return None
    return Guard(condition, False, b) if _is_zero(a) else Guard(condition, True, a)


def guarded(node: Apply, outputs: Sequence[Variable | None]) -> Sequence[object]:
    """`gradients_of` the node, each under the guard of the gradient of its output."""
    op = node.op
    found = None
    if len(outputs) == 1 and outputs[0] is not None:
        if isinstance(op, Elementwise | Cast | DimShuffle):
            found = guard_of(outputs[0])
    if found is None:
        return op.gradients_of(node, outputs)
    if isinstance(op, DimShuffle):
        return _rearranged(node, found) or op.gradients_of(node, outputs)
    return [
        part if part is None or isinstance(part, Marker) else found.around(part)
        for part in op.gradients_of(node, [found.inside])
    ]


def _rearranged(node: Apply, guard: Guard) -> Sequence[object] | None:
    """The gradient of a dimshuffle, its parts rearranged under the guard."""
    assert isinstance(node.op, DimShuffle)
    ((x,), (out,)) = node.inputs, node.outputs
    back: list[int | str] = ["x"] * x.ndim
    for place, axis in enumerate(node.op.pattern):
        if axis != "x":
            back[int(axis)] = place
    gone = set(range(out.ndim)) - set(back)
    if guard.target is not None:
        return None
    parts = []
    for v in (guard.condition, guard.inside):
        lead = out.ndim - v.ndim
        own = [p if isinstance(p, str) or p >= lead else "x" for p in back]
        pattern = [p if isinstance(p, str) else p - lead for p in own]
        if any(v.type.shape[k - lead] != 1 for k in gone if k >= lead):
            return None
        parts.append(DimShuffle(tuple(pattern))(v))
    return [_choice(parts[0], guard.holds, parts[1])]


def joined(one: Variable, other: Variable, variable: Variable) -> Variable:
    """The sum of two gradients of a variable, under their guard where it is the same."""
    a, b = guard_of(one), guard_of(other)
    if a is None or b is None or not a.equals(b):
        return one + other
    if a.target is None and b.target is None:
        return a.around(a.inside + b.inside)
    if not equal_extents(_unsummed(one), _unsummed(other)):
        return one + other
    return a.replace(target=variable).around(a.inside + b.inside)


def equal_extents(a: Variable, b: Variable) -> bool:
    """Whether two variables of one rank have the same shape, whatever the sizes are."""
    pairs = zip(inferred_extents(a), inferred_extents(b), strict=True)
    return all(extent_key(left) == extent_key(right) for left, right in pairs)


def _unsummed(g: Variable) -> Variable:
    """The choice that a guarded gradient sums."""
    found = guard_of(g)
    if found is None or found.target is None:
        return g
    assert g.owner is not None
    return g.owner.inputs[0]


def sum_to(part: Variable, variable: Variable) -> Variable:
    """`part` summed to the shape of a variable; at once if it is summed already."""
    return SumTo()(_unsummed(part), variable)


def converted(part: Variable, change: Callable[[Variable], Variable]) -> Variable:
    """Another dtype of a gradient, under its guard."""
    found = guard_of(part)
    return change(part) if found is None else found.around(change(found.inside))


def summed(
    part: Variable,
    axes: Sequence[int],
    variable: Variable,
    change: Callable[[Variable], Variable],
) -> Variable:
    """`change` of a gradient, which sums it over axes, to the rank of a variable.

    Under its guard, if that is the same along these axes.
    """
    found = guard_of(part)
    if found is None or found.inside.ndim != part.ndim:
        return change(part)
    condition = found.condition
    lead = part.ndim - condition.ndim
    if any(condition.type.shape[k - lead] != 1 for k in axes if k >= lead):
        return change(part)
    if condition.ndim > variable.ndim:
        kept = range(condition.ndim - variable.ndim, condition.ndim)
        condition = DimShuffle(tuple(kept))(condition)
    out = _choice(condition, found.holds, change(found.inside))
    return out if found.target is None else SumTo()(out, variable)
