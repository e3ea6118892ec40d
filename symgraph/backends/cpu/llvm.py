"""LLVM IR as text: typed values and a builder for the body of one function.

In: calls such as ``b.fma(x, 2.0, y)`` on ``Value`` objects, scalars or vectors alike.
Out: lines of textual LLVM IR (opaque pointers, LLVM 19 or newer for ``splat``), and
the declarations that those lines need. Numbers are written as immediate operands, and
nothing relies on LLVM's IR passes. What a function computes is left to the callers:
``math`` writes the scalar primitives, ``vectors`` the loops around them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from symgraph.backends.cpu.llvm_types import (
    BITS,
    BITS_OF,
    ELEMENT,
    FLOATS,
    SIGNED,
    attributes,
    constant_text,
    number,
    suffix,
    type_name,
)

__all__ = [
    "BITS",
    "BITS_OF",
    "ELEMENT",
    "FLOATS",
    "SIGNED",
    "Builder",
    "Operand",
    "Value",
    "constant_text",
    "number",
    "suffix",
    "type_name",
]


class Value(NamedTuple):
    """An LLVM operand: its text, its dtype, and how many lanes (1 is a scalar).

    A named tuple, as one is made for each instruction and a frozen dataclass takes
    three times as long to make.
    """

    text: str
    dtype: str
    lanes: int

    @property
    def type(self) -> str:
        """LLVM type, such as ``<8 x float>``."""
        return type_name(self.dtype, self.lanes)

    @property
    def is_constant(self) -> bool:
        """Whether this is a number written into the instruction."""
        return self.text[0] != "%"


#: What arithmetic helpers accept; numbers take dtype and lanes of the other operand.
Operand = Value | int | float


def _text(operand: Operand, like: Value) -> str:
    if isinstance(operand, Value):
        return operand.text
    return constant_text(operand, like.dtype, like.lanes)


def _texts(a: Operand, b: Operand) -> tuple[Value, str, str]:
    # (an operand that has a type, the texts of both); plain, as it runs for every line
    if isinstance(a, Value):
        if isinstance(b, Value):
            return a, a.text, b.text
        return a, a.text, constant_text(b, a.dtype, a.lanes)
    if isinstance(b, Value):
        return b, constant_text(a, b.dtype, b.lanes), b.text
    raise TypeError("an instruction needs an operand that is not a plain number")


class Builder:
    """Text of the body of one function.

    Parameters
    ----------
    features : names of CPU features that change what is emitted: without ``fma`` (or
        ARM's ``neon``) a fused multiply-add becomes two instructions; ``avx512f``
        allows its scaling and its table look-up

    Attributes
    ----------
    lines : the body so far, one instruction a line
    declarations : text that must stand once at the top of the module, by name:
        ``declare`` lines, and whole ``define internal`` helpers
    block : label of the current basic block, as ``place`` set it

    Examples
    --------
    >>> b = Builder(frozenset({"fma"}))
    >>> x = Value("%x", "float32", 4)
    >>> b.fmul(x, 2.0).text
    '%v0'
    >>> b.lines
    ['  %v0 = fmul <4 x float> %x, splat (float 0x4000000000000000)']
    """

    def __init__(self, features: frozenset[str] = frozenset()) -> None:
        self.features = features
        self.has_fma = "fma" in features or "neon" in features
        self.contract = True  # whether products and sums may become one instruction
        self.lines: list[str] = []
        self.declarations: dict[str, str] = {}
        self.block = "entry"
        self._count = 0

    # ---- text ------------------------------------------------------------------

    def emit(self, text: str) -> None:
        """Append one line as it is."""
        self.lines.append("  " + text)

    def op(self, text: str, dtype: str, lanes: int) -> Value:
        """Append an instruction and name its result."""
        name = f"%v{self._count}"
        self._count += 1
        self.lines.append(f"  {name} = {text}")
        return tuple.__new__(Value, (name, dtype, lanes))

    def label(self) -> str:
        """A name that no other label or value of this function has."""
        self._count += 1
        return f"b{self._count - 1}"

    def place(self, label: str) -> None:
        """Start the basic block ``label`` here."""
        self.block = label
        self.lines.append(label + ":")

    def const(self, value: float, dtype: str, lanes: int = 1) -> Value:
        """The same number in all lanes; inf, nan and -0.0 are kept."""
        return Value(constant_text(value, dtype, lanes), dtype, lanes)

    def like(self, value: Operand, other: Value) -> Value:
        """``value`` as an operand beside ``other``: numbers take its type."""
        if isinstance(value, Value):
            return value
        return self.const(value, other.dtype, other.lanes)

    # ---- functions -------------------------------------------------------------

    def call(self, name: str, dtype: str, args: Sequence[Value]) -> Value:
        """Call a C function or intrinsic, one type for all of ``args``' lanes."""
        lanes = args[0].lanes
        result = type_name(dtype, lanes)
        if name not in self.declarations:
            types = ", ".join(a.type for a in args)
            self.declarations[name] = f"declare {result} @{name}({types})"
        operands = ", ".join(f"{a.type} {a.text}" for a in args)
        return self.op(f"call {result} @{name}({operands})", dtype, lanes)

    def intrinsic(self, name: str, *args: Value) -> Value:
        """Call ``llvm.<name>`` overloaded on the type of its operands."""
        first = args[0]
        mangled = f"llvm.{name}.{suffix(first.dtype, first.lanes)}"
        return self.call(mangled, first.dtype, args)

    def shared(
        self,
        name: str,
        dtype: str,
        args: Sequence[Value],
        body: Callable[[Builder, list[Value]], Value],
    ) -> Value:
        """Call a helper of this module, writing it on first use.

        For code that is long or branches: it is compiled once, however often called.
        """
        lanes = args[0].lanes
        name = f"sg.{name}.{suffix(dtype, lanes)}"
        if name not in self.declarations:
            inner = Builder(self.features)
            inner.declarations = self.declarations
            self.declarations[name] = ""  # keeps the place while the body is written
            params = [Value(f"%p{i}", a.dtype, lanes) for i, a in enumerate(args)]
            result = body(inner, params)
            types = ", ".join(f"{p.type} {p.text}" for p in params)
            notes, kind = attributes(self.features), result.type
            head = f"define internal {kind} @{name}({types}) {notes} {{\nentry:"
            end = f"  ret {kind} {result.text}\n}}"
            self.declarations[name] = "\n".join([head, *inner.lines, end])
        result_type = type_name(dtype, lanes)
        operands = ", ".join(f"{a.type} {a.text}" for a in args)
        return self.op(f"call {result_type} @{name}({operands})", dtype, lanes)

    def per_lane(self, name: str, *args: Value) -> Value:
        """Call a scalar C function for each lane, in a loop (so only in helpers)."""
        first = args[0]
        dtype, lanes, kind = first.dtype, first.lanes, first.type
        if lanes == 1:
            return self.call(name, dtype, args)
        element = ELEMENT[dtype]
        size = BITS[dtype] // 8
        places = [self.op(f"alloca {kind}", "int64", 1).text for _ in args]
        for place, arg in zip(places, args, strict=True):
            self.emit(f"store {kind} {arg.text}, ptr {place}, align {size}")
        before, loop, done = self.block, self.label(), self.label()
        self.emit(f"br label %{loop}")
        self.place(loop)
        lane = f"%{loop}.lane"
        self.emit(f"{lane} = phi i64 [ 0, %{before} ], [ {lane}.next, %{loop} ]")
        scalars = []
        for k, place in enumerate(places):
            address = f"{lane}.{k}"
            self.emit(f"{address} = getelementptr {element}, ptr {place}, i64 {lane}")
            load = f"load {element}, ptr {address}, align {size}"
            scalars.append(self.op(load, dtype, 1))
        result = self.call(name, dtype, scalars)
        self.emit(f"store {element} {result.text}, ptr {lane}.0, align {size}")
        self.emit(f"{lane}.next = add i64 {lane}, 1")
        self.emit(f"{lane}.more = icmp ult i64 {lane}.next, {lanes}")
        self.emit(f"br i1 {lane}.more, label %{loop}, label %{done}")
        self.place(done)
        return self.op(f"load {kind}, ptr {places[0]}, align {size}", dtype, lanes)

    def rarely(
        self,
        condition: Value,
        usual: Value,
        unusual: Callable[[], Value],
    ) -> Value:
        """``usual``, but in lanes under ``condition`` what ``unusual`` writes.

        Branches past the second unless some lane needs it (so only in helpers).
        """
        before, slow, done = self.block, self.label(), self.label()
        some = self.any(condition)
        self.emit(f"br i1 {some.text}, label %{slow}, label %{done}")
        self.place(slow)
        mixed = self.select(condition, unusual(), usual)
        after = self.block
        self.emit(f"br label %{done}")
        self.place(done)
        return self.op(
            f"phi {usual.type} [ {usual.text}, %{before} ], [ {mixed.text}, %{after} ]",
            usual.dtype,
            usual.lanes,
        )

    # ---- arithmetic ------------------------------------------------------------

    def binary(self, instruction: str, a: Operand, b: Operand) -> Value:
        """Any instruction of two operands of one type, such as ``xor``."""
        like, left, right = _texts(a, b)
        _, dtype, lanes = like
        kind = type_name(dtype, lanes)
        return self.op(f"{instruction} {kind} {left}, {right}", dtype, lanes)

    def fadd(self, a: Operand, b: Operand, flags: str = "") -> Value:
        """Return a + b; ``flags`` are fast-math flags of this one instruction."""
        return self.binary("fadd " + flags if flags else "fadd", a, b)

    def fsub(self, a: Operand, b: Operand, flags: str = "") -> Value:
        """Return a - b; ``flags`` as in ``fadd``."""
        return self.binary("fsub " + flags if flags else "fsub", a, b)

    def fmul(self, a: Operand, b: Operand, flags: str = "") -> Value:
        """Return a * b; ``flags`` as in ``fadd``."""
        return self.binary("fmul " + flags if flags else "fmul", a, b)

    def fdiv(self, a: Operand, b: Operand, flags: str = "") -> Value:
        """Return a / b; ``flags`` as in ``fadd``."""
        return self.binary("fdiv " + flags if flags else "fdiv", a, b)

    def fma(self, a: Operand, b: Operand, c: Operand) -> Value:
        """Return a * b + c, rounded once where the CPU can, else twice."""
        if not self.has_fma:
            return self.fadd(self.fmul(a, b), c)
        like, left, right = _texts(a, b) if isinstance(a, Value) else _texts(c, b)
        if like is not a:
            left = _text(a, like)
        _, dtype, lanes = like
        kind = type_name(dtype, lanes)
        name = "llvm.fma." + suffix(dtype, lanes)
        if name not in self.declarations:
            self.declarations[name] = f"declare {kind} @{name}({kind}, {kind}, {kind})"
        return self.op(
            f"call {kind} @{name}({kind} {left}, {kind} {right}, "
            f"{kind} {_text(c, like)})",
            dtype,
            lanes,
        )

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """c[0] + c[1]*x + c[2]*x**2 + ... by Horner's scheme."""
        result: Operand = coefficients[-1]
        for c in reversed(coefficients[:-1]):
            result = self.fma(x, result, c)
        return self.like(result, x)

    def fneg(self, a: Value) -> Value:
        """-a, the sign of NaN and zero included."""
        return self.op(f"fneg {a.type} {a.text}", a.dtype, a.lanes)

    def fabs(self, a: Value) -> Value:
        """|a|."""
        return self.intrinsic("fabs", a)

    def copysign(self, a: Operand, sign: Value) -> Value:
        """|a| with the sign of ``sign``."""
        return self.intrinsic("copysign", self.like(a, sign), sign)

    def add(self, a: Operand, b: Operand) -> Value:
        """Integer a + b, wrapping."""
        return self.binary("add", a, b)

    def sub(self, a: Operand, b: Operand) -> Value:
        """Integer a - b, wrapping."""
        return self.binary("sub", a, b)

    def mul(self, a: Operand, b: Operand) -> Value:
        """Integer a * b, wrapping."""
        return self.binary("mul", a, b)

    def and_(self, a: Operand, b: Operand) -> Value:
        """Bitwise a & b."""
        return self.binary("and", a, b)

    def or_(self, a: Operand, b: Operand) -> Value:
        """Bitwise a | b."""
        return self.binary("or", a, b)

    def xor(self, a: Operand, b: Operand) -> Value:
        """Bitwise a ^ b."""
        return self.binary("xor", a, b)

    def not_(self, a: Value) -> Value:
        """Bitwise ~a; logical not of a bool."""
        return self.binary("xor", a, 1 if a.dtype == "bool" else -1)

    def shl(self, a: Operand, b: Operand) -> Value:
        """Return a << b; the shift must be below the width."""
        return self.binary("shl", a, b)

    def lshr(self, a: Operand, b: Operand) -> Value:
        """Return a >> b, filled with zeros; the shift must be below the width."""
        return self.binary("lshr", a, b)

    def ashr(self, a: Operand, b: Operand) -> Value:
        """Return a >> b, filled with the sign; the shift must be below the width."""
        return self.binary("ashr", a, b)

    # ---- choice ----------------------------------------------------------------

    def compare(self, predicate: str, a: Operand, b: Operand) -> Value:
        """Compare; ``predicate`` as LLVM spells it (``olt``, ``une``, ``slt``, ...).

        ``lt le gt ge eq ne`` pick the predicate of NumPy for the operands' dtype.
        """
        like, left, right = _texts(a, b)
        is_float = like.dtype in FLOATS
        if len(predicate) == 2:
            if is_float:
                predicate = "une" if predicate == "ne" else "o" + predicate
            elif predicate not in ("eq", "ne"):
                predicate = ("s" if like.dtype in SIGNED else "u") + predicate
        instruction = "fcmp" if is_float else "icmp"
        operands = f"{like.type} {left}, {right}"
        return self.op(f"{instruction} {predicate} {operands}", "bool", like.lanes)

    def select(self, condition: Value, a: Operand, b: Operand) -> Value:
        """Take a where ``condition`` holds, else b; one of them must be a ``Value``."""
        like, left, right = _texts(a, b)
        kind = like.type
        text = (
            f"select {condition.type} {condition.text}, {kind} {left}, {kind} {right}"
        )
        return self.op(text, like.dtype, like.lanes)

    def choose(self, condition: Value, a: float, b: float, like: Value) -> Value:
        """One of two numbers in each lane, of the type of ``like``."""
        return self.select(condition, self.like(a, like), b)

    def below(self, x: Value, bound: float) -> Value:
        """x, but at most ``bound``; NaN stays (one instruction on x86)."""
        return self.select(self.compare("ogt", x, bound), bound, x)

    def above(self, x: Value, bound: float) -> Value:
        """x, but at least ``bound``; NaN stays."""
        return self.select(self.compare("olt", x, bound), bound, x)

    # ---- types and lanes -------------------------------------------------------

    def convert(self, instruction: str, a: Value, dtype: str) -> Value:
        """One conversion instruction, such as ``sitofp``, to ``dtype``."""
        kind = type_name(dtype, a.lanes)
        return self.op(f"{instruction} {a.type} {a.text} to {kind}", dtype, a.lanes)

    def bitcast(self, a: Value, dtype: str) -> Value:
        """The same bits read as another dtype of that width."""
        if ELEMENT[a.dtype] == ELEMENT[dtype]:
            return Value(a.text, dtype, a.lanes)
        return self.convert("bitcast", a, dtype)

    def splat(self, a: Value, lanes: int) -> Value:
        """A scalar in all of ``lanes`` lanes."""
        if a.lanes == lanes:
            return a
        if a.is_constant:
            element = ELEMENT[a.dtype]
            return Value(f"splat ({element} {a.text})", a.dtype, lanes)
        kind = type_name(a.dtype, lanes)
        one = self.op(
            f"insertelement {kind} poison, {ELEMENT[a.dtype]} {a.text}, i32 0",
            a.dtype,
            lanes,
        )
        return self.op(
            f"shufflevector {kind} {one.text}, {kind} poison, "
            f"<{lanes} x i32> zeroinitializer",
            a.dtype,
            lanes,
        )

    def extract(self, a: Value, lane: int) -> Value:
        """One lane as a scalar."""
        if a.lanes == 1:
            return a
        return self.op(f"extractelement {a.type} {a.text}, i32 {lane}", a.dtype, 1)

    def insert(self, a: Value, scalar: Value, lane: int) -> Value:
        """``a`` with one lane replaced."""
        if a.lanes == 1:
            return scalar
        return self.op(
            f"insertelement {a.type} {a.text}, {scalar.type} {scalar.text}, i32 {lane}",
            a.dtype,
            a.lanes,
        )

    def any(self, a: Value) -> Value:
        """Whether any lane of a bool vector holds, as a scalar."""
        if a.lanes == 1:
            return a
        name = f"llvm.vector.reduce.or.v{a.lanes}i1"
        self.declarations.setdefault(name, f"declare i1 @{name}({a.type})")
        return self.op(f"call i1 @{name}({a.type} {a.text})", "bool", 1)

    def cast(self, a: Value, dtype: str) -> Value:
        """Convert between any two dtypes as ``numpy.ndarray.astype`` does on x86-64.

        Integers wrap. A float beyond the integer's range, or NaN, gives the smallest
        integer of the width that x86 converts through (32 bits for 8- and 16-bit
        results, else 64), cut down to the result: NumPy leaves it undefined, this is
        what it usually gives there, and it is the same on every CPU.
        """
        source = a.dtype
        if source == dtype:
            return a
        if dtype == "bool":
            return self.compare("ne", a, 0)
        if dtype in FLOATS:
            if source in FLOATS:
                wider = BITS[dtype] > BITS[source]
                return self.convert("fpext" if wider else "fptrunc", a, dtype)
            signed = source in SIGNED
            return self.convert("sitofp" if signed else "uitofp", a, dtype)
        if source in FLOATS:
            return self._float_to_integer(a, dtype)
        if BITS[source] == BITS[dtype]:
            return Value(a.text, dtype, a.lanes)
        if BITS[source] > BITS[dtype]:
            return self.convert("trunc", a, dtype)
        return self.convert("sext" if source in SIGNED else "zext", a, dtype)

    def _float_to_integer(self, a: Value, dtype: str) -> Value:
        if dtype == "uint64":
            big = self.compare("oge", a, 2.0**63)
            low = self.select(big, self.fsub(a, 2.0**63), a)
            bits = self._float_to_signed(low, "int64")
            flip = self.select(big, self.const(-(2**63), "int64", a.lanes), 0)
            return self.bitcast(self.xor(bits, flip), "uint64")
        wide = "int64" if dtype in ("int64", "uint32") else "int32"
        return self.cast(self._float_to_signed(a, wide), dtype)

    def _float_to_signed(self, a: Value, dtype: str) -> Value:
        bound = 2.0 ** (BITS[dtype] - 1)
        fits = self.compare("olt", self.fabs(a), bound)
        whole = self.convert("fptosi", a, dtype)
        return self.select(fits, whole, -int(bound))
