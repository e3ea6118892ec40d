"""Sums and products collected by structure: what merges, what is kept, all dtypes."""

import numpy as np
import pytest

import symgraph.tensor  # noqa: F401  fills the registries
from symgraph.backends.reference import evaluate
from symgraph.core.graph import freeze, verify
from symgraph.core.node import Variable
from symgraph.core.text import expression
from symgraph.core.types import TensorType
from symgraph.rewrite.collect import collect_factors, collect_terms, product_of
from symgraph.rewrite.engine import Optimized, Pass, run
from symgraph.rewrite.numbers import wrapped

COLLECT = [Pass("collect", (collect_terms, collect_factors))]
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def collected(*outputs: Variable) -> Optimized:
    result = run(freeze([], outputs), COLLECT)
    verify(result.graph)
    again = run(result.graph, COLLECT)
    assert again.firings == ()
    return result


def text(out: Variable) -> str:
    return expression(collected(out).graph.outputs[0])


def leaf(name: str, dtype: str, shape: tuple[int | None, ...] = (None,)) -> Variable:
    variable: Variable = TensorType(dtype, shape)(name)
    return variable


@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64", "complex64"])
def test_terms_and_factors_merge_in_every_dtype_with_its_own_arithmetic(
    dtype: str,
) -> None:
    x, y = leaf("x", dtype), leaf("y", dtype)
    random = np.random.default_rng(3)
    if dtype in INTEGERS:  # all bit patterns: integers wrap, so results are equal
        limits = np.iinfo(dtype)
        values = {
            v: random.integers(limits.min, limits.max, 50, dtype, endpoint=True)
            for v in (x, y)
        }
    else:
        values = {v: random.uniform(-2, 2, 50).astype(dtype) for v in (x, y)}
    for out in (
        (x + y) + (x + y), x + x + x - y - y, x * y + y * x, x * x * x * y * x,
        x - x + y, (x + x) * (y + y), -(-x - y) + x, x * 3 * y * 5 - x * y,
        (x - y) - (x + y), x - 3 * y + 3 * y, 100 * x + 100 * x + 100 * x,
    ):  # fmt: skip
        result = collected(out)
        assert result.firings, expression(out)
        (before,) = evaluate([out], values)
        (after,) = evaluate(result.graph.outputs, values)
        assert (before.shape, before.dtype) == (after.shape, after.dtype)
        if before.dtype.kind in "iu":
            np.testing.assert_array_equal(before, after)
        else:
            np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


