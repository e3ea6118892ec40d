"""The order of units while they are merged: which of them needs which, and a valid order.

Fusion asks again and again whether one unit depends on another through a third; a search
of the whole graph for each question would take quadratic time. So units have places in a
valid order, which is kept valid as units merge and dependences are added: a search
follows only what lies between two places, and only that is moved. A search that meets
more than `SEARCH` units is given up with the answer that forbids the merge. In:
dependences of units, by number. Out: answers, and the places.

References
----------
Pearce and Kelly 2006, A dynamic topological sort algorithm for directed acyclic graphs,
ACM Journal of Experimental Algorithmics 11, section 3.
"""

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any

#: units that one search looks at, at most
SEARCH = 1000


class Order:
    """Dependences: `before[u]` are the units that u needs, `after[u]` those needing it."""

    def __init__(self, units: Iterable[int]) -> None:
        self.before: dict[int, set[int]] = {u: set() for u in units}
        self.after: dict[int, set[int]] = {u: set() for u in self.before}
        self._place: dict[int, int] = {}

    def link(self, unit: int, needed: int) -> None:
        """Note that a unit needs another one; `settle` gives places afterwards."""
        if unit != needed:
            self.before[unit].add(needed)
            self.after[needed].add(unit)

    def settle(self, rank: Mapping[int, int]) -> None:
        """Give all units places, those of low rank early."""
        found = self.sorted(rank)
        self._place = {u: place for place, u in enumerate(found)}

    def sorted(self, rank: Mapping[int, Any]) -> list[int]:
        """All units, each after what it needs; of those that could be next the lowest."""
        waiting = {u: len(needed) for u, needed in self.before.items()}
        ready = [(rank[u], u) for u, count in waiting.items() if count == 0]
        heapify(ready)
        result: list[int] = []
        while ready:
            current = heappop(ready)[1]
            result.append(current)
            for after in self.after[current]:
                waiting[after] -= 1
                if waiting[after] == 0:
                    heappush(ready, (rank[after], after))
        assert len(result) == len(waiting), "fusion made a cycle"
        return result

    def needs(self, unit: int, other: int) -> bool:
        """Whether a unit reads what another one computes, without a third between."""
        return other in self.before[unit]

    def reaches(self, start: int, goal: int) -> bool:
        """Whether `goal` depends on `start` through a third unit, or may."""
        if self._place[start] > self._place[goal]:
            return False
        return self._affected(start, goal) is None

    def follow(self, unit: int, needed: int) -> None:
        """Have a unit come after another one, which must not depend on it."""
        if self._place[unit] < self._place[needed]:
            self._move(unit, needed)
        self.link(unit, needed)

    def merge(self, gone: int, kept: int) -> None:
        """Make two units one; neither `reaches` the other."""
        early, late = sorted((gone, kept), key=self._place.__getitem__)
        self._move(early, late)
        # `late` has all before it that either needs, and what needs either behind it
        self._place[kept] = self._place[late]
        for own, other in ((self.before, self.after), (self.after, self.before)):
            for neighbour in own.pop(gone):
                other[neighbour].discard(gone)
                if neighbour != kept:
                    other[neighbour].add(kept)
                    own[kept].add(neighbour)
        del self._place[gone]

    def _affected(self, early: int, late: int) -> tuple[set[int], set[int]] | None:
        """What comes between two units and needs the first; what the second needs there.

        None if something is both, or if there is too much of it.
        """
        place = self._place
        first, last = place[early], place[late]
        sides: list[set[int]] = []
        for start, links in ((early, self.after), (late, self.before)):
            seen: set[int] = set()
            stack = [start]
            while stack:
                for unit in links[stack.pop()]:
                    if first < place[unit] < last and unit not in seen:
                        seen.add(unit)
                        stack.append(unit)
                if len(seen) > SEARCH:
                    return None
            sides.append(seen)
        behind, ahead = sides
        return None if behind & ahead else (behind, ahead)

    def _move(self, early: int, late: int) -> None:
        """Put a unit, and what needs it before a later one, behind that."""
        affected = self._affected(early, late)
        assert affected is not None, "units that depend on one another"
        behind, ahead = affected
        place = self._place
        order = [
            *sorted(ahead, key=place.__getitem__),
            late,
            early,
            *sorted(behind, key=place.__getitem__),
        ]
        places = sorted(place[unit] for unit in order)
        place.update(zip(order, places, strict=True))
