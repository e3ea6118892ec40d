"""Products that hold exponentials and a sum of two of them: bounded functions instead.

    g / (1 + exp(x)) * exp(x)        ->  g * sigmoid(x)
    (exp(x) - 1) / (exp(x) + 1)      ->  tanh(x / 2)

As in softmaxes.py, the factors may be far apart among others. Formulas of one shape are
in stability.py.
"""

from collections.abc import Iterator

from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.families import Elementwise
from symgraph.rewrite.collect import (
    Product,
    Sum,
    Term,
    build_product,
    build_sum,
    flatten,
    product_of,
)
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import region_order, scalar_name
from symgraph.rewrite.numbers import number
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import HIDES_NAN, Rule, rule
from symgraph.rewrite.rules.softmaxes import PRODUCTS, argument, candidate, rebuilt

T = PUBLIC


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


# --- the rules --------------------------------------------------------------------------


@rule(
    "exp_over_one_plus_exp_to_sigmoid", on=PRODUCTS, nan=HIDES_NAN, dtypes="float",
    example=lambda x, y: y / (1 + T["exp"](x)) * T["exp"](x), needs_users=True,
)  # fmt: skip
def exp_over_one_plus_exp_to_sigmoid(node: Apply, context: Context) -> Variable | None:
    """g / (1 + exp(x)) * exp(x) -> g * sigmoid(x); what is left of 1 / (1 + exp(x)) is
    sigmoid(-x).
    """
    if not candidate(node, context):
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
        return rebuilt(node, found, changes, context)
    return None


@rule(
    "exp_over_two_exps_to_sigmoid", on=PRODUCTS, nan=HIDES_NAN, dtypes="float",
    example=lambda x, y, z: z / (T["exp"](x) + T["exp"](y)) * T["exp"](x),
    needs_users=True,
)  # fmt: skip
def exp_over_two_exps_to_sigmoid(node: Apply, context: Context) -> Variable | None:
    """g / (exp(x) + exp(y)) * exp(x) -> g * sigmoid(x - y)."""
    if not candidate(node, context):
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
                return rebuilt(node, found, changes, context)
    return None


@rule(
    "exp_differences_to_tanh", on=PRODUCTS, nan=HIDES_NAN, dtypes="float",
    example=lambda x, y: y * (T["exp"](x) - 1) / (T["exp"](x) + 1), needs_users=True,
)  # fmt: skip
def exp_differences_to_tanh(node: Apply, context: Context) -> Variable | None:
    """(exp(x) - 1) / (exp(x) + 1) -> tanh(x / 2), (exp(x) - exp(y)) / (exp(x) + exp(y))
    -> tanh((x - y) / 2), among other factors.
    """
    if not candidate(node, context):
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
            return rebuilt(node, signed, changes, context)
    return None


def _tanh_divisors(
    factor: Variable,
) -> Iterator[tuple[int, Variable, Variable, int]]:
    """(sign, u, v, k): factor * v ** k is sign * tanh(u / 2)."""
    add = Elementwise("add")
    pair = two_exps(factor, "sub")
    if pair is not None:
        u = Elementwise("sub")(argument(pair[0]), argument(pair[1]))
        yield 1, u, add(*pair), -1
        yield 1, u, add(*pair[::-1]), -1
        return
    if scalar_name(factor) == "sinh":
        x = argument(factor)
        double = Elementwise("mul")(number(2, factor.type.dtype), x)
        yield 1, double, Elementwise("cosh")(x), -1
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
    u, one = argument(growth), number(1, factor.type.dtype)
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
    if not candidate(node, context):
        return None
    found = product_of(node.outputs[0])
    if not any(k > 0 and scalar_name(v) == "exp" for v, k in found.exponents.items()):
        return None
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
            return rebuilt(node, found, changes, context)
    return None


@rule(
    "exp_times_sigmoids_to_sigmoids", on=PRODUCTS, nan=HIDES_NAN, dtypes="float",
    needs_users=True,
    example=lambda x, y, z: T["exp"](-x) * (
        y * T["sigmoid"](x) - z * T["sigmoid"](x)),
)  # fmt: skip
def exp_times_sigmoids_to_sigmoids(node: Apply, context: Context) -> Variable | None:
    """exp(-x) * (a * s + b * s) -> sigmoid(-x) * (a + b) where s is sigmoid(x)."""
    if not candidate(node, context):
        return None
    found = product_of(node.outputs[0])
    dtype = node.outputs[0].type.dtype
    exps = [u for u, k in found.exponents.items() if k > 0 and scalar_name(u) == "exp"]
    sums = [
        u
        for u, k in found.exponents.items()
        if k == 1 and scalar_name(u) in ("add", "sub")
    ]
    for growth in exps:
        for factor in sums:
            order = region_order(factor)
            total = flatten(factor, set(order), order)
            if total is None or total.constant != 0 or len(total.terms) < 2:
                continue
            for negative in opposites(argument(growth)):
                mirrored = Elementwise("sigmoid")(negative)
                rest = _divided(total, mirrored, dtype)
                if rest is None:
                    continue
                bounded = Elementwise("sigmoid")(argument(growth))
                changes = [(growth, -1), (factor, -1), (bounded, 1), (rest, 1)]
                return rebuilt(node, found, changes, context)
    return None


def _divided(total: Sum, divisor: Variable, dtype: str) -> Variable | None:
    """The sum divided by what is a factor of all its terms; None if it is not."""
    out = Sum(dtype)
    for term in total.terms.values():
        powers = dict(term.product.exponents)
        power = powers.pop(divisor, 0)
        if power <= 0:
            return None
        if power > 1:
            powers[divisor] = power - 1
        if not powers:
            out.constant = out.constant + term.coefficient
            continue
        product = Product(1, powers)
        out.terms[product.key] = Term(
            term.coefficient, product, build_product(product, dtype)
        )
    return build_sum(out)


#: what has to be found before sums and products are collected, and again after
QUOTIENTS: tuple[Rule, ...] = (
    exp_differences_to_tanh,
    exp_over_one_plus_exp_to_sigmoid,
    exp_over_two_exps_to_sigmoid,
    sigmoid_times_exp_to_sigmoid,
    exp_times_sigmoids_to_sigmoids,
)
