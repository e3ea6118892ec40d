"""Derivatives of elementwise functions against finite differences and stated values."""

from typing import Any

import numpy as np
import pytest
from samples import SAMPLES
from sampling import Public, built, variable

from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.core.public import PUBLIC
from symgraph.core.traverse import applies
from symgraph.errors import GradientError
from symgraph.ops.families import Elementwise

NAMES = sorted(SAMPLES)
T = Public()


def weighted_sum(outputs: list[Variable], weights: list[np.ndarray]) -> Variable:
    terms = [PUBLIC["sum"](w * y) for w, y in zip(weights, outputs, strict=True)]
    return PUBLIC["add"](*terms)


def slope(
    cost: Variable, values: dict[Variable, Any], along: Variable, way: np.ndarray
) -> float:
    """Central difference of a cost, one variable moved along a direction."""
    step = 1e-6
    moved = [
        evaluate([cost], values | {along: values[along] + sign * step * way})[0]
        for sign in (1, -1)
    ]
    return float((moved[0] - moved[1]) / (2 * step))


def floats_of(values: dict[Variable, Any]) -> list[Variable]:
    return [v for v in values if v.type.dtype == "float64"]


def check_derivative(
    cost: Variable, values: dict[Variable, Any], note: object, seed: int
) -> list[Variable]:
    """Compare `grad` with finite differences; return the gradients."""
    random = np.random.default_rng(seed)
    wrt = floats_of(values)
    gradients = grad(cost, wrt, disconnected_inputs="ignore")
    arrays = evaluate(gradients, values)
    for leaf, gradient, array in zip(wrt, gradients, arrays, strict=True):
        assert gradient.type.dtype == leaf.type.dtype, note
        assert array.shape == values[leaf].shape, note
        way = random.uniform(0.5, 1, array.shape) * random.choice([-1, 1], array.shape)
        expected = slope(cost, values, leaf, way)
        np.testing.assert_allclose(
            np.sum(array * way), expected, rtol=2e-6, atol=2e-7, err_msg=str(note)
        )
    return gradients


SMOOTH = [n for n in NAMES if any(s.gradient for s in SAMPLES[n])]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_agrees_with_finite_differences(name: str) -> None:
    for seed, (sample, outputs, values) in enumerate(built(name, SAMPLES[name])):
        if not sample.gradient:
            continue
        arrays = evaluate(outputs, values)
        random = np.random.default_rng(seed)
        weights = [random.uniform(0.5, 1.5, a.shape) for a in arrays]
        check_derivative(weighted_sum(outputs, weights), values, sample, seed)


def gradient_at(expression: Any, *points: float) -> list[float]:
    leaves = [variable("float64", name=f"x{i}") for i in range(len(points))]
    gradients = grad(expression(*leaves), leaves, disconnected_inputs="ignore")
    values = dict(zip(leaves, points, strict=True))
    return [float(a) for a in evaluate(gradients, values)]


