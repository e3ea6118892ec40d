"""Batch normalization: samples, and what it is for."""

import numpy as np
import pytest
from family_checks import cases, check_error, check_gradient, check_value
from samples import Sample
from samples_normalization import ORACLES, SAMPLES

import symgraph.tensor as T
from symgraph.backends.reference import evaluate


@pytest.mark.parametrize("name,sample", cases(SAMPLES, lambda s: s.error is None))
def test_the_value_is_the_formulas(name: str, sample: Sample) -> None:
    check_value(name, sample, ORACLES[name])


@pytest.mark.parametrize("name,sample", cases(SAMPLES, lambda s: s.gradient))
def test_the_gradient_is_the_numeric_derivative(name: str, sample: Sample) -> None:
    check_gradient(name, sample)


@pytest.mark.parametrize("name,sample", cases(SAMPLES, lambda s: s.error is not None))
def test_a_wrong_call_raises_its_named_error(name: str, sample: Sample) -> None:
    check_error(name, sample)


def test_a_normalized_batch_has_mean_beta_and_deviation_gamma() -> None:
    x, gamma, beta = T.dmatrix("x"), T.dvector("gamma"), T.dvector("beta")
    out, *_ = T.nnet.batch_normalization_train(x, gamma, beta, epsilon=0)
    value = np.random.default_rng(0).normal(3, 5, (50, 2))
    (found,) = evaluate(
        [out], {x: value, gamma: np.array([1.0, 2.0]), beta: np.ones(2)}
    )
    np.testing.assert_allclose(found.mean(0), [1, 1])
    np.testing.assert_allclose(found.std(0), [1, 2])
