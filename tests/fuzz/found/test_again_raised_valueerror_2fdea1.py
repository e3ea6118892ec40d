"""again, extents {'n': 2, 'm': 0, 'k': 2}, rows: raised ValueError: cannot convert."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_again_raised_valueerror_2fdea1() -> None:
    x1 = T.dmatrix()
    v1 = T.cast((x1 > 0).mean() * 2, "int32")
    v2 = x1[:v1, 1:]
    v3 = T.tile(v2, (1, 2))
    v4 = T.tanh(v3 + v3)
    f = sg.function([x1], [v4])
    found = f(
        np.array(
            [[-1.23, -0.76, 0.22, 0.67, -1.54], [-1.64, -1.18, -1.72, -1.33, 1.51]]
        )
    )
    wanted = [np.zeros((0, 8), "float64")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
    found = f(np.zeros((2, 0), "float64"))
    wanted = [np.zeros((0, 0), "float64")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
