"""Write symgraph/core/attached.pyi: what variables get from tables, for type checkers.

    python docs/make_attached.py            write the file
    python docs/make_attached.py --check    only tell whether it is out of date; exit code 1

In: the tables of core/operators.py and the signatures of the public functions that they
name. Out: a stub of the class from which `Variable` inherits while types are checked; at
run time there is no such class. A test runs the check.
"""

import inspect
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import symgraph.tensor  # noqa: F401  (registers the public functions)
from symgraph.core.node import Variable
from symgraph.core.op import PUBLIC
from symgraph.core.operators import BINARY, COMPARISONS, METHODS, PROPERTIES, UNARY

FILE = Path(__file__).parent.parent / "symgraph" / "core" / "attached.pyi"
HEAD = '''\
"""Operators and methods of variables, which core/operators.py attaches from its tables.

Made by docs/make_attached.py; edit the tables and the functions, not this file.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from symgraph.core.node import Variable

class Attached:
'''
#: what is attached by name rather than from a table, where a type checker should allow it
BY_NAME = ("compress", "__iter__", "__bool__", "__float__", "__int__", "__index__")
#: what such a method gives, where its function does not say
RESULTS = {"__float__": "float", "__int__": "int"}
_SHORT = {"collections.abc.": "", "typing.": "", "symgraph.core.node.": ""}


def _annotation(given: Any) -> str:
    text = (
        "Any" if given is inspect.Parameter.empty else inspect.formatannotation(given)
    )
    for long, short in _SHORT.items():
        text = text.replace(long, short)
    return text


def _parameter(given: inspect.Parameter) -> str:
    star = {given.VAR_POSITIONAL: "*", given.VAR_KEYWORD: "**"}.get(given.kind, "")
    text = f"{star}{given.name}: {_annotation(given.annotation)}"
    if isinstance(given.default, str):
        text += f" = {json.dumps(given.default)}"
    elif given.default is not given.empty:
        text += f" = {given.default!r}"
    return text


def _method(name: str, function: Callable[..., Any], result: str | None = None) -> str:
    signature = inspect.signature(function)
    parts = ["self"]
    starred = False
    for given in list(signature.parameters.values())[1:]:
        if given.kind is given.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred |= given.kind in (given.KEYWORD_ONLY, given.VAR_POSITIONAL)
        parts.append(_parameter(given))
    given = result or _annotation(signature.return_annotation)
    line = f"    def {name}({', '.join(parts)}) -> {given}: ..."
    if len(line) <= 88:
        return line
    inner = "".join(f"        {part},\n" for part in parts)
    return f"    def {name}(\n{inner}    ) -> {given}: ..."


def lines() -> Iterator[str]:
    """The members of the class."""
    for name in PROPERTIES:
        yield f"    @property\n    def {name}(self) -> Variable: ..."
    for name in UNARY:
        yield f"    def {name}(self) -> Variable: ..."
    for name in BINARY:
        yield f"    def {name}(self, other: Any) -> Variable: ..."
        yield f"    def __r{name[2:]}(self, other: Any) -> Variable: ..."
    for name in COMPARISONS:
        yield f"    def {name}(self, other: Any) -> Variable: ..."
    yield "    def __getitem__(self, index: Any) -> Variable: ..."
    yield "    def __round__(self, digits: int = 0) -> Variable: ..."
    for name in METHODS:
        yield _method(name, PUBLIC[name])
    for name in BY_NAME:
        yield _method(name, getattr(Variable, name), RESULTS.get(name))


def stub() -> str:
    """The text of the file."""
    return HEAD + "\n".join(lines()) + "\n"


def main(arguments: list[str], file: Path = FILE) -> int:
    """Write the file, or only compare it."""
    text = stub()
    if arguments == ["--check"]:
        same = file.is_file() and file.read_text(encoding="utf-8") == text
        if not same:
            print(f"{file.name} is out of date; run python docs/make_attached.py")
        return 0 if same else 1
    file.write_text(text, encoding="utf-8")
    print(f"wrote {file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
