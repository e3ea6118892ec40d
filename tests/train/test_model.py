"""Model: what comes in, what is trained, what comes out; errors before the work."""

import functools

import numpy as np
import pytest

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.errors import ArgumentError, DataError, NaNError, ShapeError
from symgraph.train.callbacks import Lambda

L, F = nn.layers, nn.nonlinearities


@pytest.fixture(autouse=True)
def _small():
    nn.random.set_rng(np.random.RandomState(0))
    with sg.config.override(floatX="float32"):
        yield
    nn.random.set_rng(np.random)


def blobs(n=60, classes=3, seed=0):
    """Points around `classes` corners of a circle."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % classes
    angle = 2 * np.pi * y / classes
    X = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.2 * random.normal(size=(n, 2))
    return X, y


def network(classes=3, last=F.softmax, hidden=8):
    layer = L.DenseLayer(L.InputLayer((None, 2)), hidden, nonlinearity=F.tanh)
    return L.DenseLayer(layer, classes, nonlinearity=last)


def model(*args, last=F.softmax, classes=3, **settings):
    return nn.Model(network(classes, last), *args, **{"learning_rate": 0.05} | settings)


# --- what it learns -----------------------------------------------------------------


def test_float64_rows_and_int64_labels_are_taken_as_they_come():
    X, y = blobs()
    assert X.dtype == np.float64
    assert y.dtype == np.int64
    made = model(metrics=["accuracy"])
    history = made.fit(X, y, epochs=30)
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert made.evaluate(X, y)["accuracy"] == 1.0
    assert made.predict(X).tolist() == y.tolist()
    assert made.predict_proba(X).shape == (60, 3)


@pytest.mark.parametrize("last", [F.softmax, None, F.log_softmax])
def test_scores_and_probabilities_of_classes_train_alike(last):
    X, y = blobs()
    found = model("categorical_crossentropy", last=last).fit(X, y, epochs=3)["loss"]
    nn.random.set_rng(np.random.RandomState(0))
    wanted = model().fit(X, y, epochs=3)["loss"]
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("last", [F.sigmoid, None])
def test_yes_or_no_by_scores_and_by_probabilities(last):
    X, y = blobs(classes=2)
    made = model("binary_crossentropy", last=last, classes=1, metrics=["accuracy"])
    made.fit(X, y, epochs=30)
    assert made.evaluate(X, y)["accuracy"] == 1.0
    assert made.predict(X).ravel().tolist() == y.tolist()
    assert 0 <= made.predict_proba(X).min() <= made.predict_proba(X).max() <= 1


def test_large_scores_give_finite_losses():
    X, y = blobs()
    for last in (None, F.softmax):
        made = model("categorical_crossentropy", last=last)
        made.set_weights([w * 1e4 for w in made.get_weights()])
        assert np.isfinite(made.evaluate(X, y)["loss"])


def test_regression_with_numbers():
    random = np.random.default_rng(0)
    X = random.normal(size=(50, 2))
    y = X @ [2.0, -1.0] + 3
    layer = L.DenseLayer(L.InputLayer((None, 2)), 1, nonlinearity=None)
    made = nn.Model(layer, updates="sgd", learning_rate=0.1, metrics=["mae", "r2"])
    made.fit(X, y, epochs=60)
    found = made.evaluate(X, y)
    assert found["mae"] < 1e-3
    assert found["r2"] > 0.9999
    assert made.predict(X).shape == (50, 1)


def test_the_loss_of_an_epoch_is_the_mean_over_rows_at_the_tail():
    X, y = blobs(50)
    made = model(learning_rate=0.0)
    found = made.fit(X, y, epochs=1, batch_size=32, shuffle=False)["loss"][0]
    assert found == pytest.approx(made.evaluate(X, y)["loss"], rel=1e-6)
    assert made.evaluate(X, y, batch_size=7)["loss"] == pytest.approx(found, rel=1e-6)


def test_epochs_are_the_same_in_one_call_and_in_several():
    X, y = blobs()
    one, several = model(), None
    several = one.copy()
    found = one.fit(X, y, epochs=4)["loss"]
    parts = [several.fit(X, y, epochs=n)["loss"] for n in (1, 2, 1)]
    assert found == [loss for part in parts for loss in part]
    assert several.epoch == 4
    assert several.history["loss"] == found
    assert all(map(np.array_equal, one.get_weights(), several.get_weights()))


def test_callbacks_and_validation_change_no_bit_of_the_training():
    X, y = blobs()
    plain = model()
    watched = plain.copy()
    plain.fit(X, y, epochs=3, batch_size=60)
    watched.fit(
        X, y, epochs=3, batch_size=60, callbacks=[Lambda(lambda run: None)],
        validation=(X, y),
    )  # fmt: skip
    assert all(map(np.array_equal, plain.get_weights(), watched.get_weights()))


def test_the_seed_gives_the_order():
    X, y = blobs()
    made = model()
    runs = [made.copy().fit(X, y, epochs=2, seed=seed)["loss"] for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    still = made.copy().fit(X, y, epochs=2, seed=1, shuffle=False)["loss"]
    assert still != runs[0]


def test_fit_is_the_same_as_steps_by_hand():
    X, y = blobs()
    made = model(updates="sgd")
    by_hand = made.copy()
    made.fit(X, y, epochs=2, batch_size=60)
    for _ in range(2):
        found = by_hand.train_on_batch(X, y)
    assert found["loss"] == made.history["loss"][1]
    assert all(map(np.array_equal, made.get_weights(), by_hand.get_weights()))


# --- settings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "updates",
    ["nesterov_momentum", nn.updates.adam,
     lambda loss, params: nn.updates.sgd(loss, params, 0.1),
     functools.partial(nn.updates.momentum, momentum=0.5)],
)  # fmt: skip
def test_every_way_to_name_updates(updates):
    X, y = blobs()
    made = model(updates=updates, learning_rate=None)
    losses = made.fit(X, y, epochs=10)["loss"]
    assert losses[-1] < losses[0]


def test_a_loss_that_is_a_function_or_an_expression():
    X, y = blobs()
    named = model(updates="sgd").fit(X, y, epochs=2)["loss"]
    nn.random.set_rng(np.random.RandomState(0))
    own = model(nn.objectives.categorical_crossentropy, updates="sgd")
    assert own.fit(X, y, epochs=2)["loss"] == named
    nn.random.set_rng(np.random.RandomState(0))
    net, t = network(), T.ivector("t")
    loss = nn.objectives.categorical_crossentropy(L.get_output(net), t).mean()
    by_expression = nn.Model(net, loss, "sgd", learning_rate=0.05, targets=t)
    assert by_expression.fit(X, y, epochs=2)["loss"] == pytest.approx(named, rel=1e-6)


@pytest.mark.parametrize(
    "regularization", [0.1, {"l2": 0.1}, lambda net: 0.1 * nn.regularization
                       .regularize_network_params(net, nn.regularization.l2)],
)  # fmt: skip
def test_regularization_adds_to_the_loss(regularization):
    X, y = blobs()
    made = model(learning_rate=0.0, regularization=regularization)
    plain = made.copy().fit(X, y, epochs=1)["loss"][0]
    weights = [w for w in made.get_weights() if w.ndim == 2]
    nn.random.set_rng(np.random.RandomState(0))
    without = model(learning_rate=0.0).fit(X, y, epochs=1)["loss"][0]
    wanted = without + 0.1 * sum(float((w**2).sum()) for w in weights)
    assert plain == pytest.approx(wanted, rel=1e-5)


def test_clipping_bounds_the_step():
    X, y = blobs()
    for settings in ({"clip_norm": 1e-3}, {"clip_value": 1e-4}):
        made = model(updates="sgd", learning_rate=1.0, **settings)
        before = made.get_weights()
        made.train_on_batch(X, y)
        moved = np.concatenate([
            (a - b).ravel() for a, b in zip(before, made.get_weights(), strict=True)
        ])  # fmt: skip
        if "clip_norm" in settings:
            assert np.linalg.norm(moved) == pytest.approx(1e-3, rel=1e-2)
        else:
            assert np.abs(moved).max() == pytest.approx(1e-4, rel=1e-2)


def test_accumulated_batches_make_the_step_of_one_large_batch():
    X, y = blobs()
    large = model(updates="adam")
    weights = large.get_weights()
    small = model(updates="adam", accumulate=3)
    small.set_weights(weights)
    large.fit(X, y, epochs=2, batch_size=60)
    small.fit(X, y, epochs=2, batch_size=20, shuffle=False)
    for a, b in zip(large.get_weights(), small.get_weights(), strict=True):
        assert a == pytest.approx(b, abs=2e-5)


def test_a_moving_average_predicts():
    X, y = blobs()
    made = model(average=0.9)
    made.fit(X, y, epochs=5)
    averaged = made.predict_proba(X)
    plain = made.copy()
    for param, average in made.functions.averages.items():
        param.set_value(average.get_value())
    assert np.array_equal(made.predict_proba(X), averaged)
    inner = nn.Model(made.network, learning_rate=0.05)
    assert inner.predict_proba(X) == pytest.approx(averaged, abs=1e-6)
    assert not all(map(np.array_equal, plain.get_weights(), made.get_weights()))


def test_weights_of_rows_and_of_classes():
    X, y = blobs(90)
    half = np.where(y == 2, 0.0, 1.0)
    made = model(updates="sgd")
    by_row, without = made.copy(), made.copy()
    by_class = made.copy()
    by_row.fit(X, y, epochs=2, batch_size=90, sample_weight=half)
    by_class.fit(X, y, epochs=2, batch_size=90, class_weight={2: 0.0})
    without.fit(X[y != 2], y[y != 2], epochs=2, batch_size=90)
    for a, b, c in zip(
        by_row.get_weights(), by_class.get_weights(), without.get_weights(), strict=True
    ):
        assert np.array_equal(a, b)
        assert a == pytest.approx(c, abs=1e-6)
    found = made.evaluate(X, y, sample_weight=half)["loss"]
    assert found == pytest.approx(made.evaluate(X[y != 2], y[y != 2])["loss"], rel=1e-5)


def test_validation_is_a_pair_or_a_share_of_every_class():
    X, y = blobs(90)
    made = model(metrics=["accuracy"])
    history = made.fit(X, y, epochs=2, validation=(X, y))
    assert {"validation_loss", "validation_accuracy", "accuracy"} <= set(history)
    last = made.evaluate(X, y)
    assert history["validation_loss"][-1] == pytest.approx(last["loss"], rel=1e-6)
    seen = []
    made.fit(X, y, epochs=1, validation=0.3, callbacks=[Lambda(seen.append)])
    assert seen[0].rows == 63


def test_augmentation_changes_the_rows_of_each_epoch():
    X, y = blobs()
    seen = []

    def noise(x, random):
        seen.append(x)
        return x + random.normal(0, 0.1, x.shape).astype(x.dtype)

    made = model()
    losses = [made.copy().fit(X, y, epochs=2, augmentation=noise)["loss"] for _ in "ab"]
    assert losses[0] == losses[1] != made.copy().fit(X, y, epochs=2)["loss"]
    assert len(seen) == 4


def test_several_inputs_and_outputs():
    X, y = blobs()
    a, b = L.InputLayer((None, 1), name="a"), L.InputLayer((None, 1), name="b")
    both = L.DenseLayer(L.ConcatLayer([a, b]), 8, nonlinearity=F.tanh)
    outputs = {
        "kind": L.DenseLayer(both, 3, nonlinearity=F.softmax),
        "size": L.DenseLayer(both, 1, nonlinearity=None),
    }
    made = nn.Model(
        outputs, metrics={"kind": ["accuracy"], "size": ["mae"]}, learning_rate=0.05,
        loss_weights={"kind": 1.0, "size": 0.5},
    )  # fmt: skip
    size = np.hypot(*X.T)
    inputs = {"a": X[:, :1], "b": X[:, 1:]}
    history = made.fit(inputs, {"kind": y, "size": size}, epochs=20)
    assert {"loss", "kind_accuracy", "size_mae"} <= set(history)
    assert history["loss"][-1] < history["loss"][0]
    found = made.predict([X[:, :1], X[:, 1:]])
    assert (found["kind"] == y).mean() > 0.9
    assert found["size"].shape == (60, 1)


class _Frame:
    """Stands for a data frame."""

    def __init__(self, array, columns=()):
        self.array = array
        self.columns = columns

    def to_numpy(self):
        return self.array


class _Tensor:
    """Stands for a tensor of torch."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.array


