"""call: value: v2."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T


def test_call_value_5cb2ba() -> None:
    x1 = T.dmatrix()
    x2 = T.dvector()

    def step_v1(j1, r1, h1):
        v3 = T.set_subtensor(T.tanh(r1)[j1::2], 0.0)
        v4 = h1 * 0.5 + v3.sum()
        return [v4, v3]

    [_v1, v2], _ = sg.scan(
        step_v1,
        sequences=[T.arange(x2.shape[0]), x1],
        outputs_info=[x1, None],
        return_list=True,
    )
    f = sg.function([x1, x2], [v2])
    found = f(
        np.array(
            [
                [2.57, -1.53, -0.69, 0.48],
                [0.9, -0.3, 1.14, 0.99],
                [-0.04, -1.65, 0.73, -0.88],
                [-0.01, 1.77, 0.88, -0.15],
            ]
        ),
        np.array(
            [
                1.1204203164435755,
                1.2751890808989612,
                1.2002974490643574,
                0.6608396407895863,
                0.9966250131511061,
            ]
        ),
    )
    wanted = [
        np.array(
            [
                [0.0, -0.9104245939004265, 0.0, 0.4462436102487796],
                [0.7162978701990245, 0.0, 0.814414093765686, 0.0],
                [-0.03997868031116357, -0.9288576214547277, 0.0, -0.7064193203972352],
                [-0.00999966667999946, 0.9436094240597149, 0.7064193203972352, 0.0],
            ]
        )
    ]
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)