@pytest.mark.parametrize(
    ("expression", "points", "expected"),
    [
        (lambda x: abs(x), [0.0], [0.0]),
        (lambda x: T.sqrt(x**2), [0.0], [0.0]),
        (lambda x: T.sqrt(x * x + T.sqr(2 * x)), [0.0], [0.0]),
        (lambda x: (x**2) ** 0.5, [0.0], [0.0]),
        (lambda x: T.sqrt(T.sum(T.sqr(T.stack([x, x])))), [0.0], [0.0]),
        (lambda x: T.std(T.stack([x, 2 * x])), [0.0], [0.0]),
        (lambda x: T.sqrt(x**2), [-3.0], [-1.0]),
        (lambda x: T.sqrt(x), [0.0], [np.inf]),
        (lambda x: x**0, [0.0], [0.0]),
        (lambda x: x**1, [0.0], [1.0]),
        (lambda x: x**2, [0.0], [0.0]),
        (lambda x: x**3.0, [0.0], [0.0]),
        (lambda x: x**0.5, [0.0], [np.inf]),
        (lambda x, n: x**n, [0.0, 0.0], [0.0, 0.0]),
        (lambda x, n: x**n, [0.0, 1.0], [1.0, 0.0]),
        (lambda x, n: x**n, [0.0, 2.0], [0.0, 0.0]),
        (lambda x, n: x**n, [np.inf, 0.0], [0.0, np.inf]),
        (lambda x, y: T.maximum(x, y), [1.0, 1.0], [1.0, 0.0]),
        (lambda x, y: T.minimum(x, y), [1.0, 1.0], [1.0, 0.0]),
        (lambda x: T.maximum(x, 0), [0.0], [1.0]),
        (lambda x: T.relu(x), [0.0], [0.0]),
        (lambda x: T.clip(x, 0, 1), [0.0], [1.0]),
        (lambda x: T.clip(x, 0, 1), [2.0], [0.0]),
        (lambda x: T.switch(x > 0, T.exp(x), 0), [-1.0], [0.0]),
        (lambda x: T.switch(x > 0, T.log(T.switch(x > 0, x, 1)), 0), [0.0], [0.0]),
        (lambda x, y: T.hypot(x, y), [0.0, 0.0], [0.0, 0.0]),
        (lambda x, y: T.arctan2(x, y), [0.0, 0.0], [0.0, 0.0]),
        (lambda x: T.sinc(x), [0.0], [0.0]),
        (lambda x: T.xlogx(x), [1.0], [1.0]),
        (lambda x, y: T.xlogy0(x, y), [0.0, 0.5], [np.log(0.5), 0.0]),
        (lambda x, y: T.logaddexp(x, y), [-np.inf, -np.inf], [0.5, 0.5]),
        (lambda x, y: T.logaddexp(x, y), [1000.0, -1000.0], [1.0, 0.0]),
        (lambda x: T.softplus(x), [1000.0], [1.0]),
        (lambda x: T.log_sigmoid(x), [-1000.0], [1.0]),
        (lambda x: T.sigmoid(x), [-1000.0], [0.0]),
        (lambda x: T.elu(x), [1000.0], [1.0]),
        (lambda x: T.nan_to_num(x), [np.nan], [0.0]),
        (lambda x: x + T.disconnected_grad(x * x), [3.0], [1.0]),
        (lambda x: x + T.zero_grad(x * x), [3.0], [1.0]),
        (lambda x: T.zero_grad(x * x), [3.0], [0.0]),
        (lambda x: 5 * T.grad_clip(x, -1, 1), [3.0], [1.0]),
        (lambda x: -5 * T.grad_clip(x, -1, 1), [3.0], [-1.0]),
    ],
)
def test_gradient_at_the_edges_is_the_stated_one(
    expression: Any, points: list[float], expected: list[float]
) -> None:
    np.testing.assert_allclose(gradient_at(expression, *points), expected)


def test_gradient_of_constant_exponent_has_no_logarithm() -> None:
    x = variable("float64")
    used = {node.op.name if not isinstance(node.op, Elementwise) else node.op.scalar
            for node in applies([grad(x**2.5, x)])}  # fmt: skip
    assert "log" not in used


def test_each_polygamma_is_the_derivative_of_the_one_before_up_to_the_last() -> None:
    x = variable("float64")
    slope = PUBLIC["gammaln"](x)
    for order in range(10):
        slope = grad(slope, x)
        below = PUBLIC["polygamma"](order, x)
        assert evaluate([slope], {x: 0.7}) == evaluate([below], {x: 0.7})
    with pytest.raises(GradientError, match="polygamma of order 9"):
        grad(slope, x)


def test_second_derivative_of_a_masked_branch_is_zero_not_nan() -> None:
    x = variable("float64")
    twice = grad(grad(PUBLIC["elu"](x), x), x)
    assert float(evaluate([twice], {x: 1000.0})[0]) == 0.0
    assert float(evaluate([twice], {x: -1.0})[0]) == pytest.approx(np.exp(-1))


def test_second_derivative_of_sinc_at_zero() -> None:
    x = variable("float64")
    twice = grad(grad(PUBLIC["sinc"](x), x), x)
    assert float(evaluate([twice], {x: 0.0})[0]) == pytest.approx(-(np.pi**2) / 3)


@pytest.mark.parametrize(
    "name", ["exp", "log", "sin", "tanh", "sqrt", "sqr", "inv", "arctan", "real",
             "imag", "conj", "angle", "abs", "neg", "arcsinh"],
)  # fmt: skip
def test_gradient_of_a_complex_operand_is_the_one_of_its_parts(name: str) -> None:
    a, b = variable("float64", name="a"), variable("float64", name="b")

    def cost(z: Variable) -> Variable:
        y = PUBLIC[name](z)
        return 2 * PUBLIC["real"](y) - 3 * PUBLIC["imag"](y)

    direct = cost(a + b * 1j)
    check_derivative(direct, {a: np.array(0.7), b: np.array(0.4)}, name, 0)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "true_div", "power"])
def test_gradient_of_two_complex_operands_is_the_one_of_their_parts(name: str) -> None:
    parts = [variable("float64", name=n) for n in "abcd"]
    a, b, c, d = parts
    y = PUBLIC[name](a + b * 1j, c + d * 1j)
    direct = 2 * PUBLIC["real"](y) - 3 * PUBLIC["imag"](y)
    points = dict(zip(parts, map(np.array, [0.7, 0.4, 1.3, -0.2]), strict=True))
    check_derivative(direct, points, name, 0)
