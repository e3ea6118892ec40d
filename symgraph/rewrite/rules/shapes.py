"""Rules on shapes and rearranged data: what need not be computed, moved or copied.

An extent is read from the leaves of the graph, never from a computed array; chains of
reshapes, dimshuffles, slices, repetitions and reductions become one; those that change
nothing vanish.
"""

from symgraph.core.node import Apply, Constant, Variable, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.ops.broadcast import BroadcastTo, SumTo
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.movement import DimShuffle, Reshape
from symgraph.ops.reduction import Reduce
from symgraph.ops.shape import (
    Extent,
    SpecifyShape,
    inferred_extents,
    product,
    variable,
)
from symgraph.rewrite.context import Context
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule, rule

T = PUBLIC


def owner_of(v: Variable, op: type) -> Apply | None:
    """The application that computes v, if it is of this class."""
    node = v.owner
    return node if node is not None and isinstance(node.op, op) else None


# --- extents ------------------------------------------------------------------------


@rule(
    "extent_to_inputs", on="Extent", nan=EXACT, ranks=(2, 2),
    example=lambda x, y: T["exp"](T["reshape"](x, (-1,))).shape[0],
)  # fmt: skip
def extent_to_inputs(node: Apply, context: Context) -> Variable | None:
    """The extent of a computed array, from the extents of what it is computed of."""
    (x,) = node.inputs
    assert isinstance(node.op, Extent)
    known = x.type.shape[node.op.axis]
    if known is not None:
        return scalar_constant(known, "int64")
    if x.owner is None:
        return None
    found = variable(inferred_extents(x)[node.op.axis])
    return None if found is node.outputs[0] else found


# --- dimshuffle ----------------------------------------------------------------------


@rule(
    "dimshuffle_to_operand", on="DimShuffle", nan=EXACT, ranks=(2,),
    example=lambda x: DimShuffle((0, 1))(x),
)  # fmt: skip
def dimshuffle_to_operand(node: Apply, context: Context) -> Variable | None:
    """Axes that stay where they are need no dimshuffle."""
    (x,) = node.inputs
    assert isinstance(node.op, DimShuffle)
    return x if node.op.pattern == tuple(range(x.ndim)) else None


@rule(
    "dimshuffle_dimshuffle_to_one", on="DimShuffle", nan=EXACT, ranks=(2,),
    example=lambda x: T["exp"](x.T).T.T,
)  # fmt: skip
def dimshuffle_dimshuffle_to_one(node: Apply, context: Context) -> Variable | None:
    """Two dimshuffles become one, x.T.T becomes x."""
    inner = owner_of(node.inputs[0], DimShuffle)
    if inner is None:
        return None
    first, then = inner.op.pattern, node.op.pattern  # type: ignore[attr-defined]
    pattern = tuple(p if p == "x" else first[p] for p in then)
    made: Variable = DimShuffle(pattern)(inner.inputs[0])
    return made


@rule(
    "dimshuffle_of_broadcast_to_broadcast", on="DimShuffle", nan=EXACT, ranks=(2, 2),
    example=lambda x, y: T["full_like"](x, T["sum"](y)).T,
)  # fmt: skip
def dimshuffle_of_broadcast_to_broadcast(
    node: Apply, context: Context
) -> Variable | None:
    """A repeated scalar in another order is the scalar repeated otherwise."""
    inner = owner_of(node.inputs[0], BroadcastTo)
    if inner is None or inner.inputs[0].ndim:
        return None
    x, *shape = inner.inputs
    one = scalar_constant(1, "int64")
    pattern = node.op.pattern  # type: ignore[attr-defined]
    made = BroadcastTo(len(pattern))(
        x, *(one if p == "x" else shape[p] for p in pattern)
    )
    return context.fit(made, node.outputs[0])


# --- reshape --------------------------------------------------------------------------


@rule(
    "reshape_to_operand", on="Reshape", nan=EXACT, ranks=(2,),
    example=lambda x: T["reshape"](T["exp"](x), (x.shape[0], x.shape[1])),
)  # fmt: skip
def reshape_to_operand(node: Apply, context: Context) -> Variable | None:
    """A reshape to the shape that x has already is dropped.

    Not where its type tells more than that of x: a promise is no cheaper, and would
    become a reshape again.
    """
    x, out = node.inputs[0], node.outputs[0]
    if x.ndim == 1 and out.ndim == 1:  # the number of elements stays
        return x if x.type.shape == out.type.shape else None
    if x.ndim != out.ndim or not context.same_shape(x, out):
        return None
    return x if context.fit(x, out) is x else None


