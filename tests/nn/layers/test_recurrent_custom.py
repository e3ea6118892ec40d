"""CustomRecurrentLayer and RecurrentLayer: networks inside, names, what does not fit."""

import inspect

import numpy as np
import pytest

import symgraph as sg
from symgraph import nn
from symgraph.backends.reference import evaluate
from symgraph.errors import ArgumentError, ShapeError, SymgraphWarning

L = nn.layers
tanh = nn.nonlinearities.tanh


def dense_pair(batch=None, precomputed=None, units=4, features=2):
    f = L.DenseLayer(L.InputLayer((precomputed, features)), units, nonlinearity=None)
    g = L.DenseLayer(L.InputLayer((batch, units)), units, nonlinearity=None)
    return f, g


def test_parameters_have_the_names_and_the_order_of_lasagne():
    layer = L.RecurrentLayer((2, 3, 4), 5, name="r")
    assert [p.name for p in layer.get_params()] == [
        "r.hid_init", "r.input_to_hidden.W", "r.input_to_hidden.b",
        "r.hidden_to_hidden.W",
    ]  # fmt: skip
    assert (layer.W_in_to_hid, layer.b) == (
        layer.input_to_hidden.W,
        layer.input_to_hidden.b,
    )
    assert layer.W_hid_to_hid is layer.hidden_to_hidden.W
    assert [p.name for p in layer.get_params(trainable=True, regularizable=True)] == [
        "r.input_to_hidden.W", "r.hidden_to_hidden.W"
    ]  # fmt: skip
    assert L.RecurrentLayer((2, 3, 4), 5, b=None).b is None
    assert L.count_params(layer) == 5 + 4 * 5 + 5 + 5 * 5


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (
            L.CustomRecurrentLayer,
            "incoming input_to_hidden hidden_to_hidden nonlinearity hid_init backwards "
            "learn_init gradient_steps grad_clipping unroll_scan precompute_input "
            "mask_input only_return_final kwargs",
        ),
        (
            L.RecurrentLayer,
            "incoming num_units W_in_to_hid W_hid_to_hid b nonlinearity hid_init "
            "backwards learn_init gradient_steps grad_clipping unroll_scan "
            "precompute_input mask_input only_return_final kwargs",
        ),
        (
            L.LSTMLayer,
            "incoming num_units ingate forgetgate cell outgate nonlinearity cell_init "
            "hid_init backwards learn_init peepholes gradient_steps grad_clipping "
            "unroll_scan precompute_input mask_input only_return_final kwargs",
        ),
        (
            L.GRULayer,
            "incoming num_units resetgate updategate hidden_update hid_init backwards "
            "learn_init gradient_steps grad_clipping unroll_scan precompute_input "
            "mask_input only_return_final kwargs",
        ),
        (L.Gate, "W_in W_hid W_cell b nonlinearity"),
    ],
)
def test_arguments_stand_in_the_order_of_lasagne(layer, names):
    found = inspect.signature(layer).parameters
    assert list(found) == names.split()
    defaults = {n: p.default for n, p in found.items()}
    if layer is not L.Gate:
        assert defaults["precompute_input"] is True
        assert defaults["gradient_steps"] == -1
        assert defaults["mask_input"] is None


def test_networks_of_several_layers(generator, run_layer):
    x = generator.randn(3, 4, 2)
    f = L.DenseLayer(L.DenseLayer(L.InputLayer((None, 2)), 7), 4, nonlinearity=None)
    g = L.DenseLayer(L.DenseLayer(L.InputLayer((None, 4)), 6, nonlinearity=tanh), 4)
    layer = L.CustomRecurrentLayer((None, None, 2), f, g, nonlinearity=tanh)
    assert len(layer.get_params()) == 9
    h = np.zeros((3, 4))
    for t in range(4):
        a = np.maximum(x[:, t] @ f.input_layer.W.get_value(), 0) @ f.W.get_value()
        b = np.tanh(h @ g.input_layer.W.get_value()) @ g.W.get_value()
        h = np.tanh(a + np.maximum(b, 0))
    np.testing.assert_allclose(run_layer(layer, x)[:, -1], h, atol=1e-14)


@pytest.mark.parametrize("precompute", [True, False])
def test_convolutions_along_time(precompute, generator, run_layer):
    f = L.Conv2DLayer(L.InputLayer((None, 2, 4, 3)), 3, 3, pad="same")
    g = L.Conv2DLayer(L.InputLayer((None, 3, 4, 3)), 3, 3, pad="same")
    movie = L.InputLayer((2, 3, 2, 4, 3))
    layer = L.CustomRecurrentLayer(
        movie, f, g, mask_input=(2, 3), precompute_input=precompute
    )
    assert layer.output_shape == (2, 3, 3, 4, 3)
    x, mask = generator.randn(2, 3, 2, 4, 3), np.array([[1, 0, 0], [1, 1, 1]])
    out = run_layer(layer, x, mask)
    assert out.shape == (2, 3, 3, 4, 3)
    assert np.array_equal(out[0, 0], out[0, 2])
    again = evaluate([L.get_output(f, x[:, 0])])[0]  # with a state of zeros
    np.testing.assert_allclose(out[:, 0], np.maximum(again, 0), atol=1e-14)


