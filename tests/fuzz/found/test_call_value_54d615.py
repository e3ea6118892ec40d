"""call: value: g_x1."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_54d615() -> None:
    x1 = T.dmatrix()
    i1 = T.lvector()
    v1 = x1[0]

    def step_v2(h1, h2, h3, h4):
        return [h1, h1], sg.until(h1.sum() > 0.3)

    [v2, v3], _ = sg.scan(
        step_v2,
        outputs_info=[dict(initial=v1, taps=[-3, -1]), dict(initial=v1, taps=[-2, -1])],
        n_steps=x1.shape[0],
        return_list=True,
    )
    v4 = i1 * v3
    cost = v4.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, i1], [v2, g_x1])
    found = f(np.array([[1.0, 2.0, 3.0]]), np.array([0, 1], "int64"))
    wanted = [np.array([1.0]), np.array([[1.0, 0.0, 0.0]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