@rule(
    "reshape_reshape_to_one", on="Reshape", nan=EXACT, ranks=(2,),
    example=lambda x: T["reshape"](T["flatten"](x), (x.shape[1], x.shape[0])),
)  # fmt: skip
def reshape_reshape_to_one(node: Apply, context: Context) -> Variable | None:
    """Of two reshapes the first is dropped; so is a dimshuffle that moves no axis."""
    x, *shape = node.inputs
    inner = owner_of(x, Reshape)
    if inner is None:
        inner = owner_of(x, DimShuffle)
        if inner is None:
            return None
        kept = [p for p in inner.op.pattern if p != "x"]  # type: ignore[attr-defined]
        if kept != sorted(kept):
            return None
    made: Variable = node.op(inner.inputs[0], *shape)
    return context.fit(made, node.outputs[0])


@rule(
    "reshape_to_dimshuffle", on="Reshape", nan=EXACT, ranks=(1,),
    example=lambda x: T["reshape"](x, (x.shape[0], 1)),
)  # fmt: skip
def reshape_to_dimshuffle(node: Apply, context: Context) -> Variable | None:
    """A reshape that only adds or drops axes of extent 1 is a dimshuffle."""
    x, out = node.inputs[0], node.outputs[0]
    kept = [i for i, e in enumerate(x.type.shape) if e != 1]
    places = [i for i, e in enumerate(out.type.shape) if e != 1]
    if len(kept) != len(places) or x.ndim == out.ndim == len(kept):
        return None
    if len(kept) > 1:
        before, after = context.axes(x), context.axes(out)
        if before is None or after is None:
            return None
        if any(before[i] != after[j] for i, j in zip(kept, places, strict=True)):
            return None
    pattern: list[int | str] = ["x"] * out.ndim
    for i, j in zip(kept, places, strict=True):
        pattern[j] = i
    made: Variable = DimShuffle(tuple(pattern))(x)
    if any(
        o is not None and o != n
        for o, n in zip(out.type.shape, made.type.shape, strict=True)
    ):
        return None
    return made


@rule(
    "reshape_of_broadcast_to_broadcast", on="Reshape", nan=EXACT, ranks=(2,),
    example=lambda x: T["flatten"](T["ones_like"](x)),
)  # fmt: skip
def reshape_of_broadcast_to_broadcast(node: Apply, context: Context) -> Variable | None:
    """A repeated scalar in another shape is the scalar repeated to that shape."""
    x, *shape = node.inputs
    inner = owner_of(x, BroadcastTo)
    if inner is None or inner.inputs[0].ndim:
        return None
    made: Variable = BroadcastTo(len(shape))(inner.inputs[0], *shape)
    return context.fit(made, node.outputs[0])


@rule(
    "specified_shape_to_operand", on="SpecifyShape", nan=EXACT, ranks=(2,),
    example=lambda x: T["exp"](SpecifyShape((None, None))(x)),
)  # fmt: skip
def specified_shape_to_operand(node: Apply, context: Context) -> Variable | None:
    """A promise that says nothing new is dropped."""
    (x,) = node.inputs
    return x if x.type.shape == node.outputs[0].type.shape else None


# --- repetition -------------------------------------------------------------------------


@rule(
    "broadcast_to_operand", on="BroadcastTo", nan=EXACT, ranks=(2,),
    example=lambda x: BroadcastTo(2)(T["exp"](x), x.shape[0], x.shape[1]),
)  # fmt: skip
def broadcast_to_operand(node: Apply, context: Context) -> Variable | None:
    """A repetition to the shape that x has already is dropped."""
    x, out = node.inputs[0], node.outputs[0]
    if x.ndim != out.ndim or not context.same_shape(x, out):
        return None
    return context.fit(x, out)


