"""Packing: strided numbers become panels of whole vectors for the tiles.

In: a matrix of ``count`` rows and ``columns`` columns with byte steps ``down`` and
``across``. Out: a panel, ``count`` rows of V whole vectors one behind the other, zeros
where columns are missing. What is packed when is decided in gemm and convolve.

    sg.panel.<f32|f64>(target, source, count, down, across, columns, vectors)

    sg.panel.many.<f32|f64>(target, source, count, down, panels, pitch)

packs whole panels of rows that lie contiguous, ``pitch`` bytes apart, row by row: a row
is read once and in one go, which matters where each lies in a page of its own.

Three ways lead to one panel: rows that lie contiguous are copied as vectors, columns
that lie contiguous are turned in square blocks inside the registers, the rest goes one
by one.
"""

from symgraph.backends.cpu.llvm import Value
from symgraph.backends.cpu.routine import Int, Routine
from symgraph.backends.cpu.tiles import (
    CODE,
    ITEM,
    Machine,
    load_part,
    mask_below,
    prefetch,
    writer,
)

AHEAD = 6  # rows between the prefetch of a row and its use
ARGUMENTS = ("target", "source", "count", "down", "across", "columns", "vectors")


def panel_functions(cpu: Machine, dtype: str) -> list[Routine]:
    """The packing functions of a dtype."""
    return [_panel(cpu, dtype), _copied(cpu, dtype), _turned(cpu, dtype),
            _gathered(cpu, dtype), _many(cpu, dtype)]  # fmt: skip


def _panel(cpu: Machine, dtype: str) -> Routine:
    """Choose a way."""
    code, item = CODE[dtype], ITEM[dtype]
    r = writer(cpu, f"sg.panel.{code}", ARGUMENTS)
    a = r.argument
    values = [a[name] for name in ARGUMENTS]
    copied = a["across"].equals(item)
    with r.when(copied):
        r.run(f"sg.panel.copied.{code}", *values)
    with r.unless(copied):
        turned = a["down"].equals(item)
        with r.when(turned):
            r.run(f"sg.panel.turned.{code}", *values)
        with r.unless(turned):
            r.run(f"sg.panel.gathered.{code}", *values, 0)
    return r


def _copied(cpu: Machine, dtype: str) -> Routine:
    """Rows lie contiguous."""
    r = writer(cpu, f"sg.panel.copied.{CODE[dtype]}", ARGUMENTS)
    a = r.argument
    lanes = cpu.lanes(dtype)
    width = cpu.width
    row = a["vectors"] * width
    with r.loop(a["vectors"]) as v:
        source, target = a["source"] + v * width, a["target"] + v * width
        left = a["columns"] - v * lanes
        full = left >= lanes
        with r.when(full), r.loop(a["count"]) as k:
            r.store(target + k * row, r.load(source + k * a["down"], dtype, lanes))
        with r.unless(full):
            mask = mask_below(r, left, dtype, lanes) if cpu.masks else None
            with r.loop(a["count"]) as k:
                place = target + k * row
                found = load_part(
                    r, source + k * a["down"], dtype, lanes, mask, left, place
                )
                r.store(place, found)
    return r


def _many(cpu: Machine, dtype: str) -> Routine:
    """Whole panels of two vectors, all of them for one row after the other."""
    names = ("target", "source", "count", "down", "panels", "pitch")
    r = writer(cpu, f"sg.panel.many.{CODE[dtype]}", names)
    a = r.argument
    lanes, width = cpu.lanes(dtype), cpu.width
    with r.loop(a["count"]) as k:
        source, target = a["source"] + k * a["down"], a["target"] + k * (2 * width)
        with r.loop(a["panels"]) as panel:
            at, to = source + panel * (2 * width), target + panel * a["pitch"]
            prefetch(r, r.pointer(at + a["down"] * AHEAD), 2 * width)
            found = [r.load(at + v * width, dtype, lanes) for v in range(2)]
            for v, value in enumerate(found):
                r.store(to + v * width, value)
    return r


def _turned(cpu: Machine, dtype: str) -> Routine:
    """Columns lie contiguous: turn blocks of lanes x lanes numbers."""
    code, item = CODE[dtype], ITEM[dtype]
    r = writer(cpu, f"sg.panel.turned.{code}", ARGUMENTS)
    a = r.argument
    lanes, width = cpu.lanes(dtype), cpu.width
    row = a["vectors"] * width
    zeros = r.where("sg.zeros")
    whole = a["count"] // lanes * lanes
    with r.loop(a["vectors"]) as v:
        first = v * lanes
        addresses = [
            r.choice(
                first + i < a["columns"], a["source"] + (first + i) * a["across"], 0
            )
            for i in range(lanes)
        ]
        with r.loop(whole, step=lanes) as k:
            shift = k * item
            rows = [
                r.load(r.choice(at.equals(0), zeros, at + shift), dtype, lanes)
                for at in addresses
            ]
            target = a["target"] + k * row + v * width
            for i, turned in enumerate(turn(r, rows)):
                r.store(target + row * i, turned)
    rest = [a["target"], a["source"], a["count"], a["down"], a["across"],
            a["columns"], a["vectors"], whole]  # fmt: skip
    r.run(f"sg.panel.gathered.{code}", *rest)
    return r


def turn(r: Routine, rows: list[Value]) -> list[Value]:
    """The transpose of as many vectors as a vector has lanes.

    Source of the method: Eklundh 1972, A fast computer method for matrix transposing.
    """
    lanes = len(rows)
    now = list(rows)
    step = 1
    while step < lanes:
        following = list(now)
        for i in range(lanes):
            if i & step:
                continue
            low, high = [], []
            for e in range(lanes):
                if e & step:
                    low.append(lanes + (e ^ step))
                    high.append(lanes + e)
                else:
                    low.append(e)
                    high.append(e ^ step)
            following[i] = _shuffle(r, now[i], now[i | step], low)
            following[i | step] = _shuffle(r, now[i], now[i | step], high)
        now = following
        step *= 2
    return now


def _shuffle(r: Routine, a: Value, b: Value, lanes: list[int]) -> Value:
    mask = ", ".join(f"i32 {lane}" for lane in lanes)
    return r.op(
        f"shufflevector {a.type} {a.text}, {b.type} {b.text}, "
        f"<{len(lanes)} x i32> <{mask}>",
        a.dtype, a.lanes,
    )  # fmt: skip


def _gathered(cpu: Machine, dtype: str) -> Routine:
    """Any steps, one number at a time, from row ``start`` on."""
    item = ITEM[dtype]
    name = f"sg.panel.gathered.{CODE[dtype]}"
    r = writer(cpu, name, (*ARGUMENTS, "start"))
    a = r.argument
    lanes = cpu.lanes(dtype)
    row = a["vectors"] * cpu.width
    missing = a["vectors"] * lanes - a["columns"]
    with r.loop(a["count"], start=a["start"]) as k:
        source, target = a["source"] + k * a["down"], a["target"] + k * row
        with r.loop(a["columns"]) as j:
            r.store(target + j * item, r.load(source + j * a["across"], dtype))
        behind: Int = target + a["columns"] * item
        with r.loop(missing) as j:
            r.store(behind + j * item, r.const(0.0, dtype))
    return r
