"""Constant folding: what is folded, what is not, and that failures are left alone."""

from dataclasses import dataclass

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.core.graph import freeze
from symgraph.core.node import OPS, Constant, Op, Variable
from symgraph.core.public import PUBLIC
from symgraph.core.types import TensorType
from symgraph.errors import ShapeError
from symgraph.rewrite.engine import Pass, run
from symgraph.rewrite.fold import fold, value_of
from symgraph.rewrite.pipeline import optimize


def folded(out: Variable) -> Variable:
    return run(freeze([], [out]), [Pass("fold", (fold,))]).graph.outputs[0]


def test_expressions_of_constants_become_constants_of_the_same_type() -> None:
    values = T.constant(np.arange(6, dtype="float32").reshape(2, 3))
    for out in (
        PUBLIC["exp"](values) + 1, PUBLIC["dot"](values, values.T), values.T,
        PUBLIC["sum"](values, 0), PUBLIC["softmax"](values), values[1, ::2],
        PUBLIC["arange"](5) * 2, PUBLIC["concatenate"]([values, values]),
    ):  # fmt: skip
        found = folded(out)
        assert isinstance(found, Constant)
        assert (found.dtype, found.ndim) == (out.dtype, out.ndim)


def test_large_results_are_not_folded() -> None:
    big = PUBLIC["arange"](2_000_000)
    assert not isinstance(folded(big), Constant)
    grown = PUBLIC["outer"](T.constant(np.ones(300)), T.constant(np.ones(300)))
    assert not isinstance(folded(grown), Constant)


def test_a_repeated_number_is_not_spread_over_memory() -> None:
    out = PUBLIC["exp"](PUBLIC["zeros"]((400, 400)))
    (found,) = optimize(freeze([], [out])).graph.outputs
    assert found.owner.op.name == "broadcast_to"
    assert value_of(found).shape == (400, 400)


@dataclass(frozen=True)
class Failing(Op):
    """Fails when it is evaluated."""

    name = "failing_in_a_test"

    def infer(self, *inputs: Variable) -> tuple[TensorType, ...]:
        return (inputs[0].type,)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        raise ShapeError("it fails")


OPS.pop(Failing.name)  # not one of the ops of the package


def test_what_fails_is_left_to_fail_when_the_function_runs() -> None:
    assert not isinstance(folded(Failing()(T.constant(1.0))), Constant)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex64"])
def test_folding_keeps_the_dtype(dtype: str) -> None:
    value = T.constant(np.ones((2,), dtype))
    out = folded(PUBLIC["where"](T.constant(True), value, value))
    assert out.dtype == dtype


def test_random_numbers_are_not_folded() -> None:
    from symgraph.ops.random import RandomBits

    count = T.constant(np.int64(4))
    bits = RandomBits(1)(T.constant(np.uint64(1)), T.constant(np.uint64(0)), count)
    assert not isinstance(folded(bits), Constant)