@rule(
    "broadcast_broadcast_to_one", on="BroadcastTo", nan=EXACT, ranks=(1, 2),
    example=lambda x, y: BroadcastTo(3)(
        BroadcastTo(2)(T["sum"](x), y.shape[0], y.shape[1]),
        x.shape[0], y.shape[0], y.shape[1],
    ),
)  # fmt: skip
def broadcast_broadcast_to_one(node: Apply, context: Context) -> Variable | None:
    """Of two repetitions the first is dropped; so are leading new axes."""
    x, *shape = node.inputs
    inner = owner_of(x, BroadcastTo)
    if inner is None:
        inner = owner_of(x, DimShuffle)
        if inner is None:
            return None
        pattern = inner.op.pattern  # type: ignore[attr-defined]
        rank = inner.inputs[0].ndim
        lead = len(pattern) - rank
        if lead < 0 or pattern != ("x",) * lead + tuple(range(rank)):
            return None
    made: Variable = node.op(inner.inputs[0], *shape)
    return context.fit(made, node.outputs[0])


@rule(
    "sum_to_operand", on="SumTo", nan=EXACT, ranks=(2,),
    example=lambda x: SumTo()(T["exp"](x), x),
)  # fmt: skip
def sum_to_operand(node: Apply, context: Context) -> Variable | None:
    """Summing to the shape that g has already does nothing; known axes are summed."""
    g, x = node.inputs
    out = node.outputs[0]
    if context.same_shape(g, x):
        return context.fit(g, out)
    have, want = context.axes(g), context.axes(x)
    if have is None or want is None:
        return None
    axes = []
    for i, (a, b) in enumerate(zip(have, want, strict=True)):
        if a == b or isinstance(b, int):
            continue
        if b != frozenset():
            return None  # decided when extents are known
        axes.append(i)
    kept = iter(range(g.ndim))
    pattern = tuple("x" if i in axes else next(kept) for i in range(g.ndim))
    total = Reduce("sum", tuple(axes))(g) if axes else g
    return context.fit(DimShuffle(pattern)(total), out)


@rule(
    "sum_to_reads_shape_of_leaf", on="SumTo", nan=EXACT, ranks=(2, 2),
    example=lambda x, y: SumTo()(y, T["exp"](x)),
)  # fmt: skip
def sum_to_reads_shape_of_leaf(node: Apply, context: Context) -> Variable | None:
    """Of the operand whose shape is wanted, an elementwise function is not computed."""
    g, x = node.inputs
    owner = x.owner
    if owner is None or not isinstance(owner.op, Elementwise | Cast):
        return None
    for v in owner.inputs:
        if (
            v.ndim == x.ndim
            and v.type.shape == x.type.shape
            and context.same_shape(v, x)
        ):
            made: Variable = node.op(g, v)
            return context.fit(made, node.outputs[0])
    return None


# --- reductions ------------------------------------------------------------------------


@rule(
    "reduce_reduce_to_one", on="Reduce", nan=EXACT, ranks=(3,),
    example=lambda x: T["sum"](T["sum"](x, 1), 0),
)  # fmt: skip
def reduce_reduce_to_one(node: Apply, context: Context) -> Variable | None:
    """sum(sum(x, 1), 0) -> sum(x, (0, 1)); the same for max, min, prod, all, any."""
    inner = owner_of(node.inputs[0], Reduce)
    assert isinstance(node.op, Reduce)
    if inner is None:
        return None
    if inner.op != node.op.replace(axes=inner.op.axes):  # type: ignore[attr-defined]
        return None
    x = inner.inputs[0]
    gone = inner.op.axes  # type: ignore[attr-defined]
    kept = [i for i in range(x.ndim) if i not in gone]
    axes = tuple(sorted((*gone, *(kept[i] for i in node.op.axes))))
    made: Variable = node.op.replace(axes=axes)(x)
    return context.fit(made, node.outputs[0])


@rule(
    "reduce_of_dimshuffle_to_reduce", on="Reduce", nan=EXACT, ranks=(2,),
    example=lambda x: T["sum"](x.T, 0),
)  # fmt: skip
def reduce_of_dimshuffle_to_reduce(node: Apply, context: Context) -> Variable | None:
    """sum(x.T, 0) -> sum(x, 1); new axes of extent 1 are not reduced."""
    inner = owner_of(node.inputs[0], DimShuffle)
    if inner is None:
        return None
    assert isinstance(node.op, Reduce)
    (x,) = inner.inputs
    pattern = inner.op.pattern  # type: ignore[attr-defined]
    axes = tuple(sorted(pattern[i] for i in node.op.axes if pattern[i] != "x"))
    out: Variable = node.op.replace(axes=axes)(x) if axes else x
    place = {
        axis: i for i, axis in enumerate(a for a in range(x.ndim) if a not in axes)
    }
    rest = tuple(
        p if p == "x" else place[p]
        for i, p in enumerate(pattern)
        if i not in node.op.axes
    )
    made: Variable = DimShuffle(rest)(out) if rest != tuple(range(out.ndim)) else out
    return context.fit(made, node.outputs[0])


