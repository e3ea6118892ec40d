"""Fragments of the changelog become a release."""

from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

ROOT = Path(__file__).parents[2]
PAGE = "# Changes\n\nWhat this page is.\n\n## 0.1.0\n\nFirst version.\n"
LONG = "`a` is " + "long " * 30 + "and `b-c` is not."


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """docs/make_release.py as a module."""
    return script(ROOT / "docs" / "make_release.py")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small checkout with three fragments."""
    folder = tmp_path / "docs" / "changelog.d"
    folder.mkdir(parents=True)
    (tmp_path / "symgraph").mkdir()
    (tmp_path / "symgraph" / "version.py").write_text('"""V."""\n\nVERSION = "0.1.0"\n')
    (tmp_path / "CITATION.cff").write_text("title: a\nversion: 0.1.0\nlicense: MIT\n")
    (tmp_path / "docs" / "changelog.md").write_text(PAGE)
    (folder / ".gitkeep").touch()
    (folder / "loops.added.md").write_text("- One loop.\n- Two\n  loops.\n")
    (folder / "zero.fixed.md").write_text("Zero is zero.\n")
    (folder / "words.changed.md").write_text(LONG + "\n")
    return tmp_path


def test_the_fragments_of_this_checkout_are_well_formed(maker: ModuleType) -> None:
    assert list(maker.problems(ROOT)) == []


def test_this_checkout_says_one_version_everywhere(maker: ModuleType) -> None:
    text = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {maker.version_of(ROOT)}\n" in text


def test_a_release_joins_the_fragments_by_kind(
    maker: ModuleType, project: Path
) -> None:
    assert maker.main(["0.2.0"], project) == 0
    text = (project / "docs" / "changelog.md").read_text()
    head, new, old = text.split("\n## ")
    assert head == "# Changes\n\nWhat this page is.\n"
    assert old == "0.1.0\n\nFirst version.\n"
    assert new.startswith("0.2.0 (20")
    assert "### Added\n\n- One loop.\n- Two loops.\n\n### Changed\n\n- `a` is" in new
    assert new.endswith("### Fixed\n\n- Zero is zero.\n")
    assert max(map(len, new.splitlines())) <= 88


def test_a_release_removes_the_fragments_and_sets_the_version(
    maker: ModuleType, project: Path
) -> None:
    assert maker.main(["1.0.0"], project) == 0
    assert maker.fragments(project) == []
    assert (project / "docs" / "changelog.d" / ".gitkeep").exists()
    assert maker.version_of(project) == "1.0.0"
    assert (project / "CITATION.cff").read_text().splitlines()[1] == "version: 1.0.0"


def test_a_second_release_stands_above_the_first(
    maker: ModuleType, project: Path
) -> None:
    assert maker.main(["0.2.0"], project) == 0
    assert maker.main(["0.3.0"], project) == 1  # nothing to release
    fragment = project / "docs" / "changelog.d" / "more.removed.md"
    fragment.write_text("Less.\n")
    assert maker.main(["0.3.0"], project) == 0
    text = (project / "docs" / "changelog.md").read_text()
    heads = [line.split()[1] for line in text.splitlines() if line.startswith("## ")]
    assert heads == ["0.3.0", "0.2.0", "0.1.0"]


@pytest.mark.parametrize(
    ("arguments", "code"), [([], 2), (["2"], 2), (["0.1.0"], 1), (["0.0.9"], 1)]
)
def test_a_version_that_is_none_or_not_later_changes_nothing(
    maker: ModuleType, project: Path, arguments: list[str], code: int
) -> None:
    assert maker.main(arguments, project) == code
    assert len(maker.fragments(project)) == 3


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("loops.md", "A loop.", "the name"),
        ("loops.mended.md", "A loop.", "the name"),
        ("Loops.fixed.md", "A loop.", "the name"),
        ("loops.fixed.txt", "A loop.", "the name"),
        ("loops.fixed.md", "\n", "empty"),
        ("loops.fixed.md", "A loop", "no sentence"),
        ("loops.fixed.md", "- A loop.\n- and more", "no sentence"),
    ],
)
def test_a_fragment_that_is_not_well_formed_is_named(
    maker: ModuleType, project: Path, name: str, text: str, problem: str
) -> None:
    (project / "docs" / "changelog.d" / name).write_text(text)
    (found,) = maker.problems(project)
    assert found.startswith(f"{name}: ")
    assert problem in found
    assert maker.main(["0.2.0"], project) == 1
    assert maker.version_of(project) == "0.1.0"


def test_the_check_changes_nothing(maker: ModuleType, project: Path) -> None:
    assert maker.main(["--check"], project) == 0
    assert len(maker.fragments(project)) == 3
