"""again, extents {'n': 5, 'm': 1, 'k': 1}, strided: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_again_value_a92276() -> None:
    w1 = sg.shared(np.array([-1.0, 0.0, 0.5, -1.5, -0.5], "float32"))
    x1 = T.fvector()
    x2 = T.fscalar()
    v1 = T.nonzero(x1.flatten() > 0)[0].shape[0]
    v2 = T.set_subtensor(T.zeros_like(w1)[:v1], x2 * 2)
    f = sg.function([x1, x2], [v2])
    found = f(
        np.array([-0.04, -0.12, -1.47, -0.31, -2.74], "float32"),
        np.array(-1.5, "float32"),
    )
    wanted = [np.array([0.0, 0.0, 0.0, 0.0, 0.0], "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
    found = f(
        np.array([0.06, -0.78, 0.36, 0.02, -0.87], "float32"),
        np.array(-0.57, "float32"),
    )
    wanted = [np.array([-1.14, -1.14, -1.14, 0.0, 0.0], "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
