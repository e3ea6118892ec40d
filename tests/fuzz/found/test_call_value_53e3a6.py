"""call: value: g_x1."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_53e3a6() -> None:
    x1 = T.dvector()
    x2 = T.dvector()
    v1 = T.searchsorted(T.sort(x2.flatten()), 0.3)
    v2 = T.set_subtensor(x1[v1:], 0.0)
    cost = v2.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, x2], [v1, g_x1])
    found = f(np.array([1.0]), np.array([1.0]))
    wanted = [np.array(0, "int64"), np.array([0.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
