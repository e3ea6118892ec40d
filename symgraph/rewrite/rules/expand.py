"""The last rules: named compositions and powers become what lowering knows.

After them no sums and products are collected any more (x * x would become x ** 2).
"""

import numpy as np

from symgraph.core.dtypes import is_discrete, is_float
from symgraph.core.node import Apply, Variable, scalar_constant
from symgraph.core.public import PUBLIC
from symgraph.ops.families import Elementwise
from symgraph.ops.gradient import disconnected_grad
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import HIGHEST_POWER
from symgraph.rewrite.numbers import whole
from symgraph.rewrite.pattern import number_of
from symgraph.rewrite.rule import EXACT, Rule, rule
from symgraph.rewrite.rules.algebra import div_by_power_of_two_to_mul


@rule(
    "gradient_marker_to_operand", on=("DisconnectedGrad", "ZeroGrad", "GradClip"),
    nan=EXACT, example=lambda x: PUBLIC["exp"](disconnected_grad(x)),
)  # fmt: skip
def gradient_marker_to_operand(node: Apply, context: Context) -> Variable | None:
    """disconnected_grad(x) -> x: such ops only say what differentiation does."""
    return context.fit(node.inputs[0], node.outputs[0])


@rule(
    "composition_to_primitives", on="*", nan=EXACT, ranks=(2,),
    example=lambda x: PUBLIC["softmax"](x),
)  # fmt: skip
def composition_to_primitives(node: Apply, context: Context) -> Variable | None:
    """softmax, log_softmax, logsumexp, ... become exp, sum, max and arithmetic."""
    decompose = getattr(node.op, "decompose", None)
    if decompose is None or node.op.has_loops:
        return None
    made: Variable = decompose(*node.inputs)
    return context.fit(made, node.outputs[0])


@rule(
    "power_to_products", on="pow", nan=EXACT, dtypes="number",
    example=lambda x: x**3,
)  # fmt: skip
def power_to_products(node: Apply, context: Context) -> Variable | None:
    """x ** 3 -> x * x * x, by repeated squaring; x ** -2 -> 1 / (x * x)."""
    base, exponent = node.inputs
    k = whole(number_of(exponent))
    out = node.outputs[0]
    if k is None or not 0 < abs(k) <= HIGHEST_POWER:
        return None
    if k < 0 and is_discrete(out.type.dtype):
        return None
    made = _power(base, abs(k))
    if k < 0:
        made = Elementwise("div")(scalar_constant(1, base.type.dtype), made)
    return context.fit(made, out)


def _power(base: Variable, k: int) -> Variable:
    """base ** k by repeated squaring, highest bit first."""
    out = base
    for bit in bin(k)[3:]:
        out = Elementwise("mul")(out, out)
        if bit == "1":
            out = Elementwise("mul")(out, base)
    return out


@rule(
    "power_of_halves_to_sqrt", on="pow", nan=EXACT,
    example=lambda x: x**1.5, dtypes="float",
)  # fmt: skip
def power_of_halves_to_sqrt(node: Apply, context: Context) -> Variable | None:
    """x ** 1.5 -> abs(x) * sqrt(x), x ** 2.5 -> x * x * sqrt(x), x ** -1.5 -> its inverse.

    The power of -inf is inf and that of -0.0 is 0.0; their roots are NaN and -0.0.
    """
    base, exponent = node.inputs
    k = number_of(exponent)
    if k is None or not is_float(base.type.dtype) or abs(k) > 4 or (2 * k) % 2 != 1:
        return None
    if k == 0.5:
        return context.fit(Elementwise("sqrt")(base), node.outputs[0])
    dtype = base.type.dtype

    def choice(most: float, root: str) -> Variable:
        lowest = scalar_constant(-np.inf, dtype)
        made: Variable = Elementwise("where")(
            Elementwise("eq")(base, lowest),
            scalar_constant(most, dtype),
            Elementwise(root)(Elementwise("add")(base, scalar_constant(0.0, dtype))),
        )
        return made

    if k == -0.5:
        return context.fit(choice(0.0, "rsqrt"), node.outputs[0])
    made = choice(np.inf, "sqrt")
    if abs(k) > 1:
        size: Variable = Elementwise("abs")(base)
        made = Elementwise("mul")(_power(size, int(abs(k))), made)
    if k < 0:
        made = Elementwise("div")(scalar_constant(1, dtype), made)
    return context.fit(made, node.outputs[0])


EXPAND: tuple[Rule, ...] = (
    composition_to_primitives,
    power_to_products,
    power_of_halves_to_sqrt,
    div_by_power_of_two_to_mul,
)
MARKERS: tuple[Rule, ...] = (gradient_marker_to_operand,)
