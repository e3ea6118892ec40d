"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_b12890() -> None:
    x1 = T.dmatrix()
    v1 = T.cast((x1 > 0.3).any(), "int64")
    v2 = T.inc_subtensor(T.tanh(x1)[:v1:-1, v1 : v1 + 1], 0.5)
    f = sg.function([x1], [v2])
    found = f(np.array([[1.5, 1.5, -0.5], [-1.5, -1.0, -1.0], [-0.5, -1.5, -1.5]]))
    wanted = [
        np.array(
            [
                [0.9051482536448665, 0.9051482536448665, -0.46211715726000974],
                [-0.9051482536448665, -0.7615941559557649, -0.7615941559557649],
                [-0.46211715726000974, -0.4051482536448665, -0.9051482536448665],
            ]
        )
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
