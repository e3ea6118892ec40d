"""call: value: v1."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_59a12e() -> None:
    x1 = T.dvector()
    x2 = T.dtensor3()

    def step_v1(r1):
        v2 = T.cosh(r1 * 0.25)
        v3 = (r1 > 0).sum()
        v4 = T.cast(T.abs(x1), "int64") % x1.shape[0]
        v5 = T.inc_subtensor(T.zeros_like(v2)[(v3 % v2.shape[0]) :, v4], r1)
        return [v5]

    [v1], _ = sg.scan(step_v1, sequences=[x2], go_backwards=True, return_list=True)
    f = sg.function([x1, x2], [v1])
    found = f(
        np.array([0.59, 0.69, 0.59, 0.69]),
        np.array([[[0.59, 0.69, 0.59, 0.69]], [[0.59, 0.69, 0.59, 0.69]]]),
    )
    wanted = [
        np.array(
            [
                [[2.5599999999999996, 0.0, 0.0, 0.0]],
                [[2.5599999999999996, 0.0, 0.0, 0.0]],
            ]
        )
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
