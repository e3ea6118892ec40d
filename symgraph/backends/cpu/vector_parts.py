"""Kernels that run in parts: the range of one loop is begin .. end - 1.

    void @name(ptr slots, ptr buffers..., i64 sizes..., i64 begin, i64 end)
    void @name(..., i64 begin, i64 end, ptr partials, i64 count)      one that folds

A kernel that folds over the divided loop is called for its parts with a negative count,
and stores what each comes to in `partials`; then with an empty range and the number of
parts, which it combines in order and goes on with. Called with the whole range and no
parts it is the undivided kernel. The memory of a part: for each accumulator, one value
for each iteration of the loop around (or one), in cells of 8 bytes. In: the writer of a
kernel (vectors.py) and the loop. Out: lines in it.
"""

from typing import TYPE_CHECKING

from symgraph.backends.cpu import math as primitives
from symgraph.backends.cpu.llvm import Value
from symgraph.backends.cpu.steps import Part
from symgraph.lower.ir import Access, Init, Kernel, Loop, Statement

if TYPE_CHECKING:
    from symgraph.backends.cpu.vectors import _Writer


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


def write_part(w: "_Writer", loop: Loop, rest: tuple[Statement, ...]) -> None:
    """The part of the divided loop, and the rest of its block."""
    begin, end = (Value(f"%p.{name}", "int64", 1) for name in ("begin", "end"))
    names = w._carried(loop.body)
    if loop.kind == "vector" and w.lanes is None:
        assert w.part is not None and w.part.align % w._lane_count(loop) == 0
        w._vector_loop(loop, (begin, end))
    else:
        w._rounds(loop.index, begin, end, 1, names, lambda: w._block(loop.body),
                  False, loop.block)  # fmt: skip
    if names:
        _join(w, names, rest)
    else:
        w._block(rest)


def _join(w: "_Writer", names: list[str], rest: tuple[Statement, ...]) -> None:
    """Store what the part came to, or combine all parts and go on."""
    b = w.b
    saves, joins, done = b.label(), b.label(), b.label()
    only = b.op("icmp slt i64 %p.count, 0", "bool", 1)
    b.emit(f"br i1 {only.text}, label %{saves}, label %{joins}")
    cells = _Cells(w, len(names))

    b.place(saves)
    for number, name in enumerate(names):
        buffer, access = cells.at(number, w.combine[name][1], None)
        w._store(buffer, access, w.env[name])
    b.emit(f"br label %{done}")

    b.place(joins)

    def body() -> None:
        for number, name in enumerate(names):
            combine, dtype = w.combine[name]
            buffer, access = cells.at(number, dtype, w.env["partial"])
            value = w._load(buffer, access)
            w.env[name] = primitives.emit(b, combine, [w.env[name], value], dtype)

    count = Value("%p.count", "int64", 1)
    w._rounds("partial", b.const(0, "int64"), count, 1, names, body, False, JOINED)
    w._block(rest)
    b.emit(f"br label %{done}")
    b.place(done)


class _Cells:
    """Where the parts of accumulators stand, as buffers of the kernel."""

    def __init__(self, w: "_Writer", count: int) -> None:
        self.w = w
        self.count = count
        (loop,) = (s for s in w.kernel.body if isinstance(s, Loop))
        assert w.part is not None
        self.around = None if loop.index == w.part.index else loop

    def at(self, number: int, dtype: str, row: Value | None) -> tuple[str, Access]:
        """Accumulator `number` of part `row` (None: the part that is being run)."""
        w, b = self.w, self.w.b
        cells = b.const(1, "int64")
        if self.around is not None:
            cells = w._size(self.around.extent)
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
