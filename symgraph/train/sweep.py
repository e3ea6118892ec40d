"""``symgraph sweep``: many trainings with other settings, in processes, and which is best.

In: data and options as for ``train``, and values of some of them.  Out: a folder for each
training, a table sorted by the measure on the validation part, ``sweep.csv``, and a
picture of parallel coordinates.  A training whose model is in its folder is not made
again, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.config import THREADS_VARIABLE
from symgraph.core.record import Record
from symgraph.errors import ArgumentError, SymgraphError
from symgraph.train import train_command
from symgraph.train.checkpoint import load_model
from symgraph.train.console import write_lines
from symgraph.train.curve import check_plotting

#: values of an option, or the ends of a range
Choices = dict[str, list[str] | tuple[float, float]]
RANGE = re.compile(r"^([^.]+(?:\.\d+)?)\.\.(.+)$")
#: ratio of a range's ends from which on numbers are drawn by their logarithm
DECADE = 10.0
#: options that a sweep sets itself, or that make no sense in it
NOT_OVER = ("output", "data", "tensorboard", "device", "resume", "help")


class Trial(Record):
    """One training of a sweep.

    Attributes
    ----------
    settings : option → value, as on the command line
    measure : on the validation part, None where it failed
    test : on the test part
    error : what a training that failed said
    """

    settings: dict[str, str]
    measure: float | None = None
    test: float | None = None
    error: str = ""


# --- settings ---------------------------------------------------------------------------


def choices(given: Sequence[str], known: Sequence[str]) -> Choices:
    """What ``--over NAME=VALUES`` means.

    Parameters
    ----------
    given : "rate=0.1,0.01", "hidden=64;128,64" (values with commas), "l2=0.001..0.1"
    known : names of options

    Examples
    --------
    >>> choices(["seed=1,2", "l2=0.001..0.1"], ["seed", "l2"])
    {'seed': ['1', '2'], 'l2': (0.001, 0.1)}
    """
    made: Choices = {}
    for text in given:
        name, mark, values = text.partition("=")
        if not mark or not values:
            raise ArgumentError(f"--over {text}: expected NAME=VALUE,VALUE")
        if name not in known:
            raise ArgumentError(
                f"--over {text}: no option --{name}; there are {', '.join(known)}"
            )
        if name in made:
            raise ArgumentError(f"--over {text}: --{name} is there twice")
        ends = RANGE.match(values)
        if ends:
            try:
                low, high = float(ends[1]), float(ends[2])
            except ValueError:
                raise ArgumentError(f"--over {text}: a range of no numbers") from None
            if not low < high:
                raise ArgumentError(f"--over {text}: an empty range")
            made[name] = (low, high)
        else:
            parts = values.split(";" if ";" in values else ",")
            made[name] = list(dict.fromkeys(part.strip() for part in parts))
    return made


def grid(given: Choices) -> list[dict[str, str]]:
    """All combinations.

    Examples
    --------
    >>> grid({"a": ["1", "2"], "b": ["x"]})
    [{'a': '1', 'b': 'x'}, {'a': '2', 'b': 'x'}]
    """
    for name, values in given.items():
        if isinstance(values, tuple):
            raise ArgumentError(f"--over {name}: a range needs --random N")
    lists = [list(values) for values in given.values() if isinstance(values, list)]
    return [
        dict(zip(given, values, strict=True)) for values in itertools.product(*lists)
    ]


def drawn(given: Choices, count: int, seed: int) -> list[dict[str, str]]:
    """Settings at random, the same ones for the same seed; no two alike.

    A range is drawn from evenly, by the logarithm where its ends are far apart; ends that
    are whole numbers give whole numbers.
    """
    random = np.random.default_rng(seed)
    made: list[dict[str, str]] = []
    for _ in range(100 * count):
        each = {name: _drawn(values, random) for name, values in given.items()}
        if each not in made:
            made.append(each)
        if len(made) == count:
            break
    return made


def _drawn(values: Any, random: np.random.Generator) -> str:
    if isinstance(values, list):
        return str(values[random.integers(len(values))])
    low, high = values
    if low > 0 and high / low >= DECADE:
        value = math.exp(random.uniform(math.log(low), math.log(high)))
    else:
        value = random.uniform(low, high)
    whole = float(low).is_integer() and float(high).is_integer()
    return str(round(value)) if whole else f"{value:.4g}"


def folder_name(settings: Mapping[str, str]) -> str:
    """A folder for some settings, the same for the same.

    Examples
    --------
    >>> folder_name({"hidden": "64,32", "l2": "0.1"})
    'hidden=64,32 l2=0.1'
    """
    text = " ".join(f"{name}={value}" for name, value in sorted(settings.items()))
    return re.sub(r"[^\w=,. :+-]", "_", text).replace("..", "_")[:200]


# --- trainings --------------------------------------------------------------------------


class Runs:
    """Trainings in processes.

    Parameters
    ----------
    words : data and options that all have
    folder : holds a folder for each
    jobs : processes at once
    """

    def __init__(self, words: Sequence[str], folder: Path, jobs: int) -> None:
        self.words = list(words)
        self.folder = folder
        self.jobs = jobs
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def all(self, settings: Sequence[dict[str, str]]) -> list[Trial]:
        """Train with each; what is in its folder already is only read."""
        made: list[Trial] = []
        with ThreadPoolExecutor(self.jobs) as pool:
            waiting = [pool.submit(self.one, each) for each in settings]
            try:
                for number, done in enumerate(as_completed(waiting), 1):
                    trial = done.result()
                    made.append(trial)
                    write_lines(f"{number}/{len(settings)}  {_line(trial)}")
            except BaseException:
                self._stop()
                pool.shutdown(cancel_futures=True)
                raise
        return made

    def one(self, settings: dict[str, str]) -> Trial:
        """Train once."""
        folder = self.folder / folder_name(settings)
        if not (folder / "model.json").exists():
            options = [word for n, v in settings.items() for word in _option(n, v)]
            error = self.train([*self.words, *options, "--output", str(folder)])
            if error:
                return Trial(settings=settings, error=error)
        try:
            patience = "--patience" in self.words or "patience" in settings
            return measured(settings, folder, patience)
        except SymgraphError as error:
            return Trial(settings=settings, error=str(error).splitlines()[0])

    def train(self, words: list[str]) -> str:
        """Run ``symgraph train`` in a process; the error that it told, or ""."""
        with self._lock:
            if self._stopped:
                return "stopped"
            process = subprocess.Popen(
                [sys.executable, "-m", "symgraph", "train", *words],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env=self._environment(),
            )  # fmt: skip
            self._running.add(process)
        _, told = process.communicate()
        with self._lock:
            self._running.discard(process)
        if process.returncode:
            last = (told.strip().splitlines() or [f"exit code {process.returncode}"])[
                -1
            ]
            return last.removeprefix("symgraph: error: ")
        return ""

    def _environment(self) -> dict[str, str]:
        """Each process has its share of the cores."""
        share = max(1, (os.cpu_count() or 1) // self.jobs)
        return {THREADS_VARIABLE: str(share), **os.environ}

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()


def measured(settings: dict[str, str], folder: Path, keeps_best: bool) -> Trial:
    """The measures of a model in a folder: of its last epoch, or of its best.

    Parameters
    ----------
    keeps_best : whether the weights are those of the epoch with the least validation loss
    """
    saved = load_model(folder)
    columns = saved.training.get("history", {}).get("columns", {})
    losses = columns.get("validation_loss")
    if not losses:
        raise ArgumentError("sweep: no validation part; --validation 0 leaves none")
    epoch = int(np.argmin(losses)) if keeps_best else len(losses) - 1
    name = "accuracy" if "validation_accuracy" in columns else "loss"
    value = float(columns[f"validation_{name}"][epoch])
    test = saved.metadata.get("test_accuracy", saved.metadata.get("test_r2"))
    return Trial(
        settings=settings,
        measure=value if name == "accuracy" else -value,
        test=None if test is None else float(test),
    )


def _option(name: str, value: str) -> list[str]:
    if value in ("yes", "no"):  # a flag
        return [f"--{name}"] if value == "yes" else []
    return [f"--{name}", value]


# --- what is shown ----------------------------------------------------------------------


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The best first, those that failed last."""
    return sorted(
        trials,
        key=lambda t: -math.inf if t.measure is None else t.measure,
        reverse=True,
    )


