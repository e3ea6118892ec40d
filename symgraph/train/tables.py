"""The job for tables: rows of numbers, of which one column is learned.

In: a `Table` and settings.  Out: a trained network that standardises its inputs itself,
its measure on the test part, a saved model and a learning curve.  A target of classes has
a softmax, one of numbers a linear unit, learned standardised.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import symgraph as sg
from symgraph import nn
from symgraph.data.preprocessing import Standardize
from symgraph.data.tables import Table, numbers, read_csv
from symgraph.errors import ArgumentError, DataError
from symgraph.train import images, networks
from symgraph.train.callbacks import Callback, EarlyStopping
from symgraph.train.curve import check_plotting
from symgraph.train.digits import Result
from symgraph.train.metrics import r2_score
from symgraph.train.model import Model

MODELS = ("mlp", "softmax")


@dataclass(frozen=True)
class Settings:
    """What the job can be told.

    Attributes
    ----------
    model : "mlp", "softmax" (no hidden layer), or "FILE.py:function"
    hidden : units of each hidden layer
    rule, learning_rate, schedule : see `images.Settings`
    epochs, batch_size : of the training
    dropout : share of hidden units that is dropped in training
    l2, l1 : add l2 * sum(W**2) and l1 * sum(abs(W)) of all weights to the loss
    validation : share of the training rows that only validates, 0 for none
    patience : stop after so many epochs without a better validation loss
    seed : of all that is random
    """

    model: str = "mlp"
    hidden: tuple[int, ...] = (64, 64)
    rule: str = "adam"
    learning_rate: float = 0.003
    schedule: str = "linear"
    epochs: int = 100
    batch_size: int = 32
    dropout: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    validation: float = 0.1
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        finite = float("inf")
        wanted = {
            "model": self.model in MODELS or networks.is_own(self.model),
            "hidden": all(units >= 1 for units in self.hidden),
            "rule": self.rule in images.OPTIMIZERS,
            "schedule": self.schedule in images.SCHEDULES,
            "learning_rate": 0 < self.learning_rate < finite,
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "dropout": 0 <= self.dropout < 1,
            "l2": 0 <= self.l2 < finite,
            "l1": 0 <= self.l1 < finite,
            "validation": 0 <= self.validation < 1,
            "patience": self.patience is None or self.patience >= 1,
            "seed": 0 <= self.seed < 2**32,
        }
        for name, fine in wanted.items():
            if not fine:
                value = getattr(self, name)
                raise ArgumentError(f"train table: {name} = {value} is out of range")
        if self.patience and not self.validation:
            raise ArgumentError("train table: patience needs a validation part")


def build_network(
    settings: Settings, features: int, outputs: int, classes: bool
) -> Any:
    """Declare the network; its inputs are standardised."""
    layer: Any = nn.layers.InputLayer((None, features), name="features")
    if networks.is_own(settings.model):
        return networks.own(settings.model, layer, outputs)
    for units in () if settings.model == "softmax" else settings.hidden:
        layer = nn.layers.DenseLayer(layer, units)
        if settings.dropout:
            layer = nn.layers.DropoutLayer(layer, p=settings.dropout)
    last = nn.nonlinearities.softmax if classes else None
    return nn.layers.DenseLayer(layer, outputs, nonlinearity=last, name="outputs")


def train_table(
    table: Table,
    settings: Settings,
    folder: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    name: str = "table",
) -> Result:
    """Train on rows and measure on the test part, once, at the end.

    Returns
    -------
    Result; for a target of numbers its ``test_accuracy`` is R2, 1 - rest / variance
    """
    if folder is not None:  # a folder that cannot be made is told before the work
        Path(folder).mkdir(parents=True, exist_ok=True)
        check_plotting("curve.png")
    is_classes = bool(table.classes)
    mean, deviation = 0.0, 1.0
    y = table.y_train
    if not is_classes:
        mean, deviation = float(y.mean()), float(y.std()) or 1.0
        y = ((y - mean) / deviation)[:, None]
    told: list[Callback] = [*images.schedule(settings.schedule), *callbacks]
    if settings.patience:
        told.append(EarlyStopping(patience=settings.patience))
    with sg.config.override(floatX="float32"):
        nn.random.set_rng(np.random.RandomState(settings.seed))
        start = time.perf_counter()
        outputs = len(table.classes) if is_classes else 1
        model = Model(
            build_network(settings, len(table.features), outputs, is_classes),
            updates=images.OPTIMIZERS[settings.rule],
            learning_rate=settings.learning_rate,
            regularization=images.penalty(settings),
            metrics=["accuracy"] if is_classes else ["mae"],
            preprocessing=Standardize.of(table.x_train),
        )
        history = model.fit(
            table.x_train, y, epochs=settings.epochs, batch_size=settings.batch_size,
            validation=settings.validation or None, callbacks=told, seed=settings.seed,
            verbose=0,
        )  # fmt: skip
        train_seconds = time.perf_counter() - start - model.functions.seconds
        model.metadata = {
            "data": name, "features": list(table.features), "target": table.target,
            "classes": list(table.classes), "mean": mean, "deviation": deviation,
            "model": settings.model, "epochs": model.epoch, "seed": settings.seed,
        }  # fmt: skip
        found = predicted(model, table.x_test)
    if is_classes:
        measure = float(np.mean(found.argmax(axis=1) == table.y_test))
    elif np.ptp(table.y_test):
        measure = r2_score(found, table.y_test)
    else:
        measure = float("nan")
    files: tuple[Path, ...] = ()
    if folder is not None:
        kind = "test_accuracy" if is_classes else "test_r2"
        files = model.save(folder, {kind: measure if np.isfinite(measure) else None})
        title = f"{name}, {kind.replace('_', ' ')} {measure:.4f}"
        files = (*files, history.plot(Path(folder) / "curve.png", title))
    return Result(
        settings, history, measure, len(table.y_test), model.functions.seconds,
        train_seconds, files,
    )  # fmt: skip


def predicted(model: Model, x: np.ndarray) -> np.ndarray:
    """Probabilities (rows, classes), or numbers (rows,) on the target's own scale."""
    if model.metadata["classes"]:
        return model.predict_proba(x)
    scale, offset = model.metadata["deviation"], model.metadata["mean"]
    return model.predict(x)[:, 0].astype(np.float64) * scale + offset


def table_rows(model: Model, path: str) -> np.ndarray:
    """The features that a model takes from a CSV file; its other columns do not matter."""
    features = model.metadata["features"]
    names, cells = read_csv(path)
    if not set(features) <= set(names) and len(names) == len(features):
        raise DataError(
            f"{path}: columns {', '.join(names)}; the model takes {', '.join(features)}"
        )
    return numbers(path, names, cells, features)
