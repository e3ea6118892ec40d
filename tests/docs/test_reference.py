"""The generated pages of docs/reference are up to date and complete."""

from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

from symgraph import errors, nn
from symgraph.core.public import PUBLIC

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


NN = {
    "nn-layers.md": nn.layers,
    "nn-nonlinearities.md": nn.nonlinearities,
    "nn-init.md": nn.init,
    "nn-objectives.md": nn.objectives,
    "nn-updates.md": nn.updates,
    "nn-regularization.md": nn.regularization,
}


@pytest.mark.parametrize("page", NN)
def test_everything_public_of_nn_stands_in_full(maker: ModuleType, page: str) -> None:
    text = maker.PAGES[page]()
    found = maker.reference_modules.documented(NN[page])
    assert len(found) > 5
    for name, value in found.items():
        if name == value.__name__:
            assert f"# {name}\n\n`{name}(" in text, name
        else:
            assert f"`{name}`" in text, name


def test_all_names_that_layers_exports_are_found(maker: ModuleType) -> None:
    assert set(maker.reference_modules.documented(nn.layers)) == set(nn.layers.__all__)


def test_a_docstring_becomes_markdown(maker: ModuleType) -> None:
    text = maker.reference_modules.markdown(
        "out = x.\n\nMore of it.\n\nParameters\n----------\nx : vector\n    of numbers\n\n"
        "Raises\n------\nShapeError : no vector\n\nExamples\n--------\n>>> 1\n1\n"
    )
    assert text.split("\n\n") == [
        "```text\nout = x.\n```", "More of it.", "**Parameters**",
        "- `x`: vector\n  of numbers", "**Raises**", "- `ShapeError`: no vector",
        "```pycon\n>>> 1\n1\n```",
    ]  # fmt: skip
