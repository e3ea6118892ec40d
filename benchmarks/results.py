"""What a run found: records, the JSON file that keeps them, and ratios with their spread.

A *record* is one (workload, kind, framework, variant, threads). Each of its rounds holds
the seconds of a burst of calls, and, for a peer, those of our burst just before it. The
ratio of a round is peer / ours: above 1 means that symgraph was faster. A ratio is told
as the median over the rounds with the smallest and the largest beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.frameworks import OURS

FORMAT = 1
#: processors that others may keep busy before a figure is marked
QUIET = 0.25


class Spread(NamedTuple):
    """A ratio over rounds."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread | None:
    """Median, smallest and largest; None of nothing.

    Examples
    --------
    >>> spread([2.0, 1.0, 4.0])
    Spread(median=2.0, low=1.0, high=4.0)
    """
    found = list(values)
    return Spread(median(found), min(found), max(found)) if found else None


@dataclass
class Record:
    """What was found about one variant of a framework on a workload."""

    workload: str
    kind: str  # step | loop | map
    framework: str
    variant: str
    threads: int
    status: str = "ok"  # ok | unavailable | failed
    reason: str = ""
    losses: list[float] = field(default_factory=list)
    error: float | None = None  # largest relative difference from the reference
    right: bool = True
    ready_s: float | None = None  # built, and first three losses or first value
    cold_s: list[float] = field(default_factory=list)  # the same, nothing cached
    warm_s: list[float] = field(default_factory=list)  # the same, compiled code cached
    rounds: list[dict[str, float]] = field(default_factory=list)
    peak_bytes: int | None = None
    resize: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Framework and variant as tables name them."""
        return f"{self.framework} {self.variant}"

    @property
    def is_ours(self) -> bool:
        return self.framework == OURS

    @property
    def counts(self) -> bool:
        """Whether it has a time for right values."""
        return self.status == "ok" and self.right and bool(self.rounds)

    @property
    def seconds(self) -> float | None:
        """Median over the rounds of the median seconds per call."""
        return median(r["median"] for r in self.rounds) if self.rounds else None

    @property
    def ratio(self) -> Spread | None:
        """Peer's time / ours, round by round; None for ours or without ours."""
        return spread(r["median"] / r["ours"] for r in self.rounds if r.get("ours"))

    @property
    def is_busy(self) -> bool:
        """Whether other processes had a good part of the machine meanwhile."""
        return bool(self.rounds) and (
            median(r["other_cores"] for r in self.rounds) > QUIET
        )

    @property
    def new_size_seconds(self) -> float | None:
        """What the first call with another batch size costs beyond a later one."""
        if not self.resize:
            return None
        return max(0.0, self.resize["first_s"] - self.resize["later_s"])


@dataclass
class Results:
    """All that a run found."""

    date: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    frameworks: dict[str, dict[str, str]] = field(default_factory=dict)
    imports: dict[str, list[float]] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)  # of MNIST
    records: list[Record] = field(default_factory=list)

    def select(self, **wanted: Any) -> Iterator[Record]:
        """Records with these values of their fields."""
        for record in self.records:
            if all(getattr(record, name) == value for name, value in wanted.items()):
                yield record

    def ours(self, workload: str, kind: str, threads: int) -> Record | None:
        """Our record of a row, if it has a time for right values."""
        found = self.select(
            workload=workload, kind=kind, threads=threads, framework=OURS
        )
        return next((record for record in found if record.counts), None)

    def peers(self, workload: str, kind: str, threads: int) -> list[Record]:
        """Peers' records of a row that have times for right values, fastest first.

        Fastest by the ratio to ours where there is one, since bursts are compared in
        pairs.
        """
        found = self.select(workload=workload, kind=kind, threads=threads)
        usable = [record for record in found if record.counts and not record.is_ours]
        return sorted(usable, key=_speed)

    def save(self, path: Path) -> None:
        """Write the file in one go."""
        made = {"format": FORMAT, **asdict(self)}
        beside = path.with_suffix(path.suffix + ".new")
        beside.write_text(json.dumps(made, indent=1) + "\n")
        os.replace(beside, path)

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a file that `save` wrote.

        Raises
        ------
        ValueError : it has another format
        """
        found = json.loads(path.read_text())
        if found.get("format") != FORMAT:
            raise ValueError(
                f"{path}: format {found.get('format')!r}, expected {FORMAT}; measure again"
            )
        del found["format"]
        found["records"] = [Record(**record) for record in found["records"]]
        return cls(**found)


def _speed(record: Record) -> float:
    ratio = record.ratio
    if ratio is not None:
        return ratio.median
    assert record.seconds is not None
    return record.seconds
