"""Networks from layers, under Lasagne's names.

``layers`` stack expressions and hold parameters, ``init`` gives their first values,
``nonlinearities``, ``objectives`` and ``regularization`` are functions of expressions,
``updates`` turns a loss into the updates of a training step, ``random`` holds the
generator that initial values come from, ``utils`` has small tools.
"""

from symgraph.nn import (
    init,
    layers,
    nonlinearities,
    objectives,
    random,
    regularization,
    updates,
    utils,
)

__all__ = [
    "init",
    "layers",
    "nonlinearities",
    "objectives",
    "random",
    "regularization",
    "updates",
    "utils",
]
