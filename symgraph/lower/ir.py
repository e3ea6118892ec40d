"""Kernel IR: the one normal form below the graph. A kernel is loops over flat buffers.

    kernel     := Kernel(name, buffers, sizes, body)
    buffer     := Buffer(name, dtype, role)            role: in | out | inout | scratch
    statement  := Let(name, expression)                a value, visible below in its block
                | Store(buffer, access, expression)
                | Loop(index, extent, body, kind, block, independent)
                                                       kind: serial | vector | unroll
                | Init(name, combine, dtype)           declares an accumulator
                | Fold(name, expression)               accumulator = combine(it, expression)
                | Fail(condition, code)                sets the error flag where true
    expression := Const(value, dtype) | Local(name, dtype) | Index(name) | SizeValue(size)
                | Load(buffer, access, dtype) | Call(function, arguments, dtype)
    access     := Access(offset, terms, dynamic)
                  element = offset + sum(index * stride for terms) + dynamic
    size       := int | str       a literal, or the name of a run-time int64 of the kernel

Indices, sizes and dynamic offsets are int64. All arguments of a `Call` have one dtype,
except `where` (bool condition first), `cast`, `philox`, comparisons (bool result) and
shifts. Functions are the scalar primitives (`PRIMITIVES`). A `vector` loop promises
that its iterations are independent but for `Fold`; an `unroll` loop has a literal
extent. An accumulator is read with `Local` after the loops that fold into it. Floats
that a loop with a `block` adds up are added in blocks of so many iterations (in a vector
loop: of so many vectors), and the blocks in a tree (lower/blocks.py). The iterations of
an `independent` loop are proven to touch different elements, but for what they fold
(lower/independence.py). A scratch buffer holds nothing before or after an iteration of
the outermost loop. Nothing here knows of graphs above or of machines below.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from symgraph.core.record import Record

Size = int | str

#: what the names of functions of the user begin with; each is a primitive of its own
USER = "user_"
COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
#: combine of an accumulator → its identity, given the dtype (see `identity`)
COMBINES = ("add", "mul", "maximum", "minimum", "and", "or")


class Access(Record):
    """Which element of a flat buffer: offset + sum(index * stride) + dynamic."""

    offset: Size = 0
    terms: tuple[tuple[str, Size], ...] = ()
    dynamic: "Expression | None" = None


class Const(Record):
    """A literal. `value` is a Python bool, int, float or complex."""

    value: Any
    dtype: str


class Local(Record):
    """The value of a `Let` or of an accumulator."""

    name: str
    dtype: str


class Index(Record):
    """The index of an enclosing loop, int64."""

    name: str
    dtype: str = "int64"


class SizeValue(Record):
    """A size as a value, int64."""

    size: Size
    dtype: str = "int64"


class Load(Record):
    """An element of a buffer."""

    buffer: str
    access: Access
    dtype: str


class Call(Record):
    """A scalar primitive applied to expressions; `dtype` is that of the result."""

    function: str
    arguments: tuple["Expression", ...]
    dtype: str


Expression = Const | Local | Index | SizeValue | Load | Call


class Let(Record):
    """Names the value of an expression."""

    name: str
    value: Expression


class Store(Record):
    """Writes an element of a buffer."""

    buffer: str
    access: Access
    value: Expression


class Loop(Record):
    """Runs `body` for index = 0 .. extent - 1."""

    index: str
    extent: Size
    body: tuple["Statement", ...]
    kind: str = "serial"
    block: int = 0
    independent: bool = False


class Init(Record):
    """Declares an accumulator and sets it to the identity of `combine`."""

    name: str
    combine: str
    dtype: str


class Fold(Record):
    """Combines a value into an accumulator declared outside."""

    name: str
    value: Expression


class Fail(Record):
    """Sets the function's error flag to `code` where the bool condition is true."""

    condition: Expression
    code: int


Statement = Let | Store | Loop | Init | Fold | Fail


class Buffer(Record):
    """A flat array that a kernel reads or writes."""

    name: str
    dtype: str
    role: str = "in"


class Kernel(Record):
    """A function of buffers and sizes that computes by loops.

    `origin` lists the user's places (file, line) whose expressions it computes.
    """

    name: str
    buffers: tuple[Buffer, ...]
    sizes: tuple[str, ...]
    body: tuple[Statement, ...]
    origin: tuple[tuple[str, int], ...] = ()


