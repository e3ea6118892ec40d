"""What only one branch of an `IfElse` needs is moved into that branch.

    t = exp(x); y = ifelse(c, t, x)   ->   y = ifelse(c, exp(x), x), exp in the branch

In: the whole graph, after all other rewrites. Out: new roots. Every node belongs to a
region: the graph itself, or one branch of an `IfElse`; a node that several regions read
belongs to the innermost one around them all. `IfElse` with the same condition, none of
which reads another, become one, so that their branches share what they compute. Where
one does read another (a gradient the value), what may not fit unless the condition holds
is computed in both.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

from symgraph.core.graph import Graph
from symgraph.core.inner import Inner
from symgraph.core.node import Apply, Constant, Variable, at_place_of
from symgraph.core.record import Record
from symgraph.core.traverse import applies, leaves, replace
from symgraph.extend.scalar_function import PREFIX as USER
from symgraph.loops.conditions import conditions_of, unsafe
from symgraph.loops.ifelse import IfElse
from symgraph.ops.families import Cast, Elementwise
from symgraph.ops.shape import Extent, SpecifyShape
from symgraph.rewrite.context import Context
from symgraph.rewrite.firings import Recorder
from symgraph.rewrite.loop_merge import known_as

NAME = "node_to_branch"
JOINED = "same_condition_to_one_branch"


class Region(Record, frozen=False):
    """The graph (no node), or the branch of a node that is evaluated if `side` is 0/1."""

    parent: "Region | None" = None
    node: Apply | None = None
    side: int = 0
    depth: int = 0


Regions = dict[Apply, list[Region]]
Table = dict[Variable, Variable]


def sink_branches(
    graph: Graph, context: Context, record: Recorder
) -> Sequence[Variable]:
    """Move nodes into the branches that alone need them."""
    if not any(isinstance(node.op, IfElse) for node in graph.applies()):
        return graph.roots
    roots = _joined(_decided(graph.roots), record)
    regions, branches = _assigned(roots)
    contents: dict[Region, list[Apply]] = {}
    order = applies(roots)
    for node in order:
        for region in regions.get(node, ()):
            contents.setdefault(region, []).append(node)
    if all(region.node is None for region in contents):
        return roots
    (top,) = (region for region in contents if region.node is None)
    table: Table = {}
    _write(contents[top], table, contents, branches)
    for node in contents[top]:
        if isinstance(node.op, IfElse) and any(b in contents for b in branches[node]):
            for old in node.outputs:
                record(NAME, old, table[old])
    return [table.get(v, v) for v in roots]


# --- before: what needs no branch ---------------------------------------------------


def _decided(roots: Sequence[Variable]) -> Sequence[Variable]:
    """Conditions that are known choose; equal branches need no choice."""
    made: Table = {}
    for node in applies(roots):
        inputs = [made.get(v, v) for v in node.inputs]
        op = node.op
        with at_place_of(node.outputs[0]):
            new = _choice(op, inputs) if isinstance(op, IfElse) else None
            if new is None:
                if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
                    continue
                new = op.make(*inputs)
        made.update(zip(node.outputs, new, strict=True))
    return [made.get(v, v) for v in roots] if made else roots


def _choice(op: IfElse, inputs: Sequence[Variable]) -> Sequence[Variable] | None:
    """The outputs that are chosen, if that is known."""
    condition, *captured = inputs
    if isinstance(condition, Constant):
        return (op.then if condition.data else op.orelse).apply(captured)
    sides = [branch.apply(captured) for branch in (op.then, op.orelse)]
    if all(a is b for a, b in zip(*sides, strict=True)):  # nodes are interned
        return sides[0]
    return None


def _joined(roots: Sequence[Variable], record: Recorder) -> Sequence[Variable]:
    """One `IfElse` for those with one condition that do not read one another.

    The depth of a node is the largest number of `IfElse` on a way to it. Those of equal
    depth cannot read one another, and joining them makes no circle.
    """
    depth: dict[Apply, int] = {}
    groups: dict[tuple[Variable, int], list[Apply]] = {}
    order = applies(roots)
    for node in order:
        owners = (v.owner for v in node.inputs)
        depth[node] = max(
            (depth[o] + isinstance(o.op, IfElse) for o in owners if o is not None),
            default=0,
        )
        if isinstance(node.op, IfElse):
            groups.setdefault((node.inputs[0], depth[node]), []).append(node)
    groups = {key: nodes for key, nodes in groups.items() if len(nodes) > 1}
    if not groups:
        return roots
    of: dict[Apply, list[Apply]] = {
        n: nodes for nodes in groups.values() for n in nodes
    }
    made: Table = {}

    def visit(targets: Iterable[Variable]) -> None:
        stack = list(targets)
        while stack:
            v = stack[-1]
            if v in made or v.owner is None:
                stack.pop()
                continue
            members = of.get(v.owner, [v.owner])
            waiting = [
                u
                for member in members
                for u in member.inputs
                if u.owner is not None and u not in made
            ]
            if waiting:
                stack += waiting
                continue
            if len(members) == 1:
                inputs = [made.get(u, u) for u in v.owner.inputs]
                with at_place_of(v):
                    new: Sequence[Variable] = v.owner.op.make(*inputs)
            else:
                new = _one(members, made)
            olds = [out for member in members for out in member.outputs]
            told = (known_as(v, old) for v, old in zip(new, olds, strict=True))
            made.update(zip(olds, told, strict=True))

    visit(roots)
    for nodes in groups.values():
        for old in (out for node in nodes for out in node.outputs):
            record(JOINED, old, made[old])
    return [made.get(v, v) for v in roots]


def _one(members: Sequence[Apply], made: Table) -> tuple[Variable, ...]:
    """One node that computes the outputs of several."""
    condition = members[0].inputs[0]
    captured = list(dict.fromkeys(v for m in members for v in m.inputs[1:]))
    sides = []
    for side in (0, 1):
        fresh = {v: _leaf(v) for v in captured}
        outputs = [
            out
            for member in members
            for out in _branch(member, side).apply(
                [fresh[v] for v in member.inputs[1:]]
            )
        ]
        sides.append(Inner(tuple(fresh.values()), outputs))
    with at_place_of(members[0].outputs[0]):
        return IfElse(*sides).make(*(made.get(v, v) for v in (condition, *captured)))


# --- which region a node belongs to --------------------------------------------------


def _assigned(
    roots: Sequence[Variable],
) -> tuple[Regions, dict[Apply, tuple[Region, Region]]]:
    """The region of each node that is needed, and both branches of each `IfElse`."""
    top = Region()
    order = applies(roots)
    paths = conditions_of(roots)
    risky = unsafe(paths)
    readers: dict[Variable, list[Region]] = {v: [top] for v in roots}
    regions: Regions = {}
    branches: dict[Apply, tuple[Region, Region]] = {}
    for node in reversed(order):
        reading = [r for out in node.outputs for r in readers.get(out, ())]
        if not reading:
            continue
        around = reduce(_around, reading)
        regions[node] = [around]
        if not isinstance(node.op, IfElse):
            if node in risky and around.depth < len(paths[node]):
                regions[node] = _outermost(reading)
            for v in node.inputs:
                readers.setdefault(v, []).extend(regions[node])
            continue
        readers.setdefault(node.inputs[0], []).append(around)
        pair = tuple(Region(around, node, side, around.depth + 1) for side in (0, 1))
        branches[node] = (pair[0], pair[1])
        for side in (0, 1):
            for v in _read_by(node, side):
                readers.setdefault(v, []).append(pair[side])
    _raise_scalars(order, regions, top)
    return regions, branches


def _outermost(regions: Sequence[Region]) -> list[Region]:
    """Regions, each once, without those inside another one."""
    return [
        region
        for region in dict.fromkeys(regions)
        if not any(
            other is not region and _around(region, other) is other for other in regions
        )
    ]


def _raise_scalars(order: Sequence[Apply], regions: Regions, top: Region) -> None:
    """Arithmetic of 0-d values goes where its operands are: it costs nothing there.

    So extents that the branches of a gradient need are known before a branch is entered.
    """
    for node in order:
        op = node.op
        if node not in regions or not isinstance(op, Elementwise | Cast | Extent):
            continue
        if isinstance(op, Elementwise) and op.scalar.startswith(USER):
            continue
        if any(out.ndim for out in node.outputs):
            continue
        if not isinstance(op, Extent) and any(v.ndim for v in node.inputs):
            continue
        places = [regions[v.owner] for v in node.inputs if v.owner is not None]
        if all(len(found) == 1 for found in places):
            inside = [found[0] for found in places]
            regions[node] = [max(inside, key=lambda r: r.depth, default=top)]


def _around(a: Region, b: Region) -> Region:
    """The innermost region that contains both."""
    while a is not b:
        if a.depth < b.depth:
            a, b = b, a
        assert a.parent is not None
        a = a.parent
    return a


def _branch(node: Apply, side: int) -> Inner:
    assert isinstance(node.op, IfElse)
    return node.op.orelse if side else node.op.then


def _read_by(node: Apply, side: int) -> list[Variable]:
    """What one branch of an `IfElse` needs of what both capture."""
    assert isinstance(node.op, IfElse)
    return [node.inputs[k] for k in node.op.reads(not side)[1:]]


# --- writing the regions -------------------------------------------------------------

Contents = dict[Region, list[Apply]]
Branches = dict[Apply, tuple[Region, Region]]


def _write(
    nodes: Iterable[Apply], table: Table, contents: Contents, branches: Branches
) -> None:
    """Make the nodes of a region again; `table` tells what stands for what in it."""
    for node in nodes:
        with at_place_of(node.outputs[0]):
            if isinstance(node.op, IfElse):
                new = _written(node, table, contents, branches)
            else:
                new = node.op.make(*(table.get(v, v) for v in node.inputs))
        for old, fresh in zip(
            node.outputs, map(_as_known, new, node.outputs), strict=True
        ):
            table[old] = fresh
            if fresh.name is None and fresh.owner is not None:
                fresh.name = old.name


def _as_known(new: Variable, old: Variable) -> Variable:
    """A value with the extents that were known of it; inside, less follows by itself."""
    pairs = zip(new.type.shape, old.type.shape, strict=True)
    shape = tuple(o if n is None else n for n, o in pairs)
    return new if shape == new.type.shape else SpecifyShape(shape).make(new)[0]


def _written(
    node: Apply, table: Table, contents: Contents, branches: Branches
) -> tuple[Variable, ...]:
    captured = list(
        dict.fromkeys(
            v for side in (0, 1) for v in _outside(node, side, contents, branches)
        )
    )
    sides = []
    for side, region in enumerate(branches[node]):
        own = {v: _leaf(v) for v in captured}
        inside = dict(own)
        _write(contents.get(region, ()), inside, contents, branches)
        branch = _branch(node, side)
        pairs = zip(branch.inputs, node.inputs[1:], strict=True)
        needed = set(leaves(branch.outputs))
        given = {leaf: inside.get(v, v) for leaf, v in pairs if leaf in needed}
        sides.append(Inner(tuple(own.values()), replace(branch.outputs, given)))
    condition = table.get(node.inputs[0], node.inputs[0])
    return IfElse(*sides).make(condition, *(table.get(v, v) for v in captured))


def _outside(
    node: Apply, side: int, contents: Contents, branches: Branches
) -> Iterator[Variable]:
    """What a branch with its nodes reads from around it; constants it has itself."""
    inside = contents.get(branches[node][side], [])
    produced = {out for n in inside for out in n.outputs}
    needed: list[Variable] = []
    for n in inside:
        if isinstance(n.op, IfElse):
            needed.append(n.inputs[0])
            for inner in (0, 1):
                needed.extend(_outside(n, inner, contents, branches))
        else:
            needed.extend(n.inputs)
    needed.extend(_read_by(node, side))
    for v in needed:
        if v not in produced and not isinstance(v, Constant):
            yield v


def _leaf(v: Variable) -> Variable:
    return Variable(v.type, None, 0, v.name, v.place)
