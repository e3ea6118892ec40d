"""The main job: a network declared through the layers learns the bundled digits.

In: settings.  Out: a trained network, its test accuracy, the time it took, a saved
model and a learning curve.  The command line around it is ``cli.py``; ``predict.py``
uses what is saved here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import symgraph as sg
import symgraph.tensor as T
from symgraph import nn
from symgraph.backends.registry import backend_of
from symgraph.data.digits import CLASSES, IMAGE_SHAPE, load_digits, split
from symgraph.errors import ArgumentError
from symgraph.train.augment import random_shift
from symgraph.train.callbacks import Callback, EarlyStopping, Linear
from symgraph.train.curve import check_plotting
from symgraph.train.history import History
from symgraph.train.model import Model

INPUTS = IMAGE_SHAPE[0] * IMAGE_SHAPE[1]


@dataclass(frozen=True)
class Settings:
    """What the job can be told.

    The defaults were compared with others on the validation parts of four divisions of
    the data (seeds 1000 to 1003): mean accuracy 0.990; without shifts 0.982, without
    dropout 0.986, one hidden layer 0.983, twice the units 0.992 at 3.5 times the time.

    Attributes
    ----------
    epochs, batch_size : of the training
    hidden : units of each hidden layer
    learning_rate : of Adam in the first epoch; falls linearly to 0 at the end
    dropout : share of hidden units that are dropped in training
    shift : training images are shifted by up to so many pixels, anew in each epoch
    patience : stop after so many epochs without a better validation loss, and take the
        best; None trains to the end
    limit : use so many images of each part only; None uses all
    seed : of the division of the data, the weights, dropout, shifts and the shuffling
    """

    epochs: int = 80
    hidden: tuple[int, ...] = (256, 128)
    batch_size: int = 32
    learning_rate: float = 0.002
    dropout: float = 0.2
    shift: float = 0.5
    patience: int | None = None
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        wanted = {
            "epochs": self.epochs >= 1,
            "hidden": all(units >= 1 for units in self.hidden),
            "batch_size": self.batch_size >= 1,
            "learning_rate": 0 < self.learning_rate < float("inf"),
            "dropout": 0 <= self.dropout < 1,
            "shift": 0 <= self.shift <= 1,
            "patience": self.patience is None or self.patience >= 1,
            "limit": self.limit is None or self.limit >= 1,
            "seed": 0 <= self.seed < 2**32,
        }
        for name, fine in wanted.items():
            if not fine:
                value = getattr(self, name)
                raise ArgumentError(f"train digits: {name} = {value} is out of range")


@dataclass(frozen=True)
class Result:
    """What the job gave; seconds are wall time, to compile both functions, to train."""

    settings: Any
    history: History
    test_accuracy: float
    test_rows: int
    compile_seconds: float
    train_seconds: float
    files: tuple[Path, ...] = field(default=())


def build_network(settings: Settings) -> Any:
    """Declare the network: images in rows, hidden layers with dropout, softmax."""
    x = T.fmatrix("x")
    layer: nn.layers.Layer
    layer = nn.layers.InputLayer((None, INPUTS), x, name="images")
    for number, units in enumerate(settings.hidden, 1):
        layer = nn.layers.DenseLayer(
            layer, units, nonlinearity=nn.nonlinearities.rectify, name=f"hidden{number}"
        )
        if settings.dropout:
            layer = nn.layers.DropoutLayer(layer, p=settings.dropout)
    return nn.layers.DenseLayer(
        layer, CLASSES, nonlinearity=nn.nonlinearities.softmax, name="classes"
    )


def train_digits(
    settings: Settings,
    folder: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train on the bundled digits and measure on the test part, once, at the end.

    Parameters
    ----------
    settings : of the job
    folder : where ``model.safetensors``, ``model.json`` and ``curve.png`` are written;
        made when missing; None writes nothing
    callbacks : of the training

    Returns
    -------
    Result
    """
    if folder is not None:  # a folder that cannot be made is told before the work
        Path(folder).mkdir(parents=True, exist_ok=True)
        check_plotting("curve.png")
    parts = split(*load_digits(), seed=settings.seed)
    train, validation, test = (
        (x[: settings.limit], y[: settings.limit])
        for x, y in (parts.train, parts.validation, parts.test)
    )
    with sg.config.override(floatX="float32"):
        nn.random.set_rng(np.random.RandomState(settings.seed))
        start = time.perf_counter()
        network = build_network(settings)
        model = Model(
            network, learning_rate=settings.learning_rate, metrics=["accuracy"]
        )
        told: list[Callback] = [Linear(by="epoch"), *callbacks]
        if settings.patience:
            told.append(EarlyStopping(patience=settings.patience))
        with backend_of(sg.config.device).calm():
            history = model.fit(
                *train,
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                validation=validation,
                callbacks=told,
                augmentation=_augmentation(settings.shift),
                seed=settings.seed,
                verbose=0,
            )
        train_seconds = time.perf_counter() - start - model.functions.seconds
        x_test, y_test = test
        test_accuracy = model.evaluate(x_test, y_test)["accuracy"]
    files: tuple[Path, ...] = ()
    if folder is not None:
        files = _save(folder, model, history, test_accuracy, settings.seed)
    return Result(
        settings,
        history,
        test_accuracy,
        len(y_test),
        model.functions.seconds,
        train_seconds,
        files,
    )


def _augmentation(
    shift: float,
) -> Callable[[np.ndarray, np.random.Generator], np.ndarray] | None:
    if not shift:
        return None

    def augment(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
        images = x.reshape(-1, *IMAGE_SHAPE)
        return random_shift(images, random, shift).reshape(x.shape)

    return augment


def _save(
    folder: str | Path, model: Model, history: History, test_accuracy: float, seed: int
) -> tuple[Path, ...]:
    folder = Path(folder)
    metadata = {
        "data": "UCI Optical Recognition of Handwritten Digits",
        "image_shape": list(IMAGE_SHAPE),
        "ink": "normalized",
        "classes": [str(digit) for digit in range(CLASSES)],
        "epochs": model.epoch,
        "seed": seed,
        "test_accuracy": test_accuracy,
    }
    files = model.save(folder, metadata)
    title = f"digits, test accuracy {test_accuracy:.4f}"
    return (*files, history.plot(folder / "curve.png", title))
