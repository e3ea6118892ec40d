"""again, extents {'n': 0, 'm': 3, 'k': 0}, rows: raised ShapeError: max over axis."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_again_raised_shapeerror_5d659c() -> None:
    x1 = T.dvector()
    v1 = T.exp(x1) / T.exp(x1).sum(axis=0, keepdims=True)
    v2 = -v1
    f = sg.function([x1], [v2])
    found = f(np.array([-0.89, 0.58, 0.6, -0.87]))
    wanted = [
        np.array(
            [
                -0.09253662507003904,
                -0.40246354158996117,
                -0.4105938444419924,
                -0.09440598889800732,
            ]
        )
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
    found = f(np.zeros((0,), "float64"))
    wanted = [np.zeros((0,), "float64")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
