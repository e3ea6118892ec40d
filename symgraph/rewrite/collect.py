"""Collecting sums and products by structure, with coefficients and exponents.

A region of + - * / and powers is flattened: a sum into {term: coefficient}, a product
into {factor: exponent}, n-ary over interned nodes. It is rebuilt in binary form only if
that saves operations, or adds where the count is the same, so collecting twice changes
nothing and expressions that cannot be improved stay as the user wrote them:

    (x + y) + (x + y) -> 2 * (x + y)        2*x + 3*x -> 5*x
    x*y + x*y -> 2 * (x*y)                  x*x*x -> x**3
    x - x -> 0                              x / x -> 1
    (a * g) / n -> (a / n) * g              a, n with one element: fewer operations

Sums of integers are exact (they wrap). Floats are reassociated; coefficients are merged
in float64 and rounded once. Broadcasting is kept by `Context.fit`.
"""

from typing import Any

from symgraph.core.dtypes import is_complex, is_float, is_integer
from symgraph.core.node import Apply, Variable
from symgraph.core.record import Record, fresh
from symgraph.ops.families import Elementwise
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import (
    HIGHEST_POWER,
    PRODUCT,
    SUM,
    exclusive,
    improvement,
    region_order,
    scalar_name,
)
from symgraph.rewrite.numbers import finite, number, representable, whole, wrapped
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import HIDES_NAN, rule

Parts = list[tuple[Variable, Any]]
Factors = tuple[tuple[Variable, int], ...]


# --- sums ----------------------------------------------------------------------------


def sum_parts(v: Variable) -> Parts | None:
    """(operand, coefficient) pairs that v is the sum of, or None if v is no sum."""
    name = scalar_name(v)
    if not name:
        return None
    assert v.owner is not None
    inputs = v.owner.inputs
    if name == "add":
        return [(inputs[0], 1), (inputs[1], 1)]
    if name == "sub":
        return [(inputs[0], 1), (inputs[1], -1)]
    if name == "neg":
        return [(inputs[0], -1)]
    if name == "mul":
        for one, other in (inputs, inputs[::-1]):
            value = number_of(one)
            if value is not None and number_of(other) is None and finite(value):
                return [(other, value)]
    elif name == "div" and not is_integer(v.type.dtype):
        value = number_of(inputs[1])
        if value is not None and value != 0 and finite(value) and finite(1 / value):
            return [(inputs[0], 1 / value)]
    return None


def product_parts(v: Variable) -> list[tuple[Variable, int]] | None:
    """(operand, exponent) pairs that v is the product of; None if v is no product.

    A negation is the factor None, written as (v, 0).
    """
    name = scalar_name(v)
    if name not in PRODUCT:
        return None
    assert v.owner is not None
    inputs = v.owner.inputs
    if name == "mul":
        return [(inputs[0], 1), (inputs[1], 1)]
    if name == "div" and not is_integer(v.type.dtype):
        return [(inputs[0], 1), (inputs[1], -1)]
    if name == "neg":
        return [(inputs[0], 1), (v, 0)]
    if name == "pow":
        value = whole(number_of(inputs[1]))
        if value is None or not 0 < abs(value) <= HIGHEST_POWER:
            return None
        if value < 0 and is_integer(v.type.dtype):
            return None
        return [(inputs[0], value)]
    return None


class Product(Record, frozen=False):
    """coefficient * product of factor ** exponent.

    `pieces`, `numbers`, `signs` and `divisors` count what the product was written with:
    factors, numbers, negations, divisions.
    """

    coefficient: Any = 1
    exponents: dict[Variable, int] = fresh(factory=dict)
    pieces: int = 0
    numbers: int = 0
    signs: int = 0
    divisors: int = 0

    @property
    def key(self) -> frozenset[tuple[Variable, int]]:
        """The same for equal products, whatever their coefficients are."""
        return frozenset(self.exponents.items())


def product_of(v: Variable) -> Product:
    """v as a product; anything that is no product is its own single factor.

    The result is kept with the variable and must not be changed.
    """
    if v.owner is None:
        return _product_of(v)
    found: Product | None = v.__dict__.get("_product")
    if found is None:
        found = v.__dict__["_product"] = _product_of(v)
    return found


