"""The stubs of what tables define are those of the tables."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.core.operators import BINARY, COMPARISONS, METHODS, PROPERTIES, UNARY
from symgraph.core.public import PUBLIC

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "make_stubs.py"
STUBS = ROOT / "symgraph"
Declared = dict[str, ast.FunctionDef]


def declared(body: list[ast.stmt]) -> Declared:
    """Name → declaration."""
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """docs/make_stubs.py as a module."""
    return script(SCRIPT)


@pytest.fixture(scope="module")
def members() -> Declared:
    """The members of the class of what is attached."""
    tree = ast.parse((STUBS / "core" / "attached.pyi").read_text(encoding="utf-8"))
    (kind,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return declared(kind.body)


@pytest.fixture(scope="module")
def functions() -> Declared:
    """The functions of `symgraph.tensor`."""
    path = STUBS / "ops" / "functions.pyi"
    return declared(ast.parse(path.read_text(encoding="utf-8")).body)


def test_the_stubs_are_up_to_date() -> None:
    """In a process of its own: tests define functions too."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stub_that_is_missing_or_differs_is_noticed(
    maker: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "ops").mkdir()
    assert maker.main(["--check"], tmp_path) == 1
    assert maker.main([], tmp_path) == 0
    assert maker.main(["--check"], tmp_path) == 0
    file = tmp_path / "core" / "attached.pyi"
    file.write_text(file.read_text() + "\n")
    capsys.readouterr()
    assert maker.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out == (
        "symgraph/core/attached.pyi is out of date; run python docs/make_stubs.py\n"
    )


def test_each_entry_of_the_tables_is_declared(members: Declared) -> None:
    reflected = {"__r" + name[2:] for name in BINARY}
    tables = {*UNARY, *BINARY, *reflected, *COMPARISONS, *METHODS, *PROPERTIES}
    assert tables <= members.keys()


def test_all_that_is_declared_is_attached(members: Declared) -> None:
    assert [name for name in members if not hasattr(Variable, name)] == []


def test_each_public_function_is_declared(functions: Declared) -> None:
    mine = {n for n, f in PUBLIC.items() if f.__module__.startswith("symgraph.")}
    assert {*mine, *T._CONSTRUCTORS} <= functions.keys()
    assert all(hasattr(T, name) for name in functions)


@pytest.mark.parametrize("of", ["methods", "functions"])
def test_what_is_declared_takes_what_the_function_takes(
    members: Declared, functions: Declared, of: str
) -> None:
    table = {name: members[name] for name in METHODS} if of == "methods" else functions
    for name, node in table.items():
        function = PUBLIC[name] if name in PUBLIC else getattr(T, name)
        taken = list(inspect.signature(function).parameters)
        if of == "methods":
            taken[0] = "self"
        given = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
        stars = [a.arg for a in (node.args.vararg, node.args.kwarg) if a]
        assert sorted([*given, *stars]) == sorted(taken), name


def test_nothing_of_it_is_there_at_run_time() -> None:
    assert Variable.__bases__ == (object,)
    assert "symgraph.ops.functions" not in sys.modules