def test_lists_frames_tensors_and_small_integers_are_taken():
    X, y = blobs()
    made = model()
    wanted = made.predict_proba(X)
    for given in (
        X.tolist(),
        _Frame(X),
        _Tensor(X),
        X.astype(">f8"),
        np.asfortranarray(X),
    ):
        assert np.array_equal(made.predict_proba(given), wanted)
    whole = np.round(X * 10)
    found = made.predict_proba(whole.astype(np.int8))
    assert found == pytest.approx(made.predict_proba(whole), rel=1e-5)
    made.fit(_Frame(X), _Tensor(y.astype(np.uint8)), epochs=1)


def test_batches_that_stream():
    X, y = blobs()
    made = model()
    whole, streamed = made.copy(), made.copy()

    def batches():
        for start in range(0, 60, 16):
            yield X[start : start + 16], y[start : start + 16]

    whole.fit(X, y, epochs=3, batch_size=16, shuffle=False)
    history = streamed.fit(batches, epochs=3, validation=(X, y))
    assert history["loss"] == pytest.approx(whole.history["loss"], rel=1e-6)
    assert all(map(np.array_equal, whole.get_weights(), streamed.get_weights()))
    found = streamed.evaluate(batches)["loss"]
    assert found == pytest.approx(history["validation_loss"][-1], rel=1e-6)


