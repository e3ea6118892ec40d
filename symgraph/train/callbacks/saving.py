"""Callbacks that write the model: checkpoints, and what a killed training goes on from."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.errors import ArgumentError, DataError
from symgraph.train.callbacks.base import Callback, Run
from symgraph.train.callbacks.stopping import Best
from symgraph.train.checkpoint import opened, write_files
from symgraph.train.history import History

FORMAT = "symgraph-resume"


class ModelCheckpoint(Callback):
    """Saves the model after epochs; a file is whole or the one before it.

    Parameters
    ----------
    path : as for `Model.save`; "{epoch}" in it stands for the number of the epoch
    monitor : number that tells the best epoch
    save_best_only : save when it is better only
    every : epochs between two saves

    Examples
    --------
    >>> ModelCheckpoint("run/epoch-{epoch}", every=10).every
    10
    """

    order = 50

    def __init__(
        self,
        path: str | Path,
        monitor: str = "validation_loss",
        save_best_only: bool = False,
        every: int = 1,
    ) -> None:
        if isinstance(every, bool) or every < 1:
            raise ArgumentError(f"ModelCheckpoint: every = {every}, must be 1 or more")
        self.path = str(path)
        self.save_best_only = save_best_only
        self.every = every
        self._best = Best(monitor, 0.0, "ModelCheckpoint")

    def on_train_begin(self, run: Run) -> None:
        """Make the folder, before the work."""
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, run: Run) -> None:
        """Save, if it is time."""
        if self.save_best_only:
            if self._best.improves(run):
                self._save(run)
        elif run.epoch % self.every == 0 or run.epoch == run.last:
            self._save(run)

    def _save(self, run: Run) -> None:
        if math.isfinite(run.numbers["loss"]):
            run.model.save(self.path.replace("{epoch}", str(run.epoch)))

    def state(self) -> dict[str, Any]:
        """The best value."""
        return {"value": self._best.value}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self._best.value = state["value"]


class Resume(Callback):
    """Lets a training that was killed go on, with the same numbers to the last bit.

    After every epoch (and every so many batches) all that the training depends on is
    written to one file: weights, the state of the updates, random streams, the history,
    what other callbacks keep, the place in the epoch. The same program, started again,
    finds the file and goes on from there.

    Parameters
    ----------
    path : the file, replaced as a whole
    every : batches between two saves within an epoch, None for none
    """

    order = 100

    def __init__(self, path: str | Path, every: int | None = None) -> None:
        if every is not None and (isinstance(every, bool) or every < 1):
            raise ArgumentError(f"Resume: every = {every}, must be 1 or more, or None")
        self.path = Path(path)
        self.batches = every

    def on_train_begin(self, run: Run) -> None:
        """Go on from the file, if there is one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for left in self.path.parent.glob(f".{self.path.name}.*"):
            left.unlink(missing_ok=True)  # what a killed training had begun to write
        if self.path.exists():
            self._read(run)

    def on_batches(self, run: Run, done: int) -> None:
        """Save within the epoch."""
        if done != run.steps:
            self._write(run)

    def on_epoch_end(self, run: Run) -> None:
        """Save."""
        self._write(run)

    def _settings(self, run: Run) -> dict[str, Any]:
        """What has to be the same when it goes on."""
        return {"seed": run.seed, "batch_size": run.batch_size, "rows": run.rows}

    def _write(self, run: Run) -> None:
        write_files({self.path: self._packed(run)})

    def _packed(self, run: Run) -> bytes:
        """All that the training depends on, as the bytes of the file."""
        from safetensors.numpy import save

        model = run.model
        arrays: dict[str, np.ndarray] = {}
        for number, value in enumerate(model.functions.weights()):
            arrays[f"weight/{number:04d}"] = value
        for number, (name, value) in enumerate(model.functions.state()):
            arrays[f"state/{number:04d}/{name}"] = value
        for number, parts in enumerate(run.partial):
            for output, value in enumerate(parts):
                arrays[f"partial/{number:06d}/{output:03d}"] = value
        callbacks = []
        for number, callback in enumerate(run.callbacks):
            kept = {}
            for name, value in callback.state().items():
                if isinstance(value, np.ndarray):
                    arrays[f"callback/{number:03d}/{name}"] = value
                else:
                    kept[name] = value
            callbacks.append({"type": type(callback).__name__, "state": kept})
        history = run.history
        text = {
            "settings": self._settings(run),
            "first": run.first,
            "last": run.last,
            "epoch": run.epoch - bool(run.done),
            "done": run.done,
            "epochs": history.epochs,
            "columns": {
                name: [v.tolist() if np.ndim(v) else v for v in column]
                for name, column in history.items()
            },
            "best": history.best,
            "callbacks": callbacks,
        }
        plain = {name: np.array(value, order="C") for name, value in arrays.items()}
        header = {"format": FORMAT, "run": json.dumps(text)}
        return save(plain, metadata=header)

    def _read(self, run: Run) -> None:
        arrays, texts = opened(self.path)
        if texts.get("format") != FORMAT:
            raise DataError(f"{self.path}: not what Resume writes; name another file")
        try:
            self._put(run, json.loads(texts["run"]), arrays)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            if isinstance(error, DataError | ArgumentError):
                raise
            raise DataError(f"{self.path}: damaged: {error!r}") from error

    def _put(
        self, run: Run, text: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> None:
        wanted = self._settings(run)
        if text["settings"] != wanted:
            raise ArgumentError(
                f"Resume: {self.path} is from a training with {text['settings']}, this one "
                f"has {wanted}; use the same settings, or another file"
            )
        kinds = [each["type"] for each in text["callbacks"]]
        found = [type(callback).__name__ for callback in run.callbacks]
        if kinds != found:
            raise ArgumentError(
                f"Resume: {self.path} is from a training with the callbacks {kinds}, this "
                f"one has {found}"
            )
        model = run.model
        values = [arrays[name] for name in _named(arrays, "weight/")]
        shapes = [value.shape for value in model.functions.weights()]
        if [value.shape for value in values] != shapes:
            raise DataError(
                f"{self.path}: weights of shapes {[v.shape for v in values]} do not fit a "
                f"network of {shapes}"
            )
        model.functions.put_weights(values)
        model.functions.restore(
            [(name.split("/", 2)[2], arrays[name]) for name in _named(arrays, "state/")]
        )
        epochs = run.last - run.first
        run.first, run.epoch, run.done = text["first"], text["epoch"], text["done"]
        run.last = max(run.first + epochs, run.epoch)
        model.epoch = run.epoch
        run.history = History()
        for number, epoch in enumerate(text["epochs"]):
            numbers = {name: column[number] for name, column in text["columns"].items()}
            run.history.append(
                epoch,
                {
                    n: np.array(v) if isinstance(v, list) else v
                    for n, v in numbers.items()
                },
            )
        run.history.best = text["best"]
        run.partial = _parts(arrays)
        for number, (callback, each) in enumerate(
            zip(run.callbacks, text["callbacks"], strict=True)
        ):
            prefix = f"callback/{number:03d}/"
            own = {n.removeprefix(prefix): arrays[n] for n in _named(arrays, prefix)}
            callback.restore({**each["state"], **own})


class Interruptible(Resume):
    """Lets a training that is interrupted by Ctrl-C go on from its last whole epoch.

    The file is written when that happens, and is gone once a training has ended.

    Parameters
    ----------
    path : the file
    goes_on : go on from the file, if there is one, and write it after every epoch too, so
        that a training that is killed can go on as well
    """

    def __init__(self, path: str | Path, goes_on: bool = False) -> None:
        super().__init__(path)
        self.goes_on = goes_on
        self._last: bytes | None = None

    def on_train_begin(self, run: Run) -> None:
        """Go on from the file, if that is wanted."""
        self._last = None
        if self.goes_on:
            super().on_train_begin(run)

    def on_epoch_end(self, run: Run) -> None:
        """Keep what there is."""
        self._last = self._packed(run)
        if self.goes_on:
            write_files({self.path: self._last})

    def on_train_end(self, run: Run) -> None:
        """Write what was kept, or remove what is not needed any more."""
        ended = sys.exc_info()[0]
        if ended is None:
            self.path.unlink(missing_ok=True)
        elif issubclass(ended, KeyboardInterrupt) and self._last is not None:
            write_files({self.path: self._last})


def _named(arrays: dict[str, np.ndarray], prefix: str) -> list[str]:
    return sorted(name for name in arrays if name.startswith(prefix))


def _parts(arrays: dict[str, np.ndarray]) -> list[list[Any]]:
    """What the batches of an epoch that was cut short gave."""
    found: dict[str, list[Any]] = {}
    for name in _named(arrays, "partial/"):
        found.setdefault(name.split("/")[1], []).append(arrays[name])
    return list(found.values())
