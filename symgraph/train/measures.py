"""Metrics that are streamed: sums made in the graph, added up over batches of any size.

In: the name of a metric, or one of the classes here.  Out: for each batch a few sums, and
from the sums of all batches the number itself, which is the one that all rows together
give, however they were cut.  Measures of finished predictions are ``metrics.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symgraph.tensor as T
from symgraph import nn
from symgraph.core.node import Variable
from symgraph.errors import ArgumentError
from symgraph.train.heads import LABELS, Head, absolute_error, near


class Metric:
    """Base of metrics.

    Attributes
    ----------
    name : key in a history
    by_rows : whether it needs scores and targets of every row, rather than sums; such a
        metric is told by validation and `evaluate`, not for the training part
    higher_is_better : what early stopping and checkpoints take for better
    """

    name = "metric"
    by_rows = False
    higher_is_better = True

    def check(self, head: Head) -> None:
        """Refuse a network that the metric makes no sense for."""

    def sums(self, head: Head, output: Any, target: Any, weight: Any) -> list[Any]:
        """Expressions of one batch, of shapes that do not depend on its rows.

        Parameters
        ----------
        output : probabilities for a loss of classes, else what the network gives
        target : labels, or numbers of the shape of the output
        weight : of each row (batch,), or None
        """
        raise NotImplementedError

    def value(self, head: Head, *parts: np.ndarray) -> Any:
        """The number; each part is (batches, ...), what `sums` gave for each batch."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<metric {self.name}>"


class Mean(Metric):
    """The mean over all items of a function of predictions and targets.

    Parameters
    ----------
    function : gives an expression for each item, such as those of `nn.objectives`
    name : key in a history, by default the function's name
    """

    def __init__(
        self,
        function: Callable[[Any, Any], Any],
        name: str | None = None,
        higher_is_better: bool = False,
    ) -> None:
        self.function = function
        self.name = str(name or getattr(function, "__name__", "metric"))
        self.higher_is_better = higher_is_better

    def items(self, head: Head, output: Any, target: Any) -> Any:
        """The number of each item."""
        return T.as_tensor_variable(self.function(output, target))

    def sums(self, head: Head, output: Any, target: Any, weight: Any) -> list[Any]:
        """Sum of the items, and how many there are."""
        items: Any = self.items(head, output, target)
        if not items.ndim:
            raise ArgumentError(
                f"Model: the metric {self.name} gives a scalar, expected a number for each "
                "item, of which the mean is taken over all batches"
            )
        return _totals(items, weight)

    def value(self, head: Head, *parts: np.ndarray) -> float:
        """Sum of all items by their number."""
        total, count = (float(part.sum(dtype=np.float64)) for part in parts)
        return total / count if count else float("nan")


class Accuracy(Mean):
    """The share of items whose class is right, for classes and for yes or no."""

    def __init__(self) -> None:
        super().__init__(_never, "accuracy", True)

    def items(self, head: Head, output: Any, target: Any) -> Any:
        """Whether each is right."""
        return T.eq(_predicted(head, output), _wanted(head, target))


class BinaryAccuracy(Mean):
    """The share of numbers on the right side of a threshold."""

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__(_never, "binary_accuracy", True)
        self.threshold = threshold

    def items(self, head: Head, output: Any, target: Any) -> Any:
        """Whether each is right."""
        return T.eq(T.gt(output, self.threshold), T.gt(target, 0.5))


class TopKAccuracy(Mean):
    """The share of rows whose class is among the k highest.

    Parameters
    ----------
    k : from 1 to the number of classes
    """

    def __init__(self, k: int = 5) -> None:
        super().__init__(_never, f"top_{k}_accuracy", True)
        self.k = k

    def check(self, head: Head) -> None:
        """Refuse a k over the number of classes."""
        classes = head.classes
        if not 1 <= self.k or (classes is not None and self.k > classes):
            raise ArgumentError(
                f"Model: {self.name} does not fit a network of {classes} classes"
            )

    def items(self, head: Head, output: Any, target: Any) -> Any:
        """Whether each class is among them."""
        target = _wanted(head, target)
        if output.ndim > 2:
            rows = T.prod(output.shape[:-1])
            output = T.reshape(output, (rows, output.shape[-1]), ndim=2)
            found = nn.objectives.categorical_accuracy(
                output, T.flatten(target), self.k
            )
            return T.reshape(found, target.shape, ndim=target.ndim)
        return nn.objectives.categorical_accuracy(output, target, self.k)


