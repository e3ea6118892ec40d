"""Rules of school algebra on elementwise functions: powers, signs, choices, extremes.

Sums and products are collected by structure in collect.py; what stands here are the
identities that collecting does not see.
"""
# mypy: disable-error-code="operator"

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from symgraph.core import operators
from symgraph.core.dtypes import is_complex, is_float
from symgraph.core.node import Apply, Variable, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.ops import exponential, special, trigonometric
from symgraph.ops.broadcast import BroadcastTo
from symgraph.ops.families import Cast, Elementwise, apply_scalar
from symgraph.ops.indexing import Subtensor, Take
from symgraph.ops.movement import DimShuffle, Reshape
from symgraph.ops.reduction import Reduce
from symgraph.rewrite.context import Context
from symgraph.rewrite.pattern import Wildcard, number_of, wildcards
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule, rule

assert operators and exponential and special and trigonometric  # fill PUBLIC

x, y, z = wildcards("x y z")
c = Wildcard("c", dtype="bool")
k, n = Wildcard("k", "number"), Wildcard("n", "number")


def scalar(name: str) -> Callable[..., Any]:
    """The function that applies a scalar function, with its promotion."""
    return partial(apply_scalar, name)


exp, log, sqrt, abs_, sign = map(scalar, ("exp", "log", "sqrt", "abs", "sign"))
exp2, log2, log10, rsqrt = map(scalar, ("exp2", "log2", "log10", "rsqrt"))
sin, cos, tan, tanh = map(scalar, ("sin", "cos", "tan", "tanh"))
sinh, cosh, second = map(scalar, ("sinh", "cosh", "second"))
where, maximum, minimum = map(scalar, ("where", "maximum", "minimum"))
not_, and_, or_ = map(scalar, ("not", "and", "or"))
floor, ceil, trunc, rint = map(scalar, ("floor", "ceil", "trunc", "rint"))


#: ops whose result has only elements of their first operand
MOVEMENTS = (DimShuffle, Reshape, BroadcastTo, Subtensor, Take)
_common = scalar("broadcast_extent")


def not_negative(v: Variable) -> bool:
    """Whether no element of v can be below 0 (NaN aside)."""
    value = number_of(v)
    if value is not None:
        return not isinstance(value, complex) and value >= 0
    node = v.owner
    if node is None:
        return v.type.dtype.startswith("uint")
    if isinstance(node.op, Reduce) and node.op.combine in ("sum", "max", "min", "prod"):
        return not_negative(node.inputs[0])
    if isinstance(node.op, MOVEMENTS):
        return not_negative(node.inputs[0])
    if isinstance(node.op, Cast):  # to an integer it may wrap
        return is_float(node.op.dtype) and not_negative(node.inputs[0])
    if not isinstance(node.op, Elementwise):
        return node.op.name in ("softmax", "extent", "iota")
    match node.op.scalar, node.inputs:
        case (("exp" | "exp2" | "sigmoid" | "softplus" | "cosh" | "abs" | "sqrt"), _):
            return True
        case "pow", (_, exponent):
            value = number_of(exponent)
            return (
                value is not None and not isinstance(value, complex) and value % 2 == 0
            )
        case "broadcast_extent", _:
            return True
        case "where", (_, a, b):
            return not_negative(a) and not_negative(b)
        case (("add" | "mul" | "div" | "minimum"), (a, b)):
            return not_negative(a) and not_negative(b)
        case "maximum", (a, b):
            return not_negative(a) or not_negative(b)
    return False


def even(k: Variable, **_: Variable) -> bool:
    """Condition: k is an even number."""
    value = number_of(k)
    return not isinstance(value, complex) and value % 2 == 0


def even_of_real(x: Variable, k: Variable, **_: Variable) -> bool:
    """Condition: k is an even number and x is not complex."""
    return even(k) and not is_complex(x.type.dtype)


def both_whole(k: Variable, n: Variable, **_: Variable) -> bool:
    """Condition: k and n are integers in value."""
    return all(float(number_of(v)).is_integer() for v in (k, n))


# fmt: off
POWERS = (
    Rule("pow_one_to_operand", x ** 1, x, nan=EXACT, dtypes="number"),
    Rule("pow_zero_to_one", x ** 0, second(x, 1.0),
         nan=EXACT, dtypes="real"),
    Rule("one_pow_to_one", 1 ** x, second(x, 1.0), nan=EXACT),
    # at -inf and -0.0 NumPy's x ** 0.5 is its sqrt, other than C's pow
    Rule("pow_half_to_sqrt", x ** 0.5, sqrt(x), nan=EXACT),
    Rule("pow_minus_half_to_rsqrt", x ** -0.5, rsqrt(x),
         when=lambda x: not_negative(x),
         nan="needs assumption: x is not -0.0, whose power is inf"),
    Rule("pow_pow_to_pow", (x ** k) ** n, x ** (k * n), when=both_whole, nan=EXACT),
    Rule("sqrt_squared_to_operand", sqrt(x) ** 2, x, nan=HIDES_NAN),
    Rule("sqrt_times_sqrt_to_operand", sqrt(x) * sqrt(x), x, nan=HIDES_NAN),
    Rule("sqrt_of_square_to_abs", sqrt(x ** 2), abs_(x), nan=EXACT),
    Rule("one_over_sqrt_to_rsqrt", 1 / sqrt(x), rsqrt(x), nan=EXACT),
)

