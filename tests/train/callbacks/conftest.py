"""A small model and its rows, the same in each test."""

import numpy as np
import pytest

import symgraph as sg
from symgraph import nn


@pytest.fixture(autouse=True)
def _single():
    with sg.config.override(floatX="float32"):
        yield
    nn.random.set_rng(np.random)


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    X = random.normal(size=(40, 4))
    return X, (X[:, 0] > 0).astype(int)


@pytest.fixture
def make():
    """Makes a model with dropout; its parameters depend on the seed."""

    def made(seed=0, **settings):
        nn.random.set_rng(np.random.RandomState(seed))
        layer = nn.layers.DenseLayer(nn.layers.InputLayer((None, 4)), 6)
        layer = nn.layers.DropoutLayer(layer, p=0.2)
        layer = nn.layers.DenseLayer(layer, 2, nonlinearity=nn.nonlinearities.softmax)
        return nn.Model(layer, **{"learning_rate": 0.01} | settings)

    return made
