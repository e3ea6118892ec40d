"""again, extents {'n': 2, 'm': 1, 'k': 1}, rows: raised ProgramError: program: b0."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_again_raised_programerror_889747() -> None:
    x1 = T.fvector()
    x2 = T.fvector()
    x3 = T.tensor("bool", ())
    i1 = T.lscalar()
    v1 = sg.ifelse(x3, T.tanh(x1), x2)
    v2 = T.inc_subtensor(v1[:i1:-1], v1)
    f = sg.function([x1, x2, x3, i1], [v2])
    found = f(
        np.array([0.35, 1.08, 0.35], "float32"),
        np.array([1.7800001], "float32"),
        np.array(False, "bool"),
        np.array(0, "int64"),
    )
    wanted = [np.array([1.7800001], "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
    found = f(
        np.array([1.34], "float32"),
        np.array([1.1900001], "float32"),
        np.array(False, "bool"),
        np.array(2, "int64"),
    )
    wanted = [np.array([1.1900001], "float32")]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-4, 1e-4)
