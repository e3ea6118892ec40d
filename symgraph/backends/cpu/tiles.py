"""The register-blocked micro-kernel that matrix products and convolutions run on.

In: a `Machine` (CPU features), a dtype, a kind of access, the number V of vectors and
P of rows. Out: LLVM text of functions whose sizes are run-time numbers. Packing, edges
and the division into units are left to gemm, convolve and winograd.

One tile computes, with ``lanes`` numbers to a vector,

    acc[p][v] = init[v] + sum over taps t, steps j < count of
                x(p, t, j) * w[w + tap_w(t) + j*w_step + v*lanes .. + lanes]

for p < P <= Pmax rows and v < V <= 2 vectors, and stores acc[p] at y + p*y_row, or
hands it to `finish` (scaling, y, bias, nonlinearity, partial vectors). x(p, t, j) is

    "rows"     x[x + tap_x(t) + p*row + j*item]     one number, spread (images, A)
    "columns"  x[x + tap_x(t) + p*item + j*x_step]  one number, spread (transposed A)
    "lanes"    x[x + tap_x(t) + p*row + j*x_step .. + lanes]   a vector (depthwise), V=1

All offsets are bytes. The caller fills a *descriptor*, an array of i64 (the constants
INIT .. COUNT_OF_FIELDS below are indices into it), once for many tiles, and calls

    sg.strip.<kind>.<f32|f64>.<V>(rows, x, w, y, descriptor)

which divides any number of rows into tiles of at most Pmax rows; the next
tile's x is ADVANCE bytes a row further, its y Y_ROW bytes a row. Descriptor:

    INIT     address of V*lanes first values of every row (`zeros` or a bias)
    ROW      bytes between rows of x ("rows", "lanes")
    COUNT    inner steps, at least 1
    X_STEP   bytes between inner steps of x ("columns", "lanes"; "rows" overwrites it)
    W_STEP   bytes between inner steps of w
    TAPS     outer steps, at least 1
    TABLE    address of TAPS pairs of i64: byte offsets of x and of w
    Y_ROW    bytes between rows of y
    ADVANCE  bytes of x per row from one tile to the next
    MODE     STORE: store acc; RELU: store max(acc, 0), NaN kept; ADD: store y + acc,
             so that a long sum is one of blocks; FINISH: as below. Where
             `Machine.parts`, PART may be added to all but FINISH: only VALID columns
             are touched
    SPILL    FINISH only: address of SPILL_BYTES bytes, aligned to 64
    ALPHA    FINISH only: address of a number; r = alpha * acc
    BETA     FINISH only: address of a number, or 0; r += beta * y, y not read for 0
    BIAS     FINISH only: address of V*lanes numbers (padded), or 0; r += bias
    ACTIVATION  FINISH only: 0 none, 1 relu, 2 leaky (r if r > 0 else slope * r)
    SLOPE    FINISH only: address of a number
    VALID    FINISH, PART: how many of the V*lanes columns exist; others stay unwritten

A reduction of length zero is written by `fill_empty`. Pmax leaves room in the register
file for V weights and one x beside V*P accumulators: 14 rows on AVX-512 (32
registers), 6 on AVX2 and SSE2 (16), 12 on AArch64 (32).

References
----------
Goto and van de Geijn 2008, Anatomy of high-performance matrix multiplication.
Georganas et al. 2018, Anatomy of high-performance deep learning convolutions on SIMD
architectures (register blocking over output pixels, weights streamed).
"""

from symgraph.backends.cpu.llvm import Builder, Value
from symgraph.backends.cpu.llvm_types import type_name
from symgraph.backends.cpu.machine import (
    CODE,
    ITEM,
    Machine,
    attributes,
    load_masked,
    load_part,
    machine,
    mask_below,
    store_masked,
    store_part,
    writer,
)
from symgraph.backends.cpu.routine import Int, Routine, Truth
from symgraph.backends.cpu.tile_rows import first_tiles, heights_of

