"""`grad`: its options, its errors, dtypes, and broadcasting undone."""

import itertools
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
    SymgraphWarning,
)

MODES = ["FAST_COMPILE", "FAST_RUN"]


# --- wrt and cost ---------------------------------------------------------------------


def test_a_list_and_a_tuple_of_wrt_come_back_as_such() -> None:
    x, y = T.dscalars("x", "y")
    cost = x * y
    listed, paired = sg.grad(cost, [x, y]), sg.grad(cost, (x, y))
    assert type(listed) is list
    assert type(paired) is tuple
    assert [float(g.eval({y: 3.0, x: 2.0})) for g in listed] == [3.0, 2.0]
    assert sg.grad(cost, []) == []


def test_wrt_may_be_an_inner_variable_and_counts_only_that_one() -> None:
    x = T.dscalar("x")
    inner, twin = x * x, x * x
    cost = 3 * inner + 5 * twin
    assert float(sg.grad(cost, inner).eval({x: 2.0})) == 3.0
    for mode in MODES:
        assert float(sg.function([x], sg.grad(cost, x), mode=mode)(2.0)) == 32.0


def test_the_gradient_of_a_cost_with_respect_to_itself_is_1() -> None:
    x = T.dscalar("x")
    cost = x * 2
    assert float(sg.grad(cost, cost).eval({})) == 1.0


