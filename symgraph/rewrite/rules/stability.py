"""Rules that replace formulas that overflow, underflow or cancel by ones that do not.

Sources: Goodfellow, Bengio and Courville 2016, Deep Learning, section 4.1 (softmax and
its logarithm); Higham 2002, Accuracy and Stability of Numerical Algorithms, sections
1.14 and 1.17 (expm1, log1p); Maechler 2012, Accurately computing log(1 - exp(-|a|)).
"""
# mypy: disable-error-code="operator"

import numpy as np

from symgraph.core.node import Apply, Variable
from symgraph.core.public import PUBLIC
from symgraph.ops.families import Elementwise
from symgraph.ops.movement import DimShuffle
from symgraph.ops.nnet import LogSoftmax, LogSumExp, Softmax
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import scalar_name
from symgraph.rewrite.pattern import Wildcard, number_of, wildcards
from symgraph.rewrite.rule import EXACT, HIDES_NAN, Rule, rule
from symgraph.rewrite.rules.algebra import (
    abs_,
    cosh,
    exp,
    log,
    maximum,
    not_negative,
    scalar,
    sinh,
    tanh,
    where,
)  # fmt: skip
from symgraph.rewrite.rules.picking import PICKING, log_is_better
from symgraph.rewrite.rules.quotients import QUOTIENTS
from symgraph.rewrite.rules.softmaxes import (
    SOFTMAXES,
    argument,
    axes_kept,
    softmax_over,
    sum_of_exp,
    under,
)

HIGHAM = "Higham 2002, Accuracy and Stability of Numerical Algorithms, section 1.14"
GOODFELLOW = "Goodfellow et al. 2016, Deep Learning, section 4.1"

x, y, t = wildcards("x y t")
n = Wildcard("n", "number")
log1p, expm1, sigmoid = map(scalar, ("log1p", "expm1", "sigmoid"))
softplus, log_sigmoid = map(scalar, ("softplus", "log_sigmoid"))
erf, erfc, logaddexp = map(scalar, ("erf", "erfc", "logaddexp"))


