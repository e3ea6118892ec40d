"""alone: value: result 0."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_alone_value_598228() -> None:
    x1 = T.fscalar()
    x2 = T.fvector()
    v1 = T.argmin(x2)
    v2 = T.inc_subtensor(x2[:v1], x1 * 2)
    cost = v2.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, x2], [v2, g_x1])
    found = f(np.array(1.0, "float32"), np.array([1.0, -1.0], "float32"))
    wanted = [np.array([3.0, -1.0], "float32"), np.array(2.0, "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
    alone = [
        sg.function([x1, x2], [v2], on_unused_input="ignore"),
        sg.function([x1, x2], [g_x1], on_unused_input="ignore"),
    ]
    found = [
        a
        for g in alone
        for a in g(np.array(1.0, "float32"), np.array([1.0, -1.0], "float32"))
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
