"""Many programs, one after the other, each where a crash cannot end the whole.

Children run some hundred programs each and tell what came of them, a line of JSON for
each. A child that ends early, or is silent for long, was in the program that it had named
last. Failures are made smaller in the child; crashes in this process, with one child for
each try.
"""

import collections
import itertools
import json
import os
import pickle
import re
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from fuzz import loops, positions, quick  # noqa: F401  (register their statements)
from fuzz.grammar import generate
from fuzz.judge import check
from fuzz.kept import keep
from fuzz.oracles import Skip, Wrong, is_open
from fuzz.program import Program
from fuzz.shrink import renumbered, smaller

SILENCE = 120.0  # seconds after which a child is taken for stuck
MEMORY = 4 << 30  # bytes of address space of a child
BATCH = 200
PER_KIND = 12


@dataclass
class Report:
    """What came of the programs so far."""

    programs: int = 0
    status: collections.Counter[str] = field(default_factory=collections.Counter)
    mix: collections.Counter[str] = field(default_factory=collections.Counter)
    asked: collections.Counter[str] = field(default_factory=collections.Counter)
    skipped: collections.Counter[str] = field(default_factory=collections.Counter)
    kinds: collections.Counter[str] = field(default_factory=collections.Counter)
    first: dict[str, int] = field(default_factory=dict)  # kind → programs until then
    signatures: set[str] = field(default_factory=set)

    def lines(self, seconds: float) -> list[str]:
        n = max(self.programs, 1)
        share = ", ".join(f"{t} {100 * c / n:.0f} %" for t, c in self.mix.most_common())
        rate = 1000 * seconds / n
        found = [
            f"{self.programs} programs in {seconds:.0f} s, {rate:.0f} ms each: "
            + ", ".join(f"{c} {s}" for s, c in self.status.most_common()),
            f"mix: {share}",
            "oracles: " + ", ".join(f"{o} {c}" for o, c in self.asked.most_common()),
        ]
        if self.skipped:
            shown = self.skipped.most_common(8)
            found.append("skipped: " + ", ".join(f"{r} {c}" for r, c in shown))
        for kind, count in self.kinds.most_common():
            found.append(f"failed: {count} x {kind} (first after {self.first[kind]})")
        return found


def judge(program: Program) -> dict[str, Any]:
    """One program: its status, and the failure if there is one."""
    try:
        return {"status": "right", "asked": check(program)}
    except Skip as skip:
        return {"status": "skipped", "why": str(skip)}
    except Wrong as wrong:
        return {"status": "wrong", "wrong": wrong}
    except Exception:
        text = traceback.format_exc().strip().split("\n")
        return {"status": "wrong", "wrong": Wrong("farm", "raised " + text[-1], text)}


def fails_alike(wrong: Wrong) -> Callable[[Program], bool]:
    """Whether a program fails in the same way."""
    oracle = wrong.oracle.split(",")[0]
    oracles = [{"third": "again"}.get(oracle, oracle)]

    def fails(program: Program) -> bool:
        try:
            check(program, oracles)
        except Wrong as other:
            return other.kind == wrong.kind
        except Exception:
            return False
        return False

    return fails


def signature(program: Program, kind: str) -> str:
    """Kind and functions of a small program: equal ones are most likely one fault."""
    text = "\n".join(program.lines())
    names = sorted(set(re.findall(r"\b(?:T|sg)\.(?:nnet\.)?(\w+)|\.(\w+)\(", text)))
    return f"{kind}: {' '.join(a or b for a, b in names)}"


# --- children ----------------------------------------------------------------------------


def _child(seeds: list[int], out: Any, known: set[str], folder: Path | None) -> None:
    counts: collections.Counter[str] = collections.Counter()
    for seed in seeds:
        _tell(out, {"start": seed})
        program = generate(seed)
        found = judge(program)
        line = {"seed": seed, "tags": sorted(program.tags()), **found}
        wrong = line.pop("wrong", None)
        if wrong is not None:
            line["kind"] = wrong.kind
            counts[wrong.kind] += 1
            if (opened := is_open(wrong)) is not None:
                line["status"], line["kind"] = "open", opened
            elif folder is not None and counts[wrong.kind] <= PER_KIND:
                _tell(out, {"shrink": seed})
                small = renumbered(smaller(program, fails_alike(wrong)))
                line["signature"] = signature(small, wrong.kind)
                if line["signature"] not in known:
                    known.add(line["signature"])
                    last = judge(small).get("wrong", wrong)
                    line["text"] = small.text()
                    line["why"] = str(last)[:600]
                    line["want"], line["got"] = str(last.want), str(last.got)
                    line["file"] = str(keep(folder, small, last))
        _tell(out, line)


