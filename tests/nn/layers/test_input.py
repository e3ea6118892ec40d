"""InputLayer: its variable and its shape."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import ShapeError
from symgraph.nn.layers import InputLayer, get_output


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_its_own_variable_has_the_shape_and_floatX(dtype):
    with sg.config.override(floatX=dtype):
        layer = InputLayer((None, 3, 8))
    assert layer.input_var.type == T.TensorType(dtype, (None, 3, 8))
    assert layer.input_var.name == "input"
    assert layer.output_shape == layer.shape == (None, 3, 8)
    assert InputLayer((2,), name="images").input_var.name == "images.input"


def test_a_variable_that_is_given_is_used_as_it_is():
    x = T.imatrix("x")
    layer = InputLayer((None, 3), x)
    assert layer.input_var is x
    assert get_output(layer) is x
    assert layer.get_params() == []


def test_an_array_may_be_given():
    layer = InputLayer((2, 3), np.zeros((2, 3)))
    assert layer.input_var.type.shape == (2, 3)


def test_a_variable_of_another_rank():
    with pytest.raises(
        ShapeError, match=r"\(None, 3\) has 2 axes, but .* has 3\n  x :"
    ):
        InputLayer((None, 3), T.tensor3("x"))


def test_a_variable_of_another_extent():
    x = T.matrix("x", shape=(None, 4))
    with pytest.raises(ShapeError, match=r"'in'>: .* extent 3 at axis 1, but .* has 4"):
        InputLayer((None, 3), x, name="in")


@pytest.mark.parametrize("shape", [(0, 3), (-1,)])
def test_extents_must_be_positive(shape):
    with pytest.raises(ShapeError, match=r"<InputLayer>: shape .* must be positive"):
        InputLayer(shape)
