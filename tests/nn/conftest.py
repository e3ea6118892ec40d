"""Fixtures of the tests of nn: a fixed generator, values of layers, their gradients."""

import numpy as np
import pytest

import symgraph.tensor as T
from symgraph import nn
from symgraph.autodiff.reverse import grad
from symgraph.backends.reference import evaluate


@pytest.fixture(autouse=True)
def generator():
    """A seeded generator for the test; the one before comes back afterwards."""
    before = nn.random._rng
    made = np.random.RandomState(1234)
    nn.random.set_rng(made)
    yield made
    nn.random.set_rng(before)


@pytest.fixture
def value():
    """Value of an expression, by the reference backend."""

    def value_of(expression, values=None):
        return evaluate([T.as_tensor_variable(expression)], values or {})[0]

    return value_of


def _inputs(layer, arrays):
    """Variables whose extents are not known, their values, what get_output_for takes."""
    variables = [
        T.TensorType(str(a.dtype), (None,) * a.ndim)(f"x{i}")
        for i, a in enumerate(arrays)
    ]
    given = dict(zip(variables, arrays, strict=True))
    merges = isinstance(layer, nn.layers.MergeLayer)
    return given, variables if merges else variables[0]


@pytest.fixture
def run_layer():
    """Value of a layer for arrays; its shape must be what the layer says of it."""

    def run(layer, *arrays, **kwargs):
        given, taken = _inputs(layer, arrays)
        out = layer.get_output_for(taken, **kwargs)
        (found,) = evaluate([out], given)
        shapes = [a.shape for a in arrays]
        merges = isinstance(layer, nn.layers.MergeLayer)
        told = layer.get_output_shape_for(shapes if merges else shapes[0])
        assert found.shape == told
        assert out.ndim == len(layer.output_shape)
        for actual, promised in zip(found.shape, layer.output_shape, strict=True):
            assert promised is None or promised == actual
        return found

    return run


@pytest.fixture
def check_gradients():
    """Gradients of a weighted sum of a layer's output against central differences."""

    def check(layer, *arrays, step=1e-6):
        given, taken = _inputs(layer, arrays)
        out = layer.get_output_for(taken)
        weights = np.cos(np.arange(evaluate([out], given)[0].size))
        shape = evaluate([out], given)[0].shape
        cost = T.sum(out * T.constant(weights.reshape(shape)))
        params = layer.get_params()
        assert params
        for param, found in zip(
            params, evaluate(grad(cost, params), given), strict=True
        ):
            start = param.get_value()
            expected = np.empty_like(start)
            for place in np.ndindex(start.shape):
                ends = []
                for sign in (1, -1):
                    moved = start.copy()
                    moved[place] += sign * step
                    param.set_value(moved)
                    ends.append(float(evaluate([cost], given)[0]))
                expected[place] = (ends[0] - ends[1]) / (2 * step)
            param.set_value(start)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)

    return check
