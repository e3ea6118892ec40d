"""What all functions share: machine code that is made once on a machine.

    i64 sg_steps(ptr step, ptr slots, i64 n, ptr moves, i64 count, ptr rows,
                 i64 row_count, ptr order, i64 batch, ptr watch)      n executions
    i64 sg_due(ptr watch, i64 which, ptr pace, i64 i)                 see watch.py
    void sg_put_T(ptr cells, i64 number, ptr sum, i64 lanes)          see vector_blocks.py
    void sg_gather_T(ptr cells, i64 kept, ptr sum, i64 lanes)

`sg_steps` carries whole epochs: before each execution of `step` it gathers `batch` rows
for each entry of `rows` (slot of the gathered copy's address, source address, bytes of a
row), in the order of the int64 array `order`; after it, it adds to each slot named in
`moves` (slot, bytes), so inputs and outputs advance from batch to batch. Between
executions it asks its watch now and then whether to go on.

`sg_put` adds the sum of a block to its cells, lane by lane: full cells go up a level.
`sg_gather` adds all cells that `kept` blocks have left to the last one, lowest first.
"""

import ctypes
import threading
from string import Template
from typing import Any

from symgraph.backends.base import DONE
from symgraph.backends.cpu import loader, target
from symgraph.backends.cpu.llvm import ELEMENT
from symgraph.backends.cpu.llvm_types import attributes
from symgraph.backends.cpu.watch import DUE, RUN_DUE
from symgraph.core.cache import default_cache
from symgraph.core.digest import digest
from symgraph.core.dtypes import ITEMSIZE
from symgraph.core.stamp import source_stamp

#: sums that a cell of one level takes before it goes to the next; a power of two
RADIX_BITS = 4
RADIX = 1 << RADIX_BITS

