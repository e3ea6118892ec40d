"""Inner graphs: equality by structure, application, narrower types, captured leaves."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph.core.inner import Inner, closed
from symgraph.core.types import TensorType
from symgraph.errors import GraphError


def test_equal_structures_are_equal_and_hash_alike() -> None:
    x, y = T.dscalars("x", "y")
    one, other = Inner((x,), (T.tanh(x) * 2,)), Inner((y,), (T.tanh(y) * 2,))
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == repr(other)
    assert one != Inner((x,), (T.tanh(x) * 3,))
    assert one != Inner((x, y), (T.tanh(x) * 2,))


def test_application_replaces_the_inputs() -> None:
    x, y, z = T.dscalars("x", "y", "z")
    (found,) = Inner((x, y), (x - y * y,)).apply([z, T.constant(3.0)])
    assert found.eval({z: 10.0}) == 1.0


def test_reference_computes_the_outputs() -> None:
    x = T.dvector("x")
    found = Inner((x,), (x.sum(), x * 2)).reference([np.array([1.0, 2.0])])
    assert found[0] == 3.0
    np.testing.assert_array_equal(found[1], [2.0, 4.0])


def test_narrower_types_reach_the_outputs() -> None:
    x = T.dmatrix("x")
    inner = Inner((x,), (x * 2,)).narrowed([TensorType("float64", (None, 1))])
    assert inner.outputs[0].type.shape == (None, 1)
    assert inner.narrowed([inner.inputs[0].type]) is inner


def test_outer_leaves_become_inputs() -> None:
    x, w = T.dvectors("x", "w")
    inner, found = closed([x], [x * w])
    assert found == [w]
    assert len(inner.inputs) == 2
    with pytest.raises(GraphError, match="no input of it"):
        Inner((x,), (x * w,))
    with pytest.raises(GraphError, match="twice"):
        Inner((x, x), (x,))