__all__ = [
    "CODE",
    "ITEM",
    "Machine",
    "attributes",
    "constants",
    "fill_empty",
    "kernel_functions",
    "load_part",
    "machine",
    "mask_below",
    "strip_name",
    "support_functions",
    "tile_functions",
    "writer",
]

(INIT, ROW, COUNT, X_STEP, W_STEP, TAPS, TABLE, Y_ROW, ADVANCE, MODE, SPILL, ALPHA,
 BETA, BIAS, ACTIVATION, SLOPE, VALID) = range(17)  # fmt: skip
# written by the strip: least value stored; columns of the last vector; odd ROWs
_FLOOR, _LAST, _ODD = 17, 18, 19
FIELDS = 32  # room for the fields, a multiple of a cache line
STORE, RELU, FINISH, ADD = range(4)
PART = 4  # added to STORE, RELU, ADD where `Machine.parts`
SPILL_BYTES = 2048
AHEAD = 16  # inner steps between the prefetch of weights and their use
ZEROS_BYTES = 256


def constants(cpu: Machine) -> list[str]:
    """Module constants: zeros, and the number one of each dtype."""
    return [
        f"@sg.zeros = internal constant [{ZEROS_BYTES} x i8] zeroinitializer, align 64",
        "@sg.least.f32 = internal constant float 0xFFF0000000000000, align 8",
        "@sg.least.f64 = internal constant double 0xFFF0000000000000, align 8",
        "@sg.one.f32 = internal constant float 1.0, align 8",
        "@sg.one.f64 = internal constant double 1.0, align 8",
        "@sg.origin = internal constant [2 x i64] zeroinitializer, align 16",
    ]


def strip_name(kind: str, dtype: str, vectors: int) -> str:
    """Symbol of the function that runs tiles over any number of rows."""
    return f"sg.strip.{kind}.{CODE[dtype]}.{vectors}"


def tile_functions(cpu: Machine, kind: str, dtype: str) -> list[Routine]:
    """The strips of a kind and dtype: "rows", "columns" or "lanes"."""
    return [_strip(cpu, kind, dtype, vectors) for vectors in _vectors(kind)]


def support_functions(cpu: Machine, dtype: str) -> list[Routine]:
    """`finish` and other functions that tiles and drivers of a dtype call."""
    return [_finish(cpu, dtype)]


def kernel_functions(cpu: Machine, kind: str, dtype: str) -> list[Routine]:
    """The tiles and what chooses among them; "rows" serves "columns" as well."""
    made = []
    for vectors in _vectors(kind):
        heights = heights_of(cpu, kind, vectors)
        made += [_tile(cpu, kind, dtype, vectors, rows) for rows in heights]
        made.append(_run(cpu, kind, dtype, vectors, heights))
    return made


def fill_empty(r: Routine, descriptor: Int) -> None:
    """Make a descriptor whose tiles add nothing: one step of zeros times zeros.

    The caller passes the address of the module's zeros as x and w.
    """
    for field, value in ((ROW, 0), (X_STEP, 0), (W_STEP, 0), (COUNT, 1), (TAPS, 1),
                         (ADVANCE, 0)):  # fmt: skip
        r.write(descriptor, value, field)
    r.write(descriptor, r.where("sg.origin"), TABLE)


# --- the tile --------------------------------------------------------------------


def _vectors(kind: str) -> tuple[int, ...]:
    return (1,) if kind == "lanes" else (1, 2)


def _tile_name(kind: str, dtype: str, vectors: int, rows: int) -> str:
    return f"sg.tile.{kind}.{CODE[dtype]}.{vectors}.{rows}"


