"""What pages and docstrings say of other files is so: counts, names, files."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from symgraph.core.primitives import PRIMITIVES
from symgraph.lower import ir

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "symgraph"
WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
#: files that texts name as examples, or that belong to others
OTHERS = {"signal/pool.py", "models/model.py"}
POINTER = re.compile(r"(?<![\w./<-])((?:[\w-]+/)+[\w-]+\.(?:py|pyi|md|toml))\b")


def text(name: str) -> str:
    """A file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_readme_counts_the_chapters_of_the_tutorial() -> None:
    chapters = list((ROOT / "docs" / "tutorial").glob("[0-9]*.md"))
    assert f"{WORDS[len(chapters)]} chapters" in text("README.md")
    listed = re.findall(r"^\d+\. \[", text("docs/tutorial/README.md"), re.MULTILINE)
    assert len(listed) == len(chapters)


def test_the_page_of_the_kernel_ir_counts_statements_and_primitives() -> None:
    page = text("docs/explanation/kernel-ir.md")
    kinds = [kind.__name__ for kind in ir.Statement.__args__]
    assert f"statement  := {' | '.join(kinds)}\n" in page
    assert f"these {WORDS[len(kinds)]} statements" in page
    assert "some eighty scalar functions" in page
    assert 75 <= len(PRIMITIVES) < 85


def test_the_page_of_planted_bugs_counts_the_patches() -> None:
    patches = tomllib.loads(text("tests/seeded/patches.toml"))
    (table,) = [v for v in patches.values() if isinstance(v, list)]
    tens = {60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety"}
    said = tens[len(table) // 10 * 10]
    assert f"holds {said} patches" in text("docs/explanation/path-of-an-expression.md")


def test_all_pages_are_listed() -> None:
    listed = text("docs/README.md")
    for kind in ("explanation", "howto", "reference"):
        for page in (ROOT / "docs" / kind).glob("*.md"):
            assert f"({kind}/{page.name})" in listed, page
    decisions = text("docs/decisions/README.md")
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"({page.name})" in decisions, page


def texts() -> Iterator[Path]:
    """Modules of the package, and pages that tell how things are today."""
    yield from PACKAGE.rglob("*.py")
    yield from ROOT.glob("*.md")
    for kind in ("explanation", "howto", "reference", "tutorial"):
        yield from (ROOT / "docs" / kind).glob("*.md")


@pytest.mark.parametrize("folder", ["symgraph", "docs", "."])
def test_files_that_texts_name_exist(folder: str) -> None:
    """A path is seen from the checkout, the package, or the file that names it."""
    wrong = []
    for file in texts():
        first = file.relative_to(ROOT).parts
        if (first[0] if len(first) > 1 else ".") != folder:
            continue
        for name in POINTER.findall(file.read_text(encoding="utf-8")):
            places = (ROOT, PACKAGE, file.parent, file.parent.parent, ROOT / "docs")
            if name not in OTHERS and not any((p / name).exists() for p in places):
                wrong.append(f"{file.relative_to(ROOT)}: {name}")
    assert wrong == []


def test_the_map_names_every_file_of_the_lower_floors_and_no_other() -> None:
    """Each section of the page is about the folders that its heading names."""
    page = text("docs/explanation/architecture.md")
    for heading, section in re.findall(
        r"^##+ (.*`.*)\n((?:(?!^##).*\n)*)", page, re.MULTILINE
    ):
        folders = re.findall(r"`(\w+(?:/\w+)?)/`", heading)
        named = set(re.findall(r"`(\w+\.py)`", section))
        there = {p.name for f in folders for p in (PACKAGE / f).glob("*.py")}
        assert there - named == {"__init__.py"}, f"{heading}: files that it leaves out"
        assert named <= there, f"{heading}: files that are elsewhere"
    floors = ("lower", "runtime", "backends")
    headings = re.findall(r"^##+ (.*)$", page, re.MULTILINE)
    for folder in {p.parent for f in floors for p in (PACKAGE / f).rglob("*.py")}:
        name = f"`{folder.relative_to(PACKAGE)}/`"
        assert any(name in heading for heading in headings), name
