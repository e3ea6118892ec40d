"""Which kernels threads may share, in parts, and how much work they are.

A kernel can be divided when all it does is one loop whose iterations do not meet: what
an iteration stores, no other stores or reads. Rows that an iteration fills and reads
again (`private` buffers) are given to each thread separately. Accumulators declared
before the loop are folded part by part, and the parts joined in order. If the loop has
few iterations, each a long sum (the gradient of a bias), the loops of the sums may be
divided instead. Threads then share the range of that loop. How it is divided follows
from sizes alone, and the machine code of a part does not know who runs it, so results
do not depend on the number of threads.

In: a program, or one Kernel and what its sizes mean. Out: the program with `Shared`
launches; `division_of`, and `work_of`, an estimate of a kernel's time.
"""

from collections.abc import Collection, Mapping, Sequence

from symgraph.backends.cpu.select import Selection
from symgraph.backends.cpu.steps import Part, Shared
from symgraph.core.dtypes import ITEMSIZE, is_float
from symgraph.core.record import Record
from symgraph.lower.block_size import LEAST, MOST_BLOCKS
from symgraph.lower.independence import Spans
from symgraph.lower.ir import (
    Access,
    Call,
    Expression,
    Fold,
    Init,
    Kernel,
    Let,
    Load,
    Local,
    Loop,
    Statement,
    Store,
    expressions,
    walk,
)
from symgraph.lower.schedule import meaning
from symgraph.lower.sizes import ONE, ZERO, SizePolynomial, poly
from symgraph.lower.steps import Launch

Sizes = Mapping[str, SizePolynomial]

#: indices of a vector loop are cut at multiples of this, a multiple of all lane counts
CUT = 256
#: so few parts are not worth a division, if there is another one
FEW = 4
#: picoseconds of one byte read or written, from the second-level cache and beyond
BYTE = 40
#: picoseconds of one vector instruction for each byte of an element
STEP = 4
#: instructions of a primitive; others count 15
INSTRUCTIONS = dict.fromkeys(
    "add sub mul neg abs lt le gt ge eq ne and or xor not where maximum minimum cast "
    "floor ceil trunc rint shift_left shift_right real imag conj isnan isinf isfinite "
    "signbit copysign sign fmax fmin".split(), 1
) | {"sqrt": 4, "div": 4, "philox": 90}  # fmt: skip


class Division(Record):
    """How a kernel is cut into parts.

    Attributes
    ----------
    index : of the loop whose range is cut
    align : parts begin at multiples of it
    units : the range
    partial : bytes of what a part of a reduction comes to; 0 if nothing is folded
    """

    index: str
    align: int
    units: SizePolynomial
    partial: SizePolynomial


def division_of(
    kernel: Kernel, sizes: Sizes, private: Collection[str] = ()
) -> Division | None:
    """How a kernel may be divided, or None.

    Parameters
    ----------
    kernel : Kernel
    sizes : size name → what it stands for
    private : buffers that hold nothing before or after an iteration
    """
    loop = _only_loop(kernel.body)
    if loop is None:
        return None
    whole = _division(kernel.body, loop, sizes, private, None)
    if whole is not None:
        count = whole.units.constant
        if count is None or count > FEW * whole.align:
            return whole
    # few columns: the sums that each of them is are cut instead
    inner = _only_loop(loop.body)
    before = kernel.body[:-1]
    if (
        inner is not None
        and kernel.body[-1] is loop
        and loop.kind != "unroll"
        and 0 < (meaning(loop.extent, sizes).constant or 0) <= FEW * CUT
        and not private
        and all(isinstance(s, Let) for s in before)
        and any(isinstance(s, Init) for s in loop.body)
    ):
        made = _division(loop.body, inner, sizes, (), loop)
        count = None if made is None else made.units.constant
        stored = {s.buffer for s in walk(loop.body) if isinstance(s, Store)}
        if made is not None and not _loads(before, stored):
            return whole if count is not None and count <= FEW * made.align else made
    return whole


class Partition:
    """Divides the launches of one program.

    A kernel that one launch divides gets parts of its range from all others as well.
    """

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.program = selection.program
        self.divisions: dict[str, Division | None] = {}
        self.parts: dict[str, Part] = {}

    def divided(self, step: Launch) -> Shared | None:
        """The launch with what the pool must know, if threads may share it."""
        selection, program = self.selection, self.program
        kernel = program.kernels[step.kernel]
        sizes = self._sizes(step)
        private = [
            (n, self._bytes(slot))
            for n, slot in enumerate(step.buffers)
            if kernel.buffers[n].role == "scratch"
        ]
        names = [kernel.buffers[n].name for n, _ in private]
        division = division_of(kernel, sizes, names)
        known = self.divisions.setdefault(step.kernel, division)
        if division is None or known is None or known.index != division.index:
            return None
        count = division.units.constant
        work = work_of(kernel, sizes)
        if work.constant is not None and work.constant < LEAST:
            return None
        if count is not None and count <= division.align:
            return None
        scratch = ZERO
        for _, size in private:
            scratch = scratch + size + 64
        key = ("block_size", division.units, work, division.align, scratch)
        self.parts[step.kernel] = Part(division.index, division.align)
        made = self.whole(step)
        partials = None
        if division.partial != ZERO:
            memory = division.partial * (MOST_BLOCKS + 1)
            partials = selection.memory(memory, step.span)
        return made.replace(
            block_size=selection.slot(key),
            private=tuple((n, selection.slot(size)) for n, size in private),
            partials=partials,
        )

    def whole(self, step: Launch) -> Shared:
        """A launch of a kernel that is divided elsewhere: its whole range."""
        kernel = self.program.kernels[step.kernel]
        units, partial = range_of(
            kernel, self.parts[step.kernel].index, self._sizes(step)
        )
        slot = self.selection.slot
        return Shared(
            step, slot(units), width=None if partial == ZERO else slot(partial)
        )

    def _sizes(self, step: Launch) -> dict[str, SizePolynomial]:
        kernel = self.program.kernels[step.kernel]
        slots = zip(kernel.sizes, step.sizes, strict=True)
        return {name: self.selection.size(slot) for name, slot in slots}

    def _bytes(self, slot: int) -> SizePolynomial:
        kind, number = self.program.slots[slot]
        assert kind == "temp"
        return self.program.temps[number][0]


