"""Starting workers and talking with them.

`Process` is one worker. While it waits for its turn it is stopped (SIGSTOP), so that a
pool of threads that spins cannot slow the one whose turn it is.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.frameworks import FRAMEWORKS, Framework

ROOT = Path(__file__).parents[1]
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "SYMGRAPH_NUM_THREADS",
)
#: not passed on: they would favour or hamper one of the frameworks
UNSET = ("OPENBLAS_CORETYPE", "PYTHONDONTWRITEBYTECODE", "XLA_FLAGS", "SYMGRAPH_FLAGS")
Answer = dict[str, Any]


def environment(framework: Framework, threads: int, caches: Path) -> dict[str, str]:
    """The environment of a worker: threads, and folders for compiled code."""
    made = {k: v for k, v in os.environ.items() if k not in UNSET}
    made.update({name: str(threads) for name in THREAD_VARIABLES})
    made.update(framework.environment)
    for name in framework.caches:
        folder = str(caches / name.lower())
        made[name] = f"base_compiledir={folder}" if name == "PYTENSOR_FLAGS" else folder
    return made


class Process:
    """One worker.

    Parameters
    ----------
    framework, variant : see frameworks/__init__.py
    python : the interpreter
    threads : that it may use
    caches : folder for its compiled code
    timeout : seconds that an answer may take
    """

    def __init__(
        self,
        framework: str,
        variant: str,
        python: str,
        threads: int,
        caches: Path,
        timeout: float = 300.0,
    ) -> None:
        command = [python, "-m", "benchmarks.worker", framework, variant]
        command += ["--threads", str(threads), "--serve"]
        self.timeout = timeout
        self._errors = tempfile.TemporaryFile()
        self._child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(FRAMEWORKS[framework], threads, caches),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether it can answer."""
        return self._child.poll() is None

    def ask(self, do: str, **arguments: Any) -> Answer:
        """Send a command and wait for the answer; {"failed": why} if there is none."""
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            self._signal(signal.SIGCONT)
            child.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            child.stdin.flush()
        except OSError:
            return {"failed": self._last_words()}
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            if not selector.select(self.timeout):
                child.kill()
                return {"failed": f"no answer in {self.timeout:g} s"}
        line = child.stdout.readline()
        if not line:
            return {"failed": self._last_words()}
        self._signal(signal.SIGSTOP)
        found: Answer = json.loads(line)
        return found

    def close(self) -> None:
        """End the process."""
        if self.alive:
            self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        self._errors.close()

    def _signal(self, number: int) -> None:
        if self.alive:
            self._child.send_signal(number)

    def _last_words(self) -> str:
        self._child.wait()
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").strip()
        return text[-1500:] or f"exit code {self._child.returncode}"


def _short(python: str, framework: str, flag: str, timeout: float) -> Answer | None:
    command = [python, "-m", "benchmarks.worker", framework, flag]
    with tempfile.TemporaryDirectory() as folder:
        made = environment(FRAMEWORKS[framework], 1, Path(folder))
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=made,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    if done.returncode:
        return None
    found: Answer = json.loads(done.stdout)
    return found


def probe(framework: str, python: str = sys.executable) -> str | None:
    """Version of a framework in an interpreter; None if it, or the latter, is absent."""
    found = _short(python, framework, "--probe", 60.0)
    return None if found is None else found["version"]


def import_time(framework: str, python: str = sys.executable) -> float | None:
    """Seconds to import a framework in a new process that has NumPy already."""
    found = _short(python, framework, "--import-time", 120.0)
    return None if found is None else found["seconds"]
