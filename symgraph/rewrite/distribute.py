"""A product goes into a sum of quotients where it cancels their divisors.

    (t / p - (1 - t) / (1 - p)) * (p * (1 - p))  ->  t * (1 - p) - (1 - t) * p

This is how gradients of logarithms meet the derivative of a sigmoid or softmax: p may be
0 or 1 after rounding, and the original is inf * 0. Nothing is distributed unless every
term of the sum loses a divisor.
"""

from symgraph.core.dtypes import is_float
from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
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
from symgraph.rewrite.cost import (
    PRODUCT,
    region_order,
    scalar_name,
)
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import HIDES_NAN, Rule, rule


def _example(x: Variable, y: Variable, z: Variable) -> Variable:
    p = PUBLIC["cosh"](z)
    return (x / p - y / (1 + p)) * (p * (1 + p))


@rule(
    "product_into_quotients", on=("mul", "div", "neg"), nan=HIDES_NAN, dtypes="float",
    example=_example, needs_users=True,
)  # fmt: skip
def product_into_quotients(node: Apply, context: Context) -> Variable | None:
    """(a / p - b / q) * (p * q) -> a * q - b * p: no division by what may be 0.

    Terms without a divisor may be among them where all divisors are sigmoids s or 1 - s.
    """
    out = node.outputs[0]
    if not is_float(out.type.dtype) or is_inner(out, PRODUCT, context):
        return None
    found = product_of(out)
    for factor, exponent in found.exponents.items():
        if exponent != 1 or scalar_name(factor) not in ("add", "sub"):
            continue
        others = {v: k for v, k in found.exponents.items() if v is not factor}
        if not any(k > 0 for k in others.values()):
            continue
        order = region_order(factor)
        total = flatten(factor, set(order), order)
        if total is None:
            continue
        if total.constant != 0:
            total.terms[frozenset()] = Term(total.constant, Product(), factor)
        terms = total.terms.values()
        if len(terms) < 2 or not any(_cancels(term, others) for term in terms):
            continue
        if not all(
            _cancels(term, others) or _is_bounded(term, others) for term in terms
        ):
            continue
        made = _distributed(total, others, found.coefficient)
        return None if made is None else context.fit(made, out)
    return None


def _cancels(term: Term, others: dict[Variable, int]) -> bool:
    """Whether the product takes away a divisor of the term."""
    return any(
        k < 0 and others.get(v, 0) > 0 for v, k in term.product.exponents.items()
    )


def _is_bounded(term: Term, others: dict[Variable, int]) -> bool:
    """Whether nothing divides the term, and the product has sigmoids only."""
    if any(k < 0 for k in term.product.exponents.values()):
        return False
    return all(k > 0 and _is_probability(v) for v, k in others.items() if v.ndim)


def _is_probability(v: Variable) -> bool:
    if scalar_name(v) == "sub":
        assert v.owner is not None
        one, v = v.owner.inputs
        if number_of(one) != 1:
            return False
    return scalar_name(v) == "sigmoid"


def _distributed(
    total: Sum, others: dict[Variable, int], coefficient: float
) -> Variable | None:
    """common * sum of (term * others / common), common being in all terms alike."""
    terms: list[tuple[float, dict[Variable, int]]] = []
    for term in total.terms.values():
        exponents = dict(term.product.exponents)
        for v, k in others.items():
            exponents[v] = exponents.get(v, 0) + k
        terms.append((term.coefficient, {v: k for v, k in exponents.items() if k}))
    first = terms[0][1]
    common = {v: k for v, k in first.items() if all(e.get(v) == k for _, e in terms)}
    out = Sum(total.dtype)
    for c, exponents in terms:
        product = Product(1, {v: k for v, k in exponents.items() if v not in common})
        if product.key in out.terms or not product.exponents:
            return None
        out.terms[product.key] = Term(c, product, build_product(product, total.dtype))
    inner = build_sum(out)
    return build_product(Product(coefficient, {**common, inner: 1}), total.dtype)


DISTRIBUTION: tuple[Rule, ...] = (product_into_quotients,)
