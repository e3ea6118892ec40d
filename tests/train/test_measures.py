"""Streamed metrics against NumPy over all rows, at a tail batch, with weights."""

import numpy as np
import pytest

import symgraph as sg
from symgraph import nn
from symgraph.errors import ArgumentError
from symgraph.train import measures
from symgraph.train.measures import F1, METRICS, Precision, Recall, TopKAccuracy

L, F = nn.layers, nn.nonlinearities
ROWS = 53  # no multiple of a batch


@pytest.fixture(autouse=True)
def _single():
    with sg.config.override(floatX="float32"):
        yield
    nn.random.set_rng(np.random)


def _model(outputs, last, loss=None, metrics=(), hidden=5):
    nn.random.set_rng(np.random.RandomState(2))
    layer = L.DenseLayer(L.InputLayer((None, 4)), hidden, nonlinearity=F.tanh)
    layer = L.DenseLayer(layer, outputs, W=nn.init.Normal(1.0), nonlinearity=last)
    return nn.Model(layer, loss, metrics=metrics, learning_rate=0.0)


def _rows(classes):
    random = np.random.default_rng(1)
    return random.normal(size=(ROWS, 4)), random.integers(0, classes, ROWS)


def _counts(p, y, classes):
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (y, p), 1)
    return matrix


@pytest.mark.parametrize("classes", [2, 4])
def test_measures_of_classes(classes):
    X, y = _rows(classes)
    names = ["accuracy", "precision", "recall", "f1", "confusion_matrix"]
    model = _model(classes, F.softmax, metrics=[*names, TopKAccuracy(2)])
    found = model.evaluate(X, y, batch_size=8)
    probabilities = model.predict_proba(X)
    p = probabilities.argmax(axis=1)
    matrix = _counts(p, y, classes)
    assert found["confusion_matrix"].tolist() == matrix.tolist()
    assert found["accuracy"] == pytest.approx(np.trace(matrix) / ROWS)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(np.diag(matrix) / matrix.sum(axis=0))
        recall = np.diag(matrix) / matrix.sum(axis=1)
    f1 = 2 * np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))
    for name, wanted in (("precision", precision), ("recall", recall), ("f1", f1)):
        value = wanted[-1] if classes == 2 else wanted.mean()
        assert found[name] == pytest.approx(value)
    top = np.argsort(-probabilities, axis=1)[:, :2]
    assert found["top_2_accuracy"] == pytest.approx((top == y[:, None]).any(1).mean())


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", "binary"])
@pytest.mark.parametrize("kind", [Precision, Recall, F1])
def test_averages_over_classes(kind, average):
    X, y = _rows(3)
    model = _model(3, F.softmax, metrics=[kind(average)])
    found = model.evaluate(X, y, batch_size=10)[kind.name]
    matrix = _counts(model.predict(X), y, 3)
    hits, predicted, wanted = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    if average == "micro":
        hits, predicted, wanted = (
            np.array([a.sum()]) for a in (hits, predicted, wanted)
        )
    below = {"precision": predicted, "recall": wanted, "f1": (predicted + wanted) / 2}
    by_class = hits / np.maximum(below[kind.name], 1e-9)
    value = {
        "macro": by_class.mean(), "micro": by_class[0], "binary": by_class[-1],
        "weighted": np.average(by_class, weights=wanted) if average == "weighted" else 0,
    }[average]  # fmt: skip
    assert found == pytest.approx(value)


@pytest.mark.parametrize("last", [F.sigmoid, None])
def test_measures_of_yes_or_no(last):
    X, y = _rows(2)
    names = ["accuracy", "binary_accuracy", "precision", "recall", "f1", "auc",
             "confusion_matrix"]  # fmt: skip
    model = _model(1, last, "binary_crossentropy", names)
    found = model.evaluate(X, y, batch_size=8)
    scores = model.predict_proba(X).ravel()
    p = (scores > 0.5).astype(int)
    matrix = _counts(p, y, 2)
    assert found["confusion_matrix"].tolist() == matrix.tolist()
    assert (
        found["accuracy"] == found["binary_accuracy"] == pytest.approx((p == y).mean())
    )
    assert found["precision"] == pytest.approx(matrix[1, 1] / matrix[:, 1].sum())
    assert found["recall"] == pytest.approx(matrix[1, 1] / matrix[1].sum())
    assert found["auc"] == pytest.approx(_auc(scores, y))


def _auc(scores, y):
    pairs = scores[y == 1][:, None] - scores[y == 0]
    return ((pairs > 0) + 0.5 * (pairs == 0)).mean()