class _Counts(Metric):
    """What precision, recall and F1 share: hits, predictions and targets by class."""

    def __init__(self, average: str | None = None) -> None:
        if average not in (None, "binary", "macro", "micro", "weighted"):
            raise ArgumentError(
                f"{self.name}: average={average!r}, expected 'binary', 'macro', 'micro', "
                "'weighted' or None to choose"
            )
        self.average = average

    def check(self, head: Head) -> None:
        """Refuse a regression."""
        if not head.is_classifier:
            raise ArgumentError(f"Model: {self.name} needs a network of classes")

    def sums(self, head: Head, output: Any, target: Any, weight: Any) -> list[Any]:
        """For each class: right ones, those predicted, those there are."""
        predicted, wanted = _one_hot_pair(head, output, target)
        return [
            _columns(each, weight) for each in (predicted * wanted, predicted, wanted)
        ]

    def value(self, head: Head, *parts: np.ndarray) -> float:
        """The average over classes of each one's number."""
        hits, predicted, wanted = (part.sum(axis=0, dtype=np.float64) for part in parts)
        average = self.average
        if average is None:
            single = len(hits) == 1 or (len(hits) == 2 and not head.is_binary)
            average = "binary" if single else "macro"
        if average == "micro":
            hits, predicted, wanted = (
                each.sum(keepdims=True) for each in (hits, predicted, wanted)
            )
        by_class = self.of(hits, predicted, wanted)
        if average == "binary":
            return float(by_class[-1])
        if average == "weighted":
            return float(np.average(by_class, weights=np.maximum(wanted, 1e-300)))
        present = (predicted > 0) | (wanted > 0)
        return float(by_class[present].mean()) if present.any() else 0.0

    def of(self, hits: Any, predicted: Any, wanted: Any) -> Any:
        """The number of each class."""
        raise NotImplementedError


class Precision(_Counts):
    """The share of predictions of a class that are right: hits / predicted.

    Parameters
    ----------
    average : over classes: "macro" (each class alike), "micro", "weighted" (by rows),
        "binary" (the last class alone); by default "binary" for two classes, else "macro"
    """

    name = "precision"

    def of(self, hits: Any, predicted: Any, wanted: Any) -> Any:
        """Hits / predicted."""
        return _ratio(hits, predicted)


class Recall(_Counts):
    """The share of the rows of a class that are found: hits / wanted.

    Parameters
    ----------
    average : see `Precision`
    """

    name = "recall"

    def of(self, hits: Any, predicted: Any, wanted: Any) -> Any:
        """Hits / wanted."""
        return _ratio(hits, wanted)


class F1(_Counts):
    """The harmonic mean of precision and recall: 2 hits / (predicted + wanted).

    Parameters
    ----------
    average : see `Precision`
    """

    name = "f1"

    def of(self, hits: Any, predicted: Any, wanted: Any) -> Any:
        """2 * hits / (predicted + wanted)."""
        return _ratio(2 * hits, predicted + wanted)


