"""What users write with exp and log, and its gradients, is finite at 0, 1 and 1000.

Through `function` in FAST_RUN; the references are SciPy's stable functions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, log_expit, log_softmax, logsumexp, softmax

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import freeze
from symgraph.core.node import Variable
from symgraph.lower.resolve_sum_to import resolve_sum_to
from symgraph.rewrite.engine import Optimized
from symgraph.rewrite.pipeline import DEFAULT, EXPANSION, optimize
from symgraph.rewrite.rules.algebra import not_negative
from symgraph.rewrite.rules.picking import PICKING
from symgraph.rewrite.rules.quotients import QUOTIENTS, opposites
from symgraph.rewrite.rules.softmaxes import SOFTMAXES as SOFTMAX_RULES
from symgraph.rewrite.rules.softmaxes import opened

VECTOR = np.array([0.0, 1.0, -1.0, 0.3, 25.0, -25.0, 1000.0, -1000.0])
MATRICES = {
    "zero": np.zeros((3, 4)),
    "moderate": np.random.default_rng(3).normal(size=(3, 4)),
    "large": np.array([[0, 1000.0, -1000, 3], [1000, 1000, 0, 1], [-1000, -1001, 0, 0]]),
    "all large": np.array([[1000.0, 1001, 999, 1000], [2000, 0, 0, 0], [800, 0, 1, 2]]),
    "all small": np.array([[-1000.0, -999, -1001, -1000], [-2e3] * 4, [-800, -9e3, 0, 1]]),
}  # fmt: skip
LABELS = np.array([0, 2, 1])
Wanted = Callable[..., Any]
RULES = (*SOFTMAX_RULES, *QUOTIENTS, *PICKING)


def compiled(inputs: list[Variable], outputs: Any) -> Any:
    return sg.function(inputs, outputs, mode="FAST_RUN", on_unused_input="ignore")


def close(found: Any, wanted: Any, dtype: str = "float64") -> None:
    assert found.dtype == dtype
    rtol, atol = (1e-5, 1e-6) if dtype == "float32" else (1e-11, 1e-14)
    wanted = np.broadcast_to(wanted, found.shape)
    np.testing.assert_allclose(found, wanted, rtol, atol)


def rewritten(out: Variable) -> Optimized:
    return optimize(
        resolve_sum_to(freeze([], [out])),
        DEFAULT[: DEFAULT.index(EXPANSION)],
        assume_equal=True,
    )


def names(result: Optimized) -> list[str]:
    return [getattr(node.op, "scalar", node.op.name) for node in result.graph.applies()]


# --- elementwise: the sigmoid, softplus and tanh ---------------------------------------


def sigmoid(v: Variable) -> Variable:
    return 1 / (1 + T.exp(-v))


def d_sigmoid(v: np.ndarray) -> np.ndarray:
    return expit(v) * expit(-v)


#: formula → (what the user writes, its value, its derivative)
ELEMENTWISE: dict[str, tuple[Callable[[Any], Any], Wanted, Wanted]] = {
    "log(1 + exp(x))": (lambda v: T.log(1 + T.exp(v)), lambda v: -log_expit(-v), expit),
    "log(1 + exp(-x))": (
        lambda v: T.log(1 + T.exp(-v)), lambda v: -log_expit(v), lambda v: -expit(-v)),
    "1 / (1 + exp(-x))": (sigmoid, expit, d_sigmoid),
    "1 / (1 + exp(x))": (
        lambda v: 1 / (1 + T.exp(v)), lambda v: expit(-v), lambda v: -d_sigmoid(v)),
    "exp(x) / (1 + exp(x))": (
        lambda v: T.exp(v) / (1 + T.exp(v)), expit, d_sigmoid),
    "exp(x) / (exp(x) + 1) * 3": (
        lambda v: 3 * T.exp(v) / (T.exp(v) + 1), lambda v: 3 * expit(v),
        lambda v: 3 * d_sigmoid(v)),
    "exp(-x) / (1 + exp(-x))": (
        lambda v: T.exp(-v) / (1 + T.exp(-v)), lambda v: expit(-v),
        lambda v: -d_sigmoid(v)),
    "exp(x) / (1 + exp(x)) ** 2": (
        lambda v: T.exp(v) / (1 + T.exp(v)) ** 2, d_sigmoid,
        lambda v: d_sigmoid(v) * (expit(-v) - expit(v))),
    "sigmoid(-x) * exp(x)": (
        lambda v: T.nnet.sigmoid(-v) * T.exp(v), expit, d_sigmoid),
    "exp(-x) * sigmoid(x)": (
        lambda v: T.exp(-v) * T.nnet.sigmoid(v), lambda v: expit(-v),
        lambda v: -d_sigmoid(v)),
    "exp(-2x) * sigmoid(2x)": (
        lambda v: T.exp(-2 * v) * T.nnet.sigmoid(2 * v), lambda v: expit(-2 * v),
        lambda v: -2 * d_sigmoid(2 * v)),
    "log(1 - sigmoid(x))": (
        lambda v: T.log(1 - T.nnet.sigmoid(v)), lambda v: log_expit(-v),
        lambda v: -expit(v)),
    "log(1 - 1 / (1 + exp(-x)))": (
        lambda v: T.log(1 - sigmoid(v)), lambda v: log_expit(-v), lambda v: -expit(v)),
    "log(sigmoid(x))": (
        lambda v: T.log(T.nnet.sigmoid(v)), log_expit, lambda v: expit(-v)),
    "log(1 / (1 + exp(-x)))": (
        lambda v: T.log(sigmoid(v)), log_expit, lambda v: expit(-v)),
    "(exp(x) - exp(-x)) / (exp(x) + exp(-x))": (
        lambda v: (T.exp(v) - T.exp(-v)) / (T.exp(v) + T.exp(-v)), np.tanh,
        lambda v: 4 * d_sigmoid(2 * v)),
    "(exp(2x) - 1) / (exp(2x) + 1)": (
        lambda v: (T.exp(2 * v) - 1) / (T.exp(2 * v) + 1), np.tanh,
        lambda v: 4 * d_sigmoid(2 * v)),
    "(1 - exp(-2x)) / (1 + exp(-2x))": (
        lambda v: (1 - T.exp(-2 * v)) / (1 + T.exp(-2 * v)), np.tanh,
        lambda v: 4 * d_sigmoid(2 * v)),
    "2 / (1 + exp(-2x)) - 1": (
        lambda v: 2 / (1 + T.exp(-2 * v)) - 1, np.tanh, lambda v: 4 * d_sigmoid(2 * v)),
    "log(cosh(x))": (
        lambda v: T.log(T.cosh(v)), lambda v: np.logaddexp(v, -v) - np.log(2), np.tanh),
    "log(exp(x) + exp(-x))": (
        lambda v: T.log(T.exp(v) + T.exp(-v)), lambda v: np.logaddexp(v, -v), np.tanh),
    "sigmoid(x) ** 2 * log(sigmoid(x))": (
        lambda v: sigmoid(v) ** 2 * T.log(sigmoid(v)),
        lambda v: expit(v) ** 2 * log_expit(v),
        lambda v: expit(v) ** 2 * expit(-v) * (2 * log_expit(v) + 1)),
    "x / (1 + exp(-x))": (
        lambda v: v / (1 + T.exp(-v)), lambda v: v * expit(v),
        lambda v: expit(v) + v * d_sigmoid(v)),
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_elementwise_formulas_and_gradients_are_finite(name: str, dtype: str) -> None:
    written, value, derivative = ELEMENTWISE[name]
    v, g = T.TensorType(dtype, (None,))("v"), T.TensorType(dtype, (None,))("g")
    y = written(v)
    step = compiled([v, g], [y, T.grad(T.sum(y), v), T.grad(T.sum(g * y), v)])
    at, weights = VECTOR.astype(dtype), np.linspace(-2, 3, len(VECTOR)).astype(dtype)
    with np.errstate(all="ignore"):
        wide = at.astype("float64")
        wanted, slope = value(wide), derivative(wide)
    for found, right in zip(
        step(at, weights), (wanted, slope, weights * slope), strict=True
    ):
        close(found, right, dtype)


# --- softmax and logsumexp ----------------------------------------------------------------


def ratio(x: Any, **axes: Any) -> Variable:
    return T.exp(x) / T.sum(T.exp(x), keepdims=True, **axes)


def in_two_steps(x: Any) -> Variable:
    e = T.exp(x)
    return e / e.sum(axis=1).dimshuffle(0, "x")


def by_reciprocal(x: Any) -> Variable:
    e = T.exp(x)
    return (1 / T.sum(e, axis=1, keepdims=True)) * e


def shifted(x: Any) -> Variable:
    e = T.exp(x - T.max(x, axis=1, keepdims=True))
    return e / T.sum(e, axis=1, keepdims=True)


SOFTMAXES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "rows": (lambda x: ratio(x, axis=1), 1),
    "columns": (lambda x: ratio(x, axis=0), 0),
    "all": (lambda x: ratio(x), (0, 1)),
    "rows in two steps": (in_two_steps, 1),
    "rows by a reciprocal": (by_reciprocal, 1),
    "rows, shifted by hand": (shifted, 1),
    "columns without keepdims": (lambda x: T.exp(x) / T.sum(T.exp(x), axis=0), 0),
    "named": (lambda x: T.nnet.softmax(x), 1),
}


@pytest.mark.parametrize("name", SOFTMAXES)
@pytest.mark.parametrize("shape", [(None, None), (3, 4)])
def test_softmax_by_hand_and_its_gradients_are_finite(name: str, shape: Any) -> None:
    written, axis = SOFTMAXES[name]
    x, w = T.TensorType("float64", shape)("x"), T.dmatrix("w")
    p = written(x)
    weights = np.random.default_rng(5).normal(size=(3, 4))
    step = compiled([x, w], [p, T.grad(T.sum(w * p), x), T.grad(T.sum(p**2), x)])
    for at in MATRICES.values():
        right = softmax(at, axis=axis)

        def backward(g: np.ndarray, y: np.ndarray = right) -> np.ndarray:
            return y * (g - (g * y).sum(axis, keepdims=True))

        found = step(at, weights)
        wanted = (right, backward(weights), backward(2 * right))
        for a, b in zip(found, wanted, strict=True):
            close(a, b)


@pytest.mark.parametrize("name", SOFTMAXES)
def test_cross_entropy_of_probabilities_by_hand_and_its_gradient(name: str) -> None:
    written, axis = SOFTMAXES[name]
    x, t = T.dmatrix("x"), T.dmatrix("t")
    p = written(x)
    loss = -T.sum(t * T.log(p))
    step = compiled([x, t], [loss, T.grad(loss, x)])
    targets = np.random.default_rng(5).dirichlet(np.ones(4), 3)
    for at in MATRICES.values():
        right = softmax(at, axis=axis)
        found = step(at, targets)
        close(found[0], -np.sum(targets * log_softmax(at, axis=axis)))
        total = targets.sum(axis, keepdims=True)
        close(found[1], right * total - targets)


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("way", ["plain", "shifted", "mean"])
def test_log_of_sum_of_exp_and_its_gradients(
    axis: Any, keepdims: bool, way: str
) -> None:
    x, s = T.dmatrix("x"), T.dscalar("s")
    if way == "shifted":
        peak = T.max(x, axis=axis, keepdims=True)
        total = T.sum(T.exp(x - peak), axis=axis, keepdims=True)
        y = T.log(total) + peak
        if not keepdims:
            y = T.sum(y, axis=axis)
    else:
        reduce = T.mean if way == "mean" else T.sum
        y = T.log(reduce(T.exp(x), axis=axis, keepdims=keepdims))
    step = compiled([x, s], [y, T.grad(T.sum(y), x), T.grad(s * T.mean(y), x)])
    for at in MATRICES.values():
        value = logsumexp(at, axis=axis, keepdims=keepdims)
        count = np.size(at) / np.size(value)
        found = step(at, 3.0)
        close(found[0], value - np.log(count) if way == "mean" else value)
        close(found[1], softmax(at, axis=axis))
        close(found[2], 3 * softmax(at, axis=axis) / np.size(value))


def test_the_gradient_of_logsumexp_of_a_vector_is_its_softmax() -> None:
    v = T.dvector("v")
    cost = T.log(T.sum(T.exp(v)))
    gradient = T.grad(cost, v)
    step = compiled([v], [cost, gradient])
    for at in (np.array([1000.0, 999.0, -1000.0]), np.zeros(3), np.array([-1e3, -1e3])):
        found = step(at)
        close(found[0], logsumexp(at))
        close(found[1], softmax(at))
    assert names(rewritten(gradient)) == ["softmax"]


def test_a_hessian_of_logsumexp_is_finite() -> None:
    v = T.dvector("v")
    step = compiled([v], sg.hessian(T.log(T.sum(T.exp(v))), v))
    for at in (np.array([1000.0, 999.0]), np.array([-1000.0, -1000.5, 3.0])):
        p = softmax(at)
        close(step(at), np.diag(p) - np.outer(p, p))


def test_the_logarithm_of_a_sigmoid_written_by_tanh_is_finite() -> None:
    v = T.dvector("v")
    close(compiled([v], T.log((1 + T.tanh(v)) / 2))(VECTOR), log_expit(2 * VECTOR))


def test_second_derivatives_of_softplus_by_hand_are_finite() -> None:
    v = T.dvector("v")
    first = T.grad(T.sum(T.log(1 + T.exp(v))), v)
    step = compiled([v], T.grad(T.sum(first), v))
    close(step(VECTOR), d_sigmoid(VECTOR))


def test_the_mean_of_values_weighted_by_exponentials_is_finite() -> None:
    x, w = T.dmatrix("x"), T.dmatrix("w")
    mean = T.sum(w * T.exp(x), axis=1) / T.sum(T.exp(x), axis=1)
    step = compiled([x, w], [mean, T.grad(T.sum(mean), x)])
    weights = np.random.default_rng(5).normal(size=(3, 4))
    for at in MATRICES.values():
        p = softmax(at, axis=1)
        wanted = (weights * p).sum(axis=1, keepdims=True)
        found = step(at, weights)
        close(found[0], wanted[:, 0])
        close(found[1], p * (weights - wanted))


def test_entropy_of_a_softmax_by_hand_has_a_finite_gradient() -> None:
    x = T.dmatrix("x")
    p = ratio(x, axis=1)
    entropy = -T.sum(p * T.log(p))
    step = compiled([x], [entropy, T.grad(entropy, x)])
    for at in MATRICES.values():
        y, log_y = softmax(at, axis=1), log_softmax(at, axis=1)
        found = step(at)
        close(found[0], -np.sum(y * log_y))
        close(found[1], -y * (log_y - np.sum(y * log_y, axis=1, keepdims=True)))


# --- picked probabilities -----------------------------------------------------------------

INDEXED: dict[str, Callable[[Any, Any], Any]] = {
    "-log(p[i, y])": lambda p, y: -T.log(p[T.arange(y.shape[0]), y]),
    "-log(p)[i, y]": lambda p, y: -T.log(p)[T.arange(y.shape[0]), y],
    "-log(p[rows, y])": lambda p, y: -T.log(p[T.arange(p.shape[0]), y]),
    "-log(p[range(3), y])": lambda p, y: -T.log(p[np.arange(3), y]),
    "-log(take(p, i * n + y))": lambda p, y: (
        -T.log(T.take(p.flatten(), T.arange(3) * p.shape[1] + y))
    ),
    "log(1 / p[i, y])": lambda p, y: T.log(1 / p[T.arange(y.shape[0]), y]),
    "categorical_crossentropy": T.nnet.categorical_crossentropy,
}


@pytest.mark.parametrize("loss", INDEXED)
@pytest.mark.parametrize("name", [n for n in SOFTMAXES if n not in ("columns", "all")])
def test_picked_log_probabilities_and_their_gradients(name: str, loss: str) -> None:
    written, axis = SOFTMAXES[name]
    x, y, w = T.dmatrix("x"), T.lvector("y"), T.dvector("w")
    losses = INDEXED[loss](written(x), y)
    mean = T.mean(losses)
    step = compiled(
        [x, y, w],
        [losses, mean, T.grad(mean, x), T.grad(T.sum(w * losses), x)],
    )
    weights = np.array([2.0, -1.0, 0.5])
    hot = np.eye(4)[LABELS]
    for at in MATRICES.values():
        wanted = -log_softmax(at, axis=axis)[np.arange(3), LABELS]
        p = softmax(at, axis=axis)

        def backward(g: np.ndarray, p: np.ndarray = p) -> np.ndarray:
            g = hot * g
            return p * g.sum(axis, keepdims=True) - g

        found = step(at, LABELS, weights)
        close(found[0], wanted)
        close(found[1], wanted.mean())
        close(found[2], backward(np.full((3, 1), 1 / 3)))
        close(found[3], backward(weights[:, None]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("static", [(None, None), (1, 2)])
def test_a_label_whose_probability_underflows(dtype: str, static: Any) -> None:
    x, y = T.TensorType(dtype, static)("x"), T.ivector("y")
    for p in (T.nnet.softmax(x), ratio(x, axis=1)):
        losses = -T.log(p[T.arange(x.shape[0]), y])
        step = compiled([x, y], [losses, T.grad(T.sum(losses), x)])
        at = np.array([[0.0, 1000.0]], dtype)
        found = step(at, np.array([0], np.int32))
        close(found[0], [1000.0], dtype)
        close(found[1], [[-1.0, 1.0]], dtype)


def test_a_label_out_of_range_still_fails() -> None:
    x, y = T.dmatrix("x"), T.lvector("y")
    loss = -T.mean(T.log(ratio(x, axis=1)[T.arange(y.shape[0]), y]))
    step = compiled([x, y], [loss, T.grad(loss, x)])
    with pytest.raises(sg.errors.IndexRangeError):
        step(np.zeros((3, 4)), np.array([0, 4, 1]))


def test_a_part_of_a_softmax_has_a_finite_logarithm() -> None:
    x, i = T.dmatrix("x"), T.lvector("i")
    p = ratio(x, axis=1)
    parts = [
        T.log(p[:, 0]),
        T.log(p.flatten()),
        T.log(T.take(p, i, axis=1)),
        T.log(p.T),
    ]
    step = compiled([x, i], parts)
    for at in MATRICES.values():
        log_p = log_softmax(at, axis=1)
        found = step(at, np.array([3, 0]))
        for a, b in zip(
            found, (log_p[:, 0], log_p.ravel(), log_p[:, [3, 0]], log_p.T), strict=True
        ):
            close(a, b)


def test_the_logarithm_of_a_likelihood_is_a_sum_of_logarithms() -> None:
    x = T.dmatrix("x")
    step = compiled([x], T.log(T.prod(sigmoid(x), axis=1)))
    for at in MATRICES.values():
        close(step(at), log_expit(at).sum(axis=1))


# --- binary cross-entropy -----------------------------------------------------------------

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "-(t log s + (1 - t) log(1 - s))": lambda s, t: (
        -(t * T.log(s) + (1 - t) * T.log(1 - s))
    ),
    "-t log s - (1 - t) log(1 - s)": lambda s, t: (
        -t * T.log(s) - (1 - t) * T.log(1 - s)
    ),
    "binary_crossentropy": T.nnet.binary_crossentropy,
}


@pytest.mark.parametrize("loss", BINARY)
@pytest.mark.parametrize("hand", [True, False])
@pytest.mark.parametrize("rank", [1, 2])
def test_binary_cross_entropy_by_hand_and_its_gradient(
    loss: str, hand: bool, rank: int
) -> None:
    kind = T.TensorType("float64", (None,) * rank)
    x, t = kind("x"), kind("t")
    losses = BINARY[loss](sigmoid(x) if hand else T.nnet.sigmoid(x), t)
    mean = T.mean(losses)
    step = compiled([x, t], [losses, mean, T.grad(mean, x), T.grad(T.sum(losses), x)])
    at = np.repeat(VECTOR, 3).reshape((-1,) if rank == 1 else (4, -1))
    targets = np.tile([0.0, 1.0, 0.25], len(VECTOR)).reshape(at.shape)
    wanted = -(targets * log_expit(at) + (1 - targets) * log_expit(-at))
    found = step(at, targets)
    close(found[0], wanted)
    close(found[1], wanted.mean())
    close(found[2], (expit(at) - targets) / at.size)
    close(found[3], expit(at) - targets)


def test_a_penalty_beside_the_cross_entropy_keeps_its_gradient_finite() -> None:
    x, t = T.dvector("x"), T.dvector("t")
    s = sigmoid(x)
    loss = BINARY["binary_crossentropy"](s, t)
    penalties = (T.sum(x**2), 2 * VECTOR), (
        T.sum(s), d_sigmoid(VECTOR)), (
        T.sum(s**2), 2 * expit(VECTOR) * d_sigmoid(VECTOR))  # fmt: skip
    targets = np.tile([0.0, 1.0], 4)
    for penalty, slope in penalties:
        step = compiled([x, t], T.grad(T.sum(loss) + 0.5 * penalty, x))
        close(step(VECTOR, targets), expit(VECTOR) - targets + 0.5 * slope)


# --- what the rules leave alone ---------------------------------------------------------


def test_the_rules_do_not_touch_other_quotients() -> None:
    x, y = T.dmatrix("x"), T.dmatrix("y")
    for out in (
        T.exp(x) / T.sum(T.exp(y), axis=1, keepdims=True),
        T.exp(x) / T.sum(T.exp(x), axis=1),  # broadcast along the other axis
        T.exp(x) / (2 + T.exp(x)),
        T.exp(x) * T.sum(T.exp(x), axis=1, keepdims=True),
        T.nnet.sigmoid(x) * T.exp(x),
        T.log(T.prod(T.tanh(x))),
        T.sum(y / T.sum(T.exp(x), axis=1, keepdims=True), axis=0),
    ):
        fired = {f.rule for f in rewritten(out).firings}
        assert not fired & {rule.name for rule in RULES}, fired


def test_integers_are_left_alone() -> None:
    i = T.lmatrix("i")
    for out in (i * i // (1 + i), -i * (1 + i), T.sum(i * i, axis=1)):
        fired = {f.rule for f in rewritten(out).firings}
        assert not fired & {rule.name for rule in RULES}, fired


def test_a_product_inside_a_dimshuffle_is_taken_apart() -> None:
    x, y = T.dmatrix("x"), T.dvector("y")
    total = T.sum(x, axis=1)
    out = freeze([], [T.dimshuffle(3 * y / total, 0, "x") * x]).outputs[0]
    found = opened(out)
    assert found.coefficient == 3
    assert sorted(found.exponents.values()) == [-1, 1, 1]


def test_a_negative_may_have_several_forms() -> None:
    graph = freeze([], [x := T.dvector("x"), -x, -2 * x, x - T.dvector("y")])
    with graph.interner:
        plain, negative, scaled, difference = graph.outputs
        assert next(opposites(negative)) is plain
        assert next(opposites(plain)) is negative
        assert str(next(opposites(scaled)).owner) == str((2 * x).owner)
        assert next(opposites(difference)).owner.inputs[1] is plain


def test_moved_and_converted_numbers_keep_their_sign() -> None:
    x, i = T.dmatrix("x"), T.lvector("i")
    assert not_negative(T.exp(x)[0].dimshuffle(0, "x"))
    assert not_negative(T.cast(x.shape[0], "float64"))
    assert not not_negative(T.cast(T.abs(i), "int8"))  # it may wrap
    assert not not_negative(x[0])


def test_visits_stay_in_proportion_for_a_softmax_network() -> None:
    def network(layers: int) -> Variable:
        x, y, w = T.dmatrix("x"), T.lvector("y"), T.dmatrix("w")
        h = x
        for _ in range(layers):
            h = sigmoid(T.dot(h, w))
        loss = -T.mean(T.log(ratio(h, axis=1)[T.arange(y.shape[0]), y]))
        return T.grad(loss, w)

    small, large = rewritten(network(4)), rewritten(network(16))
    assert large.statistics.visits < 5 * small.statistics.visits
    assert "softmax" in names(large)
