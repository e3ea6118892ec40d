"""``symgraph bench``: the short list, ours beside the peers that are installed here.

Each (framework, case) runs in processes of its own: the first has an empty folder for
compiled code and tells the cold start, the time of a call and the peak memory; the
second, with the first one's folder, tells the warm start. In: names of cases and peers,
threads, seconds. Out: `Row`s, and a table of them.

It is a quick look: frameworks are measured one after another. The repository's
benchmarks/ measures them in alternation, on more networks, with ratios and their spread.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symgraph.core.record import Record
from symgraph.errors import ArgumentError
from symgraph.train.bench_cases import CASES, ours, turns
from symgraph.train.bench_peers import PEERS

OURS = "symgraph"
TIMEOUT = 300.0
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "SYMGRAPH_NUM_THREADS",
)
clock = time.perf_counter


class Row(Record):
    """What was found about a framework on a case; seconds and bytes.

    `step` is the median of single calls; `cold` and `warm` run from building to the
    third call, imports left out.
    """

    case: str
    framework: str
    step: float = 0.0
    cold: float = 0.0
    warm: float = 0.0
    peak: int = 0
    losses: tuple[float, ...] = ()
    failed: str = ""


def measure(
    cases: Sequence[str],
    peers: Sequence[str] | None = None,
    threads: int | None = None,
    seconds: float = 1.0,
) -> Iterator[Row]:
    """Give a row for each case and framework, ours first.

    Parameters
    ----------
    cases : names; see `bench_cases.CASES`
    peers : packages; by default those of numpy, torch and jax that are installed
    threads : that each may use; all usable processors by default
    seconds : time of measuring a call

    Raises
    ------
    ArgumentError : no such case or peer, a peer is not installed, or a bad number
    """
    _known("case", cases, CASES)
    _known("peer", peers or (), PEERS)
    if missing := [p for p in peers or () if importlib.util.find_spec(p) is None]:
        raise ArgumentError(f"bench: {missing[0]} is not installed in {sys.executable}")
    if peers is None:
        peers = [p for p in PEERS if importlib.util.find_spec(p) is not None]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    count = threads if threads is not None else (usable or os.cpu_count() or 1)
    if count < 1:
        raise ArgumentError(f"bench: threads={count}, expected 1 or more")
    if not seconds >= 0:
        raise ArgumentError(f"bench: seconds={seconds}, expected 0 or more")
    return _rows(cases, [OURS, *peers], count, seconds)


def _known(what: str, names: Sequence[str], known: Any) -> None:
    for name in names:
        if name not in known:
            raise ArgumentError(
                f"bench: no {what} {name!r}; there are {', '.join(known)}"
            )


def _rows(
    cases: Sequence[str], frameworks: Sequence[str], threads: int, seconds: float
) -> Iterator[Row]:
    for case in cases:
        for framework in frameworks:
            if framework == "numpy" and CASES[case].layers:
                continue
            with tempfile.TemporaryDirectory(prefix="symgraph-bench-") as folder:
                found = _process(framework, case, threads, seconds, folder)
                if "failed" not in found:
                    again = _process(framework, case, threads, 0.0, folder)
                    found["warm"] = again.get("cold", 0.0)
            yield Row(case=case, framework=framework, **found)


def _process(
    framework: str, case: str, threads: int, seconds: float, folder: str
) -> dict[str, Any]:
    made = dict(os.environ)
    made.pop("OPENBLAS_CORETYPE", None)
    made.update({name: str(threads) for name in _THREADS})
    made |= {
        "SYMGRAPH_CACHE_DIR": str(Path(folder) / "symgraph"),
        "JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_PLATFORMS": "cpu",
    }
    words = ["-m", "symgraph.train.bench", framework, case, str(threads), str(seconds)]
    try:
        done = subprocess.run(
            [sys.executable, *words],
            env=made,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"no result in {TIMEOUT:g} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip() or "no output").splitlines()[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "losses": tuple(found["losses"])}


# --- in the process ----------------------------------------------------------------------


def one(framework: str, case: str, threads: int, seconds: float) -> dict[str, Any]:
    """Build a case in this process, call it, and time it for some seconds."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    builder: Callable[..., Any] = ours if framework == OURS else PEERS[framework]
    if framework != OURS:
        __import__(framework)
    what, given = CASES[case], turns(CASES[case])
    begin = clock()
    call = builder(what)
    first = [call(*given[i % len(given)]) for i in range(3)]
    cold = clock() - begin
    losses = [float(value) for value in first] if what.layers else []
    step = _median(call, given, seconds) if seconds else 0.0
    return {"step": step, "cold": cold, "peak": _peak(), "losses": losses}


def _median(call: Callable[..., Any], given: list[Any], seconds: float) -> float:
    """Median seconds of a call, the first fifth of the time left out."""
    found: list[float] = []
    begin = clock()
    while len(found) < 5 or clock() - begin < seconds:
        values = given[len(found) % len(given)]
        start = clock()
        call(*values)
        found.append(clock() - start)
    return float(np.median(found[len(found) // 5 :]))


def _peak() -> int:
    """Largest resident memory of this process in bytes; 0 where it is not told."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    found = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(next(found, "0")) * 1024


# --- the command ----------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``symgraph bench``."""
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default all"
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        metavar="PACKAGE",
        help=f"of {', '.join(PEERS)}; default those installed; none after --peers: ours",
    )
    parser.add_argument("--threads", type=int, help="default: all usable processors")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of measuring (default 1)"
    )


def run(options: argparse.Namespace) -> None:
    """Measure and print the table."""
    from rich.console import Console

    rows = measure(
        options.cases or list(CASES), options.peers, options.threads, options.seconds
    )
    console = Console(stderr=True)
    found = []
    with console.status("bench") as status:
        for row in rows:
            status.update(f"{row.case} {row.framework} done")
            found.append(row)
    show(found, Console(width=None if sys.stdout.isatty() else 100))


def show(rows: Sequence[Row], console: Any) -> None:
    """Print rows as a table; the ratio is their time over ours of the same case."""
    from rich.table import Table

    table = Table(title="median call; start = building until the third call")
    table.add_column("case")
    table.add_column("framework")
    for name in ("call", "of ours", "cold start", "warm start", "peak memory"):
        table.add_column(name, justify="right")
    mine = {row.case: row.step for row in rows if row.framework == OURS}
    before = None
    for row in rows:
        table.add_row(row.case if row.case != before else "", *_cells(row, mine))
        before = row.case
    console.print(table)
    if rows and {row.framework for row in rows} <= {OURS, "numpy"}:
        console.print("Install torch or jax beside symgraph to see them here.")


def _cells(row: Row, mine: dict[str, float]) -> list[str]:
    if row.failed:
        return [row.framework, f"failed: {row.failed}"]
    base = mine.get(row.case)
    return [
        row.framework,
        _time(row.step),
        f"{row.step / base:.2f}x" if base and row.step else "",
        _time(row.cold),
        _time(row.warm),
        f"{row.peak / 2**20:.0f} MiB" if row.peak else "",
    ]


def _time(seconds: float) -> str:
    if not seconds:
        return ""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


if __name__ == "__main__":
    framework, case, threads, seconds = sys.argv[1:]
    found = one(framework, case, int(threads), float(seconds))
    sys.stdout.write("\n" + json.dumps(found) + "\n")
