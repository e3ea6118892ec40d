"""compile: raised RewriteError: rule same_condition_to_one_branch: float64 (3,) be."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_compile_raised_rewriteerror_e643c3() -> None:
    x1 = T.dmatrix()
    w1 = sg.shared(np.array([1.83, -0.98, 0.87]))
    i1 = T.iscalar()
    x2 = T.tensor("bool", ())
    v1 = T.set_subtensor(T.tanh(x1)[i1 : i1 + 1], w1)
    v2 = sg.ifelse(x2, v1, x1 * 2)
    v3 = T.RandomStreams(95).binomial((3,), p=0.5, dtype="float64")
    cost = v2.sum()
    [g_x1, g_w1] = sg.grad(cost, [x1, w1], disconnected_inputs="ignore")
    f = sg.function([x1, i1, x2], [v3, g_x1, g_w1])
    found = f(
        np.array([[1.7, 0.96, 0.66], [1.17, 0.6, 0.58], [0.59, 1.55, 1.68]]),
        np.array(1, "int32"),
        np.array(False, "bool"),
    )
    wanted = [
        np.array([0.0, 1.0, 0.0]),
        np.array([[2.0, 2.0, 2.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]),
        np.array([0.0, 0.0, 0.0]),
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
