"""Products that hold exponentials and a sum of them: bounded functions instead.

    g * (1 / sum(exp(x))) * exp(x)   ->  g * softmax(x)
    g / (1 + exp(x)) * exp(x)        ->  g * sigmoid(x)

Gradients leave such products with their factors far apart. They are found in a product
taken apart into {factor: exponent} (collect.py), so that order, other factors, and how
the quotient was written do not matter. An exponential overflows where its quotient is 1
and underflows to 0 / 0. Rules on formulas of one shape are in stability.py.
"""

from collections.abc import Iterator

from symgraph.core.dtypes import is_float
from symgraph.core.node import Apply, Variable
from symgraph.core.op import PUBLIC
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Elementwise
from symgraph.ops.movement import DimShuffle, Pattern
from symgraph.ops.nnet import Softmax
from symgraph.ops.reduction import Reduce
from symgraph.rewrite.collect import Product, build_product, is_inner, product_of
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import PRODUCT, scalar_name
from symgraph.rewrite.numbers import number
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import HIDES_NAN, Rule, rule
from symgraph.rewrite.rules.shapes import owner_of

BRIDLE = "Bridle 1990; Goodfellow et al. 2016, Deep Learning, section 4.1"
T = PUBLIC
PRODUCTS = ("mul", "div", "neg", "pow")
Powers = dict[Variable, int]


# --- taking apart ---------------------------------------------------------------------


def opened(v: Variable) -> Product:
    """`product_of` v, where rearranged products are taken apart as well.

    The factor ``dimshuffle(g / s, 0, 'x')`` becomes the factors ``dimshuffle(g, 0, 'x')``
    and ``dimshuffle(s, 0, 'x')`` with the exponents 1 and -1; repetition is left out.
    """
    found = product_of(v)
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


def rearranged(v: Variable, pattern: Pattern, rank: int) -> Variable:
    """What dimshuffle makes of v where v is broadcast to `rank` axes before it."""
    missing = rank - v.ndim
    own = tuple(
        "x" if isinstance(p, str) or p < missing else p - missing for p in pattern
    )
    while own and own[0] == "x":
        own = own[1:]
    if own == tuple(range(v.ndim)):
        return v
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
        peak = owner_of(under(shift)[0], Reduce)
        if peak is not None and peak.op == Reduce("max", axes) and peak.inputs[0] is y:
            return None
    weights = Elementwise("exp")(x - T["max"](x, axis=axes, keepdims=True))
    made = weights / T["sum"](weights, axis=axes, keepdims=True)
    return made


def opposites(u: Variable) -> Iterator[Variable]:
    """The forms that -u may have."""
    name = scalar_name(u)
    if name == "neg":
        assert u.owner is not None
        yield u.owner.inputs[0]
    elif name == "sub":
        assert u.owner is not None
        yield Elementwise("sub")(*u.owner.inputs[::-1])
    elif name in ("mul", "div"):
        found = product_of(u)
        if found.coefficient not in (0, 1) and not isinstance(
            found.coefficient, complex
        ):
            flipped = Product(-found.coefficient, found.exponents)
            yield build_product(flipped, u.type.dtype)
    yield Elementwise("neg")(u)


def opposite(u: Variable) -> Variable:
    """-u without a second sign where u has one."""
    return next(opposites(u))


def one_plus_exp(v: Variable) -> Variable | None:
    """exp(u) where v is 1 + exp(u)."""
    if scalar_name(v) != "add":
        return None
    assert v.owner is not None
    a, b = v.owner.inputs
    for one, other in ((a, b), (b, a)):
        if number_of(one) == 1 and scalar_name(other) == "exp":
            return other
    return None


def two_exps(v: Variable, name: str) -> tuple[Variable, Variable] | None:
    """(exp(a), exp(b)) where v is exp(a) + exp(b), or their difference."""
    if scalar_name(v) != name:
        return None
    assert v.owner is not None
    a, b = v.owner.inputs
    if scalar_name(a) != "exp" or scalar_name(b) != "exp":
        return None
    return a, b


def argument(v: Variable) -> Variable:
    """The operand of a function of one operand."""
    assert v.owner is not None
    return v.owner.inputs[0]


def _candidate(node: Apply, context: Context) -> bool:
    out = node.outputs[0]
    return is_float(out.type.dtype) and not is_inner(out, PRODUCT, context)