def range_of(
    kernel: Kernel, index: str, sizes: Sizes
) -> tuple[SizePolynomial, SizePolynomial]:
    """Range of the divided loop of a kernel, and the bytes that a part comes to."""
    body, width = kernel.body, ONE
    loop = _only_loop(body)
    assert loop is not None
    if loop.index != index:
        body, width = loop.body, meaning(loop.extent, sizes)
        loop = _only_loop(body)
        assert loop is not None
    count = sum(isinstance(s, Init) for s in body)
    return meaning(loop.extent, sizes), width * (8 * count)


def _only_loop(body: Sequence[Statement]) -> Loop | None:
    loops = [s for s in body if isinstance(s, Loop)]
    return loops[0] if len(loops) == 1 else None


def _loads(body: Sequence[Statement], buffers: Collection[str]) -> bool:
    return any(
        isinstance(e, Load) and e.buffer in buffers
        for statement in body
        for e in expressions(statement)
    )


def _division(
    body: tuple[Statement, ...],
    loop: Loop,
    sizes: Sizes,
    private: Collection[str],
    around: Loop | None,
) -> Division | None:
    """The division of the only loop of a block; `around` is the loop that it is in."""
    place = next(n for n, s in enumerate(body) if s is loop)
    before, after = body[:place], body[place + 1 :]
    outside = {s.name: s.dtype for s in before if isinstance(s, Init)}
    if loop.kind == "unroll" or not all(isinstance(s, Let | Init) for s in before):
        return None
    # what comes after must be done once: it is done where sums are joined
    if not all(isinstance(s, Let | Store) for s in after):
        return None
    if bool(after) != bool(outside):
        return None
    known = outside.keys() | {s.name for s in walk(loop.body) if isinstance(s, Init)}
    for statement in walk(loop.body):
        if isinstance(statement, Fold) and statement.name not in known:
            return None
        for e in expressions(statement):
            if isinstance(e, Local) and e.name in outside:
                return None
    stored = {s.buffer for s in walk(loop.body) if isinstance(s, Store)}
    if _loads(before, stored | set(private)):
        return None
    spans = Spans(loop, sizes, around)
    if not all(spans.are_apart(buffer) for buffer in stored - set(private)):
        return None
    width = ZERO
    if outside:
        width = poly(8 * len(outside))
        if around is not None:
            width = width * meaning(around.extent, sizes)
    align = CUT if loop.kind == "vector" and around is None else 1
    if loop.kind == "vector" and around is not None and around.kind != "vector":
        align = CUT
    return Division(loop.index, align, meaning(loop.extent, sizes), width)


def work_of(kernel: Kernel, sizes: Sizes) -> SizePolynomial:
    """Picoseconds that a kernel takes on one core, roughly.

    Instructions count by the bytes that they work on, in vectors as wide as the target's;
    loads and stores by the bytes that they move; a gathered element counts four times.
    """
    return _work(kernel.body, ONE, sizes, {b.name: b.dtype for b in kernel.buffers}, "")


def _work(
    body: tuple[Statement, ...],
    times: SizePolynomial,
    sizes: Sizes,
    dtypes: Mapping[str, str],
    lane: str,
) -> SizePolynomial:
    total = ZERO
    here = 0
    for statement in body:
        if isinstance(statement, Loop):
            extent = statement.extent
            count = poly(extent) if isinstance(extent, int) else sizes[extent]
            index = statement.index if statement.kind == "vector" and not lane else lane
            total = total + _work(statement.body, times * count, sizes, dtypes, index)
            continue
        if isinstance(statement, Store):
            here += _moved(statement.access, dtypes[statement.buffer], lane)
        if isinstance(statement, Fold):
            here += 4 * STEP
        for expression in expressions(statement):
            here += _cost(expression, lane)
    return total + times * here


def _cost(expression: Expression, lane: str) -> int:
    match expression:
        case Load(_, access, dtype):
            return _moved(access, dtype, lane)
        case Call(function, arguments, dtype):
            kind = arguments[0].dtype if arguments else dtype
            size = max(ITEMSIZE[dtype], ITEMSIZE[kind] if is_float(kind) else 1)
            return INSTRUCTIONS.get(function, 15) * size * STEP
    return 0


def _moved(access: Access, dtype: str, lane: str) -> int:
    cost = ITEMSIZE[dtype] * BYTE
    steps = [stride for index, stride in access.terms if index == lane]
    gathered = access.dynamic is not None or bool(steps and steps != [1])
    return cost * 4 if gathered else cost
