"""call: raised ShapeError: add: axis 2: 1 and 2 differ, at <string>:4 take{axis=0,."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_raised_shapeerror_8d4b29() -> None:
    x1 = T.dtensor3()
    x2 = T.dmatrix()
    v1 = x2[x2 > 0.2]
    v2 = T.tanh(v1 + x1)
    v3 = T.floor(v2)
    f = sg.function([x1, x2], [v3])
    found = f(
        np.array(
            [
                [[1.0, 0.9193393175665182], [0.9193393175665182, 1.0]],
                [[1.0, 0.9193393175665182], [0.9193393175665182, 1.0]],
            ]
        ),
        np.array([[0.61]]),
    )
    wanted = [np.array([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
