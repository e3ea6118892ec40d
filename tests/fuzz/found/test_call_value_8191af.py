"""call: value: v4."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_8191af() -> None:
    x1 = T.dvector()
    w1 = sg.shared(np.array([[-1.5, -0.5], [1.5, -0.5], [0.0, 0.5]]))
    i1 = T.lscalar()
    v1 = T.argmin(x1)
    v2 = T.set_subtensor(x1[:v1], 0.0)
    v3 = T.dot(v2, w1)
    v4 = T.set_subtensor(T.tanh(v3)[-1 - i1], T.tanh(v3[-1 - i1]))
    f = sg.function([x1, i1], [v4])
    found = f(np.array([1.48, 0.97, 1.49]), np.array(0, "int64"))
    wanted = [np.array([0.8966771290678303, 0.25429553262639115])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
