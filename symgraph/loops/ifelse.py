"""`ifelse`: one of two branches, of which only the chosen one is evaluated.

out = then if condition else orelse

The op holds both branches as inner graphs of the same captured variables. What the user
builds captures the branches' values; rewrite/branches.py moves what only one of them
needs into its inner graph when a function is compiled. In: variables. Out: variables.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from symgraph.autodiff.reverse import propagate
from symgraph.core.dtypes import is_discrete
from symgraph.core.inner import Inner
from symgraph.core.node import (
    Apply,
    Constant,
    Extent,
    Layout,
    Op,
    Shape,
    Under,
    Variable,
    as_variable,
    listing,
)
from symgraph.core.public import PUBLIC, public
from symgraph.core.traverse import applies, leaves, replace
from symgraph.core.types import StaticShape, TensorType, fast_type
from symgraph.errors import ArgumentError, DtypeError, ShapeError
from symgraph.ops.shape import Extent as ExtentOf
from symgraph.ops.shape import extent_key, folded, inferred_extents, variable


class IfElse(Op):
    """outputs = then(*captured) if condition else orelse(*captured).

    Inputs are the condition, a 0-d bool, and what the branches capture. Both inner graphs
    have all captured variables as inputs, in this order, whether they use them or not.
    """

    then: Inner
    orelse: Inner

    name = "ifelse"
    can_fail: ClassVar[bool] = True
    chooses: ClassVar[bool] = True
    foldable = False
    has_inner = True

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        """Types that hold for either branch: extents that differ are unknown."""
        condition, *captured = inputs
        if condition.ndim or condition.type.dtype != "bool":
            raise ArgumentError(
                f"ifelse: the condition must be a 0-d bool{listing(condition)}"
            )
        if len(captured) != len(self.then.inputs):
            raise ArgumentError(
                f"ifelse: {len(captured)} captured variables, the branches have "
                f"{len(self.then.inputs)} inputs"
            )
        pairs = zip(self.then.outputs, self.orelse.outputs, strict=True)
        return tuple(joined(a, b) for a, b in pairs)

    def refined(self, inputs: Sequence[Variable]) -> Op:
        """Branches whose inputs have the types of the captured variables."""
        types = [v.type for v in inputs[1:]]
        return IfElse(self.then.narrowed(types), self.orelse.narrowed(types))

    def infer_shape(
        self, inputs: Sequence[Variable], shapes: Sequence[Shape]
    ) -> tuple[Shape, ...]:
        """The extents of the chosen branch: one expression where both agree."""
        condition, *captured = inputs
        sides = [
            outer_extents(branch, captured, shapes[1:])
            for branch in (self.then, self.orelse)
        ]
        return tuple(
            tuple(_chosen(condition, a, b) for a, b in zip(left, right, strict=True))
            for left, right in zip(*sides, strict=True)
        )

    def choices_of(
        self, node: Apply, gradients: Sequence[Variable | None]
    ) -> Sequence[Under]:
        """The gradients of both branches, as if what is captured stood in them."""
        condition, *captured = node.inputs
        known = [(i, g) for i, g in enumerate(gradients) if g is not None]
        seeds = [_leaf(g) for _, g in known]
        wanted = [k for k, v in enumerate(captured) if not is_discrete(v.type.dtype)]
        found: list[Under] = []
        for holds, branch in ((True, self.then), (False, self.orelse)):
            given = _seeded([branch.outputs[i] for i, _ in known], seeds)
            flows = propagate(given, [branch.inputs[k] for k in wanted])
            outer = dict(zip(branch.inputs, captured, strict=True))
            outer.update(zip(seeds, (g for _, g in known), strict=True))
            places = [k for k in wanted if branch.inputs[k] in flows]
            parts = replace([flows[branch.inputs[k]] for k in places], outer)
            found += [
                Under(k + 1, condition, holds, part)
                for k, part in zip(places, parts, strict=True)
            ]
        return found

    def connection(self) -> tuple[bool, ...]:
        """Nothing flows to the condition, nor to what no branch uses."""
        needed = set(leaves(self.then.outputs)), set(leaves(self.orelse.outputs))
        pairs = zip(self.then.inputs, self.orelse.inputs, strict=True)
        return (False, *(a in needed[0] or b in needed[1] for a, b in pairs))

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The values of the chosen branch."""
        condition, *captured = arrays
        branch = self.then if condition else self.orelse
        return tuple(branch.reference(captured))

    def reads(self, condition: bool) -> list[int]:
        """Which inputs are needed if the condition is so."""
        branch = self.then if condition else self.orelse
        needed = set(leaves(branch.outputs))
        return [0, *(k for k, v in enumerate(branch.inputs, 1) if v in needed)]

    def layout(self, position: int) -> Layout:
        """Branches read what they capture as it is."""
        return "contiguous"

    def __str__(self) -> str:
        return "ifelse"

    def insides(self) -> tuple[tuple[str, Inner], ...]:
        """The graphs inside, for printing."""
        return ("then", self.then), ("else", self.orelse)

    def render(self, parts: list[str]) -> str:
        """ifelse(condition, a, b)"""
        return f"ifelse({', '.join(parts)})"