def test_gradients_are_named_after_cost_and_variable() -> None:
    x = T.dscalar("x")
    cost = x**2
    cost.name = "loss"
    assert sg.grad(cost, x).name == "(dloss/dx)"
    assert sg.grad(cost, x, add_names=False).name is None


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x, v: sg.grad(v, v), GradientError, "must be a scalar"),
        (lambda x, v: sg.grad(T.sum(v > 0), v), GradientError, "real float"),
        (lambda x, v: sg.grad(x * 1j, x), GradientError, "real float"),
        (lambda x, v: sg.grad(x, "x"), ArgumentError, "not a variable"),
        (lambda x, v: sg.grad(3.0, x), ArgumentError, "not a variable"),
        (lambda x, v: sg.grad(None, x), ArgumentError, "known_grads"),
        (lambda x, v: sg.grad(None, x, known_grads={}), ArgumentError, "known_grads"),
        (lambda x, v: sg.grad(None, v, known_grads={v: 1.0}), GradientError, "rank 0"),
        (lambda x, v: sg.grad(None, v, known_grads={"v": 1.0}), ArgumentError, "'v'"),
        (lambda x, v: sg.grad(None, v, known_grads={v > 0: [True]}), GradientError,
         "float variable"),
        (lambda x, v: sg.grad(None, v, known_grads={v: v * 1j}), GradientError,
         "complex"),
        (lambda x, v: sg.grad(x, x, disconnected_inputs="never"), ArgumentError,
         "disconnected_inputs"),
        (lambda x, v: sg.grad(x, x, return_disconnected="x"), ArgumentError,
         "return_disconnected"),
        (lambda x, v: sg.grad(x, x, null_gradients="x"), ArgumentError,
         "null_gradients"),
    ],
)  # fmt: skip
def test_a_gradient_that_is_not_defined_is_refused(
    call: Callable[..., Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call(T.dscalar("x"), T.dvector("v"))


def test_the_error_of_a_vector_cost_names_it_and_its_line() -> None:
    v = T.fvector("v")
    with pytest.raises(GradientError, match=r"v : float32 \(None,\).*test_reverse.py"):
        sg.grad(v, v)


# --- known gradients, constants -------------------------------------------------------


def test_known_gradients_start_the_walk() -> None:
    x = T.dvector("x")
    y = x**2
    found = sg.grad(None, x, known_grads={y: np.array([1.0, 10.0])})
    np.testing.assert_array_equal(found.eval({x: [1.0, 2.0]}), [2.0, 40.0])


def test_known_gradients_add_to_a_cost_and_replace_what_lies_between() -> None:
    x = T.dscalar("x")
    y = x * 3
    cost = y * y
    assert float(sg.grad(cost + x, x, known_grads={y: 100.0}).eval({x: 1.0})) == 301.0
    assert sg.grad(None, y, known_grads={y: 7.0}).eval({}) == 7.0


def test_a_known_gradient_takes_the_dtype_of_its_variable() -> None:
    x = T.fvector("x")
    found = sg.grad(None, x, known_grads={x * 2: np.array([1.0, 2.0])})
    assert found.type.dtype == "float32"
    np.testing.assert_array_equal(found.eval({x: [0.0, 0.0]}), [2.0, 4.0])


@pytest.mark.parametrize("mode", MODES)
def test_the_shape_of_a_known_gradient_is_checked_by_the_call(mode: str) -> None:
    x, y, u = T.dvectors("x", "y", "u")
    found = sg.grad(None, x, known_grads={x * 2 + y: u})
    f = sg.function([x, y, u], found, mode=mode)
    three = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(f(three, three, three), 2 * three)
    np.testing.assert_array_equal(f([1.0], three, three), [12.0])
    np.testing.assert_array_equal(f(three, three, [1.0]), [2.0, 2.0, 2.0])
    with pytest.raises((ShapeError, ValueError)):
        f([1.0, 2.0], three, three)


def test_the_shape_of_a_known_gradient_is_checked_at_once_where_it_is_known() -> None:
    x = T.dvector("x", shape=(3,))
    with pytest.raises(ShapeError, match="x : float64"):
        sg.grad(None, x, known_grads={x: np.ones(2)})


def test_nothing_flows_through_what_is_considered_constant() -> None:
    x = T.dscalar("x")
    y = x * x
    assert float(sg.grad(x * y, x).eval({x: 2.0})) == 12.0
    found = sg.grad(x * y, x, consider_constant=[y])
    assert float(found.eval({x: 2.0})) == 4.0
    with pytest.raises(DisconnectedInputError):
        sg.grad(y, x, consider_constant=[x])


@pytest.mark.parametrize(
    ("way", "expected"),
    [("zero_grad", 4.0), ("disconnected_grad", 4.0), ("consider_constant", 4.0)],
)
def test_ops_of_the_namespace_stop_gradients(way: str, expected: float) -> None:
    x = T.dscalar("x")
    stop = getattr(sg.gradient, way)
    for mode in MODES:
        f = sg.function([x], [x * stop(x * x), sg.grad(x * stop(x * x), x)], mode=mode)
        assert [float(a) for a in f(2.0)] == [8.0, expected]


def test_a_clipped_gradient_stays_within_its_limits() -> None:
    x = T.dvector("x")
    g = sg.grad(T.sum(sg.gradient.grad_clip(x, -1, 2) ** 2), x)
    for mode in MODES:
        f = sg.function([x], g, mode=mode)
        np.testing.assert_array_equal(f([-3.0, 0.25, 9.0]), [-1.0, 0.5, 2.0])


# --- disconnected inputs --------------------------------------------------------------


def test_a_disconnected_input_is_refused_by_default_with_its_name() -> None:
    x, y = T.dvectors("x", "y")
    with pytest.raises(DisconnectedInputError, match=r"y : float64 \(None,\)"):
        sg.grad(x.sum(), [x, y])


def test_a_disconnected_input_warns_at_the_line_of_the_user() -> None:
    x, y = T.dvectors("x", "y")
    with pytest.warns(SymgraphWarning, match="does not depend") as caught:
        found = sg.grad(x.sum(), y, disconnected_inputs="warn")
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(found.eval({y: [1.0, 2.0]}), [0.0, 0.0])


@pytest.mark.parametrize("returned", ["none", "disconnected"])
def test_a_disconnected_gradient_may_be_none(returned: str) -> None:
    x, y = T.dvectors("x", "y")
    found = sg.grad(
        x.sum(), [x, y], disconnected_inputs="ignore", return_disconnected=returned
    )
    assert found[0] is not None
    assert found[1] is None


def test_a_disconnected_gradient_is_zeros_of_the_shape_and_dtype() -> None:
    x, y, n = T.dvector("x"), T.fmatrix("y"), T.ivector("n")
    found = sg.grad(x.sum(), [y, n], disconnected_inputs="ignore")
    assert [g.type.dtype for g in found] == ["float32", sg.config.floatX]
    zeros = sg.function([y, n], found)(np.ones((2, 3), "float32"), [1, 2])
    assert [z.shape for z in zeros] == [(2, 3), (2,)]
    assert not any(z.any() for z in zeros)


@pytest.mark.parametrize(
    "cost",
    [
        lambda x: T.sum(T.cast(x, "int32")) * 1.0,
        lambda x: T.sum(x > 0) * 1.0,
        lambda x: T.cast(x.shape[0], "float64"),
        lambda x: T.cast(T.argmax(x), "float64"),
        lambda x: T.sum(T.zeros_like(x)),
        lambda x: T.sum(T.disconnected_grad(x)),
    ],
)
def test_nothing_flows_through_integers_and_shapes(cost: Callable[..., Any]) -> None:
    x = T.dvector("x")
    with pytest.raises(DisconnectedInputError):
        sg.grad(cost(x), x)


# --- dtypes ---------------------------------------------------------------------------


@pytest.mark.parametrize("own", ["float32", "float64"])
@pytest.mark.parametrize("other", ["int8", "int64", "float32", "float64"])
def test_a_gradient_has_the_dtype_of_its_variable(own: str, other: str) -> None:
    x, y = T.vector("x", own), T.vector("y", other)
    g = sg.grad(T.sum(x * y + T.exp(x) / y), x)
    assert g.type.dtype == own
    for mode in MODES:
        f = sg.function([x, y], g, mode=mode)
        found = f(np.array([0.5, 1.0], own), np.array([2, 4], other))
        assert found.dtype == own
        tight = 1e-6 if "float32" in (own, other) else 1e-12
        want = np.array([2, 4]) + np.exp([0.5, 1.0]) / [2, 4]
        np.testing.assert_allclose(found, want, tight)


def test_the_gradient_of_a_float32_cost_goes_back_through_a_cast() -> None:
    x = T.dvector("x")
    cost = T.cast(x, "float32").sum() ** 2
    g = sg.grad(cost, x)
    assert (cost.type.dtype, g.type.dtype) == ("float32", "float64")
    np.testing.assert_allclose(g.eval({x: [1.0, 2.0]}), [6.0, 6.0])


# --- broadcasting ---------------------------------------------------------------------


def summed(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The oracle: g summed over what NumPy's broadcasting repeated."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    axes = tuple(k for k, e in enumerate(shape) if e == 1 and g.shape[k] != 1)
    return g.sum(axis=axes, keepdims=True)


def products(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """Gradients of sum(a**2 * b)."""
    full = np.broadcast_shapes(a.shape, b.shape)
    return [
        summed(np.broadcast_to(2 * a * b, full), a.shape),
        summed(np.broadcast_to(a * a, full), b.shape),
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("right", [1, 2], ids=["vector", "matrix"])
def test_axes_that_turn_out_to_be_1_are_summed(mode: str, right: int) -> None:
    a, b = T.dmatrix("a"), T.tensor("float64", (None,) * right, name="b")
    f = sg.function([a, b], sg.grad(T.sum(a**2 * b), [a, b]), mode=mode)
    random = np.random.default_rng(0)
    pairs = itertools.product(
        itertools.product((1, 3), (1, 4)), itertools.product((1, 3), (1, 4))
    )
    for left, whole in pairs:
        shape = whole[-right:]
        if right == 1 and whole[0] == 1:
            continue
        p, q = random.normal(size=left), random.normal(size=shape)
        for found, want in zip(f(p, q), products(p, q), strict=True):
            assert found.shape == want.shape
            np.testing.assert_allclose(found, want, 1e-12, 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_known_axes_of_1_and_missing_axes_are_summed(mode: str) -> None:
    a, b, c = T.dcol("a"), T.drow("b"), T.dscalar("c")
    cost = T.sum(T.exp(a * b) * c)
    f = sg.function([a, b, c], sg.grad(cost, [a, b, c]), mode=mode)
    p, q = np.array([[0.1], [0.2], [0.3]]), np.array([[1.0, -1.0]])
    e = np.exp(p * q)
    got = f(p, q, 2.0)
    wanted = [(2 * e * q).sum(1, keepdims=True), (2 * e * p).sum(0, keepdims=True),
              e.sum()]  # fmt: skip
    for found, want in zip(got, wanted, strict=True):
        assert found.shape == want.shape
        np.testing.assert_allclose(found, want, 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_the_condition_of_a_switch_broadcasts_both_branches(mode: str) -> None:
    c, a, b = T.lmatrix("c"), T.dvector("a"), T.dmatrix("b")
    g = sg.grad(T.sum(T.switch(c, a * 2, b * 3)), [a, b])
    f = sg.function([c, a, b], g, mode=mode)
    chosen = np.array([[1, 0, 1], [0, 0, 1]])
    for shape_a, shape_b in itertools.product([(1,), (3,)], [(1, 1), (1, 3), (2, 1)]):
        p, q = np.ones(shape_a), np.ones(shape_b)
        to_a, to_b = f(chosen, p, q)
        np.testing.assert_array_equal(to_a, summed(2.0 * chosen, shape_a))
        np.testing.assert_array_equal(to_b, summed(3.0 * (1 - chosen), shape_b))


@pytest.mark.parametrize("mode", MODES)
def test_an_alloc_of_an_unknown_extent_sums_its_gradient(mode: str) -> None:
    x = T.dvector("x")
    y = T.dmatrix("y")
    g = sg.grad(T.sum(T.broadcast_to(x, y.shape) * y), x)
    f = sg.function([x, y], g, mode=mode)
    m = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(f([1.0, 1.0, 1.0], m), m.sum(0))
    np.testing.assert_array_equal(f([1.0], m), [m.sum()])


@pytest.mark.parametrize("mode", MODES)
def test_a_vector_of_one_element_beside_its_own_sum(mode: str) -> None:
    """d/dx of sum(x * sum(x) + y) is 2 sum(x), m-fold where x has 1 and y m elements."""
    x, y = T.dvectors("x", "y")
    f = sg.function([x, y], sg.grad(T.sum(x * x.sum() + y), x), mode=mode)
    for n, m in ((1, 1), (1, 3), (3, 3), (3, 1)):
        v = np.arange(n) + 2.0
        want = np.full(n, 2 * v.sum() * (m if n == 1 else 1))
        np.testing.assert_allclose(f(v, np.ones(m)), want)


# --- second order ---------------------------------------------------------------------

SECOND = {
    "power": lambda x: T.sum(x**3),
    "tanh": lambda x: T.sum(T.tanh(x) * T.exp(-x)),
    "products": lambda x: T.prod(x) + T.dot(x, x) ** 2,
    "softmax": lambda x: T.sum(T.nnet.softmax(x) * [1.0, 2.0, 4.0]),
    "logsumexp": lambda x: T.log(T.sum(T.exp(x))),
    "norm": lambda x: T.sqrt(T.sum(T.sqr(x))),
    "mean and var": lambda x: T.mean(x) * T.var(x),
    "extreme": lambda x: T.max(x) ** 2 + T.minimum(x[0], x[1]) ** 3,
    "index": lambda x: T.sum(x[1:] * x[:-1] ** 2) + x[[0, 0, 2]].sum() ** 2,
    "write": lambda x: T.sum(T.set_subtensor(x[0], x[1] * x[2]) ** 2 * x),
    "join": lambda x: T.sum(T.concatenate([x, x * x]) ** 2),
    "outer": lambda x: T.sum(T.outer(x, x) ** 2 * T.arange(3.0)),
    "shuffle": lambda x: T.sum((x.dimshuffle(0, "x") * x.reshape((1, 3))) ** 2),
    "tile": lambda x: T.sum(T.tile(x, 2) ** 3),
    "switch": lambda x: T.sum(T.switch(x > 0.5, x**2, x**3)),
    "sigmoid": lambda x: T.sum(T.nnet.sigmoid(x) * T.nnet.softplus(x)),
    "clip": lambda x: T.sum(T.clip(x, 0.6, 2.0) ** 2),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_agree_with_differences(name: str) -> None:
    x = T.dvector("x")
    point = np.array([0.3, 0.8, 1.7])
    first = sg.grad(SECOND[name](x), x)
    f = sg.function([x], first, mode="FAST_COMPILE")
    for mode in MODES:
        found = sg.function([x], sg.hessian(SECOND[name](x), x), mode=mode)(point)
        for row in range(3):
            numeric = sg.gradient.differences(lambda p, r=row: f(p)[r], [point])[0]
            np.testing.assert_allclose(found[row], numeric, 1e-6, 1e-7)
        np.testing.assert_allclose(found, found.T, 1e-12, 1e-12)


def test_gradients_of_gradients_of_gradients() -> None:
    x = T.dscalar("x")
    y = T.sin(x) * x**2
    for _ in range(4):
        y = sg.grad(y, x)
    v = 0.7
    want = v * v * np.sin(v) - 8 * v * np.cos(v) - 12 * np.sin(v)
    for mode in MODES:
        assert float(sg.function([x], y, mode=mode)(v)) == pytest.approx(
            want, rel=1e-12
        )


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
@pytest.mark.parametrize("point", [[0.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.0, 0.0, 3.0]])
def test_second_derivative_of_a_product_is_right_beside_zeros(mode, point) -> None:
    x = T.dvector("x")
    hessian = sg.function([x], sg.hessian(x.prod(), x), mode=mode)(point)
    wanted = [
        [0.0 if i == k else np.prod(np.delete(point, [i, k])) for k in range(3)]
        for i in range(3)
    ]
    np.testing.assert_allclose(hessian, wanted)
