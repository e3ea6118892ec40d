"""How tall tiles are, and how rows are divided among them.

In: a `Machine`, a kind of tile and its number of vectors. Out: the row counts that
tiles are compiled for, and which of them comes first for any number of rows. `tiles`
writes the code.
"""

from symgraph.backends.cpu.machine import Machine


def heights_of(cpu: Machine, kind: str, vectors: int) -> list[int]:
    """Row counts that tiles exist for; each takes some 10 ms to compile.

    Tiles of 4 rows of two vectors, or of 8 of one, already keep both multiply-add units
    busy; the tall ones save loads of weights and the cost of a tile's two ends.
    """
    most = cpu.rows(vectors)
    if most <= 8:
        return list(range(1, most + 1))
    middle = [7] if kind == "lanes" or vectors == 2 else [6]
    middle += [6] if vectors == 2 else []
    tall = [most - 2] if kind == "lanes" else [most]
    return sorted({1, 2, 3, 4, 8, *middle, *tall})


def first_tiles(vectors: int, heights: list[int]) -> list[int]:
    """The first tile to take of so many rows, up to twice the most.

    The dearest resource of a step counts: two multiply-adds a cycle with a latency of
    four, or four instructions a cycle; the ends of a tile count as one more cycle.
    """
    cost, first = [0.0], [0]
    for rows in range(1, 2 * heights[-1] + 1):
        choices = []
        for height in heights:
            if height <= rows:
                sums = height * vectors
                step = max(4.0, sums / 2, (sums + height + vectors + 5) / 4)
                choices.append((cost[rows - height] + step + 1, -height))
        found, height = min(choices)
        cost.append(found)
        first.append(-height)
    return first
