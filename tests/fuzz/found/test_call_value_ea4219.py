"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_ea4219() -> None:
    x1 = T.tensor("float64", (1,))
    x2 = T.dvector()
    v1 = T.nonzero(x1.flatten() > 0)[0].shape[0]
    v2 = T.set_subtensor(T.zeros_like(x2)[v1::-1], x1)
    f = sg.function([x1, x2], [v2])
    found = f(np.array([-0.73]), np.array([0.83, 0.54, 0.9]))
    wanted = [np.array([-0.73, 0.0, 0.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