def _product_of(v: Variable, budget: int = 32) -> Product:
    found = Product()
    steps = 0
    stack: list[tuple[Variable, int]] = [(v, 1)]
    while stack:
        u, exponent = stack.pop()
        value = number_of(u)
        if value is not None and finite(value):
            if value != 0 or exponent > 0:
                power = _power(value, exponent, u.type.dtype)
                if power is not None:
                    found.numbers += 1
                    found.coefficient = found.coefficient * power
                    continue
        steps += 1
        parts = product_parts(u) if steps <= budget else None
        if parts is None:
            found.pieces += 1
            found.exponents[u] = found.exponents.get(u, 0) + exponent
            continue
        for part, k in reversed(parts):
            if k == 0:
                found.signs += 1
                found.coefficient = found.coefficient * (-1) ** (exponent % 2)
            else:
                found.divisors += k < 0
                stack.append((part, exponent * k))
    found.exponents = {u: k for u, k in found.exponents.items() if k != 0}
    if not representable(found.coefficient, v.type.dtype):
        return Product(1, {v: 1})
    return found


def _power(value: Any, exponent: int, dtype: str) -> Any:
    if is_integer(dtype):
        return value**exponent if exponent >= 0 else None
    try:
        power = value**exponent
    except (OverflowError, ZeroDivisionError):
        return None
    return power if (finite(power) and power != 0) or value == 0 else None


# --- flattening and rebuilding sums -----------------------------------------------------


class Term(Record, frozen=False):
    """A term of a sum: coefficient * product."""

    coefficient: Any
    product: Product
    variable: Variable


class Sum(Record, frozen=False):
    """constant + sum of terms, in order of first occurrence."""

    dtype: str
    terms: dict[frozenset[tuple[Variable, int]], Term] = fresh(factory=dict)
    constant: Any = 0
    numbers: int = 0
    merged: bool = False

    def is_promising(self, ndim: int) -> bool:
        """Whether rebuilding the sum may save anything."""
        terms = self.terms.values()
        if self.merged or self.numbers > 1 or (self.numbers and self.constant == 0):
            return True
        if any(t.product.signs for t in terms):
            return True
        sizes = [abs(t.coefficient) for t in terms if t.coefficient not in (1, -1)]
        if len(set(sizes)) < len(sizes):
            return True
        return sum(t.variable.ndim < ndim for t in terms) + self.numbers > 1


def flatten(root: Variable, inside: set[Variable], order: list[Variable]) -> Sum | None:
    """The sum that root is, expanding only the nodes in `inside`."""
    dtype = root.type.dtype
    factor: dict[Variable, Any] = {root: 1}
    found = Sum(dtype)
    expanded: dict[Variable, Parts] = {}
    for v in order:
        if v not in factor or v not in inside:
            continue
        parts = sum_parts(v)
        if parts is None:
            continue
        expanded[v] = parts
        for u, c in parts:
            found.merged = found.merged or u in factor
            factor[u] = factor.get(u, 0) + factor[v] * c
    if root not in expanded:
        return None
    leaves: dict[Variable, None] = {}
    stack, seen = [root], set()
    while stack:
        v = stack.pop()
        if v in seen:
            continue
        seen.add(v)
        if v in expanded:
            stack.extend(u for u, _ in reversed(expanded[v]))
        else:
            leaves[v] = None
    for v in leaves:
        c = factor[v]
        value = number_of(v)
        if value is not None and finite(value):
            found.numbers += 1
            found.constant = found.constant + c * value
            continue
        product = product_of(v)
        term = found.terms.get(product.key)
        if term is None:
            found.terms[product.key] = Term(c * product.coefficient, product, v)
        else:
            term.coefficient = term.coefficient + c * product.coefficient
            found.merged = True
    values = [found.constant, *(t.coefficient for t in found.terms.values())]
    if is_integer(dtype):
        found.constant = wrapped(found.constant, dtype)
        for term in found.terms.values():
            term.coefficient = wrapped(term.coefficient, dtype)
    elif not all(finite(c) and representable(c, dtype) for c in values):
        return None
    for key in [k for k, t in found.terms.items() if t.coefficient == 0]:
        del found.terms[key]
        found.merged = True
    return found


