"""Layered layout of a directed graph: where each box and each edge goes.

In: a networkx graph without cycles and the size of each box. Out: the centre of each
box and the points of each edge, in pixels, x to the right and y down. The steps are
those of Sugiyama, Tagawa and Toda 1981, Methods for visual understanding of
hierarchical system structures: layers, order inside a layer by barycentres, positions.
Positions are the closest to where the neighbours want a box, without overlap: isotonic
regression (Barlow and Brunk 1972, The isotonic regression problem and its dual).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Node = Hashable
Point = tuple[float, float]

GAP_X = 18.0  # pixels between boxes of a layer
GAP_Y = 34.0  # pixels between layers
WAY = 8.0  # pixels of room for an edge that passes a layer
SWEEPS = 12


@dataclass(frozen=True)
class Layout:
    """Positions of a drawing.

    Attributes
    ----------
    centres : node → centre of its box
    routes : (from, to) → points of the edge, from the lower side of one box to the upper
        side of the other
    width, height : of the whole, in pixels
    """

    centres: Mapping[Node, Point]
    routes: Mapping[tuple[Node, Node], Sequence[Point]]
    width: float
    height: float


@dataclass(frozen=True)
class _Bend:
    """Where an edge passes a layer."""

    source: Node
    target: Node
    layer: int


def arrange(graph: Any, sizes: Mapping[Node, tuple[float, float]]) -> Layout:
    """Lay out a graph.

    Parameters
    ----------
    graph : networkx.DiGraph without cycles
    sizes : node → (width, height) of its box, in pixels

    Examples
    --------
    >>> import networkx
    >>> path = networkx.DiGraph([("x", "exp"), ("exp", "sum")])
    >>> made = arrange(path, {n: (40.0, 20.0) for n in path})
    >>> [made.centres[n] for n in path]
    [(20.0, 10.0), (20.0, 64.0), (20.0, 118.0)]
    """
    level = layers(graph)
    below, chains = _with_bends(graph, level)
    above: dict[Node, list[Node]] = {node: [] for node in below}
    for node, users in below.items():
        for user in users:
            above[user].append(node)
    rows: list[list[Node]] = [[] for _ in range(1 + max(level.values(), default=-1))]
    for node in below:
        rows[node.layer if isinstance(node, _Bend) else level[node]].append(node)
    rows = _ordered(rows, above, below)
    widths = {n: WAY if isinstance(n, _Bend) else sizes[n][0] for n in below}
    x = _positions(rows, widths, above, below)
    heights = [
        max((sizes[n][1] for n in row if not isinstance(n, _Bend)), default=0.0)
        for row in rows
    ]
    y, top = [], 0.0
    for height in heights:
        y.append(top + height / 2)
        top += height + GAP_Y
    centres = {node: (x[node], y[level[node]]) for node in graph}
    routes = {}
    for (source, target), chain in chains.items():
        start = (x[source], centres[source][1] + sizes[source][1] / 2)
        end = (x[target], centres[target][1] - sizes[target][1] / 2)
        bends = [(x[b], y[b.layer]) for b in chain]
        routes[source, target] = (start, *bends, end)
    width = max((x[n] + widths[n] / 2 for n in below), default=0.0)
    return Layout(centres, routes, width, max(top - GAP_Y, 0.0))


def layers(graph: Any) -> dict[Node, int]:
    """Layer of each node: below all its operands; leaves just above their first user.

    Examples
    --------
    >>> import networkx
    >>> layers(networkx.DiGraph([("x", "exp"), ("exp", "+"), ("b", "+")]))
    {'x': 0, 'exp': 1, '+': 2, 'b': 1}
    """
    import networkx

    order = list(networkx.topological_sort(graph))
    level: dict[Node, int] = {}
    for node in order:
        level[node] = 1 + max((level[p] for p in graph.predecessors(node)), default=-1)
    for node in order:
        users = [level[s] for s in graph.successors(node)]
        if not graph.in_degree(node) and users:
            level[node] = min(users) - 1
    return {node: level[node] for node in graph}


def crossings(upper: Sequence[Node], lower: Sequence[Node], below: Any) -> int:
    """Number of crossings of the edges between two neighbouring rows."""
    position = {node: i for i, node in enumerate(lower)}
    ends = [sorted(position[u] for u in below[n] if u in position) for n in upper]
    flat = [end for row in ends for end in row]
    return _inversions(flat)


def _inversions(values: list[int]) -> int:
    """Pairs that stand in the wrong order, by merging."""
    if len(values) < 2:
        return 0
    middle = len(values) // 2
    left, right = values[:middle], values[middle:]
    count = _inversions(left) + _inversions(right)
    left.sort()
    right.sort()
    i = 0
    for value in right:
        while i < len(left) and left[i] <= value:
            i += 1
        count += len(left) - i
    return count


def _with_bends(graph: Any, level: Mapping[Node, int]) -> tuple[Any, Any]:
    """Users of each node with a bend in every layer that an edge passes, and the bends."""
    below: dict[Node, list[Node]] = {node: [] for node in graph}
    chains: dict[tuple[Node, Node], tuple[_Bend, ...]] = {}
    for source, target in graph.edges:
        steps = range(level[source] + 1, level[target])
        chain = tuple(_Bend(source, target, layer) for layer in steps)
        chains[source, target] = chain
        for one, other in pairwise((source, *chain, target)):
            below.setdefault(one, []).append(other)
            below.setdefault(other, [])
    return below, chains


def _ordered(
    rows: list[list[Node]], above: Mapping[Node, Any], below: Mapping[Node, Any]
) -> list[list[Node]]:
    """The rows, each in an order that makes few crossings."""

    def total(candidate: list[list[Node]]) -> int:
        return sum(crossings(a, b, below) for a, b in pairwise(candidate))

    best, fewest = [list(row) for row in rows], total(rows)
    rows = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        downwards = sweep % 2 == 0
        numbers = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
        for number in numbers:
            fixed = rows[number - 1 if downwards else number + 1]
            at = {node: i for i, node in enumerate(fixed)}
            near = above if downwards else below
            own = {node: i for i, node in enumerate(rows[number])}

            def centre(
                node: Node, at: Any = at, near: Any = near, own: Any = own
            ) -> float:
                found = [at[n] for n in near[node] if n in at]
                return sum(found) / len(found) if found else float(own[node])

            rows[number] = sorted(rows[number], key=centre)
        count = total(rows)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def _positions(
    rows: list[list[Node]],
    widths: Mapping[Node, float],
    above: Mapping[Node, Any],
    below: Mapping[Node, Any],
) -> dict[Node, float]:
    """Horizontal centre of each box: near its neighbours, order kept, no overlap."""
    x: dict[Node, float] = {}
    for row in rows:
        left = 0.0
        for node in row:
            x[node] = left + widths[node] / 2
            left += widths[node] + GAP_X
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else reversed(rows):
            near = above if downwards else below
            wishes = []
            for node in row:
                found = [x[n] for n in near[node]]
                wishes.append(sum(found) / len(found) if found else x[node])
            for node, value in zip(row, spread(wishes, row, widths), strict=True):
                x[node] = value
    left = min((x[n] - widths[n] / 2 for n in x), default=0.0)
    return {node: value - left for node, value in x.items()}


def spread(
    wishes: Sequence[float], row: Sequence[Node], widths: Mapping[Node, float]
) -> list[float]:
    """The positions closest to the wishes (least squares) at which no boxes overlap.

    Examples
    --------
    >>> spread([0.0, 0.0], ["a", "b"], {"a": 20.0, "b": 20.0})
    [-19.0, 19.0]
    """
    offsets, at = [], 0.0
    for i, node in enumerate(row):
        if i:
            at += (widths[row[i - 1]] + widths[node]) / 2 + GAP_X
        offsets.append(at)
    # pools of (sum, count): wishes less offsets must not decrease along the row
    pools: list[tuple[float, int]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        pools.append((wish - offset, 1))
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            (a, n), (b, m) = pools.pop(), pools.pop()
            pools.append((a + b, n + m))
    means = [_mean(pool) for pool in pools for _ in range(pool[1])]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _mean(pool: tuple[float, int]) -> float:
    return pool[0] / pool[1]
