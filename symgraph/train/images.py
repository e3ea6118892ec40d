"""The job for images: MNIST, CIFAR-10, or pictures of the user, sorted by class.

In: an `ImageSet` and settings.  Out: a trained network, its test accuracy, the time it
took, a saved model and a learning curve.  Pixels stay bytes until the compiled step
divides them by 255.  The networks are declared in ``networks.py``; the command line
around the job is ``cli.py``; ``predict.py`` uses what is saved here.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import symgraph as sg
from symgraph import nn
from symgraph.data.image_set import ImageSet, held_out
from symgraph.data.preprocessing import Rescale
from symgraph.errors import ArgumentError
from symgraph.train import networks
from symgraph.train.augment import random_flip
from symgraph.train.callbacks import Callback, Cosine, EarlyStopping, Linear, OneCycle
from symgraph.train.curve import check_plotting
from symgraph.train.digits import Result
from symgraph.train.model import Model
from symgraph.train.rules import RULES, Rule


@dataclass(frozen=True)
class Settings:
    """What the job can be told; `recipe` gives those that suit a model and its data.

    Attributes
    ----------
    model : "mlp", "cnn" or "lasagne-cnn"
    hidden : units of each dense layer between the images, or the convolutions, and the
        classes
    blocks, window : of the convolutions of model "cnn", see `networks.cnn`
    rule : "nesterov" (momentum 0.9), or a name of `nn.updates`
    learning_rate : largest of the schedule
    schedule : "linear" (falls to 0 at the last step), "cosine", "one-cycle", "constant"
    epochs, batch_size : of the training
    dropout : share of units of each hidden dense layer that is dropped in training
    l2, l1 : add l2 * sum(W**2) and l1 * sum(abs(W)) of all weights to the loss
    flip : training images are mirrored at random, left and right, anew in each epoch
    validation : share of the training images that only validates, 0 for none
    patience : stop after so many epochs without a better validation loss, and take the
        best; None trains to the end
    seed : of the validation part, the weights, dropout, mirroring and shuffling
    """

    model: str = "cnn"
    hidden: tuple[int, ...] = (512,)
    blocks: tuple[tuple[int, ...], ...] = ((32,), (64, 64))
    window: int = 3
    rule: str = "adam"
    learning_rate: float = 0.001
    schedule: str = "linear"
    epochs: int = 10
    batch_size: int = 64
    dropout: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    flip: bool = False
    validation: float = 0.1
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        finite = float("inf")
        wanted = {
            "model": self.model in networks.NETWORKS or networks.is_own(self.model),
            "hidden": all(units >= 1 for units in self.hidden),
            "blocks": all(min(block, default=0) >= 1 for block in self.blocks),
            "window": self.window >= 1 and self.window % 2 == 1,
            "rule": self.rule in OPTIMIZERS,
            "schedule": self.schedule in SCHEDULES,
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
                raise ArgumentError(f"train images: {name} = {value} is out of range")
        if self.patience and not self.validation:
            raise ArgumentError("train images: patience needs a validation part")


#: name → updates, those of `nn.updates` and a momentum that looks ahead
OPTIMIZERS: dict[str, Any] = {
    **RULES,
    "nesterov": functools.partial(nn.updates.nesterov_momentum, momentum=0.9),
}
#: name → callback that sets the learning rate of each step
SCHEDULES: dict[str, Any] = {
    "linear": Linear, "cosine": Cosine, "one-cycle": OneCycle, "constant": None,
}  # fmt: skip
#: (data, model) → settings that suit them; "" stands for any other data
RECIPES: dict[tuple[str, str], Settings] = {
    ("mnist", "softmax"): Settings("mlp", hidden=(), epochs=5, batch_size=100),
    ("mnist", "mlp"): Settings(
        "mlp", hidden=(512, 512), rule="nesterov", learning_rate=0.05, batch_size=128
    ),
    ("mnist", "cnn"): Settings(
        hidden=(1024,), blocks=((32,), (64,)), window=5, epochs=1, batch_size=50
    ),
    ("", "softmax"): Settings("mlp", hidden=(), learning_rate=0.0005),
    ("", "mlp"): Settings(
        "mlp", hidden=(768, 384), rule="nesterov", learning_rate=0.01, batch_size=128,
        epochs=20,
    ),
    ("", "cnn"): Settings(dropout=0.5, epochs=8),
    ("", "lasagne-cnn"): Settings(
        "lasagne-cnn", hidden=(128,), rule="nesterov", learning_rate=0.01,
        batch_size=128, l2=1e-4,
    ),
}  # fmt: skip
MODELS = tuple(dict.fromkeys(model for _, model in RECIPES))


def recipe(data: str, model: str, changes: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings for a model, with what the user wants otherwise.

    Parameters
    ----------
    data : "mnist", or anything else
    model : "softmax", "mlp", "cnn", "lasagne-cnn", or "FILE.py:function"
    changes : field of `Settings` → value

    Examples
    --------
    >>> recipe("mnist", "cnn", {"epochs": 3}).epochs
    3
    """
    found = RECIPES.get((data, model)) or RECIPES.get(("", model))
    if networks.is_own(model):
        found = dataclasses.replace(RECIPES["", "cnn"], model=model)
    if found is None:
        raise ArgumentError(f"train: model = {model!r}, there are {', '.join(MODELS)}")
    return with_own_rate(dataclasses.replace(found, **(changes or {})), changes or {})


