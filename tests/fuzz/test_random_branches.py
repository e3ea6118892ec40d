"""Random graphs of branches, nested and of different shapes, against the reference."""

from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T

SEEDS = range(16)


def graph(seed: int) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs: vectors of several lengths, chosen by conditions on data."""
    random = np.random.default_rng(seed)
    c, d = T.dscalars("c", "d")
    x, y = T.dvectors("x", "y")
    vectors, scalars = [x, y], [c, d]

    def one() -> Any:
        return vectors[random.integers(len(vectors))]

    def condition() -> Any:
        return [c > 0, d > 0, c * d > 0.1, one().sum() > 0][random.integers(4)]

    for _ in range(random.integers(4, 11)):
        kind, a, b = random.integers(8), one(), one()
        if kind == 0:
            vectors.append(T.concatenate([a, b]))
        elif kind == 1:
            vectors.append(T.tanh(a) * scalars[random.integers(len(scalars))])
        elif kind == 2:
            scalars.append(T.tanh(a.sum()))
        elif kind == 3:
            vectors.append(sg.ifelse(condition(), a, T.tanh(b)))
        elif kind == 4:
            both = [a, scalars[-1]], [T.exp(-b * b), scalars[0] + 1]
            first, second = sg.ifelse(condition(), *both)
            vectors.append(first)
            scalars.append(second)
        elif kind == 5:
            vectors.append(sg.ifelse(condition(), T.concatenate([a, b * 2]), b))
        elif kind == 6:
            vectors.append(T.ones(((a > 0).sum(),)) * 2)
        else:
            vectors.append(sg.ifelse(condition(), T.ones(((a > 0).sum(),)), b))
    cost = T.tanh(vectors[-1]).sum() + scalars[-1]
    slopes = sg.grad(cost, [x, y], disconnected_inputs="ignore")
    outputs = [vectors[-1], scalars[-1], vectors[-1].shape[0], *slopes]
    return [c, d, x, y], outputs


@pytest.mark.parametrize("seed", SEEDS)
def test_compiled_branches_agree_with_the_reference(seed: int) -> None:
    inputs, outputs = graph(seed)
    compiled, reference = (
        sg.function(inputs, outputs, mode=mode, on_unused_input="ignore")
        for mode in ("FAST_RUN", "FAST_COMPILE")
    )
    random = np.random.default_rng(seed)
    for _ in range(4):
        lengths = random.integers(2, 5, 2)
        given = [random.normal(size=s) for s in ((), (), lengths[:1], lengths[1:])]
        for have, want in zip(compiled(*given), reference(*given), strict=True):
            assert have.shape == want.shape
            np.testing.assert_allclose(have, want, 1e-9, 1e-11)
