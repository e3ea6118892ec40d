"""Sums of floats in blocks: the rounding error of a sum grows with the log of its length.

A loop that adds floats up runs in blocks of so many rounds. Each block's sum begins at
zero; the blocks are added as the digits of a counter are: a cell of level 0 takes
`RADIX` blocks and then goes to level 1, and so on. So no number is added to a sum that
is more than `RADIX` times as long, but for the terms of a block. With u the unit
roundoff, b rounds in a block and n rounds,

    |error| <= (b + RADIX * ceil(log(n / b) / log(RADIX))) * u * sum of |terms| + O(u**2)

for each lane of a vector; lanes are added pairwise. All follows from the extents, so
the result does not depend on who runs the loop. In: the writer of a kernel (vectors.py)
and a loop. Out: lines in it; what is done once for each block is in functions of the
module, which all its loops share.

References
----------
Higham 1993, The accuracy of floating point summation, SIAM J. Sci. Comput. 14(4).
Higham 2002, Accuracy and stability of numerical algorithms, sections 4.2 and 4.3.
"""

from collections.abc import Callable
from string import Template
from typing import TYPE_CHECKING

from symgraph.backends.cpu.llvm import Value, suffix
from symgraph.backends.cpu.llvm_types import attributes
from symgraph.core.dtypes import ITEMSIZE

if TYPE_CHECKING:
    from symgraph.backends.cpu.vectors import _Writer

#: sums that a cell of one level takes before it goes to the next; a power of two
RADIX_BITS = 4
RADIX = 1 << RADIX_BITS
#: the module's note on branches that are seldom taken
SELDOM = "!99"
#: cells of a sum; blocks of 128 rounds fill them after 1.4e14 rounds
LEVELS = 10


def run_in_blocks(
    w: "_Writer",
    index: str,
    start: Value,
    stop: Value,
    step: int,
    carried: list[str],
    body: Callable[[], None],
    certain: bool,
    block: int,
) -> None:
    """for index in range(start, stop, step): body; float sums in blocks of `block`."""
    b = w.b
    first = {n: w.env[n] for n in carried}
    size = block * step
    levels = LEVELS
    if stop.is_constant:
        levels = next(k for k in range(LEVELS) if int(stop.text) <= size * RADIX**k)
    cells = {n: _cells(w, v, levels) for n, v in first.items() if w.is_float_sum(n)}
    others = [n for n in carried if n not in cells]
    before, head, done = b.block, b.label(), b.label()
    if certain:
        b.emit(f"br label %{head}")
    else:
        some = b.compare("lt", start, stop)
        b.emit(f"br i1 {some.text}, label %{head}, label %{done}")
    b.place(head)
    top = len(b.lines)
    begin = Value(f"%{head}.i", "int64", 1)
    for position, name in enumerate(others):
        like = first[name]
        w.env[name] = Value(f"%{head}.a{position}", like.dtype, like.lanes)
    for name in cells:
        w.env[name] = b.const(0.0, first[name].dtype, first[name].lanes)
    end = b.add(begin, size)
    more = b.compare("lt", end, stop)
    bound = b.select(more, end, stop)
    w._counted(index, begin, bound, step, carried, body, True)
    keep, finish = b.label(), b.label()
    b.emit(f"br i1 {more.text}, label %{keep}, label %{finish}{_seldom(w)}")

    b.place(keep)
    number = b.binary("udiv", b.sub(begin, start), size)
    for name, at in cells.items():
        _put(w, at, w.env[name], number)
    b.emit(f"br label %{head}")
    phis = [(begin, start, end)]
    phis += [
        (Value(f"%{head}.a{k}", first[n].dtype, first[n].lanes), first[n], w.env[n])
        for k, n in enumerate(others)
    ]
    b.lines[top:top] = [
        f"  {name.text} = phi {name.type} [ {old.text}, %{before} ], "
        f"[ {new.text}, %{b.block} ]"
        for name, old, new in phis
    ]

    b.place(finish)
    passed, gather, whole = b.sub(begin, start), b.label(), b.label()
    several = b.compare("ne", passed, 0)
    b.emit(f"br i1 {several.text}, label %{gather}, label %{whole}{_seldom(w)}")
    b.place(gather)
    kept = b.binary("udiv", passed, size)
    totals = {n: _gathered(w, cells[n], w.env[n], kept) for n in cells}
    b.emit(f"br label %{whole}")
    b.place(whole)
    for name, total in totals.items():
        last = w.env[name]
        w.env[name] = b.op(
            f"phi {last.type} [ {last.text}, %{finish} ], "
            f"[ {total.text}, %{gather} ]", last.dtype, last.lanes,
        )  # fmt: skip
    for name in cells:
        old = first[name]
        if old != b.const(0.0, old.dtype, old.lanes):
            w.env[name] = b.fadd(old, w.env[name])
    after = b.block
    b.emit(f"br label %{done}")
    b.place(done)
    for name in carried if not certain else ():
        old = first[name]
        w.env[name] = b.op(
            f"phi {old.type} [ {old.text}, %{before} ], "
            f"[ {w.env[name].text}, %{after} ]", old.dtype, old.lanes,
        )  # fmt: skip