def test_auc_counts_ties_half_and_is_nan_for_one_class():
    auc, head = METRICS["auc"](), None
    scores = np.array([0.2, 0.5, 0.5, 0.5, 0.9])
    y = np.array([0, 0, 1, 1, 1.0])
    assert auc.value(head, scores, y) == pytest.approx(_auc(scores, y))
    assert np.isnan(auc.value(head, scores, np.ones(5)))


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_measures_of_numbers(shift):
    X, _ = _rows(2)
    random = np.random.default_rng(3)
    y = random.normal(size=(ROWS, 2)) + shift
    model = _model(2, None, "squared_error", ["mse", "mae", "r2"])
    layer = model.network
    layer.b.set_value(np.full(2, shift, np.float32))
    found = model.evaluate(X, y, batch_size=8)
    p, t = model.predict(X).astype(float), y.astype(np.float32).astype(float)
    assert found["mse"] == pytest.approx(((p - t) ** 2).mean(), rel=1e-4)
    assert found["mae"] == pytest.approx(np.abs(p - t).mean(), rel=1e-4)
    wanted = 1 - ((p - t) ** 2).sum() / ((t - t.mean()) ** 2).sum()
    assert found["r2"] == pytest.approx(wanted, rel=1e-3)


def test_weights_count_rows_as_often():
    X, y = _rows(3)
    weight = np.random.default_rng(4).integers(0, 4, ROWS)
    names = ["accuracy", "f1", "precision", "recall", "confusion_matrix"]
    model = _model(3, F.softmax, metrics=names)
    found = model.evaluate(X, y, batch_size=8, sample_weight=weight)
    wanted = model.evaluate(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    for name in names[:-1]:
        assert found[name] == pytest.approx(wanted[name], rel=1e-5)
    scaled = found["confusion_matrix"] * (weight.sum() / ROWS)
    assert scaled == pytest.approx(wanted["confusion_matrix"], rel=1e-4)


def test_training_and_evaluation_measure_the_same():
    X, y = _rows(3)
    names = ["accuracy", "precision", "f1", "confusion_matrix"]
    model = _model(3, F.softmax, metrics=names)
    history = model.fit(X, y, batch_size=8)  # the learning rate is 0
    found = model.evaluate(X, y)
    for name in names:
        assert np.array_equal(history[name][-1], found[name])


def test_one_hot_targets_and_places_measure_alike():
    X, y = _rows(3)
    model = _model(3, F.softmax, metrics=["accuracy", "f1"])
    assert model.evaluate(X, np.eye(3)[y]) == pytest.approx(model.evaluate(X, y))
    layer = L.DenseLayer(
        L.InputLayer((None, 6, 4)), 3, num_leading_axes=2, nonlinearity=F.softmax
    )
    places = nn.Model(layer, metrics=["accuracy", TopKAccuracy(2)])
    rows = np.random.default_rng(0).normal(size=(9, 6, 4))
    labels = np.random.default_rng(1).integers(0, 3, (9, 6))
    found = places.evaluate(rows, labels, batch_size=4)
    p = places.predict(rows)
    assert p.shape == (9, 6)
    assert found["accuracy"] == pytest.approx((p == labels).mean())


def test_functions_are_metrics():
    X, y = _rows(3)

    def sure(p, t):
        return p.max(axis=1) > 0.5

    model = _model(3, F.softmax, metrics=[sure, nn.objectives.categorical_accuracy])
    found = model.evaluate(X, y, batch_size=8)
    probabilities = model.predict_proba(X)
    assert found["sure"] == pytest.approx((probabilities.max(axis=1) > 0.5).mean())
    right = (probabilities.argmax(axis=1) == y).mean()
    assert found["categorical_accuracy"] == pytest.approx(right)


@pytest.mark.parametrize(
    ("outputs", "last", "loss", "metric", "text"),
    [
        (3, F.softmax, None, "auc", "auc is for two classes"),
        (3, F.softmax, None, TopKAccuracy(5), "does not fit a network of 3 classes"),
        (2, None, "squared_error", "f1", "f1 needs a network of classes"),
        (2, F.sigmoid, None, "confusion_matrix", "needs a network of classes"),
        (3, F.softmax, None, 7, "metric 7, expected a name"),
        (3, F.softmax, None, lambda p, t: p.mean(), "gives a scalar"),
    ],
)
def test_a_metric_that_makes_no_sense_is_refused(outputs, last, loss, metric, text):
    with pytest.raises(ArgumentError, match=text):
        _model(outputs, last, loss, [metric]).evaluate(*_rows(2))


def test_every_metric_is_in_the_table():
    kinds = {
        kind for kind in vars(measures).values()
        if isinstance(kind, type) and issubclass(kind, measures.Metric)
        and kind.name != "metric" and kind.__name__[0] != "_"
    }  # fmt: skip
    assert kinds <= set(METRICS.values())
