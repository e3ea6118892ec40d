"""Sums of floats in blocks: the rounding error of a sum grows with the log of its length.

A loop that adds floats up runs in blocks of so many rounds. Each block's sum begins at
zero; the blocks are added as the digits of a counter are: a cell of level 0 takes
`RADIX` blocks and then goes to level 1, and so on. So no number is added to a sum that
is more than `RADIX` times as long, but for the terms of a block. With u the unit
roundoff, b rounds in a block and n rounds,

    |error| <= (b + RADIX * ceil(log(n / b) / log(RADIX))) * u * sum of |terms| + O(u**2)

for each lane of a vector; lanes are added pairwise. All follows from the extents, so
the result does not depend on who runs the loop. In: the values of a
kernel (vector_values.py) and a loop. Out: lines in it; what is done once for each block
is in functions that all modules share (support.py).

References
----------
Higham 1993, The accuracy of floating point summation, SIAM J. Sci. Comput. 14(4).
Higham 2002, Accuracy and stability of numerical algorithms, sections 4.2 and 4.3.
"""

from collections.abc import Callable, Iterator

from symgraph.backends.cpu.llvm import ELEMENT, Value
from symgraph.backends.cpu.support import RADIX
from symgraph.backends.cpu.vector_loops import counted
from symgraph.backends.cpu.vector_values import VectorValues
from symgraph.core.dtypes import ITEMSIZE

#: the module's note on branches that are seldom taken
SELDOM = "!99"
#: cells of a sum; blocks of 128 rounds fill them after 1.4e14 rounds
LEVELS = 10


def rounds(
    w: VectorValues,
    index: str,
    start: Value,
    stop: Value,
    step: int,
    carried: list[str],
    body: Callable[[], None],
    certain: bool,
    block: int,
) -> None:
    """The rounds of a loop, in blocks if it has any and adds floats up."""
    if block and any(map(w.is_float_sum, carried)):
        _in_blocks(w, index, start, stop, step, carried, body, certain, block)
    else:
        counted(w, index, start, stop, step, carried, body, certain)


def _in_blocks(
    w: VectorValues,
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
    sums = {n: v for n, v in first.items() if w.is_float_sum(n)}
    groups = [
        _Sums(w, dtype, {n: v for n, v in sums.items() if v.dtype == dtype}, levels)
        for dtype in sorted({v.dtype for v in sums.values()})
    ]
    others = [n for n in carried if n not in sums]
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
    for name, like in sums.items():
        w.env[name] = b.const(0.0, like.dtype, like.lanes)
    end = b.add(begin, size)
    more = b.compare("lt", end, stop)
    bound = b.select(more, end, stop)
    counted(w, index, begin, bound, step, carried, body, True)
    keep, finish = b.label(), b.label()
    b.emit(f"br i1 {more.text}, label %{keep}, label %{finish}{_seldom(w)}")

    b.place(keep)
    number = b.binary("udiv", b.sub(begin, start), size)
    for group in groups:
        group.call("put", number)
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
    totals: dict[str, Value] = {}
    for group in groups:
        group.call("gather", kept)
        totals |= group.loaded()
    b.emit(f"br label %{whole}")
    b.place(whole)
    for name, total in totals.items():
        last = w.env[name]
        w.env[name] = b.op(
            f"phi {last.type} [ {last.text}, %{finish} ], "
            f"[ {total.text}, %{gather} ]", last.dtype, last.lanes,
        )  # fmt: skip
    for name, old in sums.items():
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


def _seldom(w: VectorValues) -> str:
    """What tells LLVM to lay a branch's first way aside: most loops are short."""
    w.b.declarations[SELDOM] = f'{SELDOM} = !{{!"branch_weights", i32 1, i32 99}}'
    return f", !prof {SELDOM}"


class _Sums:
    """The sums of one dtype that a loop adds up: their cells, and a place for each.

    All lanes of all of them lie side by side, so that one call of a function in
    support.py serves them all: "put" adds the sums of a block to the cells, "gather" adds
    what the cells hold to the last block.
    """

    def __init__(
        self, w: VectorValues, dtype: str, sums: dict[str, Value], levels: int
    ) -> None:
        self.w = w
        self.dtype = dtype
        self.lanes = {name: like.lanes for name, like in sums.items()}
        self.types = {name: like.type for name, like in sums.items()}
        self.width = sum(self.lanes.values())
        self.cells, self.place = f"%{w.b.label()}.cells", f"%{w.b.label()}.sums"
        for name, count in (
            (self.cells, levels * self.width),
            (self.place, self.width),
        ):
            w.stack.append(f"  {name} = alloca [{count} x {ELEMENT[dtype]}], align 8")

    def call(self, word: str, number: Value) -> None:
        """Store the sums, and have a function work on them."""
        b, name = self.w.b, f"sg_{word}_{self.dtype}"
        b.declarations[name] = f"declare void @{name}(ptr, i64, ptr, i64)"
        for own, at in self._places():
            value = self.w.env[own]
            b.emit(f"store {value.type} {value.text}, ptr {at}, align {self._align}")
        b.emit(
            f"call void @{name}(ptr {self.cells}, i64 {number.text}, ptr {self.place}, "
            f"i64 {self.width})"
        )

    def loaded(self) -> dict[str, Value]:
        """The sums as the function left them."""
        return {
            own: self.w.b.op(
                f"load {self.types[own]}, ptr {at}, align {self._align}",
                self.dtype, self.lanes[own],
            )
            for own, at in self._places()
        }  # fmt: skip

    @property
    def _align(self) -> int:
        return ITEMSIZE[self.dtype]

    def _places(self) -> Iterator[tuple[str, str]]:
        """Name and address of each sum."""
        start = 0
        for own, lanes in self.lanes.items():
            at = self.place
            if start:
                at = f"%{self.w.b.label()}.at"
                self.w.b.emit(
                    f"{at} = getelementptr {ELEMENT[self.dtype]}, ptr {self.place}, "
                    f"i64 {start}"
                )
            yield own, at
            start += lanes
