"""Printing an expression: on one line in infix, or as a numbered program with types.

`expression(v)` gives ``2 * (x + y)``; `program(graph)` gives one line per node with its
type. Both read the op's `symbol` where it has one; neither evaluates anything.
"""

from collections.abc import Iterable

from symgraph.core.graph import Graph
from symgraph.core.node import Constant, Variable
from symgraph.core.traverse import applies, leaves

#: op name → (symbol, precedence); higher binds tighter
INFIX = {
    "or": ("|", 1), "xor": ("^", 2), "and": ("&", 3),
    "lt": ("<", 4), "le": ("<=", 4), "gt": (">", 4), "ge": (">=", 4),
    "eq": ("==", 4), "ne": ("!=", 4),
    "add": ("+", 6), "sub": ("-", 6), "mul": ("*", 7), "div": ("/", 7),
    "floordiv": ("//", 7), "mod": ("%", 7), "dot": ("@", 7), "pow": ("**", 9),
}  # fmt: skip
_LEFT = {"sub", "div", "floordiv", "mod"}
LIMIT = 2000


def expression(variable: Variable, names: dict[Variable, str] | None = None) -> str:
    """The expression that computes a variable, on one line.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x, y = T.dvectors("x", "y")
    >>> expression((x + y) * 2)
    '(x + y) * 2'
    """
    text, _ = _render(variable, names or {}, 0)
    return text if len(text) <= LIMIT else text[: LIMIT - 3] + "..."


def leaf_text(variable: Variable) -> str:
    """A leaf: its name, its value, or its type."""
    if isinstance(variable, Constant):
        if variable.name:
            return variable.name
        data = variable.data
        if data.ndim == 0:
            value = data.item()
            text = str(data) if data.dtype.name == "float32" else repr(value)
            if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
                text = "-0.0" if str(value) == "-0.0" else str(int(value))
            return f"({text})" if text.startswith("-") else text
        if data.size and data.ndim and (data == data.flat[0]).all() and data.size > 4:
            return f"full({data.shape}, {data.flat[0]})"
        return repr(data.tolist()) if data.size <= 6 else f"<{variable.type}>"
    return variable.name or f"<{variable.type}>"


def _render(
    variable: Variable, names: dict[Variable, str], depth: int
) -> tuple[str, int]:
    if variable in names:
        return names[variable], 99
    node = variable.owner
    if node is None:
        return leaf_text(variable), 99
    if depth > 40:
        return "...", 99
    parts = [_render(v, names, depth + 1) for v in node.inputs]
    name = getattr(node.op, "symbol", None) or node.op.name
    if name in INFIX and len(parts) >= 2:
        symbol, level = INFIX[name]
        texts = []
        for position, (text, inner) in enumerate(parts):
            tight = inner > level or (inner == level and position == 0)
            if name not in _LEFT and name not in ("pow", "dot") and inner == level:
                tight = True
            texts.append(text if tight else f"({text})")
        return f" {symbol} ".join(texts), level
    if name == "neg":
        text, inner = parts[0]
        return f"-{text}" if inner > 8 else f"-({text})", 8
    custom = getattr(node.op, "render", None)
    if custom is not None:
        body = custom([text for text, _ in parts])
        return (body if len(node.outputs) == 1 else f"{body}[{variable.index}]"), 99
    body = f"{_name(node.op, name)}({', '.join(text for text, _ in parts)})"
    return (body if len(node.outputs) == 1 else f"{body}[{variable.index}]"), 99


def _name(op: object, name: str) -> str:
    fields = getattr(op, "fields", ())
    values = [getattr(op, f) for f in fields if f not in ("scalar",)]
    inside = ", ".join(map(str, values))
    return f"{name}{{{inside}}}" if inside else name


def program(graph: Graph) -> str:
    """One line per node: number, type, what it computes; then outputs and updates."""
    return lines(graph.roots, graph)


def lines(roots: Iterable[Variable], graph: Graph | None = None) -> str:
    """The nodes that compute `roots`, one a line, in order of computation.

    The graphs inside a node (an op with `insides`) follow it, indented.
    """
    roots = tuple(roots)
    names: dict[Variable, str] = {}
    out: list[str] = []
    given = graph.inputs if graph is not None else ()
    for leaf in [*given, *(v for v in leaves(roots) if v not in set(given))]:
        if isinstance(leaf, Constant):
            continue
        names[leaf] = leaf.name or f"in{len(names)}"
        kind = "input " if leaf in given else "shared"
        out.append(f"{kind} {names[leaf]} : {leaf.type}")
    count = 0
    for node in applies(roots):
        for variable in node.outputs:
            text, _ = _render(variable, names, 0)
            names[variable] = f"%{count}"
            count += 1
            label = f"  # {variable.name}" if variable.name else ""
            out.append(f"{names[variable]} : {variable.type} = {text}{label}")
        for title, inner in node.op.insides():
            inside = lines(inner.outputs, Graph(inner.inputs, inner.outputs))
            out += [f"  {title}", *(f"    {line}" for line in inside.splitlines())]
    if graph is not None:
        for variable in graph.outputs:
            out.append(f"output {_render(variable, names, 0)[0]}")
        for target, new in graph.updates:
            out.append(f"update {names.get(target, target.name)} <- "
                       f"{_render(new, names, 0)[0]}")  # fmt: skip
    return "\n".join(out)
