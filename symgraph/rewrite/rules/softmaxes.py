"""Products that hold exponentials and a sum of them over axes: softmax instead.

    g * (1 / sum(exp(x))) * exp(x)   ->  g * softmax(x)

Gradients leave such products with their factors far apart. They are found in a product
taken apart into {factor: exponent} (collect.py), so that order, other factors, and how
the quotient was written do not matter. An exponential overflows where its quotient is 1
and underflows to 0 / 0. Quotients of single exponentials are in quotients.py.
"""

from collections.abc import Iterable
from typing import Any

from symgraph.core.dtypes import is_float
from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Elementwise
from symgraph.ops.movement import DimShuffle, Pattern
from symgraph.ops.nnet import Softmax, peak
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
from symgraph.rewrite.rule import HIDES_NAN, Rule, rule
from symgraph.rewrite.rules.shapes import owner_of

BRIDLE = "Bridle 1990; Goodfellow et al. 2016, Deep Learning, section 4.1"
T = PUBLIC
PRODUCTS = ("mul", "div", "neg", "pow")
Powers = dict[Variable, int]
#: how much exponents grow
Changes = Iterable[tuple[Variable, int]]


# --- taking apart ---------------------------------------------------------------------


def opened(v: Variable) -> Product:
    """`product_of` v, where rearranged products are taken apart as well.

    The factor ``dimshuffle(g / s, 0, 'x')`` becomes the factors ``dimshuffle(g, 0, 'x')``
    and ``dimshuffle(s, 0, 'x')`` with the exponents 1 and -1; repetition is left out.
    """
    return opened_product(product_of(v))


def opened_product(found: Product) -> Product:
    """The product where rearranged products are taken apart as well."""
    if not any(_moved_product(u) for u in found.exponents):
        return found
    powers: Powers = {}
    coefficient = found.coefficient
    for u, k in found.exponents.items():
        moved = _moved_product(u)
        if moved is None:
            powers[u] = powers.get(u, 0) + k
            continue
        source, pattern, rank = moved
        inner = opened(source)
        if k < 0 and inner.coefficient == 0:
            return found
        coefficient = coefficient * inner.coefficient**k
        for part, power in inner.exponents.items():
            new = rearranged(part, pattern, rank)
            if new is None:
                return found
            powers[new] = powers.get(new, 0) + k * power
    return Product(coefficient, {u: k for u, k in powers.items() if k})


def _moved_product(v: Variable) -> tuple[Variable, Pattern, int] | None:
    """(p, pattern, rank) where v is a product p repeated to a rank and rearranged."""
    source, pattern = under(v)
    rank = source.ndim
    repeated = owner_of(source, BroadcastTo)
    if repeated is not None:
        source = repeated.inputs[0]
    if source is v or scalar_name(source) not in PRODUCT:
        return None
    return source, pattern, rank


def rearranged(v: Variable, pattern: Pattern, rank: int) -> Variable | None:
    """What dimshuffle makes of v where v is broadcast to `rank` axes before it.

    None where it would drop an axis that is known to have extent 1 only afterwards.
    """
    missing = rank - v.ndim
    own = tuple(
        "x" if isinstance(p, str) or p < missing else p - missing for p in pattern
    )
    v, before = under(v)
    own = tuple(p if isinstance(p, str) else before[p] for p in own)
    while own and own[0] == "x":
        own = own[1:]
    if own == tuple(range(v.ndim)):
        return v
    if any(e != 1 and axis not in own for axis, e in enumerate(v.type.shape)):
        return None
    made: Variable = DimShuffle(own)(v)
    return made


def under(v: Variable) -> tuple[Variable, Pattern]:
    """What a dimshuffle rearranges and its pattern; v itself and 0, 1, ... without."""
    shuffle = owner_of(v, DimShuffle)
    if shuffle is None:
        return v, tuple(range(v.ndim))
    return shuffle.inputs[0], shuffle.op.pattern  # type: ignore[attr-defined]


def sum_of_exp(v: Variable) -> tuple[Variable, tuple[int, ...]] | None:
    """(exp(x), axes) where v is sum(exp(x), axes)."""
    node = owner_of(v, Reduce)
    if node is None or node.op.combine != "sum":  # type: ignore[attr-defined]
        return None
    (inner,) = node.inputs
    if scalar_name(inner) != "exp":
        return None
    return inner, node.op.axes  # type: ignore[attr-defined]


def axes_kept(x: Variable, total: Variable, axes: tuple[int, ...]) -> bool:
    """Whether `total`, of x reduced over axes, meets x with those axes as extent 1.

    Leading axes of extent 1 may be missing, as broadcasting puts them back.
    """
    pattern = under(total)[1]
    rest = iter(range(x.ndim))
    wanted = tuple("x" if i in axes else next(rest) for i in range(x.ndim))
    return ("x",) * (x.ndim - len(pattern)) + pattern == wanted