@rule(
    "reduce_of_ones_to_dimshuffle", on="Reduce", nan=EXACT, ranks=(1,),
    example=lambda x: Reduce("sum", (1,))(SpecifyShape((None, 1))(
        T["reshape"](x, (x.shape[0], 1)) * T["exp"](T["reshape"](x, (x.shape[0], 1))))),
)  # fmt: skip
def reduce_of_ones_to_dimshuffle(node: Apply, context: Context) -> Variable | None:
    """Reducing axes of extent 1 only drops them."""
    (x,) = node.inputs
    assert isinstance(node.op, Reduce)
    ones = [i for i in node.op.axes if x.type.shape[i] == 1]
    if not ones:
        return None
    rest = [i for i in range(x.ndim) if i not in ones]
    made: Variable = DimShuffle(tuple(rest))(x)
    axes = tuple(rest.index(i) for i in node.op.axes if i not in ones)
    if axes:
        made = node.op.replace(axes=axes)(made)
    return context.fit(made, node.outputs[0])


@rule(
    "sum_of_broadcast_to_product", on="Reduce", nan=HIDES_NAN, ranks=(2, 1),
    example=lambda x, y: T["sum"](T["full_like"](x, T["prod"](y)), 0),
)  # fmt: skip
def sum_of_broadcast_to_product(node: Apply, context: Context) -> Variable | None:
    """The sum of n equal terms is n times the term; their max and min is the term.

    NaN or inf times n = 0 would be NaN; the sum of nothing is 0.
    """
    inner = owner_of(node.inputs[0], BroadcastTo)
    if inner is None or inner.inputs[0].ndim:
        return None
    assert isinstance(node.op, Reduce)
    if node.op.combine not in ("sum", "max", "min", "all", "any"):
        return None
    term, *shape = inner.inputs
    rest = [e for i, e in enumerate(shape) if i not in node.op.axes]
    if node.op.combine == "sum":
        count = product([_extent(shape[i]) for i in node.op.axes])
        factor = T["cast"](variable(count), term.type.dtype)
        term = Elementwise("mul")(term, factor)
    elif any(number_of(shape[i]) in (None, 0) for i in node.op.axes):
        return None  # the extreme of nothing must fail
    if not rest:
        return context.fit(term, node.outputs[0])
    return context.fit(BroadcastTo(len(rest))(term, *rest), node.outputs[0])


@rule(
    "reduce_of_broadcast_to_broadcast", on="Reduce", nan=EXACT, ranks=(2, 1),
    example=lambda x, y: T["sum"](BroadcastTo(2)(
        x, Elementwise("broadcast_extent")(x.shape[0], y.shape[0]), x.shape[1]), 1),
)  # fmt: skip
def reduce_of_broadcast_to_broadcast(node: Apply, context: Context) -> Variable | None:
    """A reduction over axes that are not repeated comes before the repetition."""
    inner = owner_of(node.inputs[0], BroadcastTo)
    if inner is None:
        return None
    assert isinstance(node.op, Reduce)
    x, wide = inner.inputs[0], node.inputs[0]
    have, want = context.axes(x), context.axes(wide)
    if x.ndim != wide.ndim or have is None or want is None:
        return None
    if any(have[i] != want[i] for i in node.op.axes):
        return None
    return context.fit(node.op(x), node.outputs[0])


def _extent(v: Variable) -> int | Variable:
    return int(v.data) if isinstance(v, Constant) else v


SHAPES: tuple[Rule, ...] = (
    extent_to_inputs,
    dimshuffle_to_operand,
    dimshuffle_dimshuffle_to_one,
    dimshuffle_of_broadcast_to_broadcast,
    reshape_to_operand,
    reshape_reshape_to_one,
    reshape_to_dimshuffle,
    reshape_of_broadcast_to_broadcast,
    specified_shape_to_operand,
    broadcast_to_operand,
    broadcast_broadcast_to_one,
    sum_to_operand,
    sum_to_reads_shape_of_leaf,
    reduce_reduce_to_one,
    reduce_of_dimshuffle_to_reduce,
    reduce_of_ones_to_dimshuffle,
    sum_of_broadcast_to_product,
    reduce_of_broadcast_to_broadcast,
)