class ConfusionMatrix(Metric):
    """Rows by true class (down) and predicted class (across)."""

    name = "confusion_matrix"

    def check(self, head: Head) -> None:
        """Refuse a regression, and several questions at once."""
        if not head.is_classifier or (head.is_binary and head.classes != 1):
            raise ArgumentError(f"Model: {self.name} needs a network of classes")

    def sums(self, head: Head, output: Any, target: Any, weight: Any) -> list[Any]:
        """One-hot targets, transposed, times one-hot predictions."""
        predicted, wanted = _one_hot_pair(head, output, target)
        if head.is_binary:
            predicted, wanted = (
                T.concatenate([1 - each, each], axis=1) for each in (predicted, wanted)
            )
        if weight is not None:
            wanted = wanted * _per_item(weight, wanted)
        return [T.dot(wanted.T, predicted)]

    def value(self, head: Head, *parts: np.ndarray) -> np.ndarray:
        """The sum over batches; whole numbers without weights."""
        counts = parts[0].sum(axis=0, dtype=np.float64)
        whole = np.rint(counts)
        return whole.astype(np.int64) if np.allclose(counts, whole) else counts


class _Difference(Metric):
    """What measures of regressions share."""

    higher_is_better = False

    def check(self, head: Head) -> None:
        """Refuse labels, which are no numbers to be near to."""
        if head.loss.targets == LABELS:
            raise ArgumentError(
                f"Model: {self.name} compares numbers, but {head.loss.name} takes classes"
            )


class SquaredError(_Difference, Mean):
    """The mean of (p - t)**2."""

    def __init__(self) -> None:
        Mean.__init__(self, nn.objectives.squared_error, "mse")


class AbsoluteError(_Difference, Mean):
    """The mean of abs(p - t)."""

    def __init__(self) -> None:
        Mean.__init__(self, absolute_error, "mae")


class R2(_Difference):
    """The coefficient of determination, 1 - sum (t - p)**2 / sum (t - mean t)**2.

    Means and squares of batches are joined as of two samples, which loses no digits to
    large means.

    References
    ----------
    Chan, Golub and LeVeque 1983, Algorithms for computing the sample variance
    """

    name = "r2"
    higher_is_better = True

    def sums(self, head: Head, output: Any, target: Any, weight: Any) -> list[Any]:
        """Weight, mean of t, its squares about the mean, squares of the errors."""
        p, t = (T.cast(each, "float64") for each in (output, target))
        w = T.ones_like(t) if weight is None else _per_item(weight, t) * T.ones_like(t)
        count = T.sum(w)
        mean = T.sum(w * t) / T.maximum(count, 1e-300)
        return [count, mean, T.sum(w * T.sqr(t - mean)), T.sum(w * T.sqr(t - p))]

    def value(self, head: Head, *parts: np.ndarray) -> float:
        """Of all batches; NaN where all targets are equal."""
        count, mean, spread, errors = parts
        total = count.sum()
        centre = (count * mean).sum() / total if total else 0.0
        spread = spread.sum() + (count * (mean - centre) ** 2).sum()
        return float(1 - errors.sum() / spread) if spread else float("nan")


class AUC(Metric):
    """The area under the ROC curve of yes or no, or of the second of two classes.

    The share of pairs of one yes and one no in which the yes has the higher score; equal
    scores count half.

    References
    ----------
    Mann and Whitney 1947, On a test of whether one of two random variables is
    stochastically larger than the other
    """

    name = "auc"
    by_rows = True

    def check(self, head: Head) -> None:
        """Refuse more than two classes."""
        if not head.is_classifier or head.classes not in (1, 2) or len(head.shape) != 2:
            raise ArgumentError(
                f"Model: auc is for two classes, the network gives {head.shape}"
            )

    def sums(self, head: Head, output: Any, target: Any, weight: Any) -> list[Any]:
        """Score, target and weight of each row."""
        wanted = _wanted(head, target)
        if head.classes == 1 and wanted.ndim == 2:
            wanted = wanted[:, 0]
        found = [output[:, -1], T.cast(wanted, "float32")]
        return found if weight is None else [*found, weight]

    def value(self, head: Head, *parts: np.ndarray) -> float:
        """By ranks; NaN where one of the two is missing."""
        scores, wanted = parts[0].astype(np.float64), parts[1] > 0.5
        weights = (
            parts[2].astype(np.float64) if len(parts) > 2 else np.ones(len(scores))
        )
        values, place = np.unique(scores, return_inverse=True)
        yes = np.bincount(place, weights * wanted, len(values))
        no = np.bincount(place, weights * ~wanted, len(values))
        below = np.cumsum(no) - no / 2
        pairs = yes.sum() * no.sum()
        return float((yes * below).sum() / pairs) if pairs else float("nan")


