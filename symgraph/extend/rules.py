"""`register_rule`: rules of the user take part wherever graphs are rewritten.

In: a rule, and the pass it belongs to. A function keeps the code that it was compiled to
before; the rules themselves are kept in rewrite/registry.py.
"""

from typing import Any

from symgraph.errors import RewriteError
from symgraph.rewrite.pipeline import DEFAULT, all_rules
from symgraph.rewrite.registry import added
from symgraph.rewrite.rule import Rule

#: passes that take rules of the user
PASSES = ("canonicalize", "stabilize", "specialize", "expand")


def register_rule(rule: Any = None, stage: str = "stabilize") -> Any:
    """Let a rule take part in all graphs that are compiled from now on.

    Rules of the user are tried before those of the package. Check a rule with
    `check_rule` first: a wrong one changes results.

    Parameters
    ----------
    rule : `Rule`, as from ``Rule(name, before, after, nan=...)`` or from ``@rule(...)``;
        left out, a decorator comes back
    stage : the pass it belongs to: "canonicalize", "stabilize", "specialize" or "expand"

    Returns
    -------
    the rule

    Raises
    ------
    RewriteError : no rule, a name that another rule has, or an unknown pass

    Examples
    --------
    >>> from symgraph.rewrite.pattern import wildcards
    >>> (x,) = wildcards("x")
    >>> mine = sg.register_rule(
    ...     sg.Rule("cosh_plus_sinh_to_exp", T.cosh(x) + T.sinh(x), T.exp(x), nan="exact"))
    >>> v = T.dvector("v")
    >>> f = sg.function([v], T.cosh(v) + T.sinh(v))
    >>> [firing.rule for firing in f.rewritten.firings]
    ['cosh_plus_sinh_to_exp']
    >>> sg.remove_rule(mine)
    """
    if rule is None:
        return lambda given: register_rule(given, stage)
    if not isinstance(rule, Rule):
        raise RewriteError(
            f"register_rule: {rule!r} is no Rule\nMake one with Rule(...) or @rule(...)."
        )
    if stage not in PASSES:
        raise RewriteError(
            f"register_rule: there is no pass {stage!r} for rules; there are "
            f"{', '.join(PASSES)}"
        )
    if any(known.name == rule.name for known in all_rules(DEFAULT)) or any(
        known.name == rule.name for known in registered_rules()
    ):
        raise RewriteError(
            f"register_rule: a rule named {rule.name!r} exists already\n"
            "Give it another name, or remove_rule the other one."
        )
    added.setdefault(stage, []).append(rule)
    return rule


def remove_rule(rule: Rule | str) -> None:
    """Take back a rule that was registered: the rule, or its name."""
    name = rule.name if isinstance(rule, Rule) else rule
    for rules in added.values():
        for known in rules:
            if known.name == name:
                rules.remove(known)
                return
    raise RewriteError(f"remove_rule: no rule named {name!r} is registered")


def registered_rules() -> list[Rule]:
    """The rules of the user, in the order of the passes."""
    return [rule for rules in added.values() for rule in rules]
