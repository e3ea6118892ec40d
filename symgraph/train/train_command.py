"""``symgraph train``: data and options of the command line to one of the jobs.

In: parsed arguments.  Out: text, and the files that the job writes.  The jobs are
``digits.py``, ``images.py`` and ``tables.py``; what each takes is said here.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from symgraph import errors
from symgraph.config import devices
from symgraph.data.cifar10 import load_cifar10
from symgraph.data.image_set import ImageSet
from symgraph.data.images import load_image_folder
from symgraph.data.mnist import load_mnist_images
from symgraph.data.tables import Table, load_table
from symgraph.train import digits, images, networks, tables
from symgraph.train.callbacks import Callback, Interruptible, TensorBoard
from symgraph.train.console import write_lines
from symgraph.train.digits import Result
from symgraph.train.progress import Progress

DIGITS, IMAGES, TABLE = "digits", "images", "table"
#: options that not every kind of data has → the kinds that have them
ONLY = {
    "shift": (DIGITS,), "limit": (DIGITS,), "model": (IMAGES, TABLE), "folder": (IMAGES,),
    "size": (IMAGES,), "l2": (IMAGES, TABLE), "validation": (IMAGES, TABLE),
    "rule": (IMAGES, TABLE), "schedule": (IMAGES, TABLE), "l1": (IMAGES, TABLE),
    "flip": (IMAGES,), "skip_bad": (IMAGES,), "target": (TABLE,),
}  # fmt: skip
#: flags of options that are called otherwise inside
FLAGS = {"folder": "--data", "rule": "--optimizer"}
#: what an interrupted training goes on from, in the folder of results
KEPT = "resume.safetensors"
#: suffixes of files that hold rows
TABLES = (".csv", ".tsv", ".npz")
#: options that a network of the user's own does not have
_SIZES = ("hidden", "dropout")


def run(options: argparse.Namespace) -> None:
    """``symgraph train``; Ctrl-C says how to go on."""
    try:
        _run(options)
    except KeyboardInterrupt:
        path = Path(_folder(options)) / KEPT
        if not path.exists():
            raise
        raise KeyboardInterrupt(
            f"{path} holds the epochs that are done; the same command with --resume goes on"
        ) from None


def _folder(options: argparse.Namespace) -> str:
    """Where results go."""
    named = options.data in ("digits", "mnist", "cifar10")
    name = options.data if named else Path(options.data).resolve().stem
    return options.output or f"{name}-model"


def _run(options: argparse.Namespace) -> None:
    imported = time.process_time()  # seconds since the process began, imports included
    if options.data == "digits":
        _check(options, DIGITS)
        settings = digits.Settings(**_chosen(options, digits.Settings))
        folder = _folder(options)
        result = digits.train_digits(settings, folder, _callbacks(options, folder))
        write_lines(*_summary(result, imported))
        return
    suffix = Path(options.data).suffix.lower()
    if suffix != ".npz":  # what an archive of arrays holds is seen when it is read
        _check(options, TABLE if suffix in TABLES else IMAGES)
    if options.model is not None and networks.is_own(options.model):
        for name in _SIZES:
            if getattr(options, name) is not None:
                raise errors.ArgumentError(
                    f"--{name} does not go with --model {options.model}, which makes its "
                    "own layers"
                )
    start = time.perf_counter()
    data, name = _loaded(options)
    folder = _folder(options)
    seconds = f"loaded in {time.perf_counter() - start:.2f} s"
    if isinstance(data, Table):
        _check(options, TABLE)
        kind = f"{len(data.classes)} classes" if data.classes else "numbers"
        write_lines(
            f"data: {len(data.y_train)} training and {len(data.y_test)} test rows of "
            f"{len(data.features)} features, {data.target!r} is of {kind}, {seconds}"
        )
        changed = _chosen(options, tables.Settings)
        chosen = images.with_own_rate(tables.Settings(**changed), changed)
        result = tables.train_table(
            data, chosen, folder, _callbacks(options, folder), name
        )
        measure = "accuracy" if data.classes else "R2"
        write_lines(*_summary(result, imported, "rows", measure))
        return
    _check(options, IMAGES)
    channels, rows, columns = data.image_shape
    write_lines(
        *(f"{file}: damaged, left out" for file in data.skipped),
        f"data: {len(data.y_train)} training and {len(data.y_test)} test images of "
        f"{rows}x{columns} pixels, {channels} channel(s), {len(data.classes)} classes, "
        f"{seconds}",
    )
    changes = _chosen(options, images.Settings)
    recipe = images.recipe(name, changes.pop("model", "cnn"), changes)
    result = images.train_images(
        data, recipe, folder, _callbacks(options, folder), name
    )
    write_lines(*_summary(result, imported))


def _check(options: argparse.Namespace, kind: str) -> None:
    """Refuse options that the data has no use for."""
    for name, kinds in ONLY.items():
        if kind not in kinds and getattr(options, name) not in (None, False):
            flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
            raise errors.ArgumentError(f"{flag} does not go with {options.data!r}")


def _callbacks(options: argparse.Namespace, folder: str) -> list[Callback]:
    """What shows, logs and keeps a training."""
    kept = Interruptible(Path(folder) / KEPT, bool(options.resume))
    told: list[Callback] = [Progress(), kept]
    if options.tensorboard is not None:
        told.append(TensorBoard(options.tensorboard, verbosity=2))
    return told


def _chosen(options: argparse.Namespace, settings: Any) -> dict[str, Any]:
    """Fields of the settings that the user gave."""
    names = [n for n in settings.__dataclass_fields__ if hasattr(options, n)]
    given = {name: getattr(options, name) for name in names}
    return {k: v for k, v in given.items() if v is not None}


def _loaded(options: argparse.Namespace) -> tuple[Any, str]:
    """The data that the user names, and what its model is called."""
    named = options.data in ("mnist", "cifar10")
    if options.skip_bad and named:
        raise errors.ArgumentError(f"--skip-bad does not go with {options.data!r}")
    if options.size is not None and named:
        raise errors.ArgumentError(f"--size does not go with {options.data!r}")
    if options.folder is not None and not named:
        raise errors.ArgumentError("--data goes with mnist and cifar10 only")
    if named:
        return load_images(options.data, options.folder, 0, 0), options.data
    path = Path(options.data)
    seed = options.seed or 0
    if path.suffix.lower() in TABLES and path.is_file():
        for name in ("size", "skip_bad"):
            if getattr(options, name):
                flag = f"--{name.replace('_', '-')}"
                raise errors.ArgumentError(f"{flag} does not go with {options.data!r}")
        return load_table(path, options.target, seed), path.resolve().stem
    size = 32 if options.size is None else options.size
    skip = bool(options.skip_bad)
    return load_images(options.data, None, seed, size, skip), path.resolve().stem


def load_images(
    data: str, folder: str | None, seed: int, size: int, skip_bad: bool = False
) -> ImageSet:
    """Images by name, or pictures of the user's in a folder or an archive."""
    if data == "mnist":
        return load_mnist_images(folder)
    if data == "cifar10":
        return load_cifar10(folder)
    path = Path(data)
    if not path.exists():
        raise errors.DataError(
            f"{path}: no such folder or zip archive, and none of digits, mnist, cifar10"
        )
    if not os.path.isdir(path) and not os.path.isfile(path):
        raise errors.DataError(f"{path}: neither a folder nor a zip archive")
    return load_image_folder(path, size, seed=seed, skip_bad=skip_bad)


