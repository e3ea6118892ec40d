"""Write stubs of what tables define: operators and methods of variables, and ``T``.

    python docs/make_stubs.py            write the files
    python docs/make_stubs.py --check    only tell which are out of date; exit code 1

In: the tables of core/operators.py, the registry of public functions, the constructors
of `symgraph.tensor`. Out: `symgraph/core/attached.pyi`, a class from which `Variable`
inherits while types are checked, and `symgraph/ops/functions.pyi`, whose names
`symgraph.tensor` then has; at run time there are no such modules. A test runs the check.
"""

import inspect
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import symgraph.tensor as T
from symgraph.core.node import Variable
from symgraph.core.operators import BINARY, COMPARISONS, METHODS, PROPERTIES, UNARY
from symgraph.core.public import PUBLIC

PACKAGE = Path(__file__).parent.parent / "symgraph"
HEAD = '''\
"""{title}

Made by docs/make_stubs.py; edit the tables and the functions, not this file.
"""

{imports}

from symgraph.core.node import Variable

'''
#: what is attached by name rather than from a table, where a type checker should allow it
BY_NAME = ("compress", "__iter__", "__bool__", "__float__", "__int__", "__index__")
#: what such a method gives, where its function does not say
RESULTS = {"__float__": "float", "__int__": "int"}
_SHORT = {"collections.abc.": "", "typing.": "", "symgraph.core.node.": ""}


def _annotation(given: Any) -> str:
    if given is inspect.Parameter.empty:
        return "Any"
    text = inspect.formatannotation(given)
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


def _declared(
    name: str, function: Callable[..., Any], method: bool, result: str | None = None
) -> str:
    signature = inspect.signature(function, eval_str=True)
    given = list(signature.parameters.values())
    parts = ["self"] if method else []
    starred = False
    for one in given[1:] if method else given:
        if one.kind is one.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred |= one.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        parts.append(_parameter(one))
    gives = result or _annotation(signature.return_annotation)
    indent = "    " if method else ""
    line = f"{indent}def {name}({', '.join(parts)}) -> {gives}: ..."
    if len(line) <= 88:
        return line
    inner = "".join(f"{indent}    {part},\n" for part in parts)
    return f"{indent}def {name}(\n{inner}{indent}) -> {gives}: ..."


def _members() -> Iterator[str]:
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
        yield _declared(name, PUBLIC[name], method=True)
    for name in BY_NAME:
        yield _declared(name, getattr(Variable, name), True, RESULTS.get(name))


def attached() -> str:
    """The class of operators and methods."""
    head = HEAD.format(
        title="Operators and methods of variables, which core/operators.py attaches.",
        imports="from collections.abc import Iterator, Mapping\nfrom typing import Any",
    )
    return head + "class Attached:\n" + "\n".join(_members()) + "\n"


def functions() -> str:
    """The public functions, and the constructors that `symgraph.tensor` makes."""
    head = HEAD.format(
        title="Public functions, which `symgraph.tensor` finds by name, and constructors.",
        imports="from collections.abc import Iterable, Mapping, Sequence\n"
        "from typing import Any",
    )
    found = {**PUBLIC, **T._CONSTRUCTORS}
    return head + "\n".join(_declared(n, found[n], False) for n in sorted(found)) + "\n"


FILES: dict[str, Callable[[], str]] = {
    "core/attached.pyi": attached,
    "ops/functions.pyi": functions,
}


def main(arguments: list[str], package: Path = PACKAGE) -> int:
    """Write the files, or only compare them."""
    wrong = False
    for name, make in FILES.items():
        file, text = package / name, make()
        if arguments == ["--check"]:
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                print(f"symgraph/{name} is out of date; run python docs/make_stubs.py")
                wrong = True
            continue
        file.write_text(text, encoding="utf-8")
        print(f"wrote symgraph/{name}")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
