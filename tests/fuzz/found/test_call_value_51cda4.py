"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_51cda4() -> None:
    x1 = T.dmatrix()
    x2 = T.dvector()
    x3 = T.dmatrix()
    v1 = T.searchsorted(T.sort(x1.flatten()), 0.3)

    def step_v2(r1, h1, h2):
        v3 = T.set_subtensor(x3[v1:], 0.0)
        v4 = v3.sum()
        return [v4]

    [v2], _ = sg.scan(
        step_v2,
        sequences=[x3],
        outputs_info=[dict(initial=x2, taps=[-3, -1])],
        return_list=True,
    )
    f = sg.function([x1, x2, x3], [v2])
    found = f(np.array([[1.0]]), np.array([1.0, 2.0, 3.0]), np.array([[1.0]]))
    wanted = [np.array([0.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
