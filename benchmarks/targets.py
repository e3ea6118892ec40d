"""What symgraph is meant to reach, and whether a run reached it.

`TARGETS` is a table: a row of the design's list, its measure, the first goal and the one
after it. `judged` reads each from the results at each thread count. Why a row misses is
written by hand in ``reasons.toml``, by workload and measure:

    [reasons]
    "mnist_cnn step" = "the sentence that docs/benchmarks.md shows"
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.frameworks import OURS
from benchmarks.results import Record, Results

REASONS = Path(__file__).with_name("reasons.toml")
NOT_EXPLAINED = "not explained yet"

#: measure -> (unit, whether more is better)
MEASURES = {
    "step": ("us", False),
    "loop": ("us", False),
    "step ratio": ("x", True),
    "loop ratio": ("x", True),
    "map ratio": ("x", True),
    "cold": ("s", False),
    "warm": ("ms", False),
    "new batch size": ("ms", False),
    "memory ratio": ("x", True),
    "import": ("ms", False),
}
_SCALE = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "x": 1.0}


@dataclass(frozen=True)
class Target:
    """A goal: `measure` of `workload` at most (ratios: at least) `first`, then `later`.

    A ratio is the time (or memory) of the best peer over ours.
    """

    workload: str
    measure: str
    first: float
    later: float | None = None

    @property
    def key(self) -> str:
        """Its name in reasons.toml: the workload and the measure without "ratio"."""
        return f"{self.workload} {self.measure.removesuffix(' ratio')}"

    @property
    def unit(self) -> str:
        return MEASURES[self.measure][0]

    def is_reached(self, value: float, goal: float) -> bool:
        """Whether a value in the target's unit is as good as a goal."""
        return value >= goal if MEASURES[self.measure][1] else value <= goal


def _each(
    names: str, measure: str, first: float, later: float | None
) -> Iterator[Target]:
    for name in names.split():
        yield Target(name, measure, first, later)


_WIDE = (
    "softmax-4096x1000-float32 layernorm-4096x1000-float32 logsumexp-4096x1000-float32"
)
TARGETS: tuple[Target, ...] = (
    *_each("or_gate", "step", 2.0, 0.5),
    *_each("or_gate", "loop", 0.1, 0.05),
    *_each("mlp431 moons_h50", "step ratio", 2.0, 3.0),
    *_each("moons_h50", "loop ratio", 1.2, 1.5),
    *_each("mnist_softmax mnist_mlp catdog_mlp", "step ratio", 1.2, 1.5),
    *_each("mnist_cnn cifar_cnn lasagne_cnn", "step ratio", 1.2, 1.6),
    *_each("rnn_addition rnn_large lstm", "step ratio", 1.2, 1.5),
    *_each("chain-1000000-float32", "map ratio", 2.0, 3.0),
    *_each(_WIDE, "map ratio", 1.2, 1.5),
    *_each("mnist_mlp", "cold", 0.6, 0.3),
    *_each("mnist_cnn", "cold", 1.2, 0.6),
    *_each("mnist_mlp mnist_cnn", "warm", 20.0, 5.0),
    *_each("symgraph", "import", 60.0, 30.0),
    *_each("mnist_mlp mnist_cnn", "new batch size", 1.0, None),
    *_each("mnist_cnn cifar_cnn lasagne_cnn", "memory ratio", 1.0, None),
)


@dataclass(frozen=True)
class Verdict:
    """A target at one thread count: the value in its unit, the best peer, the outcome."""

    target: Target
    threads: int | None
    value: float | None
    peer: str
    outcome: str  # "reached", "reached, the second too", "missed", "not measured"
    reason: str


