"""Sums that contain other sums of the same graph are built from them.

    v' = mu*v - lr*g,  p' = p + mu*v - lr*g   ->   p' = p + v'

In: the whole graph. Out: new roots. A sum is taken apart into {term: coefficient} as in
collect.py; where the map of another sum (two terms or more) is contained in it, up to
one common factor, the smaller sum is reused.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from symgraph.core.graph import Graph
from symgraph.core.node import Variable, building
from symgraph.core.traverse import replace
from symgraph.ops.families import Elementwise
from symgraph.rewrite.collect import (
    Product,
    Sum,
    Term,
    build_sum,
    flatten,
    sum_parts,
)
from symgraph.rewrite.context import Context
from symgraph.rewrite.cost import (
    improvement,
    region_order,
    scalar_name,
)
from symgraph.rewrite.firings import Recorder
from symgraph.rewrite.numbers import number

NAME = "contained_sum_to_reuse"
Key = frozenset[tuple[Variable, int]]


def reuse_sums(graph: Graph, context: Context, record: Recorder) -> Sequence[Variable]:
    """Rebuild larger sums from smaller ones they contain."""
    found = _sums(graph, context)
    if len(found) < 2:
        return graph.roots
    by_term = _by_rarest_term(found)
    replacements: dict[Variable, Variable] = {}
    taken: set[Variable] = set()
    for v, total in sorted(found.items(), key=lambda item: -len(item[1].terms)):
        if v in taken:
            continue
        partners = {
            u
            for key in total.terms
            for u in by_term.get(key, ())
            if u is not v and found[u].terms.keys() <= total.terms.keys()
        }
        best: Variable | None = None
        for u in sorted(partners, key=lambda u: -len(found[u].terms)):
            if u in replacements:
                continue
            if v in set(region_order(u)):
                continue  # u is v and a constant: it is built from v already
            building.place = v.place
            made = _rebuilt(v, total, u, found[u])
            if made is None:
                continue
            fitted = context.fit(made, v)
            best = improvement(v, [fitted], context)
            if best is not None:
                taken.add(u)
                break
        if best is not None:
            replacements[v] = best
            record(NAME, v, best)
    if not replacements:
        return graph.roots
    return _substitute(graph, replacements)


def _by_rarest_term(found: dict[Variable, Sum]) -> dict[Key, list[Variable]]:
    """Sums by that one of their terms which the fewest of them have.

    What contains a sum has this term, and few do, even where all sums share another.
    """
    count = Counter(key for total in found.values() for key in total.terms)
    result: dict[Key, list[Variable]] = {}
    for v, total in found.items():
        result.setdefault(min(total.terms, key=count.__getitem__), []).append(v)
    return result


def _substitute(
    graph: Graph, replacements: dict[Variable, Variable]
) -> Sequence[Variable]:
    """Roots with the replacements, one after the other: they may contain one another."""
    roots: Sequence[Variable] = graph.roots
    pending = dict(replacements)
    while pending:
        old, new = pending.popitem()
        roots = replace(roots, {old: new})
        values = replace(list(pending.values()), {old: new})
        keys = replace(list(pending), {old: new})
        pending = {k: v for k, v in zip(keys, values, strict=True) if k is not v}
    return roots


def _sums(graph: Graph, context: Context) -> dict[Variable, Sum]:
    """Sums that are used as a whole, with what they are the sum of."""
    found: dict[Variable, Sum] = {}
    for node in graph.applies():
        v = node.outputs[0]
        if scalar_name(v) not in ("add", "sub"):
            continue
        users = context.users(v)
        if len(users) == 1 and users[0] is not None:
            if sum_parts(users[0].outputs[0]) is not None:
                continue  # part of a larger sum only
        order = region_order(v)
        total = flatten(v, set(order), order)
        if total is not None and 2 <= len(total.terms) <= 64:
            found[v] = total
    return found


def _rebuilt(v: Variable, total: Sum, u: Variable, part: Sum) -> Variable | None:
    """v as a sum with the variable u in place of the terms that u consists of."""
    if u.type.dtype != v.type.dtype or u.ndim > v.ndim:
        return None
    ratio: Any = None
    for key, term in part.terms.items():
        mine = total.terms.get(key)
        if mine is None:
            return None
        if ratio is None:
            ratio = mine.coefficient / term.coefficient
            if mine.coefficient != ratio * term.coefficient or ratio == 0:
                return None
            if isinstance(mine.coefficient, int) and ratio != int(ratio):
                return None
        elif mine.coefficient != ratio * term.coefficient:
            return None
    if isinstance(ratio, float) and ratio == int(ratio):
        ratio = int(ratio)
    rest = Sum(total.dtype, dict(total.terms), total.constant - ratio * part.constant)
    for key in part.terms:
        del rest.terms[key]
    product = Product(1, {u: 1})
    rest.terms[product.key] = Term(ratio, product, u)
    if len(rest.terms) == 1 and rest.constant == 0:
        if ratio == 1:
            return u
        if ratio == -1:
            negative: Variable = Elementwise("neg")(u)
            return negative
        scaled: Variable = Elementwise("mul")(number(ratio, total.dtype), u)
        return scaled
    return build_sum(rest)
