"""Random graphs and their gradients: the lockstep device agrees with the reference.

SYMGRAPH_LOCKSTEP=all runs 500 of them.
"""

import os

import numpy as np
import pytest
from random_graphs import Made, make

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable

GRAPHS = 500 if os.environ.get("SYMGRAPH_LOCKSTEP") == "all" else 20
RELATIVE = {"float32": 3e-4, "float64": 1e-9}


def slopes(made: Made) -> list[Variable]:
    """Gradients of a scalar made of all outputs, with respect to all inputs."""
    cost = sum(T.sum(T.sin(v)) for v in made.outputs)
    leaves = [v for v in made.values if v.type.dtype.startswith("float")]
    return sg.grad(cost, leaves, disconnected_inputs="ignore")


@pytest.mark.parametrize("first", range(0, GRAPHS, 20))
def test_graphs_and_gradients_agree_with_the_reference(first: int) -> None:
    for seed in range(first, first + 20):
        with sg.config.override(device="lockstep"):
            made = make(seed, steps=6)
        roots = [*made.outputs, *slopes(made)]
        targets = [new for _, new in made.updates]
        with np.errstate(all="ignore"):
            wanted = [np.array(a) for a in evaluate([*roots, *targets], made.values)]
        f = sg.function(
            list(made.values), roots, updates=made.updates, on_unused_input="ignore",
            device="lockstep",
        )  # fmt: skip
        got = f(*made.values.values()) + [s.get_value() for s, _ in made.updates]
        for want, have in zip(wanted, got, strict=True):
            assert (have.dtype, have.shape) == (want.dtype, want.shape), f"seed {seed}"
            bound = RELATIVE[want.dtype.name]
            scale = max(made.scale, float(np.abs(want).max()) if want.size else 0.0)
            np.testing.assert_allclose(
                have, want, bound, bound * scale, err_msg=f"seed {seed}"
            )
