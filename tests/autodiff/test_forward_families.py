"""Rop through every kind of op that the tables of samples do not hold, both backends.

Ops with graphs inside, indexing by masks, linear algebra and sparse matrices: Rop agrees
with differences along its vector, and so does the Hessian times a vector with the Hessian.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import sparse

AT = np.array([0.3, -0.7, 1.1])
WAY = np.array([1.0, -0.5, 0.25])


def looped(x: Any) -> Any:
    states, _ = sg.scan(lambda s: T.tanh(s * x) + x, outputs_info=[x], n_steps=3)
    return states[-1]


def of_graph(x: Any) -> Any:
    v = T.dvector("v")
    return sg.OpFromGraph([v], [T.exp(v) * v])(x * 2)


def image(x: Any) -> Any:
    signal = x.reshape((1, 1, 1, 3))
    return T.nnet.conv2d(signal, signal, border_mode="full").flatten()


def spd(x: Any) -> Any:
    return T.outer(x, x) + T.diag(T.exp(x))


def scattered(x: Any) -> Any:
    return sparse.CSR(x, [0, 2, 1], [0, 2, 3], (2, 3))


FAMILIES: dict[str, Callable[[Any], Any]] = {
    "scan": looped,
    "map": lambda x: sg.map(lambda a: a**2 * x[0], [x])[0],
    "ifelse": lambda x: sg.ifelse(T.gt(x[0], 0), x**2, T.sin(x)),
    "graph": of_graph,
    "rows": lambda x: sg.jacobian(x**3 * x[0], x).sum(axis=0),
    "softmax": lambda x: T.nnet.softmax(x.dimshuffle("x", 0))[0],
    "convolution": image,
    "index": lambda x: x[np.array([0, 2, 2])] * x,
    "mask": lambda x: x[x > 0] ** 2,
    "sort": lambda x: T.sort(x) * x,
    "cumsum": lambda x: T.cumsum(x**2),
    "solve": lambda x: T.linalg.solve(spd(x), x),
    "cholesky": lambda x: T.linalg.cholesky(spd(x)).flatten(),
    "eigh": lambda x: T.linalg.eigh(spd(x))[0],
    "expm": lambda x: T.linalg.expm(spd(x)).flatten(),
    "sparse": lambda x: T.dot(scattered(x), x),
    "both sparse": lambda x: (scattered(x) @ scattered(x).T).toarray().flatten(),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_rop_agrees_with_differences(name: str) -> None:
    x = T.dvector("x")
    out = FAMILIES[name](x)
    pushed = sg.Rop(out, x, WAY)
    value = sg.function([x], out, mode="FAST_COMPILE")
    step = 1e-4
    ends = [value(AT + k * step * WAY) for k in (-2, -1, 1, 2)]
    numeric = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
    assert np.abs(numeric).max() > 0.01
    for mode in ("FAST_COMPILE", "FAST_RUN"):
        found = sg.function([x], pushed, mode=mode)(AT)
        np.testing.assert_allclose(found, numeric, 1e-7, 1e-8, err_msg=mode)


@pytest.mark.parametrize("name", ["scan", "graph", "solve", "sparse"])
def test_the_hessian_times_a_vector_is_that_of_the_hessian(name: str) -> None:
    x = T.dvector("x")
    cost = T.sum(T.sqr(FAMILIES[name](x)))
    outputs = [
        sg.hessian_vector_product(cost, x, WAY),
        T.dot(sg.hessian(cost, x), WAY),
    ]
    product, other = sg.function([x], outputs, mode="FAST_COMPILE")(AT)
    np.testing.assert_allclose(product, other, 1e-10)
