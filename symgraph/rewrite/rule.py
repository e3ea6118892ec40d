"""Rule: what is replaced by what, under which condition, and what it does to NaNs.

A rule is a pair of patterns, ``Rule("log_to_log1p", log(1 + x), log1p(x), nan="exact")``,
or, where patterns do not reach, a function marked with ``@rule``. In: a node of a frozen
graph. Out: the variable that replaces its output, or None. When rules are tried, in
which order and how often is left to engine.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

from symgraph.core.dtypes import is_complex, is_float, is_integer
from symgraph.core.node import Apply, Variable
from symgraph.core.record import Record
from symgraph.errors import RewriteError
from symgraph.ops.families import Elementwise
from symgraph.rewrite.context import Context
from symgraph.rewrite.pattern import Bindings, Matcher, compile_pattern, instantiate

#: a procedural rule: (node, context) → replacement of its output, or None
Procedure = Callable[[Apply, Context], Variable | None]
Condition = Callable[..., bool]

EXACT = "exact"
HIDES_NAN = "may hide NaN"
_LABELS = (EXACT, HIDES_NAN, "needs assumption: ")
_DTYPES: dict[str, Callable[[str], bool]] = {
    "float": is_float,
    "inexact": lambda dtype: is_float(dtype) or is_complex(dtype),
    "integer": is_integer,
    "number": lambda dtype: dtype != "bool",
    "real": lambda dtype: is_float(dtype) or is_integer(dtype),
    "any": lambda dtype: True,
    "bool": lambda dtype: dtype == "bool",
}


def key_of(node: Apply) -> str:
    """What rules are indexed by: the scalar function, else the name of the op's class."""
    op = node.op
    return op.scalar if isinstance(op, Elementwise) else type(op).__name__


class Rule(Record):
    """One rewrite.

    Attributes
    ----------
    name : this_to_that
    before, after : patterns; None for a procedural rule
    when : condition, called with what the wildcards stand for, by name
    nan : "exact", "may hide NaN", or "needs assumption: ..."
    source : where the formula is from, if it is no school mathematics
    dtypes : dtypes of the result it holds for: "float", "inexact" (float or complex),
        "real" (float or integer), "integer", "number" (all but bool), "bool", "any"
    apply : the function of a procedural rule
    on : keys of the nodes it is tried on (see `key_of`); "*" for all
    example : for a procedural rule, a function of vectors x, y, z (or matrices, see
        `ranks`) that gives an expression it changes
    ranks : ranks of the operands of `example`
    needs_users : whether it asks who else uses a variable
    """

    name: str
    before: Variable | None = None
    after: Variable | None = None
    when: Condition | None = None
    nan: str = ""
    source: str = ""
    dtypes: str = "float"
    apply: Procedure | None = None
    on: tuple[str, ...] = ()
    example: Callable[..., Variable] | None = None
    ranks: tuple[int, ...] = ()
    needs_users: bool = False
    text: str = ""
    matcher: Matcher | None = None

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **named)
        if not self.nan.startswith(_LABELS):
            raise RewriteError(
                f"rule {self.name}: nan={self.nan!r}; use {EXACT!r}, {HIDES_NAN!r} or "
                "'needs assumption: ...'"
            )
        if self.dtypes not in _DTYPES:
            raise RewriteError(f"rule {self.name}: unknown dtypes {self.dtypes!r}")
        if self.apply is not None:
            if not self.on:
                raise RewriteError(f"rule {self.name}: name the nodes it is tried on")
            return
        if self.before is None or self.after is None or self.before.owner is None:
            raise RewriteError(f"rule {self.name}: needs a pattern before and after")
        self.__dict__["on"] = (key_of(self.before.owner),)
        self.__dict__["matcher"] = compile_pattern(self.before)

    def replacement(self, node: Apply, context: Context) -> Variable | None:
        """What the output of `node` becomes, or None where the rule does not apply."""
        if self.matcher is None:
            assert self.apply is not None
            return self.apply(node, context)
        out = node.outputs[0]
        bound: Bindings = {}
        if not self.matcher(out, bound):
            return None
        if not _DTYPES[self.dtypes](out.type.dtype):
            return None
        if self.when is not None:
            if not self.when(**{str(w.name): v for w, v in bound.items()}):
                return None
        assert self.after is not None
        return context.fit(instantiate(self.after, bound, out.type.dtype), out)


def rule(
    name: str,
    on: str | Sequence[str],
    nan: str,
    example: Callable[..., Variable],
    ranks: Sequence[int] = (1, 1, 1),
    source: str = "",
    dtypes: str = "any",
    needs_users: bool = False,
) -> Callable[[Procedure], Rule]:
    """Make a procedural `Rule` of a function ``(node, context) -> replacement | None``.

    The first paragraph of the docstring is what the table of rules says.
    """

    def make(function: Procedure) -> Rule:
        keys = (on,) if isinstance(on, str) else tuple(on)
        accepts = _DTYPES[dtypes]

        def checked(node: Apply, context: Context) -> Variable | None:
            if not accepts(node.outputs[0].type.dtype):
                return None
            return function(node, context)

        text = " ".join((function.__doc__ or "").split("\n\n")[0].split())
        return Rule(
            name, nan=nan, source=source, dtypes=dtypes,
            apply=function if dtypes == "any" else checked, on=keys, example=example,
            ranks=tuple(ranks), needs_users=needs_users, text=text,
        )  # fmt: skip

    return make


def condition(**kinds: Any) -> Condition:
    """A `when` that asks each named operand one question.

    Examples
    --------
    >>> positive = condition(c=lambda v: v.data.min() > 0)
    """
    return lambda **bound: all(ask(bound[name]) for name, ask in kinds.items())
