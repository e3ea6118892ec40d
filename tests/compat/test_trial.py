"""Test values: expressions are tried on examples while they are built."""

import numpy as np
import pytest

from symgraph.errors import ConfigError, MissingTestValueError, SymgraphWarning


@pytest.fixture
def on(theano):
    with theano.config.change_flags(compute_test_value="raise"):
        yield theano
    assert theano.config.compute_test_value == "off"


def test_every_expression_has_the_value_that_its_inputs_give(on):
    x, w = on.tensor.dvector("x"), on.shared(2.0)
    x.tag.test_value = np.array([1.0, 2.0])
    out = (x * w).sum() + 1
    assert out.tag.test_value == 7
    assert on.gof.op.get_test_value(out) == 7
    assert on.gof.op.get_test_value(on.tensor.constant(3)) == 3
    assert on.grad(out, x).tag.test_value.tolist() == [2, 2]
    assert on.function([x], out)([1.0, 1.0]) == 5


def test_a_mistake_shows_where_it_is_made(on):
    x, y = on.tensor.dvectors("x", "y")
    x.tag.test_value, y.tag.test_value = np.ones(2), np.ones(3)
    with pytest.raises(ValueError, match=r"2|3"):
        x + y


def test_a_missing_value_is_told_as_the_flag_says(theano):
    x = theano.tensor.dvector("x")
    change = theano.config.change_flags
    with (
        change(compute_test_value="raise"),
        pytest.raises(MissingTestValueError, match="x"),
    ):
        x + 1
    with (
        change(compute_test_value="warn"),
        pytest.warns(SymgraphWarning, match="no test value"),
    ):
        x + 1
    with change(compute_test_value="ignore"):
        assert not hasattr((x + 1).tag, "test_value")
    with pytest.raises(theano.gof.utils.TestValueError):
        theano.gof.op.get_test_value(x)
    with pytest.raises(ConfigError, match="sometimes"):
        theano.config.compute_test_value = "sometimes"


def test_loops_have_values_too(on):
    x = on.tensor.dvector("x")
    x.tag.test_value = np.array([1.0, 2.0, 3.0])
    out, _ = on.scan(lambda e, total: total + e, x, on.tensor.constant(0.0), n_steps=3)
    assert out.tag.test_value.tolist() == [1, 3, 6]
    (a, b), _ = on.map(lambda e: [e, -e], x)
    assert (a.tag.test_value + b.tag.test_value).tolist() == [0, 0, 0]
    assert on.ifelse.ifelse(x[0] > 0, x, -x).tag.test_value.tolist() == [1, 2, 3]
    slope = on.gradient.jacobian(x**2, x)
    assert slope.tag.test_value.tolist() == np.diag([2.0, 4, 6]).tolist()


def test_values_take_the_dtype_of_their_variables(on):
    x = on.tensor.fvector("x")
    x.tag.test_value = np.array([0.1, 0.2])
    assert (x * 2).tag.test_value.dtype == "float32"