# fmt: off
#: also in the first pass: collecting would take such quotients apart
SIGMOIDS = (
    Rule("exp_ratio_to_sigmoid", exp(x) / (1 + exp(x)), sigmoid(x), nan=HIDES_NAN),
    Rule("reciprocal_to_sigmoid", 1 / (1 + exp(-x)), sigmoid(x), nan=EXACT),
    Rule("reciprocal_to_sigmoid_of_neg", 1 / (1 + exp(x)), sigmoid(-x), nan=EXACT),
    Rule("quotient_to_sigmoid", y / (1 + exp(-x)), y * sigmoid(x), nan=EXACT),
)
PATTERNS = (
    Rule("log_to_log1p", log(1 + x), log1p(x), nan=EXACT, source=HIGHAM),
    Rule("log_one_minus_to_log1p", log(1 - x), log1p(-x), nan=EXACT, source=HIGHAM),
    Rule("exp_minus_one_to_expm1", exp(x) - 1, expm1(x), nan=EXACT, source=HIGHAM),
    Rule("one_minus_exp_to_expm1", 1 - exp(x), -expm1(x), nan=EXACT, source=HIGHAM),
    Rule("exp_plus_minus_one_to_expm1", exp(x) + -1, expm1(x), nan=EXACT, source=HIGHAM),
    Rule("log1p_expm1_to_operand", log1p(expm1(x)), x, nan=EXACT),
    Rule("log1p_neg_sigmoid_to_softplus", log1p(-sigmoid(x)), -softplus(x), nan=EXACT),
    Rule("expm1_log1p_to_where", expm1(log1p(x)),
         where(x >= -1, x, np.nan), nan=EXACT),
    # the sigmoid and its kin
    Rule("log1p_exp_to_softplus", log1p(exp(x)), softplus(x), nan=EXACT,
         source=GOODFELLOW),
    Rule("log_sigmoid_to_fused", log(sigmoid(x)), log_sigmoid(x), nan=EXACT),
    Rule("log_sigmoid_of_neg_to_softplus", log_sigmoid(-x), -softplus(x), nan=EXACT),
    Rule("neg_softplus_of_neg_to_log_sigmoid", -softplus(-x), log_sigmoid(x), nan=EXACT),
    Rule("sigmoid_ratio_to_exp", sigmoid(x) / sigmoid(-x), exp(x), nan=HIDES_NAN),
    Rule("half_tanh_to_sigmoid", 0.5 * (1 + tanh(x)), sigmoid(2 * x), nan=EXACT),
    Rule("half_tanh_quotient_to_sigmoid", (1 + tanh(x)) / 2, sigmoid(2 * x), nan=EXACT),
    Rule("sigmoid_minus_half_to_tanh", 2 * sigmoid(2 * x) - 1, tanh(x), nan=EXACT),
    Rule("softplus_minus_to_softplus", softplus(x) - x, softplus(-x), nan=HIDES_NAN),
    Rule("cross_entropy_of_sigmoid_to_logits",
         t * log_sigmoid(x) - (1 - t) * softplus(x), t * x - softplus(x),
         nan="needs assumption: x is finite"),
    # logarithms of sums
    Rule("log_of_exp_sum_to_logaddexp", log(exp(x) + exp(y)), logaddexp(x, y), nan=EXACT,
         source=GOODFELLOW),
    Rule("max_plus_softplus_to_logaddexp", maximum(x, y) + softplus(-abs_(x - y)),
         logaddexp(x, y), nan=HIDES_NAN),
    Rule("max_plus_softplus_to_softplus", maximum(x, 0) + softplus(-abs_(x)),
         softplus(x), nan=EXACT),
    Rule("log_cosh_to_logaddexp", log(cosh(x)), logaddexp(x, -x) - np.log(2.0),
         nan=EXACT),
    # others
    Rule("one_minus_erf_to_erfc", 1 - erf(x), erfc(x), nan=EXACT),
    Rule("one_minus_erfc_to_erf", 1 - erfc(x), erf(x), nan=EXACT),
    Rule("exp_difference_to_sinh", 0.5 * (exp(x) - exp(-x)), sinh(x), nan=EXACT),
    Rule("exp_sum_to_cosh", 0.5 * (exp(x) + exp(-x)), cosh(x), nan=EXACT),
)
# fmt: on


# --- reductions under a logarithm -----------------------------------------------------


@rule(
    "log_sum_exp_to_stable", on="log", nan=EXACT, source=GOODFELLOW, dtypes="float",
    example=lambda x: PUBLIC["log"](PUBLIC["sum"](PUBLIC["exp"](x), axis=1)), ranks=(2,),
)  # fmt: skip
def log_sum_exp_to_stable(node: Apply, context: Context) -> Variable | None:
    """log(sum(exp(x))) -> logsumexp(x), shifted by the maximum, for any axes."""
    inside, pattern = under(node.inputs[0])
    found = sum_of_exp(inside)
    if found is None:
        return None
    weights, axes = found
    out: Variable = LogSumExp(axes)(argument(weights))
    return out if inside is node.inputs[0] else DimShuffle(pattern)(out)


@rule(
    "log_softmax_to_fused", on="log", nan=EXACT, source=GOODFELLOW,
    example=lambda x: PUBLIC["log"](PUBLIC["softmax"](x)), ranks=(2,),
)  # fmt: skip
def log_softmax_to_fused(node: Apply, context: Context) -> Variable | None:
    """log(softmax(x)) -> log_softmax(x), also of a rearranged or repeated softmax."""
    inside, pattern = under(node.inputs[0])
    owner = inside.owner
    if owner is None or not isinstance(owner.op, Softmax):
        return None
    out: Variable = LogSoftmax(owner.op.axis)(*owner.inputs)
    return out if inside is node.inputs[0] else DimShuffle(pattern)(out)


