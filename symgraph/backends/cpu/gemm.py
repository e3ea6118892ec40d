"""Matrix products on the tiles: any strides, any size, an epilogue.

    c[i, j] = activation(alpha * sum over k of a[i, k] * b[k, j] + beta * c[i, j] + bias[j])

for each of ``batch`` pairs of matrices. In: an array of i64 numbers in the order of
`GEMM`; steps count elements; ``alpha``, ``beta`` and ``slope`` are addresses of numbers
(0: alpha 1, beta 0), ``bias`` of ``columns`` numbers (0: none), ``activation`` is 0 for
none, 1 relu, 2 leaky with ``slope``. With beta 0, c is not read. Columns of c lie
contiguous. Out: LLVM text of

    void sg_gemm_f32(ptr params, i64 begin, i64 end, ptr scratch)
    i64  sg_gemm_f32_units(ptr params)

A unit is a block of rows times a group of column panels of one matrix of the batch. It
packs its panels of b into its scratch, where they stay in the second-level cache while
the rows of a stream over them; long sums are cut into blocks of `DEPTH`. So nothing is
shared between units, no memory is needed beside the scratch, and no result depends on
which thread runs a unit.

Each block's sums begin at zero and are then added to c. Where there are many blocks, all
but the first (which scales c by beta) and the last (which ends with the bias and the
activation) are added up in *cells*, images of the unit's part of c in the scratch: a cell
takes `RADIX` blocks and is then added to the cell of the next level. So the rounding
error grows with the log of the depth (docs/explanation/sums.md).

References
----------
Goto and van de Geijn 2008, Anatomy of high-performance matrix multiplication.
"""

from symgraph.backends.cpu import tiles
from symgraph.backends.cpu.routine import Int, Routine, Truth
from symgraph.backends.cpu.tiles import CODE, ITEM, Machine, writer

GEMM = (
    "a", "b", "c", "bias", "alpha", "beta", "slope", "activation",
    "batch", "rows", "columns", "depth",
    "a_batch", "a_down", "a_across", "b_batch", "b_down", "b_across",
    "c_batch", "c_down",
)  # fmt: skip

DEPTH = 800  # the most terms of a sum that are added up in registers at a time
PACKED_BYTES = 1 << 19  # of b that should stay in the second-level cache
LARGE_BYTES = 1 << 22  # of b, from which on a unit takes as many panels as it can
GROUP = 8  # the most column panels of a unit
UNITS = 16  # how many units a product of moderate size is divided into
WORK = 1 << 19  # multiplications that are worth a unit
BLOCK_BYTES = 1 << 19  # of a that should stay in the second-level cache
RADIX_BITS = 4
RADIX = 1 << RADIX_BITS  # blocks, or cells, that a cell takes
LEVELS = 5  # cells of a unit; the last takes whatever comes

_TABLE, _SPILL, _BIAS, _PACKED = 512, 1024, 4096, 8192  # places in the scratch


def gemm_functions(cpu: Machine, dtype: str) -> list[Routine]:
    """The functions of matrix products of a dtype."""
    return [_plan(cpu, dtype), _units(cpu, dtype), _run(cpu, dtype), _put(cpu, dtype),
            _gather(cpu, dtype), _block(cpu, dtype)]  # fmt: skip


def _get(r: Routine, params: Int) -> dict[str, Int]:
    return {name: r.read(params, i) for i, name in enumerate(GEMM)}


