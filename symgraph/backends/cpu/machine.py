"""What the tile library knows of a CPU, and vectors of which only a part exists.

In: CPU features. Out: a `Machine` (vector width, registers), writers of functions for
it, and loads and stores of the first numbers of a vector. The tiles themselves are in
`tiles`.
"""

import platform
from dataclasses import dataclass

from symgraph.backends.cpu import llvm_types, target
from symgraph.backends.cpu.llvm import Value
from symgraph.backends.cpu.llvm_types import suffix, type_name
from symgraph.backends.cpu.routine import Int, Routine

ITEM = {"float32": 4, "float64": 8}
CODE = {"float32": "f32", "float64": "f64"}


@dataclass(frozen=True)
class Machine:
    """What the emitters need to know of a CPU.

    Attributes
    ----------
    features : LLVM's names of the features that may be used
    width : bytes of a vector register
    registers : how many vector registers there are
    """

    features: frozenset[str]
    width: int
    registers: int

    def lanes(self, dtype: str) -> int:
        """Numbers in a vector."""
        return self.width // ITEM[dtype]

    def rows(self, vectors: int) -> int:
        """The most rows of a tile of ``vectors`` vectors."""
        spare = self.registers - 1 - vectors - (0 if self.fused else 1)
        most = min(spare // vectors, 16)
        return most if most <= 8 else most // 2 * 2

    @property
    def fused(self) -> bool:
        """Whether there is a fused multiply-add."""
        return "fma" in self.features or not target.is_x86()

    @property
    def parts(self) -> bool:
        """Whether storing part of a vector costs no more than storing all of it."""
        return self.width == 64

    @property
    def masks(self) -> bool:
        """Whether loads and stores of part of a vector are single instructions."""
        return self.width >= 32


def machine() -> Machine:
    """Return this process' CPU, as SYMGRAPH_CPU_FEATURES restricts it."""
    features = target.features()
    width = target.vector_bytes(features)
    wide = width == 64 or platform.machine().lower() in ("aarch64", "arm64")
    return Machine(features, width, 32 if wide else 16)


def attributes(cpu: Machine) -> str:
    """The attribute group that every function of the library has."""
    return f"attributes #0 = {{ {llvm_types.attributes(cpu.features)} }}"


def writer(
    cpu: Machine,
    name: str,
    parameters: tuple[str, ...],
    *,
    public: bool = False,
    returns: bool = False,
) -> Routine:
    """A `Routine` for this CPU."""
    made = Routine(name, parameters, cpu.features, public=public, returns=returns)
    made.has_fma = cpu.fused
    return made


def mask_below(r: Routine, count: Int, dtype: str, lanes: int) -> str:
    """Lanes below a count, as an operand."""
    element = "i32" if dtype == "float32" else "i64"
    kind = f"<{lanes} x {element}>"
    number = count.text
    if element == "i32":
        number = r.op(f"trunc i64 {number} to i32", "int32", 1).text
    one = r.op(f"insertelement {kind} poison, {element} {number}, i32 0", "int64", 1)
    spread = r.op(
        f"shufflevector {kind} {one.text}, {kind} poison, "
        f"<{lanes} x i32> zeroinitializer",
        "int64", 1,
    )  # fmt: skip
    ramp = ", ".join(f"{element} {i}" for i in range(lanes))
    below = r.op(f"icmp slt {kind} <{ramp}>, {spread.text}", "bool", lanes)
    return f"<{lanes} x i1> {below.text}"


def load_part(
    r: Routine, y: Int, dtype: str, lanes: int, mask: str | None, count: Int,
    temporary: Int,
) -> Value:  # fmt: skip
    """The first ``count`` numbers of a vector, zeros behind them."""
    if mask is None:
        r.store(temporary, r.const(0.0, dtype, lanes))
        _copy_numbers(r, temporary, y, count, dtype)
        return r.load(temporary, dtype, lanes)
    return load_masked(r, r.pointer(y), dtype, lanes, mask)


def load_masked(r: Routine, pointer: str, dtype: str, lanes: int, mask: str) -> Value:
    kind = type_name(dtype, lanes)
    name = f"llvm.masked.load.{suffix(dtype, lanes)}.p0"
    r.declarations[name] = f"declare {kind} @{name}(ptr, i32, <{lanes} x i1>, {kind})"
    return r.op(
        f"call {kind} @{name}(ptr {pointer}, i32 {ITEM[dtype]}, {mask}, "
        f"{kind} zeroinitializer)",
        dtype, lanes,
    )  # fmt: skip


def store_part(
    r: Routine, y: Int, value: Value, mask: str | None, count: Int, temporary: Int
) -> None:
    """Store the first ``count`` numbers of a vector."""
    if mask is None:
        r.store(temporary, value)
        _copy_numbers(r, y, temporary, count, value.dtype)
        return
    store_masked(r, r.pointer(y), value, mask)


def store_masked(r: Routine, pointer: str, value: Value, mask: str) -> None:
    dtype, lanes = value.dtype, value.lanes
    name = f"llvm.masked.store.{suffix(dtype, lanes)}.p0"
    r.declarations[name] = (
        f"declare void @{name}({value.type}, ptr, i32, <{lanes} x i1>)"
    )
    r.emit(
        f"call void @{name}({value.type} {value.text}, ptr {pointer}, "
        f"i32 {ITEM[dtype]}, {mask})"
    )


def _copy_numbers(r: Routine, to: Int, source: Int, count: Int, dtype: str) -> None:
    item = ITEM[dtype]
    with r.loop(count) as i:
        r.store(to + i * item, r.load(source + i * item, dtype))
