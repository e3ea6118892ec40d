"""CTC against the sum over every path, written out."""

import itertools

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.autodiff.reverse import grad
from symgraph.errors import ArgumentError, DtypeError, IndexRangeError, ShapeError
from symgraph.nn.objectives import ctc_loss


def spelled(path, blank):
    """Runs counted once, then blanks dropped."""
    return tuple(c for c, _ in itertools.groupby(path) if c != blank)


def by_enumeration(p, labels, blank=0):
    """-log of the summed probability of all paths of one item."""
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        if spelled(path, blank) == tuple(labels):
            total += np.prod([p[t, c] for t, c in enumerate(path)])
    return -np.log(total) if total else np.inf


def probabilities(batch, time, classes, seed=0):
    x = np.random.default_rng(seed).standard_normal((batch, time, classes))
    return np.exp(x) / np.exp(x).sum(axis=2, keepdims=True)


LABELS = [[1], [1, 2], [1, 1], [2, 1, 2], [2, 2, 1], []]


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("labels", LABELS)
def test_loss_is_the_sum_over_all_paths(labels, blank, value):
    p = probabilities(1, 4, 3)
    own = [{0: 2, 2: 0}.get(c, c) if blank == 2 else c for c in labels]
    targets = np.array([own], "int32").reshape(1, len(own))
    found = value(ctc_loss(T.constant(p), T.constant(targets), blank=blank))
    np.testing.assert_allclose(found, [by_enumeration(p[0], own, blank)], rtol=1e-10)


def test_items_have_lengths_of_their_own(value):
    p = probabilities(4, 5, 3, seed=1)
    targets = np.array([[1, 2], [2, -1], [1, 1], [-1, 99]])
    counts, steps = np.array([2, 1, 2, 0]), np.array([5, 3, 4, 2])
    found = value(ctc_loss(p, targets, steps, counts))
    wanted = [
        by_enumeration(p[i, : steps[i]], targets[i, : counts[i]]) for i in range(4)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_too_few_steps_cost_infinity_and_have_no_gradient(value):
    p = T.dtensor3("p")
    loss = ctc_loss(p, np.array([[1, 1], [1, 2]]))
    given = {p: probabilities(2, 2, 3)}
    found = value(loss, given)
    assert found[0] == np.inf  # "aa" needs a blank between
    assert np.isfinite(found[1])
    g = value(grad(T.sum(T.switch(T.isinf(loss), 0, loss)), p), given)
    assert np.isfinite(g).all()
    assert (g[0] == 0).all()


@pytest.mark.parametrize("from_logits", [False, True])
def test_gradient_against_differences(from_logits, value):
    x = T.dtensor3("x")
    point = probabilities(2, 4, 3, seed=2)
    targets, counts = np.array([[1, 1], [2, 0]]), np.array([2, 1])
    loss = T.sum(ctc_loss(x, targets, None, counts, from_logits=from_logits))
    found = value(grad(loss, x), {x: point})
    f = sg.function([x], loss, mode="FAST_COMPILE")
    for place in np.ndindex(point.shape):
        move = np.zeros_like(point)
        move[place] = 1e-6
        wanted = (f(point + move) - f(point - move)) / 2e-6
        np.testing.assert_allclose(found[place], wanted, rtol=1e-6, atol=1e-7)


def test_logits_and_probabilities_agree_and_compile(value):
    x = T.ftensor3("x")
    y = T.imatrix("y")
    logits = np.random.default_rng(3).standard_normal((3, 8, 4)).astype("float32")
    labels = np.array([[1, 2, 3], [1, 1, 2], [3, 2, 3]], "int32")
    losses = [ctc_loss(T.nnet.softmax(x), y), ctc_loss(x, y, from_logits=True)]
    wanted = [*losses, *(grad(T.sum(loss), x) for loss in losses)]
    fast, plain = (
        sg.function([x, y], wanted, mode=m) for m in ("FAST_RUN", "FAST_COMPILE")
    )
    found = fast(logits, labels)
    assert {f.dtype.name for f in found} == {"float32"}
    for ours, truth in zip(found, plain(logits, labels), strict=True):
        np.testing.assert_allclose(ours, truth, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_extreme_predictions_stay_finite(value):
    x = T.ftensor3("x")
    logits = np.zeros((1, 6, 3), "float32")
    logits[:, :, 0] = 1e4
    loss = ctc_loss(x, np.array([[1, 2]]), from_logits=True)
    for found in (loss, grad(T.sum(loss), x)):
        assert np.isfinite(value(found, {x: logits})).all()
    p = T.ftensor3("p")
    zeros = np.eye(3, dtype="float32")[[0, 0, 0, 1]][None]
    loss = ctc_loss(p, np.array([[2]]))
    for found in (loss, grad(T.sum(loss), p)):
        assert np.isfinite(value(found, {p: zeros})).all()


@pytest.mark.parametrize("label", [-1, 0, 3])
def test_labels_that_are_no_class_or_the_blank_are_refused(label, value):
    with pytest.raises(IndexRangeError, match="the classes but the blank"):
        value(ctc_loss(probabilities(1, 3, 3), np.array([[label]])))


@pytest.mark.parametrize("length", [-1, 4])
def test_lengths_beyond_the_axis_are_refused(length, value):
    p, y, own = probabilities(1, 3, 3), np.array([[1, 2, 1]]), np.array([length])
    with pytest.raises(IndexRangeError, match="the possible target_lengths"):
        value(ctc_loss(p, y, target_lengths=own))
    with pytest.raises(IndexRangeError, match="the possible prediction_lengths"):
        value(ctc_loss(p, y, own))


def test_batches_and_labels_may_be_empty(value):
    p = probabilities(2, 3, 3)
    assert value(ctc_loss(p[:0], np.zeros((0, 2), int))).shape == (0,)
    found = value(ctc_loss(p, np.zeros((2, 0), int)))
    np.testing.assert_allclose(found, -np.log(p[:, :, 0]).sum(axis=1))


def test_wrong_arguments():
    p, y = T.dtensor3("p"), T.imatrix("y")
    with pytest.raises(
        ShapeError, match=r"ctc_loss: predictions must be \(batch, time"
    ):
        ctc_loss(T.dmatrix(), y)
    with pytest.raises(ShapeError, match="2 items of predictions, 3 of targets"):
        ctc_loss(np.ones((2, 3, 4)), np.ones((3, 1), int))
    with pytest.raises(DtypeError, match="targets integer labels"):
        ctc_loss(p, T.dmatrix())
    with pytest.raises(DtypeError, match="target_lengths must be integers"):
        ctc_loss(p, y, target_lengths=T.dvector())
    with pytest.raises(ShapeError, match=r"prediction_lengths must be \(batch,\)"):
        ctc_loss(p, y, T.imatrix())
    with pytest.raises(ArgumentError, match="blank=4 is none of the 4 classes"):
        ctc_loss(np.ones((2, 3, 4)), y, blank=4)