def test_integer_divisions_are_left_alone() -> None:
    i = leaf("i", "int32")
    assert text((i // 2) * 2) == "2 * (i // 2)" or text((i // 2) * 2) == "i // 2 * 2"
    assert collected(i // i).firings == ()


def test_coefficients_merge_in_double_precision_and_are_rounded_once() -> None:
    x = leaf("x", "float32")
    (out,) = collected(x * 0.1 + x * 0.2).graph.outputs
    constant = out.owner.inputs[0].data
    assert constant == np.float32(np.float64(np.float32(0.1)) + np.float32(0.2))


def test_coefficients_that_are_not_finite_or_overflow_are_left_alone() -> None:
    x = leaf("x", "float32")
    for out in (x * np.float32(np.inf) + x, x * np.float32(1e30) * np.float32(1e30)):
        assert collected(out).firings == ()
    assert collected(x * np.float32(1e-30) * np.float32(1e-30)).firings == ()


def test_division_by_a_number_is_not_replaced_by_an_inexact_reciprocal() -> None:
    x = leaf("x", "float64")
    assert text(x / 3) == "x / 3"
    assert text(x / 49 + x / 49) in (
        "0.04081632653061224 * x",
        "x * 0.04081632653061224",
    )


def test_ranks_and_extents_that_a_dropped_term_gave_are_kept() -> None:
    v, m = leaf("v", "float64", (3,)), leaf("m", "float64", (None, None))
    column = leaf("c", "float64", (None, 1))
    values = {v: np.arange(3.0), m: np.ones((2, 3)), column: np.array([[1.0], [5.0]])}
    for out in (
        v + m - m,
        v + column - column,
        m * 0 + v,
        v * column / column,
        v - v + m,
    ):
        result = collected(out)
        assert result.firings
        (before,) = evaluate([out], values)
        (after,) = evaluate(result.graph.outputs, values)
        np.testing.assert_array_equal(before, after)
        assert before.shape == after.shape


def test_an_axis_that_turns_out_to_be_one_still_broadcasts() -> None:
    x, y = leaf("x", "float64"), leaf("y", "float64")
    (out,) = collected(x + y - y).graph.outputs
    (value,) = evaluate([out], {x: [2.0], y: [1.0, 1.0, 1.0]})
    assert value.tolist() == [2.0, 2.0, 2.0]


def test_scalars_are_multiplied_before_they_meet_arrays() -> None:
    x, s, n = leaf("x", "float64"), leaf("s", "float64", ()), leaf("n", "float64", ())
    assert text(s * x / n) == "s / n * x"
    assert text(x * s * n) == "s * n * x"
    assert text(x / s / n) == "x / (s * n)"


def test_what_others_use_too_is_not_computed_twice() -> None:
    x, y, z = (leaf(name, "float64") for name in "xyz")
    total = x + y
    result = collected(total, total + z)
    assert result.firings == ()
    doubled = collected(total, total + total)
    assert expression(doubled.graph.outputs[1]) == "2 * (x + y)"
    assert doubled.graph.outputs[1].owner.inputs[1] is doubled.graph.outputs[0]
    through = collected(total, total - y)
    assert expression(through.graph.outputs[1]).startswith("broadcast_to(x,")


def test_a_long_sum_is_collected_in_one_piece() -> None:
    x, y = leaf("x", "float64"), leaf("y", "float64")
    out = x
    for _ in range(30):
        out = out + y + x
    assert text(out) == "31 * x + 30 * y"


def test_products_know_their_factors() -> None:
    x, y = leaf("x", "float64"), leaf("y", "float64")
    product = product_of(-(x * 2) * y / (x * x))
    assert product.coefficient == -2
    assert product.exponents == {x: -1, y: 1}


@pytest.mark.parametrize("exponent", [-4, -3, -2, -1, 2, 3, 4])
def test_a_negation_under_a_power_has_the_sign_of_the_power(exponent: int) -> None:
    x, y = leaf("x", "float64"), leaf("y", "float64")
    power = (-x) ** exponent
    for negated, sign in ((power * y, 1), (y * -power, -1), (power * (-y) ** 3, -1)):
        assert product_of(negated).coefficient == sign * (-1) ** (exponent % 2)
    assert product_of(y / power).exponents == {y: 1, x: -exponent}
    assert product_of(y / power).coefficient == (-1) ** (exponent % 2)
    assert product_of((-2 * x) ** 2 * y).coefficient == 4


@pytest.mark.parametrize(
    ("value", "dtype", "wanted"),
    [(300, "uint8", 44), (200, "int8", -56), (-1, "uint16", -1), (2**63, "int64", -2**63)],
)  # fmt: skip
def test_integers_wrap(value: int, dtype: str, wanted: int) -> None:
    assert wrapped(value, dtype) == wanted


def test_nan_of_a_term_that_cancels_is_hidden_as_the_label_says() -> None:
    x = leaf("x", "float64")
    assert collect_terms.nan == collect_factors.nan == "may hide NaN"
    graph = collected(x - x, x / x, x * 0).graph
    values = {x: np.array([np.nan, np.inf, 0.0])}
    for found, wanted in zip(evaluate(graph.outputs, values), (0, 1, 0), strict=True):
        assert found.tolist() == [wanted] * 3
