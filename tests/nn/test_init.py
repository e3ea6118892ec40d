"""Initialisers: statistics, exact ranges, dtypes, shapes that do not fit."""

import math

import numpy as np
import pytest
from scipy.stats import truncnorm

from symgraph import config
from symgraph.errors import ArgumentError, ShapeError
from symgraph.nn import init
from symgraph.nn import random as nn_random

SHAPE = (300, 200)


def close_to(found, expected):
    return found == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("floatX", ["float32", "float64"])
@pytest.mark.parametrize(
    "make",
    [
        init.Constant, init.Normal, init.Uniform, init.GlorotNormal, init.GlorotUniform,
        init.HeNormal, init.HeUniform, init.Sparse, init.Orthogonal,
        init.TruncatedNormal, init.VarianceScaling,
    ],
)  # fmt: skip
def test_samples_have_the_shape_and_floatX(make, floatX):
    with config.override(floatX=floatX):
        made = make()((5, 4))
    assert made.shape == (5, 4)
    assert made.dtype == floatX


def test_a_subclass_defines_only_sample():
    class Two(init.Initializer):
        def sample(self, shape):
            return np.full(shape, 2.0)

    assert Two()((2, 1)).tolist() == [[2.0], [2.0]]
    with pytest.raises(NotImplementedError, match="Initializer does not define sample"):
        init.Initializer()((2,))


def test_constant_takes_numbers_and_arrays_that_broadcast():
    assert init.Constant(3)((2, 2)).tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert init.Constant([1, 2])((2, 2)).tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_normal_has_its_mean_and_deviation():
    made = init.Normal(std=0.5, mean=3.0)(SHAPE)
    assert made.mean() == pytest.approx(3.0, abs=0.01)
    assert close_to(made.std(), 0.5)


def test_uniform_of_a_number_is_symmetric():
    made = init.Uniform(0.2)(SHAPE)
    assert -0.2 <= made.min() < -0.199
    assert 0.199 < made.max() <= 0.2


def test_uniform_of_a_pair_is_that_range():
    made = init.Uniform((1.0, 3.0))(SHAPE)
    assert 1.0 <= made.min() < 1.01
    assert 2.99 < made.max() <= 3.0


def test_uniform_of_a_deviation_has_it():
    made = init.Uniform(std=0.5, mean=-1.0)(SHAPE)
    assert close_to(made.std(), 0.5)
    assert made.mean() == pytest.approx(-1.0, abs=0.01)
    assert abs(made + 1).max() <= math.sqrt(3) * 0.5


@pytest.mark.parametrize("make", [init.GlorotNormal, init.GlorotUniform])
@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((300, 200), {}, math.sqrt(2 / 500)),
        ((300, 200), {"gain": 3}, 3 * math.sqrt(2 / 500)),
        ((300, 200), {"gain": "relu"}, math.sqrt(2) * math.sqrt(2 / 500)),
        ((40, 30, 5, 4), {}, math.sqrt(2 / (70 * 20))),
        ((30, 5, 4, 40), {"c01b": True}, math.sqrt(2 / (70 * 20))),
    ],
)
def test_glorot_deviation(make, shape, options, expected):
    made = make(**options)(shape)
    assert close_to(made.std(), expected)
    assert abs(made.mean()) < 0.05 * expected


@pytest.mark.parametrize("make", [init.HeNormal, init.HeUniform])
@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((300, 200), {}, math.sqrt(1 / 300)),
        ((300, 200), {"gain": "relu"}, math.sqrt(2 / 300)),
        ((40, 30, 5, 4), {}, math.sqrt(1 / 600)),
        ((30, 5, 4, 40), {"c01b": True}, math.sqrt(1 / 600)),
    ],
)
def test_he_deviation(make, shape, options, expected):
    assert close_to(make(**options)(shape).std(), expected)


def test_uniform_variants_stay_within_sqrt_3_deviations():
    assert abs(init.GlorotUniform()((300, 200))).max() <= math.sqrt(6 / 500)
    assert abs(init.HeUniform()((300, 200))).max() <= math.sqrt(3 / 300)


