"""Write the pages of docs/reference that are made from the package itself.

    python docs/make_reference.py            write errors.md, ops.md, rules.md, config.md
                                             and the nn-*.md of reference_modules.py
    python docs/make_reference.py --check    only tell which are out of date; exit code 1

In: docstrings of `symgraph.errors`, the registry of public functions, the tables of
rewrite rules, and `symgraph.config`. Out: Markdown. A test runs the check.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import reference_modules

import symgraph as sg
import symgraph.tensor as T
from symgraph import errors
from symgraph.core.public import PUBLIC
from symgraph.nn.init import Initializer
from symgraph.rewrite.pipeline import rules_table

FOLDER = Path(__file__).parent / "reference"
NOTE = "*Made by `docs/make_reference.py`; edit the docstrings, not this page.*"

#: module of ops/ (and above) → heading in ops.md, in reading order
SECTIONS = {
    "arithmetic": "Arithmetic",
    "comparison": "Comparison and logic",
    "exponential": "Exponentials and logarithms",
    "trigonometric": "Trigonometry",
    "special": "Special functions",
    "piecewise": "Choice, rounding and limits",
    "complex": "Complex numbers",
    "families": "Casts",
    "reduction": "Reductions",
    "statistics": "Statistics",
    "quantiles": "Statistics",
    "cumulative": "Running sums and products",
    "sorting": "Order",
    "contraction": "Products of vectors and matrices",
    "einsum": "Products of vectors and matrices",
    **dict.fromkeys(
        (
            "linalg_inverse",
            "linalg_solve",
            "linalg_cholesky",
            "linalg_qr",
            "linalg_svd",
            "linalg_eigen",
            "linalg_eig",
            "linalg_expm",
            "linalg_norm",
            "linalg_tensor",
        ),
        "Linear algebra",
    ),
    "movement": "Shape",
    "broadcast": "Broadcasting",
    "joining": "Joining and splitting",
    "arrange": "Order of axes and elements",
    "creation": "New arrays",
    "diagonal": "Diagonals",
    "padding": "Borders",
    "grids": "Grids",
    "shape": "Shapes as values",
    "specify": "Promises about shapes",
    "getitem": "Reading elements",
    "masks": "Masks",
    "along": "Picking by position",
    "positions": "Positions as numbers",
    "indexing": "Writing elements",
    "gather": "Reading and adding by index",
    "nnet": "Neural networks",
    "normalization": "Neural networks",
    "random": "Random numbers",
    "gradient": "Control of gradients",
    "reverse": "Differentiation",
    "forward": "Differentiation",
    "jacobian": "Differentiation",
    "numeric": "Differentiation",
    "ifelse": "Loops and branches",
    "function": "Evaluation",
}


# --- errors ------------------------------------------------------------------------


def errors_page() -> str:
    """Every exception class with its docstring: cause and cure."""
    lines = [
        "# Errors", "", NOTE, "",
        "All derive from `SymgraphError`, and from the built-in exception that NumPy or",
        "Theano raises for the same mistake. Messages name the operands, their types, the",
        "lines of your program that made them, and the cure.",
    ]  # fmt: skip
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, Exception):
            bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
            lines += ["", f"## {name}", "", f"A kind of {bases}.", ""]
            lines.append(_paragraphs(inspect.getdoc(kind) or ""))
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> str:
    """The text with `Cause:` and `Cure:` at the start of lines of their own."""
    return re.sub(r"\s+(Cause:|Cure:)", r"\n\n**\1**", text)


# --- operations --------------------------------------------------------------------


def ops_page() -> str:
    """Every public function: signature and the first paragraph of its docstring."""
    lines = [
        "# Operations", "", NOTE, "",
        "All are functions of `symgraph.tensor`. Those of *Neural networks* are also in",
        "`symgraph.tensor.nnet`, those of *Linear algebra* in `symgraph.tensor.linalg`",
        "(there `inv` is `matrix_inverse` and `norm` is `array_norm`). Many are methods of",
        "variables too: `x.sum(axis=0)`.",
        "A name with an underscore at its end stands for the one without.",
    ]  # fmt: skip
    for heading, functions in _sections():
        lines += ["", f"## {heading}", "", "| function | what it is |", "| --- | --- |"]
        for (signature, text), names in _merged(functions).items():
            also = "".join(f", `{name}`" for name in names[1:])
            lines.append(f"| `{_cell(names[0] + signature)}`{also} | {_cell(text)} |")
    kinds = [name for name in T.__all__ if name in T.RANKS]
    lines += [
        "", "## Variables", "",
        f"`{'`, `'.join(kinds)}`, each with a prefix for the dtype:",
        ", ".join(f"`{p}` {dtype}" for p, dtype in T.PREFIXES.items()) + ".",
        "With an `s` (`matrices` for `matrix`) they make several. `tensor` makes any rank.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _sections() -> Iterable[tuple[str, list[tuple[str, Callable[..., Any]]]]]:
    found: dict[str, dict[str, Callable[..., Any]]] = {}
    for name, function in PUBLIC.items():
        if name.isidentifier() and not name.startswith("_"):
            module = function.__module__.rpartition(".")[2]
            heading = SECTIONS.get(module, module.replace("_", " ").capitalize())
            found.setdefault(heading, {})[name] = function
    order = [*dict.fromkeys(SECTIONS.values()), *sorted(found)]
    for heading in dict.fromkeys(order):
        if heading in found:
            yield heading, sorted(found[heading].items())


def _merged(
    functions: list[tuple[str, Callable[..., Any]]],
) -> dict[tuple[str, str], list[str]]:
    """(signature, description) → all names of that function."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, function in functions:
        key = _signature(function), _first_paragraph(function)
        found.setdefault(key, []).append(name)
        found[key].sort(key=lambda n: n != function.__name__)
    return found