RUN = f"""
define i64 @sg_steps(ptr %step, ptr %slots, i64 %n, ptr %moves, i64 %count, ptr %rows,
    i64 %row_count, ptr %order, i64 %batch, ptr %watch) nounwind {{
entry:
  %pace = alloca [3 x i64]
  store [3 x i64] [i64 0, i64 1, i64 0], ptr %pace
  %done.at = getelementptr i64, ptr %watch, i64 {DONE}
  %some = icmp slt i64 0, %n
  br i1 %some, label %head, label %fine
head:
  %i = phi i64 [ 0, %entry ], [ %i.next, %moved ]
  %ask.at = phi i64 [ 0, %entry ], [ %ask.then, %moved ]
  %due = icmp eq i64 %i, %ask.at
  br i1 %due, label %ask, label %begin
ask:
  store i64 %i, ptr %done.at
  %said = call i64 @sg_due(ptr %watch, i64 {RUN_DUE}, ptr %pace, i64 %i)
  %ask.new = load i64, ptr %pace
  %leave = icmp ne i64 %said, 0
  br i1 %leave, label %stop, label %begin
begin:
  %ask.then = phi i64 [ %ask.at, %head ], [ %ask.new, %ask ]
  %first = mul i64 %i, %batch
  %gathers = icmp slt i64 0, %row_count
  br i1 %gathers, label %gather, label %ready
gather:
  %g = phi i64 [ 0, %begin ], [ %g.next, %gathered ]
  %g.at = mul i64 %g, 3
  %g.p = getelementptr i64, ptr %rows, i64 %g.at
  %g.slot = load i64, ptr %g.p
  %g.p1 = getelementptr i64, ptr %g.p, i64 1
  %g.source = load i64, ptr %g.p1
  %g.p2 = getelementptr i64, ptr %g.p, i64 2
  %g.bytes = load i64, ptr %g.p2
  %g.sp = getelementptr i64, ptr %slots, i64 %g.slot
  %g.base = load i64, ptr %g.sp
  %g.target = inttoptr i64 %g.base to ptr
  %g.from = inttoptr i64 %g.source to ptr
  %any = icmp slt i64 0, %batch
  br i1 %any, label %row, label %gathered
row:
  %r = phi i64 [ 0, %gather ], [ %r.next, %row ]
  %r.k = add i64 %first, %r
  %r.op = getelementptr i64, ptr %order, i64 %r.k
  %r.index = load i64, ptr %r.op
  %r.far = mul i64 %r.index, %g.bytes
  %r.near = mul i64 %r, %g.bytes
  %r.src = getelementptr i8, ptr %g.from, i64 %r.far
  %r.dst = getelementptr i8, ptr %g.target, i64 %r.near
  call void @llvm.memcpy.p0.p0.i64(ptr %r.dst, ptr %r.src, i64 %g.bytes, i1 false)
  %r.next = add i64 %r, 1
  %r.more = icmp slt i64 %r.next, %batch
  br i1 %r.more, label %row, label %gathered
gathered:
  %g.next = add i64 %g, 1
  %g.more = icmp slt i64 %g.next, %row_count
  br i1 %g.more, label %gather, label %ready
ready:
  %flag = call i64 %step(ptr %slots)
  %failed = icmp ne i64 %flag, 0
  br i1 %failed, label %stop, label %ran
ran:
  %moves.some = icmp slt i64 0, %count
  br i1 %moves.some, label %move, label %moved
move:
  %m = phi i64 [ 0, %ran ], [ %m.next, %move ]
  %m.at = mul i64 %m, 2
  %m.p = getelementptr i64, ptr %moves, i64 %m.at
  %m.slot = load i64, ptr %m.p
  %m.p1 = getelementptr i64, ptr %m.p, i64 1
  %m.bytes = load i64, ptr %m.p1
  %m.sp = getelementptr i64, ptr %slots, i64 %m.slot
  %m.old = load i64, ptr %m.sp
  %m.new = add i64 %m.old, %m.bytes
  store i64 %m.new, ptr %m.sp
  %m.next = add i64 %m, 1
  %m.more = icmp slt i64 %m.next, %count
  br i1 %m.more, label %move, label %moved
moved:
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %head, label %fine
fine:
  store i64 %n, ptr %done.at
  ret i64 0
stop:
  %why = phi i64 [ %said, %ask ], [ %flag, %ready ]
  store i64 %i, ptr %done.at
  ret i64 %why
}}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""

#: at each level: digit, whether the cell is empty, all lanes, the next level
CASCADE = """
define void @$name(ptr %cells, i64 %number, ptr %sum, i64 %lanes) $notes {
entry:
  %wide = and i64 %lanes, $rest
  %is.wide = icmp eq i64 %wide, 0
  br label %level
level:
  %count = phi i64 [ %number, %entry ], [ %next, %end ]
  %cell = phi ptr [ %cells, %entry ], [ %above, %end ]
  %digit = and i64 %count, $last
  %fresh = icmp eq i64 %digit, 0
  %next = lshr i64 %count, $bits
  br i1 %is.wide, label %vectors, label %scalars
vectors:
  %i = phi i64 [ 0, %level ], [ %i.next, %vectors ]
  %at = getelementptr $element, ptr %cell, i64 %i
  %from = getelementptr $element, ptr %sum, i64 %i
  %value = load $vector, ptr %from, align $align
  %old = load $vector, ptr %at, align $align
  %both = fadd $vector %old, %value
  %new = select i1 %fresh, $vector %value, $vector %both
  $vector_store
  store $vector %new, ptr %from, align $align
  %i.next = add i64 %i, $width
  %i.more = icmp ult i64 %i.next, %lanes
  br i1 %i.more, label %vectors, label %end
scalars:
  %k = phi i64 [ 0, %level ], [ %k.next, %scalars ]
  %k.at = getelementptr $element, ptr %cell, i64 %k
  %k.from = getelementptr $element, ptr %sum, i64 %k
  %k.value = load $element, ptr %k.from, align $align
  %k.old = load $element, ptr %k.at, align $align
  %k.both = fadd $element %k.old, %k.value
  %k.new = select i1 %fresh, $element %k.value, $element %k.both
  $scalar_store
  store $element %k.new, ptr %k.from, align $align
  %k.next = add i64 %k, 1
  %k.more = icmp ult i64 %k.next, %lanes
  br i1 %k.more, label %scalars, label %end
end:
  %above = getelementptr $element, ptr %cell, i64 %lanes
  %on = $goes_on
  br i1 %on, label %level, label %done
done:
  ret void
}
"""


def support_text() -> str:
    """The module as LLVM's assembly."""
    texts = [RUN, DUE]
    for dtype in ("float32", "float64"):
        element, width = ELEMENT[dtype], 64 // ITEMSIZE[dtype]
        given = {
            "element": element, "vector": f"<{width} x {element}>", "width": width,
            "rest": width - 1, "align": ITEMSIZE[dtype], "bits": RADIX_BITS,
            "last": RADIX - 1, "notes": attributes(target.features()),
        }  # fmt: skip
        align = f", align {ITEMSIZE[dtype]}"
        put = {
            "vector_store": f"store <{width} x {element}> %new, ptr %at{align}",
            "scalar_store": f"store {element} %k.new, ptr %k.at{align}",
            "goes_on": f"icmp eq i64 %digit, {RADIX - 1}",
        }
        gather = {
            "vector_store": "", "scalar_store": "", "goes_on": "icmp ne i64 %next, 0",
        }  # fmt: skip
        for word, own in (("put", put), ("gather", gather)):
            name = f"sg_{word}_{dtype}"
            texts.append(Template(CASCADE).substitute(given, name=name, **own))
    return "\n".join(texts)


NAMES = (
    "sg_due",
    *(f"sg_{w}_{t}" for w in ("put", "gather") for t in ("float32", "float64")),
)
_lock = threading.Lock()
_libraries: dict[str, Any] = {}


def _library() -> Any:
    level = target.restriction()
    with _lock:
        found = _libraries.get(level)
        if found is None:
            found = _libraries[level] = loader.load(_object())
            # functions may run in it when the interpreter ends
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(found))
        return found


def symbols() -> dict[str, int]:
    """Addresses by name of what compiled functions call.

    Examples
    --------
    >>> sorted(symbols())[0]
    'sg_due'
    """
    library = _library()
    return {name: library.address(name) for name in NAMES}


def steps() -> int:
    """Address of `sg_steps`."""
    return int(_library().address("sg_steps"))


def _object() -> bytes:
    """Object code, from the cache or compiled."""
    cache = default_cache()
    # the text itself needs the features of the CPU, which LLVM must be asked for
    facts = f"support\n{target.fingerprint()}\n{source_stamp()}"
    key = digest(facts.encode()).hexdigest()
    found = cache.get(key)
    if found is not None:
        return found[1]
    # a miss only: it imports Numba
    from symgraph.backends.cpu.unit import compile_module  # noqa: PLC0415

    code = compile_module(support_text())
    cache.put(key, {"what": "support"}, code)
    return code
