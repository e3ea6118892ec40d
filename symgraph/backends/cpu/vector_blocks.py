"""Sums of floats in blocks: the rounding error of a sum grows with the log of its length.

A loop that adds floats up runs in blocks of so many rounds. Each block's sum begins at
zero; the blocks are added as the digits of a counter are: a cell of level 0 takes
`RADIX` blocks and then goes to level 1, and so on. So no number is added to a sum that
is more than `RADIX` times as long, but for the terms of a block. With u the unit
roundoff, b rounds in a block and n rounds,

    |error| <= (b + RADIX * ceil(log(n / b) / log(RADIX))) * u * sum of |terms| + O(u**2)

for each lane of a vector; lanes are added pairwise. All follows from the extents, so
the result does not depend on who runs the loop. In: the writer of a kernel (vectors.py)
and a loop. Out: lines in it.

References
----------
Higham 1993, The accuracy of floating point summation, SIAM J. Sci. Comput. 14(4).
Higham 2002, Accuracy and stability of numerical algorithms, sections 4.2 and 4.3.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from symgraph.backends.cpu.llvm import Value
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
    sums = {n: (cells[n], w.env[n]) for n in cells}
    number = b.binary("udiv", b.sub(begin, start), size)
    _put(w, sums, number)
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
    for name, total in _gathered(w, sums, b.sub(begin, start), size).items():
        old = first[name]
        zero = b.const(0.0, old.dtype, old.lanes)
        w.env[name] = total if old == zero else b.fadd(old, total)
    after = b.block
    b.emit(f"br label %{done}")
    b.place(done)
    for name in carried if not certain else ():
        old = first[name]
        w.env[name] = b.op(
            f"phi {old.type} [ {old.text}, %{before} ], "
            f"[ {w.env[name].text}, %{after} ]", old.dtype, old.lanes,
        )  # fmt: skip


#: for each sum its cells and the value that meets them
Sums = dict[str, tuple[str, Value]]


def _cells(w: "_Writer", like: Value, levels: int) -> str:
    """Memory on the stack for the cells of a sum, one for each level."""
    name = f"%{w.b.label()}.cells"
    w.stack.append(f"  {name} = alloca [{levels} x {like.type}], align 8")
    return name


def _put(w: "_Writer", sums: Sums, number: Value) -> None:
    """Add the block of this number to the cells: full cells go up a level."""
    b = w.b
    before, climb, after = b.block, b.label(), b.label()
    b.emit(f"br label %{climb}")
    b.place(climb)
    head = len(b.lines)
    level, count = (Value(f"%{climb}.{x}", "int64", 1) for x in "lc")
    digit = b.and_(count, RADIX - 1)
    is_first = b.compare("eq", digit, 0)
    is_full = b.compare("eq", digit, RADIX - 1)
    phis = []
    for position, (cells, value) in enumerate(sums.values()):
        now = Value(f"%{climb}.v{position}", value.dtype, value.lanes)
        at = _cell(w, cells, value, level)
        old = _read(w, at, value)
        new = b.select(is_first, now, b.fadd(old, now))
        b.emit(f"store {new.type} {new.text}, ptr {at}, align {ITEMSIZE[value.dtype]}")
        phis.append(f"  {now.text} = phi {value.type} [ {value.text}, %{before} ], "
                    f"[ {new.text}, %{climb} ]")  # fmt: skip
    above, rest = b.add(level, 1), b.lshr(count, RADIX_BITS)
    phis += [
        f"  {level.text} = phi i64 [ 0, %{before} ], [ {above.text}, %{climb} ]",
        f"  {count.text} = phi i64 [ {number.text}, %{before} ], [ {rest.text}, %{climb} ]",
    ]
    b.lines[head:head] = phis
    b.emit(f"br i1 {is_full.text}, label %{climb}, label %{after}")
    b.place(after)


def _gathered(w: "_Writer", sums: Sums, done: Value, size: int) -> dict[str, Value]:
    """The last block and all cells that the blocks before it have left, lowest first."""
    b = w.b
    before, enter, climb, after = b.block, b.label(), b.label(), b.label()
    several = b.compare("ne", done, 0)
    b.emit(f"br i1 {several.text}, label %{enter}, label %{after}{_seldom(w)}")
    b.place(enter)
    kept = b.binary("udiv", done, size)
    b.emit(f"br label %{climb}")
    b.place(climb)
    head = len(b.lines)
    level, count = (Value(f"%{climb}.{x}", "int64", 1) for x in "lc")
    is_empty = b.compare("eq", b.and_(count, RADIX - 1), 0)
    phis, ends = [], {}
    for position, (name, (cells, value)) in enumerate(sums.items()):
        now = Value(f"%{climb}.v{position}", value.dtype, value.lanes)
        old = _read(w, _cell(w, cells, value, level), value)
        new = b.select(is_empty, now, b.fadd(old, now))
        phis.append(f"  {now.text} = phi {value.type} [ {value.text}, %{enter} ], "
                    f"[ {new.text}, %{climb} ]")  # fmt: skip
        ends[name] = new
    above, rest = b.add(level, 1), b.lshr(count, RADIX_BITS)
    phis += [
        f"  {level.text} = phi i64 [ 0, %{enter} ], [ {above.text}, %{climb} ]",
        f"  {count.text} = phi i64 [ {kept.text}, %{enter} ], [ {rest.text}, %{climb} ]",
    ]
    b.lines[head:head] = phis
    more = b.compare("ne", rest, 0)
    b.emit(f"br i1 {more.text}, label %{climb}, label %{after}")
    b.place(after)
    return {
        name: b.op(
            f"phi {value.type} [ {value.text}, %{before} ], "
            f"[ {ends[name].text}, %{climb} ]", value.dtype, value.lanes,
        )
        for name, (_, value) in sums.items()
    }  # fmt: skip


def _seldom(w: "_Writer") -> str:
    """What tells LLVM to lay a branch's first way aside: most loops are short."""
    w.b.declarations[SELDOM] = f'{SELDOM} = !{{!"branch_weights", i32 1, i32 99}}'
    return f", !prof {SELDOM}"


def _cell(w: "_Writer", cells: str, like: Value, level: Value) -> str:
    text = f"getelementptr {like.type}, ptr {cells}, i64 {level.text}"
    return w.b.op(text, "int64", 1).text


def _read(w: "_Writer", at: str, like: Value) -> Value:
    text = f"load {like.type}, ptr {at}, align {ITEMSIZE[like.dtype]}"
    return w.b.op(text, like.dtype, like.lanes)
