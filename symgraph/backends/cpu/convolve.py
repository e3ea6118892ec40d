"""Convolutions and their input gradients on the tiles, channels last.

    y[n, o, k] = activation(bias[k] + sum x[n, o*stride - pad + r*dilation, c] * w[k, c, r])

over c and r, and the adjoint of it in x, of 3-D images (extents of 1 for missing axes).
In: an array of i64 numbers in the order of `CONVOLUTION` (convolve_plan): addresses of
x (N, D, H, W, C), w (K, C/groups, T, R, S), y (N, OD, OH, OW, K), all contiguous, of
``bias`` (K numbers, 0: none, forward only), of a workspace of `workspace` bytes, then
extents, strides, low paddings, dilations; ``flip`` 1 reverses the window. Out: LLVM
text of the phases `PHASES` (see library_object for their form).

First the weights are packed into panels of two vectors of target channels. Then a unit
copies its band of the source into scratch with a border of zeros (unless there is no
border to speak of), and every strip of target pixels runs on the tiles: rows are
pixels, columns are target channels, taps are window positions. Depthwise convolutions
have channels as lanes. Gradients in w are in convolve_weight.

References
----------
Georganas et al. 2018, Anatomy of high-performance deep learning convolutions on SIMD
architectures. Dumoulin and Visin 2016, A guide to convolution arithmetic
(arXiv:1603.07285), for strides of the input gradient.
"""

from symgraph.backends.cpu import tiles
from symgraph.backends.cpu.convolve_plan import (
    AXES,
    CONVOLUTION,
    SPREAD,
    Fields,
    array,
    plan_functions,
    room_for,
)
from symgraph.backends.cpu.convolve_weight import weight_functions
from symgraph.backends.cpu.routine import Int, Routine
from symgraph.backends.cpu.tiles import CODE, ITEM, Machine, writer

PHASES = {
    "convolution": ("convolution_pack", "convolution"),
    "convolution_input": ("convolution_input_pack", "convolution_input"),
    "convolution_weight": ("convolution_weight", "convolution_weight_sum"),
}
PARAMETERS = dict.fromkeys(PHASES, CONVOLUTION)

_SPILL, _BIAS, _TABLE = 1024, 4096, 8192  # places in the scratch


def convolution_functions(cpu: Machine, dtype: str) -> list[Routine]:
    """The functions of convolutions of a dtype."""
    made = plan_functions(cpu, dtype)
    made += [_panel_place(cpu, dtype), _pack(cpu, dtype), _frame(cpu, dtype),
             _table(cpu, dtype), _unit(cpu, dtype), _class(cpu, dtype)]  # fmt: skip
    for gradient, name in enumerate(("convolution", "convolution_input")):
        made += _entries(cpu, dtype, name, gradient)
    return made + weight_functions(cpu, dtype)


def _entries(cpu: Machine, dtype: str, name: str, gradient: int) -> list[Routine]:
    """The four public functions of an operation: two phases and their units."""
    code = CODE[dtype]
    made = []
    for phase in ("pack", "main"):
        symbol = f"sg_{name}_{code}" if phase == "main" else f"sg_{name}_pack_{code}"
        r = writer(cpu, symbol + "_units", ("params",), public=True, returns=True)
        plan = array(r, len(SPREAD))
        r.run(f"sg.spread.plan.{code}", r.argument["params"], plan, gradient)
        f = Fields(r, plan, SPREAD)
        units = f["panels"]
        if phase == "main":
            units = f["batch"] * f["count_depth"] * f["bands"] * f["across"]
            units = units * f["splits"]
        r.give(units)
        made.append(r)
        r = writer(cpu, symbol, ("params", "begin", "end", "scratch"), public=True)
        a = r.argument
        plan = array(r, len(SPREAD))
        r.run(f"sg.spread.plan.{code}", a["params"], plan, gradient)
        with r.loop(a["end"], start=a["begin"]) as unit:
            if phase == "pack":
                r.run(f"sg.spread.pack.{code}", a["params"], plan, unit, gradient)
            else:
                r.run(f"sg.spread.unit.{code}", a["params"], plan, unit, a["scratch"])
        made.append(r)
    return made


# --- packed weights --------------------------------------------------------------


def _panel_place(cpu: Machine, dtype: str) -> Routine:
    """Byte offset of a panel of the packed weights."""
    item = ITEM[dtype]
    r = writer(cpu, f"sg.spread.place.{CODE[dtype]}", ("plan", "panel"), returns=True)
    f = Fields(r, r.argument["plan"], SPREAD)
    panel = r.argument["panel"]
    depth = f["taps"] * f["group_channels"] * (cpu.lanes(dtype) * item)
    each = (f["vectors"] + 1) // 2
    group = panel // each
    dense = (group * f["vectors"] + panel % each * 2) * depth
    r.give(r.choice(f["depthwise"].equals(1), panel * depth, dense))
    return r


