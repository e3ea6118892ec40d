"""One framework in one process: opens workloads, measures bursts of calls.

Served by the harness (``--serve``): one JSON command a line on standard input, one JSON
answer a line on what was standard output when the process began (anything that a
framework prints goes to standard error instead).

    {"do": "open", "workload": NAME}        build it; first three losses, or first value
    {"do": "burst", "workload": NAME, "seconds": S, "least": N}     time calls
    {"do": "resize", "workload": NAME}      first call with another batch size
    {"do": "epoch", "folder": DIR}          train on MNIST; seconds and accuracy
    {"do": "memory"}                        peak resident bytes so far

By hand:  python -m benchmarks.worker torch eager mnist_mlp --threads 2 --seconds 1
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks import data, reference, workloads
from benchmarks.frameworks import FRAMEWORKS, Framework
from benchmarks.workloads import Function, Network, Unavailable

#: largest relative difference of the first losses, or of values, from the reference
TOLERANCE = {"float32": 2e-3, "float64": 1e-8}
BLOCK = 50e-6  # seconds: shorter calls are timed several at once
Answer = dict[str, Any]
clock = time.perf_counter


def busy() -> tuple[float, float]:
    """CPU seconds that the whole machine and this process have used."""
    try:
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
    except OSError:
        return 0.0, 0.0
    own = os.times()
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK"), own.user + own.system


def peak_bytes() -> int:
    """Largest resident memory of this process.

    getrusage is the second choice: what it tells starts with the peak of the process
    that started this one.
    """
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(
    call: Callable[..., Any],
    turns: list[tuple[Any, ...]],
    seconds: float,
    least: int = 3,
) -> Answer:
    """Seconds per call: after a warm-up of a fifth of the time, blocks of calls.

    Parameters
    ----------
    call, turns : the calls are call(*turns[0]), call(*turns[1]), ..., and around again
    seconds : for how long
    least : blocks at least, if they take longer

    Returns
    -------
    min, p10, median, p90 of the blocks' seconds per call; calls; own_cores and
    other_cores: processors that this process and all others kept busy meanwhile
    """
    gc.collect()
    begin, done, quickest = clock(), 0, float("inf")
    while done < 1 or clock() - begin < seconds / 5 or (done < 3 and quickest < BLOCK):
        start = clock()
        call(*turns[done % len(turns)])
        quickest = min(quickest, clock() - start)
        done += 1
    size = max(1, round(BLOCK / quickest))
    around = turns * (2 + size // len(turns))
    found: list[float] = []
    position, before, begin = done % len(turns), busy(), clock()
    while len(found) < least or clock() - begin < seconds:
        block = around[position : position + size]
        start = clock()
        for values in block:
            call(*values)
        found.append((clock() - start) / size)
        position = (position + size) % len(turns)
    wall, after = clock() - begin, busy()
    own = (after[1] - before[1]) / wall
    others = max(0.0, (after[0] - before[0]) / wall - own)
    low, tenth, median, ninetieth = np.quantile(found, [0, 0.1, 0.5, 0.9])
    return {
        "min": float(low),
        "p10": float(tenth),
        "median": float(median),
        "p90": float(ninetieth),
        "calls": len(found) * size,
        "own_cores": own,
        "other_cores": others,
    }


def agreement(got: Any, want: Any, dtype: str) -> Answer:
    """Largest difference, relative to the wanted values, and whether it is allowed."""
    got, want = np.asarray(got, "float64"), np.asarray(want, "float64")
    if got.shape != want.shape or not np.isfinite(got).all():
        return {"error": None, "right": False}
    error = float(np.max(np.abs(got - want) / np.maximum(np.abs(want), 1e-3)))
    return {"error": error, "right": error <= TOLERANCE[dtype]}


class Opened:
    """A workload that is built: what to call, with what in turn, what a call stands for."""

    def __init__(
        self, call: Callable[..., Any], turns: list[tuple[Any, ...]], steps: int = 1
    ) -> None:
        self.call, self.turns, self.steps = call, turns, steps


class Worker:
    """What answers the commands.

    Parameters
    ----------
    framework, variant : see frameworks/__init__.py
    threads : that it may use
    """

    def __init__(self, framework: Framework, variant: str, threads: int) -> None:
        self.framework, self.variant = framework, variant
        self.opened: dict[str, Opened] = {}
        begin = clock()
        self.module = importlib.import_module(framework.module)
        if hasattr(self.module, "set_threads"):
            self.module.set_threads(threads)
        self.import_seconds = clock() - begin

    def answer(self, command: Answer) -> Answer:
        """Do one command."""
        match command["do"]:
            case "open":
                return self.open(command["workload"])
            case "burst":
                opened = self.opened[command["workload"]]
                least = int(command.get("least", 3))
                found = timed(opened.call, opened.turns, command["seconds"], least)
                for key in ("min", "p10", "median", "p90"):
                    found[key] /= opened.steps
                return found
            case "resize":
                return self.resize(command["workload"])
            case "epoch":
                return self.epoch(Path(command["folder"]))
            case "memory":
                return {"peak_bytes": peak_bytes()}
        raise ValueError(f"no command {command['do']!r}")

    def open(self, name: str) -> Answer:
        """Build a workload and make its first calls.

        ready_s runs until the third loss (network) or the first value (function); the
        running time of a native loop is taken off.
        """
        workload = workloads.ALL[name]
        kinds = ("map",) if isinstance(workload, Function) else ("step", "loop")
        variants = {v for k in kinds for v in self.framework.variants(k, True)}
        if self.variant not in variants:
            raise Unavailable(
                f"{self.framework.name} has no variant {self.variant!r} for {name}; "
                f"it has {sorted(variants)}"
            )
        if isinstance(workload, Function):
            found = self._open_function(workload)
        elif self.variant in self.framework.loops:
            found = self._open_loop(workload)
        else:
            found = self._open_step(workload)
        return {"import_s": self.import_seconds, **found}

    def epoch(self, folder: Path) -> Answer:
        """Train mnist_cnn for one epoch: seconds of it, share of right test images."""
        if self.variant not in self.framework.epochs:
            raise Unavailable(f"{self.framework.name} {self.variant} trains no epoch")
        x, y, test_x, test_y = data.mnist(folder)
        train, classes = self.module.epoch(workloads.MNIST, self.variant, x, y)
        begin = clock()
        train()
        seconds = clock() - begin
        parts = [classes(test_x[i : i + 1000]) for i in range(0, len(test_x), 1000)]
        accuracy = float(np.mean(np.concatenate(parts) == test_y))
        return {"seconds": seconds, "accuracy": accuracy}

    def _open_step(self, network: Network) -> Answer:
        xs, ys = workloads.batches(network, self.module.LABELS)
        turns = list(zip(xs, ys))
        begin = clock()
        call = self.module.step(network, self.variant)
        losses = [call(*turns[i % len(turns)]) for i in range(3)]
        ready = clock() - begin
        self.opened[network.name] = Opened(call, turns)
        return _losses(network, losses, ready)

    def _open_loop(self, network: Network) -> Answer:
        data = workloads.stacked(network, self.module.LABELS)
        begin = clock()
        call = self.module.loop(network, self.variant)
        ready, begin = clock() - begin, clock()
        losses = list(np.asarray(call(*data))[:3])
        first, begin = clock() - begin, clock()
        call(*data)
        ready += max(0.0, first - (clock() - begin))
        self.opened[network.name] = Opened(call, [data], network.epoch)
        return _losses(network, losses, ready)

    def _open_function(self, function: Function) -> Answer:
        arrays = workloads.arguments(function)
        begin = clock()
        call = self.module.function(function.function, self.variant, arrays)
        got = call(*arrays)
        ready = clock() - begin
        self.opened[function.name] = Opened(call, [arrays])
        exact = [a.astype("float64") for a in arrays]
        want = reference.FUNCTIONS[function.function](*exact)
        scale = max(1.0, float(np.max(np.abs(want))))
        return {
            "ready_s": ready,
            **agreement(1 + np.asarray(got, "float64") / scale, 1 + want / scale,
                        function.dtype),
        }  # fmt: skip

    def resize(self, name: str) -> Answer:
        """Seconds of the first call with three quarters of the rows, and of later ones."""
        opened = self.opened[name]
        network = workloads.ALL[name]
        x, y = opened.turns[0]
        rows = max(1, network.batch * 3 // 4)
        values = tuple(
            np.ascontiguousarray(
                a[:, :rows] if network.time and a.ndim > 1 else a[:rows]
            )
            for a in (x, y)
        )
        found = []
        for _ in range(12):
            begin = clock()
            opened.call(*values)
            found.append(clock() - begin)
        return {"first_s": found[0], "later_s": float(np.median(found[2:]))}


def _losses(network: Network, losses: list[Any], ready: float) -> Answer:
    want = reference.stored_losses(network)
    return {
        "ready_s": ready,
        "losses": [float(loss) for loss in losses],
        **agreement(losses, want, network.dtype),
    }


# --- the process ------------------------------------------------------------------------


def installed(framework: Framework) -> str | None:
    """Version of a framework in this interpreter, or None."""
    if importlib.util.find_spec(framework.package) is None:
        return None
    for name in (framework.distribution, f"{framework.distribution}-cpu"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "unknown"


def import_seconds(framework: Framework) -> float:
    """Seconds to import the framework's package, NumPy being there already."""
    begin = clock()
    importlib.import_module(framework.package)
    return clock() - begin


