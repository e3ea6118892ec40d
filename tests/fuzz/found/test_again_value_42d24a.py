"""again, extents {'n': 0, 'm': 3, 'k': 3}, strided: value: update of w1."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_again_value_42d24a() -> None:
    w1 = sg.shared(np.array([-0.88, 0.28]))
    x1 = T.dmatrix()
    v1 = w1 * 2
    v2 = x1 + v1
    f = sg.function([x1], [v2], updates=[(w1, v1)])
    found = f(np.array([[-0.74, -1.23]]))
    wanted = [np.array([[-2.5, -0.6699999999999999]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
    np.testing.assert_allclose(w1.get_value(), np.array([-1.76, 0.56]), 1e-9, 1e-9)
    found = f(np.zeros((0, 2), "float64"))
    wanted = [np.zeros((0, 2), "float64")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
    np.testing.assert_allclose(w1.get_value(), np.array([-3.52, 1.12]), 1e-9, 1e-9)
