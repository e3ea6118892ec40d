"""Measures against values worked out by hand."""

import numpy as np
import pytest

from symgraph.errors import DataError
from symgraph.train.metrics import accuracy, confusion_matrix, r2_score, top_k_accuracy

SCORES = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.2, 0.3, 0.5], [0.4, 0.5, 0.1]])
TARGETS = np.array([1, 2, 2, 2])


def test_accuracy_takes_scores_or_classes():
    assert accuracy(SCORES, TARGETS) == 0.5
    assert accuracy(SCORES.argmax(1), TARGETS) == 0.5


def test_top_k_accuracy_grows_with_k_to_one():
    assert [top_k_accuracy(SCORES, TARGETS, k) for k in (1, 2, 3)] == [0.5, 0.75, 1.0]


def test_top_1_accuracy_is_accuracy():
    random = np.random.default_rng(0)
    scores, targets = random.random((50, 4)), random.integers(0, 4, 50)
    assert top_k_accuracy(scores, targets, 1) == accuracy(scores, targets)


def test_confusion_matrix_has_true_classes_as_rows():
    expected = [[0, 0, 0], [0, 1, 0], [1, 1, 1]]
    assert confusion_matrix(SCORES, TARGETS, 3).tolist() == expected


def test_confusion_matrix_diagonal_is_the_accuracy():
    random = np.random.default_rng(1)
    scores, targets = random.random((60, 5)), random.integers(0, 5, 60)
    counts = confusion_matrix(scores, targets, 5)
    assert counts.sum() == 60
    assert np.trace(counts) / 60 == accuracy(scores, targets)


def test_r2_is_one_for_perfect_and_zero_for_the_mean():
    targets = np.array([1.0, 2.0, 6.0])
    assert r2_score(targets, targets) == 1
    assert r2_score(np.full(3, 3.0), targets) == 0
    assert r2_score(np.array([1.0, 2.0, 5.0]), targets) == pytest.approx(1 - 1 / 14)


@pytest.mark.parametrize(
    "call",
    [
        lambda: accuracy(SCORES, TARGETS[:2]),
        lambda: accuracy(SCORES[:0], TARGETS[:0]),
        lambda: accuracy(SCORES, TARGETS[:, None]),
        lambda: top_k_accuracy(SCORES, TARGETS, 4),
        lambda: top_k_accuracy(SCORES, TARGETS, 0),
        lambda: top_k_accuracy(TARGETS, TARGETS, 1),
        lambda: confusion_matrix(SCORES, TARGETS, 2),
        lambda: confusion_matrix(np.array([-1]), np.array([0]), 2),
        lambda: r2_score(np.ones(2), np.ones(2)),
        lambda: r2_score(np.ones(2), np.ones(3)),
    ],
)
def test_arrays_that_do_not_fit_are_named_errors(call):
    with pytest.raises(DataError, match=r"accuracy|confusion_matrix|r2_score"):
        call()
