"""Integer and bool arithmetic as vector code, and the Philox generator.

In: a ``Builder`` and values of one integer dtype (or bool). Out: NumPy's results:
sums wrap, division rounds towards minus infinity and gives 0 for a zero divisor, a
shift by the width or more empties the value. Floats are in ``math`` and its
neighbours ``math_exp``, ``math_trig`` and ``math_special``.
"""

from __future__ import annotations

from symgraph.backends.cpu.llvm import BITS, SIGNED, Builder, Value

# ---- division ------------------------------------------------------------------------


def floordiv(b: Builder, x: Value, y: Value) -> Value:
    """floor(x / y), 0 where y is 0; the smallest integer // -1 wraps."""
    return _divide(b, x, y)[0]


def mod(b: Builder, x: Value, y: Value) -> Value:
    """Return x - floor(x / y) * y with the sign of y, 0 where y is 0."""
    return _divide(b, x, y)[1]


def fmod(b: Builder, x: Value, y: Value) -> Value:
    """Return x - trunc(x / y) * y with the sign of x, 0 where y is 0."""
    quotient = _truncated(b, x, y)
    rest = b.sub(x, b.mul(quotient, y))
    return rest if _is_nonzero(y) else b.select(b.compare("eq", y, 0), 0, rest)


def _number(y: Value) -> int | None:
    # the number in all lanes of a constant, as an unsigned one
    text = y.text.removeprefix(f"splat (i{BITS[y.dtype]} ").removesuffix(")")
    return int(text) if text.isdecimal() else None


def _is_nonzero(y: Value) -> bool:
    return bool(_number(y))


