"""Sizes that are computed from data are compared, whatever rewriting leaves of who did."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ShapeError

Build = Callable[[Any, Any, Any], Any]
CASES: dict[str, Build] = {
    "sum with zeros": lambda x, y, v: T.zeros_like(x[:v]) + y,
    "product with zero": lambda x, y, v: x[:v] * 0 + y,
    "shape alone": lambda x, y, v: (x[:v] + y).shape,
    "shape, other order": lambda x, y, v: (y + x[:v]).shape,
    "ones": lambda x, y, v: T.ones_like(y * x[:v]),
    "chosen": lambda x, y, v: T.switch(T.eq(y, y), y, x[:v]),
    "gradient of a product": lambda x, y, v: sg.grad((x[:v] * y).sum(), y),
    "gradient of a sum": lambda x, y, v: sg.grad((x[:v] + y).sum(), y),
    "gradient, other order": lambda x, y, v: sg.grad((y + x[:v]).sum(), y),
    "gradient by what is cut": lambda x, y, v: sg.grad((y + x[:v]).sum(), x),
    "assignment": lambda x, y, v: sg.grad(T.set_subtensor(x[:v], y).sum(), y),
    "increment": lambda x, y, v: sg.grad(T.inc_subtensor(T.tanh(x)[:v], y).sum(), y),
    "mask": lambda x, y, v: sg.grad((x[x > x.min()] + y).sum(), y),
    "join": lambda x, y, v: sg.grad((T.concatenate([x[:v], x[:v]]) + y).sum(), y),
}
GIVEN = [([1.0, 2, 3, 4], [5.0]), ([9.0, 1], [5.0]), ([1.0, 2, 3], [1.0, 2]),
         ([1.0, 2, 3], [1.0, 2, 3]), ([4.0, 1], []), ([1.0, 2], [3.0])]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_refusals_are_those_of_the_reference(name: str) -> None:
    x, y = T.dvector("x"), T.dvector("y")
    made = CASES[name](x, y, T.argmax(x))
    fast, slow = (
        sg.function([x, y], made, mode, on_unused_input="ignore")
        for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    for arrays in [*GIVEN, *GIVEN]:
        try:
            want = slow(*arrays)
        except ShapeError:
            with pytest.raises(ShapeError):
                fast(*arrays)
            continue
        have = fast(*arrays)
        assert have.shape == want.shape, arrays
        np.testing.assert_allclose(have, want)


def test_a_size_of_nan_is_the_least_integer() -> None:
    x = T.dvector("x")
    count = T.cast((x > 0).mean() * 2, "int64")
    f = sg.function([x], x[count:])
    assert f([1.0, 2.0, 3.0]).tolist() == [3.0]
    assert f([]).tolist() == []


def test_what_is_compared_once_is_not_computed_twice() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    f = sg.function([x, y], x[: T.argmax(x)] + y)
    assert len(f.program.dynamic_extents) == 1
    assert len([c for c in f.program.checks if c.left.atoms() or c.right.atoms()]) <= 2