def _rebuilt(
    node: Apply, found: Product, changes: list[tuple[Variable, int]], context: Context
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
    if not _candidate(node, context):
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
        return _rebuilt(node, found, changes, context)
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
    if node.op.combine != "sum" or scalar_name(x) not in PRODUCT:
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
        product = Product(1, {node.op(whole): 1, outside: k})
        return context.fit(build_product(product, x.type.dtype), node.outputs[0])
    return None


@rule(
    "exp_over_one_plus_exp_to_sigmoid", on=PRODUCTS, nan=HIDES_NAN, dtypes="float",
    example=lambda x, y: y / (1 + T["exp"](x)) * T["exp"](x), needs_users=True,
)  # fmt: skip
def exp_over_one_plus_exp_to_sigmoid(node: Apply, context: Context) -> Variable | None:
    """g / (1 + exp(x)) * exp(x) -> g * sigmoid(x); what is left of 1 / (1 + exp(x)) is
    sigmoid(-x).
    """
    if not _candidate(node, context):
        return None
    found = product_of(node.outputs[0])
    for divisor, k in found.exponents.items():
        growth = one_plus_exp(divisor) if k < 0 else None
        if growth is None:
            continue
        u = argument(growth)
        count = min(max(found.exponents.get(growth, 0), 0), -k)
        changes = [(growth, -count), (divisor, -k)]
        if count:
            changes.append((Elementwise("sigmoid")(u), count))
        if count < -k:
            changes.append((Elementwise("sigmoid")(opposite(u)), -k - count))
        return _rebuilt(node, found, changes, context)
    return None


@rule(
    "exp_over_two_exps_to_sigmoid", on=PRODUCTS, nan=HIDES_NAN, dtypes="float",
    example=lambda x, y, z: z / (T["exp"](x) + T["exp"](y)) * T["exp"](x),
    needs_users=True,
)  # fmt: skip
def exp_over_two_exps_to_sigmoid(node: Apply, context: Context) -> Variable | None:
    """g / (exp(x) + exp(y)) * exp(x) -> g * sigmoid(x - y)."""
    if not _candidate(node, context):
        return None
    found = product_of(node.outputs[0])
    for divisor, k in found.exponents.items():
        pair = two_exps(divisor, "add") if k < 0 else None
        if pair is None:
            continue
        for one, other in (pair, pair[::-1]):
            count = min(found.exponents.get(one, 0), -k)
            if count > 0:
                difference = Elementwise("sub")(argument(one), argument(other))
                bounded = Elementwise("sigmoid")(difference)
                changes = [(one, -count), (divisor, count), (bounded, count)]
                return _rebuilt(node, found, changes, context)
    return None


@rule(
    "exp_differences_to_tanh", on=PRODUCTS, nan=HIDES_NAN, dtypes="float",
    example=lambda x, y: y * (T["exp"](x) - 1) / (T["exp"](x) + 1), needs_users=True,
)  # fmt: skip
def exp_differences_to_tanh(node: Apply, context: Context) -> Variable | None:
    """(exp(x) - 1) / (exp(x) + 1) -> tanh(x / 2), (exp(x) - exp(y)) / (exp(x) + exp(y))
    -> tanh((x - y) / 2), among other factors.
    """
    if not _candidate(node, context):
        return None
    found = product_of(node.outputs[0])
    dtype = node.outputs[0].type.dtype
    for factor, k in found.exponents.items():
        if k <= 0:
            continue
        for sign, u, divisor, direction in _tanh_divisors(factor):
            count = min(k, direction * found.exponents.get(divisor, 0))
            if count <= 0:
                continue
            half = Elementwise("tanh")(Elementwise("mul")(number(0.5, dtype), u))
            signed = Product(found.coefficient * sign**count, found.exponents)
            changes = [(factor, -count), (divisor, -direction * count), (half, count)]
            return _rebuilt(node, signed, changes, context)
    return None


def _tanh_divisors(
    factor: Variable,
) -> Iterator[tuple[int, Variable, Variable, int]]:
    """(sign, u, v, k): factor * v ** k is sign * tanh(u / 2)."""
    add, one = Elementwise("add"), number(1, factor.type.dtype)
    pair = two_exps(factor, "sub")
    if pair is not None:
        u = Elementwise("sub")(argument(pair[0]), argument(pair[1]))
        yield 1, u, add(*pair), -1
        yield 1, u, add(*pair[::-1]), -1
        return
    sign, growth = 1, None
    if scalar_name(factor) == "expm1":
        growth = Elementwise("exp")(argument(factor))
    elif scalar_name(factor) in ("sub", "add"):
        assert factor.owner is not None
        a, b = factor.owner.inputs
        minus = 1 if scalar_name(factor) == "sub" else -1
        if scalar_name(a) == "exp" and number_of(b) == minus:
            growth = a
        elif scalar_name(b) == "exp" and number_of(a) == minus:
            growth = b
            sign = -minus
    if growth is None:
        return
    u = argument(growth)
    yield sign, u, add(one, growth), -1
    yield sign, u, add(growth, one), -1
    for negative in opposites(u):
        yield sign, u, Elementwise("sigmoid")(negative), 1


@rule(
    "sigmoid_times_exp_to_sigmoid", on=PRODUCTS, nan=HIDES_NAN, dtypes="float",
    needs_users=True,
    example=lambda x, y: T["sigmoid"](x) * y * T["exp"](-x),
)  # fmt: skip
def sigmoid_times_exp_to_sigmoid(node: Apply, context: Context) -> Variable | None:
    """g * sigmoid(x) * exp(-x) -> g * sigmoid(-x); 1 - sigmoid(x) where that is used."""
    if not _candidate(node, context):
        return None
    found = product_of(node.outputs[0])
    for factor, k in found.exponents.items():
        if k <= 0 or scalar_name(factor) != "sigmoid":
            continue
        for negative in opposites(argument(factor)):
            decay = Elementwise("exp")(negative)
            count = min(k, found.exponents.get(decay, 0))
            if count <= 0:
                continue
            mirrored = Elementwise("sub")(number(1, factor.type.dtype), factor)
            if not context.knows(mirrored):
                mirrored = Elementwise("sigmoid")(negative)
            changes = [(factor, -count), (decay, -count), (mirrored, count)]
            return _rebuilt(node, found, changes, context)
    return None


#: what has to be found before sums and products are collected, and again after
QUOTIENTS: tuple[Rule, ...] = (
    exp_times_reciprocal_sum_to_softmax,
    sum_of_exp_out_of_sum,
    exp_differences_to_tanh,
    exp_over_one_plus_exp_to_sigmoid,
    exp_over_two_exps_to_sigmoid,
    sigmoid_times_exp_to_sigmoid,
)
