"""The command line: ``symgraph train | predict | evaluate | time | explain | ...``.

In: arguments.  Out: text on standard output, files that the commands write, and an exit
code: 0 when it worked, 2 for bad input, which is told in one line on standard error.
The work itself is done in ``digits.py``, ``images.py``, ``predict.py``, ``evaluate.py``,
``timing.py``, ``explain.py``, ``bench.py``, ``doctor.py``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from symgraph import errors
from symgraph.config import config, devices
from symgraph.core.cache import default_cache
from symgraph.data.cifar10 import load_cifar10
from symgraph.data.files import printable
from symgraph.data.images import load_image_folder
from symgraph.data.mnist import load_mnist_images
from symgraph.train import bench, doctor, evaluate, explain, images, timing
from symgraph.train.callbacks import Callback, TensorBoard
from symgraph.train.digits import Result, Settings, train_digits
from symgraph.train.predict import INVERT, Prediction, predict_files
from symgraph.train.progress import Progress
from symgraph.version import VERSION

BAD_INPUT, INTERRUPTED = 2, 130
#: classes that are ranked where all are wanted
MOST = 1 << 30
Command = Callable[[argparse.Namespace], None]


class _Parser(argparse.ArgumentParser):
    """argparse tells a mistake in several lines; here it is one."""

    def error(self, message: str) -> NoReturn:
        raise errors.ArgumentError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : words after the program's name; those of the process by default

    Returns
    -------
    exit code: 0, 2 for bad input, 130 when interrupted
    """
    try:
        words = sys.argv[1:] if arguments is None else list(arguments)
        parser = _parser()
        if not words:
            parser.print_help()
            return 0
        options = parser.parse_args(words)
        command: Command = options.command
        chosen = getattr(options, "device", None)
        with config.override(**({} if chosen is None else {"device": chosen})):
            command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (errors.SymgraphError, OSError) as error:
        return _refused(str(error))
    except MemoryError:
        return _refused("there is not enough memory for that")
    except RecursionError:
        return _refused("that is nested too deep")
    except KeyboardInterrupt as error:
        how = f": {error}" if str(error) else ""
        sys.stderr.write(f"symgraph: interrupted{how}\n")
        return INTERRUPTED
    return 0


def _refused(text: str) -> int:
    line = "; ".join(part.strip() for part in text.splitlines() if part)
    sys.stderr.write(f"symgraph: error: {printable(line)}\n")
    return BAD_INPUT


#: settings that only the digits have, and those that only images have
_DIGITS_ONLY = ("shift", "limit")
_IMAGES_ONLY = ("model", "folder", "size", "l2", "validation", "flip", "skip_bad")


def _train(options: argparse.Namespace) -> None:
    imported = time.process_time()  # seconds since the process began, imports included
    digits = options.data == "digits"
    for name in _IMAGES_ONLY if digits else _DIGITS_ONLY:
        if getattr(options, name) not in (None, False):
            flag = "--data" if name == "folder" else f"--{name.replace('_', '-')}"
            raise errors.ArgumentError(f"{flag} does not go with {options.data!r}")
    if digits:
        settings = Settings(**_chosen(options, Settings))
        folder = options.output or "digits-model"
        result = train_digits(settings, folder, _callbacks(options))
    else:
        start = time.perf_counter()
        data, name = _images(options)
        lines = [f"{file}: damaged, left out" for file in data.skipped]
        channels, rows, columns = data.image_shape
        lines.append(
            f"data: {len(data.y_train)} training and {len(data.y_test)} test images of "
            f"{rows}x{columns} pixels, {channels} channel(s), {len(data.classes)} "
            f"classes, loaded in {time.perf_counter() - start:.2f} s"
        )
        _write("\n".join(lines))
        sys.stdout.flush()
        changes = _chosen(options, images.Settings)
        chosen = images.recipe(name, changes.pop("model", "cnn"), changes)
        folder = options.output or f"{name}-model"
        result = images.train_images(data, chosen, folder, _callbacks(options), name)
    _write("\n".join(_summary(result, imported)))


def _callbacks(options: argparse.Namespace) -> list[Callback]:
    """What shows and logs a training."""
    told: list[Callback] = [Progress()]
    if options.tensorboard is not None:
        told.append(TensorBoard(options.tensorboard, verbosity=2))
    return told


def _chosen(options: argparse.Namespace, settings: Any) -> dict[str, Any]:
    """Fields of the settings that the user gave."""
    names = [n for n in settings.__dataclass_fields__ if hasattr(options, n)]
    given = {name: getattr(options, name) for name in names}
    return {k: v for k, v in given.items() if v is not None}


