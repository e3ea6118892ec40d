"""call: value: v3."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_35cd52() -> None:
    x1 = T.dvector()
    v1 = T.argmax(x1)
    v2 = T.set_subtensor(x1[:v1], 0.0)
    v3 = v2 * 2
    f = sg.function([x1], [v3])
    found = f(np.array([-1.15, 2.4, 0.11]))
    wanted = [np.array([0.0, 4.8, 0.22])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
