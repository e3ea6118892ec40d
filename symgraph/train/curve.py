"""The learning curves of a training as a picture.

In: a `History` (history.py).  Out: a picture, drawn by matplotlib without a screen (Agg);
matplotlib is loaded on the first call only.
"""

from __future__ import annotations

import importlib.util
from collections.abc import ItemsView
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from symgraph.errors import ArgumentError, NotSupportedError

#: of pictures, told by the suffix
FORMATS = (".png", ".pdf", ".svg")
TRAINING, VALIDATION = "#1f5fa8", "#c8501e"  # also apart for the colour-blind
#: numbers that are no measure
_OTHERS = ("seconds", "learning_rate")
COLUMNS = 3


class Curves(Protocol):
    """What is drawn: columns by name, with an entry for each epoch."""

    epochs: list[int]
    best: int | None

    def __contains__(self, name: object) -> bool: ...
    def __getitem__(self, name: str) -> list[Any]: ...
    def items(self) -> ItemsView[str, list[Any]]: ...


def plot_history(history: Curves, path: str | Path, title: str = "") -> Path:
    """Draw losses and measures of training and validation against the epoch.

    Parameters
    ----------
    history : of ``fit``, at least one epoch
    path : file to write, replaced when it exists: ``.png``, ``.pdf`` or ``.svg``
    title : above the picture

    Returns
    -------
    Path of the file

    Raises
    ------
    ArgumentError : a history without epochs, or another suffix
    NotSupportedError : matplotlib is not installed
    """
    if not history.epochs:
        raise ArgumentError("plot_history: the history has no epochs")
    check_plotting(path)
    path = Path(path)
    figure = draw_history(history, title)
    figure.savefig(path, format=path.suffix[1:].lower() or "png")
    return path


def draw_history(history: Curves, title: str = "") -> Any:
    """Draw the picture of `plot_history` and return matplotlib's figure."""
    if not history.epochs:
        raise ArgumentError("plot_history: the history has no epochs")
    check_plotting("")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(
        dict.fromkeys(
            name.removeprefix("validation_")
            for name, column in history.items()
            if name not in _OTHERS and np.ndim(column[-1]) == 0
        )
    )
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(5 * columns, 3.6 * rows), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    epochs = history.epochs
    marker = "o" if len(epochs) < 3 else None  # one or two epochs make no line
    for name, panel in zip(names, panels, strict=False):
        for key, colour, label in (
            (name, TRAINING, "training"),
            (f"validation_{name}", VALIDATION, "validation"),
        ):
            if key in history:
                panel.plot(
                    epochs, history[key], color=colour, label=label, marker=marker
                )
        positive = all(v > 0 for k in (name,) if k in history for v in history[k])
        is_loss = name.endswith("loss") and positive
        panel.set(xlabel="epoch", ylabel=name.replace("_", " "))
        if is_loss:
            panel.set_yscale("log")
        if history.best is not None:
            panel.axvline(history.best, color="0.4", linestyle=":", label="best epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.25)
        panel.legend()
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    if title:
        figure.suptitle(title)
    return figure


def check_plotting(path: str | Path) -> None:
    """Tell before the work whether `plot_history` could write a file of that name.

    Raises
    ------
    ArgumentError : a suffix that names no format
    NotSupportedError : matplotlib is not installed
    """
    suffix = Path(path).suffix
    if suffix.lower() not in ("", *FORMATS):
        raise ArgumentError(
            f"plot_history: {path}: no format {suffix}; there are {', '.join(FORMATS)}"
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise NotSupportedError(
            "plot_history needs matplotlib: pip install 'symgraph[train]'"
        )
