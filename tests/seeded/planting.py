"""Planted bugs: patches of the package, each of which some test has to notice.

In: patches.toml. A patch replaces a text that stands exactly once in its file, so a line
that has moved is told at once. Out: the tests that run on a patched copy of the checkout,
and the first that fails.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: folders whose quick files are run on every patch, the one that mirrors it first
FOLDERS = ("core", "ops", "autodiff", "loops", "rewrite", "lower", "runtime", "compile",
           "errors", "backends/cpu")  # fmt: skip
#: files that take long; they run only where their folder mirrors the patch. The others
#: take less than 100 seconds on one core
SLOW = ("autodiff/test_samples.py", "backends/cpu/", "compile/test_build.py",
        "compile/test_interrupts.py", "compile/test_large_graphs.py",
        "ops/test_structure.py", "rewrite/test_stability.py")  # fmt: skip
#: not in the copy
LEFT = (".git", "__pycache__", ".*_cache", "build", "*.egg-info")
SECONDS = 600


@dataclass(frozen=True)
class Patch:
    """A planted bug."""

    name: str
    family: str
    file: str
    old: str
    new: str

    def applied(self, root: Path = ROOT) -> str:
        """The text of the patched file; ValueError where the patch does not fit."""
        text = (root / "symgraph" / self.file).read_text()
        count = text.count(self.old)
        if count != 1:
            raise ValueError(
                f"{self.name}: its old text stands {count} times in symgraph/{self.file}, "
                "not once: follow the line to where it is now"
            )
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Outcome:
    """What the tests said: the first that failed; "" if none did."""

    name: str
    test: str
    part: str


def patches() -> list[Patch]:
    """All patches, in the order of the file."""
    with (Path(__file__).parent / "patches.toml").open("rb") as file:
        return [Patch(**entry) for entry in tomllib.load(file)["patch"]]


def mirrored(patch: Patch, tests: Path = ROOT / "tests") -> list[str]:
    """Test files of the folder that mirrors the patched file; of its name first."""
    cpu = patch.file.startswith("backends/cpu/")
    folder = tests / ("backends/cpu" if cpu else patch.file.split("/")[0])
    words = set(Path(patch.file).stem.split("_"))
    found = sorted(
        folder.rglob("test_*.py"),
        key=lambda p: (-len(words & set(p.stem.split("_"))), str(p)),
    )
    return [str(p.relative_to(tests)) for p in found]


def quick(tests: Path = ROOT / "tests") -> list[str]:
    """The test files of the quick part."""
    found = [
        p for folder in FOLDERS for p in sorted((tests / folder).rglob("test_*.py"))
    ]
    names = [str(p.relative_to(tests)) for p in found]
    return [name for name in names if not name.startswith(SLOW)]


class Copy:
    """A copy of the checkout in which one patch at a time stands."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        shutil.copytree(ROOT, self.root, ignore=shutil.ignore_patterns(*LEFT))
        self.time = 1_000_000_000

    def write(self, file: str, text: str) -> None:
        """Change a file, at another second: Python tells bytecode apart by that."""
        path = self.root / "symgraph" / file
        path.write_text(text)
        self.time += 10
        os.utime(path, (self.time, self.time))

    def tried(self, patch: Patch, parts: list[tuple[str, list[str]]]) -> Outcome:
        """Run parts of the suite, up to the first failure, on the patched copy."""
        before = (self.root / "symgraph" / patch.file).read_text()
        self.write(patch.file, patch.applied(self.root))
        done: set[str] = set()
        try:
            for part, files in parts:
                test = self.failing([f for f in files if f not in done])
                done.update(files)
                if test:
                    return Outcome(patch.name, test, part)
        finally:
            self.write(patch.file, before)
        return Outcome(patch.name, "", parts[-1][0])

    def failing(self, files: list[str]) -> str:
        """The first test that fails, "" if none does."""
        if not files:
            return ""
        command = [sys.executable, "-m", "pytest", "-x", "-vv", "-n", "0", "--tb=no",
                   "-rfE", "-p", "no:cacheprovider"]  # fmt: skip
        command += [f"tests/{file}" for file in files]
        environment = os.environ | {
            "PYTHONPATH": str(self.root),
            "PYTHONPYCACHEPREFIX": str(self.root.parent / "bytecode"),
            "OMP_NUM_THREADS": "1",
        }
        try:
            run = subprocess.run(
                command, cwd=self.root, env=environment, timeout=SECONDS,
                capture_output=True, text=True, errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"(no end after {SECONDS} s)"
        if run.returncode == 0:
            return ""
        told = re.search(
            r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", run.stdout, re.MULTILINE
        )
        if told is not None:
            return told[1]
        begun = re.findall(r"^(tests/\S+::\S+)", run.stdout, re.MULTILINE)
        where = begun[-1] if begun else run.stderr.strip()[-200:]
        return f"{where} (the process ended with {run.returncode})"


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as a page."""
    known = {outcome.name: outcome for outcome in outcomes}
    rows = ["| patch | family | file | caught by |", "|---|---|---|---|"]
    for patch in patches():
        found = known.get(patch.name)
        if found is None:
            text = "not run"
        elif found.test:
            text = f"`{found.test.removeprefix('tests/')}`"
        else:
            text = f"**survived** ({found.part})"
        rows.append(f"| {patch.name} | {patch.family} | {patch.file} | {text} |")
    caught = sum(bool(outcome.test) for outcome in known.values())
    left = len(patches()) - len(known)
    rows += ["", f"caught {caught}/{len(patches())}, {left} not run"]
    return "\n".join(rows)


def load(path: Path) -> list[Outcome]:
    """Outcomes that were kept; the last word on each patch counts."""
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text().splitlines())
    return list({line["name"]: Outcome(**line) for line in lines}.values())


def keep(path: Path, outcome: Outcome) -> None:
    """Append an outcome."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")