def _cells(w: "_Writer", like: Value, levels: int) -> str:
    """Memory on the stack for the cells of a sum, one for each level."""
    name = f"%{w.b.label()}.cells"
    w.stack.append(f"  {name} = alloca [{levels} x {like.type}], align 8")
    return name


def _seldom(w: "_Writer") -> str:
    """What tells LLVM to lay a branch's first way aside: most loops are short."""
    w.b.declarations[SELDOM] = f'{SELDOM} = !{{!"branch_weights", i32 1, i32 99}}'
    return f", !prof {SELDOM}"


def _put(w: "_Writer", cells: str, value: Value, number: Value) -> None:
    """Add the sum of block `number` to its cells: full cells go up a level."""
    name = _shared(w, PUT, "put", value)
    w.b.emit(
        f"call void @{name}(ptr {cells}, i64 {number.text}, {value.type} {value.text})"
    )


def _gathered(w: "_Writer", cells: str, value: Value, kept: Value) -> Value:
    """The last block and all cells that `kept` blocks have left, lowest first."""
    name = _shared(w, GATHER, "gather", value)
    return w.b.op(
        f"call {value.type} @{name}(ptr {cells}, i64 {kept.text}, "
        f"{value.type} {value.text})", value.dtype, value.lanes,
    )  # fmt: skip


def _shared(w: "_Writer", text: str, word: str, like: Value) -> str:
    """Name of a function of the module, written on its first use."""
    name = f"sg.blocks.{word}.{suffix(like.dtype, like.lanes)}"
    if name not in w.b.declarations:
        w.b.declarations[name] = Template(text).substitute(
            name=name, type=like.type, align=ITEMSIZE[like.dtype],
            notes=attributes(w.b.features), bits=RADIX_BITS, last=RADIX - 1,
        )  # fmt: skip
    return name


PUT = """
define internal void @$name(ptr %cells, i64 %number, $type %sum) $notes {
entry:
  br label %climb
climb:
  %value = phi $type [ %sum, %entry ], [ %new, %climb ]
  %count = phi i64 [ %number, %entry ], [ %rest, %climb ]
  %cell = phi ptr [ %cells, %entry ], [ %above, %climb ]
  %digit = and i64 %count, $last
  %fresh = icmp eq i64 %digit, 0
  %old = load $type, ptr %cell, align $align
  %both = fadd $type %old, %value
  %new = select i1 %fresh, $type %value, $type %both
  store $type %new, ptr %cell, align $align
  %rest = lshr i64 %count, $bits
  %above = getelementptr $type, ptr %cell, i64 1
  %full = icmp eq i64 %digit, $last
  br i1 %full, label %climb, label %done
done:
  ret void
}
"""
GATHER = """
define internal $type @$name(ptr %cells, i64 %kept, $type %sum) $notes {
entry:
  br label %climb
climb:
  %value = phi $type [ %sum, %entry ], [ %new, %climb ]
  %count = phi i64 [ %kept, %entry ], [ %rest, %climb ]
  %cell = phi ptr [ %cells, %entry ], [ %above, %climb ]
  %digit = and i64 %count, $last
  %empty = icmp eq i64 %digit, 0
  %old = load $type, ptr %cell, align $align
  %both = fadd $type %old, %value
  %new = select i1 %empty, $type %value, $type %both
  %rest = lshr i64 %count, $bits
  %above = getelementptr $type, ptr %cell, i64 1
  %more = icmp ne i64 %rest, 0
  br i1 %more, label %climb, label %done
done:
  ret $type %new
}
"""
