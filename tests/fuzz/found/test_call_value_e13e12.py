"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_e13e12() -> None:
    x1 = T.dtensor3()
    x2 = T.dvector()
    v1 = T.nonzero(x2.flatten() > 0)[0].shape[0]
    v2 = T.set_subtensor(T.zeros_like(x1)[-2:, v1 : v1 + 1, :v1], 0.5)
    f = sg.function([x1, x2], [v2])
    found = f(
        np.array(
            [
                [[-0.96, 0.55, 0.48], [0.51, 1.8, 0.43], [-0.66, 0.7, 0.43]],
                [[-2.4, -0.03, 1.32], [-0.48, 0.36, -1.65], [-0.69, -1.4, -0.4]],
            ]
        ),
        np.array([0.0, 1.0, -0.5]),
    )
    wanted = [
        np.array(
            [
                [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]],
                [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]],
            ]
        )
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
