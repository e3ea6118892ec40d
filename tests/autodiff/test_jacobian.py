"""Jacobians and Hessians against formulas, for lengths that are known and unknown."""

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
    NotSupportedError,
    ShapeError,
)

MODES = ["FAST_COMPILE", "FAST_RUN", "DEBUG"]
A = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0], [2.0, 1.0, -1.0], [1.0, 1.0, 1.0]])


def vector(known: bool, extent: int = 3) -> Any:
    return T.dvector("x", shape=(extent if known else None,))


# --- Jacobians ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("known", [False, True])
def test_the_jacobian_of_a_layer(mode: str, known: bool) -> None:
    x = vector(known)
    f = sg.function([x], sg.jacobian(T.tanh(T.dot(A, x)), x), mode=mode)
    v = np.array([0.1, -0.3, 0.2])
    np.testing.assert_allclose(f(v), (1 - np.tanh(A @ v) ** 2)[:, None] * A, 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_the_jacobian_for_every_length_of_one_function(mode: str) -> None:
    x = T.dvector("x")
    f = sg.function([x], sg.jacobian(x**3 + x * x.sum(), x), mode=mode)
    for n in (3, 1, 0, 4, 3):
        v = np.arange(n) + 1.0
        np.testing.assert_allclose(f(v), np.diag(3 * v**2 + v.sum()) + v[:, None])


def test_a_length_seen_before_needs_no_new_compilation() -> None:
    x = T.dvector("x")
    f = sg.function([x], sg.jacobian(T.sin(x), x))
    f([1.0, 2.0])
    first = f.timings
    f([1.0, 2.0, 3.0])
    assert f.timings is not first
    second = f.timings
    np.testing.assert_allclose(f([3.0, 4.0]), np.diag(np.cos([3.0, 4.0])))
    assert f.timings is second


def test_a_known_length_is_compiled_once_for_all_sizes_of_the_rest() -> None:
    x, y = vector(True), T.dvector("y")
    f = sg.function([x, y], sg.jacobian(x**2 * y.sum(), x))
    before = f.timings
    for n in (1, 2, 5):
        found = f([1.0, 2.0, 3.0], np.ones(n))
        np.testing.assert_allclose(found, np.diag([2.0, 4.0, 6.0]) * n)
    assert f.timings is before
    assert "rows" not in str(f.graph)


@pytest.mark.parametrize("mode", MODES)
def test_the_length_of_a_shared_variable_is_known(mode: str) -> None:
    w = sg.shared(np.array([1.0, 2.0]), name="w")
    f = sg.function([], sg.jacobian(w**2 * w.sum(), w), mode=mode)
    for value in ([1.0, 2.0], [1.0, 0.5, -2.0]):
        w.set_value(np.array(value))
        v = np.array(value)
        np.testing.assert_allclose(f(), np.diag(2 * v * v.sum()) + (v**2)[:, None])


@pytest.mark.parametrize("mode", MODES[:2])
def test_expression_and_wrt_may_have_any_rank(mode: str) -> None:
    m, v = T.dmatrix("m"), T.dvector("v")
    product = T.dot(m, v)
    outputs = [
        sg.jacobian(product, m),
        sg.jacobian(T.outer(v, v), v),
        sg.jacobian(v.sum() * 2, v),
        sg.jacobian(product.sum(), m),
    ]
    f = sg.function([m, v], outputs, mode=mode)
    p, q = np.arange(6.0).reshape(2, 3), np.array([1.0, -1.0, 2.0])
    found = f(p, q)
    np.testing.assert_allclose(found[0], np.einsum("ik,j->ikj", np.eye(2), q))
    eye = np.eye(3)
    np.testing.assert_allclose(
        found[1], np.einsum("ik,j->ijk", eye, q) + np.einsum("jk,i->ijk", eye, q)
    )
    np.testing.assert_allclose(found[2], [2.0, 2.0, 2.0])
    np.testing.assert_allclose(found[3], np.tile(q, (2, 1)))


def test_several_variables_come_back_as_they_were_given() -> None:
    x, s = T.dvector("x"), T.dscalar("s")
    y = x * s**2
    listed, paired = sg.jacobian(y, [x, s]), sg.jacobian(y, (x, s))
    assert (type(listed), type(paired)) == (list, tuple)
    by_x, by_s = sg.function([x, s], listed)([1.0, 2.0], 3.0)
    np.testing.assert_allclose(by_x, 9 * np.eye(2))
    np.testing.assert_allclose(by_s, [6.0, 12.0])


def test_an_inner_variable_counts_only_itself() -> None:
    x = T.dvector("x")
    inner, twin = x * 2, x * 2
    for mode in MODES[:2]:
        f = sg.function([x], sg.jacobian(inner**2 + twin, inner), mode=mode)
        np.testing.assert_allclose(f([1.0, 3.0]), [[4.0, 0.0], [0.0, 12.0]])


def test_the_jacobian_of_a_variable_by_itself_is_the_identity() -> None:
    x = T.fvector("x")
    j = sg.jacobian(x, x)
    assert j.type.dtype == "float32"
    np.testing.assert_array_equal(j.eval({x: [1.0, 2.0]}), np.eye(2))


def test_what_is_considered_constant_and_what_is_disconnected() -> None:
    x, y = T.dvectors("x", "y")
    inner = x * x
    f = sg.jacobian(x * inner, x, consider_constant=[inner])
    np.testing.assert_allclose(f.eval({x: [2.0, 3.0]}), np.diag([4.0, 9.0]))
    with pytest.raises(DisconnectedInputError):
        sg.jacobian(x, y)
    zeros = sg.jacobian(x, y, disconnected_inputs="ignore")
    g = sg.function([x, y], zeros)
    np.testing.assert_array_equal(g([1.0, 2.0], [1.0, 1.0, 1.0]), np.zeros((2, 3)))


@pytest.mark.parametrize("mode", MODES[:2])
def test_random_numbers_are_the_same_in_all_rows(mode: str) -> None:
    stream = T.RandomStreams(seed=3)
    x = T.dvector("x")
    noise = stream.uniform((3,))
    y = x * noise.sum()
    f = sg.function([x], [sg.jacobian(y, x), noise], mode=mode)
    found, drawn = f([1.0, 2.0, 3.0])
    np.testing.assert_allclose(found, np.eye(3) * drawn.sum())


@pytest.mark.parametrize("mode", MODES[:2])
def test_givens_and_clones_reach_into_the_rows(mode: str) -> None:
    x, y = T.dvectors("x", "y")
    j = sg.jacobian(x**2, x)
    f = sg.function([y], j, givens={x: y + 1}, mode=mode)
    np.testing.assert_allclose(f([1.0, 2.0]), np.diag([4.0, 6.0]))
    g = sg.function([y], sg.clone(j, {x: 3 * y}), mode=mode)
    np.testing.assert_allclose(g([1.0, 2.0]), np.diag([6.0, 12.0]))


@pytest.mark.parametrize("mode", MODES[:2])
def test_a_jacobian_can_be_differentiated_again(mode: str) -> None:
    x = T.dvector("x")
    j = sg.jacobian(x**2 * x.sum(), x)
    first = sg.grad(T.sum(j * j), x)
    f = sg.function([x], [first, sg.jacobian(j, x)], mode=mode)

    def matrix(v: np.ndarray) -> np.ndarray:
        return np.diag(2 * v * v.sum()) + (v**2)[:, None]

    v = np.array([0.5, -1.0, 2.0])
    slope, cube = f(v)
    wanted = sg.gradient.differences(lambda p: (matrix(p) ** 2).sum(), [v])[0]
    np.testing.assert_allclose(slope, wanted, 1e-8, 1e-8)
    for i in range(3):
        for k in range(3):
            one = sg.gradient.differences(lambda p, i=i, k=k: matrix(p)[i, k], [v])[0]
            np.testing.assert_allclose(cube[i, k], one, 1e-8, 1e-8)


def test_updates_repeat_and_epoch_work_with_rows() -> None:
    x = T.dvector("x")
    total = sg.shared(0.0, name="total")
    f = sg.function([x], sg.jacobian(x**2, x), updates=[(total, total + x.sum())])
    assert f.repeat(3, [1.0, 2.0]).shape == (3, 2, 2)
    assert float(total.get_value()) == 9.0
    g = sg.function([x], sg.jacobian(x**2, x).sum())
    np.testing.assert_allclose(g.epoch([1.0, 2.0, 3.0], batch_size=2), [6.0, 6.0])


def test_a_length_that_values_decide_is_for_the_reference_only() -> None:
    n, x = T.lscalar("n"), T.dscalar("x")
    j = sg.jacobian(T.arange(n) * x**2, x)
    slow = sg.function([n, x], j, mode="FAST_COMPILE")
    np.testing.assert_allclose(slow(3, 2.0), [0.0, 4.0, 8.0])
    with pytest.raises(NotSupportedError, match="FAST_COMPILE"):
        sg.function([n, x], j)(3, 2.0)


def test_stages_that_need_sizes_say_so_before_the_first_call() -> None:
    x = T.dvector("x")
    f = sg.function([x], sg.jacobian(x**2, x))
    assert "rows" in f.graph
    for stage in ("optimized", "kernels", "source"):
        with pytest.raises(NotSupportedError, match="Call it"):
            getattr(f, stage)
    f([1.0, 2.0])
    assert "rows" not in f.optimized
    assert f.explain()


def test_a_wrong_length_is_refused_with_the_operands() -> None:
    x, y = T.dvectors("x", "y")
    f = sg.function([x, y], sg.jacobian(x * y, x))
    with pytest.raises(ShapeError, match="x : float64"):
        f([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x, n: sg.jacobian(n, x), GradientError),
        (lambda x, n: sg.jacobian([x], x), ArgumentError),
        (lambda x, n: sg.jacobian(x, "x"), ArgumentError),
        (lambda x, n: sg.hessian(x, x), GradientError),
        (lambda x, n: sg.hessian(x.sum(), n), DisconnectedInputError),
    ],
)
def test_bad_arguments_are_refused(call: Callable[..., Any], error: type) -> None:
    with pytest.raises(error):
        call(T.dvector("x"), T.lvector("n"))