def _tile(cpu: Machine, kind: str, dtype: str, vectors: int, rows: int) -> Routine:
    """One block of accumulators in registers, one loop with the taps folded in."""
    b = writer(cpu, _tile_name(kind, dtype, vectors, rows), ("x", "w", "y", "d"))
    lanes, item = cpu.lanes(dtype), ITEM[dtype]
    kind_v = type_name(dtype, lanes)
    one = type_name(dtype, 1)
    a, d = b.argument, b.argument["d"]

    init = b.pointer(b.read(d, INIT))
    places = [_step(b, init, v * lanes * item) for v in range(vectors)]
    start = [[_load(b, place, dtype, lanes) for place in places]] * rows
    count = b.read(d, COUNT)
    w_step = b.read(d, W_STEP)
    x_step = b.read(d, X_STEP)
    # read, not computed: LLVM would turn multiples that it can see into a chain of sums
    multiples = {odd: b.read(d, _ODD + odd // 2) for odd in range(1, rows, 2)}
    table = b.read(d, TABLE)
    last = table + b.read(d, TAPS) * 16
    x, w = b.pointer(a["x"]), b.pointer(a["w"])
    x0 = _at(b, x, b.read(table))
    w0 = _at(b, w, b.read(table, 1))
    entry, body, following, done = b.block, b.label(), b.label(), b.label()
    b.emit(f"br label %{body}")

    b.place(body)
    mark = len(b.lines)
    acc = [[Value(f"%a{p}.{v}", dtype, lanes) for v in range(vectors)]
           for p in range(rows)]  # fmt: skip
    weights = [
        b.op(f"load {kind_v}, ptr {_step(b, '%wp', v * lanes * item)}, align {item}",
             dtype, lanes)
        for v in range(vectors)
    ]  # fmt: skip
    if kind != "lanes":
        size = vectors * lanes * item
        prefetch(b, "%wp", size, AHEAD * size)
    new: list[list[Value]] = []
    for p in range(rows):
        place = _scaled(b, "%xp", multiples, p)
        if kind == "lanes":
            spread = b.op(f"load {kind_v}, ptr {place}, align {item}", dtype, lanes)
        else:
            number = b.op(f"load {one}, ptr {place}, align {item}", dtype, 1)
            spread = b.splat(number, lanes)
        new.append([b.fma(spread, weights[v], acc[p][v]) for v in range(vectors)])
    b.emit(f"%xs = getelementptr i8, ptr %xp, i64 {x_step.text}")
    # no instruction; hides the step from loop strength reduction, which would keep
    # each multiple of ROW in a register of its own and run out of them
    b.emit('%xn = call ptr asm "", "=r,0"(ptr %xs)')
    b.emit(f"%wn = getelementptr i8, ptr %wp, i64 {w_step.text}")
    b.emit("%left.n = add i64 %left, -1")
    b.emit("%more = icmp ne i64 %left.n, 0")
    b.emit(f"br i1 %more, label %{body}, label %{following}")

    b.place(following)
    b.emit("%tap.n = add i64 %tap, 16")
    b.emit(f"%again = icmp ne i64 %tap.n, {last.text}")
    other = b.label()
    b.emit(f"br i1 %again, label %{other}, label %{done}")
    b.place(other)
    tap = Int(b, "%tap.n")
    x1 = _at(b, x, b.read(tap))
    w1 = _at(b, w, b.read(tap, 1))
    b.emit(f"br label %{body}")

    def phi(name: str, type_: str, *values: str) -> str:
        edges = zip(values, (entry, body, other), strict=True)
        joined = ", ".join(f"[ {value}, %{block} ]" for value, block in edges)
        return f"  {name} = phi {type_} {joined}"

    heads = [
        phi("%left", "i64", count.text, "%left.n", count.text),
        phi("%xp", "ptr", x0, "%xn", x1),
        phi("%wp", "ptr", w0, "%wn", w1),
        phi("%tap", "i64", table.text, "%tap", "%tap.n"),
    ]
    heads += [
        phi(acc[p][v].text, kind_v, start[p][v].text, new[p][v].text, new[p][v].text)
        for p in range(rows)
        for v in range(vectors)
    ]
    b.lines[mark:mark] = heads

    b.place(done)
    part = None
    if cpu.parts:
        part = mask_below(b, b.read(d, _LAST), dtype, lanes)
    _store_tile(b, _added(b, new, d, part), d, part)
    return b


def _added(
    b: Routine, acc: list[list[Value]], d: Int, part: str | None
) -> list[list[Value]]:
    """The rows, added to what y holds if the descriptor's MODE says so."""
    dtype, lanes = acc[0][0].dtype, acc[0][0].lanes
    before, adds, after = b.block, b.label(), b.label()
    is_add = b.integer("and", b.read(d, MODE), PART - 1).equals(ADD)
    b.emit(f"br i1 {is_add.text}, label %{adds}, label %{after}")
    b.place(adds)
    at, down = b.pointer(b.argument["y"]), b.read(d, Y_ROW)
    sums = []
    for p, row in enumerate(acc):
        at = _at(b, at, down) if p else at
        places = [_step(b, at, v * lanes * ITEM[dtype]) for v in range(len(row))]
        old = [_load(b, place, dtype, lanes) for place in places[:-1]]
        old.append(_load_last(b, places[-1], dtype, lanes, part))
        sums.append([b.fadd(o, value) for o, value in zip(old, row, strict=True)])
    b.emit(f"br label %{after}")
    b.place(after)
    return [
        [
            b.op(f"phi {one.type} [ {one.text}, %{before} ], [ {two.text}, %{adds} ]",
                 dtype, lanes)
            for one, two in zip(row, added, strict=True)
        ]
        for row, added in zip(acc, sums, strict=True)
    ]  # fmt: skip


def prefetch(b: Routine, pointer: str, size: int, offset: int = 0) -> None:
    """Ask for the cache lines of ``size`` bytes, ``offset`` behind an address."""
    name = "llvm.prefetch.p0"
    b.declarations[name] = f"declare void @{name}(ptr, i32, i32, i32)"
    for line in range(0, size, 64):
        place = _step(b, pointer, offset + line)
        b.emit(f"call void @{name}(ptr {place}, i32 0, i32 3, i32 1)")


def _load(b: Routine, pointer: str, dtype: str, lanes: int) -> Value:
    kind = type_name(dtype, lanes)
    text = f"load {kind}, ptr {pointer}, align {ITEM[dtype]}"
    return b.op(text, dtype, lanes)


def _load_last(
    b: Routine, pointer: str, dtype: str, lanes: int, part: str | None
) -> Value:
    """The last vector of a row of y; where there are masks, no more of it than exists."""
    if part is None:
        return _load(b, pointer, dtype, lanes)
    return load_masked(b, pointer, dtype, lanes, part)


def _store_tile(b: Routine, acc: list[list[Value]], d: Int, part: str | None) -> None:
    """Store the rows as the descriptor's MODE says."""
    dtype, lanes = acc[0][0].dtype, acc[0][0].lanes
    vectors, item = len(acc[0]), ITEM[dtype]
    width, kind = lanes * item, acc[0][0].type
    is_finish = b.read(d, MODE).equals(FINISH)
    floor = b.splat(b.load(b.read(d, _FLOOR), dtype), lanes)
    at = b.pointer(b.choice(is_finish, b.read(d, SPILL), b.argument["y"]))
    step = b.choice(is_finish, vectors * width, b.read(d, Y_ROW))
    for p, row in enumerate(acc):
        for v, value in enumerate(row):
            less = b.compare("olt", value, floor)
            value = b.select(less, floor, value)
            place = _step(b, at, v * width)
            if part is not None and v + 1 == vectors:
                store_masked(b, place, value, part)
            else:
                b.emit(f"store {kind} {value.text}, ptr {place}, align {item}")
        if p + 1 < len(acc):
            at = _at(b, at, step)
    with b.when(is_finish):
        b.run(f"sg.finish.{CODE[dtype]}", len(acc), vectors, b.argument["y"], d)


def _step(b: Builder, pointer: str, offset: int) -> str:
    if offset == 0:
        return pointer
    text = f"getelementptr i8, ptr {pointer}, i64 {offset}"
    return b.op(text, "int64", 1).text


def _at(b: Builder, pointer: str, offset: Int) -> str:
    text = f"getelementptr i8, ptr {pointer}, i64 {offset.text}"
    return b.op(text, "int64", 1).text


def _scaled(b: Routine, pointer: str, multiples: dict[int, Int], p: int) -> str:
    """pointer + p * row, written so that the scale is part of the address."""
    if p == 0:
        return pointer
    scale = p & -p
    element = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}[scale]
    text = f"getelementptr {element}, ptr {pointer}, i64 {multiples[p // scale].text}"
    return b.op(text, "int64", 1).text


def _strip(cpu: Machine, kind: str, dtype: str, vectors: int) -> Routine:
    """What is particular to a kind: where rows and steps of x lie."""
    r = writer(cpu, strip_name(kind, dtype, vectors), ("rows", "x", "w", "y", "d"))
    a, item = r.argument, ITEM[dtype]
    d = a["d"]
    row = r.constant(item) if kind == "columns" else r.read(d, ROW)
    for odd in range(1, cpu.rows(vectors), 2):
        r.write(d, row * odd, _ODD + odd // 2)
    if kind == "rows":
        r.write(d, item, X_STEP)
    below = "lanes" if kind == "lanes" else "rows"
    r.run(f"sg.run.{below}.{CODE[dtype]}.{vectors}", *a.values())
    return r


def _run(
    cpu: Machine, kind: str, dtype: str, vectors: int, heights: list[int]
) -> Routine:
    """Divide rows evenly into tiles and run them."""
    code, most, lanes = CODE[dtype], heights[-1], cpu.lanes(dtype)
    name = f"sg.run.{kind}.{code}.{vectors}"
    r = writer(cpu, name, ("rows", "x", "w", "y", "d"))
    a, d = r.argument, r.argument["d"]
    y_row, advance = r.read(d, Y_ROW), r.read(d, ADVANCE)
    mode = r.read(d, MODE)
    some = r.read(d, VALID) - (vectors - 1) * lanes
    r.write(d, r.choice(mode >= PART, some, lanes), _LAST)
    is_relu = r.integer("and", mode, PART - 1).equals(RELU)
    floor = r.choice(is_relu, r.where("sg.zeros"), r.where(f"sg.least.{code}"))
    r.write(d, floor, _FLOOR)

    # the tallest tiles, and a table for the rest
    parts = first_tiles(vectors, heights)
    table = f"sg.parts.{kind}.{code}.{vectors}"
    numbers = ", ".join(f"i64 {part}" for part in parts)
    r.declarations[table] = (
        f"@{table} = internal constant [{len(parts)} x i64] [{numbers}], align 64"
    )
    table_at = r.where(table)
    x, y, left = r.slot(a["x"]), r.slot(a["y"]), r.slot(a["rows"])
    with r.whilst(lambda: left.now > 0):
        rest, here_x, here_y = left.now, x.now, y.now
        part = r.read(table_at + r.least(rest, 2 * most) * 8)
        left.set(rest - part)
        x.set(here_x + part * advance)
        y.set(here_y + part * y_row)
        labels = {height: r.label() for height in heights}
        done = r.label()
        cases = " ".join(
            f"i64 {height}, label %{label}"
            for height, label in labels.items()
            if height != most
        )
        r.emit(f"switch i64 {part.text}, label %{labels[most]} [ {cases} ]")
        for height, label in labels.items():
            r.place(label)
            tile_name = _tile_name(kind, dtype, vectors, height)
            r.run(tile_name, here_x, a["w"], here_y, d)
            r.emit(f"br label %{done}")
        r.place(done)
    return r


# --- the end of a tile -----------------------------------------------------------


def _finish(cpu: Machine, dtype: str) -> Routine:
    """r = act(alpha*acc + beta*y + bias) for spilled rows, partial vectors included."""
    name = f"sg.finish.{CODE[dtype]}"
    r = writer(cpu, name, ("rows", "vectors", "y", "d"))
    a, d = r.argument, r.argument["d"]
    lanes, item = cpu.lanes(dtype), ITEM[dtype]
    width = lanes * item
    spill = r.read(d, SPILL)
    y_row = r.read(d, Y_ROW)
    beta_at, bias_at = r.read(d, BETA), r.read(d, BIAS)
    valid = r.read(d, VALID)
    activation = r.read(d, ACTIVATION)
    alpha = r.splat(r.load(r.read(d, ALPHA), dtype), lanes)
    one = r.where(f"sg.one.{CODE[dtype]}")
    has_beta, has_bias = beta_at.differs(0), bias_at.differs(0)
    beta = r.splat(r.load(r.choice(has_beta, beta_at, one), dtype), lanes)
    has_slope = activation.equals(2)
    slope = r.splat(r.load(r.choice(has_slope, r.read(d, SLOPE), one), dtype), lanes)
    slope = _pick(r, activation.equals(1), r.const(0.0, dtype, lanes), slope)
    value = _place(r, dtype, lanes, "%value")
    temporary = spill + (SPILL_BYTES - width)
    with r.loop(a["vectors"]) as v:
        there = v * width
        left = valid - v * lanes
        full = left >= lanes
        mask = mask_below(r, left, dtype, lanes) if cpu.masks else None
        with r.loop(a["rows"]) as p:
            y = a["y"] + p * y_row + there
            found = r.load(spill + (p * a["vectors"] + v) * width, dtype, lanes)
            _put(r, value, r.fmul(found, alpha))
            with r.when(has_beta):
                with r.when(full):
                    old = r.load(y, dtype, lanes)
                    _put(r, value, r.fma(old, beta, _get(r, value)))
                with r.unless(full):
                    old = load_part(r, y, dtype, lanes, mask, left, temporary)
                    _put(r, value, r.fma(old, beta, _get(r, value)))
            with r.when(has_bias):
                bias = r.load(bias_at + there, dtype, lanes)
                _put(r, value, r.fadd(_get(r, value), bias))
            with r.when(activation.differs(0)):
                now = _get(r, value)
                positive = r.compare("ogt", now, 0.0)
                negative = r.compare("olt", now, 0.0)
                low = r.select(negative, r.fmul(now, slope), now)
                is_relu = Truth(r, r.op(f"icmp eq i64 {activation.text}, 1",
                                        "bool", 1).text)  # fmt: skip
                low = _pick(r, is_relu, r.above(now, 0.0), low)
                _put(r, value, r.select(positive, now, low))
            with r.when(full):
                r.store(y, _get(r, value))
            with r.unless(full):
                store_part(r, y, _get(r, value), mask, left, temporary)
    return r


def _place(r: Routine, dtype: str, lanes: int, name: str) -> Value:
    r.slots.append(f"  {name} = alloca {type_name(dtype, lanes)}, align 8")
    return Value(name, dtype, lanes)


def _put(r: Routine, place: Value, value: Value) -> None:
    r.emit(f"store {value.type} {value.text}, ptr {place.text}, align 4")


def _get(r: Routine, place: Value) -> Value:
    text = f"load {place.type}, ptr {place.text}, align 4"
    return r.op(text, place.dtype, place.lanes)


def _pick(r: Routine, condition: Truth, a: Value, b: Value) -> Value:
    text = f"select i1 {condition.text}, {a.type} {a.text}, {b.type} {b.text}"
    return r.op(text, a.dtype, a.lanes)
