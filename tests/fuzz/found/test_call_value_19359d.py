"""call: value: v13."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_19359d() -> None:
    x1 = T.dvector()
    x2 = T.dvector()
    w1 = sg.shared(np.array([-0.04, -0.98, -3.07]))

    def step_v1(j1, r1, h1, h2, h3, h4):
        def step_v5(j2, h5, h6, h7):
            v7 = T.cast(T.abs(x2).max(), "int64")
            v8 = T.set_subtensor(h4[v7 : v7 + 1], h6)
            v9 = h6 * 0.5 + h6
            return [T.tanh(v9), v8]

        [_v5, v6], _ = sg.scan(
            step_v5,
            sequences=[T.arange(w1.shape[0])],
            outputs_info=[dict(initial=w1, taps=[-2, -1]), T.zeros_like(h4)],
            return_list=True,
        )
        v10 = h2 + h1
        v11 = h3 + h2
        v12 = T.maximum(h4, h2)
        return [v10, v11, T.tanh(v12), v6]

    [_v1, _v2, _v3, v4], _ = sg.scan(
        step_v1,
        sequences=[T.arange(x1.shape[0]), x2],
        outputs_info=[dict(initial=x2, taps=[-2, -1]), T.zeros_like(x2), x1, None],
        return_list=True,
    )
    v13 = v4.var(axis=(0, 1, 2))
    f = sg.function([x1, x2], [v13])
    found = f(
        np.array([0.25, 1.64, 0.76, 0.65, 0.73, 0.51, 1.13, 1.41, 1.39]),
        np.array([0.92, -0.65, 0.55, -0.38]),
    )
    wanted = [np.array(0.3414423436105694)]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
