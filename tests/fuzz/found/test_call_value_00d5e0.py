"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_00d5e0() -> None:
    x1 = T.dvector()
    v1 = T.cast((x1 > 0.3).any(), "int64")
    v2 = T.set_subtensor(x1[v1::-1], 0.0)
    f = sg.function([x1], [v2])
    found = f(np.array([-0.74, -0.92]))
    wanted = [np.array([0.0, -0.92])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