def _summary(
    result: Result,
    import_seconds: float,
    rows: str = "images",
    measure: str = "accuracy",
) -> list[str]:
    history = result.history
    ran = len(history.epochs)
    lines = [f"stopped after epoch {ran}: {history.stopped}"] if history.stopped else []
    of = f"{result.test_rows} {rows} never seen in training"
    if measure == "accuracy":
        of = f"{round(result.test_accuracy * result.test_rows)} of {of}"
    return [
        *lines,
        f"test {measure} {result.test_accuracy:.4f} ({of})",
        f"time: import {import_seconds:.2f} s, compile {result.compile_seconds:.2f} s, "
        f"train {result.train_seconds:.2f} s "
        f"(of which steps {result.history.seconds:.2f} s)",
        *(f"saved {file}" for file in result.files),
    ]


# --- arguments --------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Arguments of ``train``."""
    actions: list[argparse.Action] = []

    def add(*flags: str, **settings: Any) -> None:
        actions.append(parser.add_argument(*flags, **settings))

    add(
        "data",
        metavar="DATA",
        help="digits (bundled), mnist, cifar10, a folder or zip archive of pictures: "
        "class/name.jpg, or train/class/name.jpg and test/class/name.jpg; a .csv file "
        "whose last column is learned, or a .npz archive of arrays x and y",
    )
    add(
        "--model", type=_model, metavar="NAME",
        help=f"of images {', '.join(images.MODELS)} (default cnn), of rows "
        f"{', '.join(tables.MODELS)} (default mlp), or FILE.py:function of (inputs, "
        "outputs) that returns the last layer",
    )  # fmt: skip
    add(
        "--data", dest="folder", metavar="DIR",
        help="folder of the files of mnist or cifar10; downloaded when not given",
    )  # fmt: skip
    add("--target", metavar="COLUMN", help="of a .csv file, what is learned")
    for flag, kind, text in (
        ("epochs", int, "passes over the training images"),
        ("batch-size", int, "images per step"),
        ("learning-rate", float, "the largest of the schedule"),
        ("dropout", float, "share of hidden units dropped in training"),
        ("l2", float, "adds L2 * sum of squared weights to the loss"),
        ("l1", float, "adds L1 * sum of absolute weights to the loss"),
        ("shift", float, "digits: largest random shift of training images, in pixels"),
        ("validation", float, "share of the training images that only validates"),
        ("patience", int, "stop after so many epochs without a better validation loss"),
        ("size", int, "pictures are scaled to so many pixels a side (default 32)"),
        ("limit", int, "digits: use so many images of each part only"),
        ("seed", int, "of data division, weights, dropout, changed images, shuffling"),
    ):
        add(f"--{flag}", type=kind, help=text)
    add(
        "--optimizer", dest="rule", choices=sorted(images.OPTIMIZERS), metavar="NAME",
        help=f"{', '.join(sorted(images.OPTIMIZERS))}; its own rate unless one is given",
    )  # fmt: skip
    add(
        "--schedule", choices=tuple(images.SCHEDULES),
        help="of the learning rate over the steps (default linear, down to 0)",
    )  # fmt: skip
    add(
        "--device", metavar="NAME",
        help=f"where functions run: {', '.join(devices())} (default cpu)",
    )  # fmt: skip
    add("--hidden", type=sizes, metavar="N[,N...]", help="units of the dense layers")
    add(
        "--flip", action="store_true", default=None,
        help="mirror training images at random, left and right",
    )  # fmt: skip
    add("--skip-bad", action="store_true", help="leave damaged pictures out")
    add(
        "--resume", action="store_true",
        help="write what is needed to go on after each epoch, and go on from it",
    )  # fmt: skip
    add(
        "--tensorboard", metavar="DIR",
        help="folder for what TensorBoard shows, one folder in it for each run",
    )  # fmt: skip
    add("--output", metavar="DIR", help="folder for the results (default DATA-model)")
    return actions


def names() -> list[str]:
    """Names of all options of ``train``, without their dashes."""
    return [
        text.removeprefix("--")
        for action in add_arguments(argparse.ArgumentParser())
        for text in action.option_strings
        if text.startswith("--")
    ]


def words(options: argparse.Namespace, without: tuple[str, ...] = ()) -> list[str]:
    """The data and the options of ``train`` that were given, as on the command line."""
    made = [options.data]
    for action in add_arguments(argparse.ArgumentParser()):
        value = getattr(options, action.dest, None)
        if (
            not action.option_strings
            or action.dest in without
            or value in (None, False)
        ):
            continue
        made.append(action.option_strings[-1])
        if isinstance(value, tuple):
            made.append(",".join(map(str, value)))
        elif value is not True:
            made.append(str(value))
    return made


def _model(name: str) -> str:
    known = tuple(dict.fromkeys((*images.MODELS, *tables.MODELS)))
    if name not in known and not networks.is_own(name):
        raise argparse.ArgumentTypeError(
            f"{name!r} is none of {', '.join(known)}, and no FILE.py:function"
        )
    return name


def sizes(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of whole numbers such as 256 or 256,128"
        ) from None
