"""Kernels that run in parts: the range of one loop is begin .. end - 1.

    void @name(ptr slots, ptr buffers..., i64 sizes..., i64 begin, i64 end)
    void @name(..., i64 begin, i64 end, ptr partials, i64 count)      one that folds

A kernel that folds over the divided loop is called for its parts with a negative count,
and stores what each comes to in `partials`; then with an empty range and the number of
parts, which it combines in order and goes on with. Called with the whole range and no
parts it is the undivided kernel. The memory of a part: for each accumulator, one value
for each iteration of the loop around (or one), in cells of 8 bytes. In: the values of a
kernel (vector_values.py), what writes the loop. Out: lines in it.
"""

from collections.abc import Callable

from symgraph.backends.cpu import math as primitives
from symgraph.backends.cpu.llvm import Value
from symgraph.backends.cpu.steps import Part
from symgraph.backends.cpu.vector_blocks import rounds
from symgraph.backends.cpu.vector_values import VectorValues
from symgraph.lower.ir import Access, Init, Kernel, Loop

#: parts that are joined one after the other; such groups are joined in a tree
JOINED = 16


def part_parameters(kernel: Kernel, part: Part) -> list[str]:
    """Parameters that a divided kernel has beside the usual ones."""
    found = ["i64 %p.begin", "i64 %p.end"]
    (loop,) = (s for s in kernel.body if isinstance(s, Loop))
    body = kernel.body if loop.index == part.index else loop.body
    if any(isinstance(s, Init) for s in body):
        found += ["ptr %p.partials", "i64 %p.count"]
    return found


def write_part(
    w: VectorValues,
    part: Part,
    carried: list[str],
    run: Callable[[Value, Value], None],
    rest: Callable[[], None],
) -> None:
    """The part of the divided loop, and the rest of its block.

    Parameters
    ----------
    carried : accumulators of the loop
    run : writes the loop over a range
    rest : writes what follows it
    """
    begin, end = (Value(f"%p.{name}", "int64", 1) for name in ("begin", "end"))
    run(begin, end)
    if carried:
        _join(w, part, carried, rest)
    else:
        rest()


def _join(
    w: VectorValues, part: Part, names: list[str], rest: Callable[[], None]
) -> None:
    """Store what the part came to, or combine all parts and go on."""
    b = w.b
    saves, joins, done = b.label(), b.label(), b.label()
    only = b.op("icmp slt i64 %p.count, 0", "bool", 1)
    b.emit(f"br i1 {only.text}, label %{saves}, label %{joins}")
    cells = _Cells(w, part, len(names))

    b.place(saves)
    for number, name in enumerate(names):
        buffer, access = cells.at(number, w.combine[name][1], None)
        w.store(buffer, access, w.env[name])
    b.emit(f"br label %{done}")

    b.place(joins)

    def body() -> None:
        for number, name in enumerate(names):
            combine, dtype = w.combine[name]
            buffer, access = cells.at(number, dtype, w.env["partial"])
            value = w.load(buffer, access)
            w.env[name] = primitives.emit(b, combine, [w.env[name], value], dtype)

    count = Value("%p.count", "int64", 1)
    rounds(w, "partial", b.const(0, "int64"), count, 1, names, body, False, JOINED)
    rest()
    b.emit(f"br label %{done}")
    b.place(done)


class _Cells:
    """Where the parts of accumulators stand, as buffers of the kernel."""

    def __init__(self, w: VectorValues, part: Part, count: int) -> None:
        self.w = w
        self.count = count
        (loop,) = (s for s in w.kernel.body if isinstance(s, Loop))
        self.around = None if loop.index == part.index else loop

    def at(self, number: int, dtype: str, row: Value | None) -> tuple[str, Access]:
        """Accumulator `number` of part `row` (None: the part that is being run)."""
        w, b = self.w, self.w.b
        cells = b.const(1, "int64")
        if self.around is not None:
            cells = w.size(self.around.extent)
        place = b.mul(cells, b.const(number, "int64"))
        if row is not None:
            place = b.add(place, b.mul(b.mul(cells, b.const(self.count, "int64")), row))
        pointer = b.op(
            f"getelementptr i64, ptr %p.partials, i64 {place.text}", "int64", 1
        )
        buffer = f"cells{b.label()}"
        b.emit(f"%p.{buffer} = getelementptr i8, ptr {pointer.text}, i64 0")
        w.dtype[buffer] = dtype
        terms = () if self.around is None else ((self.around.index, 1),)
        return buffer, Access(0, terms)