def _images(options: argparse.Namespace) -> tuple[Any, str]:
    """The images that the user names, and what their model is called."""
    named = options.data in ("mnist", "cifar10")
    if options.skip_bad and named:
        raise errors.ArgumentError(f"--skip-bad does not go with {options.data!r}")
    if options.size is not None and named:
        raise errors.ArgumentError(f"--size does not go with {options.data!r}")
    if options.folder is not None and not named:
        raise errors.ArgumentError("--data goes with mnist and cifar10 only")
    if options.data == "mnist":
        return load_mnist_images(options.folder), "mnist"
    if options.data == "cifar10":
        return load_cifar10(options.folder), "cifar10"
    path = Path(options.data)
    seed = options.seed or 0
    size = 32 if options.size is None else options.size
    return _pictures(path, size, seed, bool(options.skip_bad)), path.resolve().stem


def _pictures(path: Path, size: int, seed: int, skip_bad: bool = False) -> Any:
    """Pictures of a folder or an archive of the user's."""
    if not path.exists():
        raise errors.DataError(
            f"{path}: no such folder or zip archive, and none of digits, mnist, cifar10"
        )
    if not os.path.isdir(path) and not os.path.isfile(path):
        raise errors.DataError(f"{path}: neither a folder nor a zip archive")
    return load_image_folder(path, size, seed=seed, skip_bad=skip_bad)


def _summary(result: Result, import_seconds: float) -> list[str]:
    right = round(result.test_accuracy * result.test_rows)
    history = result.history
    ran = len(history.epochs)
    lines = [f"stopped after epoch {ran}: {history.stopped}"] if history.stopped else []
    return [
        *lines,
        f"test accuracy {result.test_accuracy:.4f} "
        f"({right} of {result.test_rows} images never seen in training)",
        f"time: import {import_seconds:.2f} s, compile {result.compile_seconds:.2f} s, "
        f"train {result.train_seconds:.2f} s "
        f"(of which steps {result.history.seconds:.2f} s)",
        *(f"saved {file}" for file in result.files),
    ]


def _predict(options: argparse.Namespace) -> None:
    predictions = predict_files(
        options.model,
        options.files,
        options.invert,
        MOST if options.probabilities else options.top,
    )
    if options.format == "json":
        found = [
            {
                "file": printable(p.file), "number": p.number, "class": p.label,
                "probability": p.probability,
                "ranked": [{"class": c, "probability": q} for c, q in p.ranked],
            }
            for p in predictions
        ]  # fmt: skip
        _write(json.dumps(found, indent=1))
        return
    if options.format == "csv":
        rows = csv.writer(sys.stdout, lineterminator="\n")
        rows.writerow(["file", "number", "rank", "class", "probability"])
        for p in predictions:
            for rank, (label, probability) in enumerate(p.ranked, 1):
                number = "" if p.number is None else p.number
                name, text = printable(p.file), f"{probability:.6f}"
                rows.writerow([name, number, rank, printable(label), text])
        return
    if options.format == "table":
        _table(predictions)
        return
    for p in predictions:
        where = _where(p)
        ranked = ", ".join(f"{label} {q:.4f}" for label, q in p.ranked)
        _write(f"{where}: {ranked}")


def _where(p: Prediction) -> str:
    """The image that a prediction is of."""
    return p.file if p.number is None else f"{p.file}[{p.number}]"


