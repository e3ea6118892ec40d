"""Logarithms and gradients of picked probabilities.

    log(p[arange(n), y])                ->  log(p)[arange(n), y]
    p * where(mask, g / p[..., y], 0)   ->  where(mask, g, 0)

A pick is the sum of where(label == 0 .. n - 1, p, 0) over the last axis. A probability
that underflows to 0 has the logarithm -inf and the gradient 0 * inf in the left forms.
"""

from collections.abc import Callable, Iterator

from symgraph.core.dtypes import is_float
from symgraph.core.node import Apply, Op, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.families import Elementwise
from symgraph.ops.getitem import pick
from symgraph.ops.indexing import ScatterAdd, SetSubtensor, Subtensor, Take
from symgraph.ops.movement import DimShuffle, Pattern, Reshape
from symgraph.ops.nnet import Softmax
from symgraph.ops.reduction import Reduce
from symgraph.rewrite.collect import (
    Product,
    Sum,
    Term,
    build_product,
    build_sum,
    flatten,
    is_inner,
    product_of,
)
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import PRODUCT, region_order, scalar_name
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule, rule
from symgraph.rewrite.rules.algebra import log, not_negative
from symgraph.rewrite.rules.linear import hits_once
from symgraph.rewrite.rules.shapes import owner_of
from symgraph.rewrite.rules.softmaxes import PRODUCTS, opened, sum_of_exp, under

T = PUBLIC
MOVEMENTS = (DimShuffle, Reshape, Subtensor, Take)


def log_is_better(v: Variable) -> bool:
    """Whether the logarithm of v vanishes or becomes stable."""
    node = v.owner
    if node is None:
        return False
    if isinstance(node.op, Softmax):
        return True
    if isinstance(node.op, MOVEMENTS):
        return log_is_better(node.inputs[0])
    if scalar_name(v) in ("exp", "sigmoid"):
        return True
    if sum_of_exp(v) is not None:
        return True
    picked = picked_from(v)
    return picked is not None and log_is_better(picked[1])


def picked_from(v: Variable) -> tuple[Variable, Variable] | None:
    """(mask, p) where v is sum(where(mask, p, 0), last axis), the mask true once a row."""
    node = owner_of(v, Reduce)
    if node is None:
        return None
    (x,) = node.inputs
    if node.op != Reduce("sum", (x.ndim - 1,)) or scalar_name(x) != "where":
        return None
    assert x.owner is not None
    mask, p, other = x.owner.inputs
    if number_of(other) != 0 or p.ndim != x.ndim or not hits_once(mask, x.ndim):
        return None
    return mask, p


@rule(
    "log_of_pick_to_pick_of_log", on="log", nan=EXACT, dtypes="float", ranks=(2, 1),
    example=lambda x, y: T["log"](pick(T["softmax"](x), T["cast"](y > 0, "int64"))),
)  # fmt: skip
def log_of_pick_to_pick_of_log(node: Apply, context: Context) -> Variable | None:
    """log(p[arange(n), y]) -> log(p)[arange(n), y] where p is a softmax or the like."""
    source, pattern = under(node.inputs[0])
    found = picked_from(source)
    if found is None or not log_is_better(found[1]):
        return None
    mask, p = found
    assert source.owner is not None
    chosen = source.owner.inputs[0]
    assert chosen.owner is not None
    masked = Elementwise("where")(mask, log(p), chosen.owner.inputs[2])
    out: Variable = source.owner.op(masked)
    if pattern != tuple(range(source.ndim)):
        out = DimShuffle(pattern)(out)
    return context.fit(out, node.outputs[0])


