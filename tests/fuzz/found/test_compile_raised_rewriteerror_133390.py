"""compile: raised RewriteError: rule node_to_branch: float64 (None, 5) became floa."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_compile_raised_rewriteerror_133390() -> None:
    x1 = T.tensor("float64", (5,))
    x2 = T.dvector()
    x3 = T.tensor("bool", ())

    def step_v1(r1, h1, h2):
        return [h1, h2], sg.until(h1.sum() > -0.2)

    [v1, v2], _ = sg.scan(
        step_v1, sequences=[x1], outputs_info=[T.zeros_like(x2), x1], return_list=True
    )
    v3 = T.inc_subtensor(T.tanh(v1)[-2:], v2)
    v4 = sg.ifelse(x3, v3, v2)
    cost = v4.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, x2, x3], [v1, g_x1])
    found = f(
        np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
        np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
        np.array(False, "bool"),
    )
    wanted = [
        np.array([[0.0, 0.0, 0.0, 0.0, 0.0]]),
        np.array([1.0, 1.0, 1.0, 1.0, 1.0]),
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
