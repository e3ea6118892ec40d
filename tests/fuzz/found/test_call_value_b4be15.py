"""call: value: v4."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_b4be15() -> None:
    x1 = T.dmatrix()
    w1 = sg.shared(np.array([[0.54]]))
    x2 = T.dvector()
    x3 = T.dmatrix()
    v1 = T.dot(x1, w1)
    v2 = T.logsumexp(v1, axis=0)
    v3 = T.cast((x2 > 0).mean() * 2, "int32")
    v4 = T.inc_subtensor(T.tanh(x3)[::2, (v3 % x3.shape[1]) :: -1], v2)
    f = sg.function([x1, x2, x3], [v4])
    found = f(
        np.array([[-0.96], [-1.2]]), np.array([0.42]), np.array([[1.0705640410346822]])
    )
    wanted = [np.array([[0.9017188622373941]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
