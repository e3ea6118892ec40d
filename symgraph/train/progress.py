"""What a training shows while it runs: a live table, or one plain line per epoch.

In: the run of a ``fit``, as a callback.  Out: text on a stream; a table that redraws
itself when the stream is a terminal or a notebook, otherwise lines that a log file can
keep.  rich is loaded for a table only.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np

from symgraph.train.callbacks.base import Callback, Run

ROWS = 8  # epochs shown at once
REDRAW_SECONDS = 0.08
_OTHERS = ("seconds", "learning_rate")


class Progress(Callback):
    """A callback that shows each epoch: loss, measures, rate, time and time left.

    Parameters
    ----------
    stream : where to write, standard output by default
    live : redraw a table; by default when the stream is a terminal, or in a notebook

    Examples
    --------
    >>> shown = Progress(live=False)
    >>> shown.show(1, 5, {"loss": 0.25, "validation_accuracy": 0.5, "seconds": 0.01})
    epoch 1/5  loss 0.2500  validation accuracy 0.5000  0.010 s
    """

    deferrable = True
    order = 90

    def __init__(self, stream: TextIO | None = None, live: bool | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.live = _is_live(self.stream) if live is None else live
        self._recent: deque[tuple[int, int, dict[str, Any]]] = deque(maxlen=ROWS)
        self._display: Any = None
        self._drawn = 0.0
        self._begun = 0.0
        self._first = 0

    @property
    def watches(self) -> bool:
        """Whether it shows how far an epoch is."""
        return self.live

    def on_train_begin(self, run: Run) -> None:
        """Open the table."""
        self._begun, self._first = time.monotonic(), run.epoch
        if self.live:
            from rich.console import Console
            from rich.live import Live

            terminal = None if _is_notebook() else True
            console = Console(file=self.stream, force_terminal=terminal)
            self._display = Live(console=console, auto_refresh=False)
            self._display.start()

    def on_train_end(self, run: Run) -> None:
        """Draw the table a last time and close it."""
        if self._display is not None:
            if self._recent:
                self._display.update(self._table(), refresh=True)
            self._display.stop()
            self._display = None

    def on_epoch_end(self, run: Run) -> None:
        """Show the epoch."""
        done = run.epoch - self._first
        spent = time.monotonic() - self._begun
        left = spent / done * (run.last - run.epoch) if done and run.last else None
        self.show(run.epoch, run.last, run.numbers, left)

    def show(
        self,
        epoch: int,
        epochs: int,
        numbers: Mapping[str, Any],
        left: float | None = None,
    ) -> None:
        """Show one epoch.

        Parameters
        ----------
        epochs : how many there are
        numbers : of the epoch
        left : seconds to the end
        """
        self._recent.append((epoch, epochs, dict(numbers)))
        if self._display is None:
            self.stream.write(line(epoch, epochs, numbers, left) + "\n")
            self.stream.flush()
        elif time.monotonic() - self._drawn >= REDRAW_SECONDS:
            self._display.update(self._table(left), refresh=True)
            self._drawn = time.monotonic()

    def within(self, epoch: int, done: int, steps: int) -> None:
        """Show how far an epoch is, on a terminal."""
        if self._display is None or time.monotonic() - self._drawn < REDRAW_SECONDS:
            return
        from rich.console import Group
        from rich.text import Text

        line = Text(f"epoch {epoch}: step {done:,} of {steps:,}")
        shown = [self._table(), line] if self._recent else [line]
        self._display.update(Group(*shown), refresh=True)
        self._drawn = time.monotonic()

    def _table(self, left: float | None = None) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        epoch, epochs, last = self._recent[-1]
        names = _shown(last)
        table = Table()
        for title in ("epoch", *map(_title, names), "rate", "seconds"):
            table.add_column(title, justify="right")
        for number, of, row in self._recent:
            rate = row.get("learning_rate")
            table.add_row(
                f"{number}/{of}",
                *(f"{row.get(name, np.nan):.4f}" for name in names),
                "" if rate is None else f"{rate:.3g}",
                f"{row.get('seconds', 0.0):.3f}",
            )
        parts: list[Any] = [table, ProgressBar(epochs, epoch, width=40)]
        if left is not None:
            parts.append(Text(f"{_time(left)} left"))
        return Group(*parts)


def line(
    epoch: int, epochs: int, numbers: Mapping[str, Any], left: float | None = None
) -> str:
    """Return one epoch as one line of text."""
    parts = [f"epoch {epoch}/{epochs}"]
    parts += [f"{_title(name)} {numbers[name]:.4f}" for name in _shown(numbers)]
    if "learning_rate" in numbers:
        parts.append(f"rate {numbers['learning_rate']:.3g}")
    parts.append(f"{numbers.get('seconds', 0.0):.3f} s")
    if left:
        parts.append(f"{_time(left)} left")
    return "  ".join(parts)


def _shown(numbers: Mapping[str, Any]) -> list[str]:
    return [
        n for n, value in numbers.items() if n not in _OTHERS and np.ndim(value) == 0
    ]


def _title(name: str) -> str:
    return name.replace("_", " ")


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _is_notebook() -> bool:
    return "ipykernel" in sys.modules


def _is_live(stream: Any) -> bool:
    """Whether a stream can be drawn over."""
    return bool(stream.isatty()) or (stream is sys.stdout and _is_notebook())
