"""call: value: v3."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_13e54f() -> None:
    x1 = T.fvector()
    v1 = T.searchsorted(T.sort(x1.flatten()), 0.3)
    v2 = T.set_subtensor(x1[v1:], 0.0)
    v3 = v2 * 2
    f = sg.function([x1], [v3])
    found = f(np.array([1.04, 0.77, 1.24, -0.38], "float32"))
    wanted = [np.array([2.0799999, 0.0, 0.0, 0.0], "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
