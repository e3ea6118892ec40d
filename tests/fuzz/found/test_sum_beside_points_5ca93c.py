"""call: raised ProgramError: b0 of kernel k11 touches bytes 0 to 24 of ('temp', 7)."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_raised_programerror_5ca93c() -> None:
    x1 = T.dvector()
    w1 = sg.shared(
        np.array([[-0.9, -0.74, -0.88], [-0.14, 0.0, -1.66], [0.9, -1.86, 0.66]])
    )
    w2 = T.dvector()

    def step_v1(j1, h1):
        v3 = T.set_subtensor(x1[j1], h1)
        v4 = x1.sum(axis=0)
        return [v4, v3]

    [_v1, v2], _ = sg.scan(
        step_v1, sequences=[T.arange(2)], outputs_info=[x1[0], None], return_list=True
    )
    v5 = T.tanh(T.dot(v2, w1) + w2)
    cost = v2.sum()
    [g_x1] = sg.grad(cost, [x1], disconnected_inputs="ignore")
    f = sg.function([x1, w2], [v5, g_x1])
    found = f(np.array([0.06, -0.97, -0.89]), np.array([-1.5, -1.5, -0.5]))
    wanted = [
        np.array(
            [
                [-0.9766462660726696, 0.11054635859519817, 0.43819931483276764],
                [-0.9706260981609062, 0.11054635859519817, 0.9515383275635981],
            ]
        ),
        np.array([3.0, 2.0, 3.0]),
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
