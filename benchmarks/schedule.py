"""Who runs when: starts, bursts in interleaved rounds, thread counts one after another.

For each network the workers of a group (training steps, or native loops) live at once,
all but one stopped. A round gives each peer a burst with a burst of ours just before it:
ours, peer A, ours, peer B, ... so that whatever disturbs the machine hits both.

Cold and warm starts are measured with the first thread count: cold with an empty folder
for compiled code, warm in a second process with that folder. Later thread counts may use
the folder. Functions share one process per framework and dtype.
"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.frameworks import FRAMEWORKS, OURS
from benchmarks.machine import description
from benchmarks.process import Answer, Process, import_time, probe
from benchmarks.results import Record, Results
from benchmarks.workloads import Function, Network, Workload

OUR_STARTS = 3  # a start of ours is short, so that a median can be had
IMPORTS = 3


@dataclass
class Settings:
    """How a run measures.

    Parameters
    ----------
    workloads : names
    frameworks : "torch" for all its variants, or "torch:eager"
    threads : counts in turn; cold and warm starts belong to the first one
    python : framework -> interpreter, where it is not `default_python`
    seconds, rounds, least : length of a burst, how many, fewest timings in one
    starts : cold and warm starts of each peer
    quick : leave out what takes long and is not near the fastest
    timeout : seconds that an answer may take
    mnist : folder of the IDX files; an epoch on them is timed if it is given
    """

    workloads: list[str]
    frameworks: list[str]
    threads: list[int]
    default_python: str
    python: dict[str, str] = field(default_factory=dict)
    seconds: float = 1.0
    rounds: int = 5
    least: int = 3
    starts: int = 1
    quick: bool = False
    timeout: float = 300.0
    mnist: str = ""

    def interpreter(self, framework: str) -> str:
        return self.python.get(framework, self.default_python)


#: networks of which a quick run has PyTensor too: it was the fastest peer there
_QUICK_PYTENSOR = ("or_gate", "mlp431", "rnn_addition")


def skipped(network: Network | None, framework: str, variant: str) -> bool:
    """Whether a quick run leaves a variant out of a network, or of the functions (None).

    torch.compile and PyTensor take over ten seconds to start, TensorFlow four, and NumPy
    takes seconds for a step with convolutions: each stays where it may be the fastest.
    """
    match framework, variant:
        case ("torch", "compile") | ("pytensor", "numba_scan"):
            return network is not None
        case "pytensor", _:
            return network is None or network.name not in _QUICK_PYTENSOR
        case "numpy", _:
            return network is not None and network.has_convolutions
        case "tensorflow", _:
            return network is None or not network.has_convolutions
    return False


def entries(
    settings: Settings, present: Sequence[str], kind: str, network: Network | None
) -> list[tuple[str, str]]:
    """(framework, variant) of a group, ours first."""
    found: list[tuple[str, str]] = []
    images = network is not None and network.has_convolutions
    for spec in settings.frameworks:
        name, _, wanted = spec.partition(":")
        if name not in present:
            continue
        for variant in FRAMEWORKS[name].variants(kind, images):
            if settings.quick and kind != "epoch" and skipped(network, name, variant):
                continue
            if wanted in ("", variant) and (name, variant) not in found:
                found.append((name, variant))
    return sorted(found, key=lambda entry: entry[0] != OURS)


Report = Callable[[str], None]


class Run:
    """One run.

    Parameters
    ----------
    settings : see `Settings`
    report : is given a line of text about each thing done
    save : is given the results after each workload
    """

    def __init__(
        self,
        settings: Settings,
        report: Report = lambda text: None,
        save: Callable[[Results], None] = lambda results: None,
    ) -> None:
        self.settings, self.report, self.save = settings, report, save
        self.results = Results(
            date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            machine=description(),
            settings=asdict(settings),
        )

    def measure(self, workloads: Sequence[Workload]) -> Results:
        """Do everything."""
        self._look_for_frameworks()
        networks = [w for w in workloads if isinstance(w, Network)]
        functions = [w for w in workloads if isinstance(w, Function)]
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
            for network in networks:
                for threads in self.settings.threads:
                    for kind in ("step", "loop"):
                        self._network(network, kind, threads, Path(folder))
                self.save(self.results)
            for threads in self.settings.threads:
                for dtype in ("float32", "float64"):
                    members = [f for f in functions if f.dtype == dtype]
                    if members:
                        self._functions(members, threads, Path(folder))
                        self.save(self.results)
            if self.settings.mnist:
                for threads in self.settings.threads:
                    self._epochs(threads, Path(folder))
        return self.results

    # --- what there is -----------------------------------------------------------------

    def _look_for_frameworks(self) -> None:
        names = dict.fromkeys(s.partition(":")[0] for s in self.settings.frameworks)
        found = self.results.frameworks
        for name in names:
            python = self.settings.interpreter(name)
            version = probe(name, python)
            found[name] = {"version": version} if version else {"absent": python}
            self.report(f"{name}: {version or f'absent from {python}'}")
        for name in [n for n in self._present() if n != "numpy"] * IMPORTS:
            seconds = import_time(name, self.settings.interpreter(name))
            if seconds is not None:
                self.results.imports.setdefault(name, []).append(seconds)

    def _present(self) -> list[str]:
        return [n for n, what in self.results.frameworks.items() if "version" in what]

    def _start(self, name: str, variant: str, threads: int, caches: Path) -> Process:
        python = self.settings.interpreter(name)
        return Process(name, variant, python, threads, caches, self.settings.timeout)

    # --- networks ----------------------------------------------------------------------

    def _network(self, network: Network, kind: str, threads: int, folder: Path) -> None:
        group: list[tuple[Record, Process]] = []
        with ExitStack() as stack:
            present = self._present()
            for name, variant in entries(self.settings, present, kind, network):
                record = Record(network.name, kind, name, variant, threads)
                self.results.records.append(record)
                caches = folder / f"{network.name}-{name}-{variant}"
                process = stack.enter_context(
                    self._start(name, variant, threads, caches)
                )
                if _opened(record, process.ask("open", workload=network.name)):
                    if threads == self.settings.threads[0]:
                        assert record.ready_s is not None
                        record.cold_s.append(record.ready_s)
                        self._starts(record, caches)
                    group.append((record, process))
                else:
                    process.close()
                    self.report(_line(record))
            self._rounds(network.name, group)
            for record, process in group:
                if record.status == "ok":
                    record.peak_bytes = process.ask("memory").get("peak_bytes")
                    if kind == "step" and network.batch > 4:
                        self._resize(record, process)
                self.report(_line(record))

    def _starts(self, record: Record, caches: Path) -> None:
        """More cold starts, and warm ones where there is a cache."""
        starts = max(self.settings.starts, OUR_STARTS if record.is_ours else 1)
        cached = record.variant in FRAMEWORKS[record.framework].cached
        for number in range(starts):
            if number:
                fresh = caches.with_name(f"{caches.name}-{number}")
                record.cold_s.extend(self._ready(record, fresh))
            if cached:
                record.warm_s.extend(self._ready(record, caches))

    def _ready(self, record: Record, caches: Path) -> Iterator[float]:
        start = self._start(record.framework, record.variant, record.threads, caches)
        with start as process:
            answer = process.ask("open", workload=record.workload)
        if "ready_s" in answer:
            yield answer["ready_s"]

    def _resize(self, record: Record, process: Process) -> None:
        answer = process.ask("resize", workload=record.workload)
        if "first_s" in answer:
            record.resize = answer
        else:
            self.report(f"{record.label}, another batch size: {_why(answer)}")

    # --- an epoch of MNIST -------------------------------------------------------------

    def _epochs(self, threads: int, folder: Path) -> None:
        for name, variant in entries(self.settings, self._present(), "epoch", None):
            caches = folder / f"epoch-{name}-{variant}"
            with self._start(name, variant, threads, caches) as process:
                process.timeout *= 4  # it is more than a thousand steps
                answer = process.ask("epoch", folder=self.settings.mnist)
            what = {"label": f"{name} {variant}", "threads": threads}
            self.report(f"epoch {what['label']}, {threads} threads: {answer}")
            if "seconds" in answer:
                self.results.epochs.append({**what, **answer})

    # --- functions ---------------------------------------------------------------------

    def _functions(
        self, functions: Sequence[Function], threads: int, folder: Path
    ) -> None:
        group = entries(self.settings, self._present(), "map", None)
        dtype = functions[0].dtype
        with ExitStack() as stack:
            workers = {
                (name, variant): stack.enter_context(
                    self._start(
                        name, variant, threads, folder / f"{dtype}-{name}-{variant}"
                    )
                )
                for name, variant in group
            }
            for function in functions:
                opened = []
                for (name, variant), process in workers.items():
                    record = Record(function.name, "map", name, variant, threads)
                    self.results.records.append(record)
                    if _opened(record, process.ask("open", workload=function.name)):
                        opened.append((record, process))
                    else:
                        self.report(_line(record))
                self._rounds(function.name, opened)
                for record, _ in opened:
                    self.report(_line(record))

    # --- rounds --------------------------------------------------------------------------

    def _rounds(self, workload: str, group: Sequence[tuple[Record, Process]]) -> None:
        ours = next((pair for pair in group if pair[0].is_ours), None)
        peers: list[tuple[Record, Process] | None]
        peers = [pair for pair in group if not pair[0].is_ours] or [None]
        for _ in range(self.settings.rounds):
            for pair in peers:
                mine = self._burst(workload, *ours) if ours else None
                theirs = self._burst(workload, *pair) if pair else None
                if mine and theirs:
                    theirs["ours"] = mine["median"]

    def _burst(self, workload: str, record: Record, process: Process) -> Answer | None:
        if record.status != "ok":
            return None
        found = process.ask(
            "burst",
            workload=workload,
            seconds=self.settings.seconds,
            least=self.settings.least,
        )
        if "median" not in found:
            record.status, record.reason = "failed", _why(found)
            return None
        record.rounds.append(found)
        return found


def _why(answer: Answer) -> str:
    """The last line of what went wrong."""
    text = str(answer.get("failed") or answer.get("unavailable") or answer)
    return text.strip().splitlines()[-1]


def _opened(record: Record, answer: Answer) -> bool:
    """Put the answer to "open" into the record; whether it can be measured."""
    if "ready_s" not in answer:
        record.status = "unavailable" if "unavailable" in answer else "failed"
        record.reason, record.right = _why(answer), False
        return False
    record.ready_s = answer["ready_s"]
    record.losses = answer.get("losses", [])
    record.error, record.right = answer["error"], answer["right"]
    return True


def _line(record: Record) -> str:
    """One line about a record, for the one who waits."""
    head = f"{record.workload} {record.kind} {record.label}, {record.threads} threads: "
    if record.status != "ok":
        return f"{head}{record.status}: {record.reason}"
    seconds = record.seconds
    text = "not measured" if seconds is None else f"{seconds * 1e6:.4g} us"
    if record.ratio:
        text += ", {:.2f} times ours ({:.2f} to {:.2f})".format(*record.ratio)
    if record.cold_s:
        text += f", cold {min(record.cold_s):.2f} s"
    if record.warm_s:
        text += f", warm {min(record.warm_s) * 1e3:.0f} ms"
    return head + text + ("" if record.right else ", WRONG VALUES")