@rule(
    "log_of_part_to_part_of_log", on="log", nan=EXACT, dtypes="float", ranks=(2,),
    example=lambda x: T["log"](T["softmax"](x)[:, 0]),
)  # fmt: skip
def log_of_part_to_part_of_log(node: Apply, context: Context) -> Variable | None:
    """log(softmax(x)[:, 0]) -> log_softmax(x)[:, 0]; also reshaped or by index.

    The logarithm goes below all movements at once, to where it vanishes: left on the
    way, it would be taken to the part again.
    """
    v = node.inputs[0]
    inside = v.owner
    if inside is None or not isinstance(inside.op, Subtensor | Reshape | Take):
        return None
    if not log_is_better(v):
        return None
    moves: list[Apply] = []
    while v.owner is not None and isinstance(v.owner.op, MOVEMENTS):
        moves.append(v.owner)
        v = v.owner.inputs[0]
    out = log(v)
    for move in reversed(moves):
        out = move.op(out, *move.inputs[1:])
    return context.fit(out, node.outputs[0])


@rule(
    "log_of_prod_to_sum_of_log", on="log", nan=EXACT, dtypes="float", ranks=(2,),
    example=lambda x: T["log"](T["prod"](T["sigmoid"](x), axis=1)),
)  # fmt: skip
def log_of_prod_to_sum_of_log(node: Apply, context: Context) -> Variable | None:
    """log(prod(sigmoid(x))) -> sum(log_sigmoid(x)): a product of many underflows."""
    inside = owner_of(node.inputs[0], Reduce)
    if inside is None or inside.op.combine != "prod":  # type: ignore[attr-defined]
        return None
    (v,) = inside.inputs
    if not (log_is_better(v) and not_negative(v)):
        return None
    total = Reduce("sum", inside.op.axes)  # type: ignore[attr-defined]
    return context.fit(total(log(v)), node.outputs[0])


# --- gradients ----------------------------------------------------------------------------


#: gives the variable that takes the place of a factor, for the product that was in it
Rebuild = Callable[[Product], Variable]


def _quotients(
    factor: Variable, context: Context
) -> Iterator[tuple[Variable, Product, Rebuild]]:
    """(p, g, rebuild): factor is p[y] ** -1 * g put where y says, and 0 elsewhere.

    `rebuild` puts g there without the divisor.
    """
    owner = factor.owner
    if owner is None:
        return
    op, dtype = owner.op, factor.type.dtype
    if isinstance(op, Reshape):
        inside, *extents = owner.inputs
        for p, product, rebuild in _quotients(inside, context):
            same = owner_of(p, Reshape)
            if same is None or not context.same_shape(same.inputs[0], factor):
                continue

            def reshaped(g: Product, inner: Rebuild = rebuild) -> Variable:
                made: Variable = op(inner(g), *extents)
                return made

            yield same.inputs[0], product, reshaped
        return
    if scalar_name(factor) == "where":
        mask, value, other = owner.inputs
        if number_of(other) != 0:
            return
        for source, pattern, product in _without_divisors(value):
            found = picked_from(source)
            if found is not None and found[0] is mask:
                if pattern == (*range(source.ndim), "x"):
                    yield (
                        found[1],
                        product,
                        lambda g: op(mask, build_product(g, dtype), other),
                    )
    elif isinstance(op, ScatterAdd | SetSubtensor) and number_of(owner.inputs[0]) == 0:
        at = 1 if isinstance(op, SetSubtensor) else 2
        before, after = owner.inputs[:at], owner.inputs[at + 1 :]
        reader: Op = (
            Take(op.axis, op.safe) if isinstance(op, ScatterAdd) else Subtensor(op.spec)
        )
        where = before[1:] if isinstance(op, ScatterAdd) else after
        for divided, pattern, product in _without_divisors(owner.inputs[at]):
            read = divided.owner
            if read is None or read.op != reader or read.inputs[1:] != tuple(where):
                continue
            p, kept = under(read.inputs[0])
            if pattern != tuple(range(divided.ndim)):
                continue
            if kept != tuple(range(p.ndim - len(kept), p.ndim)):
                continue

            def put(g: Product, like: Variable = divided) -> Variable:
                value = T["fill"](like, build_product(g, dtype))
                made: Variable = op(*before, value, *after)
                return made

            yield p, product, put


def _without_divisors(
    value: Variable,
) -> Iterator[tuple[Variable, Pattern, Product]]:
    """(d, pattern, g): value is g / d, d rearranged by the pattern."""
    product = opened(value)
    for divisor, k in product.exponents.items():
        if k < 0:
            rest = _changed(product.exponents, {divisor: 1})
            yield *under(divisor), Product(product.coefficient, rest)


