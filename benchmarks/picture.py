"""The ratios as a picture: time of the fastest peer over ours, a bar for each row.

In: `Results`. Out: an SVG or PNG file, by the ending of its name. Needs matplotlib.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from benchmarks.page import KINDS
from benchmarks.results import Record, Results
from benchmarks.workloads import ALL

COLOURS = ("#3b6ea5", "#e0913b", "#5a9367", "#a05195")


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def bars(results: Results, kind: str) -> dict[str, dict[int, Record]]:
    """Workload -> threads -> fastest peer, where there is a ratio."""
    found: dict[str, dict[int, Record]] = {}
    for name in ALL:
        for threads in sorted(results.settings["threads"]):
            peers = results.peers(name, kind, threads)
            if peers and peers[0].ratio:
                found.setdefault(name, {})[threads] = peers[0]
    return found


def draw(results: Results, path: Path) -> None:
    """Draw all groups that have a ratio into one file.

    Raises
    ------
    ValueError : there is no ratio to draw
    """
    from matplotlib.figure import Figure

    groups = {kind: found for kind in KINDS if (found := bars(results, kind))}
    if not groups:
        raise ValueError(f"{path}: the results have no ratio to draw")
    heights = [1.2 + 0.45 * len(found) for found in groups.values()]
    figure = Figure(figsize=(9, sum(heights)), layout="constrained")
    axes = figure.subplots(len(groups), 1, height_ratios=heights, squeeze=False)
    for (kind, found), axis in zip(groups.items(), axes[:, 0]):
        _panel(axis, found, sorted(results.settings["threads"]))
        axis.set_title(KINDS[kind], loc="left", fontsize=10)
    axes[-1, 0].set_xlabel("time of the fastest peer / time of symgraph (1 = equal)")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _panel(axis: Any, found: dict[str, dict[int, Record]], threads: list[int]) -> None:
    height = 0.8 / len(threads)
    for number, count in enumerate(threads):
        for row, (_, by_threads) in enumerate(found.items()):
            if count not in by_threads:
                continue
            record = by_threads[count]
            ratio = record.ratio
            assert ratio is not None
            place = row + (number - (len(threads) - 1) / 2) * height
            axis.barh(place, ratio.median, height * 0.9, color=COLOURS[number % 4])
            axis.plot([ratio.low, ratio.high], [place, place], color="black", lw=1)
            axis.annotate(
                f" {ratio.median:.2f} {record.label}",
                (ratio.high, place),
                va="center",
                fontsize=7,
            )
        axis.barh(0, 0, color=COLOURS[number % 4], label=f"{count} threads")
    axis.axvline(1.0, color="black", lw=0.8, ls="--")
    axis.set_yticks(range(len(found)), list(found), fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.25)
    axis.set_xlim(left=0)
    axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
