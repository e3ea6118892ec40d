"""call: raised AssertionError: elementwise is neither stored nor a view."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_raised_assertionerror_f0741c() -> None:
    x1 = T.dmatrix()
    i1 = T.lscalar()
    w1 = T.dvector()
    v1 = T.set_subtensor(T.zeros_like(x1)[-2:, i1::2], T.tanh(x1[-2:, i1::2]))
    v2 = v1[T.arange(v1.shape[0]), T.argmax(v1, axis=1)]
    v3 = v2 + w1
    cost = v3.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, i1, w1], [v2, g_x1])
    found = f(np.array([[1.0, 2.0]]), np.array(1, "int64"), np.array([0.5, 0.5]))
    wanted = [np.array([0.9640275800758169]), np.array([[0.0, 0.14130164970632886]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
