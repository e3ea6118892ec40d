"""Two thousand random graphs: compiled results agree with the reference.

Ten graphs are outputs of one function, so that 200 functions are compiled. Part of them
is differentiated. A failure names the seed; `random_graphs.make(seed)` builds it again.
"""

import numpy as np
import pytest
from random_graphs import Made, make

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable

GRAPHS = 2000
GROUP = 10
CHUNK = 100
RELATIVE = {"float32": 3e-4, "float64": 1e-9}


def check(graphs: list[Made], gradients: bool = False) -> int:
    """Compile the graphs as one function and compare all results; returns how many."""
    values: dict[Variable, np.ndarray] = {}
    owner: list[Made] = []
    outputs: list[Variable] = []
    updates: list[tuple[Variable, Variable]] = []
    for made in graphs:
        values.update(made.values)
        found = made.outputs + (slopes(made) if gradients else [])
        outputs += found
        owner += [made] * len(found)
        updates += made.updates
    owner += [made for made in graphs for _ in made.updates]
    roots = [*outputs, *(new for _, new in updates)]
    with np.errstate(all="ignore"):
        wanted = [np.array(a) for a in evaluate(roots, values)]
    compiled = sg.function(
        list(values), outputs, updates=updates, on_unused_input="ignore"
    )
    given = {v: a.copy() for v, a in values.items()}
    got = compiled(*given.values())
    got += [shared.get_value() for shared, _ in updates]
    for made, root, want, have in zip(owner, roots, wanted, got, strict=True):
        note = f"seed {made.seed}, {root!r}"
        assert have.shape == want.shape, note
        assert have.dtype == want.dtype, note
        bound = RELATIVE[want.dtype.name]
        scale = max(made.scale, float(np.abs(want).max()) if want.size else 0.0)
        np.testing.assert_allclose(have, want, bound, bound * scale, err_msg=note)
    for v, a in values.items():
        assert np.array_equal(given[v], a), f"input {v!r} was written to"
    return len(roots)


def slopes(made: Made) -> list[Variable]:
    """Gradients of a scalar made of all outputs, with respect to all leaves."""
    cost = sum(T.sum(T.sin(v)) for v in made.outputs)
    leaves = [v for v in made.values if v.type.dtype.startswith("float")]
    leaves += [shared for shared, _ in made.updates]
    return sg.grad(cost, leaves, disconnected_inputs="ignore")


@pytest.mark.parametrize("first", range(0, GRAPHS, CHUNK))
def test_compiled_graphs_agree_with_the_reference(first: int) -> None:
    count = 0
    for start in range(first, first + CHUNK, GROUP):
        count += check([make(seed, steps=6) for seed in range(start, start + GROUP)])
    assert count >= CHUNK


@pytest.mark.parametrize("first", range(100_000, 100_060, 10))
def test_compiled_gradients_agree_with_the_reference(first: int) -> None:
    graphs = [make(seed, steps=6) for seed in range(first, first + 10)]
    for start in (0, 5):
        check(graphs[start : start + 5], gradients=True)


def test_a_long_graph_agrees_with_the_reference() -> None:
    check([make(7, steps=60)])


def test_a_seed_gives_the_same_graph_again() -> None:
    first, second = make(11), make(11)
    for a, b in zip(first.values.values(), second.values.values(), strict=True):
        assert np.array_equal(a, b)
    one = sg.function(list(first.values), first.outputs, on_unused_input="ignore")
    other = sg.function(list(second.values), second.outputs, on_unused_input="ignore")
    assert one.graph == other.graph
