"""call: raised ShapeError: gt: axis 0: 1 and 5 differ, at <string>:5 take{axis=0,."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_raised_shapeerror_1df84a() -> None:
    x1 = T.dvector()
    x2 = T.dvector()
    v1 = T.flatnonzero(x1 < 0.5)
    v2 = x1[v1]
    v3 = T.switch(v2 > x2, v2, 0.5 * x2)
    v4 = v3 / (T.sqr(x2) + 1)
    f = sg.function([x1, x2], [v4])
    found = f(np.array([-2.0]), np.array([-1.0, -3.0, -1.0, 2.0, 0.0]))
    wanted = [np.array([-0.25, -0.2, -0.25, 0.2, 0.0])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