def _example(x: Variable, y: Variable) -> Variable:
    p = T["softmax"](x)
    picked = pick(p, T["cast"](y > 0, "int64"))
    assert picked.owner is not None
    chosen = picked.owner.inputs[0]
    assert chosen.owner is not None
    mask = chosen.owner.inputs[0]
    return p * (T["switch"](mask, T["dimshuffle"](1 / picked, 0, "x"), 0.0) - 1)


@rule(
    "picked_quotient_to_mask", on=PRODUCTS, nan=HIDES_NAN, dtypes="float", ranks=(2, 1),
    example=_example, needs_users=True,
)  # fmt: skip
def picked_quotient_to_mask(node: Apply, context: Context) -> Variable | None:
    """p * where(mask, g / p[..., y], 0) -> where(mask, g, 0), mask being label == 0 ..

    This is the gradient of log(p[..., y]), also by take or a slice. A sum that holds
    such a term, or one divided by the softmax p, is multiplied out.
    """
    out = node.outputs[0]
    dtype = out.type.dtype
    if not is_float(dtype) or is_inner(out, PRODUCT, context):
        return None
    found = product_of(out)
    if not any(k > 0 and log_is_better(v) for v, k in found.exponents.items()):
        return None  # no probability
    cancelled = _cancelled(found, context)
    if cancelled is not None:
        return context.fit(build_product(cancelled, dtype), out)
    for factor, k in found.exponents.items():
        if k == 1 and scalar_name(factor) in ("add", "sub"):
            made = _multiplied_out(factor, found, context)
            if made is not None:
                return context.fit(made, out)
    return None


def _cancelled(found: Product, context: Context) -> Product | None:
    """The product without one pair of p and where(mask, g / p[..., y], 0)."""
    for factor, k in found.exponents.items():
        if k != 1:
            continue
        for p, rest, rebuild in _quotients(factor, context):
            if found.exponents.get(p, 0) > 0:
                change = {factor: -1, p: -1, rebuild(rest): 1}
                return Product(found.coefficient, _changed(found.exponents, change))
    return None


def _changed(
    powers: dict[Variable, int], by: dict[Variable, int]
) -> dict[Variable, int]:
    made = dict(powers)
    for v, change in by.items():
        made[v] = made.get(v, 0) + change
    return {v: k for v, k in made.items() if k}


def _multiplied_out(
    factor: Variable, found: Product, context: Context
) -> Variable | None:
    """p * (g / p + b) -> g + p * b, the quotient being plain or picked."""
    dtype = factor.type.dtype
    order = region_order(factor)
    total = flatten(factor, set(order), order)
    if total is None:
        return None
    products = [(t.coefficient, t.product) for t in total.terms.values()]
    probabilities = dict.fromkeys(
        p
        for _, product in products
        for p in _divisors(product, context)
        if found.exponents.get(p, 0) > 0
    )
    if total.constant != 0:
        products.append((total.constant, Product()))
    for p in probabilities:
        out = Sum(total.dtype)
        for c, product in products:
            times = Product(1, _changed(product.exponents, {p: 1}))
            made = _cancelled(times, context) or times
            if made.key in out.terms:
                return None
            base = build_product(made, dtype)
            out.terms[made.key] = Term(c, made, base)
        rest = _changed(found.exponents, {factor: -1, p: -1, build_sum(out): 1})
        return build_product(Product(found.coefficient, rest), dtype)
    return None


def _divisors(product: Product, context: Context) -> Iterator[Variable]:
    """The probabilities that the product is divided by, as a whole or picked."""
    for u, k in product.exponents.items():
        if k < 0 and owner_of(u, Softmax) is not None:
            yield u
        elif k == 1:
            for p, _, _ in _quotients(u, context):
                yield p


PICKING: tuple[Rule, ...] = (
    log_of_pick_to_pick_of_log,
    log_of_part_to_part_of_log,
    log_of_prod_to_sum_of_log,
    picked_quotient_to_mask,
)