def test_a_stream_that_ends_early_or_fails_is_named():
    X, y = blobs()

    def failing():
        yield X, y
        raise OSError("disk on fire")

    with pytest.raises(DataError, match="ended after 1 of 5 batches of epoch 1"):
        model().fit(lambda: iter([(X, y)]), epochs=1, steps=5)
    with pytest.raises(
        DataError, match="no batch for epoch 2; an iterator that is used"
    ):
        model().fit(iter([(X, y)]), epochs=2)
    with pytest.raises(OSError, match="disk on fire"):
        model().fit(failing, epochs=1)


def test_fast_dev_run_and_overfit_batches_take_few_rows():
    X, y = blobs()
    made = model(metrics=["accuracy"])
    assert made.fit(X, y, epochs=50, batch_size=8, fast_dev_run=True).epochs == [1]
    history = made.fit(X, y, epochs=60, batch_size=8, overfit_batches=1)
    assert history["accuracy"][-1] == 1.0


def test_history_is_a_mapping_of_lists(tmp_path):
    X, y = blobs()
    history = model(metrics=["accuracy"]).fit(X, y, epochs=2, validation=(X, y))
    assert len(history["loss"]) == len(history["validation_accuracy"]) == 2
    lines = history.to_csv(tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,loss,accuracy,validation_loss")
    assert len(lines) == 3
    assert history.plot(tmp_path / "a.png").stat().st_size > 1000
    with pytest.raises(KeyError, match="has no 'lost'; it has loss, accuracy"):
        history["lost"]


def test_summary_counts_parameters_and_multiply_adds(capsys):
    model().summary()
    text = capsys.readouterr().out
    for part in ("DenseLayer", "(rows, 8)", "24", "16", "51", "40", "adam"):
        assert part in text


def test_learning_rate_can_be_read_and_set():
    made = model()
    assert made.learning_rate == pytest.approx(0.05)
    made.learning_rate = 0.01
    assert made.learning_rate == pytest.approx(0.01)
    own = model(
        updates=lambda loss, params: nn.updates.sgd(loss, params, 1), learning_rate=None
    )
    assert own.learning_rate is None


# --- errors before the work ---------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"loss": "crossentropy"}, "no loss 'crossentropy'; did you mean"),
        ({"updates": "adamm"}, "no updates 'adamm'; did you mean 'adam'"),
        ({"metrics": ["acuracy"]}, "no metric 'acuracy'; did you mean 'accuracy'"),
        ({"metrics": ["mae"]}, "mae compares numbers, but categorical_cross"),
        ({"regularization": "l2"}, "regularization='l2', expected a number"),
        ({"clip_norm": 0}, "clip_norm = 0, must be above 0"),
        ({"accumulate": 0}, "accumulate = 0, must be 1 or more"),
        ({"average": 1.5}, "average = 1.5, must lie in"),
        ({"learning_rate": -1.0}, "learning_rate = -1.0, must be 0 or more"),
        ({"loss": 3}, "loss=3, expected a name"),
        ({"loss": T.fvector("l")}, "expression of rank 1, expected a scalar"),
        ({"loss": T.fscalar("l")}, "say which variable of it the targets are"),
        ({"last": F.rectify, "loss": "categorical_crossentropy"},
         "ends with 'rectify', and categorical_crossentropy needs probabilities"),
    ],
)  # fmt: skip
def test_a_model_that_makes_no_sense_is_refused(settings, text):
    with pytest.raises(ArgumentError, match=text):
        model(**settings)


