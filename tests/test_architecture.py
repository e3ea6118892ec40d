"""The folder list is the architecture: imports go down, none in a circle, files are short.

Floors are those of the table below. A file may import from its own floor and from floors
below. All imports are read with `ast`, those inside functions too; nothing is imported.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[1] / "symgraph"
LONGEST = 500  # lines of a file

#: name below symgraph/ → floor; the modules that only bind public names stand above
#: what they bind
FLOORS = {
    "errors": 0, "version": 0, "config": 0,
    "core": 1,
    "ops": 2,
    "autodiff": 3, "rewrite": 3, "tensor": 3,
    "lower": 4,
    "backends": 5,
    "runtime": 6,
    "compile": 7, "gradient": 7, "printing": 7, "__init__": 7,
    "nn": 8,
    "data": 9, "train": 9, "viz": 9, "__main__": 9,
}  # fmt: skip
#: heavy packages, which `import symgraph` must not load
LATE = {
    "numba", "llvmlite", "networkx", "rich", "safetensors", "matplotlib", "PIL", "scipy",
}  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    """Dotted name of a file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def floor_of(module: str) -> int:
    """Floor of a module of symgraph."""
    parts = module.split(".")
    return FLOORS[parts[1] if len(parts) > 1 else "__init__"]


def is_typing(node: ast.AST) -> bool:
    """Whether a statement is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(path: Path, at_top: bool) -> Iterator[str]:
    """Modules that a file imports; `at_top`: only those it loads when it is loaded."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not (at_top and (inner or is_typing(node))):
            waiting.extend(ast.iter_child_nodes(node))


def own(names: Iterator[str]) -> set[str]:
    """Those that are modules of symgraph."""
    return {name for name in names if name.split(".")[0] == "symgraph"}


def test_every_folder_has_a_floor() -> None:
    names = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in FILES}
    assert names - {"compat", "dist"} <= set(FLOORS)


@pytest.mark.parametrize("name", MODULES, ids=str)
def test_imports_do_not_go_up(name: str) -> None:
    found = own(imports(MODULES[name], at_top=False))
    upwards = {other for other in found if floor_of(other) > floor_of(name)}
    assert upwards == set()


def test_imports_have_no_cycle() -> None:
    graph = networkx.DiGraph()
    for name, path in MODULES.items():
        for other in own(imports(path, at_top=True)) - {name}:
            # a package that only re-exports its own files is no cycle
            if not (name.startswith(other + ".") or other not in MODULES):
                graph.add_edge(name, other)
    assert graph.number_of_edges() > 200
    cycles = [sorted(part) for part in networkx.strongly_connected_components(graph)]
    assert [cycle for cycle in cycles if len(cycle) > 1] == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short_and_begin_with_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(ast.parse(text)), "a docstring opens every file"


def test_names_of_files_say_what_they_hold() -> None:
    vague = {"misc.py", "basic.py", "common.py", "helpers.py", "stuff.py"}
    assert [path for path in FILES if path.name in vague] == []


def test_heavy_packages_are_imported_late() -> None:
    found = {
        (module, name.split(".")[0])
        for module, path in MODULES.items()
        for name in imports(path, at_top=True)
        if name.split(".")[0] in LATE
    }
    assert found == set()


def test_import_loads_numpy_and_nothing_heavy() -> None:
    code = (
        "import sys, symgraph, symgraph.nn; "
        f"print([m for m in sorted({LATE!r}) if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
