"""The text that the builder and the table of primitives write."""

import numpy as np
import pytest

from symgraph.backends.cpu import math as primitives
from symgraph.backends.cpu.llvm import Builder, Value, number

#: Primitives that take two arguments.
TWO = {"add", "sub", "mul", "div", "floordiv", "mod", "fmod", "pow", "copysign"} | {
    *("maximum", "minimum", "fmax", "fmin", "arctan2"),
    *("lt", "le", "gt", "ge", "eq", "ne"),
}


def text_of(b):
    return "\n".join([*b.declarations.values(), *b.lines])


# ---- the table and the text ----------------------------------------------------------


def test_supports_tells_dtypes_apart():
    assert primitives.supports("exp", "float32")
    assert not primitives.supports("exp", "int32")
    assert not primitives.supports("sub", "bool")
    assert not primitives.supports("add", "complex64")
    assert not primitives.supports("real", "float32")


@pytest.mark.parametrize("name", sorted(primitives.TABLE))
def test_functions_make_no_promise_about_nan_inf_or_order(name):
    b = Builder(frozenset({"fma"}))
    x = [Value(f"%x{i}", "float32", 8) for i in range(3)]
    if not primitives.supports(name, "float32") or name == "where":
        return
    primitives.emit(b, name, x[: 1 + (name in TWO)], "float32")
    assert not any(flag in text_of(b) for flag in ("nnan", "ninf", "reassoc", "fast"))


def test_maximum_with_a_constant_needs_one_comparison():
    b = Builder()
    x = Value("%x", "float32", 8)
    primitives.emit(b, "maximum", [x, b.const(0.0, "float32", 8)], "float32")
    assert len(b.lines) == 2


def test_scalar_arguments_are_spread_over_the_lanes():
    b = Builder()
    y = primitives.emit(
        b, "add", [Value("%x", "float32", 8), b.const(1.5, "float32")], "float32"
    )
    assert y.lanes == 8
    assert b.lines == [
        "  %v0 = fadd contract <8 x float> %x, splat (float 0x3FF8000000000000)"
    ]


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (1.0, "float32", "0x3FF0000000000000"),
        (0.1, "float32", "0x3FB99999A0000000"),
        (0.1, "float64", "0x3FB999999999999A"),
        (-0.0, "float64", "0x8000000000000000"),
        (np.inf, "float32", "0x7FF0000000000000"),
        (1e300, "float32", "0x7FF0000000000000"),
        (np.nan, "float64", "0x7FF8000000000000"),
        (-1, "int8", "255"),
        (2**64 - 1, "int64", "18446744073709551615"),
        (True, "bool", "true"),
    ],
)
def test_numbers_are_written_exactly(value, dtype, text):
    assert number(value, dtype) == text


def test_zero_and_minus_zero_stay_apart_as_constants():
    b = Builder()
    texts = [b.const(v, "float32", 4).text for v in (0.0, -0.0, 0.0)]
    assert texts[0] == texts[2] != texts[1]


def test_fma_is_two_instructions_without_the_feature():
    x = Value("%x", "float64", 2)
    fused, plain = Builder(frozenset({"fma"})), Builder()
    fused.fma(x, 2.0, 1.0)
    plain.fma(x, 2.0, 1.0)
    assert len(fused.lines) == 1
    assert list(fused.declarations) == ["llvm.fma.v2f64"]
    assert [line.split()[2] for line in plain.lines] == ["fmul", "fadd"]


def test_helpers_are_written_once_for_each_type():
    b = Builder(frozenset({"fma"}))
    x, y = Value("%x", "float32", 8), Value("%y", "float64", 8)
    for value in (x, x, y):
        primitives.emit(b, "sin", [value], value.dtype)
    helpers = [k for k in b.declarations if k.startswith("sg.")]
    assert helpers == ["sg.sin.v8f32", "sg.sin.v8f64"]
    assert len(b.lines) == 3
