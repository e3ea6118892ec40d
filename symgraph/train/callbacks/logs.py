"""Callbacks that keep what a training gave: a CSV file, a picture that grows."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.errors import ArgumentError
from symgraph.train.callbacks.base import Callback, Run
from symgraph.train.curve import check_plotting, draw_history, plot_history


class CSVLogger(Callback):
    """Writes a line for each epoch, as soon as it has ended.

    A training that goes on after it was killed (`Resume`) has each epoch once.

    Parameters
    ----------
    path : file, made anew
    """

    deferrable = True
    order = 80

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._names: list[str] | None = None

    def on_train_begin(self, run: Run) -> None:
        """Look whether the file can be written, before the work."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("a").close()
        self._names = None

    def on_epoch_end(self, run: Run) -> None:
        """Write it; the first time with all that the history has already."""
        names = [n for n, value in run.numbers.items() if np.ndim(value) == 0]
        if names != self._names:
            run.history.to_csv(self.path)
            self._names = names
            return
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow([run.epoch, *(run.numbers[n] for n in names)])


class LivePlot(Callback):
    """Draws the learning curves while the training runs, in a notebook or to a file.

    Parameters
    ----------
    path : picture that is written anew; None draws in the notebook
    seconds : between two pictures
    """

    deferrable = True
    order = 80

    def __init__(self, path: str | Path | None = None, seconds: float = 1.0) -> None:
        if path is None and "IPython" not in sys.modules:
            raise ArgumentError(
                "LivePlot: pass a path; there is no notebook to draw in"
            )
        check_plotting("" if path is None else path)
        self.path = path
        self.seconds = seconds
        self._drawn = 0.0
        self._shown: Any = None

    def on_epoch_end(self, run: Run) -> None:
        """Draw, if the last picture is old enough."""
        if time.monotonic() - self._drawn >= self.seconds:
            self._draw(run)

    def on_train_end(self, run: Run) -> None:
        """Draw the last picture."""
        if run.history.epochs:
            self._draw(run)

    def _draw(self, run: Run) -> None:
        if self.path is not None:
            plot_history(run.history, self.path)
        else:
            from IPython.display import display

            figure = draw_history(run.history)
            if self._shown is None:
                self._shown = display(figure, display_id=True)
            else:
                self._shown.update(figure)
        self._drawn = time.monotonic()
