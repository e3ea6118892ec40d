"""Convolutions with 3 x 3 windows by Winograd's F(4x4, 3x3) or F(2x2, 3x3), float32.

    y = A^T [ sum over channels of (G w G^T) * (B^T x B) ] A

for tiles of m x m outputs, x the (m + 2) x (m + 2) inputs below a tile. With m = 4 that
is 36 products in place of 144, with m = 2 it is 16 in place of 36, for three linear
transforms. In: an array
of i64 numbers in the order of `WINOGRAD`; images (batch, rows, columns, channels), the
filters (K, C, 3, 3) as the user has them, ``bias`` an address or 0, ``activation`` 0
none, 1 relu, 2 leaky with the number at ``slope``. Strides and dilation are 1. The first
output reads ``pad`` rows and columns above and left of the image. With ``adjoint`` it
is the gradient with respect to the input: x is the gradient, channels are those of
the gradient, and the filters are read transposed and turned. Channels and filters are
at least `LEAST`, so that no vector is partial: the last one begins earlier instead.
Out: LLVM text of two phases,

    sg_winograd4_filters_f32    the transformed filters, into ``workspace``
    sg_winograd4_tiles_f32      units are blocks of tiles, of any images

and of the same two for m = 2. Error: the transforms multiply rounding errors. Against
exact arithmetic the largest error is below `BOUND` of the largest |y|, 2e-5 for m = 4 and
4e-6 for m = 2, for up to 512 channels with inputs of any one scale (direct summation:
2e-6); tests/backends/cpu/test_winograd.py measures it. Hence only float32, and
`config.winograd` chooses.

References
----------
Lavin and Gray 2016, Fast algorithms for convolutional neural networks, arXiv:1509.09308.
Winograd 1980, Arithmetic complexity of computations.
"""

from symgraph.backends.cpu import tiles
from symgraph.backends.cpu.llvm import Value
from symgraph.backends.cpu.routine import Int, Routine
from symgraph.backends.cpu.tiles import Machine, writer

WINOGRAD = (
    "x", "w", "y", "bias", "slope", "workspace", "activation", "batch", "channels",
    "filters", "height", "width", "out_height", "out_width", "pad_height",
    "pad_width", "flip", "adjoint",
)  # fmt: skip
PHASES = {
    f"winograd{m}": (f"winograd{m}_filters", f"winograd{m}_tiles") for m in (4, 2)
}
BOUND = {4: 2e-5, 2: 4e-6}

LEAST = 16  # channels, and filters
ITEM = 4
WINDOW = 3
BLOCK = 28  # tiles of a unit: two full strips of 14 rows

_TABLE, _PARTS, _AREA = 512, 4096, 8192  # places in the scratch

#: G of F(m, 3) by rows
FILTER_TRANSFORM = {
    4: ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1)),
    2: ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
}  # fmt: skip


def winograd_functions(cpu: Machine, m: int) -> list[Routine]:
    """The functions of both phases for tiles of m x m outputs."""
    return [
        made(cpu, m)
        for made in (_filter_units, _filters, _tile_units, _tiles, _inputs, _outputs)
    ]


def _symbol(m: int, phase: int) -> str:
    return f"sg_{PHASES[f'winograd{m}'][phase]}_f32"


def _get(r: Routine, params: Int) -> dict[str, Int]:
    return {name: r.read(params, i) for i, name in enumerate(WINOGRAD)}


def _vectors(r: Routine, cpu: Machine, filters: Int) -> Int:
    return r.upward(filters, cpu.lanes("float32"))


# --- filters ----------------------------------------------------------------------


def _filter_units(cpu: Machine, m: int) -> Routine:
    r = writer(cpu, f"{_symbol(m, 0)}_units", ("params",), public=True, returns=True)
    r.give(r.read(r.argument["params"], WINOGRAD.index("channels")))
    return r


