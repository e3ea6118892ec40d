"""How a convolution is divided: one description for forward and input gradient.

In: the parameters of a convolution (`CONVOLUTION`). Out: LLVM text of functions that
compute a *plan*, an array of i64 with the fields `SPREAD`, from the sizes alone.

Forward and input gradient are one operation here, *spread*: along each axis a target
position is a + q*i with class a < q, and

    target[a + q*i] += source[m*i + (a + base + r*dilation) / q] * packed[r]

over the taps r for which the division leaves no rest. Forward has q = 1, m = stride,
base = -pad. The input gradient has q = stride, m = 1, base = pad - (R-1)*dilation, and
taps packed in reverse order. A unit is one image, one depth i, a band of rows, a
band of columns and a range of panels.
"""

from symgraph.backends.cpu.routine import Int, Routine, Truth
from symgraph.backends.cpu.tiles import CODE, ITEM, Machine, writer
from symgraph.lower.block_size import SCRATCH_BYTES

CONVOLUTION = (
    "x", "w", "y", "bias", "slope", "activation", "workspace",
    "batch", "depth", "height", "width", "channels",
    "out_depth", "out_height", "out_width", "filters",
    "window_depth", "window_height", "window_width",
    "stride_depth", "stride_height", "stride_width",
    "pad_depth", "pad_height", "pad_width",
    "dilation_depth", "dilation_height", "dilation_width",
    "groups", "flip",
)  # fmt: skip
AXES = ("depth", "height", "width")

_AXIS = ("source", "target", "window", "q", "m", "dilation", "base", "low", "span",
         "count")  # fmt: skip
SPREAD = (
    "from", "to", "packed", "batch", "channels", "filters", "groups",
    "group_channels", "group_filters", "taps",
    *(f"{name}_{axis}" for axis in AXES for name in _AXIS),
    "direct", "depthwise", "merged", "vectors", "panels",
    "rows", "bands", "columns", "across", "panel_step", "splits",
)  # fmt: skip

FRAME_BYTES = 1 << 18  # of padded source rows that should stay in the cache
WIDE_BYTES = 4 << 20  # of padded source beyond which rows are cut
BAND_BYTES = 1 << 18  # of source that panels pass over again
UNITS = 32  # how many units a convolution of moderate size is divided into
SLACK = 4096  # bytes beyond a frame
WORK = 1 << 19  # multiplications that are worth a unit


class Fields:
    """Named i64 numbers of an array, read where they are used."""

    def __init__(self, r: Routine, address: Int, names: tuple[str, ...]) -> None:
        self.routine = r
        self.address = address
        self.names = names

    def __getitem__(self, name: str) -> Int:
        return self.routine.read(self.address, self.names.index(name))

    def __setitem__(self, name: str, value: Int | int) -> None:
        self.routine.write(self.address, value, self.names.index(name))


def array(r: Routine, count: int) -> Int:
    """Address of an array of i64 on the stack."""
    name = f"%array{len(r.slots)}"
    r.slots.append(f"  {name} = alloca [{count} x i64], align 64")
    return Int(r, r.op(f"ptrtoint ptr {name} to i64", "int64", 1).text)


def floor(r: Routine, a: Int, b: Int) -> Int:
    """Quotient rounded down; a may be negative, b is positive."""
    much = b * (1 << 31)
    return (a + much) // b - (1 << 31)


def room_for(r: Routine, place: Int, size: Int, scratch: Int) -> tuple[Int, Int]:
    """(where, held): `place` in the scratch, or memory to release where it is too small.

    The frame of one position takes span * channels numbers; for 2048 channels and a
    window of 3 x 3 dilated by 36 these are 44 MB.
    """
    where, held = r.slot(place), r.slot(0)
    with r.when(place + size + SLACK > scratch + SCRATCH_BYTES):
        held.set(r.allocate(size + SLACK))
        where.set(r.rounded(held.now, 64))
    return where.now, held.now


def plan_functions(cpu: Machine, dtype: str) -> list[Routine]:
    """The planning functions of a dtype."""
    return [_plan(cpu, dtype)]


