"""`map`, `reduce`, `foldl`, `foldr`: loops of a simple kind, made of `scan`."""

from collections.abc import Callable
from typing import Any

from symgraph.loops.arguments import OrderedUpdates
from symgraph.loops.build import scan


def map(
    fn: Callable[..., Any],
    sequences: Any,
    non_sequences: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """out[t] = fn(x[t], ..., w, ...): a `scan` whose outputs are not taken back.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dmatrix("x")
    >>> lengths, _ = sg.map(lambda row: T.sqrt((row ** 2).sum()), x)
    >>> lengths.eval({x: [[3.0, 4.0], [6.0, 8.0]]})
    array([ 5., 10.])
    """
    return scan(
        fn, sequences, None, non_sequences, None, truncate_gradient, go_backwards,
        mode, name,
    )  # fmt: skip


def reduce(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """out = fn(x[n-1], fn(x[n-2], ... fn(x[0], initial))): the last row of a `scan`.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> x = T.dvector("x")
    >>> largest, _ = sg.reduce(lambda e, so_far: T.maximum(e, so_far), x, -1e300)
    >>> largest.eval({x: [1.0, 7.0, 3.0]})
    array(7.)
    """
    outputs, updates = scan(
        fn, sequences, outputs_info, non_sequences, None, -1, go_backwards, mode, name,
    )  # fmt: skip
    if isinstance(outputs, list):
        return [v[-1] for v in outputs], updates
    return outputs[-1], updates


def foldl(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """`reduce` from the first row to the last."""
    return reduce(fn, sequences, outputs_info, non_sequences, False, mode, name)


def foldr(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    mode: Any = None,
    name: str | None = None,
) -> tuple[Any, OrderedUpdates]:
    """`reduce` from the last row to the first.

    Examples
    --------
    >>> import symgraph as sg, symgraph.tensor as T
    >>> c, x = T.dvector("c"), T.dscalar("x")
    >>> value, _ = sg.foldr(lambda a, rest: a + x * rest, c, 0.0)
    >>> float(value.eval({c: [1.0, 2.0, 3.0], x: 10.0}))
    321.0
    """
    return reduce(fn, sequences, outputs_info, non_sequences, True, mode, name)
