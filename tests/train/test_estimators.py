"""Classifier and Regressor among scikit-learn's tools: its checks, what users do."""

import importlib.util
import os
import pickle
import warnings
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from symgraph import nn
from symgraph.errors import ArgumentError, DataError
from symgraph.train import estimators

#: all of scikit-learn's checks, and a search in processes; takes half a minute
WHOLE = bool(os.environ.get("SYMGRAPH_CHECK_ESTIMATORS"))
#: the checks that say most of what could break for the time they take
SOME = (
    "check_no_attributes_set_in_init", "check_do_not_raise_errors_in_init_or_set_param",
    "check_estimator_repr", "check_estimator_tags_renamed", "check_set_params",
    "check_valid_tag_types", "check_estimators_overwrite_params", "check_complex_data",
    "check_sample_weight_equivalence_on_dense_data", "check_estimators_nan_inf",
    "check_estimators_unfitted", "check_get_params_invariance", "check_supervised_y_2d",
    "check_classifiers_one_label", "check_classifiers_regression_target",
    "check_parameters_default_constructible", "check_requires_y_none", "check_fit1d",
)  # fmt: skip


def blobs(rows=60, features=4, seed=0):
    random = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    return random.normal(size=(rows, features)) * 0.4 + np.eye(3, features)[y] * 3, y


def quick(**settings):
    given = {"hidden": (8,), "learning_rate": 0.03, "epochs": 60, "random_state": 0}
    return nn.Classifier(**given | settings)


@pytest.mark.parametrize("kind", [nn.Classifier, nn.Regressor])
def test_scikit_learns_own_checks_pass(kind):
    if WHOLE:
        found = check_estimator(kind(), on_skip=None)
        skipped = [str(r["exception"]) for r in found if r["status"] == "skipped"]
        assert all("pandas" in why or "ARRAY_API" in why for why in skipped)
        assert Counter(r["status"] for r in found)["passed"] >= 55
        return
    done = set()
    for made, check in estimator_checks_generator(kind()):
        name = getattr(check, "func", check).__name__
        if name in SOME:
            check(made)
            done.add(name)
    assert len(done) >= 14


def test_labels_of_text_come_back_with_probabilities_in_their_order():
    X, y = blobs()
    names = np.array(["b", "a", "c"])[y]
    made = quick().fit(X, names)
    assert made.classes_.tolist() == ["a", "b", "c"]
    assert (made.predict(X) == names).all()
    p = made.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert p[1].argmax() == 0
    assert made.history_["loss"][-1] < made.history_["loss"][0]


def test_fitted_estimators_go_through_pickle_joblib_and_clone(tmp_path):
    X, y = blobs()
    made = quick(dropout=0.2, class_weight="balanced").fit(X, y)
    joblib.dump(made, tmp_path / "made")
    for again in (pickle.loads(pickle.dumps(made)), joblib.load(tmp_path / "made")):
        np.testing.assert_array_equal(again.predict_proba(X), made.predict_proba(X))
    copy = clone(made)
    assert copy.get_params() == made.get_params()
    assert not hasattr(copy, "model_")
    # the same random_state gives the same weights again
    np.testing.assert_array_equal(
        copy.fit(X, y).predict_proba(X), made.predict_proba(X)
    )


def test_sparse_rows_train_like_dense_ones_and_in_batches_when_they_are_many(
    monkeypatch,
):
    X, y = blobs()
    X[np.abs(X) < 0.5] = 0
    dense = quick().fit(X, y)
    sparse = quick().fit(sp.csr_matrix(X), y)
    np.testing.assert_array_equal(
        sparse.predict_proba(sp.coo_matrix(X)), dense.predict_proba(X)
    )
    monkeypatch.setattr(estimators, "DENSE_BYTES", 0)
    weight = np.where(y == 2, 0.0, 2.0)
    made = quick(batch_size=16, validation=0.2, epochs=20)
    made.fit(sp.csr_array(X), y, sample_weight=weight)
    assert (made.predict(X)[y != 2] == y[y != 2]).all()
    assert "validation_loss" in made.history_


def test_partial_fit_goes_on_with_the_classes_of_the_first_call():
    X, y = blobs()
    made = quick(batch_size=20)
    with pytest.raises(ArgumentError, match="needs classes="):
        made.partial_fit(X, y)
    made.partial_fit(X[:20], y[:20], classes=[0, 1, 2])
    for _ in range(20):
        made.partial_fit(X[20:40], y[20:40]).partial_fit(X[40:], y[40:])
    assert made.model_.epoch == 41
    assert made.score(X, y) > 0.9
    with pytest.raises(DataError, match="class 7"):
        made.partial_fit(X, np.where(y == 2, 7, y))
    with pytest.raises(ArgumentError, match="the first call had"):
        made.partial_fit(X, y, classes=[0, 1])


