"""Nonlinearities against NumPy, with any rank and both float dtypes."""

import numpy as np
import pytest
from scipy.stats import norm

import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.nn import nonlinearities as nl

CASES = {
    "sigmoid": (nl.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "softmax": (
        nl.softmax,
        lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
    ),
    "tanh": (nl.tanh, np.tanh),
    "scaled_tanh": (
        nl.ScaledTanH(scale_in=2 / 3, scale_out=1.7159),
        lambda x: 1.7159 * np.tanh(x * 2 / 3),
    ),
    "rectify": (nl.rectify, lambda x: np.maximum(x, 0)),
    "leaky_rectify": (nl.leaky_rectify, lambda x: np.where(x > 0, x, 0.01 * x)),
    "very_leaky_rectify": (nl.very_leaky_rectify, lambda x: np.where(x > 0, x, x / 3)),
    "leaky_0.2": (nl.LeakyRectify(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    "leaky_0": (nl.LeakyRectify(0), lambda x: np.maximum(x, 0)),
    "elu": (nl.elu, lambda x: np.where(x > 0, x, np.exp(x) - 1)),
    "selu": (
        nl.selu,
        lambda x: (
            1.0507009873554805
            * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1))
        ),
    ),
    "SELU": (
        nl.SELU(scale=2, scale_neg=3),
        lambda x: 2 * np.where(x > 0, x, 3 * (np.exp(x) - 1)),
    ),
    "softplus": (nl.softplus, lambda x: np.log1p(np.exp(x))),
    "log_softmax": (
        nl.log_softmax,
        lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True)),
    ),
    "softsign": (nl.softsign, lambda x: x / (1 + abs(x))),
    "gelu": (nl.gelu, lambda x: x * norm.cdf(x)),
    "gelu_tanh": (
        nl.gelu_tanh,
        lambda x: x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
    ),
    "silu": (nl.silu, lambda x: x / (1 + np.exp(-x))),
    "mish": (nl.mish, lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "relu6": (nl.relu6, lambda x: np.minimum(np.maximum(x, 0), 6)),
    "hard_sigmoid": (nl.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "hard_tanh": (nl.hard_tanh, lambda x: np.clip(x, -1, 1)),
    "hard_swish": (nl.hard_swish, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "linear": (nl.linear, lambda x: x),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_value_and_dtype(case, dtype, value):
    symbolic, numeric = CASES[case]
    array = np.random.RandomState(0).randn(3, 2, 5).astype(dtype)
    x = T.TensorType(dtype, (None, None, None))("x")
    out = symbolic(x)
    assert out.dtype == dtype
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    found = value(out, {x: array})
    np.testing.assert_allclose(found, numeric(array), rtol=tolerance, atol=1e-7)


@pytest.mark.parametrize("case", [c for c in CASES if "softmax" not in c])
def test_gradient_against_differences(case, value):
    symbolic, _ = CASES[case]
    x = T.dvector("x")
    point, h = np.array([-2.0, -0.3, 0.4, 3.2]), 1e-6
    found = value(grad(T.sum(symbolic(x)), x), {x: point})
    ends = [value(symbolic(x), {x: point + s * h}) for s in (1, -1)]
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * h), rtol=1e-7)


def test_aliases():
    assert nl.identity is nl.linear
    assert nl.ScaledTanh is nl.ScaledTanH
    assert nl.leaky_rectify.leakiness == 0.01
    assert nl.very_leaky_rectify.leakiness == 1 / 3


def test_linear_returns_its_argument():
    x = T.vector("x")
    assert nl.linear(x) is x


def test_softmax_does_not_overflow(value):
    out = value(nl.softmax(np.array([[1000.0, 1000.0]])))
    assert out.tolist() == [[0.5, 0.5]]


def test_settings_may_be_variables(value):
    slope = T.dscalar("slope")
    out = nl.LeakyRectify(slope)(np.array([-2.0, 2.0]))
    assert value(out, {slope: 0.25}).tolist() == [-0.5, 2.0]


def test_gelu_tanh_is_close_to_gelu(value):
    x = T.dvector("x")
    points = np.linspace(-6, 6, 50)
    exact, near = (value(f(x), {x: points}) for f in (nl.gelu, nl.gelu_tanh))
    np.testing.assert_allclose(near, exact, atol=1e-3)


def test_large_inputs_stay_finite(value):
    x = T.fvector("x")
    points = np.float32([-1e4, -100, 100, 1e4])
    for f in (nl.gelu, nl.gelu_tanh, nl.silu, nl.mish, nl.hard_swish):
        for found in (f(x), grad(T.sum(f(x)), x)):
            assert np.isfinite(value(found, {x: points})).all(), f
        np.testing.assert_allclose(value(f(x), {x: points})[2:], points[2:])