@rule(
    "exp_log_softmax_to_softmax", on="exp", nan=EXACT,
    example=lambda x: PUBLIC["exp"](PUBLIC["log_softmax"](x)), ranks=(2,),
)  # fmt: skip
def exp_log_softmax_to_softmax(node: Apply, context: Context) -> Variable | None:
    """exp(log_softmax(x)) -> softmax(x)."""
    owner = node.inputs[0].owner
    if owner is None or not isinstance(owner.op, LogSoftmax):
        return None
    out: Variable = Softmax(owner.op.axis)(*owner.inputs)
    return out


@rule(
    "exp_over_sum_to_softmax", on="div", nan=HIDES_NAN, source=GOODFELLOW, dtypes="float",
    example=lambda x: PUBLIC["exp"](x) / PUBLIC["sum"](PUBLIC["exp"](x), 1, keepdims=True),
    ranks=(2,),
)  # fmt: skip
def exp_over_sum_to_softmax(node: Apply, context: Context) -> Variable | None:
    """exp(x) / sum(exp(x), axes, keepdims) -> softmax(x), shifted by the maximum."""
    above, below = node.inputs
    found = sum_of_exp(under(below)[0])
    if found is None or found[0] is not above or not axes_kept(above, below, found[1]):
        return None
    out = softmax_over(argument(above), found[1])
    return None if out is None else context.fit(out, node.outputs[0])


@rule(
    "minus_log_sum_exp_to_log_softmax", on="sub", dtypes="float",
    nan="needs assumption: no element is inf (all of its row become NaN)",
    example=lambda x: x - PUBLIC["logsumexp"](x, 1, keepdims=True), ranks=(2,),
)  # fmt: skip
def minus_log_sum_exp_to_log_softmax(node: Apply, context: Context) -> Variable | None:
    """x - logsumexp(x, axis, keepdims) -> log_softmax(x)."""
    x, below = node.inputs
    owner = under(below)[0].owner
    if owner is None or not isinstance(owner.op, LogSumExp) or owner.inputs[0] is not x:
        return None
    if len(owner.op.axes) != 1 or not axes_kept(x, below, owner.op.axes):
        return None
    out: Variable = LogSoftmax(owner.op.axes[0])(x)
    return context.fit(out, node.outputs[0])


def _row_shift(x: Variable, axis: int) -> tuple[Variable, Variable] | None:
    """(y, m) where x is y - m and m has extent 1 along the axis, or no such axis."""
    node = x.owner
    if node is None or node.op != Elementwise("sub"):
        return None
    y, m = node.inputs
    own = axis - (x.ndim - m.ndim)
    if y.ndim != x.ndim or (own >= 0 and m.type.shape[own] != 1):
        return None
    return y, m


@rule(
    "softmax_of_shifted_to_softmax", on=("Softmax", "LogSoftmax"), nan=HIDES_NAN,
    example=lambda x: PUBLIC["softmax"](x - PUBLIC["max"](x, 1, keepdims=True)),
    ranks=(2,),
)  # fmt: skip
def softmax_of_shifted_to_softmax(node: Apply, context: Context) -> Variable | None:
    """softmax(x - m) -> softmax(x) where m is one number for each row.

    The shift does not change the result, and the op shifts by the maximum itself.
    """
    op = node.op
    assert isinstance(op, Softmax | LogSoftmax)
    found = _row_shift(node.inputs[0], op.axis)
    if found is None or not context.same_shape(found[0], node.outputs[0]):
        return None
    return context.fit(op(found[0]), node.outputs[0])


@rule(
    "log_of_power_to_product", on="log", nan=EXACT, dtypes="float",
    example=lambda x: PUBLIC["log"](PUBLIC["sigmoid"](x) ** 3),
)  # fmt: skip
def log_of_power_to_product(node: Apply, context: Context) -> Variable | None:
    """log(x ** k) -> k * log(x) where x cannot be negative: x ** k may underflow."""
    owner = node.inputs[0].owner
    if owner is None or owner.op != Elementwise("pow"):
        return None
    base, exponent = owner.inputs
    if number_of(exponent) is None or not not_negative(base):
        return None
    return context.fit(Elementwise("mul")(exponent, log(base)), node.outputs[0])


