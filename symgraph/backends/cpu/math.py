"""The scalar primitives of the Kernel IR as vector instructions: one table.

In: a ``Builder``, a primitive's name, values of the compute dtype (cast by the caller)
and the result's dtype. Out: the result, after one basic block of code; what must branch
or loop (rare lanes of trigonometric functions, C library calls) is a helper function
in ``Builder.declarations``. NaN, inf, -0.0 and subnormals come out as NumPy has them.
The functions themselves are in ``math_exp``, ``math_trig``, ``math_special`` and
``math_integer``; complex dtypes are not for this emitter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from symgraph.backends.cpu import math_exp as exponential
from symgraph.backends.cpu import math_integer as integer
from symgraph.backends.cpu import math_power as powers
from symgraph.backends.cpu import math_special as special
from symgraph.backends.cpu import math_trig as trig
from symgraph.backends.cpu.llvm import (
    BITS_OF,
    ELEMENT,
    FLOATS,
    SIGNED,
    Builder,
    Value,
)
from symgraph.core.record import Record

Emitter = Callable[[Builder, Sequence[Value], str], Value]

_KIND = {name: "f" if name in FLOATS else "i" for name in ELEMENT} | {"bool": "b"}


class Primitive(Record):
    """How a primitive is written, and for which kinds: b(ool), i(nteger), f(loat)."""

    write: Emitter
    kinds: str


def emit(b: Builder, name: str, args: Sequence[Value], dtype: str) -> Value:
    """Write the primitive ``name`` applied to ``args``; the result has ``dtype``.

    Scalar arguments beside vectors are spread over the lanes.

    Raises
    ------
    KeyError : there is no such primitive (``supports`` tells beforehand)
    """
    lanes = max([a.lanes for a in args])
    if lanes > 1 and name != "philox":
        args = [a if a.lanes == lanes else b.splat(a, lanes) for a in args]
    return TABLE[name].write(b, args, dtype)


def supports(name: str, dtype: str) -> bool:
    """Whether ``emit`` can write ``name`` for arguments of ``dtype``."""
    entry = TABLE.get(name)
    return entry is not None and _KIND.get(dtype, "complex") in entry.kinds


# ---- arithmetic ----------------------------------------------------------------------


def _arithmetic(on_float: str, on_integer: str, on_bool: str = "") -> Emitter:
    # One instruction by dtype. 'contract' lets a product and a sum that users wrote
    # become one fused instruction, unless the kernel must compute a value twice alike.
    instructions = {d: on_float if d in FLOATS else on_integer for d in ELEMENT}
    instructions["bool"] = on_bool

    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        instruction = instructions[args[0].dtype]
        if b.contract and args[0].dtype in FLOATS:
            instruction += " contract"
        return b.binary(instruction, args[0], args[1])

    return write


def _neg(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    x = args[0]
    return b.fneg(x) if x.dtype in FLOATS else b.sub(0, x)


def _abs(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    x = args[0]
    return b.fabs(x) if x.dtype in FLOATS else integer.absolute(b, x)


def _sign(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    x = args[0]
    if x.dtype not in FLOATS:
        return integer.sign(b, x)
    one = b.copysign(1.0, x)
    unit = b.select(b.compare("oeq", x, 0.0), 0.0, one)
    return b.select(b.compare("uno", x, 0.0), x, unit)


def _extreme(predicate: str, on_integer: Callable[..., Value]) -> Emitter:
    # NaN propagates. A comparison and a choice are one x86 instruction that returns
    # its second operand for NaN, so a constant goes first and needs no test.
    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        x, y = args
        if x.dtype not in FLOATS:
            return on_integer(b, x, y)
        if y.is_constant:
            x, y = y, x
        result = b.select(b.compare(predicate, x, y), x, y)
        if x.is_constant and "7FF8" not in x.text:
            return result
        return b.select(b.compare("uno", x, 0.0), x, result)

    return write


def _extreme_number(predicate: str, on_integer: Callable[..., Value]) -> Emitter:
    # NaN only where both are
    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        x, y = args
        if x.dtype not in FLOATS:
            return on_integer(b, x, y)
        result = b.select(b.compare(predicate, x, y), x, y)
        return b.select(b.compare("uno", y, 0.0), x, result)

    return write


def _compare(predicate: str) -> Emitter:
    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        return b.compare(predicate, args[0], args[1])

    return write


def _bitwise(instruction: str) -> Emitter:
    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        return b.binary(instruction, args[0], args[1])

    return write


def _where(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    return b.select(args[0], args[1], args[2])


def _cast(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    return b.cast(args[0], dtype)


# ---- rounding and tests of floats ----------------------------------------------------


def _rounding(intrinsic: str) -> Emitter:
    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        x = args[0]
        return b.intrinsic(intrinsic, x) if x.dtype in FLOATS else x

    return write


def _isnan(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    x = args[0]
    if x.dtype not in FLOATS:
        return b.const(0, "bool", x.lanes)
    return b.compare("uno", x, 0.0)


def _isinf(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    x = args[0]
    if x.dtype not in FLOATS:
        return b.const(0, "bool", x.lanes)
    return b.compare("oeq", b.fabs(x), math.inf)


def _isfinite(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    x = args[0]
    if x.dtype not in FLOATS:
        return b.const(1, "bool", x.lanes)
    return b.compare("olt", b.fabs(x), math.inf)


def _signbit(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    x = args[0]
    if x.dtype in FLOATS:
        return b.compare("lt", b.bitcast(x, BITS_OF[x.dtype]), 0)
    if x.dtype in SIGNED:
        return b.compare("lt", x, 0)
    return b.const(0, "bool", x.lanes)


def _copysign(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    return b.copysign(args[0], args[1])


def _sqrt(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    return b.intrinsic("sqrt", args[0])


def _rsqrt(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    return b.fdiv(1.0, b.intrinsic("sqrt", args[0]))


# ---- the table -----------------------------------------------------------------------


def _unary(function: Callable[[Builder, Value], Value]) -> Emitter:
    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        return function(b, args[0])

    return write


def _binary(function: Callable[[Builder, Value, Value], Value]) -> Emitter:
    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        return function(b, args[0], args[1])

    return write


def _by_kind(
    on_float: Callable[[Builder, Value, Value], Value],
    on_integer: Callable[[Builder, Value, Value], Value],
) -> Emitter:
    def write(b: Builder, args: Sequence[Value], dtype: str) -> Value:
        function = on_float if args[0].dtype in FLOATS else on_integer
        return function(b, args[0], args[1])

    return write


def _philox(b: Builder, args: Sequence[Value], dtype: str) -> Value:
    lanes = args[2].lanes
    words = [a if a.lanes == lanes else b.splat(a, lanes) for a in args]

    def body(inner: Builder, params: list[Value]) -> Value:
        return integer.philox(inner, *params)

    return b.shared("philox", "uint64", words, body)


TABLE: dict[str, Primitive] = {
    "add": Primitive(_arithmetic("fadd", "add", "or"), "bif"),
    "sub": Primitive(_arithmetic("fsub", "sub"), "if"),
    "mul": Primitive(_arithmetic("fmul", "mul", "and"), "bif"),
    "div": Primitive(_arithmetic("fdiv", ""), "f"),
    "floordiv": Primitive(_by_kind(powers.floordiv, integer.floordiv), "if"),
    "mod": Primitive(_by_kind(powers.mod, integer.mod), "if"),
    "fmod": Primitive(_by_kind(powers.fmod, integer.fmod), "if"),
    "pow": Primitive(_by_kind(powers.power, integer.power), "if"),
    "neg": Primitive(_neg, "if"),
    "abs": Primitive(_abs, "bif"),
    "sign": Primitive(_sign, "if"),
    "maximum": Primitive(_extreme("ogt", integer.maximum), "bif"),
    "minimum": Primitive(_extreme("olt", integer.minimum), "bif"),
    "fmax": Primitive(_extreme_number("ogt", integer.maximum), "bif"),
    "fmin": Primitive(_extreme_number("olt", integer.minimum), "bif"),
    "cbrt": Primitive(_unary(powers.cbrt), "f"),
    "sqrt": Primitive(_sqrt, "f"),
    "rsqrt": Primitive(_rsqrt, "f"),
    "floor": Primitive(_rounding("floor"), "bif"),
    "ceil": Primitive(_rounding("ceil"), "bif"),
    "trunc": Primitive(_rounding("trunc"), "bif"),
    "rint": Primitive(_rounding("rint"), "bif"),
    "round_half_away": Primitive(_rounding("round"), "bif"),
    "lt": Primitive(_compare("lt"), "bif"),
    "le": Primitive(_compare("le"), "bif"),
    "gt": Primitive(_compare("gt"), "bif"),
    "ge": Primitive(_compare("ge"), "bif"),
    "eq": Primitive(_compare("eq"), "bif"),
    "ne": Primitive(_compare("ne"), "bif"),
    "and": Primitive(_bitwise("and"), "bi"),
    "or": Primitive(_bitwise("or"), "bi"),
    "xor": Primitive(_bitwise("xor"), "bi"),
    "not": Primitive(_unary(Builder.not_), "bi"),
    "shift_left": Primitive(_binary(integer.shift_left), "i"),
    "shift_right": Primitive(_binary(integer.shift_right), "i"),
    "where": Primitive(_where, "bif"),
    "cast": Primitive(_cast, "bif"),
    "isnan": Primitive(_isnan, "bif"),
    "isinf": Primitive(_isinf, "bif"),
    "isfinite": Primitive(_isfinite, "bif"),
    "signbit": Primitive(_signbit, "bif"),
    "copysign": Primitive(_copysign, "f"),
    "exp": Primitive(_unary(exponential.exp), "f"),
    "exp2": Primitive(_unary(exponential.exp2), "f"),
    "expm1": Primitive(_unary(exponential.expm1), "f"),
    "log": Primitive(_unary(exponential.log), "f"),
    "log2": Primitive(_unary(exponential.log2), "f"),
    "log10": Primitive(_unary(exponential.log10), "f"),
    "log1p": Primitive(_unary(exponential.log1p), "f"),
    "tanh": Primitive(_unary(exponential.tanh), "f"),
    "sigmoid": Primitive(_unary(exponential.sigmoid), "f"),
    "softplus": Primitive(_unary(exponential.softplus), "f"),
    "log_sigmoid": Primitive(_unary(exponential.log_sigmoid), "f"),
    "sin": Primitive(_unary(trig.sin), "f"),
    "cos": Primitive(_unary(trig.cos), "f"),
    "tan": Primitive(_unary(trig.tan), "f"),
    "arcsin": Primitive(_unary(trig.arcsin), "f"),
    "arccos": Primitive(_unary(trig.arccos), "f"),
    "arctan": Primitive(_unary(trig.arctan), "f"),
    "sinh": Primitive(_unary(trig.sinh), "f"),
    "cosh": Primitive(_unary(trig.cosh), "f"),
    "arcsinh": Primitive(_unary(trig.arcsinh), "f"),
    "arccosh": Primitive(_unary(trig.arccosh), "f"),
    "arctanh": Primitive(_unary(trig.arctanh), "f"),
    "arctan2": Primitive(_binary(trig.arctan2), "f"),
    "erf": Primitive(_unary(special.erf), "f"),
    "erfc": Primitive(_unary(special.erfc), "f"),
    "erfcx": Primitive(_unary(special.erfcx), "f"),
    "erfinv": Primitive(_unary(special.erfinv), "f"),
    "erfcinv": Primitive(_unary(special.erfcinv), "f"),
    "gammaln": Primitive(_unary(special.gammaln), "f"),
    "digamma": Primitive(_unary(special.digamma), "f"),
    "philox": Primitive(_philox, "i"),
}