def test_several_targets_are_fitted_together():
    X, _ = blobs()
    y = np.stack([X[:, 0], X[:, 1] - X[:, 2]], axis=1)
    made = nn.Regressor(hidden=(), learning_rate=0.05, random_state=0).fit(X, y)
    assert made.predict(X).shape == y.shape
    assert made.score(X, y) > 0.95
    assert made.partial_fit(X, y, sample_weight=np.ones(len(X))).model_.epoch == 201


def convolving(inputs, outputs):
    layer = nn.layers.Conv2DLayer(inputs, 2, 3)
    return nn.layers.DenseLayer(layer, outputs, nonlinearity=nn.nonlinearities.softmax)


def test_a_network_of_the_users_takes_rows_of_any_rank():
    X = np.random.default_rng(0).normal(size=(30, 1, 5, 5)).astype(np.float32)
    y = (X[:, 0, 2, 2] > 0).astype(int)
    made = quick(network=convolving).fit(X, y)
    assert made.model_.get_weights()[0].dtype == np.float32
    assert made.score(X, y) > 0.9
    with pytest.raises(ArgumentError, match="one unit for each class or target"):
        quick(network=lambda inputs, outputs: inputs).fit(X, y)
    with pytest.raises(ArgumentError, match="expected the last layer"):
        quick(network=lambda inputs, outputs: None).fit(X, y)


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"nonlinearity": "rectyfi"}, "did you mean 'rectify'"),
        ({"dtype": "float16"}, "dtype='float16'"),
        ({"updates": "adm"}, "adam"),
        ({"batch_size": "all"}, "or 'auto'"),
    ],
)
def test_wrong_settings_are_told_by_fit(settings, text):
    X, y = blobs()
    with pytest.raises(ArgumentError, match=text):
        quick(**settings).fit(X, y)


def test_what_cannot_be_learned_is_told():
    X, y = blobs()
    with pytest.raises(DataError, match="one class only"):
        quick().fit(X, y * 0)
    with pytest.raises(DataError, match="negative"):
        quick().fit(X, y, sample_weight=-np.ones(len(y)))
    with pytest.raises(DataError, match="weight 0"):
        quick(class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)


def test_a_training_stops_without_progress():
    X, y = blobs()
    noise = np.random.default_rng(1).permutation(y)
    made = quick(patience=3, validation=0.25, epochs=500).fit(X, noise)
    assert len(made.history_.epochs) < 500
    # without a validation part the loss itself counts
    assert quick(patience=2, epochs=2).fit(X, y).history_.epochs == [1, 2]


#: one network for all, so that only two functions are compiled
GRID = {"classifier__learning_rate": [0.01, 0.05, 0.1], "classifier__epochs": [5, 20],
        "classifier__batch_size": [10, 30]}  # fmt: skip


def search():
    steps = make_pipeline(StandardScaler(), quick())
    steps.steps[-1] = ("classifier", steps.steps[-1][1])
    return GridSearchCV(steps, GRID, cv=2, n_jobs=2)


@pytest.mark.parametrize(
    "backend",
    [
        "threading",
        pytest.param(
            "loky", marks=pytest.mark.skipif(not WHOLE, reason="starts two processes")
        ),
    ],
)
def test_grid_search_over_twelve_settings_of_a_pipeline_two_at_a_time(backend):
    X, y = blobs()
    with joblib.parallel_config(backend), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of processes that end while others begin
        found = search().fit(X, y)
    assert len(found.cv_results_["params"]) == 12
    assert found.best_score_ > 0.9
    assert found.score(X, y) == 1.0


def test_cross_validation_gives_one_score_for_each_part():
    X, y = blobs()
    assert cross_val_score(quick(), X, y, cv=3).min() > 0.9


@pytest.mark.skipif(
    not importlib.util.find_spec("distributed"), reason="needs dask.distributed"
)
def test_grid_search_on_a_local_dask_cluster(tmp_path):
    from distributed import Client, LocalCluster

    X, y = blobs()
    folder = str(Path(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None,
                local_directory=folder,
            ) as cluster,
            Client(cluster),
            joblib.parallel_config("dask"),
        ):  # fmt: skip
            found = search().fit(X, y)
    assert len(found.cv_results_["params"]) == 12
    assert found.best_score_ > 0.9
