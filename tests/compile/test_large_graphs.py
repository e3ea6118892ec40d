"""Deep, wide and repeated graphs compile, and compute what small ones do."""

import functools
import operator

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.lower.fusion_groups import MEMBERS

STEPS = (
    (T.tanh, np.tanh),
    (lambda v: v * 1.5, lambda v: v * 1.5),
    (T.sin, np.sin),
    (lambda v: v + 0.25, lambda v: v + 0.25),
)


def chain(x, count, which):
    for k in range(count):
        x = STEPS[k % len(STEPS)][which](x)
    return x


@pytest.mark.parametrize("make", [T.dscalar, T.dvector], ids=["scalar", "vector"])
def test_a_chain_of_a_thousand_operations(make):
    x = make("x")
    f = sg.function([x], chain(x, 1000, 0))
    value = np.float64(0.3) if x.ndim == 0 else np.linspace(-1, 1, 5)
    np.testing.assert_allclose(f(value), chain(value, 1000, 1), rtol=1e-12)


@pytest.mark.parametrize("make", [T.dscalar, T.dvector], ids=["scalar", "vector"])
def test_the_gradient_of_a_chain_of_hundreds_of_operations(make):
    x = make("x")
    y = x
    for _ in range(200):
        y = T.sin(y) + 0.5
    f = sg.function([x], [y, sg.grad(y.sum(), x)])
    value = np.float64(0.3) if x.ndim == 0 else np.linspace(-1, 1, 5)
    wanted, slope = value, np.ones_like(value)
    for _ in range(200):
        slope, wanted = slope * np.cos(wanted), np.sin(wanted) + 0.5
    for got, expected in zip(f(value), (wanted, slope), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("make", [T.dscalar, T.dvector], ids=["scalar", "vector"])
def test_a_value_read_twice_in_each_step_does_not_double_the_work(make):
    x, y = make("x"), make("y")
    z = y
    for _ in range(60):
        z = z * x + z / 3
    value = np.float64(0.5) if x.ndim == 0 else np.array([0.5, 0.25])
    wanted = value
    for _ in range(60):
        wanted = wanted * value + wanted / 3
    np.testing.assert_allclose(sg.function([x, y], z)(value, value), wanted, rtol=1e-9)


@pytest.mark.parametrize("count", [3, 400])
@pytest.mark.parametrize(
    "add", [lambda v: T.add(*v), sum, lambda v: functools.reduce(operator.add, v)]
)
def test_a_sum_of_many_vectors(add, count):
    v = [T.dvector() for _ in range(count)]
    f = sg.function(v, add(v))
    values = [np.arange(4) + k for k in range(count)]
    np.testing.assert_array_equal(f(*values), np.sum(values, axis=0))


def test_vectors_of_a_wide_sum_must_fit_together():
    v = [T.dvector() for _ in range(300)]
    f = sg.function(v, sum(v))
    with pytest.raises(sg.errors.ShapeError, match="4 and 5"):
        f(*[np.ones(4)] * 299, np.ones(5))


@pytest.mark.parametrize("count", [3, 400])
def test_a_sum_of_many_scalars(count):
    v = [T.dscalar() for _ in range(count)]
    assert sg.function(v, sum(v))(*range(count)) == count * (count - 1) // 2


def test_a_deep_graph_is_cut_into_kernels_of_bounded_size():
    x = T.dvector("x")
    f = sg.function([x], chain(x, 1000, 0))
    longest = max(len(kernel.splitlines()) for kernel in f.kernels.split("\n\n"))
    assert 20 < longest <= MEMBERS + 10


def test_the_gradient_of_a_wide_sum_is_built_without_recursion():
    v = [T.dvector() for _ in range(3000)]
    assert sg.grad(T.sqr(T.add(*v)).sum(), v[0]).type == v[0].type


def test_the_gradient_of_a_wide_sum():
    v = [T.dvector() for _ in range(400)]
    f = sg.function(v, sg.grad(T.sqr(T.add(*v)).sum(), v[:3]))
    for got in f(*[np.arange(3.0)] * 400):
        np.testing.assert_array_equal(got, 800 * np.arange(3.0))


def test_the_gradient_of_many_normalizations():
    x = T.dvector("x")
    y = x
    for _ in range(8):
        y = y / T.sqrt(T.sqr(y).sum())
    f = sg.function([x], sg.grad(y[0], x))
    np.testing.assert_allclose(f(np.array([3.0, 4.0])), [0.128, -0.096], rtol=1e-9)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("count", [3, 200])
def test_a_join_of_many_matrices(count, axis):
    v = [T.dmatrix() for _ in range(count)]
    f = sg.function(v, T.concatenate(v, axis=axis))
    sizes = [(2, 1 + k % 4) if axis else (1 + k % 4, 2) for k in range(count)]
    values = [
        np.arange(2.0 * np.prod(s)).reshape(2, *s)[1] + k for k, s in enumerate(sizes)
    ]
    np.testing.assert_array_equal(f(*values), np.concatenate(values, axis))


@pytest.mark.parametrize("count", [3, 200])
def test_a_stack_of_many_scalars_over_what_it_is_made_of(count):
    w = sg.shared(np.arange(float(count)))
    new = T.stack([w[count - 1 - k] for k in range(count)])
    sg.function([], [], updates=[(w, new)])()
    np.testing.assert_array_equal(w.get_value(), np.arange(float(count))[::-1])


@pytest.mark.parametrize("count", [3, 200])
def test_a_join_of_many_slices_over_what_they_are_slices_of(count):
    w = sg.shared(np.arange(float(count)))
    new = T.concatenate([w[count - 1 - k : count - k] for k in range(count)])
    sg.function([], [], updates=[(w, new)])()
    np.testing.assert_array_equal(w.get_value(), np.arange(float(count))[::-1])


def test_scaled_values_are_stored_after_a_few_steps():
    x = T.dvector("x")
    y = x
    for k in range(80):
        y = y / (y[k % 3] + 2.0)
    f = sg.function([x], y)
    value = np.array([1.0, 2.0, 4.0])
    wanted = value
    for k in range(80):
        wanted = wanted / (wanted[k % 3] + 2.0)
    np.testing.assert_allclose(f(value), wanted, rtol=1e-9)
    assert len(f.kernels) < 80 * 800


def test_sums_that_share_one_term_are_not_compared_in_pairs():
    x, z = T.dvectors("x", "z")
    y = x
    for _ in range(60):
        y = y / (z + y)
    wanted = value = np.array([1.0, 2.0])
    for _ in range(60):
        wanted = wanted / (0.5 + wanted)
    f = sg.function([x, z], y)
    np.testing.assert_allclose(f(value, np.full(2, 0.5)), wanted, rtol=1e-9)