SIGNS = (
    Rule("neg_neg_to_operand", -(-x), x, nan=EXACT, dtypes="number"),
    Rule("mul_minus_one_to_neg", x * -1, -x, nan=EXACT, dtypes="number"),
    Rule("abs_abs_to_abs", abs_(abs_(x)), abs_(x), nan=EXACT, dtypes="real"),
    Rule("abs_neg_to_abs", abs_(-x), abs_(x), nan=EXACT, dtypes="real"),
    Rule("abs_of_not_negative_to_operand", abs_(x), x, nan=EXACT, dtypes="real",
         when=lambda x: not_negative(x)),
    Rule("neg_even_power_to_power", (-x) ** k, x ** k, nan=EXACT, dtypes="real", when=even),
    Rule("abs_even_power_to_power", abs_(x) ** k, x ** k, nan=EXACT, dtypes="real",
         when=even_of_real),
    Rule("tanh_neg_to_neg", tanh(-x), -tanh(x), nan=EXACT),
    Rule("cos_neg_to_cos", cos(-x), cos(x), nan=EXACT),
    Rule("sign_sign_to_sign", sign(sign(x)), sign(x), nan=EXACT, dtypes="real"),
    Rule("sub_neg_to_add", x - (-y), x + y, nan=EXACT, dtypes="number"),
    Rule("add_neg_to_sub", x + (-y), x - y, nan=EXACT, dtypes="number"),
    Rule("cross_terms_to_difference", x * (1 - y) - (1 - x) * y, x - y, nan=HIDES_NAN),
    Rule("cross_terms_plus_to_difference", x * (1 - y) + (x - 1) * y, x - y, nan=HIDES_NAN),
    Rule("neg_sub_to_sub", -(x - y), y - x, nan=EXACT, dtypes="number"),
)

EXPONENTIALS = (
    Rule("log_exp_to_operand", log(exp(x)), x, nan=EXACT),
    Rule("exp_log_to_where", exp(log(x)), where(x >= 0, x, np.nan), nan=EXACT),
    Rule("log2_exp2_to_operand", log2(exp2(x)), x, nan=EXACT),
    Rule("exp2_log2_to_where", exp2(log2(x)), where(x >= 0, x, np.nan), nan=EXACT),
    Rule("exp_times_exp_to_exp", exp(x) * exp(y), exp(x + y),
         nan="needs assumption: not one factor inf and the other 0"),
    Rule("exp_over_exp_to_exp", exp(x) / exp(y), exp(x - y), nan=HIDES_NAN),
    Rule("one_over_exp_to_exp", 1 / exp(x), exp(-x), nan=EXACT),
    Rule("log_of_reciprocal_to_neg", log(1 / x), -log(x),
         nan="needs assumption: x is not -0.0"),
    Rule("log_of_sqrt_to_half", log(sqrt(x)), 0.5 * log(x), nan=EXACT),
    Rule("squares_of_sin_and_cos_to_one", sin(x) ** 2 + cos(x) ** 2,
         second(x, 1.0), nan=HIDES_NAN),
    Rule("one_minus_sin_square_to_cos", 1 - sin(x) ** 2, cos(x) ** 2, nan=EXACT),
    Rule("one_minus_cos_square_to_sin", 1 - cos(x) ** 2, sin(x) ** 2, nan=EXACT),
    Rule("sin_over_cos_to_tan", sin(x) / cos(x), tan(x), nan=EXACT),
)

CHOICES = (
    Rule("where_same_to_operand", where(c, x, x), x, nan=EXACT, dtypes="any"),
    Rule("where_not_to_where", where(not_(c), x, y), where(c, y, x), nan=EXACT,
         dtypes="any"),
    Rule("where_where_first", where(c, where(c, x, y), z), where(c, x, z), nan=EXACT,
         dtypes="any"),
    Rule("where_where_second", where(c, x, where(c, y, z)), where(c, x, z), nan=EXACT,
         dtypes="any"),
    Rule("not_not_to_operand", not_(not_(c)), c, nan=EXACT, dtypes="bool"),
    Rule("and_same_to_operand", and_(c, c), c, nan=EXACT, dtypes="bool"),
    Rule("or_same_to_operand", or_(c, c), c, nan=EXACT, dtypes="bool"),
    Rule("maximum_same_to_operand", maximum(x, x), x, nan=EXACT, dtypes="real"),
    Rule("minimum_same_to_operand", minimum(x, x), x, nan=EXACT, dtypes="real"),
    Rule("maximum_nested", maximum(maximum(x, y), y), maximum(x, y), nan=EXACT,
         dtypes="real"),
    Rule("minimum_nested", minimum(minimum(x, y), y), minimum(x, y), nan=EXACT,
         dtypes="real"),
    Rule("maximum_neg_neg_to_neg", maximum(-x, -y), -minimum(x, y), nan=EXACT),
    Rule("minimum_neg_neg_to_neg", minimum(-x, -y), -maximum(x, y), nan=EXACT),
    Rule("floor_floor_to_floor", floor(floor(x)), floor(x), nan=EXACT, dtypes="real"),
    Rule("ceil_ceil_to_ceil", ceil(ceil(x)), ceil(x), nan=EXACT, dtypes="real"),
    Rule("trunc_trunc_to_trunc", trunc(trunc(x)), trunc(x), nan=EXACT, dtypes="real"),
    Rule("rint_rint_to_rint", rint(rint(x)), rint(x), nan=EXACT, dtypes="real"),
)
# fmt: on


