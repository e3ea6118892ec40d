"""Whole networks: order of layers, outputs, shapes, parameters and their values."""

import warnings

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.errors import (
    ArgumentError,
    InputError,
    MissingInputError,
    ShapeError,
    SymgraphWarning,
)
from symgraph.nn.layers import (
    ConcatLayer,
    DenseLayer,
    DropoutLayer,
    ElemwiseSumLayer,
    GaussianNoiseLayer,
    InputLayer,
    NonlinearityLayer,
    count_params,
    get_all_layers,
    get_all_param_values,
    get_all_params,
    get_output,
    get_output_shape,
    set_all_param_values,
)


@pytest.fixture
def diamond():
    """x feeds a and b; both feed the sum."""
    x = InputLayer((None, 4), T.dmatrix("x"))
    a, b = DenseLayer(x, 3, name="a"), DenseLayer(x, 3, name="b")
    return x, a, b, ElemwiseSumLayer([a, b])


# --- order ---


def test_layers_come_after_those_that_feed_them(diamond):
    x, a, b, out = diamond
    assert get_all_layers(out) == [x, a, b, out]
    assert get_all_layers([b, a]) == [x, b, a]
    assert get_all_layers([a, out]) == [x, a, b, out]
    assert get_all_layers(x) == [x]


def test_layers_treated_as_inputs_are_not_followed(diamond):
    x, a, b, out = diamond
    assert get_all_layers(out, treat_as_input=[a, b]) == [a, b, out]
    assert get_all_layers(out, treat_as_input=[b]) == [x, a, b, out]
    assert get_all_layers(out, treat_as_input=[out]) == [out]


def test_a_layer_made_from_a_shape_begins_a_network():
    layer = DenseLayer((None, 4), 3)
    assert get_all_layers(layer) == [layer]


def test_a_deep_network_needs_no_recursion():
    layer = bottom = InputLayer((None, 1))
    for _ in range(3000):
        layer = NonlinearityLayer(layer, None)
    assert len(get_all_layers(layer)) == 3001
    assert get_output(layer) is bottom.input_var


# --- outputs ---


def test_output_of_one_layer_and_of_several(diamond, value):
    x, a, b, out = diamond
    array = np.random.RandomState(0).randn(5, 4)
    expected = [np.maximum(array @ layer.W.get_value(), 0) for layer in (a, b)]
    given = {x.input_var: array}
    np.testing.assert_allclose(value(get_output(out), given), sum(expected))
    outputs = get_output([a, b])
    assert isinstance(outputs, list)
    for found, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(value(found, given), wanted)


def test_input_may_be_an_expression_or_an_array(diamond, value):
    x, a, _, _ = diamond
    array = np.random.RandomState(0).randn(5, 4)
    wanted = np.maximum(2 * array @ a.W.get_value(), 0)
    np.testing.assert_allclose(
        value(get_output(a, x.input_var * 2), {x.input_var: array}), wanted
    )
    np.testing.assert_allclose(value(get_output(a, 2 * array)), wanted)


def test_inputs_may_be_a_dictionary_of_any_layers(diamond, value):
    x, a, b, out = diamond
    array = np.random.RandomState(0).randn(5, 4)
    found = get_output(out, {a: np.ones((5, 3)), x: array})
    np.testing.assert_allclose(value(found), 1 + np.maximum(array @ b.W.get_value(), 0))
    found = get_output(out, {a: np.ones((5, 3)), b: np.ones((5, 3))})
    assert (value(found) == 2).all()
    assert value(get_output(a, {a: np.zeros((2, 3))})).shape == (2, 3)


def test_a_layer_that_several_need_is_computed_once(value):
    x = InputLayer((None, 50))
    noise = DropoutLayer(x)
    both = get_output([noise, NonlinearityLayer(noise, None)], np.ones((4, 50)))
    assert both[0] is both[1]
    again = get_output(noise, np.ones((4, 50)))
    assert (value(both[0]) != value(again)).any()


def test_one_expression_for_two_inputs():
    out = ConcatLayer([InputLayer((None, 2)), InputLayer((None, 3))])
    with pytest.raises(
        ArgumentError, match=r"one expression .* 2 input layers; pass a"
    ):
        get_output(out, T.matrix())
    with pytest.raises(ArgumentError, match=r"one shape .* 2 input layers; pass a"):
        get_output_shape(out, (None, 2))


def test_a_layer_that_nothing_feeds():
    layer = DenseLayer((None, 4), 3, name="free")
    text = r"<DenseLayer 'free'> was made from a shape.* dictionary layer → "
    with pytest.raises(MissingInputError, match=text + "expression"):
        get_output(layer)
    with pytest.raises(MissingInputError, match=text + "shape"):
        get_output_shape([layer, layer], (None, 4))
    assert get_output(layer, {None: T.matrix("x")}).type.shape == (None, 3)