def write_csv(trials: Sequence[Trial], names: Sequence[str], path: Path) -> Path:
    """Write a line for each training, the best first."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow([*names, "validation", "test", "error"])
        for trial in trials:
            values = [trial.settings[name] for name in names]
            rows.writerow(
                [*values, _cell(trial.measure), _cell(trial.test), trial.error]
            )
    return path


def draw(trials: Sequence[Trial], names: Sequence[str], path: Path) -> Path:
    """Parallel coordinates: an axis for each option, a line for each training."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    done = [t for t in trials if t.measure is not None]
    figure = Figure(figsize=(2.2 * len(names) + 3, 4.5), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    columns = [_places([t.settings[name] for t in done]) for name in names]
    measures = np.array([t.measure for t in done], np.float64)
    low, high = measures.min(), measures.max()
    share = (measures - low) / (high - low) if high > low else np.full(len(done), 0.5)
    columns.append((share, [(0.0, f"{abs(low):.4g}"), (1.0, f"{abs(high):.4g}")]))
    for number in reversed(range(len(done))):  # the best is drawn last, on top
        panel.plot(
            range(len(columns)), [column[0][number] for column in columns],
            color=colormaps["viridis"](1 - share[number]), alpha=0.85,
            linewidth=3 if number == 0 else 1.3,
        )  # fmt: skip
    for place, (_, marks) in enumerate(columns):
        panel.axvline(place, color="0.3", linewidth=0.8)
        for height, text in marks:
            panel.annotate(
                text, (place, height), xytext=(4, 0), textcoords="offset points",
                fontsize=8, va="center",
                bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none",
                      "alpha": 0.7},
            )  # fmt: skip
    panel.set_xticks(range(len(columns)), [*names, "validation"])
    panel.set_yticks([])
    panel.set_xlim(-0.2, len(columns) - 0.5)
    panel.set_title(f"{len(done)} trainings; the thick line is the best")
    for side in ("top", "right", "bottom", "left"):
        panel.spines[side].set_visible(False)
    figure.savefig(path, format="png")
    return path


