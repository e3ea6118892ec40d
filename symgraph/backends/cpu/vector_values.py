"""VectorValues and memory inside loops: what the other files of vectors write with.

An expression of Kernel IR becomes an LLVM value: a vector where it depends on the
vector index, else a scalar. Elements that lie side by side are loaded and stored as one
vector, others are gathered and scattered. In: expressions, accesses. Out: lines of LLVM
IR in a `Builder`. Statements and loops are in vectors.py.
"""

from symgraph.backends.cpu import math as primitives
from symgraph.backends.cpu import user_functions
from symgraph.backends.cpu.llvm import ELEMENT, Builder, Value, suffix
from symgraph.core.dtypes import ITEMSIZE, is_complex, is_float
from symgraph.core.record import Record
from symgraph.errors import NotSupportedError
from symgraph.lower.ir import (
    USER,
    Access,
    Call,
    Const,
    Expression,
    Fold,
    Index,
    Init,
    Kernel,
    Load,
    Local,
    Size,
    SizeValue,
    Statement,
    expressions,
    walk,
)

MEMORY = {"bool": "i8"}  # a bool is a byte in memory and a bit in a register


class Lanes(Record, frozen=False):
    """The vector loop that is being written."""

    index: str
    count: int
    base: Value  # index of lane 0
    mask: Value | None


def compares_floats(kernel: Kernel) -> bool:
    """Whether a kernel looks for the place of a value, as ``x == max(x)`` does.

    A value that is computed once for the maximum and again for the comparison must come
    out the same. Fused products and sums are chosen by their surroundings, so such
    kernels, and those that find a maximum, are compiled without them.
    """
    for statement in walk(kernel.body):
        match statement:
            case Init(_, "maximum" | "minimum", dtype) if is_float(dtype):
                return True
        for expression in expressions(statement):
            match expression:
                case Call("eq" | "ne" | "le" | "ge", arguments, _) if all(
                    is_float(a.dtype) and not isinstance(a, Const) for a in arguments
                ):
                    return True
    return False


