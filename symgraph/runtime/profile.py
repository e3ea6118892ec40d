"""Where the time of a call goes: step by step, with operations, bytes and the user's line.

The program is compiled once more, with a clock beside each step, and run on copies of
the shared variables, so that profiling trains nothing. In: a Program, the shared
variables, the arguments of a call. Out: a `Profile`, a value that prints as tables. What
`f.profile` does with it is in compile/profiling.py.
"""

import linecache
import os
import time
from collections.abc import Mapping, Sequence

import numpy as np

from symgraph.backends.base import Timed
from symgraph.backends.roofline import Peak
from symgraph.core.memory import address_of
from symgraph.core.node import Apply, Place
from symgraph.core.record import Record
from symgraph.core.shared import SharedVariable, aligned_copy
from symgraph.lower.steps import Copy, Launch, Program, Step
from symgraph.ops.families import Cast, Elementwise
from symgraph.runtime.executor import Executor
from symgraph.runtime.work import Work, work_of

_MOST_NAMES = 5
_ROOM = 44  # characters for what a step does


class Row(Record):
    """One step of a program.

    Attributes
    ----------
    kind : "dot", "gemm", "convolution", ..., "elementwise", "reduction", "copy"
    what : the ops it computes, and its extents
    places : (file, line) of the user's code that caused it, the latest op first
    seconds : mean time of one execution
    share : part of the time of all steps
    flops, bytes : operations, and bytes it cannot avoid moving (see `runtime.work`)
    roofline : least time for those on this machine, divided by `seconds`
    """

    kind: str
    what: str
    places: tuple[Place, ...]
    seconds: float
    share: float
    flops: int
    bytes: int
    roofline: float

    @property
    def gflops(self) -> float:
        """10^9 operations per second."""
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def gbytes(self) -> float:
        """10^9 bytes per second."""
        return self.bytes / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def line(self) -> str:
        """The user's line, with its source where it can be read."""
        if not self.places:
            return ""
        file, number = self.places[0]
        source = linecache.getline(file, number).strip()
        return f"{os.path.basename(file)}:{number}  {source}".rstrip()


class Profile(Record):
    """The time of a call, by step.

    Attributes
    ----------
    rows : a `Row` for each step, the slowest first
    calls : how many calls were measured
    seconds : mean time of a call without clocks, native code only
    temporaries, shared, outputs : bytes that the function needs
    threads : threads that it may use
    peaks : the rooflines that were measured, by dtype
    """

    name: str
    rows: tuple[Row, ...]
    calls: int
    seconds: float
    temporaries: int
    shared: int
    outputs: int
    threads: int
    peaks: Mapping[str, Peak]

    @property
    def peak_bytes(self) -> int:
        """Bytes of temporaries, shared variables and outputs together."""
        return self.temporaries + self.shared + self.outputs

    @property
    def by_kind(self) -> dict[str, tuple[int, float, float]]:
        """kind → (steps, seconds, share), the slowest first."""
        found: dict[str, tuple[int, float, float]] = {}
        for row in self.rows:
            steps, seconds, share = found.get(row.kind, (0, 0.0, 0.0))
            found[row.kind] = steps + 1, seconds + row.seconds, share + row.share
        return dict(sorted(found.items(), key=lambda item: -item[1][1]))

    def __str__(self) -> str:
        lines = [
            f"{self.name or 'function'}: {_time(self.seconds)} a call, mean of "
            f"{self.calls} calls, {self.threads} thread(s)",
            f"memory: {_size(self.temporaries)} temporaries + {_size(self.shared)} "
            f"shared + {_size(self.outputs)} outputs = {_size(self.peak_bytes)}",
            "",
            f"{'time':>10} {'share':>6} {'GFLOP/s':>8} {'GB/s':>7} {'peak':>5}  "
            f"{'what':{_ROOM}}  where",
        ]
        for row in self.rows:
            lines.append(
                f"{_time(row.seconds):>10} {row.share:6.1%} {row.gflops:8.1f} "
                f"{row.gbytes:7.1f} {row.roofline:5.0%}  {row.what[:_ROOM]:{_ROOM}}  "
                f"{row.line}".rstrip()
            )
        lines += ["", f"{'time':>10} {'share':>6} {'steps':>5}  kind"]
        for kind, (steps, seconds, share) in self.by_kind.items():
            lines.append(f"{_time(seconds):>10} {share:6.1%} {steps:5}  {kind}")
        lines += ["", *(f"peak: {found}" for found in self.peaks.values())]
        return "\n".join(lines)

    __repr__ = __str__


