"""What callbacks are told, in which order."""

import pytest

from symgraph.errors import ArgumentError
from symgraph.train.callbacks import Callback, Lambda


class _Notes(Callback):
    def __init__(self, batches=None):
        self.seen = []
        self.batches = batches

    def on_train_begin(self, run):
        self.seen.append("begin")

    def on_epoch_begin(self, run):
        self.seen.append(run.epoch)

    def on_batches(self, run, done):
        self.seen.append(f"batch {done}")
        assert len(run.losses) == done

    def on_epoch_end(self, run):
        self.seen.append(sorted(run.numbers))

    def on_train_end(self, run):
        self.seen.append("end")


NUMBERS = ["learning_rate", "loss", "seconds"]


def test_a_callback_is_told_of_epochs(make, rows):
    notes = _Notes()
    make().fit(*rows, epochs=2, callbacks=[notes])
    assert notes.seen == ["begin", 1, NUMBERS, 2, NUMBERS, "end"]


def test_batches_are_told_as_often_as_is_asked_and_change_no_bit(make, rows):
    notes, plain, watched = _Notes(2), make(), make()
    watched.fit(*rows, batch_size=8, callbacks=[notes])
    plain.fit(*rows, batch_size=8)
    assert notes.seen == ["begin", 1, "batch 2", "batch 4", "batch 5", NUMBERS, "end"]
    assert watched.history["loss"] == plain.history["loss"]


def test_the_end_is_told_after_an_error(make, rows):
    notes = _Notes()

    def fail(run):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        make().fit(*rows, callbacks=[notes, fail])
    assert notes.seen[-1] == "end"


def test_a_function_that_returns_true_ends_the_training(make, rows):
    def enough(run):
        return run.epoch == 2

    history = make().fit(*rows, epochs=9, callbacks=enough)
    assert history.epochs == [1, 2]
    assert history.stopped == "enough returned True"


def test_lambda_takes_functions_only():
    with pytest.raises(ArgumentError, match="on_epoch_begin=3 is no function"):
        Lambda(on_epoch_begin=3)


def test_an_unknown_number_to_monitor_is_named(make, rows):
    from symgraph.train.callbacks import EarlyStopping

    with pytest.raises(
        ArgumentError, match=r"monitor='validation_loss', but an epoch "
    ):
        make().fit(*rows, callbacks=[EarlyStopping()])