def _pack(cpu: Machine, dtype: str) -> Routine:
    """One panel: [tap][source channel][lanes of target channels], zeros beyond."""
    code, item, lanes = CODE[dtype], ITEM[dtype], cpu.lanes(dtype)
    r = writer(cpu, f"sg.spread.pack.{code}", ("params", "plan", "panel", "gradient"))
    a = r.argument
    p, f = Fields(r, a["params"], CONVOLUTION), Fields(r, a["plan"], SPREAD)
    panel, taps, channels = a["panel"], f["taps"], f["group_channels"]
    target = f["packed"] + r.ask(f"sg.spread.place.{code}", a["plan"], panel)
    depthwise = f["depthwise"].equals(1)
    each = r.choice(depthwise, 1 << 40, (f["vectors"] + 1) // 2)
    group = panel // each
    first = panel % each * r.choice(depthwise, lanes, 2 * lanes)
    limit = r.choice(depthwise, f["channels"], f["group_filters"])
    wide = r.least(limit - first, r.choice(depthwise, lanes, 2 * lanes))
    vectors = r.upward(wide, lanes)
    # steps of (target channel, source channel) in w; a depthwise w has one channel
    is_gradient = a["gradient"].equals(1)
    small = taps * item
    large = small * r.choice(is_gradient, f["group_filters"], channels)
    across = r.choice(is_gradient & f["depthwise"].equals(0), small, large)
    down = r.choice(is_gradient, large, small)
    start = group * f["group_filters"] * channels * small + first * across
    reverse = p["flip"].differs(a["gradient"])
    row = channels * vectors * cpu.width
    with r.loop(taps) as tap:
        at = r.choice(reverse, taps - 1 - tap, tap)
        r.run(
            f"sg.panel.{code}", target + tap * row, p["w"] + start + at * item,
            channels, down, across, wide, vectors,
        )  # fmt: skip
    return r


# --- the source with a border ----------------------------------------------------


def _frame(cpu: Machine, dtype: str) -> Routine:
    """Copy a box of an image (its first corner may lie outside), zeros outside it."""
    item = ITEM[dtype]
    r = writer(
        cpu, f"sg.frame.{CODE[dtype]}",
        ("target", "image", "z", "y", "x", "deep", "high", "wide",
         "depth", "height", "width", "channels"),
    )  # fmt: skip
    a = r.argument
    pixel = a["channels"] * item
    line = a["wide"] * pixel
    zero = r.constant(0)
    left = r.least(r.most(zero - a["x"], 0), a["wide"])
    stop = r.least(a["width"] - a["x"], a["wide"])
    middle = r.most(stop - left, 0)
    right = a["wide"] - left - middle
    first = a["x"] + left
    target = r.slot(a["target"])
    with r.loop(a["deep"]) as i:
        z = a["z"] + i
        inside_z = (z >= 0) & (z < a["depth"])
        with r.loop(a["high"]) as j:
            y = a["y"] + j
            inside = inside_z & (y >= 0) & (y < a["height"])
            here = target.now
            with r.when(inside):
                r.clear(here, left * pixel)
                source = ((z * a["height"] + y) * a["width"] + first) * pixel
                r.copy(here + left * pixel, a["image"] + source, middle * pixel)
                r.clear(here + (left + middle) * pixel, right * pixel)
            with r.unless(inside):
                r.clear(here, line)
            target.add(line)
    return r


# --- a unit ----------------------------------------------------------------------


def _unit(cpu: Machine, dtype: str) -> Routine:
    """One image, one depth, a band of rows and columns, a range of panels."""
    code, item = CODE[dtype], ITEM[dtype]
    r = writer(cpu, f"sg.spread.unit.{code}", ("params", "plan", "unit", "scratch"))
    a = r.argument
    f = Fields(r, a["plan"], SPREAD)
    rest = r.slot(a["unit"])

    def digit(base: Int) -> Int:
        now = rest.now
        rest.set(now // base)
        return now % base

    split = digit(f["splits"])
    column = digit(f["across"]) * f["columns"]
    row = digit(f["bands"]) * f["rows"]
    depth = digit(f["count_depth"])
    image = rest.now
    columns = r.least(f["count_width"] - column, f["columns"])
    rows = r.least(f["count_height"] - row, f["rows"])
    pixel = f["channels"] * item
    corner = [
        first * f[f"m_{axis}"] + f[f"low_{axis}"]
        for axis, first in zip(AXES, (depth, row, column), strict=True)
    ]
    source = f["from"] + image * (
        f["source_depth"] * f["source_height"] * f["source_width"] * pixel
    )
    origin = (
        source
        + ((corner[0] * f["source_height"] + corner[1]) * f["source_width"] + corner[2])
        * pixel
    )
    frame = r.slot(origin)
    line = r.slot(f["source_width"] * pixel)
    plane = r.slot(f["source_height"] * f["source_width"] * pixel)
    table_bytes = r.rounded(f["taps"] * 16, 64)
    held = r.slot(0)
    with r.when(f["direct"].equals(0)):
        high = (rows - 1) * f["m_height"] + f["span_height"]
        wide = (columns - 1) * f["m_width"] + f["span_width"]
        place, more = room_for(
            r, a["scratch"] + table_bytes + _TABLE,
            f["span_depth"] * high * wide * pixel, a["scratch"],
        )  # fmt: skip
        held.set(more)
        r.run(
            f"sg.frame.{code}", place, source, *corner, f["span_depth"], high, wide,
            f["source_depth"], f["source_height"], f["source_width"], f["channels"],
        )  # fmt: skip
        frame.set(place)
        line.set(wide * pixel)
        plane.set(high * wide * pixel)
    with r.loop(f["q_depth"]) as i, r.loop(f["q_height"]) as j:
        with r.loop(f["q_width"]) as k:
            r.run(
                f"sg.spread.class.{code}", a["params"], a["plan"], a["scratch"],
                frame.now, line.now, plane.now, i, j, k, image, depth, row, column,
                rows, columns, split,
            )  # fmt: skip
    r.release(held.now)
    return r


def _table(cpu: Machine, dtype: str) -> Routine:
    """Write the taps of a class; return how many there are."""
    item = ITEM[dtype]
    r = writer(
        cpu, f"sg.spread.table.{CODE[dtype]}",
        ("plan", "table", "line", "plane", "i", "j", "k", "step"), returns=True,
    )  # fmt: skip
    a = r.argument
    f = Fields(r, a["plan"], SPREAD)
    at = r.slot(a["table"])
    pixel = f["channels"] * item
    merged = f["merged"].equals(1)
    wide = r.choice(merged, 1, f["window_width"])

    def along(axis: str, which: Int, tap: Int) -> tuple[Int, Int]:
        """Numerator and offset in the frame of a tap, both not negative."""
        q = f[f"q_{axis}"]
        number = which + f[f"base_{axis}"] + tap * f[f"dilation_{axis}"]
        shifted = number - f[f"low_{axis}"] * q
        return shifted % q, shifted // q

    with r.loop(f["window_depth"]) as t:
        rest_t, offset_t = along("depth", a["i"], t)
        with r.when(rest_t.equals(0)), r.loop(f["window_height"]) as u:
            rest_u, offset_u = along("height", a["j"], u)
            with r.when(rest_u.equals(0)), r.loop(wide) as v:
                rest_v, offset_v = along("width", a["k"], v)
                with r.when(rest_v.equals(0)):
                    here = at.now
                    where = offset_t * a["plane"] + offset_u * a["line"]
                    r.write(here, where + offset_v * pixel)
                    tap = (t * f["window_height"] + u) * f["window_width"] + v
                    r.write(here, tap * a["step"], 1)
                    at.set(here + 16)
    r.give((at.now - a["table"]) // 16)
    return r


def _class(cpu: Machine, dtype: str) -> Routine:
    """All target positions of one class in a unit."""
    code, item, lanes = CODE[dtype], ITEM[dtype], cpu.lanes(dtype)
    names = ("params", "plan", "scratch", "frame", "line", "plane", "i", "j", "k",
             "image", "depth", "row", "column", "rows", "columns", "split")  # fmt: skip
    r = writer(cpu, f"sg.spread.class.{code}", names)
    a = r.argument
    p, f = Fields(r, a["params"], CONVOLUTION), Fields(r, a["plan"], SPREAD)
    d = a["scratch"]
    zeros, one = r.where("sg.zeros"), r.where(f"sg.one.{code}")

    def counted(axis: str, which: Int, first: Int, count: Int) -> Int:
        """How many positions of the unit exist in the class."""
        all_of = r.upward(f[f"target_{axis}"] - which + f[f"q_{axis}"], f[f"q_{axis}"])
        return r.least(all_of - 1 - first, count)

    deep = counted("depth", a["i"], a["depth"], r.constant(1))
    rows = r.most(counted("height", a["j"], a["row"], a["rows"]), 0)
    rows = r.choice(deep > 0, rows, 0)
    columns = r.most(counted("width", a["k"], a["column"], a["columns"]), 0)
    rows = r.choice(columns > 0, rows, 0)

    pixel, out = f["channels"] * item, f["filters"] * item
    channels = f["group_channels"]
    depthwise = f["depthwise"].equals(1)
    merged = f["merged"].equals(1)
    table = d + _TABLE

    z = a["i"] + a["depth"] * f["q_depth"]
    y = a["j"] + a["row"] * f["q_height"]
    x = a["k"] + a["column"] * f["q_width"]
    start = ((a["image"] * f["target_depth"] + z) * f["target_height"] + y) * f[
        "target_width"
    ] + x
    target = f["to"] + start * out
    target_step = f["target_width"] * f["q_height"] * out
    source_step = a["line"] * f["m_height"]

    r.write(d, one, tiles.ALPHA)
    r.write(d, 0, tiles.BETA)
    r.write(d, d + _SPILL, tiles.SPILL)
    r.write(d, p["slope"], tiles.SLOPE)
    r.write(d, p["activation"], tiles.ACTIVATION)
    r.write(d, f["q_width"] * out, tiles.Y_ROW)
    r.write(d, table, tiles.TABLE)

    first_panel = a["split"] * f["panel_step"]
    stop = r.least(first_panel + f["panel_step"], f["panels"])
    each = r.choice(depthwise, 1 << 40, (f["vectors"] + 1) // 2)
    panel_width = r.choice(depthwise, lanes, 2 * lanes)
    limit = r.choice(depthwise, f["filters"], f["group_filters"])
    made_for = r.slot(0)
    taps = r.slot(0)
    # depthwise, all channels of a row before the next row: neighbours in memory
    chunk = r.choice(depthwise, 1, r.most(rows, 1))
    with r.loop(rows, step=chunk) as top, r.loop(stop, start=first_panel) as panel:
        group = panel // each
        first = panel % each * panel_width
        wide = r.least(limit - first, panel_width)
        vectors = r.upward(wide, lanes)
        step = channels * vectors * cpu.width  # bytes of a tap
        with r.when(made_for.now.differs(step)):  # offsets depend on the panel's width
            made_for.set(step)
            taps.set(
                r.ask(
                    f"sg.spread.table.{code}",
                    a["plan"],
                    table,
                    a["line"],
                    a["plane"],
                    a["i"],
                    a["j"],
                    a["k"],
                    step,
                )  # fmt: skip
            )
        channel = group * f["group_filters"] + first
        w = r.slot(f["packed"] + r.ask(f"sg.spread.place.{code}", a["plan"], panel))
        group_offset = r.choice(depthwise, first, group * channels) * item
        frame = r.slot(a["frame"] + group_offset)
        r.write(d, f["m_width"] * pixel, tiles.ROW)
        r.write(d, f["m_width"] * pixel, tiles.ADVANCE)
        r.write(d, r.choice(merged, f["window_width"] * channels, channels),
                tiles.COUNT)  # fmt: skip
        r.write(d, f["dilation_width"] * pixel, tiles.X_STEP)
        r.write(d, vectors * cpu.width, tiles.W_STEP)
        r.write(d, taps.now, tiles.TAPS)
        with r.when(taps.now.equals(0)):
            tiles.fill_empty(r, d)
            frame.set(zeros)
            w.set(zeros)
        _ending(r, cpu, dtype, p, d, channel, wide, vectors)
        bottom = r.least(top + chunk, rows)
        with r.loop(bottom, start=top) as row:
            there = target + row * target_step + channel * item
            here = frame.now + r.choice(taps.now.equals(0), 0, row * source_step)
            with r.when(depthwise):
                r.run(tiles.strip_name("lanes", dtype, 1), columns, here, w.now,
                      there, d)  # fmt: skip
            with r.unless(depthwise):
                for count in (1, 2):
                    with r.when(vectors.equals(count)):
                        r.run(tiles.strip_name("rows", dtype, count), columns, here,
                              w.now, there, d)  # fmt: skip
        r.write(d, table, tiles.TABLE)
    return r


def _ending(
    r: Routine, cpu: Machine, dtype: str, p: Fields, d: Int, channel: Int, wide: Int,
    vectors: Int,
) -> None:  # fmt: skip
    """Bias and activation of a panel, and whether its last vector is whole."""
    item = ITEM[dtype]
    zeros = r.where("sg.zeros")
    full = wide.equals(vectors * cpu.lanes(dtype))
    activation = p["activation"]
    plain = (full | r.truth(cpu.parts)) & (activation <= 1)
    bias = r.slot(0)
    with r.when(p["bias"].differs(0)):
        bias.set(p["bias"] + channel * item)
        with r.unless(full):
            r.clear(d + _BIAS, vectors * cpu.width)
            r.copy(d + _BIAS, p["bias"] + channel * item, wide * item)
            bias.set(d + _BIAS)
    start = r.choice(plain & bias.now.differs(0), bias.now, zeros)
    r.write(d, start, tiles.INIT)
    r.write(d, bias.now, tiles.BIAS)
    stored = activation + r.choice(full, 0, tiles.PART)
    r.write(d, r.choice(plain, stored, tiles.FINISH), tiles.MODE)
    r.write(d, wide, tiles.VALID)