def test_sparse_has_a_fixed_number_of_entries_in_each_column():
    made = init.Sparse(sparsity=0.25, std=0.1)((80, 50))
    assert ((made != 0).sum(axis=0) == 20).all()
    assert made[made != 0].std() == pytest.approx(0.1, rel=0.1)
    assert len({tuple(column) for column in (made != 0).T}) > 40  # places differ


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 2, 4)])
def test_orthogonal_rows_or_columns(shape):
    flat = init.Orthogonal()(shape).reshape(shape[0], -1)
    small = flat if flat.shape[0] <= flat.shape[1] else flat.T
    np.testing.assert_allclose(small @ small.T, np.eye(len(small)), atol=1e-6)


def test_orthogonal_gain():
    q = init.Orthogonal(gain="relu")((4, 4))
    np.testing.assert_allclose(q @ q.T, 2 * np.eye(4), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: init.GlorotUniform()((5,)),
            r"GlorotUniform needs .* 2 axes, not \(5,\)",
        ),
        (lambda: init.HeNormal()((5,)), r"HeNormal needs .* not \(5,\)"),
        (lambda: init.GlorotNormal(c01b=True)((5, 3)), r"4 axes, not \(5, 3\)"),
        (lambda: init.HeUniform(c01b=True)((5, 3)), r"4 axes, not \(5, 3\)"),
        (lambda: init.Orthogonal()((5,)), r"Orthogonal needs .* not \(5,\)"),
        (lambda: init.Sparse()((5,)), r"Sparse is for matrices, not for shape \(5,\)"),
    ],
)
def test_shapes_that_do_not_fit(wrong, text):
    with pytest.raises(ShapeError, match=text):
        wrong()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: init.GlorotUniform(gain="elu"), "gain='elu'; give a number or 'relu'"),
        (
            lambda: init.Uniform((1, 2, 3)),
            r"range=\(1, 2, 3\); give a number or a pair",
        ),
        (lambda: init.Sparse(sparsity=1.5), "sparsity=1.5 is not in 0 .. 1"),
    ],
)
def test_arguments_that_do_not_fit(wrong, text):
    with pytest.raises(ArgumentError, match=text):
        wrong()


def test_a_truncated_normal_is_the_normal_between_its_ends():
    made = init.TruncatedNormal(std=0.5, mean=3.0, low=-1.0, high=2.0)(SHAPE)
    assert made.min() >= 2.5
    assert made.max() <= 4.0
    scipy_moments = truncnorm.stats(-1.0, 2.0, loc=3.0, scale=0.5)
    assert close_to(made.mean(), scipy_moments[0])
    assert close_to(made.var(), scipy_moments[1])


def test_a_truncated_normal_takes_a_generator_of_either_kind():
    before = nn_random.get_rng()
    for rng in (np.random.RandomState(3), np.random.default_rng(3)):
        nn_random.set_rng(rng)
        assert abs(init.TruncatedNormal(1.0)((40, 5))).max() <= 2
    nn_random.set_rng(before)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"std": -1}, "must not be negative"), ({"low": 2.0}, "low=2.0, high=2.0"),
     ({"low": 5.0, "high": 9.0}, "0.001 of all")],
)  # fmt: skip
def test_a_truncated_normal_refuses(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        init.TruncatedNormal(**arguments)


@pytest.mark.parametrize("distribution", init.VarianceScaling.DISTRIBUTIONS)
@pytest.mark.parametrize(
    ("mode", "matrix", "filters"),
    [("fan_in", 300, 60 * 9), ("fan_out", 200, 50 * 9), ("fan_avg", 250, 55 * 9)],
)
def test_variance_scaling(distribution, mode, matrix, filters):
    for shape, n in ((SHAPE, matrix), ((50, 60, 3, 3), filters)):
        made = init.VarianceScaling(2.0, mode, distribution)(shape)
        assert close_to(made.std(), math.sqrt(2.0 / n))
        assert abs(made.mean()) < 0.01


@pytest.mark.parametrize(
    "arguments", [{"scale": 0}, {"mode": "fan"}, {"distribution": "normal"}]
)
def test_variance_scaling_refuses(arguments):
    (name,) = arguments
    with pytest.raises(ArgumentError, match=f"VarianceScaling: {name}="):
        init.VarianceScaling(**arguments)
    with pytest.raises(ShapeError, match="at least 2 axes"):
        init.VarianceScaling()((3,))
