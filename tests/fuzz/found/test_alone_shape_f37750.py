"""alone: shape: result 0 (0,), wanted (1,)."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_alone_shape_f37750() -> None:
    x1 = T.dvector()
    x2 = T.dvector()
    x3 = T.dvector()
    v1 = T.searchsorted(T.sort(x2.flatten()), 0.3)
    v2 = T.set_subtensor(T.zeros_like(x3)[:v1], x1)
    cost = v2.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, x2, x3], [v2, g_x1])
    found = f(np.array([1.0]), np.array([1.0]), np.array([1.0]))
    wanted = [np.array([0.0]), np.array([0.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
    alone = [
        sg.function([x1, x2, x3], [v2], on_unused_input="ignore"),
        sg.function([x1, x2, x3], [g_x1], on_unused_input="ignore"),
    ]
    found = [
        a for g in alone for a in g(np.array([1.0]), np.array([1.0]), np.array([1.0]))
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
