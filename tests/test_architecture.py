"""The folder list is the architecture: imports go down, files stay short, start is light.

Floors are those of docs/explanation and of the package plan. Imports are read with
`ast`: those inside functions count, and those under ``if TYPE_CHECKING``.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import symgraph

PACKAGE = Path(symgraph.__file__).parent
LONGEST = 800
#: module or folder → floor; the longest matching prefix counts
FLOORS = {
    "symgraph.errors": 0,
    "symgraph.config": 0,
    "symgraph.version": 0,
    "symgraph.core": 1,
    "symgraph.ops": 2,
    "symgraph.tensor": 2,
    "symgraph.autodiff": 3,
    "symgraph.loops": 3,
    "symgraph.rewrite": 3,
    "symgraph.sparse": 3,
    "symgraph.lower": 4,
    "symgraph.backends": 5,
    "symgraph.runtime": 6,
    "symgraph.extend": 6,
    # what the backends know of functions of the user
    "symgraph.extend.scalar_function": 3,
    "symgraph.extend.tracing": 3,
    "symgraph.compile": 7,
    # what users import by these names: re-exports of all that is below
    "symgraph.gradient": 7,
    "symgraph.graph": 7,
    "symgraph.printing": 7,
    "symgraph": 7,
    "symgraph.nn": 8,
    "symgraph.data": 9,
    "symgraph.train": 9,
    "symgraph.viz": 9,
    "symgraph.compat": 9,
    "symgraph.__main__": 10,
}
#: beside one another on floor 3: neither may know the other
APART = ("symgraph.autodiff", "symgraph.rewrite")
HEAVY = ("numba", "llvmlite", "networkx", "rich", "safetensors", "scipy", "matplotlib",
         "PIL", "sklearn")  # fmt: skip
#: is nothing without scikit-learn, and itself imported late
ESTIMATORS = "symgraph.train.estimators"


def modules() -> dict[str, Path]:
    """Name → file of every module of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["symgraph", *path.relative_to(PACKAGE).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


MODULES = modules()


def floor(module: str) -> int:
    """Floor of a module."""
    parts = module.split(".")
    for count in range(len(parts), 1, -1):
        found = FLOORS.get(".".join(parts[:count]))
        if found is not None:
            return found
    return FLOORS[parts[0]] if len(parts) == 1 else -1


def imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """(module, line, whether it stands at the top) of all imports of a file."""
    tree = ast.parse(path.read_text())
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, node in top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                name = inner if inner in MODULES else node.module
                yield name, node.lineno, node in top


def own(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Imports of the package itself."""
    for name, line, at_top in imports(path):
        if name.split(".")[0] == "symgraph":
            yield name, line, at_top


def test_every_module_has_a_floor() -> None:
    assert [name for name in MODULES if floor(name) < 0] == []


def test_imports_never_go_upwards() -> None:
    wrong = [
        f"{path}:{line}: {module} (floor {floor(module)}) imports {name} "
        f"(floor {floor(name)})"
        for module, path in MODULES.items()
        for name, line, _ in own(path)
        if floor(name) > floor(module)
    ]
    assert wrong == []


def test_autodiff_and_rewrite_do_not_know_one_another() -> None:
    wrong = [
        f"{path}:{line}: {name}"
        for module, path in MODULES.items()
        for name, line, _ in own(path)
        for here, there in (APART, APART[::-1])
        if module.startswith(here) and name.startswith(there)
    ]
    assert wrong == []


def test_modules_do_not_import_in_circles() -> None:
    graph = {
        module: {name for name, _, _ in own(path) if name in MODULES} - {module}
        for module, path in MODULES.items()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")
    assert set(MODULES) <= set(order)


def test_the_device_is_chosen_by_the_registry_alone() -> None:
    """No other file names a backend: they ask for the one of a device."""
    wrong = [
        f"{path}: {name}"
        for module, path in MODULES.items()
        for name in ("cpu", "lockstep")
        if not module.startswith(f"symgraph.backends.{name}")
        and module != "symgraph.backends.registry"
        and re.search(rf"backends[./]{name}\b", path.read_text(encoding="utf-8"))
    ]
    assert wrong == []


#: read settings beside the public floors: which devices there are, how many threads run
SETTINGS = {"symgraph.backends.registry", "symgraph.backends.cpu.threads"}


def test_what_compiles_is_told_its_options() -> None:
    """Settings are captured by `function`: nothing that it calls looks at them later."""
    floors = ("rewrite", "lower", "backends", "runtime")
    wrong = {
        module
        for module, path in MODULES.items()
        if module.startswith(tuple(f"symgraph.{floor}" for floor in floors))
        and any(name == "symgraph.config" for name, _, _ in own(path))
    }
    assert wrong == SETTINGS


#: private names of other packages that have no public ones
FOREIGN = {"_getframe", "_core", "_multiarray_umath", "_ARRAY_API", "_NoValue",
           "_replace", "_data_layout"}  # fmt: skip


def test_private_names_stay_in_their_file() -> None:
    """What another file calls, or a class of another file inherits, is public."""
    wrong = []
    for path in MODULES.values():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        given: set[str] = set()  # what this file defines or assigns
        bare = {  # annotated, and given a value elsewhere
            node.target
            for node in ast.walk(tree)
            if isinstance(node, ast.AnnAssign) and node.value is None
        }
        for node in ast.walk(tree):
            match node:
                case ast.Name() if node in bare:
                    pass
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    given.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    given.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()):
                    given.add(name)
                case ast.Constant(value=str(name)):  # keys of a variable's dictionary
                    given.add(name)
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Attribute):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom) and "symgraph" in str(node.module):
                names = [alias.name for alias in node.names]
            wrong += [
                f"{path}:{node.lineno}: {name}"
                for name in names
                if name[:1] == "_" and name[:2] != "__" and name not in given | FOREIGN
            ]
    assert wrong == []


def test_what_nobody_else_may_import() -> None:
    """Viz is imported by nobody; the command line alone starts the examples."""
    wrong = [
        f"{path}:{line}: {name}"
        for module, path in MODULES.items()
        if not module.startswith(("symgraph.viz", "symgraph.train"))
        for name, line, _ in own(path)
        if name.startswith("symgraph.viz")
    ]
    assert wrong == []


def test_heavy_packages_are_imported_late() -> None:
    wrong = [
        f"{path}:{line}: {name}"
        for module, path in MODULES.items()
        for name, line, at_top in imports(path)
        if at_top and name.split(".")[0] in HEAVY
        if not (module == ESTIMATORS and name.startswith("sklearn"))
    ]
    assert wrong == []


def test_one_file_touches_numba() -> None:
    found = {
        module
        for module, path in MODULES.items()
        for name, _, _ in imports(path)
        if name.split(".")[0] == "numba"
    }
    assert all(m.startswith("symgraph.train") for m in found)
    by_name = {
        module
        for module, path in MODULES.items()
        if '"numba.' in path.read_text(encoding="utf-8")
    }
    assert by_name == {"symgraph.backends.cpu.part_of_numba"}


def test_files_are_short_and_begin_with_a_docstring() -> None:
    long = {
        str(path): count
        for path in MODULES.values()
        if (count := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}
    silent = [
        str(path)
        for path in MODULES.values()
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_tests_mirror_the_package() -> None:
    """A folder of tests exists in the package, or is about what lies beside it."""
    here = Path(__file__).parent
    other = {
        "errors",
        "fuzz",
        "seeded",
        "examples",
        "golden",
        "docs",
        "benchmarks",
        "__pycache__",
    }
    for path in here.iterdir():
        if path.is_dir() and path.name not in other and path.name[0] != ".":
            assert (PACKAGE / path.name).is_dir(), path


def _loaded(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("statement", ["import symgraph", "import symgraph.tensor"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    assert _loaded(statement).isdisjoint(HEAVY)


def test_importing_layers_loads_nothing_heavy() -> None:
    assert _loaded("from symgraph import nn; import symgraph.data").isdisjoint(HEAVY)
