"""Loops that do the same over the same operands become one.

A gradient reads a loop that does what the user's loop does and yields more; here the two
become one. In: a graph. Out: new roots.
"""

from collections.abc import Sequence
from itertools import combinations

from symgraph.core.graph import Graph, freeze
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Variable, at_place_of
from symgraph.core.traverse import applies
from symgraph.loops.scan import Scan
from symgraph.ops.indexing import Subtensor
from symgraph.ops.shape import SpecifyShape
from symgraph.ops.slices import ALL
from symgraph.rewrite.firings import Recorder

MERGED = "equal_loops_to_one"


def merged(graph: Graph, record: Recorder) -> Sequence[Variable]:
    """Loops over the same operands whose steps make the same states become one."""
    roots: Sequence[Variable] = graph.roots
    tried: set[tuple[Apply, Apply]] = set()
    while True:
        table = _one_pair(roots, tried)
        if not table:
            return roots
        for old, new in table.items():
            record(MERGED, old, new)
        roots = substituted(roots, table)


def _one_pair(
    roots: Sequence[Variable], tried: set[tuple[Apply, Apply]]
) -> dict[Variable, Variable]:
    groups: dict[tuple[object, ...], list[Apply]] = {}
    for node in applies(roots):
        op = node.op
        if isinstance(op, Scan):
            key = (node.inputs, op.sequences, op.states, op.until, op.backwards)
            groups.setdefault(key, []).append(node)
    for nodes in groups.values():
        for pair in combinations(nodes, 2):
            if pair not in tried:
                tried.add(pair)
                table = _joined(*pair)
                if table is not None:
                    return table
    return {}


def substituted(
    roots: Sequence[Variable], table: dict[Variable, Variable]
) -> list[Variable]:
    """Roots with variables replaced; the replacements stay as they are."""
    made = dict(table)
    for node in applies(roots):
        inputs = [made.get(v, v) for v in node.inputs]
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            continue
        with at_place_of(node.outputs[0]):
            copies = node.op.make(*inputs)
        for old, new in zip(node.outputs, copies, strict=True):
            made.setdefault(old, new)
    return [made.get(v, v) for v in roots]


def _joined(one: Apply, other: Apply) -> dict[Variable, Variable] | None:
    """Outputs of two loops → those of one that does both; None if they differ."""
    a, b = one.op, other.op
    assert isinstance(a, Scan)
    assert isinstance(b, Scan)
    if len(a.inner.inputs) != len(b.inner.inputs):
        return None
    inputs = a.inner.inputs
    if any(u.type != v.type for u, v in zip(inputs, b.inner.inputs, strict=True)):
        return None
    both = freeze(inputs, [*a.inner.outputs, *b.inner.apply(inputs)])
    count = len(a.inner.outputs)
    left, right = a.results(both.outputs[:count]), b.results(both.outputs[count:])
    if left.states != right.states or left.last is not right.last:
        return None
    rows = list(dict.fromkeys([*left.collected, *right.collected]))
    ends = [] if left.last is None else [left.last]
    keep = tuple(
        None if i is None or j is None else max(i, j)
        for i, j in zip(a.keep, b.keep, strict=True)
    )
    op = a.replace(
        inner=Inner(inputs, [*left.states, *rows, *ends]),
        keep=keep,
        truncate=None,
        recomputed=False,
    )
    found = op.results(op.make(*one.inputs))
    table: dict[Variable, Variable] = {}
    for node, mine, kept in ((one, left, a.keep), (other, right, b.keep)):
        outs = node.op.results(node.outputs)  # type: ignore[attr-defined]
        for old, new, k in zip(outs.states, found.states, kept, strict=True):
            if k is not None and new.type.shape[0] != k:
                spec = (("slice", -k, None, None), *(ALL,) * (new.ndim - 1))
                new = Subtensor(spec).make(new)[0]
            table[old] = known_as(new, old)
        for old, row in zip(outs.collected, mine.collected, strict=True):
            table[old] = known_as(found.collected[rows.index(row)], old)
        if outs.last is not None:
            table[outs.last] = found.last
    return table


def known_as(new: Variable, old: Variable) -> Variable:
    """`new`, told what the type of the variable that it replaces knew."""
    shape = tuple(
        n if o is None else o
        for n, o in zip(new.type.shape, old.type.shape, strict=True)
    )
    return new if shape == new.type.shape else SpecifyShape(shape).make(new)[0]
