"""What those who join find: CI, pre-commit, the files at the top of the checkout."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def text(name: str) -> str:
    """A file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_workflow_runs_the_script_on_every_python_that_is_supported() -> None:
    workflow = text(".github/workflows/ci.yml")
    assert "- run: .ci/run" in workflow
    found = re.findall(r'"(3\.\d+)"', workflow)
    assert found == ["3.11", "3.12", "3.13"]
    assert PROJECT["project"]["requires-python"] == f">={found[0]}"


def test_the_script_checks_lint_format_types_and_what_is_generated() -> None:
    script = text(".ci/run")
    for command in ('ruff" check .', 'ruff" format --check', 'bin/mypy"'):
        assert command in script
    for maker in (ROOT / "docs").glob("make_*.py"):
        if "--check" in maker.read_text(encoding="utf-8"):
            assert f"docs/{maker.name} --check" in script


def test_hooks_before_a_commit_are_commands_of_the_dev_extra() -> None:
    hooks = text(".pre-commit-config.yaml")
    entries = re.findall(r"entry: (\S+)", hooks)
    assert entries == ["ruff", "ruff", "mypy", "python"]
    assert "repo: local" in hooks
    dev = PROJECT["project"]["optional-dependencies"]["dev"]
    assert {re.split(r"[<>=]", d)[0] for d in dev} >= {"ruff", "mypy"}


def test_types_are_part_of_the_package() -> None:
    assert (ROOT / "symgraph" / "py.typed").is_file()
    data = PROJECT["tool"]["setuptools"]["package-data"]["symgraph"]
    assert {"py.typed", "core/*.pyi", "ops/*.pyi"} <= set(data)


def test_types_are_checked_in_the_whole_package() -> None:
    tool = PROJECT["tool"]["mypy"]
    assert tool["files"] == ["symgraph"]
    assert tool["strict"]
    assert tool["disable_error_code"] == ["no-any-return"]
    assert "overrides" not in tool


@pytest.mark.parametrize("way", ["op", "rewrite", "layer", "backend"])
def test_contributing_leads_to_how_each_thing_is_added(way: str) -> None:
    assert re.search(rf"docs/howto/add-an?-{way}\.md", text("CONTRIBUTING.md"))


def test_contributing_names_the_one_command_and_files_that_exist() -> None:
    page = text("CONTRIBUTING.md")
    assert "\n.ci/run\n" in page
    for found in re.findall(r"`((?:symgraph|docs|tests)/[\w/.]+)`", page):
        assert (ROOT / found).exists(), found
    for found in re.findall(r"python (docs/\w+\.py)", page):
        assert (ROOT / found).exists(), found
