"""How good a saved model is: ``symgraph evaluate`` and ``symgraph summary``.

In: a model that ``symgraph train`` saved, and data as that command takes it.  Out: for
each class precision, recall and F1, the confusion matrix as text, JSON and picture.  The
test part is the one that the model was not trained on: its seed stands in the model.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.core.record import Record
from symgraph.data.digits import CLASSES, load_digits, split
from symgraph.data.files import printable
from symgraph.data.image_set import ImageSet
from symgraph.data.tables import Table, load_table
from symgraph.errors import DataError
from symgraph.train.console import write_lines
from symgraph.train.curve import check_plotting
from symgraph.train.metrics import confusion_matrix
from symgraph.train.model import Model

#: classes above which the matrix is not printed; it still is drawn
PRINTED = 30
FORMATS = ("text", "json", "csv")
#: function of (data's name, seed, size in pixels) that loads images
Loader = Callable[[str, int, int], ImageSet]


class Report(Record):
    """How good predictions are.

    Attributes
    ----------
    classes : their names
    counts : int64 (classes, classes), rows of class i that were taken for class j
    loss : mean over rows, None where it was not measured
    """

    classes: tuple[str, ...]
    counts: np.ndarray
    loss: float | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Share of rows whose class is right."""
        return float(np.trace(self.counts) / max(1, self.rows))

    def by_class(self) -> list[tuple[str, float, float, float, int]]:
        """Name, precision, recall, F1 and rows of each class.

        precision = right / predicted, recall = right / there, F1 = 2 p r / (p + r); each
        is 0 where its denominator is

        Examples
        --------
        >>> made = Report(("a", "b"), np.array([[3, 1], [0, 4]]))
        >>> made.by_class()[0]
        ('a', 1.0, 0.75, 0.8571428571428571, 4)
        """
        right = np.diag(self.counts).astype(np.float64)
        predicted, there = self.counts.sum(axis=0), self.counts.sum(axis=1)
        precision, recall = (
            right / np.maximum(predicted, 1),
            right / np.maximum(there, 1),
        )
        f1 = 2 * right / np.maximum(predicted + there, 1)
        return [
            (name, float(p), float(r), float(f), int(n))
            for name, p, r, f, n in zip(
                self.classes, precision, recall, f1, there, strict=True
            )
        ]

    def numbers(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        named = ("class", "precision", "recall", "f1", "rows")
        return {
            "rows": self.rows,
            "accuracy": self.accuracy,
            **({} if self.loss is None else {"loss": self.loss}),
            "by_class": [
                dict(zip(named, each, strict=True)) for each in self.by_class()
            ],
            "confusion_matrix": self.counts.tolist(),
        }

    def lines(self) -> list[str]:
        """The report as text, with the confusion matrix where it is not too wide."""
        width = max(8, *(len(printable(name)) for name in self.classes))
        lines = [f"{'class':<{width}}  precision  recall      f1    rows"]
        for name, p, r, f, n in self.by_class():
            lines.append(
                f"{printable(name):<{width}}  {p:9.4f}  {r:6.4f}  {f:6.4f}  {n:6}"
            )
        loss = "" if self.loss is None else f", loss {self.loss:.4f}"
        right = int(np.trace(self.counts))
        lines.append(f"accuracy {self.accuracy:.4f} ({right} of {self.rows}){loss}")
        if len(self.classes) > PRINTED:
            return lines
        wide = (
            max(len(str(self.counts.max())), *(len(f"{k}") for k in self.classes)) + 1
        )
        wide = min(wide, 12)
        lines += ["", "true class below, predicted class to the right:"]
        short = [printable(name)[: wide - 1] for name in self.classes]
        lines.append(" " * width + "".join(f"{name:>{wide}}" for name in short))
        for name, row in zip(self.classes, self.counts, strict=True):
            cells = "".join(f"{count or '.':>{wide}}" for count in row)
            lines.append(f"{printable(name):<{width}}{cells}")
        return lines


def report(
    model: Model, x: np.ndarray, y: np.ndarray, classes: Sequence[str]
) -> Report:
    """Measure a classifier on rows.

    Parameters
    ----------
    x : (rows, ...) as the model takes them
    y : (rows,) numbers of classes
    """
    predicted = model.predict(x)
    loss = model.evaluate(x, y)["loss"]
    return Report(tuple(classes), confusion_matrix(predicted, y, len(classes)), loss)


def draw(made: Report, path: str | Path, title: str = "") -> Path:
    """Draw the confusion matrix: each row by its share, with the counts in the cells."""
    check_plotting(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(made.classes)
    side = min(16.0, 2.5 + 0.45 * count)
    figure = Figure(figsize=(side + 1, side), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    share = made.counts / np.maximum(made.counts.sum(axis=1, keepdims=True), 1)
    shown = panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, label="share of the true class", shrink=0.8)
    names = [printable(name) for name in made.classes]
    panel.set(xlabel="predicted", ylabel="true", title=title)
    if count <= PRINTED:
        panel.set_xticks(range(count), names, rotation=45, ha="right")
        panel.set_yticks(range(count), names)
        for i, j in np.argwhere(made.counts):
            colour = "white" if share[i, j] > 0.5 else "black"
            panel.text(j, i, made.counts[i, j], ha="center", va="center", color=colour)
    path = Path(path)
    figure.savefig(path, format=path.suffix[1:].lower())
    return path


# --- the commands ---------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``evaluate``."""
    parser.add_argument("model", metavar="MODEL", help="folder or file of a model")
    parser.add_argument(
        "data", metavar="DATA",
        help="as for train: digits, mnist, cifar10, a folder or archive of pictures, or a "
        ".csv or .npz file",
    )  # fmt: skip
    parser.add_argument(
        "--data",
        dest="folder",
        metavar="DIR",
        help="folder of the files of mnist or cifar10",
    )
    parser.add_argument(
        "--part", choices=("test", "train", "all"), default="test",
        help="of the data (default test: what the model was not trained on)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="of what is printed"
    )
    parser.add_argument(
        "--output", metavar="DIR", help="folder for confusion.png and report.json"
    )


def run(options: argparse.Namespace, load: Loader) -> None:
    """``symgraph evaluate``."""
    if options.output is not None:
        check_plotting("confusion.png")
        Path(options.output).mkdir(parents=True, exist_ok=True)
    model = Model.load(options.model)
    classes = model.metadata.get("classes")
    if classes == [] and "features" in model.metadata:
        raise DataError(
            f"{options.model}: the model predicts numbers; evaluate is for classes"
        )
    if not isinstance(classes, list) or len(classes) != model.task.heads[0].classes:
        raise DataError(f"{options.model}: the model does not say what its classes are")
    x, y = rows(model, options.data, options.part, load, [str(c) for c in classes])
    made = report(model, x, y, [str(c) for c in classes])
    if options.format == "json":
        write_lines(json.dumps(made.numbers(), indent=1))
    elif options.format == "csv":
        write_lines("class,precision,recall,f1,rows")
        for name, p, r, f, n in made.by_class():
            quoted = '"' + printable(name).replace('"', '""') + '"'
            write_lines(f"{quoted},{p:.6f},{r:.6f},{f:.6f},{n}")
    else:
        write_lines("\n".join(made.lines()))
    if options.output is not None:
        title = f"{Path(options.data).stem}, accuracy {made.accuracy:.4f}"
        path = draw(made, Path(options.output) / "confusion.png", printable(title))
        text = Path(options.output) / "report.json"
        text.write_text(json.dumps(made.numbers(), indent=1))
        if options.format == "text":
            write_lines(f"saved {path}\nsaved {text}")


def rows(
    model: Model, data: str, part: str, load: Loader, classes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a part of the data, as the model takes them, and their classes."""
    if "features" in model.metadata:
        return _table_rows(model, data, part, classes)
    shape = model.metadata.get("image_shape")
    seed = int(model.metadata.get("seed", 0))
    wanted = tuple(model.intake.input_shapes[0][1:])
    if data == "digits":
        parts = split(*load_digits(), seed=seed)
        found = {
            "train": parts.train, "test": parts.test, "validation": parts.validation
        }  # fmt: skip
        names = [str(digit) for digit in range(CLASSES)]
    else:
        if not isinstance(shape, list) or not shape:
            raise DataError("the model does not say which images it takes")
        images = load(data, seed, int(shape[-1]))
        names = list(images.classes)
        found = {
            "train": (images.x_train, images.y_train),
            "test": (images.x_test, images.y_test),
        }
    chosen = list(found.values()) if part == "all" else [found[part]]
    x, y = (np.concatenate(each) for each in zip(*chosen, strict=True))
    if unknown := [name for name in names if name not in classes]:
        raise DataError(
            f"{data}: the class {printable(unknown[0])!r} is none of the model's: "
            f"{printable(', '.join(classes))}"
        )
    if prod(x.shape[1:]) != prod(n or 0 for n in wanted):
        raise DataError(
            f"{data}: its images are {x.shape[1:]}, the model takes {wanted}"
        )
    number = np.array([classes.index(name) for name in names])
    return x.reshape(len(x), *(n or 1 for n in wanted)), number[y]


def _table_rows(
    model: Model, data: str, part: str, classes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a file as `symgraph train` divided it."""
    told = model.metadata
    target = None if data.lower().endswith(".npz") else told["target"]
    table = load_table(data, target, int(told["seed"]))
    if not isinstance(table, Table) or list(table.features) != told["features"]:
        raise DataError(f"{data}: not the features {', '.join(told['features'])}")
    if unknown := [name for name in table.classes if name not in classes]:
        raise DataError(f"{data}: the class {unknown[0]!r} is none of the model's")
    number = np.array([classes.index(name) for name in table.classes])
    found = {
        "train": (table.x_train, table.y_train), "test": (table.x_test, table.y_test)
    }  # fmt: skip
    chosen = list(found.values()) if part == "all" else [found[part]]
    x, y = (np.concatenate(each) for each in zip(*chosen, strict=True))
    return x, number[y]


def summarize(options: argparse.Namespace) -> None:
    """``symgraph summary``."""
    model = Model.load(options.model)
    model.summary(sys.stdout)
    for name, value in model.metadata.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        write_lines(f"{printable(str(name)):<14}{printable(str(shown))}")
    if model.history.epochs:
        last = {k: v for k, v in model.history.last.items() if not np.ndim(v)}
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in last.items())
        write_lines(f"{'last epoch':<14}{numbers}")
