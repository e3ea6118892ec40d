"""Running sums and products: derivatives of both orders, exact beside zeros."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.ops.cumulative import Recurrence


def differences(
    f: Callable[[np.ndarray], list[np.ndarray]], at: np.ndarray
) -> list[np.ndarray]:
    """Gradients of scalars that are linear in each single element: exact steps of 1."""
    before = f(at)
    found = [np.zeros(at.shape) for _ in before]
    for place in np.ndindex(*at.shape):
        moved = at.copy()
        moved[place] += 1
        for slope, one, other in zip(found, f(moved), before, strict=True):
            slope[place] = one - other
    return found


AXES = [((4,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 2), 1), ((3, 2, 2), 0)]


def first_and_second(make: Any, x: Any, weights: np.ndarray) -> tuple[Any, Any, Any]:
    """sum(w * gradient of sum(w * y)), and its gradient: of the second order in x."""
    w = T.constant(weights)
    first = grad(T.sum(make(x) * w), x)
    total = T.sum(first * T.constant(np.cos(weights)))
    return first, total, grad(total, x)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "FAST_RUN"])
@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_both_derivatives_of_a_running_product_beside_zeros(
    shape: tuple[int, ...], axis: int, mode: str
) -> None:
    random = np.random.default_rng(1)
    weights = random.normal(size=shape)
    x = T.TensorType("float64", (None,) * len(shape))("x")

    def make(v: Any) -> Any:
        return T.cumprod(v, axis=axis)

    first, total, second = first_and_second(make, x, weights)
    value = T.sum(make(x) * T.constant(weights))
    f = sg.function([x], [value, first, total, second], mode=mode)
    for _ in range(3):
        a = random.integers(-1, 3, shape).astype("float64")
        _, slope, _, bend = f(a)
        found, wanted = differences(lambda v: [q for q in f(v)[::2]], a)
        np.testing.assert_allclose(slope, found, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(bend, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
def test_both_gradients_of_a_recurrence(axis: int) -> None:
    a, b = T.dmatrices("a", "b")
    random = np.random.default_rng(2)
    weights = T.constant(random.normal(size=(4, 3)))
    total = T.sum(Recurrence(axis)(a, b) * weights)
    f = sg.function([a, b], [total, *grad(total, [a, b])])
    p, q = random.integers(-1, 3, (2, 4, 3)).astype("float64")
    _, of_a, of_b = f(p, q)
    (wanted,) = differences(lambda v: [f(v, q)[0]], p)
    np.testing.assert_allclose(of_a, wanted, rtol=1e-12, atol=1e-12)
    (wanted,) = differences(lambda v: [f(p, v)[0]], q)
    np.testing.assert_allclose(of_b, wanted, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_a_running_sum_of_squares_and_its_gradient() -> None:
    x = T.dmatrix("x")
    total = T.sum(T.cumsum(x, axis=0) ** 2)
    first = grad(total, x)
    second = grad(T.sum(first**2), x)
    a = np.arange(6.0).reshape(3, 2)
    steps = np.tril(np.ones((3, 3)))
    normal = 2 * steps.T @ steps
    found, bend = sg.function([x], [first, second])(a)
    np.testing.assert_allclose(found, normal @ a)
    np.testing.assert_allclose(bend, 2 * normal @ normal @ a)