def _filters(cpu: Machine, m: int) -> Routine:
    """Transformed filters of channels begin .. end-1.

    Number of point, panel of two vectors, channel, filter in the panel: so a panel of
    a point lies as a strip reads it. Filters that do not exist are zeros.
    """
    lanes, patch = cpu.lanes("float32"), m + WINDOW - 1
    r = writer(cpu, _symbol(m, 0), ("params", "begin", "end", "scratch"), public=True)
    a = r.argument
    p = _get(r, a["params"])
    parts = a["scratch"] + _PARTS
    vectors = _vectors(r, cpu, p["filters"])
    point_bytes = p["channels"] * vectors * cpu.width
    is_adjoint = p["adjoint"].differs(0)
    # strides of w (K, C, 3, 3) in channels and filters of this product
    by_channel = r.choice(is_adjoint, p["filters"] * 9, 9)
    by_filter = r.choice(is_adjoint, 9, p["channels"] * 9)
    turned = p["adjoint"].differs(p["flip"])
    with r.loop(a["end"], start=a["begin"]) as channel, r.loop(vectors) as vector:
        first = vector * lanes
        valid = r.least(p["filters"] - first, lanes)
        source = p["w"] + (channel * by_channel + first * by_filter) * ITEM
        r.clear(parts, 9 * cpu.width)
        with r.loop(valid) as k, r.loop(9) as tap:
            place = r.choice(turned, 8 - tap, tap)
            number = r.load(source + (k * by_filter + place) * ITEM, "float32")
            r.store(parts + tap * cpu.width + k * ITEM, number)
        half = parts + 9 * cpu.width
        with r.loop(3) as j:
            taps = [r.load(parts + (j + 3 * i) * cpu.width, "float32", lanes)
                    for i in range(3)]  # fmt: skip
            for q, value in enumerate(_filter_line(r, m, taps)):
                r.store(half + (j + 3 * q) * cpu.width, value)
        panel = vector // 2
        wide = r.least(vectors - panel * 2, 2)
        there = panel * 2 * p["channels"] + channel * wide + vector % 2
        target = p["workspace"] + there * cpu.width
        with r.loop(patch) as i:
            line = [r.load(half + (i * 3 + j) * cpu.width, "float32", lanes)
                    for j in range(3)]  # fmt: skip
            for q, value in enumerate(_filter_line(r, m, line)):
                r.store(target + point_bytes * (i * patch + q), value)
    return r


def _filter_line(r: Routine, m: int, g: list[Value]) -> list[Value]:
    """G times three numbers."""
    out = []
    for row in FILTER_TRANSFORM[m]:
        total: Value | None = None
        for factor, value in zip(row, g, strict=True):
            if factor == 0:
                continue
            term = value if factor == 1 else r.fmul(value, factor)
            total = term if total is None else r.fadd(total, term)
        assert total is not None
        out.append(total)
    return out


# --- tiles ------------------------------------------------------------------------


def _tile_units(cpu: Machine, m: int) -> Routine:
    r = writer(cpu, f"{_symbol(m, 1)}_units", ("params",), public=True, returns=True)
    p = _get(r, r.argument["params"])
    r.give(r.upward(_count(r, m, p), BLOCK))
    return r


def _count(r: Routine, m: int, p: dict[str, Int]) -> Int:
    """Tiles of all images."""
    return p["batch"] * r.upward(p["out_height"], m) * r.upward(p["out_width"], m)


