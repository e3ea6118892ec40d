"""Layer and MergeLayer: parameters, tags, shapes, what is refused."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init
from symgraph.nn.layers import DenseLayer, InputLayer, Layer, MergeLayer


class Double(Layer):
    """Twice the input."""

    def get_output_for(self, input, **kwargs):
        return 2 * input


class Sum(MergeLayer):
    """Sum of the inputs."""

    def get_output_shape_for(self, input_shapes):
        return input_shapes[0]

    def get_output_for(self, inputs, **kwargs):
        return sum(inputs)


def test_a_layer_of_a_user_keeps_the_shape_by_default(run_layer):
    layer = Double(InputLayer((None, 3)))
    assert layer.output_shape == (None, 3)
    assert run_layer(layer, np.ones((2, 3))).tolist() == [[2.0] * 3] * 2


def test_a_merge_layer_of_a_user(run_layer):
    layer = Sum([InputLayer((None, 3)), (None, 3)])
    assert layer.input_shapes == [(None, 3), (None, 3)]
    assert layer.input_layers[1] is None
    assert (run_layer(layer, np.ones((2, 3)), np.ones((2, 3))) == 2).all()


def test_what_a_layer_is_made_from():
    below = InputLayer((None, 3))
    layer = Double(below)
    assert layer.input_layer is below
    assert layer.input_shape == (None, 3)
    assert Double((None, 4)).input_layer is None
    assert Double((None, np.int64(4))).output_shape == (None, 4)


def test_names_of_parameters_have_the_name_of_the_layer_in_front():
    layer = Double((None, 3), name="twice")
    assert layer.add_param(init.Constant(0), (2,), "a").name == "twice.a"
    assert Double((None, 3)).add_param(init.Constant(0), (2,), "a").name == "a"
    assert layer.add_param(init.Constant(0), (2,)).name is None
    assert repr(layer) == "<Double 'twice'>"


def test_parameters_are_found_by_their_tags():
    layer = Double((None, 3))
    a = layer.add_param(init.Constant(0), (2,), "a")
    b = layer.add_param(init.Constant(0), (2,), "b", regularizable=False)
    c = layer.add_param(init.Constant(0), (2,), "c", trainable=False, mine=True)
    assert layer.params[b] == {"trainable"}
    assert layer.get_params() == [a, b, c]
    assert layer.get_params(trainable=True) == [a, b]
    assert layer.get_params(trainable=True, regularizable=True) == [a]
    assert layer.get_params(trainable=False) == [c]
    assert layer.get_params(mine=True) == [c]
    assert layer.get_params(mine=False, regularizable=False) == [b]
    assert layer.get_params(unheard_of=True) == []


def test_parameters_that_are_expressions_unwrap_to_their_shared_variables():
    one, two = (sg.shared(np.ones((3, 2)), name=n) for n in ("one", "two"))
    layer = DenseLayer((None, 3), 2, W=T.exp(two) - one)
    assert layer.get_params() == [two, one, layer.b]
    assert layer.get_params(unwrap_shared=False) == [layer.W, layer.b]
    assert layer.get_params(regularizable=True) == [two, one]


def test_layers_that_share_a_variable_both_have_it():
    first = DenseLayer((None, 3), 2)
    second = DenseLayer((None, 3), 2, W=first.W)
    assert second.W is first.W
    assert second.get_params()[0] is first.get_params()[0]


@pytest.mark.parametrize("shape", [(0, 3), (None, -1)])
def test_extents_must_be_positive(shape):
    with pytest.raises(ShapeError, match=r"<Double>: shape .* must be positive"):
        Double(shape)


@pytest.mark.parametrize("shape", [(None, 2.5), (None, "3"), (True, 3)])
def test_extents_must_be_ints(shape):
    with pytest.raises(ArgumentError, match="use ints, and None for"):
        Double(shape)


def test_an_incoming_that_is_no_layer():
    with pytest.raises(
        ArgumentError, match="<DenseLayer 'out'>: incoming is a Variable"
    ):
        DenseLayer(T.matrix("x"), 3, name="out")


def test_a_merge_layer_needs_a_list():
    with pytest.raises(ArgumentError, match="takes a list of layers, not the single"):
        Sum(InputLayer((None, 3)))
    with pytest.raises(ArgumentError, match="list of incoming layers is empty"):
        Sum([])


def test_a_symbolic_output_shape_is_refused():
    class Wrong(Layer):
        def get_output_shape_for(self, input_shape):
            return (T.lscalar("n"), 3)

    with pytest.raises(ShapeError, match="returned the symbolic shape"):
        _ = Wrong((None, 3)).output_shape


def test_methods_that_a_layer_must_define():
    with pytest.raises(NotImplementedError, match="Layer has no get_output_for"):
        Layer((None, 3)).get_output_for(T.matrix())
    with pytest.raises(NotImplementedError, match="has no get_output_shape_for"):
        _ = MergeLayer([(None, 3)]).output_shape
    with pytest.raises(NotImplementedError, match="MergeLayer has no get_output_for"):
        MergeLayer([(None, 3)]).get_output_for([T.matrix()])