def test_an_unknown_keyword_gives_a_warning_with_the_nearest(diamond):
    _, _, _, out = diamond
    with pytest.warns(SymgraphWarning, match=r"determinstic \(perhaps you meant det"):
        get_output(out, determinstic=True)
    with pytest.warns(SymgraphWarning, match="keyword\\(s\\) qqq$"):
        get_output(out, qqq=1)


def test_keywords_that_a_layer_knows_give_no_warning(diamond):
    _, _, _, out = diamond

    class Switched(NonlinearityLayer):
        def get_output_for(self, input, twice=False, **kwargs):
            return input * (2 if twice else 1) + kwargs.get("more", 0)

    layer = Switched(out)
    layer.get_output_kwargs.append("more")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_output(layer, deterministic=True, twice=True, more=3)


# --- shapes ---


def test_output_shapes(diamond):
    x, a, _, out = diamond
    assert get_output_shape(out) == (None, 3)
    assert get_output_shape([x, a]) == [(None, 4), (None, 3)]
    assert get_output_shape(out, (7, 4)) == (7, 3)
    assert get_output_shape([a, out], {x: (7, 4)}) == [(7, 3), (7, 3)]
    assert get_output_shape(out, {}) == (None, 3)


# --- parameters ---


def test_parameters_of_a_network_come_once_and_in_order(diamond):
    _, a, b, out = diamond
    assert get_all_params(out) == [a.W, a.b, b.W, b.b]
    assert get_all_params(out, regularizable=True) == [a.W, b.W]
    assert get_all_params(out, regularizable=False) == [a.b, b.b]
    shared = DenseLayer(a, 3, W=sg.shared(np.ones((3, 3))), b=a.b)
    assert get_all_params(shared) == [a.W, a.b, shared.W]


def test_count_params(diamond):
    *_, out = diamond
    assert count_params(out) == 2 * (4 * 3 + 3)
    assert count_params(out, regularizable=True) == 24


def test_values_can_be_taken_and_put_back(diamond):
    *_, out = diamond
    values = get_all_param_values(out)
    assert [v.shape for v in values] == [(4, 3), (3,), (4, 3), (3,)]
    set_all_param_values(out, [v + 1 for v in values])
    for now, before in zip(get_all_param_values(out), values, strict=True):
        assert np.array_equal(now, before + 1)
    values[0][:] = 99  # a copy
    assert (get_all_param_values(out)[0] != 99).all()
    set_all_param_values(out, values[::2], regularizable=True)
    assert (get_all_param_values(out)[0] == 99).all()


def test_values_that_do_not_fit_change_nothing(diamond):
    *_, out = diamond
    values = get_all_param_values(out)
    with pytest.raises(ArgumentError, match="3 values for 4 parameters"):
        set_all_param_values(out, values[:3])
    wrong = [np.zeros_like(v) for v in values[:3]] + [np.zeros(5)]
    with pytest.raises(ShapeError, match=r"shape \(5,\) for .* shape \(3,\)\n  b\.b :"):
        set_all_param_values(out, wrong)
    for now, before in zip(get_all_param_values(out), values, strict=True):
        assert np.array_equal(now, before)
    with pytest.raises(InputError, match="imaginary"):
        set_all_param_values(out, [v * 1j for v in values])


# --- all of it ---


def test_a_network_learns(value):
    generator = np.random.RandomState(0)
    inputs = generator.randn(60, 2).astype("float32")
    labels = (inputs[:, 0] * inputs[:, 1] > 0).astype("int32")
    x, y = T.fmatrix("x"), T.ivector("y")
    with sg.config.override(floatX="float32"):
        layer = DenseLayer(
            InputLayer((None, 2), x), 16, nonlinearity=nn.nonlinearities.tanh
        )
        layer = GaussianNoiseLayer(layer, 0.01)
        out = DenseLayer(layer, 2, nonlinearity=nn.nonlinearities.softmax)
        loss = nn.objectives.categorical_crossentropy(get_output(out), y).mean()
        loss = loss + 1e-4 * nn.regularization.regularize_network_params(
            out, nn.regularization.l2
        )
        params = get_all_params(out, trainable=True)
        train = sg.function([x, y], loss, updates=nn.updates.adam(loss, params, 0.05))
    first = float(train(inputs, labels))
    for _ in range(150):
        last = float(train(inputs, labels))
    assert 0.6 < first < 1.0
    assert last < 0.2
    right = nn.objectives.categorical_accuracy(get_output(out, deterministic=True), y)
    assert value(right, {x: inputs, y: labels}).mean() > 0.95
