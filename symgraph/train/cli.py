"""The command line: ``symgraph train | predict | explain | doctor | cache``.

In: arguments.  Out: text on standard output, files that the commands write, and an exit
code: 0 when it worked, 2 for bad input, which is told in one line on standard error.
The work itself is done in ``digits.py``, ``predict.py``, ``explain.py``, ``doctor.py``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from symgraph import errors
from symgraph.runtime.cache import default_cache
from symgraph.train import doctor, explain
from symgraph.train.digits import Result, Settings, train_digits
from symgraph.train.predict import INVERT, predict_files
from symgraph.train.progress import Progress

BAD_INPUT, INTERRUPTED = 2, 130
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
        options = _parser().parse_args(arguments)
        command: Command = options.command
        command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (errors.SymgraphError, OSError) as error:
        text = "; ".join(part.strip() for part in str(error).splitlines() if part)
        sys.stderr.write(f"symgraph: error: {text}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("symgraph: interrupted\n")
        return INTERRUPTED
    return 0


def _train(options: argparse.Namespace) -> None:
    imported = time.process_time()  # seconds since the process began, imports included
    names = Settings.__dataclass_fields__
    chosen = {name: getattr(options, name) for name in names}
    settings = Settings(**{k: v for k, v in chosen.items() if v is not None})
    with Progress() as progress:
        result = train_digits(settings, options.output, [progress])
    _write("\n".join(_summary(result, imported)))


def _summary(result: Result, import_seconds: float) -> list[str]:
    right = round(result.test_accuracy * result.test_rows)
    ran = len(result.history.records)
    lines = [f"stopped after epoch {ran}"] if result.history.stopped_early else []
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
    for found in predict_files(options.model, options.files, options.invert):
        where = found.file if found.number is None else f"{found.file}[{found.number}]"
        _write(f"{where}: {found.label} {found.probability:.4f}")


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
    sys.stdout.write(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("symgraph", description="Graph-compiling symbolic math.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a network and measure it")
    train.add_argument("data", choices=["digits"], help="which data set")
    default = Settings()
    for flag, kind, text in (
        ("epochs", int, "passes over the training images"),
        ("batch-size", int, "images per step"),
        ("learning-rate", float, "of Adam at the start, falls linearly to 0"),
        ("dropout", float, "share of hidden units dropped in training"),
        ("shift", float, "largest random shift of training images, in pixels"),
        ("patience", int, "stop after so many epochs without a better validation loss"),
        ("seed", int, "of data division, weights, dropout, shifts and shuffling"),
    ):
        value = getattr(default, flag.replace("-", "_"))
        train.add_argument(f"--{flag}", type=kind, help=f"{text} (default {value})")
    train.add_argument(
        "--hidden", type=_sizes, metavar="N[,N...]", help="units (default 256,128)"
    )
    train.add_argument(
        "--output", metavar="DIR", default="digits-model", help="folder for the results"
    )
    train.set_defaults(command=_train)

    predict = commands.add_parser("predict", help="classes of images, by a saved model")
    predict.add_argument("model", metavar="MODEL", help="folder or file of a model")
    predict.add_argument("files", metavar="FILE", nargs="+", help="PNG, .npy or IDX")
    predict.add_argument(
        "--invert", choices=INVERT, default="auto", help="dark ink on light ground?"
    )
    predict.set_defaults(command=_predict)

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

    doctored = commands.add_parser("doctor", help="what this installation has")
    doctored.set_defaults(command=_doctor)

    cached = commands.add_parser("cache", help="the cache of compiled functions")
    cached.add_argument("action", choices=["info", "clear"])
    cached.set_defaults(command=_cache)
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))
