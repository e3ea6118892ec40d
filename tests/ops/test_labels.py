"""Labels and targets of classifiers: what would wrap around or broadcast is refused."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.errors import IndexRangeError, ShapeError
from symgraph.nn import objectives

P = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
MODES = ["FAST_RUN", "FAST_COMPILE"]
#: each takes predictions (n, 3) and integer labels (n,)
LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross-entropy": T.nnet.categorical_crossentropy,
    "1hot": T.nnet.crossentropy_categorical_1hot,
    "of softmax": lambda p, y: T.nnet.categorical_crossentropy(T.nnet.softmax(p), y),
    "with bias": lambda p, y: T.nnet.crossentropy_softmax_argmax_1hot_with_bias(
        p, T.zeros(3), y
    )[0],
    "one_hot": lambda p, y: T.one_hot(y, 3) + p * 0,
    "hinge": objectives.multiclass_hinge_loss,
    "top 2": lambda p, y: objectives.categorical_accuracy(p, y, 2),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", LOSSES)
def test_a_label_outside_is_refused_with_its_row(name: str, mode: str) -> None:
    p, y = T.dmatrix("p"), T.ivector("y")
    f = sg.function([p, y], LOSSES[name](p, y), mode=mode)
    f(P, [0, 2])
    for labels, text in [
        ([0, -1], "index -1 in row 1"), ([3, 0], "index 3 in row 0"),
        ([-3, -1], "index -3 in row 0"), ([0, 2**31 - 1], "index 2147483647 in row 1"),
    ]:  # fmt: skip
        with pytest.raises(IndexRangeError, match=text) as caught:
            f(P, np.array(labels, "int32"))
        assert re.search(r"\by\)? : int", str(caught.value))


def test_labels_that_are_known_are_refused_while_building() -> None:
    p = T.dmatrix("p")
    with pytest.raises(IndexRangeError, match="index -1"):
        T.one_hot([0, -1], 3)
    with pytest.raises(IndexRangeError, match="index 3"):
        T.one_hot(3, 3)
    with pytest.raises(IndexRangeError, match="index -1 in row 1"):
        T.nnet.categorical_crossentropy(p, np.array([0, -1])).eval({p: P})


@pytest.mark.parametrize("mode", MODES)
def test_a_training_step_and_an_epoch_name_the_row(mode: str) -> None:
    x, y = T.dmatrix("x"), T.lvector("y")
    w = sg.shared(np.ones((3, 3)), "w")
    loss = T.nnet.categorical_crossentropy(T.nnet.softmax(T.dot(x, w)), y).mean()
    step = sg.function([x, y], loss, updates=[(w, w - sg.grad(loss, w))], mode=mode)
    with pytest.raises(IndexRangeError, match="index -1 in row 1"):
        step(P, [0, -1])
    assert (w.get_value() == 1).all()
    for shuffle in (False, 3):
        with pytest.raises(IndexRangeError, match="index 7 in row 4"):
            step.epoch(
                np.ones((6, 3)), [0, 1, 2, 2, 7, 0], batch_size=2, shuffle=shuffle
            )
    with pytest.raises(IndexRangeError, match="index 5 in row 0"):
        step.repeat(2, P, [5, 0])


@pytest.mark.parametrize("mode", MODES)
def test_indices_of_reads_and_writes_are_named_too(mode: str) -> None:
    x, i, m = T.dmatrix("x"), T.lvector("i"), T.lmatrix("m")
    w = sg.shared(np.ones((3, 2)), "w")
    f = sg.function([i, x], T.set_subtensor(x[i, 0], 1.0), mode=mode)
    with pytest.raises(IndexRangeError, match="index -4 in row 1"):
        f([0, -4], np.ones((3, 2)))
    g = sg.function([m], updates=[(w, T.inc_subtensor(w[m], 1.0))], mode=mode)
    with pytest.raises(IndexRangeError, match=r"index 3 in position \(1, 0\)"):
        g([[0, 1], [3, 3]])
    assert f([0, -3], np.zeros((3, 2))).tolist() == [[1, 0], [0, 0], [0, 0]]


def test_an_index_that_an_update_has_changed_is_not_named() -> None:
    i, x = sg.shared(np.array([0, 5])), T.dvector("x")
    f = sg.function([x], x[i].sum(), updates=[(i, i * 0)])
    with pytest.raises(IndexRangeError, match="lies outside axis 0"):
        f(np.ones(3))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["matrix", "bool", "col"])
def test_a_column_of_labels_is_not_taken_for_one_hot_rows(kind: str, mode: str) -> None:
    p = T.dmatrix("p")
    if kind == "bool":
        t: Variable = T.matrix("t", "bool")
    else:
        t = T.lcol("t") if kind == "col" else T.lmatrix("t")
    losses: list[Callable[[Any, Any], Variable]] = [
        T.nnet.categorical_crossentropy,
        objectives.categorical_accuracy,
        objectives.multiclass_hinge_loss,
    ]
    for loss in losses:
        if kind == "col":
            with pytest.raises(ShapeError, match="flatten"):
                loss(p, t)
            continue
        f = sg.function([p, t], loss(p, t), mode=mode)
        with pytest.raises(ShapeError, match="t : "):
            f(P, np.array([[0], [1]], t.type.dtype))
        f(P, np.eye(3)[[0, 2]].astype(t.type.dtype))
        f(P[:1], np.eye(3)[[2]].astype(t.type.dtype))


def test_one_hot_integers_and_soft_rows_still_mean_probabilities() -> None:
    p, t, s = T.dmatrix("p"), T.imatrix("t"), T.dmatrix("s")
    hot = np.eye(3, dtype="int32")[[0, 2]]
    loss = T.nnet.categorical_crossentropy
    f = sg.function([p, t, s], [loss(p, t), loss(p, s), loss(p[:, :1], t[:, :1])])
    first, second, third = f(P, hot, hot * 0.5)
    np.testing.assert_allclose(first, -np.log([0.2, 0.1]))
    np.testing.assert_allclose(second, first / 2)
    np.testing.assert_allclose(third, -np.log(P[:, 0]) * hot[:, 0])
