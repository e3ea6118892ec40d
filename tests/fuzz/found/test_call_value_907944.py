"""call: value: v4."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_907944() -> None:
    x1 = T.dvector()
    x2 = T.dmatrix()
    x3 = T.dvector()
    v1 = (x3 > 0).sum()
    v2 = T.set_subtensor(T.zeros_like(x3)[:v1], x1)
    v3 = v2 + x2
    v4 = v3[0]
    f = sg.function([x1, x2, x3], [v4])
    found = f(np.array([1.0]), np.array([[1.0, 2.0]]), np.array([1.0]))
    wanted = [np.array([2.0, 3.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