def guarded(do: Callable[[], Answer]) -> Answer:
    """What `do` answers, or why it could not."""
    try:
        return do()
    except Unavailable as reason:
        return {"unavailable": str(reason)}
    except Exception:
        return {"failed": traceback.format_exc()[-1500:]}


def serve(framework: Framework, variant: str, threads: int, out: TextIO) -> None:
    """Answer commands until standard input ends."""
    made: list[Worker] = []

    def do(command: Answer) -> Answer:
        if not made:
            made.append(Worker(framework, variant, threads))
        return made[0].answer(command)

    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(guarded(lambda: do(command))), file=out, flush=True)  # noqa: B023


def once(framework: Framework, options: argparse.Namespace) -> Answer:
    """Open one workload and, with seconds, measure it."""
    worker = Worker(framework, options.variant, options.threads)
    found = worker.open(options.workload)
    if options.seconds:
        burst = {
            "do": "burst",
            "workload": options.workload,
            "seconds": options.seconds,
        }
        found["step"] = worker.answer(burst)
    return {**found, "peak_bytes": peak_bytes()}


def restrict(threads: int) -> None:
    """Run on as many processors as there may be threads; end with the parent process."""
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, usable[-threads:])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main(arguments: list[str] | None = None) -> None:
    """Serve, or measure once, as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker")
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("variant", nargs="?", default="")
    parser.add_argument("workload", nargs="?", default="")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="0: first calls only"
    )
    parser.add_argument("--serve", action="store_true", help="answer commands")
    parser.add_argument("--probe", action="store_true", help="version, or null")
    parser.add_argument("--import-time", action="store_true", help="seconds")
    options = parser.parse_args(arguments)
    framework = FRAMEWORKS[options.framework]
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a framework prints must not be taken for an answer
    if options.serve:
        restrict(options.threads)
        serve(framework, options.variant, options.threads, out)
        return
    if options.probe:
        found: Any = {"version": installed(framework)}
    elif options.import_time:
        found = {"seconds": import_seconds(framework)}
    else:
        os.environ.setdefault("SYMGRAPH_NUM_THREADS", str(options.threads))
        found = guarded(lambda: once(framework, options))
    print(json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    main()
