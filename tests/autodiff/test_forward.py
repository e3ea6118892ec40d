"""Lop, Rop and Hessian times vector against the matrices themselves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import (
    ArgumentError,
    DisconnectedInputError,
    GradientError,
    ShapeError,
)

MODES = ["FAST_COMPILE", "FAST_RUN"]
A = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])


@pytest.mark.parametrize("mode", MODES)
def test_products_with_the_jacobian_of_a_layer(mode: str) -> None:
    x, u, v = T.dvector("x"), T.dvector("u"), T.dvector("v")
    y = T.tanh(T.dot(A, x))
    f = sg.function([x, u, v], [sg.Lop(y, x, u), sg.Rop(y, x, v)], mode=mode)
    at, left, right = np.array([0.1, 0.2, -0.4]), np.ones(2), np.array([1.0, -1.0, 3])
    j = (1 - np.tanh(A @ at) ** 2)[:, None] * A
    pulled, pushed = f(at, left, right)
    np.testing.assert_allclose(pulled, left @ j, 1e-12, 1e-12)
    np.testing.assert_allclose(pushed, j @ right, 1e-12, 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_products_of_several_functions_and_variables_are_added(mode: str) -> None:
    x, y = T.dvectors("x", "y")
    first = x * y
    second = first.sum() * x  # depends on the first: both must count
    u, w = T.dvectors("u", "w")
    pulled = sg.Lop([first, second], [x, y], [u, w])
    pushed = sg.Rop([first, second], [x, y], [u, w])
    assert (type(pulled), type(pushed)) == (list, list)
    f = sg.function([x, y, u, w], [*pulled, *pushed], mode=mode)
    a, b = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    p, q = np.array([0.5, 1.0]), np.array([2.0, -3.0])
    first_x, first_y = np.diag(b), np.diag(a)
    second_x = np.outer(a, b) + np.eye(2) * (a @ b)
    second_y = np.outer(a, a)
    wanted = [
        p @ first_x + q @ second_x,
        p @ first_y + q @ second_y,
        first_x @ p + first_y @ q,
        second_x @ p + second_y @ q,
    ]
    for found, want in zip(f(a, b, p, q), wanted, strict=True):
        np.testing.assert_allclose(found, want, 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_the_hessian_times_a_vector(mode: str) -> None:
    x, v, s = T.dvector("x"), T.dvector("v"), T.dscalar("s")
    cost = T.log(T.exp(x).sum()) * s**2
    f = sg.function(
        [x, s, v],
        [
            sg.hessian_vector_product(cost, x, v),
            *sg.hessian_vector_product(cost, [x, s], [v, 0.5]),
        ],
        mode=mode,
    )
    a, k, d = np.array([0.1, 0.5, -1.0]), 3.0, np.array([1.0, 2.0, -1.0])
    p = np.exp(a) / np.exp(a).sum()
    by_x = k * k * (p * d - p * (p @ d))
    alone, mixed, last = f(a, k, d)
    np.testing.assert_allclose(alone, by_x, 1e-12)
    np.testing.assert_allclose(mixed, by_x + 2 * k * p * 0.5, 1e-12)
    np.testing.assert_allclose(
        last, 2 * k * (p @ d) + 2 * np.log(np.exp(a).sum()) * 0.5, 1e-12
    )


def test_a_linear_cost_has_a_hessian_product_of_zeros() -> None:
    x = T.dvector("x")
    found = sg.hessian_vector_product(x.sum(), x, [1.0, 2.0])
    np.testing.assert_array_equal(found.eval({x: [1.0, 1.0]}), [0.0, 0.0])


def test_the_products_can_be_differentiated() -> None:
    x, v = T.dvectors("x", "v")
    pushed = sg.Rop(x**3, x, v)
    np.testing.assert_allclose(
        sg.grad(pushed.sum(), x).eval({x: [1.0, 2.0], v: [1.0, 10.0]}), [6.0, 120.0]
    )
    np.testing.assert_allclose(
        sg.grad(pushed.sum(), v).eval({x: [1.0, 2.0], v: [5.0, 5.0]}), [3.0, 12.0]
    )


def test_vectors_may_be_numbers_and_take_the_dtype_of_their_variable() -> None:
    x = T.fvector("x")
    pushed = sg.Rop(x * 2, x, np.array([1.0, 2.0]))
    pulled = sg.Lop(x * 2, x, [1.0, 2.0])
    assert (pushed.type.dtype, pulled.type.dtype) == ("float32", "float32")
    np.testing.assert_array_equal(pushed.eval({x: [0.0, 0.0]}), [2.0, 4.0])


def test_an_output_that_does_not_depend_on_wrt() -> None:
    x, y = T.dvectors("x", "y")
    with pytest.raises(DisconnectedInputError, match="does not depend"):
        sg.Rop(y * 2, x, x)
    options = {"disconnected_outputs": "ignore"}
    zero = sg.Rop(y * 2, x, x, **options)
    np.testing.assert_array_equal(zero.eval({y: [1.0, 2.0, 3.0]}), np.zeros(3))
    assert sg.Rop(y * 2, x, x, **options, return_disconnected="none") is None


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: sg.Rop(x, x, 1.0), ShapeError, "rank 0"),
        (lambda x: sg.Lop(x, x, [[1.0]]), ShapeError, "rank 2"),
        (lambda x: sg.Rop(x, [x], [x, x]), ArgumentError, "2 vectors for 1"),
        (lambda x: sg.Lop([x, x * 2], x, x), ArgumentError, "1 vectors for 2"),
        (lambda x: sg.Rop(x > 0, x, x), GradientError, "real float"),
        (lambda x: sg.Lop(x > 0, x, x), GradientError, "real float"),
        (lambda x: sg.Rop("x", x, x), ArgumentError, "not a variable"),
        (lambda x: sg.Rop(x, x, x, "warn"), ArgumentError, "disconnected_outputs"),
    ],
)
def test_bad_arguments_are_refused(
    call: Callable[..., Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call(T.dvector("x"))
