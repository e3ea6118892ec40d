"""call: value: g_w1."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_e957ec() -> None:
    x1 = T.dvector()
    w1 = sg.shared(np.array([1.0, 2.0]))
    v1 = T.tanh(T.dot(x1, w1))
    v2 = T.set_subtensor(x1[::-2], v1 * 2)
    v3 = v2.mean(axis=0, keepdims=True)
    cost = T.sqr(v3).sum()
    [g_w1] = sg.grad(cost, [w1], disconnected_inputs="ignore")
    f = sg.function([x1], [v1, g_w1])
    found = f(np.array([1.0, 2.0]))
    wanted = [
        np.array(0.9999092042625951),
        np.array([0.0005447167188648731, 0.0010894334377297462]),
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
