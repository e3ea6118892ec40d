"""compile: raised KeyError: 'arg_reduce'."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_compile_raised_keyerror_17faa3() -> None:
    x1 = T.dvector()
    x2 = T.dvector()
    x3 = T.tensor("bool", ())
    v1 = x1[T.argmax(x1) :]
    v2 = sg.ifelse(x3, x2, v1 * 2)
    f = sg.function([x1, x2, x3], [v2])
    found = f(
        np.array([-1.74, 0.17, 0.56]),
        np.array([-2.61, 0.255, -3.915]),
        np.array(False, "bool"),
    )
    wanted = [np.array([1.12])]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
