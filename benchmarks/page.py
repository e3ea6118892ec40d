"""Markdown: the tables of a run, and the page docs/benchmarks.md.

In: `Results`. Out: text. One table for a group (training steps, native loops, functions)
with a row for each workload and thread count and a column for each peer; one each for
start times, memory, imports; and the targets. Times are medians; beside a peer's time
stands its ratio to ours, above 1 where symgraph is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.frameworks import OURS
from benchmarks.results import Record, Results, Spread
from benchmarks.targets import Target, Verdict, judged
from benchmarks.workloads import ALL, NETWORKS, Network, operations

NOTHING = ""
MARK = "°"
Rows = Sequence[Sequence[str]]
KINDS = {
    "step": "Training steps",
    "loop": "Native loops",
    "map": "Functions of arrays",
}
_ABOUT = {
    "step": "Seconds of one step: a mini-batch as NumPy arrays in, the loss as a Python "
    "float out.",
    "loop": "Seconds per step when one call does many steps.",
    "map": "Seconds of one call, NumPy arrays in, NumPy array out.",
}


def duration(seconds: float | None) -> str:
    """Three digits and a unit.

    Examples
    --------
    >>> duration(0.0123456), duration(2.5e-6), duration(8e-8), duration(None)
    ('12.3 ms', '2.50 µs', '0.080 µs', '-')
    """
    if seconds is None:
        return "-"
    unit, scale = next(
        (pair for pair in (("s", 1.0), ("ms", 1e3)) if seconds * pair[1] >= 0.9995),
        ("µs", 1e6),
    )
    value = seconds * scale
    digits = (
        0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.9995 else 3
    )
    return f"{value:.{digits}f} {unit}"


def times(ratio: Spread | None) -> str:
    """A ratio with its spread.

    Examples
    --------
    >>> times(Spread(1.5, 1.25, 2.0))
    '1.50x (1.25..2.00)'
    """
    if ratio is None:
        return "-"
    return f"{ratio.median:.2f}x ({ratio.low:.2f}..{ratio.high:.2f})"


def table(head: Sequence[str], rows: Rows) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# --- tables of a run --------------------------------------------------------------------


def labels(results: Results, kind: str) -> list[str]:
    """Peers that have any time in a group, in the order of the run."""
    found = (r for r in results.select(kind=kind) if not r.is_ours and r.rounds)
    return list(dict.fromkeys(record.label for record in found))


def _rows(results: Results, kind: str) -> Iterator[tuple[str, int]]:
    """(workload, threads) of a group, in the order of the definitions."""
    seen = {(r.workload, r.threads) for r in results.select(kind=kind)}
    order = list(ALL)
    yield from sorted(seen, key=lambda row: (order.index(row[0]), -row[1]))


def _cell(record: Record | None) -> str:
    if record is None:
        return NOTHING
    if record.status == "unavailable":
        return "n/a"
    if record.status != "ok" or not record.rounds:
        return "failed"
    text = duration(record.seconds)
    if record.ratio:
        text += f", {record.ratio.median:.2f}x"
    text += MARK if record.is_busy else ""
    return text if record.right else f"{text} (wrong values)"


def _find(
    results: Results, label: str, row: tuple[str, int], kind: str
) -> Record | None:
    found = results.select(workload=row[0], threads=row[1], kind=kind)
    return next((record for record in found if record.label == label), None)


def group(results: Results, kind: str) -> str:
    """The table of training steps, native loops, or functions."""
    peers = labels(results, kind)
    rows = []
    for row in _rows(results, kind):
        workload, threads = row
        mine = list(
            results.select(
                workload=workload, threads=threads, kind=kind, framework=OURS
            )
        )
        record = mine[0] if mine else None
        best = next(iter(results.peers(workload, kind, threads)), None)
        ours = results.ours(workload, kind, threads)
        rows.append(
            [
                f"{workload}, {_dtype(workload)}" if workload in NETWORKS else workload,
                str(threads),
                _cell(record),
                _rate(workload, ours),
                best.label if best else "-",
                times(best.ratio) if best else "-",
                *(_cell(_find(results, peer, row, kind)) for peer in peers),
            ]
        )
    head = [
        "workload",
        "threads",
        "symgraph",
        "GFLOP/s",
        "fastest peer",
        "ratio",
        *peers,
    ]
    if kind == "map":
        head = [name for name in head if name != "GFLOP/s"]
        rows = [[*row[:3], *row[4:]] for row in rows]
    return table(head, rows)


def _dtype(workload: str) -> str:
    return ALL[workload].dtype


def _rate(workload: str, ours: Record | None) -> str:
    network = ALL[workload]
    if ours is None or not isinstance(network, Network) or not ours.seconds:
        return "-"
    return f"{operations(network) / ours.seconds / 1e9:.3g}"


def _by_label(
    results: Results, kinds: Iterable[str], pick: Callable[[Record], str]
) -> str:
    """A table of networks at the first thread count: a column for each variant."""
    threads = results.settings["threads"][0]
    found = [
        r
        for kind in kinds
        for r in results.select(kind=kind, threads=threads)
        if r.status == "ok"
    ]
    columns = sorted(
        dict.fromkeys(r.label for r in found),
        key=lambda name: not name.startswith(OURS),
    )
    cells = {(r.workload, r.label): pick(r) for r in found}
    rows = [
        [name, *(cells.get((name, column), NOTHING) for column in columns)]
        for name in NETWORKS
        if any(cells.get((name, column), "-") != "-" for column in columns)
    ]
    return table(["workload", *columns], rows)


def starts(results: Results) -> str:
    """Cold and warm starts."""

    def pick(record: Record) -> str:
        cold = duration(min(record.cold_s)) if record.cold_s else "-"
        return f"{cold} / {duration(min(record.warm_s))}" if record.warm_s else cold

    return _by_label(results, ("step", "loop"), pick)


def memory(results: Results) -> str:
    """Peak memory of the processes."""

    def pick(record: Record) -> str:
        return f"{record.peak_bytes / 2**20:.0f}" if record.peak_bytes else "-"

    return _by_label(results, ("step",), pick)


def sizes(results: Results) -> str:
    """What a new batch size costs."""

    def pick(record: Record) -> str:
        return duration(record.new_size_seconds) if record.resize else "-"

    return _by_label(results, ("step",), pick)


def imports(results: Results) -> str:
    """Import times."""
    columns = list(results.imports)
    cells = [duration(min(results.imports[name])) for name in columns]
    return table(["", *columns], [["import", *cells]])


def epochs(results: Results) -> str:
    """Time and accuracy of one epoch."""
    rows = [
        [e["label"], str(e["threads"]), duration(e["seconds"]), f"{e['accuracy']:.4f}"]
        for e in results.epochs
    ]
    return table(["", "threads", "seconds", "test accuracy"], rows)


def markdown(results: Results) -> str:
    """All tables of a run, with a heading each."""
    parts: list[tuple[str, str, str]] = []
    for kind, title in KINDS.items():
        if any(True for _ in results.select(kind=kind)):
            parts.append((title, _ABOUT[kind], group(results, kind)))
    if results.epochs:
        parts.append(("An epoch of MNIST", _EPOCHS, epochs(results)))
    if any(record.cold_s for record in results.records):
        parts.append(("Start times", _STARTS, starts(results)))
    if any(record.resize for record in results.records):
        parts.append(("A new batch size", _SIZES, sizes(results)))
    if any(record.peak_bytes for record in results.records):
        parts.append(("Memory", _MEMORY, memory(results)))
    if results.imports:
        parts.append(("Imports", _IMPORTS, imports(results)))
    text = [f"## {title}\n\n{about}\n\n{body}\n" for title, about, body in parts]
    return "\n".join(text)


_STARTS = (
    "Cold / warm: seconds from building the network to the third loss in a new process, "
    "with an empty cache and with the cache of the first start. Imports are not counted. "
    "One figure where there is no cache."
)
_SIZES = (
    "The first call with three quarters of the rows, beyond what a later one takes."
)
_EPOCHS = (
    "mnist_cnn from the same first parameters, all 60,000 images in shuffled batches of "
    "50, Adam with a rate of 0.001; then the share of right ones among the 10,000 test "
    "images. Compilation is not counted."
)
_MEMORY = "Largest resident memory of the process that did the training steps, MiB."
_IMPORTS = "Seconds to import the package in a process that has NumPy already."


# --- targets ----------------------------------------------------------------------------


def targets(results: Results, reasons: dict[str, str]) -> str:
    """The table of targets."""
    rows = [_target_row(verdict) for verdict in judged(results, reasons)]
    head = [
        "target",
        "threads",
        "measured",
        "first goal",
        "second",
        "outcome",
        "reason",
    ]
    return table(head, rows)


def _target_row(verdict: Verdict) -> list[str]:
    target = verdict.target
    measured = "-" if verdict.value is None else _amount(verdict.value, target)
    if verdict.peer and verdict.value is not None:
        measured += f" ({verdict.peer})"
    sign = ">=" if target.unit == "x" else "<="
    later = "" if target.later is None else f"{sign} {_amount(target.later, target)}"
    return [
        f"{target.workload}, {target.measure}",
        "" if verdict.threads is None else str(verdict.threads),
        measured,
        f"{sign} {_amount(target.first, target)}",
        later,
        verdict.outcome,
        verdict.reason,
    ]


def _amount(value: float, target: Target) -> str:
    return f"{value:.3g}{'' if target.unit == 'x' else ' '}{target.unit}"


# --- the page ---------------------------------------------------------------------------

_INTRODUCTION = """\
# Benchmarks

