"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_5a9aec() -> None:
    x1 = T.dvector()
    x2 = T.dmatrix()
    x3 = T.dvector()
    v1 = T.searchsorted(T.sort(x1.flatten()), 0.3)
    v2 = T.inc_subtensor(T.zeros_like(x2)[v1 : v1 + 2], x3)
    f = sg.function([x1, x2, x3], [v2])
    found = f(
        np.array([0.35886989966032323]),
        np.array([[0.2799999999999999]]),
        np.array([0.6750698748386078]),
    )
    wanted = [np.array([[0.6750698748386078]])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
