"""compile: raised ShapeError: scan: the shape of a result depends on values of the."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_compile_raised_shapeerror_d69f93() -> None:
    x1 = T.fvector()
    w1 = sg.shared(np.array(1.15, "float32"))

    def step_v1(r1, h1, h2):
        v3 = h2.sum() <= 0
        v4 = sg.ifelse(v3, x1, x1 * 2)
        v5 = h1 * 2
        return [v5, T.tanh(v4)]

    [_v1, v2], _ = sg.scan(
        step_v1,
        sequences=[x1],
        outputs_info=[T.constant(0, dtype="int64"), x1],
        return_list=True,
    )
    v6 = w1 * 0.5
    cost = v2.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1], [v6, g_x1])
    found = f(np.array([-1.0, -1.0, 1.0], "float32"))
    wanted = [
        np.array(0.575, "float32"),
        np.array([1.259923, 1.259923, 1.259923], "float32"),
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