def _tell(out: Any, line: dict[str, Any]) -> None:
    out.write((json.dumps(line) + "\n").encode())
    out.flush()


def _forked(work: Callable[[Any], None]) -> tuple[int, int]:
    """Run `work(pipe)` in a child; its id and the other end of the pipe."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        code = 0
        try:
            with os.fdopen(write, "wb") as out:
                work(out)
        except BaseException:
            traceback.print_exc()
            code = 1
        finally:
            os._exit(code)
    os.close(write)
    return pid, read


def _lines(pid: int, read: int, silence: float) -> Any:
    """Lines of a child; None at the end, where it was killed for silence."""
    rest = b""
    while True:
        ready, _, _ = select.select([read], [], [], silence)
        if not ready:
            os.kill(pid, signal.SIGKILL)
            yield None
            break
        chunk = os.read(read, 1 << 16)
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in whole)
    os.close(read)


def crashes(program: Program) -> bool:
    """Whether a program ends its process."""
    pid, read = _forked(lambda out: out.write(pickle.dumps(judge(program)["status"])))
    stuck = False
    ready, _, _ = select.select([read], [], [], SILENCE / 4)
    if not ready:
        os.kill(pid, signal.SIGKILL)
        stuck = True
    os.close(read)
    _, status = os.waitpid(pid, 0)
    return stuck or os.WIFSIGNALED(status)


# --- the job -----------------------------------------------------------------------------


def farm(
    seeds: range,
    seconds: float = float("inf"),
    folder: Path | None = None,
    log: TextIO | None = None,
    report: Report | None = None,
) -> Report:
    """Run the programs of the seeds, until the time is over."""
    report = report or Report()
    start = time.monotonic()
    quick.prepare()
    waiting = iter(seeds)
    shown = start
    while time.monotonic() - start < seconds:
        batch = list(itertools.islice(waiting, BATCH))
        if not batch:
            break
        while batch:
            known = report.signatures
            pid, read = _forked(lambda out, b=batch, k=known: _child(b, out, k, folder))
            last, done = batch[0], 0
            shrinking = False
            for line in _lines(pid, read, SILENCE):
                if line is None:
                    break
                if "start" in line:
                    last = line["start"]
                elif "shrink" in line:
                    shrinking = True
                else:
                    shrinking = False
                    done += 1
                    _count(report, line, log)
            _, status = os.waitpid(pid, 0)
            rest = batch[done:]
            if rest:
                name = "stuck"
                if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
                    name = f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
                if shrinking:
                    name += " while shrinking"
                _count(report, _crashed(report, last, name, folder), log)
                rest = rest[1:]
            batch = rest
        now = time.monotonic()
        if log is not None and now - shown > 30:
            shown = now
            print("\n".join(report.lines(now - start)), file=log, flush=True)
    return report


def _crashed(
    report: Report, seed: int, name: str, folder: Path | None
) -> dict[str, Any]:
    program = generate(seed)
    wrong = Wrong("process", f"{name}: seed {seed}")
    line: dict[str, Any] = {"seed": seed, "status": "wrong", "kind": wrong.kind}
    line["tags"] = sorted(program.tags())
    if folder is not None and crashes(program):
        program = renumbered(smaller(program, crashes, 120, time.monotonic))
        line["signature"] = signature(program, wrong.kind)
        if line["signature"] not in report.signatures:
            line["text"], line["why"] = program.text(), str(wrong)
            line["file"] = str(keep(folder, program, wrong))
    return line


def _count(report: Report, line: dict[str, Any], log: TextIO | None) -> None:
    report.programs += 1
    report.status[line["status"]] += 1
    report.mix.update(line["tags"])
    report.asked.update(line.get("asked", ()))
    if line["status"] == "skipped":
        report.skipped[line["why"][:60].split("\n")[0]] += 1
    if line["status"] in ("wrong", "open"):
        kind = line["kind"]
        report.kinds[kind] += 1
        report.first.setdefault(kind, report.programs)
        if (s := line.get("signature")) is not None:
            report.signatures.add(s)
        if log is not None:
            print(f"seed {line['seed']}: {kind}", file=log, flush=True)
            if "text" in line:
                shown = [line.get("why", ""), line["text"]]
                shown += [f"wanted {line.get('want')}", f"got {line.get('got')}"]
                print("\n".join(shown), line.get("file", ""), "", sep="\n", file=log,
                      flush=True)  # fmt: skip
