"""again, extents {'n': 4, 'm': 2, 'k': 4}, columns: shape: g_x1 (2,), wanted (1,)."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_again_shape_a5b4ae() -> None:
    x1 = T.dvector()
    x2 = T.dmatrix()
    i1 = T.ivector()
    v1 = T.argmin(x2)
    v2 = T.inc_subtensor(T.tanh(x2)[i1, v1 : v1 + 2], x1 * 2)
    cost = v2.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, x2, i1], [x1, g_x1])
    found = f(np.array([1.0]), np.array([[1.0]]), np.array([0], "int32"))
    wanted = [np.array([1.0]), np.array([2.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
    found = f(
        np.array([1.64]),
        np.array(
            [
                [1.5, -1.5, 1.0, 0.0],
                [-1.0, 0.5, -0.5, 0.5],
                [-0.5, 0.0, -0.5, 0.0],
                [0.5, -0.5, 1.0, -1.5],
            ]
        ),
        np.array([3], "int32"),
    )
    wanted = [np.array([1.64]), np.array([4.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