def identity(combine: str, dtype: str) -> Any:
    """The value that `combine` leaves unchanged, as a Python number.

    Examples
    --------
    >>> identity("add", "float32"), identity("maximum", "float64"), identity("and", "bool")
    (0.0, -inf, True)
    """
    if combine in ("and", "or"):
        return combine == "and" if dtype == "bool" else (-1 if combine == "and" else 0)
    if combine in ("add", "mul"):
        unit = 0 if combine == "add" else 1
        return (
            unit if "int" in dtype else bool(unit) if dtype == "bool" else float(unit)
        )
    low = combine == "maximum"
    if dtype == "bool":
        return not low
    if dtype.startswith("float"):
        return float("-inf") if low else float("inf")
    bits = int(dtype.lstrip("uint"))
    if dtype.startswith("uint"):
        return 0 if low else 2**bits - 1
    return -(2 ** (bits - 1)) if low else 2 ** (bits - 1) - 1


def walk(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement, outer before inner."""
    for statement in statements:
        yield statement
        if isinstance(statement, Loop):
            yield from walk(statement.body)


def expressions(statement: Statement) -> Sequence[Expression]:
    """Every expression that a statement evaluates itself, outer before inner."""
    kept = statement.__dict__
    found: list[Expression] | None = kept.get("_expressions")
    if found is None:
        found = kept["_expressions"] = []
        match statement:
            case Let(_, value) | Fold(_, value):
                _add_parts(value, found)
            case Store(_, access, value):
                _add_parts(value, found)
                if access.dynamic is not None:
                    _add_parts(access.dynamic, found)
            case Fail(condition, _):
                _add_parts(condition, found)
    return found


def parts(expression: Expression) -> Sequence[Expression]:
    """An expression and all inside it."""
    found: list[Expression] = []
    _add_parts(expression, found)
    return found


def _add_parts(expression: Expression, found: list[Expression]) -> None:
    found.append(expression)
    if isinstance(expression, Call):
        for argument in expression.arguments:
            _add_parts(argument, found)
    elif isinstance(expression, Load) and expression.access.dynamic is not None:
        _add_parts(expression.access.dynamic, found)


def text(kernel: Kernel) -> str:
    """The kernel as indented lines, for people."""
    head = ", ".join(f"{b.role} {b.name}: {b.dtype}" for b in kernel.buffers)
    sizes = f" sizes({', '.join(kernel.sizes)})" if kernel.sizes else ""
    lines = [f"kernel {kernel.name}({head}){sizes}"]
    _lines(kernel.body, 1, lines)
    return "\n".join(lines)


def _lines(body: tuple[Statement, ...], depth: int, out: list[str]) -> None:
    pad = "  " * depth
    for statement in body:
        match statement:
            case Let(name, value):
                out.append(f"{pad}{name} = {show(value)}")
            case Store(buffer, access, value):
                out.append(f"{pad}{buffer}[{show_access(access)}] = {show(value)}")
            case Loop(index, extent, inner, kind, block):
                mark = "" if kind == "serial" else f"{kind} "
                by = f" by blocks of {block}" if block else ""
                out.append(f"{pad}{mark}for {index} in {extent}{by}:")
                _lines(inner, depth + 1, out)
            case Init(name, combine, dtype):
                out.append(f"{pad}{name} = {identity(combine, dtype)}  # {dtype}")
            case Fold(name, value):
                out.append(f"{pad}{name} <- {show(value)}")
            case Fail(condition, code):
                out.append(f"{pad}fail {code} if {show(condition)}")


_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=",
          "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}  # fmt: skip


def show(expression: Expression) -> str:
    """One expression as text."""
    match expression:
        case Const(value, _):
            return repr(value)
        case Local(name, _) | Index(name, _):
            return name
        case SizeValue(size, _):
            return str(size)
        case Load(buffer, access, _):
            return f"{buffer}[{show_access(access)}]"
        case Call("cast", (argument,), dtype):
            return f"{dtype}({show(argument)})"
        case Call(function, (a, b), _) if function in _SIGNS:
            return f"({show(a)} {_SIGNS[function]} {show(b)})"
        case Call(function, arguments, _):
            return f"{function}({', '.join(map(show, arguments))})"


def show_access(access: Access) -> str:
    """The position of an access as text."""
    pieces = [
        index if stride == 1 else f"{index}*{stride}" for index, stride in access.terms
    ]
    if access.offset != 0:
        pieces.append(str(access.offset))
    if access.dynamic is not None:
        pieces.append(show(access.dynamic))
    return " + ".join(pieces) or "0"
