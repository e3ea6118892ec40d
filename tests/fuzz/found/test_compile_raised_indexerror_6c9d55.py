"""compile: raised IndexError: tuple index out of range."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_compile_raised_indexerror_6c9d55() -> None:
    x1 = T.fvector()
    x2 = T.ftensor4()
    v1 = x1.dimshuffle(0, "x")
    v2 = v1 * 2
    v3 = v1 + v1
    v4 = v3.sum()
    v5 = T.maximum(v4, x2)
    cost = v5.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, x2], [v2, g_x1])
    found = f(
        np.array([-1.0, 1.5, 0.0], "float32"),
        np.array(
            [[[[-0.5, -0.75], [0.0, -0.75]], [[0.75, 0.5], [0.25, -0.25]]]], "float32"
        ),
    )
    wanted = [
        np.array([[-2.0], [3.0], [0.0]], "float32"),
        np.array([16.0, 16.0, 16.0], "float32"),
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