def softmax_over(x: Variable, axes: tuple[int, ...]) -> Variable | None:
    """exp(x) / sum(exp(x), axes), shifted by the maximum; None if x is so already."""
    if len(axes) == 1:
        made: Variable = Softmax(axes[0])(x)
        return made
    if scalar_name(x) == "sub":
        assert x.owner is not None
        y, shift = x.owner.inputs
        most = owner_of(under(shift)[0], Reduce)
        if most is not None and most.inputs[0] is y:
            assert isinstance(most.op, Reduce)
            if most.op.replace(total=True) == Reduce("max", axes, True):
                return None
    weights = Elementwise("exp")(x - peak(x, axes))
    made = weights / T["sum"](weights, axis=axes, keepdims=True)
    return made


def argument(v: Variable) -> Variable:
    """The operand of a function of one operand."""
    assert v.owner is not None
    return v.owner.inputs[0]


def candidate(node: Apply, context: Context) -> bool:
    """Whether the node is a product of floats as a whole, not a part of one."""
    out = node.outputs[0]
    return is_float(out.type.dtype) and not is_inner(out, PRODUCT, context)


def rebuilt(
    node: Apply, found: Product, changes: Changes, context: Context
) -> Variable | None:
    """The product with other exponents."""
    out = node.outputs[0]
    powers = dict(found.exponents)
    for v, change in changes:
        powers[v] = powers.get(v, 0) + change
    product = Product(found.coefficient, {v: k for v, k in powers.items() if k})
    return context.fit(build_product(product, out.type.dtype), out)


# --- the rules --------------------------------------------------------------------------


@rule(
    "exp_times_reciprocal_sum_to_softmax", on=PRODUCTS, nan=HIDES_NAN, source=BRIDLE,
    ranks=(2, 1), dtypes="float", needs_users=True,
    example=lambda x, y: T["dimshuffle"](y / T["sum"](T["exp"](x), 1), 0, "x")
    * T["exp"](x),
)  # fmt: skip
def exp_times_reciprocal_sum_to_softmax(
    node: Apply, context: Context
) -> Variable | None:
    """g / sum(exp(x), axes) * exp(x) -> g * softmax(x), for any axes and other factors."""
    if not candidate(node, context):
        return None
    found = opened(node.outputs[0])
    for divisor, k in found.exponents.items():
        total = sum_of_exp(under(divisor)[0]) if k < 0 else None
        if total is None:
            continue
        weights, axes = total
        count = min(found.exponents.get(weights, 0), -k)
        if count <= 0 or not axes_kept(weights, divisor, axes):
            continue
        softmax = softmax_over(argument(weights), axes)
        if softmax is None:
            continue
        changes = [(weights, -count), (divisor, count), (softmax, count)]
        return rebuilt(node, found, changes, context)
    return None


@rule(
    "sum_of_exp_out_of_sum", on="Reduce", nan=HIDES_NAN, ranks=(2, 2), dtypes="float",
    example=lambda x, y: T["sum"](
        y / T["sum"](T["exp"](x), axis=1, keepdims=True), axis=1
    ),
)  # fmt: skip
def sum_of_exp_out_of_sum(node: Apply, context: Context) -> Variable | None:
    """sum(a / sum(exp(x), axis, keepdims), axis) -> sum(a, axis) / sum(exp(x), axis).

    So it meets the exp(x) that a gradient multiplies it with.
    """
    assert isinstance(node.op, Reduce)
    (x,) = node.inputs
    if node.op.combine != "sum":
        return None
    if scalar_name(x) not in PRODUCT and _moved_product(x) is None:
        return None
    found = opened(x)
    for divisor, k in found.exponents.items():
        source, pattern = under(divisor)
        if k >= 0 or sum_of_exp(source) is None:
            continue
        pattern = ("x",) * (x.ndim - len(pattern)) + pattern
        if any(pattern[axis] != "x" for axis in node.op.axes):
            continue
        powers = {v: p for v, p in found.exponents.items() if v is not divisor}
        rest = build_product(Product(found.coefficient, powers), x.type.dtype)
        whole = rest if context.covers([rest], x) else context.fit(rest, x)
        if whole is None:
            continue
        kept = tuple(p for i, p in enumerate(pattern) if i not in node.op.axes)
        outside = rearranged(source, kept, source.ndim)
        if outside is None:
            continue
        product = Product(1, {node.op(whole): 1, outside: k})
        return context.fit(build_product(product, x.type.dtype), node.outputs[0])
    return None


