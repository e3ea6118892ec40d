"""The Python code in README.md and docs/ runs and gives what the page shows.

The blocks of a page run in order, in one namespace and in an empty folder. A block of
``>>>`` lines is checked like a docstring. What any other block prints is compared with
the ``text`` block that follows it, if it prints at all. ``...`` stands for anything.
"""

import contextlib
import doctest
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from symgraph import config, nn
from symgraph.backends import registry
from symgraph.config import DEVICES
from symgraph.core.node import OPS
from symgraph.core.public import PUBLIC
from symgraph.ops.families import SCALARS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("tutorial/*.md")),
    *sorted((ROOT / "docs").glob("howto/*.md")),
    *sorted((ROOT / "docs").glob("explanation/*.md")),
]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, text, and first line in the page."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text[: found.start()].count("\n") + 2)
        for found in BLOCK.finditer(text)
    ]


def programs(page: Path) -> Iterator[tuple[Block, str | None]]:
    """Blocks of Python, each with the text that the page says it prints."""
    found = blocks(page)
    for number, block in enumerate(found):
        if block.language == "python":
            following = found[number + 1 : number + 2]
            shown = [b.text for b in following if b.language == "text"]
            yield block, shown[0] if shown else None


def run_session(block: Block, page: Path, names: dict[str, object]) -> None:
    """Check a block of ``>>>`` lines."""
    parser, report = doctest.DocTestParser(), []
    test = parser.get_doctest(block.text, names, page.name, str(page), block.line - 1)
    test.globs = names  # one namespace for all blocks, where doctest would copy
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    runner.run(test, out=report.append, clear_globs=False)
    assert runner.failures == 0, "".join(report)


def run_script(
    block: Block, page: Path, names: dict[str, object], shown: str | None
) -> None:
    """Run a block and compare what it prints."""
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    if printed.getvalue():
        where = f"{page.name}, line {block.line}"
        assert shown is not None, f"{where} prints, and no text block follows"
        same = doctest.OutputChecker().check_output(shown, printed.getvalue(), FLAGS)
        assert same, f"{where} prints\n{printed.getvalue()}\ninstead of\n{shown}"


@pytest.fixture
def registries() -> Iterator[None]:
    """Pages may define ops and devices; other tests must not see them."""
    devices = [DEVICES, registry._added, registry._made]
    tables: list[dict[str, object]] = [OPS, PUBLIC, SCALARS, *devices]  # type: ignore
    before = [dict(table) for table in tables]
    with config.override():
        yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(programs(page))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_code_of_the_page_gives_what_it_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nn.random.set_rng(np.random.RandomState(1))
    names: dict[str, object] = {"__name__": "__page__"}
    for block, shown in programs(page):
        if block.text.lstrip().startswith(">>>"):
            run_session(block, page, names)
        else:
            run_script(block, page, names, shown)


def test_the_tutorial_has_chapters_with_code() -> None:
    chapters = [page for page in PAGES if page.parent.name == "tutorial"]
    chapters = [page for page in chapters if re.match(r"\d\d-", page.name)]
    assert len(chapters) >= 6
    assert all(any(programs(page)) for page in chapters)


def links(page: Path) -> list[str]:
    """Targets of the links of a page that lie in this repository."""
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose)
    return [target for target in found if "://" not in target]


@pytest.mark.parametrize(
    "page",
    [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    missing = [t for t in links(page) if not (page.parent / t).exists()]
    assert missing == []