def with_own_rate(settings: Any, changes: Mapping[str, Any]) -> Any:
    """Settings whose rate is the rule's own where the rule alone was changed."""
    if "rule" not in changes or "learning_rate" in changes:
        return settings
    return dataclasses.replace(
        settings, learning_rate=Rule(OPTIMIZERS[settings.rule]).rate
    )


def schedule(name: str) -> list[Callback]:
    """The callbacks of a schedule by name."""
    made = SCHEDULES[name]
    return [] if made is None else [made()]


def penalty(settings: Any) -> dict[str, float] | None:
    """Regularization of settings, as `Model` takes it."""
    found = {name: getattr(settings, name) for name in ("l1", "l2")}
    return {name: value for name, value in found.items() if value} or None


def build_network(settings: Settings, images: ImageSet) -> Any:
    """Declare the network for a set of images; its input is floats from 0 to 1."""
    if networks.is_own(settings.model):
        inputs = networks.images_input(images.image_shape)
        return networks.own(settings.model, inputs, len(images.classes))
    sizes: dict[str, Any] = {"hidden": settings.hidden, "dropout": settings.dropout}
    if settings.model == "cnn":
        sizes |= {"blocks": settings.blocks, "window": settings.window}
    make = networks.NETWORKS[settings.model]
    return make(images.image_shape, len(images.classes), **sizes)


def train_images(
    images: ImageSet,
    settings: Settings,
    folder: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    name: str = "images",
) -> Result:
    """Train on images and measure on the test part, once, at the end.

    Parameters
    ----------
    images : of at least two classes
    settings : of the job
    folder : where ``model.safetensors``, ``model.json`` and ``curve.png`` are written;
        made when missing; None writes nothing
    callbacks : of the training
    name : of the data, for the model's metadata and the curve's title

    Returns
    -------
    Result
    """
    if folder is not None:  # a folder that cannot be made is told before the work
        Path(folder).mkdir(parents=True, exist_ok=True)
        check_plotting("curve.png")
    rows, held = held_out(images.y_train, settings.validation, settings.seed)
    x, y = images.x_train, images.y_train
    validation = (x[held], y[held]) if len(held) else None
    if len(held):
        x, y = x[rows], y[rows]
    told: list[Callback] = [*schedule(settings.schedule), *callbacks]
    if settings.patience:
        told.append(EarlyStopping(patience=settings.patience))
    with sg.config.override(floatX="float32"):
        nn.random.set_rng(np.random.RandomState(settings.seed))
        start = time.perf_counter()
        model = build_model(settings, images)
        history = model.fit(
            x,
            y,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            validation=validation,
            callbacks=told,
            augmentation=random_flip if settings.flip else None,
            seed=settings.seed,
            verbose=0,
        )
        train_seconds = time.perf_counter() - start - model.functions.seconds
        test_accuracy = model.evaluate(images.x_test, images.y_test)["accuracy"]
    files: tuple[Path, ...] = ()
    if folder is not None:
        metadata = {
            "data": name,
            "image_shape": _shape_for_prediction(images),
            "classes": list(images.classes),
            "model": settings.model,
            "epochs": model.epoch,
            "seed": settings.seed,
            "test_accuracy": test_accuracy,
        }
        files = model.save(folder, metadata)
        title = f"{name}, test accuracy {test_accuracy:.4f}"
        files = (*files, history.plot(Path(folder) / "curve.png", title))
    return Result(
        settings,
        history,
        test_accuracy,
        len(images.y_test),
        model.functions.seconds,
        train_seconds,
        files,
    )


def build_model(settings: Settings, images: ImageSet) -> Model:
    """Declare the model: bytes in, of which the network sees floats from 0 to 1.

    loss = mean cross-entropy + l2 * sum(W**2) + l1 * sum(abs(W))
    """
    return Model(
        build_network(settings, images),
        updates=OPTIMIZERS[settings.rule],
        learning_rate=settings.learning_rate,
        regularization=penalty(settings),
        metrics=["accuracy"],
        preprocessing=Rescale(1 / 255),
    )


def _shape_for_prediction(images: ImageSet) -> list[int]:
    """Rows and columns for ink on paper, as in MNIST; else with the channels in front."""
    channels, rows, columns = images.image_shape
    if channels == 1 and images.classes == tuple("0123456789"):
        return [rows, columns]
    return [channels, rows, columns]
