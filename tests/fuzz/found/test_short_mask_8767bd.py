"""call: raised ShapeError: where: axis 0: 2 and 5 differ, at <string>:4 dimshuffle."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_raised_shapeerror_8767bd() -> None:
    x1 = T.dvector()
    x2 = T.dmatrix()
    v1 = T.nonzero(x1 > 0)[0]
    v2 = T.take(x2, v1, axis=0)
    v3 = T.minimum(v1, 2)
    cost = T.sqr(v2).sum()
    [g_x2] = sg.grad(cost, [x2], disconnected_inputs="ignore")
    f = sg.function([x1, x2], [v3, g_x2])
    found = f(
        np.array([0.21, -1.08]),
        np.array(
            [[0.37, 0.53], [0.0, -0.52], [0.18, 0.03], [0.19, 1.63], [-1.23, 0.9]]
        ),
    )
    wanted = [
        np.array([0], "int64"),
        np.array([[0.74, 1.06], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]),
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
