"""Products that the softmax rules take apart, where extents are known only in part."""

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.graph import freeze
from symgraph.rewrite.pipeline import CANONICALIZE, STABILIZE, optimize

STABLE = (CANONICALIZE, STABILIZE)


def test_a_product_repeated_to_extent_one_keeps_its_factors() -> None:
    # only the repeated product is known to have extent 1 where the axis is dropped
    a, b, c = T.dtensor3("a"), T.dtensor3("b"), T.dmatrix("c")
    one = T.broadcast_to(a * b, (a.shape[0], 1, a.shape[2]))
    f = sg.function([a, b, c], c * one.dimshuffle(0, 2), mode="FAST_RUN")
    x, y = np.arange(6.0).reshape(2, 1, 3), np.arange(3.0, 9).reshape(2, 1, 3)
    z = np.array([[2.0, 3, 5], [7, 11, 13]])
    assert np.array_equal(f(x, y, z), z * (x * y)[:, 0])


def test_softmaxes_shifted_by_hand_need_no_second_shift() -> None:
    for rank, axis in ((1, 0), (2, 0), (2, 1), (3, 1)):
        x = T.TensorType("float64", (None,) * rank)("x")
        shifted = x - x.max(axis=axis, keepdims=True)
        for out in (
            T.exp(shifted) / T.exp(shifted).sum(axis=axis, keepdims=True),
            T.softmax(shifted, axis=axis),
            T.log_softmax(shifted, axis=axis),
        ):
            result = optimize(freeze([x], [out]), STABLE)
            names = [node.op.name for node in result.graph.applies()]
            assert names in (["softmax"], ["log_softmax"]), (rank, axis, names)
