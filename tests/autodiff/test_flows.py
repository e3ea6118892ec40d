"""Gradients through a branch: those of the branch that is chosen, and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

MODES = ("FAST_COMPILE", "FAST_RUN")
X = np.array([0.0, 4.0])
#: what must not be looked at, and its derivative where it may be
WILD: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "log": (T.log, lambda x: 1 / x),
    "sqrt": (T.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2),
    "sinc": (lambda x: T.sin(x) / x, lambda x: (x * np.cos(x) - np.sin(x)) / x**2),
    "entropy": (lambda x: x * T.log(x), lambda x: np.log(x) + 1),
    "deep": (lambda x: T.exp(1 / x) * T.log(x) ** 2, lambda x: None),
    "rows": (lambda x: x / T.sqrt((x**2).sum()), lambda x: None),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", WILD)
def test_a_branch_that_is_not_taken_gives_no_nan(name: str, mode: str) -> None:
    function, slope = WILD[name]
    x, c = T.dvector("x"), T.dscalar("c")
    cost = sg.ifelse(c > 0, function(x).sum(), (3 * x).sum())
    f = sg.function([x, c], [cost, sg.grad(cost, x)], mode=mode)
    value, found = f(np.zeros(2), -1.0)
    assert (float(value), found.tolist()) == (0.0, [3.0, 3.0])
    some = np.array([1.5, 4.0])
    wanted = slope(some)
    if wanted is not None:
        np.testing.assert_allclose(f(some, 1.0)[1], wanted, 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_conditions_of_the_value_itself_guard_its_gradient(mode: str) -> None:
    x = T.dscalar("x")
    cost = sg.ifelse(x > 0, T.sqrt(x), -x) * 2
    f = sg.function([x], sg.grad(cost, x), mode=mode)
    assert [float(f(v)) for v in (0.0, -1.0, 4.0)] == [-2.0, -2.0, 0.5]


def test_what_both_branches_use_has_the_gradient_of_the_one_that_is_chosen() -> None:
    x, c = T.dvector("x"), T.dscalar("c")
    root = T.sqrt(x)
    cost = sg.ifelse(c > 0, (root * 3).sum(), (root * x).sum())
    f = sg.function([x, c], sg.grad(cost, x))
    some = np.array([1.0, 4.0])
    np.testing.assert_allclose(f(some, 1.0), 1.5 / np.sqrt(some), 1e-12)
    np.testing.assert_allclose(f(some, -1.0), 1.5 * np.sqrt(some), 1e-12)


def test_what_is_used_outside_too_has_its_own_gradient() -> None:
    x, c = T.dvector("x"), T.dscalar("c")
    root = T.sqrt(x)
    cost = sg.ifelse(c > 0, root, x).sum() + root.sum()
    f = sg.function([x, c], sg.grad(cost, x))
    assert f([4.0], 1.0).tolist() == [0.5]
    assert f([4.0], -1.0).tolist() == [1.25]


@pytest.mark.parametrize("mode", MODES)
def test_choices_of_conditions_that_are_built_alike_are_one(mode: str) -> None:
    x = T.dscalar("x")
    log = T.log(x)
    cost = sg.ifelse(x > 0, log, x) + sg.ifelse(x > 0, log * 2, x * x)
    f = sg.function([x], sg.grad(cost, x), mode=mode)
    assert [float(f(v)) for v in (0.0, -1.0, 2.0)] == [1.0, -1.0, 1.5]


@pytest.mark.parametrize("mode", MODES)
def test_choices_inside_choices(mode: str) -> None:
    x, c, d = T.dvector("x"), T.dscalar("c"), T.dscalar("d")
    inner = sg.ifelse(d > 0, T.log(x), 1 / x)
    cost = (sg.ifelse(c > 0, inner, x * 5) * 2).sum()
    f = sg.function([x, c, d], sg.grad(cost, x), mode=mode)
    assert f([0.0, 0.0], -1.0, 1.0).tolist() == [10.0, 10.0]
    assert f([-2.0, 2.0], 1.0, -1.0).tolist() == [-0.5, -0.5]
    assert f([2.0, 4.0], 1.0, 1.0).tolist() == [1.0, 0.5]


@pytest.mark.parametrize("mode", MODES)
def test_the_second_derivative_is_that_of_the_branch(mode: str) -> None:
    x, c = T.dvector("x"), T.dscalar("c")
    cost = sg.ifelse(c > 0, T.log(x).sum(), (x**3).sum())
    f = sg.function([x, c], sg.hessian(cost, x), mode=mode)
    np.testing.assert_allclose(f([0.0, 2.0], -1.0), np.diag([0.0, 12.0]))
    np.testing.assert_allclose(f([1.0, 2.0], 1.0), np.diag([-1.0, -0.25]))


@pytest.mark.parametrize("mode", MODES)
def test_steps_of_a_loop_take_the_gradient_of_their_branch(mode: str) -> None:
    x = T.dvector("x")
    rows, _ = sg.scan(
        lambda v, s: s + sg.ifelse(v > 0, T.log(v), v * v), x, T.constant(0.0)
    )
    f = sg.function([x], sg.grad(rows[-1], x), mode=mode)
    np.testing.assert_allclose(f([0.0, -1.0, 4.0]), [0.0, -2.0, 0.25])


def test_several_outputs_and_a_gradient_of_the_shape_of_its_variable() -> None:
    c, x, y = T.dscalar("c"), T.dvector("x"), T.dvector("y")
    one, two = sg.ifelse(c > 0, [T.log(x), x * 2], [y * 3, T.exp(y)])
    cost = one.sum() + (two**2).sum()
    f = sg.function([c, x, y], sg.grad(cost, [x, y]))
    dx, dy = f(-1.0, [0.0], [0.0, 0.0, 0.0])
    assert dx.tolist() == [0.0]
    assert dy.tolist() == [5.0, 5.0, 5.0]
    dx, dy = f(1.0, [1.0], [0.0, 0.0, 0.0])
    assert (dx.tolist(), dy.tolist()) == ([9.0], [0.0, 0.0, 0.0])


def test_descent_leaves_the_parameters_of_the_other_branch_alone() -> None:
    w, v = sg.shared(np.zeros(2), "w"), sg.shared(np.ones(2), "v")
    c = T.dscalar("c")
    cost = sg.ifelse(c > 0, T.log(w).sum(), (v**2).sum())
    dw, dv = sg.grad(cost, [w, v])
    f = sg.function([c], cost, updates=[(w, w - dw), (v, v - 0.5 * dv)])
    f(-1.0)
    assert (w.get_value().tolist(), v.get_value().tolist()) == ([0, 0], [0, 0])
