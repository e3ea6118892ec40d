"""A random program as a small value: inputs, statements, outputs, updates, a cost.

A statement is a line of text with places for its operands. From the one text come the
symgraph program and the printed one (`Program.lines`), and NumPy's value: the text is run
with other meanings of `T` and `sg` (plain.py, unrolled.py).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

LETTERS = {
    "int8": "b", "int16": "w", "int32": "i", "int64": "l", "float32": "f",
    "float64": "d", "complex64": "c", "complex128": "z",
}  # fmt: skip
RANKS = ("scalar", "vector", "matrix", "tensor3", "tensor4")
NAMES = re.compile(r"\b[a-z]\d+\b")


@dataclass(frozen=True)
class Input:
    """An input or a shared variable; `dims` are names of extents, or numbers.

    `kind` tells how values are drawn (see `drawn`); `static` are the declared extents.
    """

    name: str
    dtype: str
    dims: tuple[str | int, ...]
    kind: str = "normal"
    static: tuple[int | None, ...] = ()
    shared: bool = False

    def declared(self, value: np.ndarray) -> str:
        """The line that makes the variable."""
        if self.shared:
            return f"{self.name} = sg.shared({literal(value)})"
        if any(n is not None for n in self.static) or self.dtype not in LETTERS:
            static = self.static or (None,) * len(self.dims)
            shape = "(" + "".join(f"{n}, " for n in static) + ")"
            return f"{self.name} = T.tensor({self.dtype!r}, {shape})"
        return f"{self.name} = T.{LETTERS[self.dtype]}{RANKS[len(self.dims)]}()"


def literal(value: np.ndarray) -> str:
    """An array as Python text."""
    if value.size:
        shown = value
        if value.dtype == np.float32:  # the short decimals that they were drawn as
            shown = np.round(value.astype(np.float64), 7)
            shown = shown if np.array_equal(shown.astype(np.float32), value) else value
        listed = repr(shown.tolist())
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            listed = re.sub(r"\b(nan|inf)\b", r"np.\1", listed)
    else:
        return f"np.zeros({value.shape}, {value.dtype.name!r})"
    if value.dtype == np.float64:
        return f"np.array({listed})"
    return f"np.array({listed}, {value.dtype.name!r})"


@dataclass(frozen=True)
class Piece:
    """A text with operands, and how many parameters of the step it brings."""

    text: str
    args: tuple[str, ...] = ()
    params: tuple[str, ...] = ()

    def expression(self) -> str:
        return self.text.format(*self.args)

    def renamed(self, names: Mapping[str, str]) -> "Piece":
        return replace(self, args=tuple(names.get(a, a) for a in self.args))


@dataclass(frozen=True)
class Block:
    """A loop: where the rows come from, the statements of its step, what that returns.

    The first results belong to `states`, in order; those after them are collected.
    """

    sequences: tuple[Piece, ...]
    states: tuple[Piece, ...]
    statements: tuple["Statement", ...]
    results: tuple[Piece, ...]
    until: Piece | None = None
    steps: Piece | None = None
    backwards: bool = False

    @property
    def params(self) -> tuple[str, ...]:
        return tuple(n for p in (*self.sequences, *self.states) for n in p.params)

    def inside(self) -> Iterator[Piece]:
        """What the step returns."""
        yield from self.results
        if self.until is not None:
            yield self.until

    def outside(self) -> list[str]:
        """Operands of the call of `scan`."""
        pieces = [*self.sequences, *self.states, *([self.steps] if self.steps else [])]
        return [a for p in pieces for a in p.args]

    def own(self) -> set[str]:
        """Names that are made inside."""
        return set(self.params) | {n for s in self.statements for n in s.names}

    def free(self) -> set[str]:
        """Names that the step takes from outside."""
        used = {n for s in self.statements for n in s.uses()}
        used |= {a for p in self.inside() for a in p.args}
        return used - self.own()

    def call(self, name: str) -> str:
        """The text of the call of `scan`."""
        parts = [name]
        if self.sequences:
            shown = ", ".join(p.expression() for p in self.sequences)
            parts.append(f"sequences=[{shown}]")
        if self.states:
            infos = [p.expression() for p in self.states]
            infos += ["None"] * (len(self.results) - len(self.states))
            parts.append(f"outputs_info=[{', '.join(infos)}]")
        if self.steps is not None:
            parts.append(f"n_steps={self.steps.expression()}")
        if self.backwards:
            parts.append("go_backwards=True")
        return f"sg.scan({', '.join(parts)}, return_list=True)"

    def returned(self) -> str:
        """What stands after `return`."""
        text = f"[{', '.join(p.expression() for p in self.results)}]"
        if self.until is not None:
            text += f", sg.until({self.until.expression()})"
        return text

    def renamed(self, names: Mapping[str, str]) -> "Block":
        inner = {a: b for a, b in names.items() if a not in self.own()}
        return replace(
            self,
            sequences=tuple(p.renamed(names) for p in self.sequences),
            states=tuple(p.renamed(names) for p in self.states),
            statements=tuple(s.renamed(inner) for s in self.statements),
            results=tuple(p.renamed(inner) for p in self.results),
            until=self.until and self.until.renamed(inner),
            steps=self.steps and self.steps.renamed(names),
        )


@dataclass(frozen=True)
class Statement:
    """``names = text``, where {0}, {1} in the text are `args`; a loop has a block."""

    names: tuple[str, ...]
    text: str
    args: tuple[str, ...] = ()
    block: Block | None = None
    tags: frozenset[str] = frozenset()

    def uses(self) -> list[str]:
        """Names of all operands, those of the block included."""
        if self.block is None:
            return list(self.args)
        return [*self.block.outside(), *sorted(self.block.free())]

    def expression(self) -> str:
        """The right side."""
        if self.block is not None:
            return self.block.call(f"step_{self.names[0]}")
        return self.text.format(*self.args)

    def lines(self, indent: str = "") -> Iterator[str]:
        """The text, with the function of the block before it."""
        left = ", ".join(self.names)
        if self.block is not None:
            yield f"{indent}def step_{self.names[0]}({', '.join(self.block.params)}):"
            for inner in self.block.statements:
                yield from inner.lines(indent + "    ")
            yield f"{indent}    return {self.block.returned()}"
            left = f"[{left}], _"
        yield f"{indent}{left} = {self.expression()}"

    def renamed(self, names: Mapping[str, str]) -> "Statement":
        """With other operands."""
        block = self.block and self.block.renamed(names)
        args = tuple(names.get(a, a) for a in self.args)
        return replace(self, args=args, block=block)

    def all(self) -> Iterator["Statement"]:
        """This statement and those of its block."""
        yield self
        if self.block is not None:
            for inner in self.block.statements:
                yield from inner.all()


@dataclass(frozen=True)
class Program:
    """A whole program, with the values of its first call."""

    inputs: tuple[Input, ...]
    statements: tuple[Statement, ...]
    outputs: tuple[str, ...]
    updates: tuple[tuple[str, str], ...] = ()
    costs: tuple[Statement, ...] = ()  # each the text of one summand, without names
    wrt: tuple[str, ...] = ()
    twice: bool = False  # the gradient of the squares of the gradient as well
    train: bool = False  # shared variables in `wrt` take a step down their gradient
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    extents: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0

    # --- text -----------------------------------------------------------------------

    @property
    def cost(self) -> str:
        """The text of the cost."""
        return " + ".join(s.expression() for s in self.costs)

    def body(self) -> list[str]:
        """The lines of the statements."""
        return [line for s in self.statements for line in s.lines()]

    def results(self) -> list[str]:
        """Names of what a call returns: outputs, then gradients."""
        names = [*self.outputs, *(f"g_{n}" for n in self.wrt)]
        return [*names, f"gg_{self.wrt[0]}"] if self.twice and self.wrt else names

    def all_updates(self) -> list[tuple[str, str]]:
        """(shared variable, text of its new value)."""
        found = list(self.updates)
        if self.train:
            done = {w for w, _ in found}
            for entry in self.inputs:
                n = entry.name
                if entry.shared and n in self.wrt and n not in done:
                    found.append((n, f"{n} - 0.125 * g_{n}"))
        return found

    def lines(self) -> list[str]:
        """The program as text, from the declarations to the gradients."""
        lines = [e.declared(self.values[e.name]) for e in self.inputs]
        lines += self.body()
        if self.wrt:
            names = ", ".join(f"g_{n}" for n in self.wrt)
            lines.append(f"cost = {self.cost}")
            lines.append(
                f"[{names}] = sg.grad(cost, [{', '.join(self.wrt)}], "
                'disconnected_inputs="ignore")'
            )
        if self.wrt and self.twice:
            squares = " + ".join(f"T.sqr(g_{n}).sum()" for n in self.wrt)
            lines.append(
                f"gg_{self.wrt[0]} = sg.grad({squares}, {self.wrt[0]}, "
                'disconnected_inputs="ignore")'
            )
        return lines

    def function_line(self) -> str:
        """The line that compiles it."""
        inputs = ", ".join(e.name for e in self.inputs if not e.shared)
        updates = ""
        if pairs := self.all_updates():
            shown = ", ".join(f"({w}, {new})" for w, new in pairs)
            updates = f", updates=[{shown}]"
        return f"f = sg.function([{inputs}], [{', '.join(self.results())}]{updates})"

    def text(self) -> str:
        """All of it."""
        given = [literal(self.values[e.name]) for e in self.inputs if not e.shared]
        return "\n".join(
            [*self.lines(), self.function_line(), f"f({', '.join(given)})"]
        )

    # --- structure --------------------------------------------------------------------

    def all_statements(self) -> Iterator[Statement]:
        for s in self.statements:
            yield from s.all()

    def tags(self) -> frozenset[str]:
        """What it is made of, for the mix."""
        found = {t for s in self.all_statements() for t in s.tags}
        if self.wrt:
            found.add("gradient")
        if self.wrt and self.twice:
            found.add("second")
        if self.updates or self.train:
            found.add("update")
        return frozenset(found)

    def pruned(self) -> "Program":
        """Without statements and inputs that nothing uses."""
        needed = set(self.outputs) | {n for pair in self.updates for n in pair}
        needed |= {a for s in self.costs for a in s.uses()} | set(self.wrt)
        kept: list[Statement] = []
        for s in reversed(self.statements):
            if needed & set(s.names):
                s = _pruned(s)
                kept.append(s)
                needed |= set(s.uses())
        inputs = tuple(e for e in self.inputs if e.name in needed)
        return replace(self, inputs=inputs, statements=tuple(reversed(kept)))


def _pruned(s: Statement) -> Statement:
    if s.block is None:
        return s
    needed = {a for p in s.block.inside() for a in p.args}
    kept: list[Statement] = []
    for inner in reversed(s.block.statements):
        if needed & set(inner.names):
            inner = _pruned(inner)
            kept.append(inner)
            needed |= set(inner.uses())
    return replace(s, block=replace(s.block, statements=tuple(reversed(kept))))


def drawn(
    entry: Input, extents: Mapping[str, int], random: np.random.Generator
) -> np.ndarray:
    """A value for an input."""
    shape = tuple(extents[d] if isinstance(d, str) else d for d in entry.dims)
    kind = entry.kind
    if kind.startswith("below"):
        bound = kind.removeprefix("below ")
        limit = extents[bound] if bound in extents else int(bound)
        return random.integers(0, max(limit, 1), shape).astype(entry.dtype)
    if entry.dtype == "bool":
        return random.random(shape) < 0.5
    if entry.dtype.startswith(("int", "uint")):
        low = 0 if entry.dtype.startswith("u") else -4
        return random.integers(low, 6, shape).astype(entry.dtype)
    if kind == "halves":
        found = random.integers(-3, 4, shape) / 2
    elif kind == "positive":
        found = np.round(random.uniform(0.2, 2, shape), 2)
    else:
        found = np.round(random.normal(size=shape), 2)
    if kind == "sorted":
        found = np.sort(found, axis=-1) if found.ndim else found
    return np.asarray(found).astype(entry.dtype)


def run(lines: Iterable[str], names: dict[str, Any]) -> dict[str, Any]:
    """Execute lines of text in a namespace."""
    exec("\n".join(lines), names)
    return names
