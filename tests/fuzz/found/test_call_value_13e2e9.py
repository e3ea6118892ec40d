"""call: value: v3."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_13e2e9() -> None:
    x1 = T.dvector()
    x2 = T.dvector()
    v1 = T.cast(x1.sum(), "int64")

    def step_v2(h1):
        v4 = T.set_subtensor(h1[v1:], 0.0)
        return [v4, v4]

    [_v2, v3], _ = sg.scan(
        step_v2, outputs_info=[x2, None], n_steps=3, return_list=True
    )
    f = sg.function([x1, x2], [v3])
    found = f(np.array([-1.0]), np.array([1.0]))
    wanted = [np.array([[0.0], [0.0], [0.0]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
