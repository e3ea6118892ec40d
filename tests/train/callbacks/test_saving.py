"""Checkpoints, and going on after a kill with the same bits."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from symgraph import nn
from symgraph.errors import ArgumentError, DataError
from symgraph.train.callbacks import (
    Cosine,
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    Resume,
)


class _Killed(Exception):
    pass


def test_a_checkpoint_can_be_loaded_and_goes_on(make, rows, tmp_path):
    model = make(metrics=["accuracy"])
    saved = ModelCheckpoint(tmp_path / "epoch-{epoch}", every=2)
    model.fit(*rows, epochs=5, callbacks=[saved])
    names = sorted(path.stem for path in tmp_path.glob("*.json"))
    assert names == ["epoch-2", "epoch-4", "epoch-5"]
    loaded = nn.Model.load(tmp_path / "epoch-4")
    assert loaded.epoch == 4
    assert loaded.fit(*rows)["loss"] == model.history["loss"][4:]


def test_only_the_best_is_saved(make, rows, tmp_path):
    model = make()
    best = ModelCheckpoint(tmp_path / "best", "loss", save_best_only=True)
    history = model.fit(*rows, epochs=4, callbacks=[best])
    wanted = 1 + int(np.argmin(history["loss"]))
    assert nn.Model.load(tmp_path / "best").epoch == wanted


def test_a_full_disk_leaves_the_old_checkpoint(make, rows, tmp_path, monkeypatch):
    model = make()
    model.save(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model.fit(*rows)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "run")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def _noise(x, random):
    return x + random.normal(0, 0.1, x.shape).astype(x.dtype)


@pytest.mark.parametrize("every", [None, 2])
def test_it_goes_on_from_the_file_in_a_model_with_other_first_weights(
    make, rows, tmp_path, every
):
    settings = {
        "epochs": 5, "batch_size": 6, "validation": 0.2, "augmentation": _noise
    }  # fmt: skip
    runs = {}
    for name, killed in (("whole", ()), ("cut", (2, 4))):
        for seed, epoch in enumerate([*killed, None]):
            model = make(seed, average=0.9)
            told = [
                EarlyStopping(patience=9), Cosine(), CSVLogger(tmp_path / f"{name}.csv"),
                Resume(tmp_path / name, every), _Stop(epoch),
            ]  # fmt: skip
            try:
                history = model.fit(*rows, callbacks=told, **settings)
            except _Killed:
                continue
        runs[name] = (model.functions.weights(), history)
    (weights, whole), (others, cut) = runs.values()
    assert all(map(np.array_equal, weights, others))
    assert whole["loss"] == cut["loss"]
    assert whole["validation_loss"] == cut["validation_loss"]
    assert cut.epochs == [1, 2, 3, 4, 5]
    lines = [(tmp_path / f"{name}.csv").read_text().splitlines() for name in runs]
    assert [line.split(",")[:3] for line in lines[0]] == [
        line.split(",")[:3] for line in lines[1]
    ]


class _Stop(Resume):
    """Raises in the middle of an epoch, after three batches."""

    order = 101

    def __init__(self, epoch):
        self.epoch, self.batches = epoch, 3

    def on_train_begin(self, run):
        pass

    def on_epoch_end(self, run):
        pass

    def on_batches(self, run, done):
        if run.epoch == self.epoch:
            raise _Killed


def test_a_finished_training_is_not_done_again(make, rows, tmp_path):
    first, again = make(0), make(1)
    history = first.fit(*rows, epochs=2, callbacks=[Resume(tmp_path / "r")])
    found = again.fit(*rows, epochs=2, callbacks=[Resume(tmp_path / "r")])
    assert found["loss"] == history["loss"]
    assert all(map(np.array_equal, first.get_weights(), again.get_weights()))
    longer = make(1).fit(*rows, epochs=3, callbacks=[Resume(tmp_path / "r")])
    assert longer.epochs == [1, 2, 3]


def test_other_settings_and_other_files_are_refused(make, rows, tmp_path):
    X, y = rows
    make().fit(X, y, callbacks=[Resume(tmp_path / "r")])
    for settings, text in (
        ({"seed": 3}, "'seed': 0.*this one has.*'seed': 3"),
        ({"batch_size": 8}, "'batch_size': 32"),
    ):
        with pytest.raises(ArgumentError, match=text):
            make().fit(X, y, callbacks=[Resume(tmp_path / "r")], **settings)
    with pytest.raises(ArgumentError, match="with the callbacks"):
        make().fit(X, y, callbacks=[Resume(tmp_path / "r"), Cosine()])
    with pytest.raises(DataError, match="does not fit this model"):
        make(updates="sgd").fit(X, y, epochs=2, callbacks=[Resume(tmp_path / "r")])
    data = (tmp_path / "r").read_bytes()
    for wrong in (data[:50], data[: len(data) // 2], b"no such thing" * 9):
        (tmp_path / "r").write_bytes(wrong)
        with pytest.raises(DataError, match="damaged safetensors"):
            make().fit(X, y, callbacks=[Resume(tmp_path / "r")])
    model = make()
    model.save(tmp_path / "m")
    with pytest.raises(DataError, match="not what Resume writes"):
        model.fit(X, y, callbacks=[Resume(tmp_path / "m.safetensors")])


PROGRAM = """
    import sys
    import numpy as np
    import symgraph as sg
    from symgraph import nn
    from symgraph.train.callbacks import Resume

    sg.config.floatX = "float32"
    nn.random.set_rng(np.random.RandomState(0))
    X = np.random.default_rng(0).normal(size=(400, 8))
    layer = nn.layers.DenseLayer(nn.layers.InputLayer((None, 8)), 16)
    layer = nn.layers.DropoutLayer(layer, p=0.3)
    layer = nn.layers.DenseLayer(layer, 2, nonlinearity=nn.nonlinearities.softmax)
    model = nn.Model(layer)
    file, out = sys.argv[1:]
    print("begun", flush=True)
    model.fit(X, X[:, 0] > 0, epochs=40, batch_size=4, callbacks=[Resume(file, 9)])
    np.savez(out, *model.get_weights())
"""


@pytest.mark.slow
def test_sigkill_at_any_moment_changes_no_bit(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    environment = {**os.environ, "SYMGRAPH_CACHE_DIR": str(tmp_path / "cache")}

    def start(name):
        words = [
            sys.executable,
            str(program),
            tmp_path / name,
            tmp_path / f"{name}.npz",
        ]
        return subprocess.Popen(words, stdout=subprocess.PIPE, env=environment)

    first = start("whole")
    assert first.wait(60) == 0
    first.stdout.close()
    for delay in (0.3, 0.5):
        child = start("cut")
        child.stdout.readline()
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait(60)
        child.stdout.close()
    last = start("cut")
    assert last.wait(60) == 0
    last.stdout.close()
    whole, cut = (np.load(tmp_path / f"{name}.npz") for name in ("whole", "cut"))
    assert all(np.array_equal(whole[name], cut[name]) for name in whole.files)