def measure(
    program: Program,
    native: Program,
    timed: Timed,
    shared: Sequence[SharedVariable],
    arrays: Sequence[np.ndarray],
    calls: int,
    name: str = "",
) -> Profile:
    """Run a program `calls` times on copies of the shared variables.

    Parameters
    ----------
    native : it in steps of its device
    timed : that with clocks, as `Backend.timed` makes it
    arrays : converted arguments
    """
    executor = Executor(native, timed.executable, shared)
    binding = executor.bind(arrays)
    slots = binding.slots.copy()
    if executor.frames.used:
        executor.frames.copy(slots, binding.slots)
    held = [aligned_copy(v.container.array) for v in shared]
    outputs = [np.empty(shape, dtype) for shape, dtype in binding.outputs]
    for kind, start, values in (
        ("leaf", 0, [*arrays, *held]), ("output", 0, outputs),
    ):  # fmt: skip
        for k, array in enumerate(values, start):
            slot = executor.slot_of.get((kind, k))
            if slot is not None:
                slots[slot] = address_of(array)
    asked = timed.watch()
    if ("watch",) in executor.slot_of:  # loops go on however long they take
        slots[executor.slot_of[("watch",)]] = address_of(asked)
    clock = np.zeros(max(1, len(program.steps)), np.int64)
    _checked(executor, timed.run(slots, clock))  # warms up
    clock[:] = 0
    start_time = time.perf_counter()
    for _ in range(calls):
        _checked(executor, timed.run(slots, clock))
    seconds = (time.perf_counter() - start_time) / calls
    works = [work_of(program, step, slots) for step in program.steps]
    peaks = {
        dtype: timed.peak(dtype) for dtype in sorted({_roof(work) for work in works})
    }
    times = [float(t) / calls / 1e9 for t in clock[: len(program.steps)]]
    whole = sum(times) or 1.0
    rows = [
        _row(step, program.sources[k], works[k], times[k], whole, peaks)
        for k, step in enumerate(program.steps)
    ]
    del held
    return Profile(
        name, tuple(sorted(rows, key=lambda row: -row.seconds)), calls, seconds,
        executor.arena.size, sum(v.container.array.nbytes for v in shared),
        sum(a.nbytes for a in outputs), timed.threads, peaks,
    )  # fmt: skip


def _checked(executor: Executor, flag: int) -> None:
    if flag:
        raise executor.failure(flag)


def _roof(work: Work) -> str:
    return "float64" if work.dtype == "float64" else "float32"


def _row(
    step: Step,
    nodes: Sequence[Apply],
    work: Work,
    seconds: float,
    whole: float,
    peaks: Mapping[str, Peak],
) -> Row:
    least = peaks[_roof(work)].seconds(work.flops, work.bytes)
    names = [_name(node) for node in reversed(nodes)]
    kind = _kind(step, nodes)
    places = dict.fromkeys(node.outputs[0].place for node in reversed(nodes))
    if isinstance(step, Launch):
        unique = list(dict.fromkeys(names))
        more = ", ..." if len(unique) > _MOST_NAMES else ""
        what = f"{', '.join(unique[:_MOST_NAMES])}{more}"
    else:
        what = kind
    if work.label:
        what = f"{what} {work.label}"
    return Row(
        kind, what, tuple(places), seconds, seconds / whole, work.flops, work.bytes,
        least / seconds if seconds else 0.0,
    )  # fmt: skip


def _name(node: Apply) -> str:
    op = node.op
    if isinstance(op, Elementwise):
        return op.scalar
    return getattr(op, "combine", op.name) if op.name == "reduce" else op.name


def _kind(step: Step, nodes: Sequence[Apply]) -> str:
    if isinstance(step, Copy):
        return "copy"
    others = [n.op.name for n in nodes if not isinstance(n.op, Elementwise | Cast)]
    if not others:
        return "elementwise"
    if "reduce" in others:
        return "reduction"
    return others[-1]


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _size(size: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B"
