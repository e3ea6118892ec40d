"""What a training gave, epoch by epoch: a mapping of lists.

In: the numbers of each epoch.  Out: ``history["loss"]``, a CSV file, a picture (drawn by
``curve.py``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.train.curve import draw_history, plot_history


class History(Mapping[str, list[Any]]):
    """The numbers of all epochs of one or several calls of `fit`.

    A mapping: name → list with one entry for each epoch. ``loss`` is the mean over all
    rows of the losses of the steps, each before its update; what is measured on the
    validation part begins with ``validation_``.

    Attributes
    ----------
    epochs : numbers of the epochs, from 1
    best : the epoch with the best monitored value, None where nothing was monitored
    stopped : why the training ended before its last epoch, "" where it did not

    Examples
    --------
    >>> history = History()
    >>> history.append(1, {"loss": 0.5, "seconds": 0.1})
    >>> history.append(2, {"loss": 0.25, "seconds": 0.1})
    >>> history["loss"], history.epochs, history.seconds
    ([0.5, 0.25], [1, 2], 0.2)
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}
        self.epochs: list[int] = []
        self.best: int | None = None
        self.stopped = ""

    def append(self, epoch: int, numbers: Mapping[str, Any]) -> None:
        """Add an epoch."""
        self.extend([epoch], {name: [value] for name, value in numbers.items()})

    def extend(self, epochs: list[int], columns: Mapping[str, list[Any]]) -> None:
        """Add several epochs at once; a name that is new is filled with NaN before."""
        known, before, count = self._columns, len(self.epochs), len(epochs)
        for name, values in columns.items():
            if name not in known:
                known[name] = [float("nan")] * before
            known[name] += values
        self.epochs += epochs
        if len(columns) < len(known):
            for name in known.keys() - columns.keys():
                known[name] += [float("nan")] * count

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self._columns:
            known = ", ".join(self._columns) or "nothing, no epoch has ended"
            raise KeyError(f"the history has no {name!r}; it has {known}")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        last = ", ".join(f"{k} {v:.4g}" for k, v in self.last.items() if _is_number(v))
        return f"<History of {len(self.epochs)} epochs, last: {last or 'none'}>"

    @property
    def last(self) -> dict[str, Any]:
        """The numbers of the last epoch."""
        if not self.epochs:
            return {}
        return {name: column[-1] for name, column in self._columns.items()}

    @property
    def seconds(self) -> float:
        """Seconds of all training steps."""
        return float(np.sum(self._columns.get("seconds", [0.0])))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each epoch as a dictionary, its number first."""
        for number, epoch in enumerate(self.epochs):
            row = {name: column[number] for name, column in self._columns.items()}
            yield {"epoch": epoch, **row}

    def to_csv(self, path: str | Path) -> Path:
        """Write one line for each epoch; arrays, such as confusion matrices, stay out.

        Returns
        -------
        Path of the file
        """
        names = [n for n, column in self._columns.items() if _is_number(column[-1])]
        with Path(path).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["epoch", *names], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.rows())
        return Path(path)

    def plot(self, path: str | Path | None = None, title: str = "") -> Any:
        """Draw the learning curves; see `symgraph.train.plot_history`.

        Parameters
        ----------
        path : file to write (``.png``, ``.pdf``, ``.svg``); None returns the figure, which
            a notebook shows

        Returns
        -------
        Path of the file, or the figure of matplotlib
        """
        if path is None:
            return draw_history(self, title)
        return plot_history(self, path, title)


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0