def _tiles(cpu: Machine, m: int) -> Routine:
    """Blocks begin .. end-1: transform, 36 products, transform back."""
    points = (m + WINDOW - 1) ** 2
    r = writer(cpu, _symbol(m, 1), ("params", "begin", "end", "scratch"), public=True)
    a = r.argument
    p = _get(r, a["params"])
    d = a["scratch"]
    vectors = _vectors(r, cpu, p["filters"])
    channels = p["channels"]
    point_bytes = channels * vectors * cpu.width  # of the filters
    in_row, out_row = channels * ITEM, vectors * cpu.width
    high, wide = r.upward(p["out_height"], m), r.upward(p["out_width"], m)
    count = _count(r, m, p)
    area = d + _AREA
    made = area + points * BLOCK * in_row

    r.write(d, r.where("sg.zeros"), tiles.INIT)
    r.write(d, in_row, tiles.ROW)
    r.write(d, channels, tiles.COUNT)
    r.write(d, 1, tiles.TAPS)
    r.write(d, r.where("sg.origin"), tiles.TABLE)
    r.write(d, out_row, tiles.Y_ROW)
    r.write(d, in_row, tiles.ADVANCE)
    r.write(d, tiles.STORE, tiles.MODE)

    with r.loop(a["end"], start=a["begin"]) as unit:
        start = unit * BLOCK
        size = r.least(count - start, BLOCK)
        with r.loop(size) as t:
            tile = start + t
            r.run(
                f"sg.winograd{m}.input", a["params"], area + t * in_row, BLOCK * in_row,
                tile // (high * wide), tile // wide % high, tile % wide,
                d + _TABLE,
            )  # fmt: skip
        with r.loop(points) as point:
            x = area + point * (BLOCK * in_row)
            y = made + point * (BLOCK * out_row)
            w = p["workspace"] + point * point_bytes
            with r.loop(vectors, step=2) as vector:
                here, there = w + vector * channels * cpu.width, y + vector * cpu.width
                two = (vectors - vector) >= 2
                with r.when(two):
                    r.write(d, 2 * cpu.width, tiles.W_STEP)
                    name = tiles.strip_name("rows", "float32", 2)
                    r.run(name, size, x, here, there, d)
                with r.unless(two):
                    r.write(d, cpu.width, tiles.W_STEP)
                    name = tiles.strip_name("rows", "float32", 1)
                    r.run(name, size, x, here, there, d)
        with r.loop(size) as t:
            tile = start + t
            r.run(
                f"sg.winograd{m}.output", a["params"], made + t * out_row, BLOCK * out_row,
                tile // (high * wide), tile // wide % high, tile % wide,
                d + _PARTS,
            )  # fmt: skip
    return r


def _inputs(cpu: Machine, m: int) -> Routine:
    """B^T x B of one tile: 36 rows of channels, ``pitch`` bytes apart.

    A pixel outside the image is read from a vector of zeros with a step of 0.
    """
    lanes, patch = cpu.lanes("float32"), m + WINDOW - 1
    r = writer(
        cpu, f"sg.winograd{m}.input",
        ("params", "target", "pitch", "image", "row", "column", "table"),
    )  # fmt: skip
    a = r.argument
    p = _get(r, a["params"])
    top, left = a["row"] * m - p["pad_height"], a["column"] * m - p["pad_width"]
    zeros = r.where("sg.zeros")
    table = a["table"]
    for i in range(patch):
        row = top + i
        inside_row = (row >= 0) & (row < p["height"])
        line = p["x"] + (a["image"] * p["height"] + row) * p["width"] * (
            p["channels"] * ITEM
        )
        for j in range(patch):
            column = left + j
            inside = inside_row & (column >= 0) & (column < p["width"])
            place = line + column * (p["channels"] * ITEM)
            number = 2 * (i * patch + j)
            r.write(table, r.choice(inside, place, zeros), number)
            r.write(table, r.choice(inside, -1, 0), number + 1)
    half = table + 1024
    with r.loop(p["channels"], step=lanes) as start:
        channel = r.least(start, p["channels"] - lanes)
        offset = channel * ITEM
        with r.loop(patch) as column:
            pixels = []
            for k in range(patch):
                entry = table + (column + k * patch) * 16
                place = r.read(entry) + r.integer("and", offset, r.read(entry, 1))
                pixels.append(r.load(place, "float32", lanes))
            for k, value in enumerate(_input_line(r, m, pixels)):
                r.store(half + (column + k * patch) * cpu.width, value)
        with r.loop(patch) as row:
            pixels = [r.load(half + (row * patch + j) * cpu.width, "float32", lanes)
                    for j in range(patch)]  # fmt: skip
            target = a["target"] + offset + a["pitch"] * (row * patch)
            for k, value in enumerate(_input_line(r, m, pixels)):
                r.store(target + a["pitch"] * k, value)
    return r