@public
def ifelse(
    condition: Any, then_branch: Any, else_branch: Any, name: str | None = None
) -> Any:
    """out = then_branch if condition else else_branch; only one is evaluated.

    A compiled function evaluates what one branch alone needs only if that branch is
    chosen; sizes that do not fit, indices outside, and infinite derivatives count only
    there. What both need, or something else in the graph, is evaluated always. `switch`
    chooses element by element, and evaluates both.

    Parameters
    ----------
    condition : 0-d; it holds where it is not 0
    then_branch, else_branch : variable, number or array, or lists or tuples of them; of
        equal dtypes and ranks
    name : of the result, for messages

    Returns
    -------
    variable, or a list if a branch is a list or tuple; extents that differ between the
    branches are known only at run time

    Raises
    ------
    ArgumentError, DtypeError, ShapeError : branches of different number, dtype or rank

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> a, b = T.dscalars("a", "b")
    >>> f = sg.function([a, b], sg.ifelse(a > b, T.exp(a), T.log(b)))
    >>> float(f(0.0, 1.0))
    0.0
    """
    many = isinstance(then_branch, list | tuple) or isinstance(
        else_branch, list | tuple
    )
    left, right = _listed(then_branch), _listed(else_branch)
    if len(left) != len(right):
        raise ArgumentError(
            f"ifelse: the branches have {len(left)} and {len(right)} values\n"
            "Give both the same number of variables."
        )
    if not left:
        raise ArgumentError("ifelse: the branches are empty")
    question = as_condition(condition)
    pairs = [_operands(a, b) for a, b in zip(left, right, strict=True)]
    for a, b in pairs:
        joined(a, b)
    made = _selection(question, [a for a, _ in pairs], [b for _, b in pairs])
    if name is not None:
        for i, out in enumerate(made):
            out.name = f"{name}{i}" if many else name
    return list(made) if many else made[0]


def as_condition(condition: Any) -> Variable:
    """Anything as the condition of `IfElse`: a 0-d bool."""
    given = as_variable(condition)
    if given.ndim:
        raise ShapeError(
            f"ifelse: the condition must be a scalar{listing(given)}\n"
            "Reduce it with any() or all(), or use switch to choose element by element."
        )
    found: Variable = given
    if given.type.dtype != "bool":
        found = PUBLIC["neq"](given, 0)
    return found


def joined(a: Variable, b: Variable) -> TensorType:
    """The type that both branches have; errors name them."""
    if a.type.dtype != b.type.dtype:
        raise DtypeError(
            f"ifelse: the branches have dtypes {a.type.dtype} and {b.type.dtype}"
            f"{listing(a, b)}\nCast one of them."
        )
    if a.ndim != b.ndim:
        raise ShapeError(
            f"ifelse: the branches have ranks {a.ndim} and {b.ndim}{listing(a, b)}\n"
            "Reshape or broadcast one of them."
        )
    pairs = zip(a.type.shape, b.type.shape, strict=True)
    shape: StaticShape = tuple(m if m == n else None for m, n in pairs)
    return fast_type(a.type.dtype, shape)


Side = tuple[Sequence[Variable], Sequence[Variable]]


def branching(
    condition: Variable, then: Side, orelse: Side, captured: Sequence[Variable]
) -> tuple[Variable, ...]:
    """An `IfElse` of (inputs, outputs) of both branches; what none needs is left out."""
    needed = [set(leaves(outputs)) for _, outputs in (then, orelse)]
    kept = [
        k
        for k in range(len(captured))
        if then[0][k] in needed[0] or orelse[0][k] in needed[1]
    ]
    branches = [
        Inner([inputs[k] for k in kept], outputs) for inputs, outputs in (then, orelse)
    ]
    return IfElse(*branches).make(condition, *(captured[k] for k in kept))


def outer_extents(
    branch: Inner, captured: Sequence[Variable], shapes: Sequence[Shape]
) -> list[Shape]:
    """Extents of a branch's outputs in terms of what it captures.

    `shapes` are the extents of the captured variables.
    """
    found = [inferred_extents(v) for v in branch.outputs]
    roots = [e for shape in found for e in shape if isinstance(e, Variable)]
    table: dict[Variable, Variable] = dict(zip(branch.inputs, captured, strict=True))
    position = {v: k for k, v in enumerate(branch.inputs)}
    for node in applies(roots):
        if isinstance(node.op, ExtentOf) and node.inputs[0] in position:
            extent = shapes[position[node.inputs[0]]][node.op.axis]
            table[node.outputs[0]] = variable(extent)
    made = iter(replace(roots, table))
    return [
        tuple(folded(next(made)) if isinstance(e, Variable) else e for e in shape)
        for shape in found
    ]


def _chosen(condition: Variable, a: Extent, b: Extent) -> Extent:
    if extent_key(a) == extent_key(b):
        return a
    if isinstance(condition, Constant):
        return a if condition.data else b
    found: Variable = PUBLIC["switch"](condition, variable(a), variable(b))
    return found


def _operands(a: Any, b: Any) -> tuple[Variable, Variable]:
    """Both branches' values as variables; a number takes the dtype of its partner."""
    dtypes = tuple(v.type.dtype for v in (a, b) if isinstance(v, Variable))
    return as_variable(a, None, dtypes), as_variable(b, None, dtypes)


def _selection(
    condition: Variable, left: Sequence[Variable], right: Sequence[Variable]
) -> tuple[Variable, ...]:
    """`IfElse` whose branches give back variables that it captures."""
    captured = list(dict.fromkeys((*left, *right)))
    sides = []
    for side in (left, right):
        inner = {v: _leaf(v) for v in captured}
        sides.append((tuple(inner.values()), [inner[v] for v in side]))
    return branching(condition, sides[0], sides[1], captured)


def _leaf(v: Variable) -> Variable:
    return Variable(v.type, None, 0, v.name, v.place)


def _seeded(
    outputs: Sequence[Variable], seeds: Sequence[Variable]
) -> dict[Variable, Variable]:
    """Known gradients of copies: an output may be an input, or another's part."""
    return {PUBLIC["copy"](v): g for v, g in zip(outputs, seeds, strict=True)}


def _listed(branch: Any) -> list[Any]:
    return list(branch) if isinstance(branch, list | tuple) else [branch]
