"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_ac5936() -> None:
    w1 = sg.shared(np.array([1.0, 1.5, -1.5]))
    x1 = T.dmatrix()
    v1 = w1 * 0.5
    v2 = x1 * v1
    f = sg.function([x1], [v2], updates=[(w1, v1)])
    found = f(np.array([[-1.5, 1.5, -1.5], [0.0, 0.0, 0.5], [-1.0, -0.5, -1.5]]))
    wanted = [
        np.array([[-0.75, 1.125, 1.125], [0.0, 0.0, -0.375], [-0.5, -0.375, 1.125]])
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
    np.testing.assert_allclose(w1.get_value(), np.array([0.5, 0.75, -0.75]), 1e-9, 1e-9)
