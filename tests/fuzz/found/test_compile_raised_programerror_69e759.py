"""compile: raised ProgramError: program: b1 is loaded elsewhere than just before i."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_compile_raised_programerror_69e759() -> None:
    x1 = T.fvector()
    i1 = T.lvector()
    x2 = T.fmatrix()
    v1 = x1.sum(axis=0, keepdims=True)
    v2 = T.floor(v1)
    v3 = T.inc_subtensor(v2[i1], v2)
    v4 = T.switch(v3 > x2, v3, 0.5 * x2)
    f = sg.function([x1, i1, x2], [v4])
    found = f(
        np.array([-1.01, 0.45, 1.13, -0.43, -0.99, 1.37, 0.43, -1.22, 1.75], "float32"),
        np.array([0, 0], "int64"),
        np.array([[-2.2], [-2.46]], "float32"),
    )
    wanted = [np.array([[3.0], [3.0]], "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
