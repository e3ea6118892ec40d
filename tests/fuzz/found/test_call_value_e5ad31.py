"""call: value: g_w1."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_e5ad31() -> None:
    w1 = sg.shared(np.array([0.21]))
    v1 = T.cast(T.abs(w1).max(), "int64")
    v2 = T.set_subtensor(w1[v1:], w1)
    v3 = v2.reshape((1, -1))
    v4 = T.cast((w1 > 0.3).any(), "int64")
    cost = v3.sum()
    [g_w1] = sg.grad(cost, [w1], disconnected_inputs="ignore")
    f = sg.function([], [v4, g_w1])
    found = f()
    wanted = [np.array(0, "int64"), np.array([1.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
