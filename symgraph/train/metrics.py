"""Measures of how good predictions are: NumPy arrays in, numbers or small arrays out.

They judge finished predictions.  What a graph minimises lives in ``nn/objectives.py``.
"""

from __future__ import annotations

import numpy as np

from symgraph.errors import DataError


def accuracy(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Return the share of rows whose class is right.

    mean over rows of [argmax of the row == target]

    Parameters
    ----------
    predictions : (n, classes) scores, or (n,) classes
    targets : (n,) classes

    Examples
    --------
    >>> accuracy(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]))
    0.5
    """
    predicted, targets = _classes(predictions), np.asarray(targets)
    _check_rows("accuracy", predicted, targets)
    return float(np.mean(predicted == targets))


def top_k_accuracy(scores: np.ndarray, targets: np.ndarray, k: int = 5) -> float:
    """Return the share of rows whose target is among the k highest scores.

    Parameters
    ----------
    scores : (n, classes)
    targets : (n,) classes
    k : from 1 to the number of classes

    Examples
    --------
    >>> top_k_accuracy(np.array([[0.5, 0.3, 0.2]]), np.array([1]), k=2)
    1.0
    """
    scores, targets = np.asarray(scores), np.asarray(targets)
    if scores.ndim != 2 or not 1 <= k <= scores.shape[1]:
        raise DataError(f"top_k_accuracy: k = {k} does not fit scores {scores.shape}")
    _check_rows("top_k_accuracy", scores, targets)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float(np.mean((best == targets[:, None]).any(axis=1)))


def confusion_matrix(
    predictions: np.ndarray, targets: np.ndarray, classes: int
) -> np.ndarray:
    """Count rows by true class and predicted class.

    out[i, j] = number of rows of class i that were taken for class j

    Parameters
    ----------
    predictions : (n, classes) scores, or (n,) classes
    targets : (n,) classes
    classes : number of classes

    Returns
    -------
    int64 (classes, classes)

    Examples
    --------
    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    predicted, targets = _classes(predictions), np.asarray(targets)
    _check_rows("confusion_matrix", predicted, targets)
    both = np.concatenate([predicted, targets])
    if both.size and not (0 <= both.min() and both.max() < classes):
        raise DataError(
            f"confusion_matrix: classes from {both.min()} to {both.max()} "
            f"do not lie in 0 .. {classes - 1}"
        )
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (targets, predicted), 1)
    return counts


def r2_score(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Return the coefficient of determination of a regression.

    1 - sum((t - p)**2) / sum((t - mean t)**2); 1 is perfect, 0 as good as the mean

    Parameters
    ----------
    predictions, targets : float, the same shape; targets must not all be equal

    Examples
    --------
    >>> r2_score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    predicted = np.asarray(predictions, np.float64)
    wanted = np.asarray(targets, np.float64)
    if predicted.shape != wanted.shape or not wanted.size:
        raise DataError(
            f"r2_score: predictions {predicted.shape} and targets {wanted.shape} differ"
        )
    spread = np.sum((wanted - wanted.mean()) ** 2)
    if spread == 0:
        raise DataError("r2_score: all targets are equal, the score is not defined")
    return float(1 - np.sum((wanted - predicted) ** 2) / spread)


def _classes(predictions: np.ndarray) -> np.ndarray:
    predictions = np.asarray(predictions)
    return predictions.argmax(axis=1) if predictions.ndim == 2 else predictions


def _check_rows(name: str, predictions: np.ndarray, targets: np.ndarray) -> None:
    if targets.ndim != 1 or len(predictions) != len(targets) or not len(targets):
        raise DataError(
            f"{name}: predictions {predictions.shape} and targets {targets.shape} "
            "must have the same number of rows, at least one, targets being a vector"
        )