# --- Hessians -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("known", [False, True])
def test_the_hessian_of_a_quadratic_form_and_of_log_sum_exp(
    mode: str, known: bool
) -> None:
    x = vector(known)
    q = A[:3]
    f = sg.function(
        [x],
        [sg.hessian(T.dot(x, T.dot(q, x)), x), sg.hessian(T.log(T.exp(x).sum()), x)],
        mode=mode,
    )
    v = np.array([0.1, -0.3, 0.2])
    form, lse = f(v)
    p = np.exp(v) / np.exp(v).sum()
    np.testing.assert_allclose(form, q + q.T, 1e-12)
    np.testing.assert_allclose(lse, np.diag(p) - np.outer(p, p), 1e-10, 1e-14)


def test_the_hessian_of_something_linear_is_zero() -> None:
    x = T.dvector("x")
    np.testing.assert_array_equal(
        sg.hessian(3 * x.sum(), x).eval({x: [1.0, 2.0]}), np.zeros((2, 2))
    )


def test_hessians_of_several_variables_are_blocks_of_the_diagonal() -> None:
    x, s, m = T.dvector("x"), T.dscalar("s"), T.dmatrix("m")
    found = sg.hessian((x**2).sum() * s**3 + T.sum(m**3), [x, s, m])
    f = sg.function([x, s, m], found)
    by_x, by_s, by_m = f([1.0, 2.0], 2.0, [[1.0, 2.0]])
    np.testing.assert_allclose(by_x, 16 * np.eye(2))
    np.testing.assert_allclose(by_s, 60.0)
    np.testing.assert_allclose(by_m, np.array([[[[6.0, 0]], [[0, 12.0]]]]))
    assert by_s.shape == ()