#: name → class
METRICS: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy, "binary_accuracy": BinaryAccuracy,
    "top_k_accuracy": TopKAccuracy, "precision": Precision, "recall": Recall, "f1": F1,
    "auc": AUC, "confusion_matrix": ConfusionMatrix, "mse": SquaredError,
    "mae": AbsoluteError, "r2": R2,
}  # fmt: skip


def metric_of(given: Any) -> Metric:
    """Return the metric that a name, a class, an object or a function stands for.

    Examples
    --------
    >>> metric_of("accuracy"), metric_of(TopKAccuracy(3))
    (<metric accuracy>, <metric top_3_accuracy>)
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, type) and issubclass(given, Metric):
        return given()
    if isinstance(given, str):
        if given not in METRICS:
            raise ArgumentError(f"Model: no metric {given!r}; {near(given, METRICS)}")
        return METRICS[given]()
    if callable(given) and not isinstance(given, Variable):
        return Mean(
            given, higher_is_better="accuracy" in getattr(given, "__name__", "")
        )
    raise ArgumentError(
        f"Model: metric {given!r}, expected a name, an object of symgraph.train.measures, "
        "or a function of (predictions, targets)"
    )


def joined(parts: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """The sums of all batches of several calls, one array for each."""
    if len(parts) == 1:
        return list(parts[0])
    return [np.concatenate([np.atleast_1d(a) for a in each]) for each in zip(*parts)]


def _totals(items: Any, weight: Any) -> list[Any]:
    """Sum of items, and of their weights."""
    if weight is None:
        discrete = items.dtype in ("bool", "int64", "int32", "int8", "uint8")
        kind = "int64" if discrete else "float64"
        ones = T.cast(T.prod(items.shape), "float64")
        return [T.sum(T.cast(items, kind)), ones]
    w = T.cast(_per_item(weight, items), "float64")
    return [
        T.sum(T.cast(items, "float64") * w),
        T.sum(w * T.ones_like(items, "float64")),
    ]


def _columns(counts: Any, weight: Any) -> Any:
    """Sums over all axes but the last."""
    if weight is not None:
        counts = counts * _per_item(weight, counts)
    return T.sum(counts, axis=tuple(range(counts.ndim - 1)))


def _per_item(weight: Any, items: Any) -> Any:
    """Weights of rows beside items of rows."""
    if items.ndim == 1:
        return weight
    return T.shape_padright(weight, items.ndim - 1)


def _predicted(head: Head, output: Any) -> Any:
    """Classes, as integers."""
    if head.is_binary or head.classes == 1:
        return T.cast(T.gt(output, 0.5), "int32")
    return T.cast(T.argmax(output, axis=-1), "int32")


def _wanted(head: Head, target: Any) -> Any:
    """Classes that are wanted, as integers."""
    if head.is_binary or head.classes == 1:
        return T.cast(T.gt(target, 0.5), "int32")
    if target.ndim == len(head.shape):
        return T.cast(T.argmax(target, axis=-1), "int32")
    return T.cast(target, "int32")


def _one_hot_pair(head: Head, output: Any, target: Any) -> tuple[Any, Any]:
    """Predictions and targets as zeros and ones, (rows, classes)."""
    predicted, wanted = _predicted(head, output), _wanted(head, target)
    if head.is_binary or head.classes == 1:
        pair = [T.cast(each, "float32") for each in (predicted, wanted)]
        return pair[0], pair[1]
    pair = [T.one_hot(each, head.classes, "float32") for each in (predicted, wanted)]
    return pair[0], pair[1]


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _never(predictions: Any, targets: Any) -> Any:
    raise AssertionError("items of this metric need the head")