def apply(name: str, *operands: Variable) -> Variable:
    """Elementwise function of operands that have the right dtypes already."""
    made: Variable = Elementwise(name)(*operands)
    return made


def build_sum(found: Sum) -> Variable:
    """Binary expression of a sum: equal coefficients factored out, constant last."""
    dtype = found.dtype
    groups: dict[Any, list[tuple[bool, Variable]]] = {}
    for term in found.terms.values():
        base, c = term.variable, term.coefficient
        own = term.product.coefficient
        if own not in (0, 1, -1) and c in (own, -own) and not is_integer(dtype):
            c = 1 if c == own else -1
        elif own != 1:
            base = build_product(Product(1, term.product.exponents), dtype)
        negative = not isinstance(c, complex) and c < 0
        groups.setdefault(-c if negative else c, []).append((negative, base))
    parts: list[tuple[bool, Variable]] = []
    for size, members in groups.items():
        if size == 1:
            parts.extend(members)
            continue
        flip = all(negative for negative, _ in members)
        inner = _chain([(negative != flip, base) for negative, base in members])
        if flip and len(groups) == 1 and found.constant == 0:  # -(2 * x) is (-2) * x
            return apply("mul", number(-size, dtype), inner)
        parts.append((flip, apply("mul", number(size, dtype), inner)))
    constant = found.constant
    parts.sort(key=lambda part: part[1].ndim)
    if not parts:
        return number(constant, dtype)
    if constant == 0:
        return _chain(parts)
    if all(negative for negative, _ in parts):
        start: Variable = number(constant, dtype)
        for _, base in parts:
            start = apply("sub", start, base)
        return start
    start = _chain(parts)
    if not isinstance(constant, complex) and constant < 0:
        return apply("sub", start, number(-constant, dtype))
    return apply("add", start, number(constant, dtype))


def _chain(parts: list[tuple[bool, Variable]]) -> Variable:
    """+a - b + c, starting with the first that is not negative."""
    first = next((i for i, (negative, _) in enumerate(parts) if not negative), None)
    if first is None:
        return apply("neg", _chain([(False, base) for _, base in parts]))
    out = parts[first][1]
    for i, (negative, base) in enumerate(parts):
        if i != first:
            out = apply("sub" if negative else "add", out, base)
    return out


# --- rebuilding products ----------------------------------------------------------------


def power_of(base: Variable, exponent: int) -> Variable:
    """base ** exponent with a positive exponent."""
    if exponent == 1:
        return base
    return apply("pow", base, number(exponent, base.type.dtype))


def build_product(found: Product, dtype: str) -> Variable:
    """Binary expression of a product: what has one element first, one division last."""
    coefficient = found.coefficient
    if is_integer(dtype):
        coefficient = wrapped(coefficient, dtype)
    if coefficient == 0:
        return number(0, dtype)
    above: dict[bool, list[Variable]] = {True: [], False: []}
    below: dict[bool, list[Variable]] = {True: [], False: []}
    ndim = max((v.ndim for v in found.exponents), default=0)
    for base, exponent in found.exponents.items():
        small = base.ndim == 0 and ndim > 0
        side = above if exponent > 0 else below
        side[small].append(power_of(base, abs(exponent)))
    negative = not isinstance(coefficient, complex) and coefficient == -1
    scalars = above[True]
    if coefficient != 1 and not negative:
        scalars = [number(coefficient, dtype), *scalars]
    scale = _times(scalars)
    if below[True]:
        divisor = _times(below[True])
        assert divisor is not None
        if scale is None and above[False] and not below[False]:
            out = apply("div", _some(_times(_by_rank(above[False]))), divisor)
            return apply("neg", out) if negative else out
        scale = apply("div", scale if scale is not None else number(1, dtype), divisor)
    rest = _times(_by_rank(above[False]))
    lower = _times(_by_rank(below[False]))
    if lower is not None:
        top = _times([v for v in (scale, rest) if v is not None])
        out = apply("div", top if top is not None else number(1, dtype), lower)
    else:
        found_parts = [v for v in (scale, rest) if v is not None]
        out = _some(_times(found_parts)) if found_parts else number(1, dtype)
    return apply("neg", out) if negative else out