def _changed(array, place, value):
    made = np.array(array, float)
    made[place] = value
    return made


X0, Y0 = blobs()


@pytest.mark.parametrize(
    ("X", "y", "error", "text"),
    [
        (_changed(X0, (7, 1), np.nan), Y0, DataError, "X, row 7, column 1, is nan"),
        (_changed(X0, (7, 1), 1e300), Y0, DataError, "too large for float32"),
        (X0[:, :1], Y0, ShapeError, r"X has shape \(60, 1\), and <InputLayer> takes"),
        (X0.reshape(60, 2, 1), Y0, ShapeError, r"X.reshape\(-1, 2\)"),
        (X0[:0], Y0[:0], DataError, "no rows"),
        (X0, Y0[:50], DataError, "y has 50 rows and the inputs have 60"),
        (X0, np.where(Y0 == 2, 7, Y0), DataError, "row 2, is the label 7, outside 0 .. 2"),
        (X0, _changed(Y0, 4, 0.5), DataError, "row 4, is 0.5; expected whole"),
        (X0, np.eye(4)[Y0], ShapeError, r"y has shape \(60, 4\); the network gives 3"),
        (X0, np.ones((60, 3)), DataError, "row 0 sums to 3, not 1"),
        (X0, np.array(["a"] * 60), DataError, "y has dtype <U1"),
        (X0, None, DataError, "y is missing"),
        ([[1.0], [2.0, 3.0]], [0, 1], DataError, "rows are not all of one shape"),
        (_Frame(np.array([[1, "x"]], object), ["age", "name"]), [0], DataError,
         "column 'name'"),
        (np.ma.array(X0, mask=X0 > 0), Y0, DataError, "masked array"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit_is_named_before_the_first_step(X, y, error, text):
    made = model()
    before = made.get_weights()
    with pytest.raises(error, match=text):
        made.fit(X, y)
    assert all(map(np.array_equal, before, made.get_weights()))


def test_targets_of_numbers_that_look_like_labels():
    X, y = blobs()
    with pytest.raises(ShapeError, match="look like labels"):
        model("squared_error", last=None).fit(X, y)
    with pytest.raises(DataError, match="labels of -1 and 1 become"):
        model("binary_crossentropy", last=F.sigmoid, classes=1).fit(X, 2 * (y > 0) - 1)
    one_hot = model().fit(X, np.eye(3)[y], epochs=1)
    assert np.isfinite(one_hot["loss"][0])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"validation": 1.5}, "validation = 1.5"),
        ({"verbose": 7}, "verbose=7"),
        ({"callbacks": ["stop"]}, "callback 'stop'"),
        ({"class_weight": {5: 1.0}}, "has the class 5, outside 0 .. 2"),
        ({"sample_weight": [1.0]}, "sample_weight has shape"),
        ({"augmentation": [3]}, "augmentation=3, expected a function"),
    ],
)
def test_settings_of_fit_out_of_range_are_named(settings, text):
    with pytest.raises((ArgumentError, DataError), match=text):
        model().fit(*blobs(), **settings)


def test_a_loss_that_is_no_number_names_epoch_batch_and_rows():
    X, y = blobs()
    made = model(updates="sgd", learning_rate=1e38, last=None, loss="squared_error")
    with pytest.raises(
        NaNError, match=r"epoch 1 is (nan|inf) from batch \d+ of 8 on \(rows"
    ):
        made.fit(X, np.eye(3)[y], epochs=3, batch_size=8)
