"""EmbeddingLayer: rows, their gradients, bad indices."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.errors import DtypeError, IndexRangeError
from symgraph.nn.layers import EmbeddingLayer, InputLayer, get_output


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 2)])
def test_rows_of_the_weights(shape, run_layer, generator):
    layer = EmbeddingLayer((None,) * len(shape), 10, 4)
    words = generator.randint(0, 10, shape).astype("int32")
    assert np.array_equal(run_layer(layer, words), layer.W.get_value()[words])


def test_gradients_add_up_where_a_row_is_used_twice(check_gradients):
    words = np.array([[1, 3], [1, 0]], "int32")
    check_gradients(EmbeddingLayer((None, 2), 4, 3), words)


def test_an_index_that_is_too_large():
    words = T.ivector("words")
    layer = EmbeddingLayer(InputLayer((None,), words), 10, 4)
    f = sg.function([words], get_output(layer))
    assert f(np.array([9], "int32")).shape == (1, 4)
    with pytest.raises(IndexRangeError):
        f(np.array([10], "int32"))


def test_floats_are_no_words():
    layer = EmbeddingLayer(InputLayer((None, 3)), 10, 4, name="words")
    with pytest.raises(DtypeError, match=r"'words'>: the input must hold integers"):
        get_output(layer)
