"""What rewriting writes down: each firing of a rule, and rules that went in a circle.

`Recorder` is what transforms of whole graphs are given for it. Every replacement is
checked here: it may not change what is known of a type.
"""

from symgraph.core.node import Place, Variable
from symgraph.core.record import Record
from symgraph.core.text import expression
from symgraph.errors import RewriteError

#: operations that the text of a firing shows
DEPTH = 6


class Firing(Record):
    """One application of a rule.

    Attributes
    ----------
    rule : name of the rule
    old, new : the variable before and after
    place : (file, line) of the user's code
    pass_name : the pass it happened in
    """

    rule: str
    old: Variable
    new: Variable
    place: Place
    pass_name: str

    @property
    def before(self) -> str:
        """The expression before, in infix; what is deep inside is left out."""
        return shallow(self.old)

    @property
    def after(self) -> str:
        """The expression after."""
        return shallow(self.new)

    def __str__(self) -> str:
        file, line = self.place
        return f"{self.rule}: {self.before} -> {self.after}  ({file}:{line})"


class Cycle(Record):
    """Rules that went round in a circle, and were stopped.

    Attributes
    ----------
    pass_name : the pass it happened in
    rules : names of the rules
    variable : what they rewrote; None where graphs as a whole came back
    """

    pass_name: str
    rules: tuple[str, ...]
    variable: Variable | None = None

    def __str__(self) -> str:
        where = ""
        if self.variable is not None:
            file, line = self.variable.place
            where = f" at {shallow(self.variable)}  ({file}:{line})"
        return (
            f"pass {self.pass_name}: rules go round in a circle, "
            f"{', '.join(self.rules)}{where}"
        )


class Recorder:
    """Writes down what a transform does to the graph."""

    def __init__(self, stage: str, firings: list[Firing], cycles: list[Cycle]) -> None:
        self.stage = stage
        self.firings = firings
        self.cycles = cycles

    def __call__(self, rule: str, old: Variable, new: Variable) -> None:
        """A replacement."""
        check(rule, old, new)
        if new.name is None and old.name is not None and new.owner is not None:
            new.name = old.name
        self.firings.append(Firing(rule, old, new, old.place, self.stage))


def check(rule: str, old: Variable, new: Variable) -> None:
    """Raise RewriteError where a replacement changes what is known of the type."""
    if (
        old.type.dtype != new.type.dtype
        or old.ndim != new.ndim
        or any(
            o is not None and o != n
            for o, n in zip(old.type.shape, new.type.shape, strict=True)
        )
    ):
        raise RewriteError(
            f"rule {rule}: {old.type} became {new.type}\n"
            f"  {expression(old)}\n  {expression(new)}"
        )


def shallow(v: Variable, depth: int = DEPTH) -> str:
    """`expression` of v without what lies deeper than `depth` operations."""
    names: dict[Variable, str] = {}
    level = {v}
    for _ in range(depth):
        level = {u for w in level if w.owner for u in w.owner.inputs}
    for u in level:
        if u.owner is not None and u is not v:
            names[u] = u.name or "..."
    return expression(v, names)