def _plan(cpu: Machine, dtype: str) -> Routine:
    """Write (panels per unit, rows per unit, column units, row units) to an array."""
    r = writer(cpu, f"sg.gemm.plan.{CODE[dtype]}", ("params", "plan"))
    p, plan = r.argument["params"], r.argument["plan"]
    numbers = _get(r, p)
    rows, columns, depth = (numbers[n] for n in ("rows", "columns", "depth"))
    most = cpu.rows(2)
    panels = r.upward(columns, 2 * cpu.lanes(dtype))
    work = rows * columns * r.most(depth, 1)
    wanted = r.most(r.least(work // WORK, UNITS), 1)
    group = r.least(r.upward(panels, wanted), GROUP)
    _, pack = _ways(r, numbers, ITEM[dtype])
    large = (rows * depth * ITEM[dtype] > 2 * BLOCK_BYTES) | pack
    size = rows * depth * ITEM[dtype]
    several = r.choice(size > 8 * BLOCK_BYTES, GROUP, 4)
    group = r.choice(large, r.most(group, r.least(panels, several)), group)
    # rows of a large b are read in wide pieces: each may lie in a page of its own
    broad = columns * depth * ITEM[dtype] > LARGE_BYTES
    group = r.choice(broad, r.most(group, r.least(panels, GROUP)), group)
    group = r.most(group, 1)
    across = r.upward(panels, group)
    cuts = r.choice(across < 8, r.upward(wanted, r.most(across, 1)), 1)
    cuts = r.most(cuts, rows // 512)
    # each block of rows packs b again
    few = r.most(rows // (8 * most), 1)
    cuts = r.choice(broad, r.least(cuts, few), cuts)
    block = r.most(r.upward(rows, cuts), 4 * most)
    block = r.upward(block, most) * most
    r.write(plan, group, 0)
    r.write(plan, block, 1)
    r.write(plan, across, 2)
    r.write(plan, r.upward(rows, block), 3)
    return r


def _units(cpu: Machine, dtype: str) -> Routine:
    r = writer(cpu, f"sg_gemm_{CODE[dtype]}_units", ("params",), public=True,
               returns=True)  # fmt: skip
    p = r.argument["params"]
    plan = _array(r, 4)
    r.run(f"sg.gemm.plan.{CODE[dtype]}", p, plan)
    batch = r.read(p, GEMM.index("batch"))
    r.give(batch * r.read(plan, 2) * r.read(plan, 3))
    return r


def _array(r: Routine, count: int) -> Int:
    """Address of an array of i64 on the stack."""
    name = f"%array{len(r.slots)}"
    r.slots.append(f"  {name} = alloca [{count} x i64], align 64")
    return Int(r, r.op(f"ptrtoint ptr {name} to i64", "int64", 1).text)


def _run(cpu: Machine, dtype: str) -> Routine:
    """Units begin .. end-1."""
    code, item = CODE[dtype], ITEM[dtype]
    r = writer(cpu, f"sg_gemm_{code}", ("params", "begin", "end", "scratch"),
               public=True)  # fmt: skip
    a = r.argument
    p = _get(r, a["params"])
    plan = _array(r, 4)
    r.run(f"sg.gemm.plan.{code}", a["params"], plan)
    group, block, across, along = (r.read(plan, i) for i in range(4))
    width = 2 * cpu.lanes(dtype)
    with r.loop(a["end"], start=a["begin"]) as unit:
        column = unit % across * group * width
        row = unit // across % along * block
        matrix = unit // (across * along)
        columns = r.least(p["columns"] - column, group * width)
        rows = r.least(p["rows"] - row, block)
        r.run(
            f"sg.gemm.block.{code}", a["params"], a["scratch"],
            p["a"] + (matrix * p["a_batch"] + row * p["a_down"]) * item,
            p["b"] + (matrix * p["b_batch"] + column * p["b_across"]) * item,
            p["c"] + (matrix * p["c_batch"] + row * p["c_down"] + column) * item,
            rows, columns, column,
        )  # fmt: skip
    return r


def _block(cpu: Machine, dtype: str) -> Routine:
    """One unit: a block of rows times some column panels, over the whole depth."""
    code, item = CODE[dtype], ITEM[dtype]
    r = writer(
        cpu, f"sg.gemm.block.{code}",
        ("params", "scratch", "a", "b", "c", "rows", "columns", "column"),
    )  # fmt: skip
    x = r.argument
    p = _get(r, x["params"])
    d = x["scratch"]
    most, width = cpu.rows(2), 2 * cpu.lanes(dtype)
    rows, columns, depth = x["rows"], x["columns"], p["depth"]
    a_down, a_across = p["a_down"] * item, p["a_across"] * item
    b_down, b_across = p["b_down"] * item, p["b_across"] * item
    one = r.where(f"sg.one.{code}")
    zeros = r.where("sg.zeros")

    # the numbers of the epilogue, as addresses; beta 0 is no beta
    alpha = r.choice(p["alpha"].equals(0), one, p["alpha"])
    alpha_is_one = _is(r, alpha, 1.0, dtype)
    beta = r.choice(p["beta"].equals(0), zeros, p["beta"])
    beta = r.choice(_is(r, beta, 0.0, dtype), 0, beta)

    r.write(d, d + _TABLE, tiles.TABLE)
    r.write(d + _TABLE, 0, 0)
    r.write(d + _TABLE, 0, 1)
    r.write(d, 1, tiles.TAPS)
    r.write(d, d + _SPILL, tiles.SPILL)
    r.write(d, alpha, tiles.ALPHA)
    r.write(d, p["slope"], tiles.SLOPE)

    panels = r.upward(columns, width)
    most_depth = r.constant(PACKED_BYTES) // (r.most(panels, 1) * (width * item))
    blocks = r.most(r.upward(depth, r.least(most_depth, DEPTH)), 1)
    step = r.most(r.upward(depth, blocks), 1)
    by_rows, pack = _ways(r, p, item)
    by_columns = a_down.equals(item)
    pack = pack & ((columns > width) | by_columns.negated())
    # rows of a that stay in the cache while the panels pass over them
    high = r.most(r.constant(BLOCK_BYTES) // (step * item) // most, 1) * most
    high = r.least(high, rows)
    packed = d + _PACKED
    panel_bytes = step * (width * item)
    copy = packed + panels * panel_bytes
    pitch = r.constant(-(-most * item // cpu.width) * cpu.width)
    many = blocks > RADIX + 2
    cells = r.rounded(copy + r.upward(high, most) * step * pitch, 64)
    cell_row = panels * (width * item)
    cell_bytes = rows * cell_row

    with r.loop(blocks) as number:
        k = number * step
        count = r.least(depth - k, step)
        last = number.equals(blocks - 1)
        inner = many & (number > 0) & last.negated()
        place = r.integer("and", number - 1, RADIX - 1)
        first = r.choice(inner, place, number).equals(0)
        target = r.choice(inner, cells, x["c"])
        down = r.choice(inner, cell_row, p["c_down"] * item)
        r.write(d, down, tiles.Y_ROW)
        # panels of b, unless so few rows use them that copying does not pay
        few = (rows <= 2 * most) & b_across.equals(item)
        along = b_across.equals(item)
        early = r.choice(along, columns // width, 0)  # panels that rows fill
        with r.when(along & few.negated()):
            r.run(f"sg.panel.many.{code}", packed, x["b"] + k * b_down, count, b_down,
                  early, panel_bytes)  # fmt: skip
        with r.loop(panels, start=early) as panel:
            source = x["b"] + k * b_down + panel * width * b_across
            wide = r.least(columns - panel * width, width)
            r.run(
                f"sg.panel.{code}", packed + panel * panel_bytes, source, count,
                b_down, b_across, wide, r.upward(wide, cpu.lanes(dtype)),
            )  # fmt: skip
        r.write(d, count, tiles.COUNT)
        with r.loop(rows, step=high) as row:
            height = r.least(rows - row, high)
            a = r.slot(x["a"] + row * a_down + k * a_across)
            r.write(d, a_down, tiles.ROW)
            r.write(d, a_across, tiles.X_STEP)
            r.write(d, a_down, tiles.ADVANCE)
            tiles_ = r.upward(height, most)
            pairs = (height + 1) // 2
            each = r.small_quotient(pairs, tiles_)
            more = pairs - each * tiles_
            with r.when(pack):
                r.write(d, pitch, tiles.X_STEP)
                r.write(d, item, tiles.ADVANCE)
                done = r.slot(0)
                with r.loop(tiles_) as tile:
                    rest = height - done.now
                    part = r.least(r.choice(tile < more, each + 1, each) * 2, rest)
                    r.run(
                        f"sg.panel.{code}", copy + tile * count * pitch,
                        a.now + done.now * a_down, count, a_across, a_down, part,
                        pitch // cpu.width,
                    )  # fmt: skip
                    done.add(part)
                a.set(copy)
            with r.loop(panels) as panel:
                column = panel * width
                wide = r.least(columns - column, width)
                whole = wide.equals(width) & few
                w = r.slot(packed + panel * panel_bytes)
                vectors = r.upward(wide, cpu.lanes(dtype))
                r.write(d, vectors * cpu.width, tiles.W_STEP)
                with r.when(whole):
                    w.set(x["b"] + k * b_down + column * item)
                    r.write(d, b_down, tiles.W_STEP)
                with r.when(depth <= 0):
                    tiles.fill_empty(r, d)
                    a.set(zeros)
                    w.set(zeros)
                _epilogue(r, cpu, dtype, p, d, x["column"] + column, wide, vectors,
                          first, last, alpha_is_one, r.choice(inner, 0, beta),
                          one)  # fmt: skip
                y = target + row * down + column * item
                with r.when(pack):
                    done = r.slot(0)
                    with r.loop(tiles_) as tile:
                        rest = height - done.now
                        part = r.least(r.choice(tile < more, each + 1, each) * 2, rest)
                        here = y + done.now * down
                        at = a.now + r.choice(depth <= 0, 0, tile * count * pitch)
                        _strips(r, "columns", dtype, vectors, part, at, w.now, here, d)
                        done.add(part)
                with r.unless(pack):
                    with r.when(by_rows):
                        _strips(r, "rows", dtype, vectors, height, a.now, w.now, y, d)
                    with r.unless(by_rows):
                        _strips(
                            r, "columns", dtype, vectors, height, a.now, w.now, y, d
                        )
        with r.when(inner):
            with r.when(place.equals(RADIX - 1)):
                r.run(f"sg.gemm.put.{code}", cells, cell_bytes, number - 1)
            with r.when(number.equals(blocks - 2)):
                r.run(f"sg.gemm.gather.{code}", cells, cell_bytes, cell_row, number,
                      x["c"], p["c_down"] * item, rows, columns)  # fmt: skip
    return r


def _put(cpu: Machine, dtype: str) -> Routine:
    """Empty full cells into those above; `number` counts the blocks before this one."""
    r = writer(cpu, f"sg.gemm.put.{CODE[dtype]}", ("cells", "size", "number"))
    size = r.argument["size"]
    first: list[Int | int] = [r.argument["cells"], r.argument["number"], 0]
    cell, number, level = (r.slot(v) for v in first)

    def is_full() -> Truth:
        digit = r.integer("and", number.now, RADIX - 1)
        return digit.equals(RADIX - 1) & (level.now < LEVELS - 1)

    with r.whilst(is_full):
        source = cell.now
        target = source + size
        level.add(1)
        number.set(r.integer("lshr", number.now, RADIX_BITS))
        at_top = level.now.equals(LEVELS - 1)
        before = r.choice(at_top, number.now, r.integer("and", number.now, RADIX - 1))
        with r.when(before.equals(0)):
            r.copy(target, source, size)
        with r.unless(before.equals(0)), r.loop(size, step=cpu.width) as at:
            old = r.load(target + at, dtype, cpu.lanes(dtype))
            new = r.load(source + at, dtype, cpu.lanes(dtype))
            r.store(target + at, r.fadd(old, new))
        cell.set(target)
    return r


def _gather(cpu: Machine, dtype: str) -> Routine:
    """Add to c what `count` blocks have left in the cells, from the lowest."""
    r = writer(
        cpu, f"sg.gemm.gather.{CODE[dtype]}",
        ("cells", "size", "row", "count", "c", "c_row", "rows", "columns"),
    )  # fmt: skip
    a, item = r.argument, ITEM[dtype]
    count = r.slot(a["count"])
    with r.loop(LEVELS) as level:
        rest = r.integer("and", count.now, RADIX - 1)
        left = r.choice(level.equals(LEVELS - 1), count.now, rest)
        with r.when(left.differs(0)), r.loop(a["rows"]) as i:
            source = a["cells"] + level * a["size"] + i * a["row"]
            with r.loop(a["columns"] * item, step=item) as at:
                target = a["c"] + i * a["c_row"] + at
                new = r.fadd(r.load(target, dtype), r.load(source + at, dtype))
                r.store(target, new)
        count.set(r.integer("lshr", count.now, RADIX_BITS))
    return r


def _ways(r: Routine, p: dict[str, Int], item: int) -> tuple[Truth, Truth]:
    """Whether rows of a lie contiguous, and whether a should be packed if it pays.

    Rows a multiple of 2 KiB apart fall into few sets of the first-level cache; columns
    of a transposed a lie a page apart.
    """
    by_rows = p["a_across"].equals(1)
    bad = (p["a_down"] * item % 4096).equals(0) & (p["rows"] > 255)
    return by_rows, r.implied(by_rows, bad)


def _strips(r: Routine, kind: str, dtype: str, vectors: Int, *values: Int) -> None:
    """Run the strip for one or two vectors."""
    for count in (1, 2):
        with r.when(vectors.equals(count)):
            r.run(tiles.strip_name(kind, dtype, count), *values)


def _is(r: Routine, address: Int, value: float, dtype: str) -> Truth:
    """Whether the number at an address is this one."""
    return Truth(r, r.compare("oeq", r.load(address, dtype), value).text)


def _epilogue(
    r: Routine, cpu: Machine, dtype: str, p: dict[str, Int], d: Int, column: Int,
    wide: Int, vectors: Int, first: Truth, last: Truth, alpha_is_one: Truth,
    beta: Int, one: Int,
) -> None:  # fmt: skip
    """Fill the part of the descriptor that says how the tiles of a panel end."""
    item = ITEM[dtype]
    zeros = r.where("sg.zeros")
    full = wide.equals(vectors * cpu.lanes(dtype))
    beta_now = r.choice(first, beta, one)
    activation = r.choice(last, p["activation"], 0)
    stores = full | r.truth(cpu.parts)
    simple = stores & alpha_is_one & (activation <= 1)
    plain = simple & beta_now.equals(0)
    bias = r.slot(0)
    with r.when(last & p["bias"].differs(0)):
        bias.set(p["bias"] + column * item)
        with r.unless(full):
            r.clear(d + _BIAS, vectors * cpu.width)
            r.copy(d + _BIAS, p["bias"] + column * item, wide * item)
            bias.set(d + _BIAS)
    start = r.choice(plain & bias.now.differs(0), bias.now, zeros)
    r.write(d, start, tiles.INIT)
    mode = r.slot(r.choice(plain, activation, tiles.FINISH))
    adds = simple & first.negated() & activation.equals(0) & bias.now.equals(0)
    mode.set(r.choice(adds, tiles.ADD, mode.now))
    with r.unless(full | mode.now.equals(tiles.FINISH)):
        mode.add(tiles.PART)
    r.write(d, mode.now, tiles.MODE)
    r.write(d, beta_now, tiles.BETA)
    r.write(d, bias.now, tiles.BIAS)
    r.write(d, activation, tiles.ACTIVATION)
    r.write(d, wide, tiles.VALID)