def _signature(function: Callable[..., Any]) -> str:
    parts, starred = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
            parts.append(f"*{parameter.name}")
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            parts.append("*")
        if parameter.kind is parameter.VAR_KEYWORD:
            parts.append(f"**{parameter.name}")
        elif parameter.default is parameter.empty:
            parts.append(parameter.name)
        else:
            parts.append(f"{parameter.name}={_default(parameter.default)}")
    return f"({', '.join(parts)})"


def _default(value: Any) -> str:
    if isinstance(value, Initializer):
        settings = ", ".join(_set(value))
        return f"{type(value).__name__}({settings})"
    if inspect.isroutine(value):
        return value.__name__
    text = repr(value)
    return "..." if " at 0x" in text else text


def _set(value: Initializer) -> Iterable[str]:
    """The settings of an initialiser that are not its defaults."""
    for name, parameter in inspect.signature(type(value)).parameters.items():
        found = getattr(value, name, parameter.default)
        same = found == parameter.default or found == (-0.01, 0.01)
        if not callable(found) and not same:
            yield f"{found!r}"


def _first_paragraph(documented: object) -> str:
    return " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


# --- settings ----------------------------------------------------------------------


def config_page() -> str:
    """The settings, their defaults and choices, and the environment variables."""
    lines = [
        "# Settings", "", NOTE, "",
        "`symgraph.config.floatX = \"float32\"` changes a setting;",
        "`with symgraph.config.override(floatX=\"float32\"):` does for a while;",
        "`SYMGRAPH_FLAGS=\"floatX=float32,mode=DEBUG\"` in the environment does at start.",
        "Settings are read while a graph is built or compiled.", "",
        "| setting | default | choices | what it is |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    kind = type(sg.config)
    texts = _attributes(inspect.getdoc(kind) or "")
    for name, default in config_module().DEFAULTS.items():
        text = _cell(texts.get(name, ""))
        lines.append(f"| `{name}` | `{default!r}` | {config_choices(name)} | {text} |")
    lines += [
        "", "## Environment", "", "| variable | what it is |", "| --- | --- |",
        *(f"| `{name}` | {text} |" for name, text in ENVIRONMENT.items()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


ENVIRONMENT = {
    "SYMGRAPH_FLAGS": "settings, as `name=value,name=value`",
    "SYMGRAPH_CACHE_DIR": "folder of the compiled code; "
    "`~/.cache/symgraph` by default (`XDG_CACHE_HOME` is honoured)",
    "SYMGRAPH_LOADER": "`elf` or `llvm`: how object code is mapped; by default the faster "
    "one that works",
    "SYMGRAPH_ENTRY": "`ctypes`: call compiled functions through ctypes, not natively",
    "SYMGRAPH_CPU_FEATURES": "`avx2`, `generic`, `-fma`, ...: compile for fewer CPU "
    "features than the machine has ([levels](vector-math.md))",
}


def config_choices(name: str) -> str:
    """The values that a setting may have."""
    values = config_module().CHOICES.get(name, ("True", "False"))
    return ", ".join(f"`{value}`" for value in values)


def config_module() -> Any:
    """The module; its name in the package is taken by the record of settings."""
    return sys.modules["symgraph.config"]


def _attributes(docstring: str) -> dict[str, str]:
    """Attribute → its description, from a NumPy docstring."""
    section = docstring.partition("----------\n")[2]
    found: dict[str, list[str]] = {}
    name = ""
    for line in section.splitlines():
        if line and not line.startswith(" "):
            name = line.partition(" :")[0]
            found[name] = []
        elif line.strip():
            found[name].append(line.strip())
    return {key: " ".join(lines) for key, lines in found.items()}


# --- all pages ---------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {
    "errors.md": errors_page,
    "ops.md": ops_page,
    "rules.md": rules_table,
    "config.md": config_page,
    **reference_modules.pages(_signature, NOTE),
}


def outdated(folder: Path = FOLDER) -> list[str]:
    """Names of the pages that differ from what the package says now."""
    return [
        name
        for name, make in PAGES.items()
        if not (folder / name).is_file()
        or (folder / name).read_text(encoding="utf-8") != make()
    ]


def main(arguments: list[str]) -> int:
    """Write the pages, or only compare them."""
    if arguments == ["--check"]:
        wrong = outdated()
        for name in wrong:
            print(f"docs/reference/{name} is out of date; run docs/make_reference.py")
        return 1 if wrong else 0
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
