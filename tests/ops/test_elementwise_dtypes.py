"""Result dtypes that code depends on, integers, and what building a call does."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import ORACLES
from sampling import Public, variable

from symgraph.backends.reference import evaluate
from symgraph.config import config
from symgraph.core import text
from symgraph.core.node import Constant, Variable
from symgraph.core.public import PUBLIC
from symgraph.errors import DtypeError, SymbolicValueError

T = Public()

# --- dtypes that code depends on ------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        ("x + i", "float64"), ("x + b", "float32"), ("x * 2", "float32"),
        ("x * 2.5", "float32"), ("x ** 2", "float32"), ("i * 2.5", "float64"),
        ("i / i", "floatX"), ("1 / i", "floatX"), ("i / 2", "floatX"),
        ("i // i", "int32"), ("i % 2", "int32"), ("i ** 2", "int32"),
        ("T.sqr(i)", "int32"), ("T.sgn(i)", "int32"), ("i / x", "float64"),
        ("T.minimum(i, x)", "float64"), ("b + b", "int8"), ("abs(b)", "int8"),
        ("T.exp(i)", "float64"), ("T.sigmoid(i)", "float64"), ("T.inv(i)", "float64"),
        ("T.erf(i)", "float64"), ("T.power(i, .5)", "float64"),
        ("T.sqrt(b)", "float32"), ("T.eq(x, x)", "bool"), ("T.neq(x, i)", "bool"),
        ("x < 1", "bool"), ("T.isnan(x)", "bool"), ("T.switch(x > 0, 1, 0)", "int8"),
        ("T.switch(x > 0, 1., 0.)", "floatX"), ("T.relu(i)", "float64"),
        ("T.clip(i, 0, 1.5)", "float64"), ("i // 2.0", "float64"),
        ("x // 2", "float32"), ("T.maximum(x, 0)", "float32"), ("-b", "int8"),
        ("x + np.float64(1)", "float64"), ("x + np.float32(1)", "float32"),
        ("np.float64(2) * x", "float64"), ("T.iround(x)", "int64"),
        ("T.fill(x, 0)", "float32"), ("T.fill(i, 0.5)", "float64"),
        ("(x > 0) + (x > 1)", "bool"), ("(x > 0) * x", "float32"),
        ("(x > 0) & (x < 1)", "bool"), ("~(x > 0)", "bool"), ("~i", "int32"),
        ("T.floor(i)", "int32"), ("T.ceil(x)", "float32"), ("x % 1", "float32"),
        ("T.heaviside(i, 1)", "float64"), ("T.gammaln(b)", "float32"),
    ],
)  # fmt: skip
def test_result_dtype_is_that_of_theano(expression: str, dtype: str) -> None:
    x, i, b = (variable(d, None) for d in ("float32", "int32", "int8"))
    names = {"x": x, "i": i, "b": b, "T": T, "np": np}
    for float_x in ("float64", "float32"):
        with config.override(floatX=float_x):
            found = eval(expression, names).type.dtype
        assert found == (float_x if dtype == "floatX" else dtype)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (lambda p, x, c: p - p, "bools"),
        (lambda p, x, c: -p, "bools"),
        (lambda p, x, c: T.sign(p), "bools"),
        (lambda p, x, c: x & x, "integers and bools only"),
        (lambda p, x, c: ~x, "integers and bools only"),
        (lambda p, x, c: c < c, "no order"),
        (lambda p, x, c: T.maximum(c, c), "not defined for complex"),
        (lambda p, x, c: T.floor(c), "not defined for complex"),
        (lambda p, x, c: c // 2, "not defined for complex"),
        (lambda p, x, c: T.sigmoid(c), "not defined for complex"),
    ],
)
def test_refused_dtypes_are_named_with_the_reason(expression: Any, words: str) -> None:
    operands = (variable(d, None) for d in ("bool", "float32", "complex64"))
    with pytest.raises(DtypeError, match=words):
        expression(*operands)


def test_truth_of_a_comparison_is_refused() -> None:
    x = variable("float64")
    with pytest.raises(SymbolicValueError, match="switch"):
        bool(x > 0)


def test_comparison_reflected_to_a_number_stays_a_comparison() -> None:
    x = variable("float64")
    assert text.expression(1 < x) == "x > 1"


# --- integers -------------------------------------------------------------------------


def number(expression: Variable, values: dict[Variable, Any]) -> Any:
    return evaluate([expression], values)[0].tolist()


def test_integer_division_by_zero_gives_zero_and_signs_are_python_ones() -> None:
    a, b = variable("int32", None, name="a"), variable("int32", None, name="b")
    values = {a: [7, -7, 7, -7, 5], b: [2, 2, -2, -2, 0]}
    assert number(a // b, values) == [3, -4, -4, 3, 0]
    assert number(a % b, values) == [1, 1, -1, -1, 0]


def test_integer_powers_wrap_and_negative_powers_are_truncated() -> None:
    a, n = variable("int8", None, name="a"), variable("int8", None, name="n")
    values = {a: [2, 1, -1, -1, 0, 3, 2], n: [7, -3, -3, -2, -1, -1, 3]}
    assert number(a**n, values) == [-128, 1, -1, 1, 0, 0, 8]


def test_large_shifts_give_what_numpy_gives() -> None:
    a, n = variable("int32", None, name="a"), variable("int32", None, name="n")
    arrays = np.array([1, -1, 7, -7], "int32"), np.array([32, 40, -1, 31], "int32")
    values = dict(zip((a, n), arrays, strict=True))
    assert number(a << n, values) == np.left_shift(*arrays).tolist()
    assert number(a >> n, values) == np.right_shift(*arrays).tolist()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["int8", "uint8", "int32", "uint64"]),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=2),
    st.sampled_from(
        ["add", "sub", "mul", "floor_div", "mod", "and_", "xor", "maximum"]
    ),
)
def test_integer_arithmetic_wraps_as_numpy_does(
    dtype: str, pair: list[int], name: str
) -> None:
    a, b = variable(dtype, 1, name="a"), variable(dtype, 1, name="b")
    x, y = (np.array([v % 2**64], "uint64").astype(dtype) for v in pair)
    with np.errstate(all="ignore"):
        wanted = ORACLES[name](x, y)
    assert number(PUBLIC[name](a, b), {a: x, b: y}) == wanted.tolist()


# --- building -------------------------------------------------------------------------


def test_python_numbers_become_constants_of_the_partners_dtype() -> None:
    x = variable("float32", None)
    node = (x * 2.5).owner
    assert node is not None
    assert isinstance(node.inputs[1], Constant)
    assert node.inputs[1].type.dtype == "float32"


def test_real_and_conj_of_a_real_operand_are_the_operand() -> None:
    x = variable("float32", None)
    assert PUBLIC["real"](x) is x
    assert PUBLIC["conj"](x) is x


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("neq", "ne"), ("true_div", "divide"),
        ("inv", "reciprocal"),
        ("floor_div", "int_div"), ("mod", "remainder"), ("power", "pow"),
        ("sqr", "square"), ("abs", "abs_"), ("sign", "sgn"), ("digamma", "psi"),
        ("invert", "bitwise_not"), ("and_", "bitwise_and"), ("lt", "less"),
        ("fill", "second"), ("zero_grad", "consider_constant"),
    ],
)  # fmt: skip
def test_names_of_theano_and_numpy_mean_the_same(name: str, other: str) -> None:
    assert PUBLIC[name] is PUBLIC[other]


def test_wrong_number_of_operands_is_an_error() -> None:
    x = variable("float64")
    with pytest.raises(TypeError):
        PUBLIC["maximum"](x)