def _input_line(r: Routine, m: int, d: list[Value]) -> list[Value]:
    """B^T times m + 2 numbers."""
    if m == 2:
        return [r.fsub(d[0], d[2]), r.fadd(d[1], d[2]), r.fsub(d[2], d[1]),
                r.fsub(d[1], d[3])]  # fmt: skip
    four, five, two = (_number(r, v, d[0]) for v in (4.0, -5.0, 2.0))
    minus_four = _number(r, -4.0, d[0])
    even = r.fma(d[2], minus_four, d[4])
    odd = r.fma(d[1], minus_four, d[3])
    near = r.fsub(d[4], d[2])
    far = r.fmul(r.fsub(d[3], d[1]), two)
    return [
        r.fma(d[0], four, r.fma(d[2], five, d[4])),
        r.fadd(even, odd),
        r.fsub(even, odd),
        r.fadd(near, far),
        r.fsub(near, far),
        r.fma(d[1], four, r.fma(d[3], five, d[5])),
    ]


def _number(r: Routine, value: float, like: Value) -> Value:
    return r.const(value, like.dtype, like.lanes)


def _outputs(cpu: Machine, m: int) -> Routine:
    """A^T m A of one tile, with bias and activation, into the image."""
    lanes, patch = cpu.lanes("float32"), m + WINDOW - 1
    r = writer(
        cpu, f"sg.winograd{m}.output",
        ("params", "source", "pitch", "image", "row", "column", "parts"),
    )  # fmt: skip
    a = r.argument
    p = _get(r, a["params"])
    top, left = a["row"] * m, a["column"] * m
    has_bias = p["bias"].differs(0)
    activation = p["activation"]
    one = r.where("sg.one.f32")
    slope_at = r.choice(activation.equals(2), p["slope"], one)
    low = r.splat(r.load(slope_at, "float32"), lanes)
    zero = r.const(0.0, "float32", lanes)
    low = r.op(
        f"select i1 {activation.equals(1).text}, {zero.type} {zero.text}, "
        f"{low.type} {low.text}", "float32", lanes,
    )  # fmt: skip
    half = a["parts"]
    rows = r.least(p["out_height"] - top, m)
    columns = r.least(p["out_width"] - left, m)
    corner = (a["image"] * p["out_height"] + top) * p["out_width"] + left
    ends = half + m * patch * cpu.width
    with r.loop(p["filters"], step=lanes) as start:
        first = r.least(start, p["filters"] - lanes)
        bias_at = r.choice(has_bias, p["bias"] + first * ITEM, r.where("sg.zeros"))
        bias = r.load(bias_at, "float32", lanes)
        source = a["source"] + first * ITEM
        with r.loop(patch) as j:
            line = [r.load(source + a["pitch"] * (j + i * patch), "float32", lanes)
                    for i in range(patch)]  # fmt: skip
            for k, value in enumerate(_output_line(r, m, line)):
                r.store(half + (j + k * patch) * cpu.width, value)
        with r.loop(rows) as i:
            line = [r.load(half + (i * patch + j) * cpu.width, "float32", lanes)
                    for j in range(patch)]  # fmt: skip
            target = (
                p["y"] + ((corner + i * p["out_width"]) * p["filters"] + first) * ITEM
            )
            for k, value in enumerate(_output_line(r, m, line)):
                r.store(ends + k * cpu.width, r.fadd(value, bias))
            with r.loop(columns) as j:
                value = r.load(ends + j * cpu.width, "float32", lanes)
                positive = r.compare("ogt", value, 0.0)
                negative = r.compare("olt", value, 0.0)
                scaled = r.select(negative, r.fmul(value, low), value)
                rectified = r.select(positive, value, scaled)
                kind = value.type
                chosen = r.op(
                    f"select i1 {activation.differs(0).text}, {kind} {rectified.text}, "
                    f"{kind} {value.text}", "float32", lanes,
                )  # fmt: skip
                r.store(target + j * (p["filters"] * ITEM), chosen)
    return r


def _output_line(r: Routine, m: int, v: list[Value]) -> list[Value]:
    """A^T times m + 2 numbers."""
    near, apart = r.fadd(v[1], v[2]), r.fsub(v[1], v[2])
    if m == 2:
        return [r.fadd(v[0], near), r.fsub(apart, v[3])]
    two, four, eight = (_number(r, n, v[0]) for n in (2.0, 4.0, 8.0))
    far, spread = r.fadd(v[3], v[4]), r.fsub(v[3], v[4])
    return [
        r.fadd(v[0], r.fadd(near, far)),
        r.fma(spread, two, apart),
        r.fma(far, four, near),
        r.fadd(r.fma(spread, eight, apart), v[5]),
    ]
