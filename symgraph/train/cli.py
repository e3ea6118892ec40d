"""The command line: ``symgraph train | sweep | predict | evaluate | time | ...``.

In: arguments.  Out: text on standard output, files that the commands write, and an exit
code: 0 when it worked, 2 for bad input, which is told in one line on standard error.
The work itself is done in ``train_command.py``, ``predict.py``, ``evaluate.py``,
``timing.py``, ``sweep.py``, ``explain.py``, ``bench.py``, ``doctor.py``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from symgraph import errors
from symgraph.config import config
from symgraph.core.cache import default_cache
from symgraph.data.files import printable
from symgraph.train import (
    bench,
    doctor,
    evaluate,
    explain,
    sweep,
    timing,
    train_command,
)
from symgraph.train.console import write_lines
from symgraph.train.predict import INVERT, Prediction, predict_files
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
        write_lines(json.dumps(found, indent=1))
        return
    if options.format == "csv":
        rows = csv.writer(sys.stdout, lineterminator="\n")
        rows.writerow(["file", "number", "rank", "class", "probability"])
        for p in predictions:
            for rank, (label, probability) in enumerate(p.ranked, 1):
                number = "" if p.number is None else p.number
                name, text = printable(p.file), _share(probability, 6)
                rows.writerow([name, number, rank, printable(label), text])
        return
    if options.format == "table":
        _table(predictions)
        return
    for p in predictions:
        where = _where(p)
        ranked = ", ".join(f"{label} {_share(q)}".rstrip() for label, q in p.ranked)
        write_lines(f"{where}: {ranked}")


def _share(probability: float | None, digits: int = 4) -> str:
    """A probability; nothing where what is predicted is a number."""
    return "" if probability is None else f"{probability:.{digits}f}"


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
        cells = [t for c, q in p.ranked for t in (escape(printable(c)), _share(q))]
        table.add_row(escape(printable(_where(p))), *cells)
    Console(file=sys.stdout).print(table)


def _evaluate(options: argparse.Namespace) -> None:
    def load(data: str, seed: int, size: int) -> Any:
        return train_command.load_images(data, options.folder, seed, size)

    evaluate.run(options, load)


def _sweep(options: argparse.Namespace) -> None:
    sweep.run(options, train_command.words(options, without=("output",)))


def _explain(options: argparse.Namespace) -> None:
    write_lines(explain.explain(options.expression, options.types))


def _doctor(options: argparse.Namespace) -> None:
    for topic, text in doctor.report():
        write_lines(f"{topic:<12}{text}")


def _cache(options: argparse.Namespace) -> None:
    if options.action == "clear":
        write_lines(f"removed {default_cache().clear()} files")
    for topic, text in doctor.cache_lines():
        write_lines(f"{topic:<12}{text}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("symgraph", description="Graph-compiling symbolic math.")
    parser.add_argument("--version", action="version", version=f"symgraph {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train a network and measure it",
        description="What is not given is chosen to suit the data and the model.",
    )
    train_command.add_arguments(train)
    train.set_defaults(command=train_command.run)

    swept = commands.add_parser(
        "sweep",
        help="train with many settings, in processes, and show which is best",
        description="What is not given is chosen to suit the data and the model. The same "
        "command goes on where it was stopped.",
    )
    sweep.add_arguments(swept)
    swept.set_defaults(command=_sweep)

    predict = commands.add_parser(
        "predict", help="classes of images or rows, by a saved model"
    )
    predict.add_argument("model", metavar="MODEL", help="folder or file of a model")
    predict.add_argument(
        "files", metavar="FILE", nargs="+",
        help="picture, .npy or IDX file, or a folder of pictures; .csv for a model of rows",
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
