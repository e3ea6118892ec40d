"""A counted loop of LLVM IR, with accumulators in registers.

In: the values of a kernel that is being written, and what writes the body. Out: its
lines. Sums in blocks (vector_blocks.py) and all loops (vectors.py) are made of it.
"""

from collections.abc import Callable

from symgraph.backends.cpu.llvm import Value
from symgraph.backends.cpu.vector_values import VectorValues


def counted(
    w: VectorValues,
    index: str,
    start: Value,
    stop: Value,
    step: int,
    carried: list[str],
    body: Callable[[], None],
    certain: bool,
) -> None:
    """for index in range(start, stop, step): body; `certain`: it runs at least once."""
    b = w.b
    loop, done = b.label(), b.label()
    first = {name: w.env[name] for name in carried}
    before = b.block
    if certain:
        b.emit(f"br label %{loop}")
    else:
        some = b.compare("lt", start, stop)
        b.emit(f"br i1 {some.text}, label %{loop}, label %{done}")
    b.place(loop)
    counter = Value(f"%{loop}.i", "int64", 1)
    head = len(b.lines)
    for position, name in enumerate(carried):
        w.env[name] = Value(f"%{loop}.a{position}", first[name].dtype,
                               first[name].lanes)  # fmt: skip
    w.env[index] = counter
    body()
    latch = b.block
    phis = [f"  {counter.text} = phi i64 [ {start.text}, %{before} ], "
            f"[ {_next(loop)}, %{latch} ]"]  # fmt: skip
    last = {name: w.env[name] for name in carried}
    for position, name in enumerate(carried):
        value = first[name]
        phis.append(
            f"  %{loop}.a{position} = phi {value.type} "
            f"[ {value.text}, %{before} ], [ {last[name].text}, %{latch} ]"
        )
    b.lines[head:head] = phis
    b.emit(f"{_next(loop)} = add nuw nsw i64 {counter.text}, {step}")
    b.emit(f"%{loop}.more = icmp slt i64 {_next(loop)}, {stop.text}")
    b.emit(f"br i1 %{loop}.more, label %{loop}, label %{done}")
    b.place(done)
    for name in carried:
        if certain:
            w.env[name] = last[name]
        else:
            value = first[name]
            w.env[name] = b.op(
                f"phi {value.type} [ {value.text}, %{before} ], "
                f"[ {last[name].text}, %{latch} ]", value.dtype, value.lanes,
            )  # fmt: skip


def _next(label: str) -> str:
    """Name of the next value of a loop's counter."""
    return f"%{label}.n"
