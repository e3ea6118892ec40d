"""README.md: its commands are those that CI runs, and its program stands on top."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def commands() -> list[str]:
    """Commands that set up a virtual environment."""
    return re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)


def test_there_are_two_commands_one_trains_and_one_tests() -> None:
    train, test = commands()
    assert train.endswith(".venv/bin/symgraph train digits")
    assert test.endswith(".venv/bin/python -m pytest -n 2")


def test_the_commands_ask_for_extras_that_exist() -> None:
    asked = re.findall(r"'\.\[(\w+)\]'", "\n".join(commands()))
    assert asked == ["train", "test"]
    assert set(asked) <= set(PROJECT["optional-dependencies"])


def test_ci_takes_the_test_command_from_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -m 1 '(.*)' README.md", script)
    assert pattern is not None
    found = [c for c in README.splitlines() if re.search(pattern[1], c)]
    assert found == [commands()[1]]


def test_a_program_and_its_output_stand_on_the_first_screen() -> None:
    top = "\n".join(README.splitlines()[:40])
    assert top.count("```python") == 1
    assert top.count("```text") == 1
    assert top.count("```") == 4
    assert "sg.function" in top
    assert "sg.grad" in top


def test_the_program_of_the_project_is_the_command_line() -> None:
    assert PROJECT["scripts"] == {"symgraph": "symgraph.train.cli:main"}
