"""The random number generator that initial weights and noise layers draw from.

Initialisers sample with it; each noise layer takes one seed from it, for a stream of
its own. It is NumPy's global generator until `set_rng` gives another, so that
``numpy.random.seed(1)`` or ``set_rng(numpy.random.RandomState(1))`` before a network is
declared makes the network reproducible.
"""

from typing import Any

import numpy as np

#: noise layers take their seeds from 1 .. LAST_SEED
LAST_SEED = 2147462578

_rng: Any = None


def get_rng() -> Any:
    """Return the generator in use: a RandomState, Generator, or module numpy.random."""
    return np.random if _rng is None else _rng


def set_rng(new_rng: Any) -> None:
    """Use another generator from now on.

    Parameters
    ----------
    new_rng : numpy.random.RandomState or Generator, or the module numpy.random

    Examples
    --------
    >>> import numpy as np
    >>> from symgraph import nn
    >>> before = nn.random.get_rng()
    >>> nn.random.set_rng(np.random.RandomState(1))
    >>> nn.init.Uniform(1.0)((2,)).round(3).tolist()
    [-0.166, 0.441]
    >>> nn.random.set_rng(before)
    """
    global _rng
    _rng = new_rng


def draw_seed() -> int:
    """Draw a seed for a random stream, 1 .. `LAST_SEED`."""
    rng = get_rng()
    draw = getattr(rng, "integers", None) or rng.randint
    return int(draw(1, LAST_SEED + 1))
