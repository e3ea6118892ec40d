"""The rest of a vector loop of known extent: narrower vectors instead of one wide mask.

50 elements by 16 lanes leave 2, which one vector of 2 lanes computes. Accumulators of a
narrow vector are widened by the identity of their combination. In: the values of a
kernel (vector_values.py), what writes the body. Out: its instructions, in place.
"""

from collections.abc import Callable

from symgraph.backends.cpu import math as primitives
from symgraph.backends.cpu.llvm import Builder, Value
from symgraph.backends.cpu.vector_values import VectorValues
from symgraph.lower.ir import identity


def pieces(rest: int, lanes: int, short: bool) -> list[tuple[int, int]]:
    """(width, elements) of each vector that computes a part of `rest` elements.

    A width beyond one register of `lanes` is only taken as far as registers are full;
    `short` allows more than one piece, for each repeats the loop's body.

    Examples
    --------
    >>> pieces(18, 8, True), pieces(31, 8, True), pieces(3, 8, True)
    ([(16, 16), (2, 2)], [(32, 31)], [(4, 3)])
    """
    above = max(2, 1 << (rest - 1).bit_length())
    below = above // 2
    left = rest - below
    if short and above > rest and left > 0:
        after = max(2, 1 << (left - 1).bit_length())
        used = max(1, below // lanes) + max(1, after // lanes)
        if used < max(1, above // lanes):
            return [(below, below), *pieces(left, lanes, short)]
    return [(above, rest)]


def write_rest(
    w: VectorValues,
    index: str,
    carried: list[str],
    start: int,
    rest: int,
    lanes: int,
    short: bool,
    body: Callable[[int, Value | None], None],
) -> None:
    """Write the indices start .. start + rest - 1 of a vector loop.

    `body` writes the loop's body for a number of lanes, under a mask.
    """
    b = w.b
    for width, used in pieces(rest, lanes, short):
        before = {name: w.env[name] for name in carried}
        for name in carried:
            combine, dtype = w.combine[name]
            w.env[name] = b.const(identity(combine, dtype), dtype, width)
        w.env[index] = b.const(start, "int64")
        mask = None
        if used < width:
            flags = ", ".join(f"i1 {str(k < used).lower()}" for k in range(width))
            mask = Value(f"<{flags}>", "bool", width)
        body(width, mask)
        for name, value in before.items():
            combine, dtype = w.combine[name]
            wide = _widened(b, w.env[name], combine, value.lanes)
            w.env[name] = primitives.emit(b, combine, [value, wide], dtype)
        start += used


def _widened(b: Builder, value: Value, combine: str, lanes: int) -> Value:
    """A vector of more lanes, the new ones the identity of `combine`."""
    if value.lanes == lanes:
        return value
    other = b.const(identity(combine, value.dtype), value.dtype, value.lanes)
    picks = [k if k < value.lanes else value.lanes for k in range(lanes)]
    places = ", ".join(f"i32 {k}" for k in picks)
    widened: Value = b.op(
        f"shufflevector {value.type} {value.text}, {other.type} {other.text}, "
        f"<{lanes} x i32> <{places}>", value.dtype, lanes,
    )  # fmt: skip
    return widened
