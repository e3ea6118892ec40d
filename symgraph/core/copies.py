"""Copies: how graphs and stacks of layers travel through `pickle` and `copy.deepcopy`.

Both follow references as deep as they go, and a graph is as deep as its longest path.
So whoever is copied has what it is made of copied first, one by one from the leaves
on: `InOrder` is a list that gives its items when the copier asks for them, and an item
that is reached meanwhile names those before it, which the copier knows already. In:
roots and a function that gives what lies below. Out: objects for ``__reduce_ex__``.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class _Here(threading.local):
    """What has been given to the copier of this thread; None where there is none."""

    given: set[int] | None = None


_here = _Here()


class Items(list[Any]):
    """What comes of `InOrder`: the copies, which nobody needs in themselves."""


class InOrder:
    """Everything below some roots, and they themselves, each behind what it is made of.

    Parameters
    ----------
    roots : objects
    below : gives what an object is made of, as far as it may be deep
    last : objects that are given after all others
    """

    def __init__(
        self,
        roots: Iterable[Any],
        below: Callable[[Any], Iterable[Any]],
        last: Iterable[Any] = (),
    ) -> None:
        self.roots = list(roots)
        self.below = below
        self.last = list(last)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Items, (), None, self._items()

    def _items(self) -> Iterator[Any]:
        outermost = _here.given is None
        given = _here.given = set() if _here.given is None else _here.given
        try:
            for item in ordered(self.roots, self.below, given):
                yield item
                given.add(id(item))
            yield from self.last
        finally:
            if outermost:
                _here.given = None


def is_given(item: Any) -> bool:
    """Whether the copier at work has this object already."""
    return _here.given is not None and id(item) in _here.given


def ordered(
    roots: Iterable[Any], below: Callable[[Any], Iterable[Any]], known: set[int]
) -> Iterator[Any]:
    """The roots and all below them, each after what lies below it; but those known.

    Examples
    --------
    >>> list(ordered([4], lambda n: range(1, n), set()))
    [1, 2, 3, 4]
    """
    seen: set[int] = set()
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        item, expanded = stack.pop()
        if expanded:
            yield item
        elif id(item) not in seen and id(item) not in known:
            seen.add(id(item))
            stack.append((item, True))
            stack.extend((part, False) for part in reversed(list(below(item))))