class VectorValues:
    """Writes expressions and accesses of one kernel.

    Attributes
    ----------
    b : the lines of the function
    env : value of each name, index and accumulator where the next line stands
    combine : how an accumulator combines, and its dtype
    lanes : the vector loop around the next line
    stack : what the function reserves at its beginning
    """

    def __init__(
        self, kernel: Kernel, features: frozenset[str], vector_bytes: int
    ) -> None:
        self.kernel = kernel
        self.b = Builder(features)
        self.b.contract = not compares_floats(kernel)
        self.vector_bytes = vector_bytes
        self.env: dict[str, Value] = {}
        self.combine: dict[str, tuple[str, str]] = {}
        self.lanes: Lanes | None = None
        self.stack: list[str] = []
        self.dtype = {buffer.name: buffer.dtype for buffer in kernel.buffers}
        for buffer in kernel.buffers:
            if is_complex(buffer.dtype):
                raise NotSupportedError(
                    f"the CPU kernels have no vectors of {buffer.dtype}; "
                    "lower/pairs.py makes pairs of reals of them"
                )

    # --- accumulators ---------------------------------------------------------------

    def carried(self, body: tuple[Statement, ...]) -> list[str]:
        """Accumulators that a loop body changes and that were declared before it."""
        names = [s.name for s in walk(body) if isinstance(s, Fold)]
        return [n for n in dict.fromkeys(names) if n in self.env]

    def is_float_sum(self, name: str) -> bool:
        """Whether an accumulator adds floats up."""
        combine, dtype = self.combine[name]
        return combine == "add" and is_float(dtype)

    # --- values ---------------------------------------------------------------------

    def size(self, size: Size) -> Value:
        """A size of the kernel."""
        if isinstance(size, int):
            return self.b.const(size, "int64")
        return Value(f"%p.{size}", "int64", 1)

    def value(self, expression: Expression) -> Value:
        """The value of an expression."""
        match expression:
            case Const(value, dtype):
                return self.b.const(value, dtype, 1)
            case Local(name, _):
                return self.env[name]
            case Index(name, _):
                return self._index(name)
            case SizeValue(size, _):
                return self.size(size)
            case Load(buffer, access, _):
                return self.load(buffer, access)
            case Call(function, arguments, dtype):
                return self._call(function, arguments, dtype)

    def _index(self, name: str) -> Value:
        lanes = self.lanes
        value = self.env[name]
        if lanes is None or lanes.index != name:
            return value
        spread = self.b.splat(value, lanes.count)
        return self.b.add(spread, ramp("int64", lanes.count))

    def _call(
        self, function: str, arguments: tuple[Expression, ...], dtype: str
    ) -> Value:
        values = [self.value(argument) for argument in arguments]
        kind = values[-1].dtype if function == "where" else values[0].dtype
        if function.startswith(USER):
            return user_functions.emit(self.b, function, values, dtype)
        if is_complex(kind) or not primitives.supports(function, kind):
            raise NotSupportedError(
                f"{function} of {kind} has no compiled form for the CPU"
            )
        return primitives.emit(self.b, function, values, dtype)

    # --- memory ---------------------------------------------------------------------

    def _place(self, buffer: str, access: Access) -> tuple[Value, Size, Value | None]:
        """(pointer to lane 0, step between lanes, vector of dynamic offsets)."""
        b = self.b
        offset: Value | None = None
        step: Size = 0
        spread: Value | None = None

        def added(part: Value) -> Value:
            return part if offset is None else b.add(offset, part)

        if access.offset != 0:
            offset = self.size(access.offset)
        for index, stride in access.terms:
            if self.lanes is not None and index == self.lanes.index:
                step = stride
            value = self.env[index]
            if stride != 1:
                value = b.mul(value, self.size(stride))
            offset = added(value)
        if access.dynamic is not None:
            dynamic = self.value(access.dynamic)
            if dynamic.lanes > 1:
                spread = dynamic
            else:
                offset = added(dynamic)
        pointer = Value(f"%p.{buffer}", "int64", 1)
        if offset is not None:
            element = self._element(buffer)
            pointer = b.op(
                f"getelementptr {element}, ptr %p.{buffer}, i64 {offset.text}",
                "int64",
                1,
            )
        return pointer, step, spread

    def _element(self, buffer: str) -> str:
        dtype = self.dtype[buffer]
        return MEMORY.get(dtype, ELEMENT[dtype])

    def _pointers(
        self, buffer: str, pointer: Value, step: Size, spread: Value | None
    ) -> str:
        """A vector of addresses, one for each lane."""
        b, lanes = self.b, self.lanes
        assert lanes is not None
        offsets = spread
        if step != 0:
            places = ramp("int64", lanes.count)
            along = (
                places
                if step == 1
                else b.mul(places, b.splat(self.size(step), lanes.count))
            )
            offsets = along if offsets is None else b.add(offsets, along)
        assert offsets is not None
        vector = b.op(
            f"getelementptr {self._element(buffer)}, ptr {pointer.text}, "
            f"{offsets.type} {offsets.text}", "int64", lanes.count,
        )  # fmt: skip
        return vector.text

    def _mask(self) -> str:
        lanes = self.lanes
        assert lanes is not None
        if lanes.mask is None:
            return f"<{lanes.count} x i1> splat (i1 true)"
        return f"{lanes.mask.type} {lanes.mask.text}"

    def load(self, buffer: str, access: Access) -> Value:
        """An element, or one for each lane."""
        b, dtype = self.b, self.dtype[buffer]
        pointer, step, spread = self._place(buffer, access)
        element = self._element(buffer)
        memory = "uint8" if dtype == "bool" else dtype
        if self.lanes is None or (step == 0 and spread is None):
            value = b.op(
                f"load {element}, ptr {pointer.text}, align {ITEMSIZE[dtype]}",
                memory,
                1,
            )
        else:
            count = self.lanes.count
            kind = f"<{count} x {element}>"
            code = suffix(memory, count)
            if step == 1 and spread is None:
                if self.lanes.mask is None:
                    text = f"load {kind}, ptr {pointer.text}, align {ITEMSIZE[dtype]}"
                else:
                    name = f"llvm.masked.load.{code}.p0"
                    b.declarations[name] = (
                        f"declare {kind} @{name}(ptr, i32, <{count} x i1>, {kind})"
                    )
                    text = (
                        f"call {kind} @{name}(ptr {pointer.text}, i32 {ITEMSIZE[dtype]}, "
                        f"{self._mask()}, {kind} zeroinitializer)"
                    )
            else:
                name = f"llvm.masked.gather.{code}.v{count}p0"
                b.declarations[name] = (
                    f"declare {kind} @{name}(<{count} x ptr>, i32, <{count} x i1>, {kind})"
                )
                text = (
                    f"call {kind} @{name}(<{count} x ptr> "
                    f"{self._pointers(buffer, pointer, step, spread)}, "
                    f"i32 {ITEMSIZE[dtype]}, {self._mask()}, {kind} zeroinitializer)"
                )
            value = b.op(text, memory, count)
        return b.compare("ne", value, 0) if dtype == "bool" else value

    def store(self, buffer: str, access: Access, value: Value) -> None:
        """Write an element, or one for each lane."""
        b, dtype = self.b, self.dtype[buffer]
        pointer, step, spread = self._place(buffer, access)
        element = self._element(buffer)
        align = ITEMSIZE[dtype]
        lanes = self.lanes
        if dtype == "bool":
            value = b.cast(value, "uint8")
        if lanes is None or (step == 0 and spread is None):
            assert value.lanes == 1, "a vector stored to one element"
            b.emit(
                f"store {value.type} {value.text}, ptr {pointer.text}, align {align}"
            )
            return
        if value.lanes == 1:
            value = b.splat(value, lanes.count)
        kind = f"<{lanes.count} x {element}>"
        code = suffix(value.dtype, lanes.count)
        if step == 1 and spread is None:
            if lanes.mask is None:
                b.emit(f"store {kind} {value.text}, ptr {pointer.text}, align {align}")
                return
            name = f"llvm.masked.store.{code}.p0"
            b.declarations[name] = (
                f"declare void @{name}({kind}, ptr, i32, <{lanes.count} x i1>)"
            )
            b.emit(
                f"call void @{name}({kind} {value.text}, ptr {pointer.text}, i32 {align}, "
                f"{self._mask()})"
            )
            return
        name = f"llvm.masked.scatter.{code}.v{lanes.count}p0"
        b.declarations[name] = (
            f"declare void @{name}({kind}, <{lanes.count} x ptr>, i32, "
            f"<{lanes.count} x i1>)"
        )
        addresses = self._pointers(buffer, pointer, step, spread)
        b.emit(
            f"call void @{name}({kind} {value.text}, <{lanes.count} x ptr> {addresses}, "
            f"i32 {align}, {self._mask()})"
        )


def ramp(dtype: str, count: int) -> Value:
    """The vector 0, 1, ..., count - 1."""
    element = ELEMENT[dtype]
    lanes = ", ".join(f"{element} {i}" for i in range(count))
    return Value(f"<{lanes}>", dtype, count)
