"""What an expression of + - * / and powers costs, and what replacing it saves.

In: variables of a frozen graph. Out: the nodes of such a region, those that nobody
else reads, and the cheapest of several candidates, if it is cheaper than what it makes
unnecessary. Used by collect.py, distribute.py and reuse.py.
"""

from collections.abc import Iterable

from symgraph.core.node import Variable
from symgraph.ops.families import Elementwise
from symgraph.rewrite.context import Context
from symgraph.rewrite.numbers import whole
from symgraph.rewrite.pattern import SWAPPABLE, number_of

SUM = frozenset(("add", "sub", "neg"))
PRODUCT = frozenset(("mul", "div", "neg", "pow"))
REGION = SUM | PRODUCT
LIMIT = 96  # nodes that one region may have
HIGHEST_POWER = 16

Cost = tuple[float, int, int]


def scalar_name(v: Variable) -> str:
    """Name of the scalar function that computes v, or ""."""
    node = v.owner
    if node is None or not isinstance(node.op, Elementwise):
        return ""
    return node.op.scalar


def region_order(root: Variable, limit: int = LIMIT) -> list[Variable]:
    """Nodes of + - * / pow below root, each before its operands."""
    order: list[Variable] = []
    seen: set[Variable] = set()
    stack: list[tuple[Variable, bool]] = [(root, False)]
    while stack:
        v, done = stack.pop()
        if done:
            order.append(v)
            continue
        if v in seen or scalar_name(v) not in REGION or len(seen) >= limit:
            continue
        seen.add(v)
        stack.append((v, True))
        assert v.owner is not None
        stack.extend((u, False) for u in reversed(v.owner.inputs))
    order.reverse()
    return order


def exclusive(order: list[Variable], context: Context) -> set[Variable]:
    """The nodes of a region that nothing outside of it reads, but for the root."""
    mine = {order[0]} if order else set()
    reads: dict[Variable, int] = {}
    for v in order:
        if v not in mine:
            if reads.get(v, 0) == 0 or reads[v] < len(context.users(v)):
                continue
            mine.add(v)
        assert v.owner is not None
        for u in v.owner.inputs:
            reads[u] = reads.get(u, 0) + 1
    return mine


def weight(v: Variable, ndim: int) -> tuple[float, int, int]:
    """Work of one node: (time, adds, other nodes); smaller ranks count less."""
    assert v.owner is not None
    name = scalar_name(v)
    scale = 1.0 if v.ndim >= ndim else 0.05
    if name in ("add", "sub"):
        return scale, 1, 0
    if name in ("mul", "neg"):
        return scale, 0, 1
    if name == "div":  # by a number: not replaced by an inexact reciprocal alone
        known = number_of(v.owner.inputs[1]) is not None
        return (1 if known else 3) * scale, 0, 1
    k = whole(number_of(v.owner.inputs[1]))
    if k is None or abs(k) > HIGHEST_POWER:
        return 20 * scale, 0, 0
    multiplications = max(abs(k).bit_length() - 1 + abs(k).bit_count() - 1, 0)
    return (multiplications + (3 if k < 0 else 0)) * scale, 0, 0


def total_cost(nodes: Iterable[Variable], ndim: int) -> Cost:
    """Sum of the weights."""
    time, adds, others = 0.0, 0, 0
    for v in nodes:
        t, a, o = weight(v, ndim)
        time, adds, others = time + t, adds + a, others + o
    return round(time, 6), adds, others


def improvement(
    old: Variable,
    candidates: Iterable[Variable | None],
    context: Context,
    dead: set[Variable] | None = None,
) -> Variable | None:
    """The cheapest candidate, if it costs less than what it makes unnecessary."""
    order = region_order(old)
    if dead is None:
        dead = exclusive(order, context)
    best_cost = total_cost(dead, old.ndim)
    best = None
    for candidate in candidates:
        if candidate is None or candidate is old:
            continue
        new = spelled_as(candidate, order)
        if new is old:
            continue
        built = [v for v in region_order(new) if v in dead or not context.knows(v)]
        cost = total_cost(_needed(new, built), old.ndim)
        if cost < best_cost:
            best, best_cost = new, cost
    if best is not None:
        context.forget(dead - {old} - set(region_order(best)))
    return best


def spelled_as(new: Variable, region: Iterable[Variable]) -> Variable:
    """b * a -> a * b in `new`, where the region has a * b already; likewise sums.

    The engine makes them one node. A candidate that differs in this alone would not be
    recognised as what is there, and lead to itself.
    """
    written = {
        (name, frozenset(v.owner.inputs)): v
        for v in region
        if v.owner is not None and (name := scalar_name(v)) in SWAPPABLE
    }
    instead: dict[Variable, Variable] = {}
    for v in reversed(region_order(new)):
        assert v.owner is not None
        inputs = [instead.get(u, u) for u in v.owner.inputs]
        twin = written.get((scalar_name(v), frozenset(inputs)))
        if twin is not None and twin.type.shape == v.type.shape:
            instead[v] = twin
        elif any(u in instead for u in v.owner.inputs):
            instead[v] = v.owner.op(*inputs)
    return instead.get(new, new)


def _needed(root: Variable, built: list[Variable]) -> set[Variable]:
    """Those of `built` that root reaches without going through other nodes."""
    allowed = set(built)
    found: set[Variable] = set()
    stack = [root]
    while stack:
        v = stack.pop()
        if v in allowed and v not in found:
            found.add(v)
            assert v.owner is not None
            stack.extend(v.owner.inputs)
    return found