@rule(
    "where_constant_to_branch", on="where", nan=EXACT,
    example=lambda x, y: PUBLIC["switch"](True, x, y),
)  # fmt: skip
def where_constant_to_branch(node: Apply, context: Context) -> Variable | None:
    """A choice whose condition is known is the branch that it takes."""
    value = number_of(node.inputs[0])
    if value is None:
        return None
    return context.fit(node.inputs[1 if value else 2], node.outputs[0])


COMPARISONS = {
    "lt": False, "gt": False, "ne": False, "le": True, "ge": True, "eq": True,
}  # fmt: skip


@rule(
    "comparison_of_same_to_constant", on=tuple(COMPARISONS), nan=EXACT,
    example=lambda x: PUBLIC["lt"](x, x), dtypes="any",
)  # fmt: skip
def comparison_of_same_to_constant(node: Apply, context: Context) -> Variable | None:
    """x < x is false; x <= x is true, but for floats only where x is not NaN."""
    a, b = node.inputs
    name = node.op.scalar  # type: ignore[attr-defined]
    if a is not b:
        return None
    may_be_nan = a.type.dtype.startswith(("float", "complex"))
    if may_be_nan and name not in ("lt", "gt"):
        return None
    return context.fit(scalar_constant(COMPARISONS[name], "bool"), node.outputs[0])


@rule(
    "extent_comparison_to_constant", on=("lt", "ge", "maximum"), nan=EXACT, ranks=(2,),
    example=lambda x: PUBLIC["ge"](x.shape[0], 0),
)  # fmt: skip
def extent_comparison_to_constant(node: Apply, context: Context) -> Variable | None:
    """An extent is never below 0: n >= 0 is true, maximum(n, 0) is n."""
    name = node.op.scalar  # type: ignore[attr-defined]
    for a, b in (node.inputs, node.inputs[::-1]):
        value = number_of(b)
        if value is None or not a.type.dtype.startswith("int"):
            continue
        if not _is_extent(a):
            continue
        if name == "maximum":
            return context.fit(a, node.outputs[0]) if value <= 0 else None
        if a is node.inputs[0] and value <= 0:
            return context.fit(scalar_constant(name == "ge", "bool"), node.outputs[0])
    return None


def _is_extent(v: Variable) -> bool:
    node = v.owner
    if node is None:
        return False
    if node.op.name == "extent":
        return True
    if isinstance(node.op, Elementwise):
        if node.op.scalar in ("add", "mul", "broadcast_extent", "floordiv", "minimum"):
            return all(_is_extent(u) or _positive(u) for u in node.inputs)
    return False


def _positive(v: Variable) -> bool:
    value = number_of(v)
    return value is not None and value > 0


@rule(
    "nested_broadcast_extent_to_one", on="broadcast_extent", nan=EXACT, ranks=(1, 1),
    example=lambda x, y: _common(_common(x.shape[0], y.shape[0]), y.shape[0]),
)  # fmt: skip
def nested_broadcast_extent_to_one(node: Apply, context: Context) -> Variable | None:
    """The common extent of a, b and b is that of a and b."""
    a, b = node.inputs
    if a is b:
        return a
    for one, other in ((a, b), (b, a)):
        owner = one.owner
        if owner is not None and owner.op == node.op and other in owner.inputs:
            return one
    return None


@rule(
    "div_by_power_of_two_to_mul", on="div", nan=EXACT, dtypes="float",
    example=lambda x: x / 4,
)  # fmt: skip
def div_by_power_of_two_to_mul(node: Apply, context: Context) -> Variable | None:
    """x / 2**k -> x * 2**-k, which is exact and cheaper."""
    a, b = node.inputs
    value = number_of(b)
    if value is None or value == 0 or not np.isfinite(value):
        return None
    mantissa, exponent = np.frexp(value)
    if abs(mantissa) != 0.5 or abs(exponent) > 100:
        return None
    inverse = scalar_constant(1 / value, b.type.dtype)
    return context.fit(Elementwise("mul")(a, inverse), node.outputs[0])


ALGEBRA: tuple[Rule, ...] = (
    *POWERS,
    *SIGNS,
    *EXPONENTIALS,
    *CHOICES,
    where_constant_to_branch,
    comparison_of_same_to_constant,
    extent_comparison_to_constant,
    nested_broadcast_extent_to_one,
)
