"""compile: raised AssertionError:."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_compile_raised_assertionerror_f0fef2() -> None:
    w1 = T.dmatrix()
    w2 = sg.shared(np.zeros((0,), "float64"))
    x1 = T.dmatrix()
    v1 = T.nnet.sigmoid(T.dot(x1, w1) + w2)
    v2 = w1 + v1
    v3 = w1 * v2
    cost = v3.sum()
    [g_w1] = sg.grad(cost, [w1], disconnected_inputs="ignore")
    f = sg.function([w1, x1], [w1, g_w1])
    found = f(np.zeros((0, 0), "float64"), np.zeros((1, 0), "float64"))
    wanted = [np.zeros((0, 0), "float64"), np.zeros((0, 0), "float64")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
