"""``theano.tests.unittest_tools``: seeds for tests.

In: a seed or None. Out: the seed that is used.
"""

import numpy as np

from symgraph.compat.theano.config import config

__all__ = ["fetch_seed", "seed_rng"]


def fetch_seed(pseed: int | None = None) -> int:
    """The seed of ``config.unittests.rseed``, or the given one where that is random."""
    seed = config.unittests.rseed
    return int(pseed or 0) if seed == "random" else int(seed)


def seed_rng(pseed: int | None = None) -> int:
    """Seed NumPy's global generator, as old tests ask."""
    seed = fetch_seed(pseed)
    np.random.seed(seed)
    return seed
