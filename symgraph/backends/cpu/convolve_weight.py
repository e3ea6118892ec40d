"""Gradients of convolutions in their weights, on the tiles.

    w[k, c, r] = sum over n, o of x[n, o*stride - pad + r*dilation, c] * y[n, o, k]

where y is the gradient of the convolution's result. In: the parameters `CONVOLUTION`
(convolve_plan). Out: LLVM text of two phases. The first divides the sum over images
and positions into *parts* and the columns into panels, for each of which it adds up a
packed block [tap][c][lanes of k] in the workspace; the second adds the parts in a
fixed order and writes w. How many parts there are follows from the sizes alone.

A tile's rows are channels of x (all channels of one row of the window at once where
they lie contiguous), its columns target channels, and its sum runs over positions. The
positions come in blocks: some whole slabs (images, or one depth of them), or a band of
one slab, with x copied to scratch with a border of zeros and y packed into panels.

The sums of a block begin at zero. A part of many blocks adds them up in *cells* as gemm
does: images of its part of the workspace, each of which takes `RADIX` blocks and is then
added to the next. So the rounding error grows with the log of the number of positions
(docs/explanation/sums.md).
"""

from symgraph.backends.cpu import tiles
from symgraph.backends.cpu.convolve_plan import (
    AXES,
    CONVOLUTION,
    Fields,
    array,
    room_for,
)
from symgraph.backends.cpu.gemm import RADIX, RADIX_BITS
from symgraph.backends.cpu.routine import Int, Routine, Truth
from symgraph.backends.cpu.select import PARTS, PARTS_BYTES
from symgraph.backends.cpu.tiles import CODE, ITEM, Machine, writer

WEIGHT = (
    "slabs", "taps", "group_channels", "group_filters", "depthwise", "merged", "direct",
    "vectors", "panels", "part_bytes",
    "span_depth", "span_height", "span_width",
    "width", "out_width", "height", "out_height",
    "slab_step", "rows", "columns", "across", "bands", "steps", "parts", "part_step",
    "splits", "panel_step", "frame_bytes", "tap_step", "tap_splits",
)  # fmt: skip

POSITIONS = 1024  # positions that are worth a part
UNITS = 16
FRAME_BYTES = 1 << 18
WIDE_BYTES = 4 << 20
WIDE = 1 << 12  # the most columns of a block, and the most positions beyond one row
CELLS = 3  # of a part with many blocks; what the last has taken goes to the workspace

_TABLE = 8192  # place in the scratch


def weight_functions(cpu: Machine, dtype: str) -> list[Routine]:
    """The functions of weight gradients of a dtype."""
    return [_plan(cpu, dtype), *_entries(cpu, dtype), _place(cpu, dtype),
            _unit(cpu, dtype), _tiles(cpu, dtype), _climb(cpu, dtype), _lift(cpu, dtype),
            _sum(cpu, dtype)]  # fmt: skip


