"""The stamp of the package's sources counts all that decides machine code."""

import ast
from pathlib import Path

import pytest

from symgraph.core.stamp import ABOVE, PACKAGE, sources, stamp_of


def _imported(file: Path) -> set[str]:
    """Modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return {name for name in found if name.startswith("symgraph.")}


def test_the_stamp_counts_all_that_compilation_imports() -> None:
    counted = {Path(entry.path) for entry in sources()}
    seen: set[Path] = set()
    first = ("tensor.py", "sparse/__init__.py", "compile/function.py")
    waiting = [PACKAGE / name for name in first]
    waiting += (PACKAGE / "backends").rglob("*.py")  # some are imported by name
    while waiting:
        file = waiting.pop()
        if file in seen or not file.exists():
            continue
        seen.add(file)
        for name in _imported(file):
            place = PACKAGE.joinpath(*name.split(".")[1:])
            waiting += [place.with_suffix(".py"), place / "__init__.py"]
    assert len(seen) > 200
    assert seen <= counted
    names = {file.relative_to(PACKAGE).parts[0] for file in counted}
    assert {"sparse", "loops", "core", "config.py", "backends"} <= names
    assert names.isdisjoint(ABOVE)


def test_the_stamp_leaves_out_folders_that_exist() -> None:
    assert all((PACKAGE / name).is_dir() for name in ABOVE)


@pytest.mark.parametrize("folder", ["sparse", "loops", "backends/cuda", "new", ""])
def test_a_changed_file_changes_the_stamp(folder: str, tmp_path: Path) -> None:
    for name in ("compile", "sparse", "loops", "backends/cuda", "new", "nn"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.py").write_text("")
    first = stamp_of(tmp_path)
    (tmp_path / "nn" / "a.py").write_text("changed")
    (tmp_path / folder / "notes.txt").write_text("changed")
    assert stamp_of(tmp_path) == first
    (tmp_path / folder / "a.py").write_text("changed")
    assert stamp_of(tmp_path) != first
