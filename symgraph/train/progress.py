"""What a training shows while it runs: a live table, or one plain line per epoch.

In: the records of ``fit``, as a callback.  Out: text on a stream; a table that redraws
itself when the stream is a terminal, otherwise lines that a log file can keep.  rich is
loaded for a terminal only.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import Any, TextIO

from symgraph.train.loop import EpochRecord

ROWS = 8  # epochs shown at once
REDRAW_SECONDS = 0.08


class Progress:
    """A callback for ``fit`` that shows each epoch; a context manager.

    Parameters
    ----------
    stream : where to write, standard output by default
    live : redraw a table; by default when the stream is a terminal

    Examples
    --------
    >>> with Progress(live=False) as progress:
    ...     progress(EpochRecord(1, 5, 0.25, 0.01, {"accuracy": 0.5}))
    epoch 1/5  loss 0.2500  validation accuracy 0.5000  0.010 s
    """

    def __init__(self, stream: TextIO | None = None, live: bool | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.live = self.stream.isatty() if live is None else live
        self._recent: deque[EpochRecord] = deque(maxlen=ROWS)
        self._display: Any = None
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        if self.live:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self.stream, force_terminal=True)
            self._display = Live(console=console, auto_refresh=False)
            self._display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display is not None:
            if self._recent:
                self._display.update(self._table(), refresh=True)
            self._display.stop()
            self._display = None

    def __call__(self, record: EpochRecord) -> None:
        """Show one epoch."""
        self._recent.append(record)
        if self._display is None:
            self.stream.write(line(record) + "\n")
            self.stream.flush()
        elif time.monotonic() - self._drawn >= REDRAW_SECONDS:
            self._display.update(self._table(), refresh=True)
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

    def _table(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        last = self._recent[-1]
        table = Table()
        for title in ("epoch", "loss", *map(_title, last.validation), "seconds"):
            table.add_column(title, justify="right")
        for record in self._recent:
            numbers = [f"{value:.4f}" for value in record.validation.values()]
            table.add_row(
                f"{record.epoch}/{record.epochs}",
                f"{record.loss:.4f}",
                *numbers,
                f"{record.seconds:.3f}",
            )
        return Group(table, ProgressBar(last.epochs, last.epoch, width=40))


def line(record: EpochRecord) -> str:
    """Return one epoch as one line of text."""
    parts = [f"epoch {record.epoch}/{record.epochs}", f"loss {record.loss:.4f}"]
    parts += [
        f"{_title(name)} {value:.4f}" for name, value in record.validation.items()
    ]
    return "  ".join([*parts, f"{record.seconds:.3f} s"])


def _title(name: str) -> str:
    return f"validation {name}"
