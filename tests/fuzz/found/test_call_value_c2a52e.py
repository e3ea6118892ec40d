"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_c2a52e() -> None:
    x1 = T.dmatrix()
    x2 = T.dmatrix()
    x3 = T.dscalar()
    v1 = T.argmax(x2)
    v2 = T.inc_subtensor(T.zeros_like(x1)[::-2, (v1 % x1.shape[1]) :: 2], x3 * 2)
    f = sg.function([x1, x2, x3], [v2])
    found = f(
        np.array([[0.55, -0.57, -0.06, 0.21, -0.51]]),
        np.array(
            [[1.44, -0.16], [0.45, 0.87], [1.2, -0.31], [0.18, -2.06], [1.61, 0.66]]
        ),
        np.array(2.0),
    )
    wanted = [np.array([[0.0, 0.0, 0.0, 4.0, 0.0]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
