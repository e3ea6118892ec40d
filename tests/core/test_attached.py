"""The stub of what tables attach to variables is that of the tables."""

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.core.operators import BINARY, COMPARISONS, METHODS, PROPERTIES, UNARY

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """docs/make_attached.py as a module."""
    return script(ROOT / "docs" / "make_attached.py")


@pytest.fixture(scope="module")
def members(maker: ModuleType) -> dict[str, ast.FunctionDef]:
    """Name → declaration of each member of the stub."""
    (kind,) = [n for n in ast.parse(maker.stub()).body if isinstance(n, ast.ClassDef)]
    return {node.name: node for node in kind.body if isinstance(node, ast.FunctionDef)}


def test_the_stub_is_up_to_date(maker: ModuleType) -> None:
    assert maker.main(["--check"]) == 0, "run: python docs/make_attached.py"


def test_a_stub_that_is_missing_or_differs_is_noticed(
    maker: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "attached.pyi"
    assert maker.main(["--check"], file) == 1
    assert maker.main([], file) == 0
    assert maker.main(["--check"], file) == 0
    file.write_text(file.read_text() + "\n")
    assert maker.main(["--check"], file) == 1
    assert "run python docs/make_attached.py" in capsys.readouterr().out


def test_each_entry_of_the_tables_is_declared_once(members: dict[str, object]) -> None:
    reflected = {"__r" + name[2:] for name in BINARY}
    tables = {*UNARY, *BINARY, *reflected, *COMPARISONS, *METHODS, *PROPERTIES}
    assert tables <= members.keys()


def test_all_that_is_declared_is_attached(members: dict[str, object]) -> None:
    assert [name for name in members if not hasattr(Variable, name)] == []


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_what_its_function_takes(
    members: dict[str, ast.FunctionDef], name: str
) -> None:
    function = getattr(T, name) if name != "eval" else None
    if function is None:
        return
    taken = list(inspect.signature(function).parameters)[1:]
    given = members[name].args
    names = [a.arg for a in (*given.args, *given.kwonlyargs)]
    names += [given.vararg.arg] if given.vararg else []
    assert sorted(names) == sorted(["self", *taken])


def test_the_class_of_the_stub_is_not_there_at_run_time() -> None:
    assert Variable.__bases__ == (object,)
