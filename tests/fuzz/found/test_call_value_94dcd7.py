"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_94dcd7() -> None:
    x1 = T.dmatrix()
    x2 = T.dvector()
    x3 = T.dvector()
    v1 = T.cast((x2 > 0).mean() * 2, "int32")
    v2 = T.set_subtensor(x1[v1 : v1 + 1], x3 * 2)
    f = sg.function([x1, x2, x3], [v2])
    found = f(
        np.array(
            [
                [0.06, 0.12, 0.44, 0.49, -0.19],
                [0.08, 2.19, 1.24, -0.06, 1.35],
                [0.69, -2.12, 0.12, -0.53, 1.04],
                [0.84, 0.38, 1.41, 1.71, -0.93],
                [1.51, -0.74, -1.94, 0.01, -0.38],
            ]
        ),
        np.array([1.0]),
        np.array([1.0]),
    )
    wanted = [
        np.array(
            [
                [0.06, 0.12, 0.44, 0.49, -0.19],
                [0.08, 2.19, 1.24, -0.06, 1.35],
                [2.0, 2.0, 2.0, 2.0, 2.0],
                [0.84, 0.38, 1.41, 1.71, -0.93],
                [1.51, -0.74, -1.94, 0.01, -0.38],
            ]
        )
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