def test_first_states_of_any_shape_are_repeated_for_the_batch(generator, run_layer):
    f = L.DenseLayer(L.InputLayer((None, 2)), 6, nonlinearity=None)
    f = L.ReshapeLayer(f, ([0], 2, 3))
    g = L.NonlinearityLayer(L.InputLayer((None, 2, 3)), None)
    start = generator.randn(1, 2, 3)
    layer = L.CustomRecurrentLayer((None, None, 2), f, g, None, hid_init=start)
    out = run_layer(layer, np.zeros((4, 2, 2)))
    np.testing.assert_allclose(out, np.broadcast_to(start, (4, 2, 2, 3)), atol=1e-14)


def test_keywords_reach_the_layers_inside():
    class Marked(L.Layer):
        def get_output_for(self, input, marker=None, **kwargs):
            seen.append(marker)
            return input

    seen = []
    f, g = dense_pair()
    x = L.InputLayer((None, None, 2))
    layer = L.CustomRecurrentLayer(x, f, Marked(g))
    L.get_output(layer, np.zeros((1, 2, 2)), marker=2)
    layer = L.CustomRecurrentLayer(x, Marked(f), Marked(g))
    L.get_output(layer, np.zeros((1, 2, 2)), marker=3)
    assert seen == [2, 3, 3]
    with pytest.warns(SymgraphWarning, match="marked"):
        L.get_output(layer, np.zeros((1, 2, 2)), marked=3)


def test_dropout_inside_draws_anew_at_each_step_and_each_call(generator):
    one = nn.init.Constant(1)
    f = L.DenseLayer(L.InputLayer((None, 2)), 50, W=one, nonlinearity=None)
    g = L.DropoutLayer(L.InputLayer((None, 50)), 0.5, rescale=False)
    x = L.InputLayer((None, None, 2))
    layer = L.CustomRecurrentLayer(x, f, g, nonlinearity=None)
    out = L.get_output(layer)
    back = sg.grad(out[:, -1].sum(), x.input_var)
    run = sg.function([x.input_var], [out[0], back[0, :, 0]])
    pulse = np.zeros((1, 6, 2))
    pulse[0, 0] = 1
    (one, gradient), (two, _) = run(pulse), run(pulse)
    kept = [int((row > 0).sum()) for row in one]
    assert kept[0] == 50
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) > 3  # an independent half of what is left, again and again
    assert not np.array_equal(one, two)
    assert gradient[0] == kept[-1]  # the way back drops what the way there dropped
    assert gradient[-1] == 50
    same = sg.function([x.input_var], L.get_output(layer, deterministic=True))
    assert (same(pulse)[0, -1] == 2).all()


def test_running_averages_inside_follow_all_steps():
    f, _ = dense_pair()
    norm = L.BatchNormLayer(L.InputLayer((None, 4)), alpha=0.5)
    x = L.InputLayer((None, None, 2))
    layer = L.CustomRecurrentLayer(x, f, norm, None, hid_init=nn.init.Constant(8.0))
    f.W.set_value(np.zeros((2, 4)))
    f.b.set_value(np.full(4, 8.0))
    run = sg.function([x.input_var], L.get_output(layer))
    run(np.zeros((2, 3, 2)))
    np.testing.assert_allclose(norm.mean.get_value(), 8 * (1 - 0.5**3))


def test_each_network_has_one_input_layer():
    f, g = dense_pair()
    two = L.ConcatLayer([L.DenseLayer(L.InputLayer((None, 2)), 2), f])
    with pytest.raises(ArgumentError, match=r"input_to_hidden must begin .* not 2"):
        L.CustomRecurrentLayer((2, 3, 2), two, g)
    with pytest.raises(ArgumentError, match=r"hidden_to_hidden must begin .* not 0"):
        L.CustomRecurrentLayer((2, 3, 2), f, L.DenseLayer((None, 4), 4))


@pytest.mark.parametrize(
    ("networks", "options", "text"),
    [
        (dense_pair(precomputed=5), {}, r"as 6 rows \(batch \* time\)"),
        (dense_pair(2, 3), {"precompute_input": False}, "the same number of rows"),
        ((dense_pair()[0], dense_pair(units=3)[1]), {}, "the same shape behind"),
        (dense_pair(features=3), {}, r"takes \(None, 3\), but a step of the input"),
        (
            (dense_pair()[0], L.DenseLayer(L.InputLayer((None, 3)), 4)),
            {},
            r"takes \(None, 3\), but a state",
        ),
    ],
)
def test_networks_that_do_not_fit(networks, options, text):
    with pytest.raises(ShapeError, match=text):
        L.CustomRecurrentLayer((2, 3, 2), *networks, **options)


def test_rows_that_fit_exactly_are_accepted():
    f, g = dense_pair(2, 6)
    assert L.CustomRecurrentLayer((2, 3, 2), f, g).output_shape == (2, 3, 4)
    f, g = dense_pair(2, 2)
    x = L.InputLayer((2, 3, 2))
    layer = L.CustomRecurrentLayer(x, f, g, precompute_input=False)
    assert L.get_output(layer, np.zeros((2, 3, 2))).ndim == 3


def test_states_need_known_shapes():
    f = L.NonlinearityLayer(L.InputLayer((None, None)))
    g = L.NonlinearityLayer(L.InputLayer((None, None)))
    with pytest.raises(ShapeError, match="must be known behind the batch"):
        L.CustomRecurrentLayer((2, 3, None), f, g)
