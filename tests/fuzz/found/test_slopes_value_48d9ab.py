"""slopes: value: gradient."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_slopes_value_48d9ab() -> None:
    w1 = T.dmatrix()
    v1 = T.sgn(w1)
    cost = v1.sum()
    [g_w1] = sg.grad(cost, [w1], disconnected_inputs="ignore")
    f = sg.function([w1], [v1, g_w1])
    found = f(np.array([[0.5, 0.0]]))
    wanted = [np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
