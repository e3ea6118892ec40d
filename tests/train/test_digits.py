"""The main job: what it reaches on real images, and what it leaves behind."""

import numpy as np
import pytest

from symgraph.data.digits import load_digits, split
from symgraph.errors import ArgumentError
from symgraph.train.callbacks import Lambda
from symgraph.train.checkpoint import load_model
from symgraph.train.digits import Settings, train_digits
from symgraph.train.predict import predict_files

QUICK = Settings(epochs=3, hidden=(32,), batch_size=64)


def test_default_settings_reach_the_accuracy_that_is_promised():
    result = train_digits(Settings())
    assert result.test_accuracy >= 0.97
    assert result.train_seconds < 20
    assert result.test_rows == 359


def test_losses_fall_and_every_epoch_is_recorded():
    seen = []
    result = train_digits(QUICK, callbacks=[Lambda(lambda run: seen.append(run.epoch))])
    losses = result.history["loss"]
    assert seen == [1, 2, 3]
    assert losses == sorted(losses, reverse=True)
    assert result.files == ()


def test_same_seed_gives_the_same_result_and_another_seed_another():
    first, again, other = (
        train_digits(Settings(epochs=2, hidden=(16,), seed=seed)) for seed in (1, 1, 2)
    )

    assert first.history["loss"] == again.history["loss"] != other.history["loss"]
    assert first.test_accuracy == again.test_accuracy


def test_saved_model_has_the_accuracy_that_was_reported(tmp_path):
    result = train_digits(QUICK, tmp_path / "run")
    x, y = split(*load_digits(), seed=QUICK.seed).test
    np.save(tmp_path / "test.npy", x)
    found = list(predict_files(tmp_path / "run", [str(tmp_path / "test.npy")]))
    accuracy = np.mean(
        [int(p.label) == wanted for p, wanted in zip(found, y, strict=True)]
    )
    metadata = load_model(tmp_path / "run").metadata
    assert accuracy == pytest.approx(result.test_accuracy)
    assert metadata["test_accuracy"] == result.test_accuracy
    assert metadata["epochs"] == 3


def test_network_without_hidden_layers_dropout_and_shift_is_softmax_regression():
    settings = Settings(epochs=4, hidden=(), dropout=0, shift=0, learning_rate=0.01)
    result = train_digits(settings)
    assert 0.8 < result.test_accuracy < 1


def test_patience_stops_and_takes_the_best_epoch():
    settings = Settings(
        epochs=40, hidden=(32,), dropout=0, shift=0, learning_rate=0.05, patience=1
    )
    history = train_digits(settings).history
    assert "validation_loss has not been better" in history.stopped
    assert history.best == history.epochs[-1] - 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("hidden", (8, 0)), ("dropout", 1.0), ("shift", 2.0), ("seed", -1)],
)
def test_settings_out_of_range_are_named(name, value):
    with pytest.raises(ArgumentError, match=f"train digits: {name} ="):
        Settings(**{name: value})
