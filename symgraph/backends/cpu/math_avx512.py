"""Instructions of AVX-512 that the exponentials and logarithms are built on.

In: a ``Builder`` and float vectors that fill whole 512-bit registers (``fits`` tells;
others take the roads that every CPU has). Out: their scaling by a power of two, their
exponents and significands, and a choice out of sixteen numbers, each one instruction
for one register. LLVM has no portable spelling of these, so the calls are by register.
"""

from __future__ import annotations

from collections.abc import Callable

from symgraph.backends.cpu.llvm import BITS, Builder, Value, constant_text

#: the last operand of an intrinsic: round as the processor is set to
_ROUNDING = "i32 4"


def fits(b: Builder, x: Value) -> bool:
    """Whether the CPU has AVX-512 and ``x`` fills a number of its registers."""
    return "avx512f" in b.features and x.lanes * BITS[x.dtype] % 512 == 0


def scale(b: Builder, x: Value, n: Value) -> Value:
    """Return x * 2**floor(n), rounded once, also to subnormals, zero and inf."""
    letter, mask = _names(x)

    def write(x: Value, n: Value) -> Value:
        kind = x.type
        name = f"llvm.x86.avx512.mask.scalef.p{letter}.512"
        b.declarations.setdefault(
            name, f"declare {kind} @{name}({kind}, {kind}, {kind}, {mask}, i32)"
        )
        return b.op(
            f"call {kind} @{name}({kind} {x.text}, {kind} {n.text}, "
            f"{kind} {_zero(x)}, {mask} -1, {_ROUNDING})", x.dtype, x.lanes,
        )  # fmt: skip

    return _by_register(b, write, x, n)


def exponent(b: Builder, x: Value) -> Value:
    """Return floor(log2(|x|)) as a float: of 0 it is -inf, of inf inf, of NaN NaN."""
    letter, mask = _names(x)

    def write(x: Value) -> Value:
        kind = x.type
        name = f"llvm.x86.avx512.mask.getexp.p{letter}.512"
        b.declarations.setdefault(
            name, f"declare {kind} @{name}({kind}, {kind}, {mask}, i32)"
        )
        return b.op(
            f"call {kind} @{name}({kind} {x.text}, {kind} {_zero(x)}, {mask} -1, "
            f"{_ROUNDING})", x.dtype, x.lanes,
        )  # fmt: skip

    return _by_register(b, write, x)


def significand(b: Builder, x: Value) -> Value:
    """Return x / 2**exponent(x), 1 <= it < 2; of 0 and inf it is 1, below 0 NaN."""
    letter, mask = _names(x)

    def write(x: Value) -> Value:
        kind = x.type
        name = f"llvm.x86.avx512.mask.getmant.p{letter}.512"
        b.declarations.setdefault(
            name, f"declare {kind} @{name}({kind}, i32, {kind}, {mask}, i32)"
        )
        # 12: into [1, 2), and NaN for what is negative (but not for -0.0)
        return b.op(
            f"call {kind} @{name}({kind} {x.text}, i32 12, {kind} {_zero(x)}, "
            f"{mask} -1, {_ROUNDING})", x.dtype, x.lanes,
        )  # fmt: skip

    return _by_register(b, write, x)


def choose_of_sixteen(b: Builder, index: Value, table: tuple[float, ...]) -> Value:
    """table[index % 16] of doubles, out of two registers; ``index`` is int64."""
    halves = [
        "<" + ", ".join(f"double {constant_text(v, 'float64', 1)}" for v in part) + ">"
        for part in (table[:8], table[8:])
    ]
    name = "llvm.x86.avx512.vpermi2var.pd.512"
    kind = "<8 x double>"
    b.declarations.setdefault(
        name, f"declare {kind} @{name}({kind}, <8 x i64>, {kind})"
    )

    def write(index: Value) -> Value:
        return b.op(
            f"call {kind} @{name}({kind} {halves[0]}, <8 x i64> {index.text}, "
            f"{kind} {halves[1]})", "float64", 8,
        )  # fmt: skip

    return _by_register(b, write, index)


# --- helpers ---------------------------------------------------------------------


def _names(x: Value) -> tuple[str, str]:
    return ("s", "i16") if x.dtype == "float32" else ("d", "i8")


def _zero(x: Value) -> str:
    return constant_text(0.0, x.dtype, x.lanes)


def _by_register(b: Builder, write: Callable[..., Value], *args: Value) -> Value:
    """Apply ``write`` to each register's worth of lanes and join the results."""
    width = 512 // BITS[args[0].dtype]
    lanes = args[0].lanes
    if lanes == width:
        return write(*args)
    parts = [
        write(*(_part(b, a, start, width) for a in args))
        for start in range(0, lanes, width)
    ]
    while len(parts) > 1:
        parts = [_joined(b, *parts[i : i + 2]) for i in range(0, len(parts), 2)]
    return parts[0]


def _part(b: Builder, x: Value, start: int, count: int) -> Value:
    picks = ", ".join(f"i32 {start + i}" for i in range(count))
    return b.op(
        f"shufflevector {x.type} {x.text}, {x.type} poison, <{count} x i32> <{picks}>",
        x.dtype, count,
    )  # fmt: skip


def _joined(b: Builder, low: Value, high: Value) -> Value:
    count = 2 * low.lanes
    picks = ", ".join(f"i32 {i}" for i in range(count))
    return b.op(
        f"shufflevector {low.type} {low.text}, {high.type} {high.text}, "
        f"<{count} x i32> <{picks}>", low.dtype, count,
    )  # fmt: skip
