"""What all recurrent layers do alike: values, masks, directions, first states, options."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import recurrent_oracles as oracles

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.backends.reference import evaluate
from symgraph.errors import ArgumentError, ShapeError

L = nn.layers
NORMAL = nn.init.Normal(0.7)
tanh = nn.nonlinearities.tanh
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]], float)


def gate(**options):
    return L.Gate(W_in=NORMAL, W_hid=NORMAL, b=NORMAL, **options)


def recurrent(incoming, units, **options):
    return L.RecurrentLayer(
        incoming, units, NORMAL, NORMAL, b=NORMAL, nonlinearity=tanh, **options
    )


def lstm(incoming, units, **options):
    cell = gate(nonlinearity=tanh)
    return L.LSTMLayer(
        incoming, units, gate(), gate(), cell, gate(), tanh, **options
    )  # fmt: skip


def gru(incoming, units, **options):
    update = gate(nonlinearity=tanh)
    return L.GRULayer(incoming, units, gate(), gate(), update, **options)


@dataclass(frozen=True)
class Kind:
    """A layer with parameters that matter, its class, its equations, its states."""

    make: Any
    layer: Any
    equations: Any
    states: tuple[str, ...]


KINDS = {
    "RecurrentLayer": Kind(recurrent, L.RecurrentLayer, oracles.simple, ("hid_init",)),
    "LSTMLayer": Kind(lstm, L.LSTMLayer, oracles.lstm, ("hid_init", "cell_init")),
    "GRULayer": Kind(gru, L.GRULayer, oracles.gru, ("hid_init",)),
}


@pytest.fixture(params=list(KINDS))
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def x(generator):
    return generator.randn(3, 4, 2)


def given_states(kind, generator, units=5):
    return {name: generator.randn(1, units) for name in kind.states}


def costs(layer, *arrays):
    """Variables of the inputs, the output, and a weighted sum of it."""
    variables = [T.TensorType("float64", (None,) * a.ndim)() for a in arrays]
    out = layer.get_output_for(variables)
    given = dict(zip(variables, arrays, strict=True))
    weights = np.cos(np.arange(evaluate([out], given)[0].size))
    return given, out, T.sum(T.flatten(out) * T.constant(weights))


@pytest.mark.parametrize("batch", [3, None])
@pytest.mark.parametrize("time", [4, None])
def test_output_shapes_are_batch_time_units(kind, batch, time):
    incoming = L.InputLayer((batch, time, 2))
    assert kind.layer(incoming, 5).output_shape == (batch, time, 5)
    final = kind.layer(incoming, 5, only_return_final=True)
    assert final.output_shape == (batch, 5)
    assert L.get_output_shape(final, (7, 9, 2)) == (7, 5)
    assert L.get_output(final).type.shape[1] == 5


def test_values_are_those_of_the_equations(kind, x, run_layer, generator):
    layer = kind.make((None, None, 2), 5, **given_states(kind, generator))
    np.testing.assert_allclose(
        run_layer(layer, x), kind.equations(layer, x), atol=1e-14
    )


def test_more_axes_are_features_too(kind, generator, run_layer):
    x = generator.randn(2, 3, 2, 3)
    layer = kind.make((None, None, 2, 3), 4)
    np.testing.assert_allclose(
        run_layer(layer, x), kind.equations(layer, x), atol=1e-14
    )


def test_a_single_unit_and_a_single_example(kind, generator, run_layer):
    x = generator.randn(1, 3, 2)
    layer = kind.make((1, None, 2), 1)
    np.testing.assert_allclose(
        run_layer(layer, x), kind.equations(layer, x), atol=1e-14
    )


def test_backwards_goes_from_the_last_step_but_keeps_the_order(
    kind, x, run_layer, generator
):
    states = given_states(kind, generator)
    layer = kind.make((None, None, 2), 5, backwards=True, **states)
    expected = kind.equations(layer, x)
    np.testing.assert_allclose(run_layer(layer, x), expected, atol=1e-14)
    layer.only_return_final = True
    np.testing.assert_allclose(run_layer(layer, x), expected[:, 0], atol=1e-14)


def test_only_the_final_state(kind, x, run_layer):
    layer = kind.make((None, None, 2), 5, only_return_final=True)
    np.testing.assert_allclose(
        run_layer(layer, x), kind.equations(layer, x)[:, -1], atol=1e-14
    )


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "int8", "bool"])
def test_a_mask_keeps_the_state(kind, x, run_layer, generator, backwards, dtype):
    layer = kind.make(
        (None, None, 2), 5, mask_input=(None, None), backwards=backwards,
        **given_states(kind, generator),
    )  # fmt: skip
    expected = kind.equations(layer, x, MASK)
    np.testing.assert_allclose(
        run_layer(layer, x, MASK.astype(dtype)), expected, atol=1e-14
    )
    if not backwards:  # what is masked out at the end changes nothing
        assert np.array_equal(expected[1, 1], expected[1, 3])


def test_first_states_from_layers(kind, x, run_layer, generator):
    hid, cell = generator.randn(3, 5), generator.randn(3, 5)
    below = {name: L.InputLayer((None, 5)) for name in kind.states}
    masks = L.InputLayer((None, None))
    incoming = L.InputLayer((None, None, 2))
    layer = kind.make(incoming, 5, mask_input=masks, **below)
    assert layer.input_layers == [incoming, masks, *below.values()]
    assert layer.hid_init is below["hid_init"]
    assert not any("init" in p.name for p in layer.get_params())
    arrays = [hid, cell][: len(below)]
    expected = kind.equations(layer, x, MASK, *arrays)
    np.testing.assert_allclose(run_layer(layer, x, MASK, *arrays), expected, atol=1e-14)


def test_first_states_from_expressions_and_shared_variables(kind, x, run_layer):
    start = sg.shared(np.full((1, 5), 0.3))
    plain = kind.make((None, None, 2), 5, hid_init=np.full((1, 5), 0.6))
    layer = kind.make((None, None, 2), 5, hid_init=2 * start, learn_init=True)
    for own, other in zip(layer.get_params(), plain.get_params(), strict=True):
        own.set_value(start.get_value() if own is start else other.get_value())
    assert start in layer.get_params(trainable=True, regularizable=False)
    np.testing.assert_allclose(run_layer(layer, x), run_layer(plain, x), atol=1e-14)


def test_only_learned_first_states_are_trainable(kind):
    for learn in (False, True):
        layer = kind.layer((None, None, 2), 5, learn_init=learn, name="r")
        found = {p.name for p in layer.get_params(trainable=True)}
        wanted = {f"r.{name}" for name in kind.states}
        assert wanted & found == (wanted if learn else set())
        assert wanted <= {p.name for p in layer.get_params(regularizable=False)}


def test_gradients_are_finite_differences(kind, generator, check_gradients):
    x = generator.randn(2, 3, 2)
    layer = kind.make((None, None, 2), 3, learn_init=True, mask_input=(None, None))
    mask = np.array([[1, 1, 0], [1, 1, 1]], float)
    check_gradients(layer, x, mask)


@pytest.mark.parametrize(
    "options",
    [{}, {"backwards": True, "precompute_input": False}, {"only_return_final": True}],
)
def test_unrolled_steps_equal_the_loop(kind, x, generator, options):
    layer = kind.make((None, 4, 2), 5, mask_input=(None, 4), **options)
    found = []
    for unroll in (False, True):
        layer.unroll_scan = unroll
        given, out, cost = costs(layer, x, MASK)
        found.append(evaluate([out, *sg.grad(cost, layer.get_params())], given))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_unrolled_steps_refuse_another_length(kind, x):
    layer = kind.make((None, 3, 2), 5, unroll_scan=True)
    with pytest.raises(ShapeError, match="3"):
        costs(layer, x)


def test_products_with_the_input_before_the_loop_or_in_it(kind, x):
    layer = kind.make((None, None, 2), 5)
    found = []
    for ahead in (True, False):
        layer.precompute_input = ahead
        given, out, cost = costs(layer, x)
        found.append(evaluate([out, *sg.grad(cost, layer.get_params())], given))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def gradients(layer, params, *arrays):
    given, _, cost = costs(layer, *arrays)
    return evaluate(sg.grad(cost, params), given)


def test_truncated_gradients(kind, x):
    layer = kind.make((None, None, 2), 5, only_return_final=True)
    params = layer.get_params(trainable=True)
    whole = gradients(layer, params, x)
    for steps, same in ((4, True), (2, False)):
        layer.gradient_steps = steps
        for a, b in zip(gradients(layer, params, x), whole, strict=True):
            assert np.allclose(a, b, rtol=1e-12, atol=1e-13) == same


def test_a_truncated_gradient_is_that_of_a_loop_begun_later(x):
    layer = recurrent((None, None, 2), 5, only_return_final=True, gradient_steps=2)
    before = oracles.simple(layer, x[:, :2])[:, -1]
    late = L.RecurrentLayer(
        (None, None, 2), 5, layer.W_in_to_hid, layer.W_hid_to_hid, layer.b, tanh,
        hid_init=L.InputLayer((None, 5)), only_return_final=True,
    )  # fmt: skip
    params = late.get_params()
    for a, b in zip(
        gradients(layer, params, x), gradients(late, params, x[:, 2:], before),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_clipped_gradients_in_a_layer_by_hand(x):
    """The gradient of each step's sum is clipped before it goes further back."""
    limit = 0.3
    layer = recurrent((None, None, 2), 5, grad_clipping=limit)
    h = np.concatenate([np.zeros((3, 1, 5)), oracles.simple(layer, x)], axis=1)
    weights = np.cos(np.arange(60)).reshape(3, 4, 5)
    v = layer.W_hid_to_hid.get_value()
    carried, wanted = 0, np.zeros((2, 5))
    for t in reversed(range(4)):
        total = (weights[:, t] + carried) * (1 - h[:, t + 1] ** 2)
        clipped = np.clip(total, -limit, limit)
        assert (np.abs(total) > limit).any()
        wanted += x[:, t].T @ clipped
        carried = clipped @ v.T
    (found,) = gradients(layer, [layer.W_in_to_hid], x)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_clipping_changes_gradients_only(kind, x, run_layer):
    layer = kind.make((None, None, 2), 5)
    params = layer.get_params(trainable=True)
    value, free = run_layer(layer, x), gradients(layer, params, x)
    for limit, same in ((1e6, True), (0.01, False)):
        layer.grad_clipping = limit
        np.testing.assert_array_equal(run_layer(layer, x), value)
        for a, b in zip(gradients(layer, params, x), free, strict=True):
            assert np.allclose(a, b, rtol=1e-12, atol=1e-13) == same


