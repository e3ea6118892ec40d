"""Update rules against recursions written in NumPy, for three steps in both dtypes."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.errors import ArgumentError, ConversionError, NotSupportedError
from symgraph.nn import updates as up

STEPS = 3
TARGET = np.array([[0.5, -1.0, 2.0], [1.5, 0.0, -0.5]])
CURVATURE = np.array([[1.0, 2.0, 0.5], [3.0, 1.0, 0.25]])


def make_params(dtype):
    w = sg.shared(np.arange(6).reshape(2, 3).astype(dtype) / 4, name="w", shape=(2, 3))
    b = sg.shared(np.array([0.3, -0.7], dtype), name="b")
    return [w, b]


def make_loss(params):
    w, b = params
    target, curvature = (T.constant(a, dtype=w.dtype) for a in (TARGET, CURVATURE))
    return T.sum(curvature * T.sqr(w - target)) / 2 + T.sum(T.sin(b))


def gradients(w, b):
    return (CURVATURE.astype(w.dtype) * (w - TARGET.astype(w.dtype)), np.cos(b))


# The recursions: state is a dictionary per parameter, empty before the first step.


def sgd(w, g, state, t, eta=0.1):
    return w - eta * g


def momentum(w, g, state, t, eta=0.1, mu=0.8):
    state["v"] = mu * state.get("v", 0) - eta * g
    return w + state["v"]


def nesterov(w, g, state, t, eta=0.1, mu=0.8):
    state["v"] = mu * state.get("v", 0) - eta * g
    return w + mu * state["v"] - eta * g


def adagrad(w, g, state, t, eta=0.3, eps=1e-6):
    state["a"] = state.get("a", 0) + g**2
    return w - eta * g / np.sqrt(state["a"] + eps)


def rmsprop(w, g, state, t, eta=0.1, rho=0.7, eps=1e-6):
    state["a"] = rho * state.get("a", 0) + (1 - rho) * g**2
    return w - eta * g / np.sqrt(state["a"] + eps)


def adadelta(w, g, state, t, eta=1.0, rho=0.9, eps=1e-6):
    state["a"] = rho * state.get("a", 0) + (1 - rho) * g**2
    step = (
        g * np.sqrt(state.get("d", np.zeros_like(g)) + eps) / np.sqrt(state["a"] + eps)
    )
    state["d"] = rho * state.get("d", 0) + (1 - rho) * step**2
    return w - eta * step


def adam(w, g, state, t, eta=0.05, b1=0.8, b2=0.95, eps=1e-8, largest=False):
    state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
    state["v"] = b2 * state.get("v", 0) + (1 - b2) * g**2
    v = state["v"]
    if largest:
        v = state["u"] = np.maximum(state.get("u", 0), v)
    rate = w.dtype.type(eta * np.sqrt(1 - b2**t) / (1 - b1**t))
    return w - rate * state["m"] / (np.sqrt(v) + eps)


def amsgrad(w, g, state, t):
    return adam(w, g, state, t, b2=0.5, largest=True)


def adamax(w, g, state, t, eta=0.05, b1=0.8, b2=0.95, eps=1e-8):
    state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
    state["u"] = np.maximum(b2 * state.get("u", 0), abs(g))
    return w - w.dtype.type(eta / (1 - b1**t)) * state["m"] / (state["u"] + eps)


def rmsprop_centered(w, g, state, t, eta=0.1, rho=0.7, eps=1e-6):
    state["a"] = rho * state.get("a", 0) + (1 - rho) * g**2
    state["m"] = rho * state.get("m", 0) + (1 - rho) * g
    return w - eta * g / np.sqrt(state["a"] - state["m"] ** 2 + eps)


def adamw(w, g, state, t, eta=0.05):
    return adam(w, g, state, t, eta) - eta * w.dtype.type(0.2) * w


def nadam(w, g, state, t, eta=0.05, b1=0.8, b2=0.95, eps=1e-8):
    mu = [b1 * (1 - 0.5 * 0.96 ** (s * 0.1)) for s in (t, t + 1)]
    state["p"] = state.get("p", 1) * mu[0]
    state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
    state["v"] = b2 * state.get("v", 0) + (1 - b2) * g**2
    n = mu[1] * state["m"] / (1 - state["p"] * mu[1])
    n = n + (1 - mu[0]) * g / (1 - state["p"])
    return w - eta * n / (np.sqrt(state["v"] / (1 - b2**t)) + eps)


def lamb(w, g, state, t, eta=0.05, b1=0.8, b2=0.95, eps=1e-6, decay=0.2):
    state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
    state["v"] = b2 * state.get("v", 0) + (1 - b2) * g**2
    r = state["m"] / (1 - b1**t) / (np.sqrt(state["v"] / (1 - b2**t)) + eps) + decay * w
    return w - eta * np.linalg.norm(w) / np.linalg.norm(r) * r


def lion(w, g, state, t, eta=0.05, b1=0.8, b2=0.95, decay=0.2):
    m = state.get("m", 0)
    state["m"] = b2 * m + (1 - b2) * g
    return w - eta * (np.sign(b1 * m + (1 - b1) * g) + decay * w)


RULES = {
    "rmsprop centered": (
        lambda loss, p: up.rmsprop(loss, p, 0.1, 0.7, centered=True),
        rmsprop_centered,
    ),
    "adamw": (
        lambda loss, p: up.adamw(loss, p, 0.05, 0.8, 0.95, weight_decay=0.2),
        adamw,
    ),
    "nadam": (
        lambda loss, p: up.nadam(loss, p, 0.05, 0.8, 0.95, momentum_decay=0.1),
        nadam,
    ),
    "lamb": (lambda loss, p: up.lamb(loss, p, 0.05, 0.8, 0.95, 1e-6, 0.2), lamb),
    "lion": (lambda loss, p: up.lion(loss, p, 0.05, 0.8, 0.95, 0.2), lion),
    "sgd": (lambda loss, p: up.sgd(loss, p, 0.1), sgd),
    "momentum": (lambda loss, p: up.momentum(loss, p, 0.1, 0.8), momentum),
    "nesterov": (lambda loss, p: up.nesterov_momentum(loss, p, 0.1, 0.8), nesterov),
    "adagrad": (lambda loss, p: up.adagrad(loss, p, 0.3), adagrad),
    "rmsprop": (lambda loss, p: up.rmsprop(loss, p, 0.1, 0.7), rmsprop),
    "adadelta": (lambda loss, p: up.adadelta(loss, p, rho=0.9), adadelta),
    "adam": (lambda loss, p: up.adam(loss, p, 0.05, 0.8, 0.95), adam),
    "amsgrad": (lambda loss, p: up.amsgrad(loss, p, 0.05, 0.8, 0.5), amsgrad),
    "adamax": (lambda loss, p: up.adamax(loss, p, 0.05, 0.8, 0.95), adamax),
}


def expected_values(rule, start, steps=STEPS):
    values, states = list(start), [{}, {}]
    for t in range(1, steps + 1):
        values = [
            rule(w, g, state, t)
            for w, g, state in zip(values, gradients(*values), states, strict=True)
        ]
    return values


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RULES)
def test_three_steps_equal_the_recursion(name, dtype):
    rule, recursion = RULES[name]
    params = make_params(dtype)
    start = [p.get_value() for p in params]
    updates = rule(make_loss(params), params)
    assert isinstance(updates, dict)
    assert all(new.dtype == dtype for new in updates.values())
    step = sg.function([], [], updates=updates)
    for _ in range(STEPS):
        step()
    tolerance = {"float32": 2e-5, "float64": 1e-12}[dtype]
    for param, wanted in zip(params, expected_values(recursion, start), strict=True):
        assert param.get_value().dtype == dtype
        np.testing.assert_allclose(param.get_value(), wanted, rtol=tolerance)


@pytest.mark.parametrize("name", RULES)
def test_gradients_may_be_given_instead_of_a_loss(name, value):
    rule, recursion = RULES[name]
    params = make_params("float64")
    start = [p.get_value() for p in params]
    given = [T.constant(g) for g in gradients(*start)]
    updates = rule(given, params)
    for param, wanted in zip(params, expected_values(recursion, start, 1), strict=True):
        np.testing.assert_allclose(value(updates[param]), wanted, rtol=1e-12)


def test_state_has_the_type_of_its_parameter_and_starts_at_zero():
    params = make_params("float32")
    updates = up.adam(make_loss(params), params)
    by_name = {v.name: v for v in updates}
    assert set(by_name) == {
        "w", "b", "w.mean", "w.mean_squares", "b.mean", "b.mean_squares", "steps",
    }  # fmt: skip
    assert by_name["w.mean"].type == params[0].type
    assert all(
        not v.get_value().any() for name, v in by_name.items() if name not in ("w", "b")
    )


@pytest.mark.parametrize(
    "rate",
    [0.1, np.float64(0.1), np.array(0.1), lambda: sg.shared(0.1), lambda: T.dscalar()],
)
@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam", "adamax"])
def test_settings_of_any_dtype_keep_float32(name, rate):
    params = make_params("float32")
    rate = rate() if callable(rate) else rate
    updates = getattr(up, name)(make_loss(params), params, learning_rate=rate)
    assert {new.dtype for new in updates.values()} == {"float32"}


def test_a_shared_learning_rate_can_change_between_steps():
    w = sg.shared(np.float64(1.0), name="w")
    rate = sg.shared(np.float64(0.5), name="rate")
    step = sg.function([], [], updates=up.sgd(w * 2, [w], rate))
    step()
    assert w.get_value() == 0.0
    rate.set_value(0.25)
    step()
    assert w.get_value() == -0.5


def test_momentum_changes_only_the_parameters_named(value):
    params = make_params("float64")
    plain = up.sgd(make_loss(params), params, 0.1)
    for apply in (up.apply_momentum, up.apply_nesterov_momentum):
        changed = apply(plain, params=params[:1], momentum=0.5)
        assert changed[params[1]] is plain[params[1]]
        assert [v.name for v in changed] == ["w", "b", "w.velocity"]
        assert len(plain) == 2
    # the first step of momentum is that of the rule below, of Nesterov 1.5 times it
    w = params[0].get_value()
    below = value(plain[params[0]]) - w
    first = value(up.apply_momentum(plain, momentum=0.5)[params[0]])
    np.testing.assert_allclose(first - w, below)
    first = value(up.apply_nesterov_momentum(plain, momentum=0.5)[params[0]])
    np.testing.assert_allclose(first - w, 1.5 * below)


def test_momentum_on_another_rule():
    params = make_params("float64")
    start = [p.get_value() for p in params]
    plain = up.adagrad(make_loss(params), params, 0.3)
    step = sg.function([], [], updates=up.apply_momentum(plain, params, 0.5))

    def both(w, g, state, t):
        state["v"] = 0.5 * state.get("v", 0) + adagrad(w, g, state, t) - w
        return w + state["v"]

    for _ in range(STEPS):
        step()
    for param, wanted in zip(params, expected_values(both, start), strict=True):
        np.testing.assert_allclose(param.get_value(), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "axes", "over"),
    [
        ((4, 3), None, (0,)),
        ((4, 3, 2), None, (1, 2)),
        ((4, 3, 2, 2), None, (1, 2, 3)),
        ((2, 2, 3, 2, 2), None, (1, 2, 3, 4)),
        ((4, 3), (1,), (1,)),
        ((6,), (0,), (0,)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norm_constraint(shape, axes, over, dtype, value):
    x = np.random.RandomState(0).randn(*shape).astype(dtype)
    out = up.norm_constraint(T.constant(x), 1.5, norm_axes=axes)
    assert out.dtype == dtype
    norms = np.sqrt((x**2).sum(axis=over, keepdims=True))
    expected = x * np.minimum(norms, 1.5) / (norms + 1e-7)
    np.testing.assert_allclose(value(out), expected, rtol=1e-6)
    if axes is None:
        assert (nn.utils.compute_norms(value(out)) <= 1.5 + 1e-5).all()


def test_norm_constraint_leaves_small_weights_and_zeros(value):
    x = np.array([[0.3, 0.0], [0.4, 0.0]])
    np.testing.assert_allclose(value(up.norm_constraint(x, 1.0)), x, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_total_norm_constraint(dtype, value):
    generator = np.random.RandomState(0)
    arrays = [
        np.asarray(generator.standard_normal(s), dtype) for s in ((4, 3), (5,), ())
    ]
    tensors = [T.constant(a) for a in arrays]
    norm = np.sqrt(sum((a.astype("float64") ** 2).sum() for a in arrays))
    scaled, told = up.total_norm_constraint(tensors, 2.0, return_norm=True)
    assert value(told) == pytest.approx(norm, rel=1e-6)
    for found, array in zip(scaled, arrays, strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(value(found), array * 2 / norm, rtol=1e-5)
    unchanged = up.total_norm_constraint(tensors, 1e6)
    for found, array in zip(unchanged, arrays, strict=True):
        np.testing.assert_allclose(value(found), array, rtol=1e-6)


def test_total_norm_of_mixed_dtypes_keeps_each():
    tensors = [T.fvector("a"), T.dvector("b")]
    scaled = up.total_norm_constraint(tensors, 1.0)
    assert [x.dtype for x in scaled] == ["float32", "float64"]


def test_parameters_must_be_shared():
    x = T.vector("x")
    with pytest.raises(
        ArgumentError,
        match=r"must be shared(.|\n)*x : float64(.|\n)*collect_shared_vars",
    ):
        up.sgd(x.sum(), [x], 0.1)
    with pytest.raises(ArgumentError, match=r"must be shared.* 3"):
        up.sgd(x.sum(), [3], 0.1)


def test_gradients_must_be_as_many_as_parameters():
    params = make_params("float64")
    with pytest.raises(ArgumentError, match="1 gradients for 2 parameters"):
        up.adam([T.matrix()], params)


def test_momentum_needs_an_update_of_the_parameter():
    w, b = make_params("float64")
    with pytest.raises(ArgumentError, match=r"updates has no entry for\n  b : float64"):
        up.apply_momentum({w: w * 2}, params=[b])


def test_norms_need_axes_where_there_is_no_default():
    with pytest.raises(ArgumentError, match="norm_constraint: a vector has no default"):
        up.norm_constraint(T.vector("b"), 1.0)
    with pytest.raises(NotSupportedError, match="tensor of rank 0; give norm_axes"):
        up.norm_constraint(T.scalar("s"), 1.0)
    with pytest.raises(ArgumentError, match="list of tensors is empty"):
        up.total_norm_constraint([], 1.0)
    with pytest.raises(ConversionError, match="list is neither a variable nor"):
        nn.utils.compute_norms([1.0])


@pytest.mark.parametrize("rule", [up.adamw, up.lamb, up.lion])
def test_weight_decay_is_for_the_parameters_named(rule, value):
    w, b = make_params("float64")
    b.set_value(np.array([0.3, -0.7]))
    loss = make_loss([w, b])
    some = rule(loss, [w, b], 0.1, weight_decay=0.5, decayed=[w])
    none = rule(loss, [w, b], 0.1, weight_decay=0.0)
    assert np.array_equal(value(some[b]), value(none[b]))
    assert not np.allclose(value(some[w]), value(none[w]))
    with pytest.raises(ArgumentError, match="decayed holds a variable that is not in"):
        rule(loss, [w], 0.1, decayed=[b])


def test_lamb_trusts_a_step_where_a_norm_is_0(value):
    w = sg.shared(np.zeros(3), name="w")
    updates = up.lamb([T.constant(np.ones(3))], [w], 0.1, weight_decay=0.3)
    np.testing.assert_allclose(value(updates[w]), -0.1, rtol=1e-5)
    w = sg.shared(np.ones(3), name="w")
    updates = up.lamb([T.constant(np.zeros(3))], [w], 0.1, weight_decay=0.0)
    np.testing.assert_array_equal(value(updates[w]), 1.0)


def test_a_variance_of_rounding_errors_is_no_nan():
    w = sg.shared(np.float32([1.0]), name="w")
    g = T.constant(np.float32([3333.3]))
    step = sg.function([], updates=up.rmsprop([g], [w], 1e-9, 0.9, centered=True))
    for _ in range(200):
        step()
    assert np.isfinite(w.get_value()).all()
