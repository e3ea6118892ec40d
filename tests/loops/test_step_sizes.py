"""What a step requires of sizes counts, whatever rewriting makes of the step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ShapeError

M, x, m = T.dmatrix("M"), T.dvector("x"), T.bvector("m")
ONES = np.ones((2, 3))

#: what rewriting makes less of: step of a row → its result
DROPPED: dict[str, Callable[..., Any]] = {
    "cancelled": lambda r: (x + r - x).sum(),
    "times zero": lambda r: (r + 0 * x).sum(),
    "in a product": lambda r: T.dot(r, r + 0 * x),
    "shape alone": lambda r: (r * x).shape[0] + r.sum(),
}


def step_of(name: str, state: bool) -> Any:
    if not state:
        return sg.scan(DROPPED[name], M)[0]
    return sg.scan(lambda r, t: DROPPED[name](r * t), M, T.constant(1.0))[0]


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("name", DROPPED)
def test_what_is_dropped_from_a_step_still_broadcasts_or_is_refused(
    name: str, state: bool
) -> None:
    out = step_of(name, state)
    f, g = (
        sg.function([M, x], out, mode=mode) for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    calls = [(ONES, np.ones(3)), (ONES, np.ones(1))]
    if name != "in a product":
        calls.append((ONES[:, :1], np.ones(3)))
    for given in calls:
        np.testing.assert_allclose(f(*given), g(*given), 1e-12)
    for h in (f, g):
        with pytest.raises(ShapeError):
            h(ONES, np.ones(4))


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_mask_in_a_step_has_the_length_of_what_it_masks(size: int, mode: str) -> None:
    out, _ = sg.scan(lambda r: r[m > 0].sum(), M)
    f = sg.function([M, m], out, mode=mode)
    assert f(ONES, np.array([1, 0, 1], "int8")).tolist() == [2.0, 2.0]
    assert f(ONES[:, :1], np.ones(1, "int8")).tolist() == [1.0, 1.0]
    with pytest.raises(ShapeError, match="mask"):
        f(ONES, np.ones(size, "int8"))


def test_a_loop_inside_a_loop_and_one_in_a_branch() -> None:
    c = T.dscalar("c")

    def inner(row: Any) -> Any:
        return sg.scan(lambda v: (v + x - x).sum(), row)[0].sum()

    nested, _ = sg.scan(inner, M)
    rows, _ = sg.scan(lambda r: (x + r - x).sum(), M)
    outputs = [nested, sg.ifelse(c > 0, rows.sum(), M.sum())]
    f = sg.function([c, M, x], outputs)
    assert f(1.0, ONES, np.ones(3))[1] == 6.0
    np.testing.assert_array_equal(f(1.0, ONES, np.ones(3))[0], [9.0, 9.0])
    assert f(-1.0, ONES, np.ones(4))[1] == 6.0
    with pytest.raises(ShapeError):
        f(1.0, ONES, np.ones(4))


def test_gradients_of_operands_that_broadcast_in_a_step() -> None:
    rows, _ = sg.scan(
        lambda r, t: t + T.tanh(r * x + 0 * x).sum() * t, M, T.constant(1.0)
    )
    outputs = [rows, *sg.grad(rows[-1], [M, x])]
    f, g = (
        sg.function([M, x], outputs, mode=mode) for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    for given in ((ONES, np.ones(1)), (ONES[:, :1], np.ones(3)), (ONES, np.ones(3))):
        for have, want in zip(f(*given), g(*given), strict=True):
            np.testing.assert_allclose(have, want, 1e-12)