def test_a_mixture_of_dtypes_takes_the_wider_one(kind, x):
    with sg.config.override(floatX="float32"):
        layer = kind.make((None, None, 2), 5)
    assert costs(layer, x)[1].dtype == "float64"
    bits = L.InputLayer((None, None, 2), T.TensorType("int8", (None,) * 3)())
    with sg.config.override(floatX="float32"):
        assert L.get_output(kind.make(bits, 5)).dtype == "float32"


@pytest.mark.parametrize(
    ("shape", "options", "error", "text"),
    [
        ((2, 3, 4), {"unroll_scan": True, "gradient_steps": 3}, ArgumentError,
         "gradient_steps=3 together with unroll_scan"),
        ((2, None, 4), {"unroll_scan": True}, ShapeError,
         r"needs the number of time steps, but the input shape is \(2, None, 4\)"),
        ((2, 3, 4), {"gradient_steps": 0}, ArgumentError, "use -1 for all steps"),
        ((2, 3, 4), {"grad_clipping": -1}, ArgumentError, "grad_clipping=-1"),
        ((2, 3), {}, ShapeError, r"\(2, 3\) must be \(batch, time, features\)"),
        ((2, 3, None), {}, ShapeError, "must be known|number of features known"),
        ((2, 3, 4), {"num_units": 0}, ArgumentError, "num_units=0; use 1 or more"),
        ((2, 3, 4), {"hid_init": np.zeros((2, 5))}, ShapeError,
         r"hid_init': the value given has shape \(2, 5\), should be \(1, 5\)"),
        ((2, 3, 4), {"hid_init": L.InputLayer((2, 6))}, ShapeError,
         r"gives the shape \(2, 6\), states have the shape \(2, 5\)"),
        ((2, 3, 4), {"mask_input": L.InputLayer((2, 4))}, ShapeError,
         r"the mask has the shape \(2, 4\); it must be \(batch, time\)"),
        ((2, 3, 4), {"mask_input": L.InputLayer((2, 3, 1))}, ShapeError,
         r"the mask has the shape \(2, 3, 1\)"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(kind, shape, options, error, text):
    with pytest.raises(error, match=text):
        kind.layer(shape, **{"num_units": 5, "name": "r", **options})


def test_a_network_compiled_and_trained(kind, generator):
    x = L.InputLayer((None, None, 2), T.ftensor3("x"))
    mask = L.InputLayer((None, None), T.fmatrix("mask"))
    with sg.config.override(floatX="float32"):
        layer = kind.make(
            x, 5, mask_input=mask, learn_init=True, only_return_final=True
        )
        out = L.DenseLayer(layer, 1, nonlinearity=None)
        target = T.fvector("target")
        loss = T.mean(T.sqr(T.flatten(L.get_output(out)) - target))
        params = L.get_all_params(out, trainable=True)
        wanted = [loss, *sg.grad(loss, params)]
        inputs = [x.input_var, mask.input_var, target]
        step = sg.function(
            inputs, wanted, updates=nn.updates.momentum(loss, params, 0.02)
        )
    data = generator.randn(8, 6, 2).astype("float32")
    ones = np.ones((8, 6), "float32")
    ones[:4, 3:] = 0
    sums = (data * ones[..., None]).sum((1, 2)).astype("float32")
    reference = evaluate(wanted, dict(zip(inputs, (data, ones, sums), strict=True)))
    for ours, truth in zip(step(data, ones, sums), reference, strict=True):
        np.testing.assert_allclose(ours, truth, rtol=2e-4, atol=1e-5)
    for _ in range(100):
        last = step(data, ones, sums)[0]
    assert last < 0.3 * reference[0]
    assert np.isfinite(step(data[:2, :3], ones[:2, :3], sums[:2])[0])
