"""The generated pages of docs/reference are up to date and complete."""

from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

from symgraph import errors
from symgraph.core.op import PUBLIC

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """docs/make_reference.py as a module."""
    return script(ROOT / "docs" / "make_reference.py")


def test_generated_pages_are_up_to_date(maker: ModuleType) -> None:
    assert maker.outdated() == [], "run: python docs/make_reference.py"


def test_a_changed_page_is_noticed(maker: ModuleType, tmp_path: Path) -> None:
    for name, make in maker.PAGES.items():
        (tmp_path / name).write_text(make())
    assert maker.outdated(tmp_path) == []
    (tmp_path / "ops.md").write_text("something else")
    (tmp_path / "rules.md").unlink()
    assert maker.outdated(tmp_path) == ["ops.md", "rules.md"]


def test_each_error_class_has_an_entry(maker: ModuleType) -> None:
    page = maker.errors_page()
    kinds = [n for n, v in vars(errors).items() if isinstance(v, type)]
    assert len(kinds) > 20
    assert [name for name in kinds if f"\n## {name}\n" not in page] == []


def test_each_public_function_is_listed_with_a_description(maker: ModuleType) -> None:
    page = maker.ops_page()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    cells = [row.split(" | ")[0] for row in rows]
    listed = {text.split("(")[0] for cell in cells for text in cell.split("`")[1::2]}
    named = {n for n in PUBLIC if n.isidentifier() and not n.startswith("_")}
    assert named <= listed
    assert [row for row in rows if row.rstrip(" |").endswith("`")] == []
