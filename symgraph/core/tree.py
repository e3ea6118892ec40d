"""Expressions as trees of text: one line for each use of a variable, indented.

    add [id A]
     |x [id B]
     |mul [id C]
       |x [id B]
       |2 [id D]

What has been shown already is named again, without what is below it. In: variables.
Out: text. One line for a whole expression, and one line a node, are in text.py.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from symgraph.core.inner import inners
from symgraph.core.node import Apply, Constant, Variable
from symgraph.core.text import leaf_text

#: how variables are numbered
IDS = ("CHAR", "int", "id", "auto", "")


def letters(number: int) -> str:
    """A, B, ... Z, BA, BB, ...: as Theano numbers.

    Examples
    --------
    >>> [letters(n) for n in (0, 25, 26, 700)]
    ['A', 'Z', 'BA', 'BAY']
    """
    found = ""
    while True:
        number, digit = divmod(number, 26)
        found = chr(ord("A") + digit) + found
        if not number:
            return found


class Tree:
    """Collects the lines; ids go on from one expression to the next."""

    def __init__(
        self,
        ids: str = "CHAR",
        depth: int = -1,
        print_type: bool = False,
        stop_on_name: bool = False,
        order: Sequence[Apply] | None = None,
    ) -> None:
        self.ids = ids
        self.depth = depth
        self.print_type = print_type
        self.stop_on_name = stop_on_name
        self.order = {node: k for k, node in enumerate(order or ())}
        self.lines: list[str] = []
        self._numbers: dict[Any, int] = {}
        self._shown: set[Apply] = set()
        self._waiting: list[Apply] = []  # with inner graphs, which come last

    def add(self, root: Variable) -> None:
        """The lines of one expression."""
        stack: list[tuple[Variable, int]] = [(root, 0)]
        while stack:
            v, level = stack.pop()
            node = v.owner
            again = node in self._shown
            self.lines.append(self._line(v, level, again))
            if node is None or again:
                continue
            if self.stop_on_name and level and v.name:
                continue
            if 0 < self.depth <= level + 1:
                continue
            self._shown.add(node)
            if inners(node.op):
                self._waiting.append(node)
            stack.extend((u, level + 1) for u in reversed(node.inputs))

    def add_inner_graphs(self) -> None:
        """The graphs inside loops and branches, each under the line of its node."""
        if self._waiting:
            self.lines += ["", "Inner graphs:"]
        while self._waiting:
            node = self._waiting.pop(0)
            for inner in inners(node.op):
                self.lines += ["", f"{node.op.name}{self._id(node)}"]
                for out in inner.outputs:
                    self.add(out)

    def _line(self, v: Variable, level: int, again: bool) -> str:
        margin = "" if not level else " " + "  " * (level - 1) + "|"
        node = v.owner
        if node is None:
            text = leaf_text(v) if isinstance(v, Constant) or not v.name else v.name
            return f"{margin}{text}{self._id(v)}{self._type(v)}"
        text = str(node.op) + (f".{v.index}" if len(node.outputs) > 1 else "")
        place = f"   {self.order[node]}" if node in self.order else ""
        name = f" '{v.name}'" if v.name else ""
        rest = " ..." if again and node.inputs else ""
        return f"{margin}{text}{self._id(node)}{self._type(v)}{name}{place}{rest}"

    def _id(self, thing: Any) -> str:
        if not self.ids:
            return ""
        number = self._numbers.setdefault(thing, len(self._numbers))
        if self.ids == "id":
            return f" [id {id(thing)}]"
        return f" [id {number if self.ids == 'int' else letters(number)}]"

    def _type(self, v: Variable) -> str:
        return f" <{v.type}>" if self.print_type else ""


def informative(obj: Variable) -> str:
    """What a variable is, down to named variables and constants: one line each.

    Examples
    --------
    >>> import symgraph.tensor as T
    >>> x = T.dscalar("x")
    >>> print(informative(T.exp(x * 2)))
    A. exp
     B. mul
      C. x
      D. 2
    """
    lines: list[str] = []
    numbers: dict[Variable, int] = {}
    stack: list[tuple[Variable, int]] = [(obj, 0)]
    while stack:
        v, level = stack.pop()
        indent = " " * level
        if v in numbers:
            lines.append(f"{indent}<{letters(numbers[v])}>")
            continue
        numbers[v] = len(numbers)
        node = v.owner
        if (v.name and level) or node is None:
            text = v.name or leaf_text(v)
        else:
            text = str(node.op) + (f".{v.index}" if len(node.outputs) > 1 else "")
            stack.extend((u, level + 1) for u in reversed(node.inputs))
        lines.append(f"{indent}{letters(numbers[v])}. {text}")
    return "\n".join(lines)


def tree(roots: Iterable[Variable], **options: Any) -> str:
    """The lines of several expressions; options as of `Tree`."""
    made = Tree(**options)
    for root in roots:
        made.add(root)
    made.add_inner_graphs()
    return "\n".join(made.lines)
