"""Models in files: what comes back, what has to be given again, what is refused."""

import functools
import json

import numpy as np
import pytest

import symgraph as sg
from symgraph import nn
from symgraph.data import Rescale, Standardize
from symgraph.errors import ArgumentError, DataError
from symgraph.train import load_model
from symgraph.train.measures import F1, TopKAccuracy

L, F = nn.layers, nn.nonlinearities


@pytest.fixture(autouse=True)
def _single():
    nn.random.set_rng(np.random.RandomState(0))
    with sg.config.override(floatX="float32"):
        yield
    nn.random.set_rng(np.random)


def _rows():
    X = np.random.default_rng(0).normal(size=(30, 3))
    return X, np.arange(30) % 3


def _network(classes=3):
    layer = L.DropoutLayer(L.DenseLayer(L.InputLayer((None, 3)), 5), p=0.3)
    return L.DenseLayer(L.batch_norm(layer), classes, nonlinearity=F.softmax)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"updates": "sgd", "learning_rate": 0.1, "metrics": ["accuracy", F1("micro")]},
        {"updates": functools.partial(nn.updates.momentum, momentum=0.5)},
        {"regularization": {"l1": 0.01, "l2": 0.1}, "clip_norm": 1.0, "accumulate": 2},
        {"average": 0.9, "metrics": [TopKAccuracy(2)]},
        {"preprocessing": Rescale(0.5, 1.0)},
        {"preprocessing": Standardize([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])},
    ],
)
def test_a_loaded_model_predicts_measures_and_goes_on_alike(settings, tmp_path):
    X, y = _rows()
    model = nn.Model(_network(), **settings)
    model.fit(X, y, epochs=2, batch_size=8)
    model.save(tmp_path / "run", {"made": "here"})
    loaded = nn.Model.load(tmp_path / "run")
    assert np.array_equal(model.predict_proba(X), loaded.predict_proba(X))
    assert model.evaluate(X, y) == loaded.evaluate(X, y)
    assert loaded.epoch == 2
    assert loaded.history["loss"] == model.history["loss"]
    assert loaded.metadata == {"made": "here"}
    a, b = (m.fit(X, y, epochs=2, batch_size=8)["loss"] for m in (model, loaded))
    assert a == b


def test_several_outputs_come_back(tmp_path):
    inner = L.DenseLayer(L.InputLayer((None, 3)), 4)
    model = nn.Model(
        {"kind": L.DenseLayer(inner, 2, nonlinearity=F.softmax),
         "size": L.DenseLayer(inner, 1, nonlinearity=None)},
        metrics={"kind": ["accuracy"]}, loss_weights={"kind": 1.0, "size": 0.1},
    )  # fmt: skip
    X, y = _rows()
    targets = {"kind": y % 2, "size": X[:, 0]}
    model.fit(X, targets)
    model.save(tmp_path)
    loaded = nn.Model.load(tmp_path)
    assert loaded.evaluate(X, targets) == model.evaluate(X, targets)
    assert set(loaded.predict(X)) == {"kind", "size"}


def test_a_file_of_a_model_is_one_of_a_network_too(tmp_path):
    model = nn.Model(_network())
    model.save(tmp_path, {"a": 1})
    saved = load_model(tmp_path)
    assert saved.output.output_shape == (None, 3)
    assert saved.metadata == {"a": 1}
    plain = nn.Model.load(tmp_path)
    assert np.array_equal(plain.predict(_rows()[0]), model.predict(_rows()[0]))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"loss": lambda p, t: nn.objectives.categorical_crossentropy(p, t)}, "loss"),
        (
            {"updates": lambda loss, params: nn.updates.sgd(loss, params, 0.1)},
            "updates",
        ),
        ({"metrics": [lambda p, t: p[:, 0]]}, "metrics"),
        ({"regularization": lambda network: 0.0}, "regularization"),
        ({"preprocessing": lambda x: x * 2}, "preprocessing"),
    ],
)
def test_functions_of_the_user_have_to_be_given_again(settings, what, tmp_path):
    nn.Model(_network(), **settings).save(tmp_path)
    with pytest.raises(ArgumentError, match=f"pass it: Model.load\\(path, {what}="):
        nn.Model.load(tmp_path)
    loaded = nn.Model.load(tmp_path, **settings)
    assert np.isfinite(loaded.fit(*_rows())["loss"][0])


def _changed(folder, change):
    path = folder / "model.json"
    document = json.loads(path.read_text())
    change(document["training"])
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.update(loss=["none"]), "no loss 'none'"),
        (lambda t: t["updates"].update(rule="os.system"), "no updates are called"),
        (
            lambda t: t.update(metrics=[[0, {"metric": "x", "settings": {}}]]),
            "no metric",
        ),
        (lambda t: t.update(preprocessing="Evil"), "no preprocessing is called 'Evil'"),
        (lambda t: t.pop("epoch"), "not a valid model"),
        (lambda t: t.update(around={"nope": 1}), "not a valid model"),
    ],
)
def test_a_file_that_somebody_changed_is_refused(change, text, tmp_path):
    nn.Model(_network()).save(tmp_path)
    _changed(tmp_path, change)
    with pytest.raises((DataError, ArgumentError), match=text):
        nn.Model.load(tmp_path)
