"""Networks from layers, under Lasagne's names.

``layers`` stack expressions and hold parameters, ``init`` gives their first values,
``nonlinearities``, ``objectives`` and ``regularization`` are functions of expressions,
``updates`` turns a loss into the updates of a training step, ``random`` holds the
generator that initial values come from, ``utils`` has small tools. `Model` trains any
stack of layers, `Classifier` and `Regressor` are estimators of scikit-learn's kind; they
live in `symgraph.train` and load when they are first asked for.
"""

import importlib
from typing import Any

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
    "Classifier",
    "Model",
    "Regressor",
    "init",
    "layers",
    "nonlinearities",
    "objectives",
    "random",
    "regularization",
    "updates",
    "utils",
]

#: what loads when it is first asked for: name → module
LATE = {
    "Model": "symgraph.train.model",
    "Classifier": "symgraph.train.estimators",
    "Regressor": "symgraph.train.estimators",
}


def __getattr__(name: str) -> Any:
    """The names in `LATE`, loaded when asked for."""
    if name in LATE:
        return getattr(importlib.import_module(LATE[name]), name)
    raise AttributeError(f"symgraph.nn has no {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
