"""process: stuck: seed 4013961."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_process_stuck_c8acb9() -> None:
    x1 = T.fvector()
    x2 = T.tensor("bool", ())
    v1 = x1.dimshuffle(0, "x")
    v2 = T.argmax(v1)
    v3 = v1[0, (v2 % v1.shape[1]) :]
    v4 = sg.ifelse(x2, v3, x1 * 2)
    f = sg.function([x1, x2], [v4])
    found = f(np.array([0.0, -1.0, 0.0, 1.0], "float32"), np.array(False, "bool"))
    wanted = [np.array([0.0, -2.0, 0.0, 2.0], "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
