"""Forms that led to one another: compiling them ends, as `engine.strict` is on."""

from collections.abc import Callable

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.node import Variable
from symgraph.rewrite.cost import region_order, spelled_as

x, w, m = T.dvector("x"), T.dvector("w"), T.dmatrix("m")
rest = x - w * 0.1
part = T.exp(T.dimshuffle(m[:, 0], 0, "x"))


def cost_of_a_mean() -> list[Variable]:
    a = m.flatten()
    b = T.arctan2(a, T.sqr(a) + 0.5).sum(axis=0)
    n = w * 0.9 + b * 0.1
    return [n, *sg.grad(((n * n + n) * 0.3).sum(), [m, w])]


@pytest.mark.parametrize(
    "make",
    [
        cost_of_a_mean,
        lambda: [-(x - rest), rest],
        lambda: [-((x - w) + T.arange(3) * 0.1), T.arange(3) * 0.1],
        lambda: [T.log(part)[-1, 0]],
        lambda: [T.log(part[-1, 0])],
        lambda: [T.log(part[1:, 0])[0], T.log(T.reshape(part, (-1,)))],
        lambda: [T.log(T.dimshuffle(T.softmax(m), 1, 0)[0])],
        lambda: sg.grad(T.sqr(m - x).sum(), [m, x]),
        lambda: sg.grad(T.sqr(m - (x - w.mean())).sum(), [m, x, w]),
        lambda: [(m.mean(axis=0, keepdims=True) / (T.sqr(m) + 1)).var(keepdims=True)],
    ],
)
def test_forms_that_led_to_one_another_end(make: Callable[[], list[Variable]]) -> None:
    outputs = make()
    values = {x: np.array([0.5, -1, 2]), w: np.array([1.5, 2, 3]), m: np.eye(2, 3)}
    f = sg.function([x, w, m], outputs, on_unused_input="ignore")
    for got, wanted in zip(f(*values.values()), evaluate(outputs, values), strict=True):
        np.testing.assert_allclose(got, wanted, 1e-12)


def test_a_candidate_is_spelled_as_the_region_is() -> None:
    add, mul = T.add(x, w), T.mul(w, x)
    region = [*region_order(add), *region_order(mul)]
    assert spelled_as(T.add(w, x), region) is add
    new = spelled_as(T.sub(T.mul(x, w), x), region)
    assert new.owner is not None
    assert new.owner.inputs == (mul, x)
    other = T.sub(w, x)
    assert spelled_as(other, [T.sub(x, w), *region]) is other
