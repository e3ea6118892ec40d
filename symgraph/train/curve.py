"""The learning curve of a training as a picture.

In: a ``History``.  Out: a picture, drawn by matplotlib without a screen (Agg);
matplotlib is loaded on the first call only.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from symgraph.errors import ArgumentError, NotSupportedError
from symgraph.train.loop import History

#: of pictures, told by the suffix
FORMATS = (".png", ".pdf", ".svg")
TRAINING, VALIDATION = "#1f5fa8", "#c8501e"  # also apart for the colour-blind


def plot_history(history: History, path: str | Path, title: str = "") -> Path:
    """Draw losses, and accuracy where there is one, against the epoch.

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
    if not history.records:
        raise ArgumentError("plot_history: the history has no epochs")
    check_plotting(path)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NotSupportedError(
            "plot_history needs matplotlib: pip install 'symgraph[train]'"
        ) from error
    records = history.records
    with_accuracy = "accuracy" in records[-1].validation
    panels = 2 if with_accuracy else 1
    figure = Figure(figsize=(5 * panels, 3.6), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    epochs = [record.epoch for record in records]
    marker = "o" if len(epochs) < 3 else None  # one or two epochs make no line
    losses = [record.loss for record in records]
    axes[0].plot(epochs, losses, color=TRAINING, label="training", marker=marker)
    if "loss" in records[-1].validation:
        values = [record.validation["loss"] for record in records]
        axes[0].plot(
            epochs, values, color=VALIDATION, label="validation", marker=marker
        )
    axes[0].set(xlabel="epoch", ylabel="loss", yscale="log")
    if with_accuracy:
        values = [record.validation["accuracy"] for record in records]
        axes[1].plot(
            epochs, values, color=VALIDATION, label="validation", marker=marker
        )
        axes[1].set(xlabel="epoch", ylabel="accuracy")
    for panel in axes:
        if history.best is not None:
            panel.axvline(history.best, color="0.4", linestyle=":", label="best epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.25)
        panel.legend()
    if title:
        figure.suptitle(title)
    path = Path(path)
    figure.savefig(path, format=path.suffix[1:].lower() or "png")
    return path


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