def _plan(cpu: Machine, dtype: str) -> Routine:
    """Fill a plan; ``gradient`` is 1 for the input gradient, else 0."""
    item, lanes, most = ITEM[dtype], cpu.lanes(dtype), cpu.rows(2)
    r = writer(cpu, f"sg.spread.plan.{CODE[dtype]}", ("params", "plan", "gradient"))
    p = Fields(r, r.argument["params"], CONVOLUTION)
    f = Fields(r, r.argument["plan"], SPREAD)
    is_gradient = r.argument["gradient"].equals(1)

    def either(forward: Int | int, gradient: Int | int) -> Int:
        return r.choice(is_gradient, gradient, forward)

    f["from"] = either(p["x"], p["y"])
    f["to"] = either(p["y"], p["x"])
    f["packed"] = p["workspace"]
    f["batch"] = p["batch"]
    f["channels"] = channels = either(p["channels"], p["filters"])
    f["filters"] = filters = either(p["filters"], p["channels"])
    f["groups"] = groups = p["groups"]
    f["group_channels"] = group_channels = channels // groups
    f["group_filters"] = group_filters = filters // groups
    taps: Int = r.constant(1)
    same: Truth | None = None
    for axis in AXES:
        out = "out_" + axis
        window, stride = p[f"window_{axis}"], p[f"stride_{axis}"]
        dilation, pad = p[f"dilation_{axis}"], p[f"pad_{axis}"]
        source, target = either(p[axis], p[out]), either(p[out], p[axis])
        base = either(0 - pad, pad - (window - 1) * dilation)
        q, m = either(1, stride), either(stride, 1)
        for name, value in (("source", source), ("target", target), ("q", q), ("m", m),
                            ("window", window), ("dilation", dilation), ("base", base),
                            ):  # fmt: skip
            f[f"{name}_{axis}"] = value
        taps = taps * window
        alike = (
            window.equals(1) & stride.equals(1) & base.equals(0) & source.equals(target)
        )
        same = alike if same is None else same & alike
    assert same is not None
    f["taps"] = taps
    with r.when(same):  # a matrix product: all pixels are one row
        pixels = f["batch"]
        for axis in AXES:
            pixels = pixels * f[f"source_{axis}"]
            f[f"source_{axis}"] = 1
            f[f"target_{axis}"] = 1
        f["batch"] = 1
        f["source_width"] = pixels
        f["target_width"] = pixels

    direct: Truth | None = None
    for axis in AXES:
        q, base, m = f[f"q_{axis}"], f[f"base_{axis}"], f[f"m_{axis}"]
        low = floor(r, base, q)
        reach = q - 1 + base + (f[f"window_{axis}"] - 1) * f[f"dilation_{axis}"]
        high = floor(r, reach, q)
        count = r.upward(f[f"target_{axis}"], q)
        f[f"low_{axis}"] = low
        f[f"span_{axis}"] = high - low + 1
        f[f"count_{axis}"] = count
        inside = (low >= 0) & (m * (count - 1) + high < f[f"source_{axis}"])
        direct = inside if direct is None else direct & inside
    assert direct is not None
    depthwise = group_channels.equals(1) & group_filters.equals(1) & (groups > 1)
    direct = direct & r.implied(depthwise, (channels % lanes).equals(0))
    f["direct"] = r.number(direct)
    f["depthwise"] = r.number(depthwise)
    close = f["dilation_width"].equals(1) & groups.equals(1)
    f["merged"] = r.number(f["q_width"].equals(1) & (close | depthwise))
    vectors = r.choice(
        depthwise, r.upward(channels, lanes), r.upward(group_filters, lanes)
    )
    panels = r.choice(depthwise, vectors, (vectors + 1) // 2 * groups)
    f["vectors"] = vectors
    f["panels"] = panels

    pixel = r.most(channels * item, 1)
    outer = f["batch"] * f["count_depth"]
    work = outer * f["count_height"] * f["count_width"] * filters
    work = work * taps * group_channels
    wanted = r.most(r.least(work // WORK, UNITS), 1)
    pieces = r.upward(wanted, r.most(outer, 1))
    m, span = f["m_width"], f["span_width"]
    column = f["span_depth"] * f["span_height"] * pixel
    room = r.most(r.constant(WIDE_BYTES) // column - span, 0) // m + 1
    columns = r.choice(direct, f["count_width"], r.least(f["count_width"], room))
    with_one_row = f["count_height"].equals(1)
    room = r.upward(r.constant(BAND_BYTES), pixel * m)
    room = r.upward(r.least(r.upward(f["count_width"], pieces), room), most) * most
    columns = r.choice(with_one_row, r.least(columns, room), columns)
    columns = r.most(columns, 1)
    f["columns"] = columns
    f["across"] = r.upward(f["count_width"], columns)

    line = f["span_depth"] * ((columns - 1) * m + span) * pixel
    room = r.constant(FRAME_BYTES) // line - f["span_height"]
    room = r.most(room, 0) // f["m_height"] + 1
    rows = r.least(r.upward(f["count_height"], pieces), room)
    rows = r.upward(f["count_height"], r.upward(f["count_height"], r.most(rows, 1)))
    f["rows"] = rows = r.most(rows, 1)
    f["bands"] = bands = r.upward(f["count_height"], rows)
    total = outer * bands * f["across"]
    splits = r.least(r.upward(wanted, r.most(total, 1)), panels)
    step = r.upward(panels, r.most(splits, 1))
    f["panel_step"] = step
    f["splits"] = r.upward(panels, r.most(step, 1))
    return r
