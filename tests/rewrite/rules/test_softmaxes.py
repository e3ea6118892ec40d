"""Products that the softmax rules take apart, where extents are known only in part."""

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.backends.reference import evaluate
from symgraph.core.graph import freeze
from symgraph.errors import ShapeError
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


def test_an_axis_without_elements_has_an_empty_softmax() -> None:
    x = T.dmatrix("x")
    e = T.exp(x)
    outputs = [
        e / e.sum(axis=1, keepdims=True), e / e.sum(), T.log(e / e.sum(axis=0)),
        T.log(e.sum(axis=1)), T.log(e.sum()), sg.grad(T.log(e.sum(axis=1)).sum(), x),
        T.softmax(x), T.log_softmax(x, axis=0), T.logsumexp(x, axis=1),
    ]  # fmt: skip
    f = sg.function([x], outputs)
    graph = freeze([x], outputs)
    for shape in ((2, 0), (0, 2), (0, 0), (2, 3)):
        value = np.ones(shape)
        wanted = evaluate(graph.outputs, {graph.inputs[0]: value})
        for one, other in zip(f(value), wanted, strict=True):
            np.testing.assert_allclose(one, other)


def test_the_maximum_of_nothing_still_raises() -> None:
    x = T.dmatrix("x")
    f = sg.function([x], x.max(axis=1).max())
    with pytest.raises(ShapeError, match="empty"):
        f(np.ones((2, 0)))
    known = T.softmax(T.dmatrix("k", shape=(2, 0)))
    assert known.type.shape == (2, 0)