def _plan(cpu: Machine, dtype: str) -> Routine:
    item, lanes = ITEM[dtype], cpu.lanes(dtype)
    r = writer(cpu, f"sg.weight.plan.{CODE[dtype]}", ("params", "plan"))
    p = Fields(r, r.argument["params"], CONVOLUTION)
    f = Fields(r, r.argument["plan"], WEIGHT)
    groups = p["groups"]
    group_channels = p["channels"] // groups
    group_filters = p["filters"] // groups
    depthwise = group_channels.equals(1) & group_filters.equals(1) & (groups > 1)
    taps: Int = r.constant(1)
    direct: Truth | None = None
    same: Truth | None = None
    for axis in AXES:
        window, stride = p[f"window_{axis}"], p[f"stride_{axis}"]
        taps = taps * window
        reach = (window - 1) * p[f"dilation_{axis}"]
        f[f"span_{axis}"] = reach + 1
        low = 0 - p[f"pad_{axis}"]
        last = (p[f"out_{axis}"] - 1) * stride + reach + low
        inside = (low >= 0) & (last < p[axis])
        direct = inside if direct is None else direct & inside
        alike = window.equals(1) & stride.equals(1) & p[f"out_{axis}"].equals(p[axis])
        alike = alike & low.equals(0)
        same = alike if same is None else same & alike
    assert direct is not None
    assert same is not None
    f["taps"] = taps
    f["group_channels"] = group_channels
    f["group_filters"] = group_filters
    f["depthwise"] = r.number(depthwise)
    direct = direct & r.implied(depthwise, (p["channels"] % lanes).equals(0))
    same = same & direct
    f["direct"] = r.number(direct)
    f["merged"] = r.number(
        p["dilation_width"].equals(1) & (groups.equals(1) | depthwise)
    )
    vectors = r.choice(
        depthwise, r.upward(p["channels"], lanes), r.upward(group_filters, lanes)
    )
    panels = r.choice(depthwise, vectors, (vectors + 1) // 2 * groups)
    f["vectors"] = vectors
    f["panels"] = panels
    all_vectors = r.choice(depthwise, vectors, vectors * groups)
    f["part_bytes"] = all_vectors * taps * group_channels * cpu.width

    # with a window of one, the rows of an image are one long row
    f["slabs"] = r.choice(same, p["batch"], p["batch"] * p["out_depth"])
    pixels = p["depth"] * p["height"] * p["width"]
    f["width"] = r.choice(same, pixels, p["width"])
    f["out_width"] = out_width = r.choice(same, pixels, p["out_width"])
    f["height"] = r.choice(same, 1, p["height"])
    f["out_height"] = out_height = r.choice(same, 1, p["out_height"])

    pixel = p["channels"] * item
    column = r.most(f["span_depth"] * f["span_height"] * pixel, 1)
    stride = p["stride_width"]
    room = r.constant(WIDE_BYTES) // column - f["span_width"]
    columns = r.most(r.least(out_width, r.most(room, 0) // stride + 1), 1)
    f["columns"] = columns = r.least(columns, WIDE)  # y is packed to 128 bytes a column
    f["across"] = across = r.upward(out_width, columns)
    line = f["span_depth"] * ((columns - 1) * stride + f["span_width"]) * pixel
    line = r.most(line, 1)
    room = r.most(r.constant(FRAME_BYTES) // line - f["span_height"], 0)
    rows = r.least(out_height, room // p["stride_height"] + 1)
    rows = r.least(rows, r.most(r.constant(WIDE) // columns, 1))
    rows = r.upward(out_height, r.upward(out_height, r.most(rows, 1)))
    f["rows"] = rows = r.most(rows, 1)
    f["bands"] = bands = r.upward(out_height, rows)
    high = (rows - 1) * p["stride_height"] + f["span_height"]
    f["frame_bytes"] = frame = line * high
    whole = bands.equals(1) & across.equals(1)
    together = r.least(
        r.constant(FRAME_BYTES) // frame, POSITIONS // r.most(rows * columns, 1)
    )
    spread = r.upward(f["slabs"], PARTS)  # leave a slab to every part
    together = r.most(r.least(together, spread), 1)
    f["slab_step"] = together = r.choice(whole, together, 1)
    f["steps"] = steps = r.upward(f["slabs"], together) * bands * across
    positions = f["slabs"] * out_height * out_width
    parts = r.least(r.most(positions // POSITIONS, 1), r.least(steps, PARTS))
    parts = r.least(parts, PARTS_BYTES // r.most(f["part_bytes"], 1) + 1)
    step = r.upward(steps, r.most(parts, 1))
    f["part_step"] = step
    f["parts"] = parts = r.upward(steps, r.most(step, 1))
    wanted = positions * p["filters"] * taps * group_channels // (1 << 19)
    wanted = r.most(r.least(wanted, UNITS), 1)
    splits = r.least(r.upward(wanted, r.most(parts, 1)), panels)
    step = r.upward(panels, r.most(splits, 1))
    f["panel_step"] = step
    f["splits"] = splits = r.upward(panels, r.most(step, 1))
    lines = p["window_depth"] * p["window_height"]
    cuts = r.least(r.upward(wanted, r.most(parts * splits, 1)), lines)
    step = r.upward(lines, r.most(cuts, 1))
    f["tap_step"] = step
    f["tap_splits"] = r.upward(lines, r.most(step, 1))
    return r


def _entries(cpu: Machine, dtype: str) -> list[Routine]:
    """The public functions of both phases."""
    code = CODE[dtype]
    made = []
    for phase in ("", "_sum"):
        symbol = f"sg_convolution_weight{phase}_{code}"
        r = writer(cpu, symbol + "_units", ("params",), public=True, returns=True)
        plan = array(r, len(WEIGHT))
        r.run(f"sg.weight.plan.{code}", r.argument["params"], plan)
        f = Fields(r, plan, WEIGHT)
        blocks = r.upward(f["group_channels"], cpu.lanes(dtype))
        r.give(
            f["panels"] * blocks
            if phase
            else f["parts"] * f["splits"] * f["tap_splits"]
        )
        made.append(r)
        r = writer(cpu, symbol, ("params", "begin", "end", "scratch"), public=True)
        a = r.argument
        plan = array(r, len(WEIGHT))
        r.run(f"sg.weight.plan.{code}", a["params"], plan)
        with r.loop(a["end"], start=a["begin"]) as unit:
            work = "sum" if phase else "unit"
            r.run(f"sg.weight.{work}.{code}", a["params"], plan, unit, a["scratch"])
        made.append(r)
    return made


def _place(cpu: Machine, dtype: str) -> Routine:
    """Byte offset of a panel in a part: [tap][c][lanes of k] each."""
    r = writer(cpu, f"sg.weight.place.{CODE[dtype]}", ("plan", "panel"), returns=True)
    f = Fields(r, r.argument["plan"], WEIGHT)
    panel = r.argument["panel"]
    depth = f["taps"] * f["group_channels"] * cpu.width
    each = (f["vectors"] + 1) // 2
    group = panel // each
    dense = (group * f["vectors"] + panel % each * 2) * depth
    r.give(r.choice(f["depthwise"].equals(1), panel * depth, dense))
    return r


def _columns(
    r: Routine, cpu: Machine, dtype: str, p: Fields, f: Fields, panel: Int
) -> tuple[Int, Int, Int, Int]:
    """Group of a panel, its first column there, how many, in how many vectors."""
    lanes = cpu.lanes(dtype)
    depthwise = f["depthwise"].equals(1)
    each = r.choice(depthwise, 1 << 40, (f["vectors"] + 1) // 2)
    most = r.choice(depthwise, lanes, 2 * lanes)
    limit = r.choice(depthwise, p["filters"], f["group_filters"])
    group = panel // each
    first = panel % each * most
    wide = r.least(limit - first, most)
    return group, first, wide, r.upward(wide, lanes)


def _unit(cpu: Machine, dtype: str) -> Routine:
    """One part of the sum, for some panels."""
    code, item = CODE[dtype], ITEM[dtype]
    r = writer(cpu, f"sg.weight.unit.{code}", ("params", "plan", "unit", "scratch"))
    a = r.argument
    p, f = Fields(r, a["params"], CONVOLUTION), Fields(r, a["plan"], WEIGHT)
    d = a["scratch"]
    lines = a["unit"] % f["tap_splits"] * f["tap_step"]
    rest = a["unit"] // f["tap_splits"]
    split = rest % f["splits"]
    part = rest // f["splits"]
    pixel = p["channels"] * item
    partial = p["workspace"] + part * f["part_bytes"]
    first_step = part * f["part_step"]
    last_step = r.least(first_step + f["part_step"], f["steps"])
    table = d + _TABLE
    table_bytes = r.rounded(f["slab_step"] * f["rows"] * 16, 64)
    packed = table + table_bytes
    pack_bytes = f["slab_step"] * f["rows"] * f["columns"] * (2 * cpu.width)
    many = last_step - first_step > RADIX
    cells_bytes = r.choice(many, r.rounded(f["part_bytes"], 64) * CELLS, 0)
    cells, held = room_for(
        r, r.rounded(packed + pack_bytes, 64),
        cells_bytes
        + r.choice(f["direct"].equals(1), 0, f["slab_step"] * f["frame_bytes"]), d,
    )  # fmt: skip
    copied = cells + cells_bytes
    target = r.choice(many, cells, partial)
    image_bytes = p["depth"] * p["height"] * p["width"] * pixel
    out_depth = r.choice(f["slabs"].equals(p["batch"]), 1, p["out_depth"])
    out_pixel = p["filters"] * item
    is_direct = f["direct"].equals(1)
    first_panel = split * f["panel_step"]
    stop = r.least(first_panel + f["panel_step"], f["panels"])
    r.write(d, table, tiles.TABLE)
    with r.loop(last_step, start=first_step) as step:
        done = step - first_step
        done = r.choice(many, r.integer("and", done, RADIX - 1), done)
        column = step % f["across"] * f["columns"]
        row = step // f["across"] % f["bands"] * f["rows"]
        slab = step // (f["across"] * f["bands"]) * f["slab_step"]
        slabs = r.least(f["slabs"] - slab, f["slab_step"])
        columns = r.least(f["out_width"] - column, f["columns"])
        rows = r.least(f["out_height"] - row, f["rows"])
        high = (rows - 1) * p["stride_height"] + f["span_height"]
        wide = (columns - 1) * p["stride_width"] + f["span_width"]
        y = row * p["stride_height"] - p["pad_height"]
        x = column * p["stride_width"] - p["pad_width"]
        line = r.choice(is_direct, f["width"], wide) * pixel
        plane = r.choice(is_direct, f["height"], high) * line
        frame_bytes = f["span_depth"] * plane
        # the table of rows: their addresses in the frames
        entry = r.slot(table)
        with r.loop(slabs) as s:
            image = (slab + s) // out_depth
            depth = (slab + s) % out_depth
            z = depth * p["stride_depth"] - p["pad_depth"]
            base = r.slot(copied + s * frame_bytes)
            with r.when(is_direct):
                at = (z * f["height"] + y) * f["width"] + x
                base.set(p["x"] + image * image_bytes + at * pixel)
            with r.unless(is_direct):
                r.run(
                    f"sg.frame.{code}", base.now, p["x"] + image * image_bytes,
                    z, y, x, f["span_depth"], high, wide, p["depth"], p["height"],
                    p["width"], p["channels"],
                )  # fmt: skip
            with r.loop(rows) as i:
                now = entry.now
                r.write(now, base.now + i * p["stride_height"] * line)
                entry.set(now + 16)
        r.write(d, slabs * rows, tiles.TAPS)
        r.write(d, columns, tiles.COUNT)
        r.write(d, p["stride_width"] * pixel, tiles.X_STEP)
        with r.loop(stop, start=first_panel) as panel:
            group, first, wide, vectors = _columns(r, cpu, dtype, p, f, panel)
            channel = group * f["group_filters"] + first
            width = vectors * cpu.width
            with r.loop(slabs) as s, r.loop(rows) as i:
                start = (slab + s) * f["out_height"] + row + i
                source = p["y"] + (start * f["out_width"] + column) * out_pixel
                r.run(
                    f"sg.panel.{code}", packed + (s * rows + i) * columns * width,
                    source + channel * item, columns, out_pixel, item, wide, vectors,
                )  # fmt: skip
            r.run(
                f"sg.weight.tiles.{code}", a["params"], a["plan"], d, packed,
                target + r.ask(f"sg.weight.place.{code}", a["plan"], panel),
                r.number(done > 0), lines, line, plane, group, first, vectors,
            )  # fmt: skip
        with r.when(many):
            r.run(
                f"sg.weight.climb.{code}", a["params"], a["plan"], cells, partial,
                step - first_step, r.number(step.equals(last_step - 1)), first_panel, stop,
                lines,
            )  # fmt: skip
    r.release(held)
    return r


def _climb(cpu: Machine, dtype: str) -> Routine:
    """Empty full cells, or at the end all cells, into those above and the workspace."""
    code = CODE[dtype]
    r = writer(
        cpu, f"sg.weight.climb.{code}",
        ("params", "plan", "cells", "partial", "number", "ends", "first", "stop", "lines"),
    )  # fmt: skip
    a = r.argument
    size = r.rounded(Fields(r, a["plan"], WEIGHT)["part_bytes"], 64)
    ends = a["ends"].equals(1)
    level, number = r.slot(0), r.slot(a["number"])

    def goes_up() -> Truth:
        digit = r.integer("and", number.now, RADIX - 1)
        return (digit.equals(RADIX - 1) | ends) & (level.now < CELLS)

    with r.whilst(goes_up):
        source = a["cells"] + level.now * size
        level.add(1)
        number.set(r.integer("lshr", number.now, RADIX_BITS))
        top = level.now.equals(CELLS)
        before = r.choice(top, number.now, r.integer("and", number.now, RADIX - 1))
        r.run(
            f"sg.weight.lift.{code}", a["params"], a["plan"], source,
            r.choice(top, a["partial"], source + size), before, a["first"], a["stop"],
            a["lines"],
        )  # fmt: skip
    return r


def _lift(cpu: Machine, dtype: str) -> Routine:
    """Add some panels and lines of one cell to another, or copy them if `before` is 0."""
    code, lanes = CODE[dtype], cpu.lanes(dtype)
    r = writer(
        cpu, f"sg.weight.lift.{code}",
        ("params", "plan", "source", "target", "before", "first", "stop", "lines"),
    )  # fmt: skip
    a = r.argument
    p, f = Fields(r, a["params"], CONVOLUTION), Fields(r, a["plan"], WEIGHT)
    end = r.least(a["lines"] + f["tap_step"], p["window_depth"] * p["window_height"])
    with r.loop(a["stop"], start=a["first"]) as panel:
        vectors = _columns(r, cpu, dtype, p, f, panel)[3]
        line = f["group_channels"] * p["window_width"] * vectors * cpu.width
        place = r.ask(f"sg.weight.place.{code}", a["plan"], panel) + a["lines"] * line
        source, target = a["source"] + place, a["target"] + place
        size = (end - a["lines"]) * line
        with r.when(a["before"].equals(0)):
            r.copy(target, source, size)
        with r.unless(a["before"].equals(0)), r.loop(size, step=cpu.width) as at:
            old = r.load(target + at, dtype, lanes)
            r.store(target + at, r.fadd(old, r.load(source + at, dtype, lanes)))
    return r


def _tiles(cpu: Machine, dtype: str) -> Routine:
    """All tiles of one panel over one block of positions."""
    code, item = CODE[dtype], ITEM[dtype]
    r = writer(
        cpu, f"sg.weight.tiles.{code}",
        ("params", "plan", "scratch", "packed", "target", "again", "lines", "line", "plane",
         "group", "first", "vectors"),
    )  # fmt: skip
    a = r.argument
    p, f = Fields(r, a["params"], CONVOLUTION), Fields(r, a["plan"], WEIGHT)
    d = a["scratch"]
    zeros = r.where("sg.zeros")
    pixel = p["channels"] * item
    width = a["vectors"] * cpu.width
    again = a["again"].equals(1)
    depthwise = f["depthwise"].equals(1)
    merged = f["merged"].equals(1)
    r.write(d, zeros, tiles.INIT)
    r.write(d, r.choice(again, tiles.ADD, tiles.STORE), tiles.MODE)
    r.write(d, width, tiles.W_STEP)
    r.write(d, width, tiles.Y_ROW)
    # rows of the packed y as bytes, for this width
    rows = r.read(d, tiles.TAPS)
    table = r.read(d, tiles.TABLE)
    columns = r.read(d, tiles.COUNT)
    with r.loop(rows) as i:
        r.write(table + i * 16, i * columns * width, 1)
    depthwise_row = r.choice(merged, 1, p["dilation_width"]) * pixel
    r.write(d, r.choice(depthwise, depthwise_row, item), tiles.ROW)
    r.write(d, r.choice(depthwise, depthwise_row, item), tiles.ADVANCE)
    channels = f["group_channels"]
    height = r.choice(merged, channels * p["window_width"], channels)
    wide = r.choice(merged, 1, p["window_width"])
    offset = r.choice(depthwise, a["first"], a["group"] * channels) * item
    bound = r.least(a["lines"] + f["tap_step"], p["window_depth"] * p["window_height"])
    target = r.slot(a["target"] + a["lines"] * wide * height * width)
    with r.loop(bound, start=a["lines"]) as tap:
        t, u = tap // p["window_height"], tap % p["window_height"]
        with r.loop(wide) as v:
            x = (
                t * p["dilation_depth"] * a["plane"]
                + u * p["dilation_height"] * a["line"]
                + v * p["dilation_width"] * pixel
                + offset
            )
            here = target.now
            target.set(here + height * width)
            with r.when(depthwise):
                r.run(tiles.strip_name("lanes", dtype, 1), height, x, a["packed"],
                      here, d)  # fmt: skip
            with r.unless(depthwise):
                for count in (1, 2):
                    with r.when(a["vectors"].equals(count)):
                        r.run(tiles.strip_name("columns", dtype, count), height, x,
                              a["packed"], here, d)  # fmt: skip
    return r


def _sum(cpu: Machine, dtype: str) -> Routine:
    """Add the parts of a panel for some channels and write them as (K, C, window)."""
    code, item, lanes = CODE[dtype], ITEM[dtype], cpu.lanes(dtype)
    r = writer(cpu, f"sg.weight.sum.{code}", ("params", "plan", "unit", "scratch"))
    a = r.argument
    p, f = Fields(r, a["params"], CONVOLUTION), Fields(r, a["plan"], WEIGHT)
    taps, channels = f["taps"], f["group_channels"]
    blocks = r.upward(channels, lanes)
    panel = a["unit"] // blocks
    begin = a["unit"] % blocks * lanes
    end = r.least(begin + lanes, channels)
    group, first, wide, vectors = _columns(r, cpu, dtype, p, f, panel)
    width = vectors * cpu.width
    source = p["workspace"] + r.ask(f"sg.weight.place.{code}", a["plan"], panel)
    start = group * f["group_filters"] + first
    step = channels * taps * item
    target = p["w"] + start * step
    flip = p["flip"].equals(1)
    line, zeros = a["scratch"], r.where("sg.zeros")
    parts, part_bytes = f["parts"], f["part_bytes"]
    with r.loop(taps) as tap:
        to = r.choice(flip, taps - 1 - tap, tap)
        with r.loop(end, start=begin) as c:
            here = source + (tap * channels + c) * width
            with r.loop(vectors) as v:
                place = line + v * cpu.width
                first_part = r.choice(parts > 0, here + v * cpu.width, zeros)
                r.store(place, r.load(first_part, dtype, lanes))
                with r.loop(parts, start=1) as part:
                    more = r.load(
                        here + part * part_bytes + v * cpu.width, dtype, lanes
                    )
                    r.store(place, r.fadd(r.load(place, dtype, lanes), more))
            out = target + (c * taps + to) * item
            with r.loop(wide) as k:
                r.store(out + k * step, r.load(line + k * item, dtype))
    return r
