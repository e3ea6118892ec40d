"""Callbacks that end a training."""

import numpy as np
import pytest

from symgraph.errors import ArgumentError
from symgraph.train.callbacks import Callback, EarlyStopping, TerminateOnNaN


class _Set(Callback):
    """Gives epochs the validation losses of a list, before others look."""

    order = -1

    def __init__(self, values, name="validation_loss"):
        self.values, self.name, self.weights = values, name, {}

    def on_epoch_end(self, run):
        run.numbers[self.name] = self.values[run.epoch - 1]
        self.weights[run.epoch] = run.model.get_weights()


def test_patience_ends_the_training_and_takes_the_best_epoch(make, rows):
    model, values = make(), _Set([3.0, 1.0, 2.0, 2.0, 0.5])
    history = model.fit(*rows, epochs=5, callbacks=[values, EarlyStopping(patience=2)])
    assert history.epochs == [1, 2, 3, 4]
    assert history.best == 2
    assert "not been better for 2 epochs, its best is 1 in epoch 2" in history.stopped
    assert all(map(np.array_equal, model.get_weights(), values.weights[2]))


def test_the_last_weights_may_stay(make, rows):
    model, values = make(), _Set([1.0, 2.0, 3.0])
    stop = EarlyStopping(patience=2, restore_best=False)
    model.fit(*rows, epochs=3, callbacks=[values, stop])
    assert all(map(np.array_equal, model.get_weights(), values.weights[3]))


def test_metrics_say_whether_higher_is_better(make, rows):
    values = _Set([0.1, 0.3, 0.2, 0.2], "validation_accuracy")
    stop = EarlyStopping("validation_accuracy", patience=2)
    made = make(metrics=["accuracy"])
    assert made.fit(*rows, epochs=9, callbacks=[values, stop]).best == 2


def test_min_delta_asks_for_more(make, rows):
    values = _Set([1.0, 0.9, 0.8, 0.7])
    stop = EarlyStopping(patience=2, min_delta=0.5)
    assert make().fit(*rows, epochs=4, callbacks=[values, stop]).best == 1


@pytest.mark.parametrize("settings", [{"patience": 0}, {"min_delta": -1.0}])
def test_settings_out_of_range(settings):
    with pytest.raises(ArgumentError, match=f"EarlyStopping: {next(iter(settings))} ="):
        EarlyStopping(**settings)


def test_a_loss_of_nan_ends_the_training_with_the_weights_before_the_epoch(make, rows):
    X, y = rows
    model = make(updates="sgd", learning_rate=0.0)
    before = model.get_weights()
    broken = _Broken()
    history = model.fit(
        X, y, epochs=5, batch_size=8, callbacks=[broken, TerminateOnNaN()]
    )
    assert history.epochs == [1]
    assert "the loss of epoch 2 is nan from batch 1 of 5 on (rows " in history.stopped
    assert all(map(np.array_equal, model.get_weights(), before))
    assert model.epoch == 1


class _Broken(Callback):
    """Spoils a weight in the second epoch, after all have looked."""

    order = 5

    def on_epoch_begin(self, run):
        if run.epoch == 2:
            weights = run.model.get_weights()
            run.model.set_weights([np.full_like(w, np.nan) for w in weights])
