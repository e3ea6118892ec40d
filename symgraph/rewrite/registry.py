"""Rules of the user, by pass, and what they add to the key of the cache.

Nothing here loads the rules of the package: a function that comes from the cache needs
none of them.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from symgraph.core.graph import Graph, fingerprint
from symgraph.core.traverse import leaves

if TYPE_CHECKING:
    from symgraph.rewrite.rule import Rule

Table = Mapping[str, tuple["Rule", ...]]
#: pass → rules of the user, which are tried before those of the package
added: dict[str, list["Rule"]] = {}


class _Here(threading.local):
    """The rules that this thread rewrites with, if they are not those of now."""

    table: Table | None = None


_here = _Here()


def present() -> Table:
    """The rules that graphs are rewritten with: pass → rules."""
    if _here.table is not None:
        return _here.table
    return {stage: tuple(rules) for stage, rules in added.items() if rules}


@contextlib.contextmanager
def using(table: Table) -> Iterator[None]:
    """Rewrite with rules that were present at another time: those of a function."""
    before = _here.table
    _here.table = table
    try:
        yield
    finally:
        _here.table = before


def stamp() -> tuple[Any, ...] | None:
    """What tells the rules of the user, for the key of the cache.

    None where that cannot be told: what a Python function does depends on more than its
    text. Then nothing is kept on disk.
    """
    found = []
    for stage, rules in sorted(present().items()):
        for rule in rules:
            if rule.before is None or rule.after is None or rule.when is not None:
                return None
            wildcards = [v for v in leaves([rule.before]) if hasattr(v, "kind")]
            pattern = Graph(tuple(wildcards), (rule.before, rule.after))
            kinds = tuple(v.kind for v in wildcards)
            found.append((stage, rule.dtypes, kinds, fingerprint(pattern)))
    return tuple(found)
