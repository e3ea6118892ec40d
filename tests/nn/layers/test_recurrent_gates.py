"""LSTMLayer and GRULayer: gates, their parameters, names and tags."""

import numpy as np
import pytest
import recurrent_oracles as oracles

import symgraph.tensor as T
from symgraph import nn
from symgraph.core.traverse import applies
from symgraph.errors import ArgumentError
from symgraph.nn.nonlinearities import linear, rectify, sigmoid, tanh

L = nn.layers


def kinds(gate):
    return [f"W_in_to_{gate}", f"W_hid_to_{gate}", f"b_{gate}"]


def test_parameters_of_an_lstm_have_the_names_and_the_order_of_lasagne():
    gates = ("ingate", "forgetgate", "cell", "outgate")
    wanted = [name for gate in gates for name in kinds(gate)]
    peepholes = [f"W_cell_to_{gate}" for gate in ("ingate", "forgetgate", "outgate")]
    states = ["cell_init", "hid_init"]
    layer = L.LSTMLayer((2, 3, 4), 5, name="m")
    names = [p.name for p in layer.get_params()]
    assert names == [f"m.{name}" for name in (*wanted, *peepholes, *states)]
    assert layer.W_cell_to_ingate.get_value().shape == (5,)
    biases = {p.name for p in layer.get_params(regularizable=False, trainable=True)}
    assert biases == {f"m.b_{gate}" for gate in gates}
    bare = L.LSTMLayer((2, 3, 4), 5, peepholes=False)
    assert [p.name for p in bare.get_params()] == [*wanted, *states]
    assert not hasattr(bare, "W_cell_to_ingate")


def test_parameters_of_a_gru_have_the_names_and_the_order_of_lasagne():
    gates = ("updategate", "resetgate", "hidden_update")
    wanted = [name for gate in gates for name in kinds(gate)]
    layer = L.GRULayer((2, 3, 4), 5)
    assert [p.name for p in layer.get_params()] == [*wanted, "hid_init"]
    assert layer.W_in_to_updategate.get_value().shape == (4, 5)
    assert L.count_params(layer) == 3 * (4 * 5 + 5 * 5 + 5) + 5


def test_gates_are_sigmoids_from_weights_of_deviation_a_tenth(generator):
    gate = L.Gate()
    assert gate.nonlinearity is sigmoid
    assert L.Gate(nonlinearity=None).nonlinearity is linear
    assert not hasattr(L.Gate(W_cell=None), "W_cell")
    layer = L.LSTMLayer((2, 3, 40), 50)
    assert layer.nonlinearity_cell is tanh
    assert layer.nonlinearity_outgate is sigmoid
    for name in ("W_in_to_cell", "W_hid_to_outgate", "W_cell_to_ingate"):
        assert getattr(layer, name).get_value().std() == pytest.approx(0.1, rel=0.3)
    assert not layer.b_cell.get_value().any()
    assert L.GRULayer((2, 3, 4), 5).nonlinearity_hid is tanh


def test_gates_of_other_nonlinearities(generator, run_layer):
    x = generator.randn(2, 4, 3)
    odd = [L.Gate(nonlinearity=f) for f in (tanh, rectify, None, sigmoid)]
    layer = L.LSTMLayer((None, None, 3), 4, *odd, nonlinearity=None)
    np.testing.assert_allclose(run_layer(layer, x), oracles.lstm(layer, x), atol=1e-14)
    layer = L.GRULayer((None, None, 3), 4, *odd[1:])
    np.testing.assert_allclose(run_layer(layer, x), oracles.gru(layer, x), atol=1e-14)


@pytest.mark.parametrize("peepholes", [True, False])
def test_peepholes(peepholes, generator, run_layer):
    x = generator.randn(2, 4, 3)
    strong = L.Gate(W_cell=nn.init.Normal(2.0))
    layer = L.LSTMLayer(
        (None, None, 3), 4, strong, strong, outgate=strong, peepholes=peepholes
    )
    np.testing.assert_allclose(run_layer(layer, x), oracles.lstm(layer, x), atol=1e-14)
    layer.peepholes = False  # the same weights without them
    assert np.allclose(run_layer(layer, x), oracles.lstm(layer, x))


@pytest.mark.parametrize("place", [0, 1, 3])
def test_peepholes_need_weights_from_the_cell(place):
    name = ("ingate", "forgetgate", "cell", "outgate")[place]
    closed = {name: L.Gate(W_cell=None)}
    with pytest.raises(ArgumentError, match=f"{name} has W_cell=None; peepholes need"):
        L.LSTMLayer((2, 3, 4), 5, **closed)
    assert L.LSTMLayer((2, 3, 4), 5, peepholes=False, **closed).num_units == 5


def test_an_open_gate_passes_the_input_through(generator, run_layer):
    """Input and output gates open, forget gate shut: h[t] = x[t]."""
    zero, one, shut = (nn.init.Constant(v) for v in (0.0, 1.0, -1e3))
    open_gate = L.Gate(zero, zero, zero, one, None)
    closed = L.Gate(zero, zero, zero, shut)
    cell = L.Gate(np.eye(3), zero, None, zero, None)
    layer = L.LSTMLayer(
        (None, None, 3), 3, open_gate, closed, cell, open_gate, nonlinearity=None
    )
    x = generator.randn(2, 4, 3)
    np.testing.assert_allclose(run_layer(layer, x), x, atol=1e-14)
    update = L.Gate(np.eye(3), zero, None, zero, None)
    gru = L.GRULayer((None, None, 3), 3, closed, open_gate, update)
    np.testing.assert_allclose(run_layer(gru, x), x, atol=1e-14)


def test_weights_of_gates_can_be_shared():
    first = L.LSTMLayer((2, 3, 4), 5, peepholes=False)
    gate = L.Gate(first.W_in_to_ingate, first.W_hid_to_ingate, b=first.b_ingate)
    second = L.GRULayer((2, 3, 4), 5, resetgate=gate)
    both = L.ConcatLayer([L.FlattenLayer(first), L.FlattenLayer(second)])
    assert second.W_in_to_resetgate is first.W_in_to_ingate
    assert len(L.get_all_params(both)) == 14 + 10 - 3


def test_each_step_has_one_product_with_the_state():
    for make in (L.LSTMLayer, L.GRULayer):
        layer = make(L.InputLayer((None, None, 4)), 5)
        out = L.get_output(layer)
        loops = [n for n in _nodes(out) if n.op.name == "scan"]
        assert len(loops) == 1
        inner = [n.op.name for n in _nodes(*loops[0].op.inner.outputs)]
        assert inner.count("dot") == 1
        assert "concatenate" not in inner


def _nodes(*variables):
    return list(applies(list(variables)))


def test_the_state_is_typed_by_units():
    layer = L.GRULayer(L.InputLayer((None, 7, 4), T.dtensor3("x")), 5)
    out = L.get_output(layer)
    assert out.type.shape[2] == 5
