"""What the iterations of a loop share: whether threads may run them side by side.

In: loops and accesses of Kernel IR. Out: whether iterations touch different elements, and
which buffers and accumulators they touch. How threads then share them is the writer's.
"""

from collections.abc import Mapping
from typing import Any

from symgraph.lower.ir import (
    Access,
    Fold,
    Init,
    Load,
    Loop,
    Statement,
    Store,
    expressions,
    walk,
)


def is_independent(loop: Loop) -> bool:
    """Tell whether the iterations of a loop touch different elements.

    Each buffer written inside must be touched at one position only, which moves
    with the loop's index faster than with all that varies inside, or within
    bounds that are known and do not overlap from one iteration to the next.
    """
    if loop.kind == "vector" or loop.independent:
        return True
    stores: dict[str, set[Access]] = {}
    loads: dict[str, set[Access]] = {}
    extents = {s.index: s.extent for s in walk((loop,)) if isinstance(s, Loop)}
    for statement in walk(loop.body):
        if isinstance(statement, Store):
            stores.setdefault(statement.buffer, set()).add(statement.access)
        for part in expressions(statement):
            if isinstance(part, Load):
                loads.setdefault(part.buffer, set()).add(part.access)
    for buffer, written in stores.items():
        touched = written | loads.get(buffer, set())
        alone = len(touched) == 1 and _moves(
            *touched, index=loop.index, extents=extents
        )
        if not alone and not _apart(touched, loop.index, extents):
            return False
    return True


def escaping(loop: Loop) -> set[str]:
    """Return the accumulators that a loop folds into and does not declare."""
    inside = {s.name for s in walk(loop.body) if isinstance(s, Init)}
    return {s.name for s in walk(loop.body) if isinstance(s, Fold)} - inside


def touched(statement: Statement) -> tuple[set[str], set[str]]:
    """Return the buffers that a statement reads and those that it writes."""
    inside = tuple(walk((statement,)))
    loads = (e for s in inside for e in expressions(s) if isinstance(e, Load))
    return {e.buffer for e in loads}, {s.buffer for s in inside if isinstance(s, Store)}


def _apart(accesses: set[Access], index: str, extents: Mapping[str, Any]) -> bool:
    """Tell whether all elements that one iteration touches lie before the next's.

    That is so where sizes are known and each access moves with `index` by a stride
    longer than the span from the first to the last element of an iteration.
    """
    strides: set[tuple[Any, ...]] = set()
    first, last = [], []
    for access in accesses:
        own = [stride for name, stride in access.terms if name == index]
        inner: list[tuple[Any, Any]] = [
            (extents[n], s) for n, s in access.terms if n in extents and n != index
        ]
        outer = [term for term in access.terms if term[0] not in extents]
        offset: Any = access.offset
        known = [offset, *own, *(size for pair in inner for size in pair)]
        if access.dynamic or len(own) != 1 or any(isinstance(s, str) for s in known):
            return False
        reach = [stride * (extent - 1) for extent, stride in inner]
        first.append(offset + sum(min(r, 0) for r in reach))
        last.append(offset + sum(max(r, 0) for r in reach))
        strides.add((own[0], *sorted(outer)))
    return len(strides) == 1 and abs(strides.pop()[0]) > max(last) - min(first)


def _moves(access: Access, *, index: str, extents: Mapping[str, Any]) -> bool:
    """Tell whether positions of different values of `index` never meet.

    `extents` are those of the loop and of all loops inside. Each stride must be longer
    than the span of the shorter ones. Of sizes that only a call knows nothing follows
    here: `lower.independence` proves it from what they mean.
    """
    terms: list[tuple[str, Any]]
    terms = [(n, stride) for n, stride in access.terms if extents.get(n, 1) != 1]
    if access.dynamic is not None or index not in dict(access.terms):
        return False
    if any(
        isinstance(size, str) for n, stride in terms for size in (stride, extents[n])
    ):
        return False
    span = 0
    for stride, extent in sorted((abs(stride), extents[n]) for n, stride in terms):
        if stride <= span:
            return False
        span += stride * (extent - 1)
    return True