@rule(
    "log_of_products_to_sum", on="log", nan=EXACT, dtypes="float", source=GOODFELLOW,
    example=lambda x, y: PUBLIC["log"](PUBLIC["sigmoid"](x) * PUBLIC["exp"](y)),
)  # fmt: skip
def log_of_products_to_sum(node: Apply, context: Context) -> Variable | None:
    """log(exp(x) * y) -> x + log(y), log(sigmoid(x) / y) -> log_sigmoid(x) - log(y).

    Only where the logarithm of a factor vanishes or becomes stable, and no factor can be
    negative: a product of small numbers underflows.
    """
    owner = node.inputs[0].owner
    if owner is None or not isinstance(owner.op, Elementwise):
        return None
    if owner.op.scalar not in ("mul", "div"):
        return None
    a, b = owner.inputs
    if not (not_negative(a) and not_negative(b)):
        return None
    if not (log_is_better(a) or log_is_better(b)):
        return None
    name = "add" if owner.op.scalar == "mul" else "sub"
    return context.fit(Elementwise(name)(log(a), log(b)), node.outputs[0])


@rule(
    "one_minus_sigmoid_to_sigmoid", on="sub", nan=EXACT, dtypes="float",
    example=lambda x: 1.0 - PUBLIC["sigmoid"](x), needs_users=True,
)  # fmt: skip
def one_minus_sigmoid_to_sigmoid(node: Apply, context: Context) -> Variable | None:
    """1 - sigmoid(x) -> sigmoid(-x), if sigmoid(x) has no other use."""
    one, y = node.inputs
    owner = y.owner
    if number_of(one) != 1 or owner is None or owner.op != Elementwise("sigmoid"):
        return None
    if context.is_shared(y):
        return None
    return context.fit(sigmoid(-owner.inputs[0]), node.outputs[0])


@rule(
    "logsumexp_of_shifted_to_logsumexp", on="add", nan=HIDES_NAN, dtypes="float",
    ranks=(2,), source=GOODFELLOW, example=lambda x: PUBLIC["logsumexp"](
        x - PUBLIC["max"](x, 1, keepdims=True), 1) + PUBLIC["max"](x, 1),
)  # fmt: skip
def logsumexp_of_shifted_to_logsumexp(node: Apply, context: Context) -> Variable | None:
    """logsumexp(x - m, axes) + m -> logsumexp(x, axes): the op shifts by itself."""
    for total, shift in (node.inputs, node.inputs[::-1]):
        inside, pattern = under(total)
        owner = inside.owner
        if owner is None or not isinstance(owner.op, LogSumExp):
            continue
        (shifted,) = owner.inputs
        if scalar_name(shifted) != "sub":
            continue
        assert shifted.owner is not None
        x, m = shifted.owner.inputs
        below, _ = under(m)
        if under(shift)[0] is not below or not axes_kept(x, m, owner.op.axes):
            continue
        if below.ndim != inside.ndim or not context.same_shape(x, shifted):
            continue
        if total is inside and shift is not below:
            continue
        if total is not inside and under(shift)[1] != pattern:
            continue
        out: Variable = owner.op(x)
        out = out if total is inside else DimShuffle(pattern)(out)
        return context.fit(out, node.outputs[0])
    return None


#: what has to be found before sums and products are collected
EARLY: tuple[Rule, ...] = (*SIGMOIDS, exp_over_sum_to_softmax, *SOFTMAXES, *QUOTIENTS)
STABILITY: tuple[Rule, ...] = (
    log_softmax_to_fused,
    log_sum_exp_to_stable,
    exp_over_sum_to_softmax,
    softmax_of_shifted_to_softmax,
    minus_log_sum_exp_to_log_softmax,
    exp_log_softmax_to_softmax,
    *SIGMOIDS,
    *PATTERNS,
    one_minus_sigmoid_to_sigmoid,
    log_of_power_to_product,
    log_of_products_to_sum,
    logsumexp_of_shifted_to_logsumexp,
    *PICKING,
    *SOFTMAXES,
    *QUOTIENTS,
)
