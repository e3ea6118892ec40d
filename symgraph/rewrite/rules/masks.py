"""Sums over what a mask selects, computed over everything: nothing is gathered.

    sum(f(x[mask], y[mask]))              ->  sum(where(mask, f(x, y), 0))
    x with f(x[mask]) added at mask       ->  x + where(mask, f(x), 0)

How many elements a mask selects is known only when the graph runs, and then memory for
them is found; the right sides need neither. f is elementwise.
"""

from symgraph.core.node import Apply, Variable, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.gather import ScatterAdd, ScatterSet, Take
from symgraph.ops.masks import MaskFor, MaskPositions
from symgraph.ops.movement import DimShuffle, Reshape
from symgraph.ops.reduction import Reduce
from symgraph.rewrite.context import Context
from symgraph.rewrite.rule import EXACT, Rule, rule
from symgraph.rewrite.rules.shapes import owner_of

T = PUBLIC
#: ops that check that a mask has the shape of what it masks
CHECKS = (MaskFor, BroadcastTo, Reshape)
#: elementwise ops above one gather; more are computed only where the mask is true
DEEPEST = 24


class _Lift:
    """Expressions of gathered values, rebuilt of what was gathered from.

    `axis` is the gathered one, counted from the end.
    """

    def __init__(self, axis: int, context: Context) -> None:
        self.axis = axis
        self.context = context
        self.places: Variable | None = None
        self.made: dict[Variable, Variable | None] = {}

    def takes(self, places: Variable, x: Variable) -> bool:
        """Whether these are the positions of the one mask, which is as long as x is."""
        found = owner_of(places, MaskPositions)
        if found is None or not self._fits(found.inputs[0], x):
            return False
        if self.places is None:
            self.places = places
        return _mask_of(places) is _mask_of(self.places)

    def _fits(self, mask: Variable, x: Variable) -> bool:
        """Whether the mask has an element for each place along the axis of x.

        That of x[mask] is checked; nonzero gives positions of shorter masks as well.
        """
        if owner_of(mask, MaskFor) is not None:
            return True
        own, axes = self.context.axes(mask), self.context.axes(x)
        return own is not None and axes is not None and own == (axes[self.axis],)

    def __call__(self, v: Variable) -> Variable | None:
        """The expression over the whole axis, or None."""
        if v not in self.made:
            self.made[v] = None  # it counts from now on
            if len(self.made) <= DEEPEST:
                self.made[v] = self._lifted(v)
        return self.made[v]

    def _lifted(self, v: Variable) -> Variable | None:
        if v.ndim < -self.axis or v.type.shape[self.axis] == 1:
            return v  # it is the same everywhere along the axis
        node = v.owner
        if node is None:
            return None
        if isinstance(node.op, Take):
            x, places = node.inputs
            if node.op.axis - x.ndim != self.axis or not self.takes(places, x):
                return None
            return x
        if isinstance(node.op, BroadcastTo):
            x = node.inputs[0]
            if x.ndim == v.ndim == 1 and x.type.shape != (1,):
                return self(x)
            if v.ndim != 1 or x.ndim:
                return None
            made: Variable = DimShuffle(("x",))(x)
            return made
        if not isinstance(node.op, Elementwise | Cast):
            return None
        parts = [self(operand) for operand in node.inputs]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return None
        again: Variable = node.op(*found)
        return again

    def chosen(self, value: Variable, other: Variable) -> Variable:
        """`value` where the mask is true, else `other`; both over the whole axis."""
        assert self.places is not None
        assert self.places.owner is not None
        mask = self.places.owner.inputs[0]
        flat = T["flatten"](mask)
        return Elementwise("where")(
            DimShuffle((0, *["x"] * (-self.axis - 1)))(flat), value, other
        )


def _mask_of(places: Variable) -> Variable:
    """The mask of positions, without the checks that it fits what it masks."""
    assert places.owner is not None
    mask = places.owner.inputs[0]
    while mask.owner is not None and isinstance(mask.owner.op, CHECKS):
        below = mask.owner.inputs[0]
        if below.ndim != mask.ndim:
            break
        mask = below
    return mask


@rule(
    "sum_of_masked_to_sum_of_choice", on="Reduce", nan=EXACT, dtypes="float", ranks=(1, 1),
    example=lambda x, y: T["sum"](T["exp"](x[y > 0]) * y[y > 0]),
)  # fmt: skip
def sum_of_masked_to_sum_of_choice(node: Apply, context: Context) -> Variable | None:
    """sum(f(x[mask])) -> sum(where(mask, f(x), 0)), f elementwise."""
    assert isinstance(node.op, Reduce)
    (v,) = node.inputs
    if node.op.combine != "sum" or v.owner is None:
        return None
    for axis in node.op.axes:
        lift = _Lift(axis - v.ndim, context)
        whole = lift(v)
        if whole is None or lift.places is None or whole.ndim != v.ndim:
            continue
        zero = scalar_constant(0, v.type.dtype)
        return context.fit(node.op(lift.chosen(whole, zero)), node.outputs[0])
    return None


@rule(
    "write_of_masked_to_choice", on=("ScatterAdd", "ScatterSet"), nan=EXACT,
    dtypes="float", ranks=(1, 1),
    example=lambda x, y: T["inc_subtensor"](x[y > 0], T["exp"](x[y > 0])),
)  # fmt: skip
def write_of_masked_to_choice(node: Apply, context: Context) -> Variable | None:
    """Values that were read at a mask, written there again: x + where(mask, f(x), 0)."""
    assert isinstance(node.op, ScatterAdd | ScatterSet)
    base, places, values = node.inputs
    lift = _Lift(node.op.axis - base.ndim, context)
    if not lift.takes(places, base) or values.ndim != base.ndim:
        return None
    whole = lift(values)
    if whole is None:
        return None
    if isinstance(node.op, ScatterSet):
        return context.fit(lift.chosen(whole, base), node.outputs[0])
    added = lift.chosen(whole, scalar_constant(0, base.type.dtype))
    return context.fit(Elementwise("add")(base, added), node.outputs[0])


MASKS: tuple[Rule, ...] = (sum_of_masked_to_sum_of_choice, write_of_masked_to_choice)