def _divide(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    quotient = _truncated(b, x, y)
    rest = b.sub(x, b.mul(quotient, y))
    zero = None if _is_nonzero(y) else b.compare("eq", y, 0)
    if x.dtype in SIGNED:  # one less where a rest has not the divisor's sign
        opposite = b.compare("lt", b.xor(rest, y), 0)
        wrong = b.and_(opposite, b.compare("ne", rest, 0))
        quotient = b.select(wrong, b.sub(quotient, 1), quotient)
        rest = b.select(wrong, b.add(rest, y), rest)
    if zero is None:
        return quotient, rest
    return b.select(zero, 0, quotient), b.select(zero, 0, rest)


def _truncated(b: Builder, x: Value, y: Value) -> Value:
    # x / y towards zero; anything where y is 0, but no trap.
    dtype, signed = x.dtype, x.dtype in SIGNED
    if BITS[dtype] < 64:
        # Exact in floats of more than twice the bits, and vectors divide these only.
        through = "float64" if BITS[dtype] == 32 else "float32"
        # (by a constant of 32 bits LLVM divides with a multiplication)
        if BITS[dtype] < 32 or not _is_nonzero(y):
            y = b.select(b.compare("eq", y, 0), 1, y)
            ratio = b.fdiv(b.cast(x, through), b.cast(y, through))
            if dtype == "int32":  # the smallest / -1 is out of range
                return b.cast(ratio, dtype)
            wide = "int64" if dtype == "uint32" else "int32"
            return b.cast(b.convert("fptosi", ratio, wide), dtype)
    divisor = _number(y)
    if signed and divisor and divisor < 1 << (BITS[dtype] - 1):
        return b.binary("sdiv", x, y)
    if not signed:
        if not _is_nonzero(y):
            y = b.select(b.compare("eq", y, 0), 1, y)
        return b.binary("udiv", x, y)
    # x / -1 would trap for the smallest x
    minus_one = b.compare("eq", y, -1)
    risky = b.or_(minus_one, b.compare("eq", y, 0))
    quotient = b.binary("sdiv", x, b.select(risky, 1, y))
    return b.select(minus_one, b.sub(0, x), quotient)


# ---- powers, shifts, signs -----------------------------------------------------------


def power(b: Builder, x: Value, y: Value) -> Value:
    """x**y by squaring, wrapping; y < 0 gives 0 unless x is 1 or -1."""
    return b.shared(f"power.{x.dtype}", x.dtype, (x, y), _power_loop)


def _power_loop(b: Builder, args: list[Value]) -> Value:
    x, y = args
    dtype, lanes, kind = x.dtype, x.lanes, x.type
    if dtype in SIGNED:  # 1**y is 1, (-1)**y depends on the last bit, else 0
        negative = b.compare("lt", y, 0)
        unit = b.or_(b.compare("eq", x, 1), b.compare("eq", x, -1))
        y = b.select(negative, b.select(unit, b.and_(y, 1), 0), y)
        start = b.select(b.and_(negative, b.not_(unit)), b.const(0, dtype, lanes), 1)
    else:
        start = b.const(1, dtype, lanes)
    loop, done = b.label(), b.label()
    b.emit(f"br label %{loop}")
    b.place(loop)
    result = Value("%result", dtype, lanes)
    base = Value("%base", dtype, lanes)
    left = Value("%left", dtype, lanes)
    b.emit(f"%result = phi {kind} [ {start.text}, %entry ], [ %result.next, %{loop} ]")
    b.emit(f"%base = phi {kind} [ {x.text}, %entry ], [ %base.next, %{loop} ]")
    b.emit(f"%left = phi {kind} [ {y.text}, %entry ], [ %left.next, %{loop} ]")
    odd = b.convert("trunc", left, "bool")
    factor = b.select(odd, base, 1)
    b.emit(f"%result.next = mul {kind} {result.text}, {factor.text}")
    b.emit(f"%base.next = mul {kind} {base.text}, {base.text}")
    one = b.const(1, dtype, lanes)
    b.emit(f"%left.next = lshr {kind} {left.text}, {one.text}")
    more = b.any(b.compare("ne", Value("%left.next", dtype, lanes), 0))
    b.emit(f"br i1 {more.text}, label %{loop}, label %{done}")
    b.place(done)
    return Value("%result.next", dtype, lanes)


def shift_left(b: Builder, x: Value, y: Value) -> Value:
    """Return x << y; 0 where y is negative or not below the width."""
    width = BITS[x.dtype]
    inside = b.compare("ult", y, width)
    return b.select(inside, b.shl(x, b.select(inside, y, 0)), 0)


def shift_right(b: Builder, x: Value, y: Value) -> Value:
    """Return x >> y; 0 or (x < 0) -1 where y is negative or not below the width."""
    width = BITS[x.dtype]
    inside = b.compare("ult", y, width)
    if x.dtype in SIGNED:
        return b.ashr(x, b.select(inside, y, width - 1))
    return b.select(inside, b.lshr(x, b.select(inside, y, 0)), 0)


def absolute(b: Builder, x: Value) -> Value:
    """|x|; the smallest integer stays."""
    if x.dtype not in SIGNED:
        return x
    return b.select(b.compare("lt", x, 0), b.sub(0, x), x)


def sign(b: Builder, x: Value) -> Value:
    """-1, 0 or 1."""
    if x.dtype not in SIGNED:
        return b.cast(b.compare("ne", x, 0), x.dtype)
    nonzero = b.cast(b.compare("ne", x, 0), x.dtype)
    return b.or_(b.ashr(x, BITS[x.dtype] - 1), nonzero)


def maximum(b: Builder, x: Value, y: Value) -> Value:
    """The larger; or, for bools."""
    if x.dtype == "bool":
        return b.or_(x, y)
    return b.select(b.compare("gt", x, y), x, y)


def minimum(b: Builder, x: Value, y: Value) -> Value:
    """The smaller; and, for bools."""
    if x.dtype == "bool":
        return b.and_(x, y)
    return b.select(b.compare("lt", x, y), x, y)


# ---- random bits ---------------------------------------------------------------------

#: Multipliers and key increments of Philox4x32 (Salmon et al. 2011, table 2).
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = 0xFFFFFFFF


def philox(b: Builder, key: Value, call: Value, index: Value) -> Value:
    """64 random bits: the first two words of Philox4x32-10.

    Counter words (index low, index high, call low, call high), key words (key low,
    key high). ``key`` may stay a scalar beside vectors: its schedule is then scalar.

    References
    ----------
    Salmon, Moraes, Dror, Shaw 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    lanes = max(call.lanes, index.lanes)
    call = b.splat(call, lanes)
    index = b.splat(b.bitcast(index, "uint64"), lanes)
    # Words live in 64-bit lanes; high halves may hold rubbish, as the multiplication
    # (32 x 32 -> 64 bits, one instruction) reads the low halves only.
    words = [index, b.lshr(index, 32), call, b.lshr(call, 32)]
    keys = [key, b.lshr(key, 32)]
    for step in range(10):
        if step:
            keys = [b.add(k, w) for k, w in zip(keys, _WEYL, strict=True)]
        left, right = (
            b.mul(b.and_(word, _LOW), factor)
            for word, factor in zip(words[::2], _MULTIPLIERS, strict=True)
        )
        first, second = (b.splat(k, lanes) for k in keys)
        words = [
            b.xor(b.xor(b.lshr(right, 32), words[1]), first),
            right,
            b.xor(b.xor(b.lshr(left, 32), words[3]), second),
            left,
        ]
    return b.or_(b.and_(words[0], _LOW), b.shl(words[1], 32))