def _table(predictions: Iterable[Prediction]) -> None:
    """A line for each image, its most probable classes beside one another."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    found = list(predictions)
    table = Table()
    table.add_column("image", overflow="fold")
    for rank in range(max((len(p.ranked) for p in found), default=1)):
        table.add_column("class" if not rank else f"class {rank + 1}")
        table.add_column("probability", justify="right")
    for p in found:
        cells = [t for c, q in p.ranked for t in (escape(printable(c)), f"{q:.4f}")]
        table.add_row(escape(printable(_where(p))), *cells)
    Console(file=sys.stdout).print(table)


def _evaluate(options: argparse.Namespace) -> None:
    def load(data: str, seed: int, size: int) -> Any:
        if data == "mnist":
            return load_mnist_images(options.folder)
        if data == "cifar10":
            return load_cifar10(options.folder)
        return _pictures(Path(data), size, seed)

    evaluate.run(options, load)


def _explain(options: argparse.Namespace) -> None:
    _write(explain.explain(options.expression, options.types))


def _doctor(options: argparse.Namespace) -> None:
    for topic, text in doctor.report():
        _write(f"{topic:<12}{text}")


def _cache(options: argparse.Namespace) -> None:
    if options.action == "clear":
        _write(f"removed {default_cache().clear()} files")
    for topic, text in doctor.cache_lines():
        _write(f"{topic:<12}{text}")


def _write(text: str) -> None:
    sys.stdout.write(printable(text) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("symgraph", description="Graph-compiling symbolic math.")
    parser.add_argument("--version", action="version", version=f"symgraph {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _train_parser(commands)

    predict = commands.add_parser("predict", help="classes of images, by a saved model")
    predict.add_argument("model", metavar="MODEL", help="folder or file of a model")
    predict.add_argument(
        "files", metavar="FILE", nargs="+",
        help="picture, .npy or IDX file, or a folder of pictures",
    )  # fmt: skip
    predict.add_argument(
        "--format", choices=("text", "table", "json", "csv"), default="text",
        help="of what is printed (default text)",
    )  # fmt: skip
    predict.add_argument(
        "--top", type=int, default=1, metavar="K",
        help="print the K most probable classes (default 1)",
    )  # fmt: skip
    predict.add_argument(
        "--probabilities", action="store_true", help="print all classes, the best first"
    )
    predict.add_argument(
        "--invert", choices=INVERT, default="auto", help="dark ink on light ground?"
    )
    predict.set_defaults(command=_predict)

    evaluated = commands.add_parser(
        "evaluate", help="precision, recall, confusion matrix of a saved model"
    )
    evaluate.add_arguments(evaluated)
    evaluated.set_defaults(command=_evaluate)

    summarized = commands.add_parser("summary", help="layers and settings of a model")
    summarized.add_argument("model", metavar="MODEL", help="folder or file of a model")
    summarized.set_defaults(command=evaluate.summarize)

    timed = commands.add_parser("time", help="what each layer of a saved model costs")
    timing.add_arguments(timed)
    timed.set_defaults(command=timing.run)

    explained = commands.add_parser(
        "explain", help="show how an expression is compiled"
    )
    explained.add_argument("expression", help='for example "(x+y)+(x+y)"')
    explained.add_argument(
        "types",
        nargs="*",
        metavar="NAME=TYPE",
        help="such as x=fvector; a name is a dmatrix otherwise",
    )
    explained.set_defaults(command=_explain)

    benched = commands.add_parser(
        "bench", help="time a short list of networks, beside the peers installed here"
    )
    bench.add_arguments(benched)
    benched.set_defaults(command=bench.run)

    doctored = commands.add_parser("doctor", help="what this installation has")
    doctored.set_defaults(command=_doctor)

    cached = commands.add_parser("cache", help="the cache of compiled functions")
    cached.add_argument("action", choices=["info", "clear"])
    cached.set_defaults(command=_cache)
    return parser


def _train_parser(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        help="train a network and measure it",
        description="What is not given is chosen to suit the data and the model.",
    )
    train.add_argument(
        "data",
        metavar="DATA",
        help="digits (bundled), mnist, cifar10, or a folder or zip archive of pictures: "
        "class/name.jpg, or train/class/name.jpg and test/class/name.jpg",
    )
    train.add_argument("--model", choices=images.MODELS, help="of images (default cnn)")
    train.add_argument(
        "--data", dest="folder", metavar="DIR",
        help="folder of the files of mnist or cifar10; downloaded when not given",
    )  # fmt: skip
    for flag, kind, text in (
        ("epochs", int, "passes over the training images"),
        ("batch-size", int, "images per step"),
        ("learning-rate", float, "at the start, falls linearly to 0"),
        ("dropout", float, "share of hidden units dropped in training"),
        ("l2", float, "adds L2 * sum of squared weights to the loss"),
        ("shift", float, "digits: largest random shift of training images, in pixels"),
        ("validation", float, "share of the training images that only validates"),
        ("patience", int, "stop after so many epochs without a better validation loss"),
        ("size", int, "pictures are scaled to so many pixels a side (default 32)"),
        ("limit", int, "digits: use so many images of each part only"),
        ("seed", int, "of data division, weights, dropout, changed images, shuffling"),
    ):
        train.add_argument(f"--{flag}", type=kind, help=text)
    train.add_argument(
        "--device", metavar="NAME",
        help=f"where functions run: {', '.join(devices())} (default cpu)",
    )  # fmt: skip
    train.add_argument(
        "--hidden", type=_sizes, metavar="N[,N...]", help="units of the dense layers"
    )
    train.add_argument(
        "--flip", action="store_true", default=None,
        help="mirror training images at random, left and right",
    )  # fmt: skip
    train.add_argument(
        "--skip-bad", action="store_true", help="leave damaged pictures out"
    )
    train.add_argument(
        "--tensorboard", metavar="DIR",
        help="folder for what TensorBoard shows, one folder in it for each run",
    )  # fmt: skip
    train.add_argument(
        "--output", metavar="DIR", help="folder for the results (default DATA-model)"
    )
    train.set_defaults(command=_train)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of whole numbers such as 256 or 256,128"
        ) from None
