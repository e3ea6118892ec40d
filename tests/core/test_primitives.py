"""The table of primitives: who reads it, and what is cheap."""

from typing import Any

import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.primitives import FEW, PRIMITIVES, is_cheap_body, primitives_of
from symgraph.lower import fusion_groups
from symgraph.ops.families import SCALARS

CHEAP_SCALARS = sorted(name for name, scalar in SCALARS.items() if scalar.is_cheap)


def node_of(name: str) -> Any:
    """An application of a scalar function."""
    scalar = SCALARS[name]
    for dtype in ("float64", "int64", "bool", "complex128"):
        operands = [T.vector(f"x{i}", dtype=dtype) for i in range(scalar.arity)]
        try:
            made = sg.ops.families.apply_scalar(name, *operands)  # type: ignore
        except sg.errors.DtypeError:
            continue
        return made.owner
    raise AssertionError(name)


def test_a_scalar_without_body_is_a_primitive_of_its_arity() -> None:
    for name, scalar in SCALARS.items():
        if scalar.body is None and not name.startswith("user_"):
            assert PRIMITIVES[name].arity == scalar.arity, name


def test_a_primitive_is_a_scalar_or_the_op_of_its_name() -> None:
    others = set(PRIMITIVES) - SCALARS.keys()
    assert others == {"cast", "philox"}


@pytest.mark.parametrize("name", sorted(SCALARS))
def test_loops_and_fusion_agree_on_what_is_cheap(name: str) -> None:
    node = node_of(name)
    light = node.op.is_light(node)
    assert light == fusion_groups.is_cheap(node) == SCALARS[name].is_cheap


@pytest.mark.parametrize(
    ("name", "cheap"),
    [
        ("add", True), ("sqrt", True), ("signbit", True), ("where", True),
        ("floordiv", False), ("mod", False), ("exp", False), ("pow", False),
        ("clip", True), ("relu", True), ("leaky_relu", True), ("softsign", True),
        ("heaviside", True), ("second", True), ("identity", True),
        ("elu", False), ("sinc", False), ("xlogx", False), ("logaddexp", False),
        ("materialize", False),  # it asks for memory
    ],
)  # fmt: skip
def test_what_is_cheap(name: str, cheap: bool) -> None:
    assert SCALARS[name].is_cheap is cheap


def test_a_cast_is_cheap_for_both() -> None:
    node = T.cast(T.dvector("x"), "float32").owner
    assert node is not None
    assert node.op.is_light(node)
    assert fusion_groups.is_cheap(node)


@pytest.mark.parametrize(
    ("body", "used"),
    [
        (lambda m, x: x, []),
        (lambda m, x: 1 - x, ["sub"]),
        (lambda m, x: -abs(x) // 2, ["abs", "neg", "floordiv"]),
        (lambda m, x: x**3, ["mul", "mul"]),
        (lambda m, x: x**0.5, ["pow"]),
        (lambda m, x: (x > 0) & ~(x == 1), ["gt", "eq", "not", "and"]),
        (lambda m, x: m.exp(2 * x).astype("int64"), ["mul", "exp", "cast"]),
        (lambda m, x: (1 << x) ^ (x >> 1), ["shift_left", "shift_right", "xor"]),
    ],
)
def test_primitives_that_a_body_calls(body: Any, used: list[str]) -> None:
    assert primitives_of(body, 1) == used


def test_a_long_body_is_not_cheap() -> None:
    def body(m: Any, x: Any) -> Any:
        for _ in range(FEW + 1):
            x = x + 1
        return x

    assert primitives_of(body, 1) == ["add"] * (FEW + 1)
    assert not is_cheap_body(body, 1)


def test_a_function_of_the_user_is_judged_by_what_it_computes() -> None:
    @sg.elemwise_op
    def half_above(x: float) -> float:
        return x * 0.5 + 1.0

    @sg.elemwise_op
    def wave(x: float) -> float:
        import math

        return math.sin(x) * 0.5

    x = T.dvector("x")
    for function, cheap in ((half_above, True), (wave, False)):
        node = function(x).owner
        assert node is not None
        assert fusion_groups.is_cheap(node) is node.op.is_light(node) is cheap