<!-- made by: python -m benchmarks --write-docs results.json -->

symgraph beside other frameworks on one machine in one run. Every framework starts from the
same parameters and data, trains the same networks, and its first three losses are compared
with a float64 reference in NumPy; figures whose losses differ are marked and count for
nothing. Each variant runs in a process of its own; bursts of calls alternate (ours, a peer,
ours, the next peer), and while one runs the others are stopped. A ratio is the peer's time
over ours in the burst beside it: **above 1 symgraph is faster**. It is given as the median
over the rounds with the smallest and largest beside it. {mark} marks figures during which
other processes kept more than a quarter of a processor busy.

Precision is as stated in each row: float32 means float32 arithmetic in all frameworks.
Every process is held to as many processors as it may have threads, and the thread variables
of OpenMP, OpenBLAS, MKL, Numba and symgraph say the same number. `OPENBLAS_CORETYPE` is
unset for all.
"""


def _facts(results: Results) -> str:
    lines = [f"- measured: {results.date}"]
    lines += [f"- {name}: {value}" for name, value in results.machine.items()]
    for name, what in results.frameworks.items():
        lines.append(f"- {name}: {what.get('version', 'not installed')}")
    settings = results.settings
    if settings:
        lines.append(
            f"- {settings['rounds']} rounds of {settings['seconds']:g} s bursts"
            + (", quick list of variants" if settings.get("quick") else "")
        )
    return "\n".join(lines)


def document(results: Results, reasons: dict[str, str], picture: str | None) -> str:
    """The page docs/benchmarks.md.

    Parameters
    ----------
    reasons : see `benchmarks.targets.reasons_from`
    picture : file name of the drawn ratios, beside the page
    """
    parts = [
        _INTRODUCTION.format(mark=MARK),
        "## Machine and versions\n",
        _facts(results),
    ]
    if picture:
        parts.append(f"\n![Time of the fastest peer over ours]({picture})")
    parts += ["\n## Targets\n", targets(results, reasons), "", markdown(results)]
    if notes := _notes(results):
        parts += ["## What could not be measured\n", *notes, ""]
    return "\n".join(parts)


def _notes(results: Results) -> list[str]:
    """One line for each reason, with all that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for record in results.records:
        if record.status != "ok":
            names = found.setdefault((record.label, record.reason), [])
            if record.workload not in names:
                names.append(record.workload)
    return [
        f"- {label} ({', '.join(names)}): {reason}"
        for (label, reason), names in found.items()
    ]
