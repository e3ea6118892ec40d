"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_329083() -> None:
    w1 = sg.shared(np.array([[-1.0], [-0.5], [1.0]], "float32"))
    i1 = T.lscalar()
    x1 = T.fvector()
    v1 = (x1 > 0).sum()
    v2 = T.set_subtensor(w1[:v1, i1], 0.0)
    f = sg.function([i1, x1], [v2])
    found = f(
        np.array(0, "int64"),
        np.array(
            [0.7669419646263123, 0.7184706330299377, 1.4436758756637573], "float32"
        ),
    )
    wanted = [np.array([[0.0], [0.0], [0.0]], "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