@rule(
    "exp_times_quotients_to_softmax", on=PRODUCTS, nan=HIDES_NAN, source=BRIDLE,
    ranks=(2, 2, 1), dtypes="float", needs_users=True,
    example=lambda x, y, z: T["exp"](x) * (
        y / T["sum"](T["exp"](x), axis=1, keepdims=True)
        - T["dimshuffle"](z / T["sum"](T["exp"](x), axis=1), 0, "x")),
)  # fmt: skip
def exp_times_quotients_to_softmax(node: Apply, context: Context) -> Variable | None:
    """exp(x) * (a / s + b / s) -> softmax(x) * (a + b) where s is sum(exp(x), axes)."""
    if not candidate(node, context):
        return None
    found = product_of(node.outputs[0])
    dtype = node.outputs[0].type.dtype
    for weights, k in found.exponents.items():
        if k <= 0 or scalar_name(weights) != "exp":
            continue
        for factor, power in found.exponents.items():
            if power != 1 or scalar_name(factor) not in ("add", "sub"):
                continue
            shared = _common_divisor(factor, weights)
            if shared is None:
                continue
            divisor, axes, terms = shared
            softmax = softmax_over(argument(weights), axes)
            if softmax is None:
                continue
            total = Sum(dtype)
            for c, product in terms:
                powers = {**product.exponents, divisor: product.exponents[divisor] + 1}
                rest = Product(1, {v: e for v, e in powers.items() if e})
                if rest.key in total.terms:
                    return None
                base = build_product(rest, dtype)
                total.terms[rest.key] = Term(c * product.coefficient, rest, base)
            changes = [(weights, -1), (factor, -1)]
            changes += [(softmax, 1), (build_sum(total), 1)]
            return rebuilt(node, found, changes, context)
    return None


def _common_divisor(
    factor: Variable, weights: Variable
) -> tuple[Variable, tuple[int, ...], list[tuple[Any, Product]]] | None:
    """(s, axes, terms): the sum of (c, product), all divided by s, sum of the weights."""
    order = region_order(factor)
    total = flatten(factor, set(order), order)
    if total is None or total.constant != 0 or len(total.terms) < 2:
        return None
    terms = [
        (t.coefficient, opened_product(Product(1, t.product.exponents)))
        for t in total.terms.values()
    ]
    for divisor, k in terms[0][1].exponents.items():
        found = sum_of_exp(under(divisor)[0]) if k < 0 else None
        if found is None or found[0] is not weights:
            continue
        if not axes_kept(weights, divisor, found[1]):
            continue
        if all(product.exponents.get(divisor, 0) < 0 for _, product in terms):
            return divisor, found[1], terms
    return None


@rule(
    "weighted_exp_over_sum_to_softmax", on=PRODUCTS, nan=HIDES_NAN, source=BRIDLE,
    ranks=(2, 2), dtypes="float", needs_users=True,
    example=lambda x, y: T["sum"](y * T["exp"](x), axis=1)
    / T["sum"](T["exp"](x), axis=1),
)  # fmt: skip
def weighted_exp_over_sum_to_softmax(node: Apply, context: Context) -> Variable | None:
    """sum(a * exp(x), axes) / sum(exp(x), axes) -> sum(a * softmax(x), axes)."""
    if not candidate(node, context):
        return None
    found = opened(node.outputs[0])
    for factor, k in found.exponents.items():
        source, pattern = under(factor)
        reduced = owner_of(source, Reduce) if k > 0 else None
        if reduced is None or reduced.op.combine != "sum":  # type: ignore[attr-defined]
            continue
        (x,) = reduced.inputs
        inner = product_of(x) if scalar_name(x) in PRODUCT else Product()
        for weights, power in inner.exponents.items():
            if power <= 0 or scalar_name(weights) != "exp" or weights.ndim != x.ndim:
                continue
            axes = reduced.op.axes  # type: ignore[attr-defined]
            total = Reduce("sum", axes)(weights)
            divisor = rearranged(total, pattern, source.ndim)
            if divisor is None or found.exponents.get(divisor, 0) >= 0:
                continue
            softmax = softmax_over(argument(weights), axes)
            if softmax is None:
                continue
            count = inner.exponents.get(softmax, 0) + 1
            powers = {**inner.exponents, softmax: count, weights: power - 1}
            rest = Product(inner.coefficient, {v: e for v, e in powers.items() if e})
            whole = context.fit(build_product(rest, x.type.dtype), x)
            if whole is None:
                continue
            new = rearranged(reduced.op(whole), pattern, source.ndim)
            if new is None:
                continue
            return rebuilt(node, found, [(factor, -1), (divisor, 1), (new, 1)], context)
    return None


#: what has to be found before sums and products are collected, and again after
SOFTMAXES: tuple[Rule, ...] = (
    exp_times_reciprocal_sum_to_softmax,
    sum_of_exp_out_of_sum,
    exp_times_quotients_to_softmax,
    weighted_exp_over_sum_to_softmax,
)