def judged(results: Results, reasons: dict[str, str]) -> list[Verdict]:
    """All targets at all thread counts of a run; start times once."""
    found = []
    for target in TARGETS:
        counts: list[int | None] = list(results.settings.get("threads", []))
        if target.measure in (
            "cold",
            "warm",
            "import",
            "new batch size",
            "memory ratio",
        ):
            counts = [None] if target.measure == "import" else counts[:1]
        for threads in counts:
            value, peer = _VALUES[target.measure](results, target, threads or 0)
            outcome = _outcome(target, value)
            reason = (
                "" if "reached" in outcome else reasons.get(target.key, NOT_EXPLAINED)
            )
            if outcome == "not measured":
                reason = _why_not(results, target)
            found.append(Verdict(target, threads, value, peer, outcome, reason))
    return found


def reasons_from(path: Path = REASONS) -> dict[str, str]:
    """The reasons written by hand.

    Raises
    ------
    ValueError : a key is no target's
    """
    found: dict[str, str] = tomllib.loads(path.read_text())["reasons"]
    if unknown := set(found) - {target.key for target in TARGETS}:
        raise ValueError(f"{path}: {min(unknown)!r} is not a target")
    return found


def _outcome(target: Target, value: float | None) -> str:
    if value is None:
        return "not measured"
    if not target.is_reached(value, target.first):
        return "missed"
    if target.later is not None and target.is_reached(value, target.later):
        return "reached, the second too"
    return "reached"


def _why_not(results: Results, target: Target) -> str:
    for record in results.select(workload=target.workload, framework=OURS):
        if record.status != "ok":
            return record.reason
        if not record.right:
            return "values differ from the reference"
    return "not in this run"


# --- reading a value -------------------------------------------------------------------

Found = tuple[float | None, str]


def _time(results: Results, target: Target, threads: int) -> Found:
    kind = target.measure
    ours = results.ours(target.workload, kind, threads)
    peers = results.peers(target.workload, kind, threads)
    seconds = None if ours is None or ours.seconds is None else ours.seconds * 1e6
    return seconds, peers[0].label if peers else ""


def _ratio(results: Results, target: Target, threads: int) -> Found:
    kind = target.measure.removesuffix(" ratio")
    ours = results.ours(target.workload, kind, threads)
    peers = results.peers(target.workload, kind, threads)
    if ours is None or not peers or peers[0].ratio is None:
        return None, ""
    return peers[0].ratio.median, peers[0].label


def _start(results: Results, target: Target, threads: int) -> Found:
    def starts(record: Record) -> list[float]:
        return record.cold_s if target.measure == "cold" else record.warm_s

    ours = results.ours(target.workload, "step", threads)
    peers = [
        p
        for p in results.peers(target.workload, "step", threads)
        if starts(p) and p.framework != "numpy"  # it builds nothing
    ]
    best = min(peers, key=lambda p: min(starts(p)), default=None)
    if ours is None or not starts(ours):
        return None, ""
    value = median(starts(ours)) / _SCALE[target.unit]
    return value, f"{best.label} {min(starts(best)):.2f} s" if best else ""


def _resize(results: Results, target: Target, threads: int) -> Found:
    ours = results.ours(target.workload, "step", threads)
    seconds = None if ours is None else ours.new_size_seconds
    return (None if seconds is None else seconds * 1e3), ""


def _memory(results: Results, target: Target, threads: int) -> Found:
    ours = results.ours(target.workload, "step", threads)
    peers = [p for p in results.peers(target.workload, "step", threads) if p.peak_bytes]
    if ours is None or not ours.peak_bytes or not peers:
        return None, ""
    best = min(peers, key=lambda p: p.peak_bytes or 0)
    return (best.peak_bytes or 0) / ours.peak_bytes, best.label


def _import(results: Results, target: Target, threads: int) -> Found:
    found = results.imports.get(OURS)
    return (min(found) * 1e3 if found else None), ""


_VALUES: dict[str, Callable[[Results, Target, int], Found]] = {
    "step": _time,
    "loop": _time,
    "step ratio": _ratio,
    "loop ratio": _ratio,
    "map ratio": _ratio,
    "cold": _start,
    "warm": _start,
    "new batch size": _resize,
    "memory ratio": _memory,
    "import": _import,
}