def _places(values: list[str]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Heights of values on an axis from 0 to 1, and what stands at some of them."""
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        names = sorted(set(values), key=lambda v: (len(v), v))
        where = {n: k / max(1, len(names) - 1) for k, n in enumerate(names)}
        return np.array([where[v] for v in values]), [(where[n], n) for n in names]
    scaled = numbers
    if numbers.min() > 0 and numbers.max() / numbers.min() >= DECADE:
        scaled = np.log(numbers)
    low, high = scaled.min(), scaled.max()
    heights = (scaled - low) / (high - low) if high > low else np.full(len(scaled), 0.5)
    unique = sorted(set(zip(heights.tolist(), values, strict=True)))
    return heights, unique if len(unique) <= 6 else [unique[0], unique[-1]]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{abs(value):.6g}"


def _line(trial: Trial) -> str:
    settings = " ".join(f"{n}={v}" for n, v in trial.settings.items())
    if trial.measure is None:
        return f"{settings}: failed: {trial.error}"
    test = "" if trial.test is None else f", test {trial.test:.4f}"
    return f"{settings}: validation {abs(trial.measure):.4f}{test}"


# --- the command ------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``sweep``: its own, and those of ``train``."""
    parser.add_argument(
        "--over", action="append", metavar="NAME=VALUES", default=[],
        help="values of an option: learning-rate=0.01,0.001; hidden=64;128,64; "
        "flip=yes,no; with --random also a range, l2=1e-5..1e-2",
    )  # fmt: skip
    parser.add_argument(
        "--random", type=int, metavar="N", help="so many settings at random, not all"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="processes at once (default 1)"
    )
    train_command.add_arguments(parser)


def run(options: argparse.Namespace, words: Sequence[str]) -> None:
    """``symgraph sweep``.

    Parameters
    ----------
    words : the options of ``train`` that were given, with the data
    """
    known = [n for n in train_command.names() if n not in NOT_OVER]
    given = choices(options.over, known)
    if not given:
        raise ArgumentError(
            "sweep: nothing to vary; use --over learning-rate=0.01,0.001"
        )
    if options.jobs < 1:
        raise ArgumentError(f"sweep: jobs = {options.jobs}, must be 1 or more")
    if options.random is not None and options.random < 1:
        raise ArgumentError(f"sweep: random = {options.random}, must be 1 or more")
    settings = (
        grid(given)
        if options.random is None
        else drawn(given, options.random, options.seed or 0)
    )
    check_plotting("sweep.png")
    folder = Path(options.output or f"{Path(options.data).stem}-sweep")
    folder.mkdir(parents=True, exist_ok=True)
    _same(folder, words)
    runs = Runs(words, folder, options.jobs)
    try:
        trials = ranked(runs.all(settings))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"what is done lies in {folder}; the same command goes on"
        ) from None
    names = list(given)
    write_lines("\nthe best first, by the validation part:")
    for trial in trials[:20]:
        write_lines(f"  {_line(trial)}")
    write_lines(f"saved {write_csv(trials, names, folder / 'sweep.csv')}")
    if all(trial.measure is None for trial in trials):
        raise ArgumentError(
            f"sweep: every training failed, the first: {trials[0].error}"
        )
    write_lines(f"saved {draw(trials, names, folder / 'sweep.png')}")


def _same(folder: Path, words: Sequence[str]) -> None:
    """Refuse to mix trainings of other data or options in one folder."""
    path = folder / "sweep.json"
    text = json.dumps({"train": list(words)})
    if path.exists() and path.read_text() != text:
        raise ArgumentError(
            f"{folder}: holds a sweep with other data or options ({path}); use another "
            "--output, or the same options"
        )
    path.write_text(text)
