"""The generator of initial weights and of seeds."""

import numpy as np

from symgraph import nn


def test_the_generator_that_was_set_is_used():
    nn.random.set_rng(np.random.RandomState(7))
    first = nn.init.Normal()((3,))
    nn.random.set_rng(np.random.RandomState(7))
    assert np.array_equal(first, nn.init.Normal()((3,)))


def test_numpys_global_generator_is_the_default():
    nn.random.set_rng(None)
    state = np.random.get_state()
    try:
        np.random.seed(3)
        first = nn.init.Uniform()((3,))
        np.random.seed(3)
        assert np.array_equal(first, nn.init.Uniform()((3,)))
    finally:
        np.random.set_state(state)


def test_a_new_style_generator_serves_every_initializer_and_noise():
    nn.random.set_rng(np.random.default_rng(5))
    for initializer in (
        nn.init.Normal(),
        nn.init.Uniform(),
        nn.init.Sparse(0.5),
        nn.init.Orthogonal(),
    ):
        assert initializer((4, 4)).shape == (4, 4)
    assert nn.layers.DropoutLayer((None, 3)).p == 0.5


def test_seeds_are_in_range_and_differ():
    seeds = [nn.random.draw_seed() for _ in range(100)]
    assert len(set(seeds)) == 100
    assert all(1 <= seed <= nn.random.LAST_SEED for seed in seeds)