def _some(v: Variable | None) -> Variable:
    assert v is not None
    return v


def _by_rank(factors: list[Variable]) -> list[Variable]:
    return sorted(factors, key=lambda v: v.ndim)


def _times(factors: list[Variable]) -> Variable | None:
    out: Variable | None = None
    for v in factors:
        out = v if out is None else apply("mul", out, v)
    return out


# --- the rules ---------------------------------------------------------------------------


def is_inner(v: Variable, kinds: frozenset[str], context: Context) -> bool:
    """Whether every reader of v is a node of the same kind, which will collect it."""
    users = context.users(v)
    if not users:
        return False
    for node in users:
        if node is None or not isinstance(node.op, Elementwise):
            return False
        name = node.op.scalar
        if name not in kinds:
            if kinds is not SUM or sum_parts(node.outputs[0]) is None:
                return False
        elif kinds is PRODUCT and product_parts(node.outputs[0]) is None:
            return False
    return True


def _collectable(dtype: str) -> bool:
    return is_float(dtype) or is_integer(dtype) or is_complex(dtype)


@rule(
    "collect_terms", on=("add", "sub", "neg", "mul", "div"), nan=HIDES_NAN,
    example=lambda x, y: (x + y) + (x + y), needs_users=True,
)  # fmt: skip
def collect_terms(node: Apply, context: Context) -> Variable | None:
    """Sum with equal terms merged: (x + y) + (x + y) -> 2 * (x + y), x - x -> 0.

    Terms that cancel hide a NaN or inf in them. Floats are reassociated.
    """
    out = node.outputs[0]
    if not _collectable(out.type.dtype) or is_inner(out, SUM, context):
        return None
    memory = out.__dict__
    if memory.get("_no_sum"):
        return None
    parts = sum_parts(out)
    if parts is None or (len(parts) == 1 and sum_parts(parts[0][0]) is None):
        return None
    order = region_order(out)
    full = flatten(out, set(order), order)
    signs = any(scalar_name(v) == "neg" for v in order)
    if full is None or not (signs or full.is_promising(out.ndim)):
        memory["_no_sum"] = True
        return None
    mine = exclusive(order, context)
    if memory.get("_sum_tried") == mine:
        return None
    candidates = [context.fit(build_sum(full), out)]
    if len(mine) < len(order):
        part = flatten(out, mine, order)
        if part is not None:
            candidates.append(context.fit(build_sum(part), out))
    best = improvement(out, candidates, context, mine)
    if best is None:
        memory["_sum_tried"] = mine
    return best


@rule(
    "collect_factors", on=("mul", "div", "neg", "pow"), nan=HIDES_NAN,
    example=lambda x, y: x * y * x, needs_users=True,
)  # fmt: skip
def collect_factors(node: Apply, context: Context) -> Variable | None:
    """Product with equal factors merged: x * x * x -> x ** 3, x / x -> 1.

    Factors that cancel hide NaN where they are 0, inf or NaN; 0 * x becomes 0. Factors
    with one element are multiplied before they meet arrays. Floats are reassociated.
    """
    out = node.outputs[0]
    if not _collectable(out.type.dtype) or is_inner(out, PRODUCT, context):
        return None
    parts = product_parts(out)
    if parts is None:
        return None
    if len(parts) == 1 and product_parts(parts[0][0]) is None:
        return None
    found = product_of(out)
    if found.exponents.get(out) or not _is_promising(found, out):
        return None
    return improvement(
        out, [context.fit(build_product(found, out.type.dtype), out)], context
    )


def _is_promising(found: Product, out: Variable) -> bool:
    """Whether rebuilding the product may save anything."""
    if found.pieces > len(found.exponents) or found.signs or found.divisors > 1:
        return True
    if found.numbers > 1 or (found.numbers and found.coefficient in (0, 1, -1)):
        return True
    small = sum(v.ndim == 0 for v in found.exponents) + found.numbers
    return small > 1 and out.ndim > 0
