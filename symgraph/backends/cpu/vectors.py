"""Kernel IR → LLVM IR with explicit vectors.

A `vector` loop runs `lanes` indices at a time; what is left over runs once more under a
mask. VectorValues that depend on the vector index are vectors, others stay scalar and are
spread when they meet one. Accumulators live in registers (phi nodes); one declared
outside a vector loop becomes a vector inside it and is reduced at its end. Long sums
of floats are added up in blocks (vector_blocks.py). Scalar primitives come from
`math`. In: a Kernel. Out: the text of one LLVM function
``void @name(ptr slots, ptr buffers..., i64 sizes...)`` and what it declares; one that
threads share takes more and runs a part of a loop (partial_kernels.py).
"""

from collections.abc import Iterable

from symgraph.backends.cpu import math as primitives
from symgraph.backends.cpu.llvm import ELEMENT, SIGNED, Value, suffix
from symgraph.backends.cpu.partial_kernels import part_parameters, write_part
from symgraph.backends.cpu.steps import Part
from symgraph.backends.cpu.vector_blocks import rounds
from symgraph.backends.cpu.vector_tail import write_rest
from symgraph.backends.cpu.vector_values import Lanes, VectorValues, ramp
from symgraph.core.dtypes import ITEMSIZE, is_float
from symgraph.core.record import Record
from symgraph.lower.ir import (
    Call,
    Fail,
    Fold,
    Init,
    Kernel,
    Let,
    Loop,
    Size,
    Statement,
    Store,
    expressions,
    identity,
    walk,
)

#: statements of a body that is too long to be written twice
LONG = 60
#: instructions of a primitive, roughly; others count 12
WORK = dict.fromkeys("add sub mul neg abs lt le gt ge eq ne and or not where maximum "
                     "minimum cast sqrt div".split(), 1) | {"philox": 80}  # fmt: skip


class Function(Record):
    """Text of one LLVM function and of the declarations that it needs."""

    name: str
    text: str
    declarations: dict[str, str]


def emit_kernel(
    kernel: Kernel,
    name: str,
    features: frozenset[str],
    vector_bytes: int,
    part: Part | None = None,
) -> Function:
    """Write a kernel as an LLVM function; with `part`, one that threads share."""
    return _Writer(kernel, features, vector_bytes, part).function(name)


class _Writer:
    """Writes statements and loops; values and memory are those of `VectorValues`."""

    def __init__(
        self,
        kernel: Kernel,
        features: frozenset[str],
        vector_bytes: int,
        part: Part | None,
    ) -> None:
        self.values = VectorValues(kernel, features, vector_bytes)
        self.b, self.env = self.values.b, self.values.env
        self.combine = self.values.combine
        self.vector_bytes = vector_bytes
        self.part = part

    def function(self, name: str) -> Function:
        params = ["ptr %slots"]
        params += [
            f"ptr noundef %p.{buffer.name}" for buffer in self.values.kernel.buffers
        ]
        params += [f"i64 %p.{size}" for size in self.values.kernel.sizes]
        if self.part is not None:
            params += part_parameters(self.values.kernel, self.part)
        self._block(self.values.kernel.body)
        lines = [
            f"define internal void @{name}({', '.join(params)}) #0 {{",
            "entry:",
            *self.values.stack,
            *self.b.lines,
            "  ret void",
            "}",
        ]
        return Function(name, "\n".join(lines), self.b.declarations)

    # --- statements ---

    def _block(self, body: Iterable[Statement]) -> None:
        rest = iter(body)
        for statement in rest:
            match statement:
                case Let(name, value):
                    self.env[name] = self.values.value(value)
                case Loop(index) if self.part and index == self.part.index:
                    self._divided_loop(self.part, statement, tuple(rest))
                case Store(buffer, access, value):
                    self.values.store(buffer, access, self.values.value(value))
                case Loop(_, _, _, "vector") if self.values.lanes is None:
                    self._vector_loop(statement)
                case Loop():
                    self._serial_loop(statement)
                case Init(name, combine, dtype):
                    self.combine[name] = (combine, dtype)
                    count = 1 if self.values.lanes is None else self.values.lanes.count
                    self.env[name] = self.b.const(
                        identity(combine, dtype), dtype, count
                    )
                case Fold(name, value):
                    self._fold(name, self.values.value(value))
                case Fail(condition, code):
                    self._fail(self.values.value(condition), code)

    def _fold(self, name: str, value: Value) -> None:
        combine, dtype = self.combine[name]
        accumulator = self.env[name]
        if accumulator.lanes > 1 and value.lanes == 1:
            value = self.b.splat(value, accumulator.lanes)
        lanes = self.values.lanes
        result = primitives.emit(self.b, combine, [accumulator, value], dtype)
        if lanes is not None and lanes.mask is not None and value.lanes > 1:
            # not `value` or the identity: LLVM 22 turns a choice between 0 and a / b
            # with a known mask into a division of zeros
            result = self.b.select(lanes.mask, result, accumulator)
        self.env[name] = result

    def _fail(self, condition: Value, code: int) -> None:
        if condition.lanes > 1:
            if self.values.lanes is not None and self.values.lanes.mask is not None:
                condition = self.b.and_(condition, self.values.lanes.mask)
            condition = self.b.any(condition)
        if (
            self.part is not None
        ):  # others may fail at the same time: the largest code wins
            fails, fine = self.b.label(), self.b.label()
            self.b.emit(f"br i1 {condition.text}, label %{fails}, label %{fine}")
            self.b.place(fails)
            self.b.emit(f"atomicrmw umax ptr %slots, i64 {code} monotonic")
            self.b.emit(f"br label %{fine}")
            self.b.place(fine)
            return
        flag = self.b.op("load i64, ptr %slots", "int64", 1)
        new = self.b.select(condition, self.b.const(code, "int64"), flag)
        self.b.emit(f"store i64 {new.text}, ptr %slots")

    # --- loops ---

    def _serial_loop(self, loop: Loop) -> None:
        if loop.extent == 0:
            return
        rounds(
            self.values, loop.index, self.b.const(0, "int64"),
            self.values.size(loop.extent), 1, self.values.carried(loop.body),
            lambda: self._block(loop.body), isinstance(loop.extent, int), loop.block,
        )  # fmt: skip

    def _divided_loop(
        self, part: Part, loop: Loop, rest: tuple[Statement, ...]
    ) -> None:
        """The part of a loop that one thread has, and what follows the loop."""
        vector = loop.kind == "vector" and self.values.lanes is None
        assert not vector or part.align % self._lane_count(loop) == 0
        carried = self.values.carried(loop.body)

        def run(begin: Value, end: Value) -> None:
            if vector:
                self._vector_loop(loop, (begin, end))
            else:
                rounds(self.values, loop.index, begin, end, 1, carried,
                       lambda: self._block(loop.body), False, loop.block)  # fmt: skip

        write_part(self.values, part, carried, run, lambda: self._block(rest))

    def _vector_loop(self, loop: Loop, part: tuple[Value, Value] | None = None) -> None:
        extent: Size | None = None if part else loop.extent
        if extent == 0:
            return
        b = self.b
        count = self._lane_count(loop)
        carried = self.values.carried(loop.body)
        outside = {name: self.env[name] for name in carried}
        for name in carried:
            combine, dtype = self.combine[name]
            self.env[name] = b.const(identity(combine, dtype), dtype, count)
        start = b.const(0, "int64") if part is None else part[0]
        stop = self.values.size(loop.extent) if part is None else part[1]
        main = extent // count * count if isinstance(extent, int) else None
        full = b.const(main, "int64") if main is not None else b.and_(stop, -count)
        if main is None and sum(1 for _ in walk(loop.body)) > LONG:
            self._masked_loop(loop, count, carried, start, stop)
        elif main != 0:
            once = main is not None and main <= loop.block * count
            rounds(
                self.values, loop.index, start, full, count, carried,
                lambda: self._lane_body(loop, count, None), main is not None,
                0 if once else loop.block,
            )  # fmt: skip
        short = sum(1 for _ in walk(loop.body)) <= LONG
        if main is None and short:
            self._tail(loop, count, carried, full, stop)
        elif isinstance(extent, int) and main is not None and main != extent:
            lanes = self.vector_bytes // self._itemsize(loop)
            write_rest(
                self.values, loop.index, carried, main, extent - main, lanes, short,
                lambda width, mask: self._lane_body(loop, width, mask),
            )  # fmt: skip
        for name in carried:
            combine, dtype = self.combine[name]
            total = self._reduced(self.env[name], combine)
            self.env[name] = primitives.emit(b, combine, [outside[name], total], dtype)

    def _masked_loop(
        self, loop: Loop, count: int, carried: list[str], first: Value, stop: Value
    ) -> None:
        """All indices under a mask: half the code of a main loop and a rest."""

        def body() -> None:
            start = self.env[loop.index]
            left = self.b.splat(self._narrow(self.b.sub(stop, start), count), count)
            mask = self.b.compare("lt", ramp(left.dtype, count), left)
            self._lane_body(loop, count, mask)

        index, block = loop.index, loop.block
        rounds(self.values, index, first, stop, count, carried, body, False, block)

    def _tail(
        self,
        loop: Loop,
        count: int,
        carried: list[str],
        full: Value,
        stop: Value,
    ) -> None:
        """The remaining indices, once, under a mask."""
        b = self.b
        rest, done = b.label(), b.label()
        before = b.block
        first = {name: self.env[name] for name in carried}
        some = b.compare("lt", full, stop)
        b.emit(f"br i1 {some.text}, label %{rest}, label %{done}")
        b.place(rest)
        left = b.splat(self._narrow(b.sub(stop, full), count), count)
        mask = b.compare("lt", ramp(left.dtype, count), left)
        self.env[loop.index] = full
        self._lane_body(loop, count, mask)
        after = b.block
        b.emit(f"br label %{done}")
        b.place(done)
        for name in carried:
            last, value = self.env[name], first[name]
            self.env[name] = b.op(
                f"phi {value.type} [ {value.text}, %{before} ], "
                f"[ {last.text}, %{after} ]", value.dtype, value.lanes,
            )  # fmt: skip

    def _narrow(self, value: Value, count: int) -> Value:
        return value if count <= 8 else self.b.cast(value, "int32")

    def _lane_body(self, loop: Loop, count: int, mask: Value | None) -> None:
        before = dict(self.env)
        self.values.lanes = Lanes(loop.index, count, self.env[loop.index], mask)
        self._block(loop.body)
        self.values.lanes = None
        for name, value in before.items():  # what the body named is not visible outside
            if name not in self.combine:
                self.env[name] = value

    def _itemsize(self, loop: Loop) -> int:
        """Bytes of the widest floats of a loop, or of its widest values."""
        sizes: set[int] = set()
        wide: set[int] = set()
        for statement in walk(loop.body):
            for expression in expressions(statement):
                size = ITEMSIZE[expression.dtype]
                (sizes if is_float(expression.dtype) else wide).add(size)
        return max(sizes) if sizes else max(wide, default=8)

    def _lane_blocks(self, loop: Loop) -> int:
        """How many registers of lanes a round handles: few where there is much to do."""
        work = 0
        for statement in walk(loop.body):
            for expression in expressions(statement):
                if isinstance(expression, Call):
                    work += WORK.get(expression.function, 12)
        if work <= 12:
            inner = any(isinstance(s, Loop) for s in walk(loop.body))
            return 4 if inner or self.values.carried(loop.body) else 2
        return 2 if work <= 40 else 1

    def _lane_count(self, loop: Loop) -> int:
        lanes = self.vector_bytes // self._itemsize(loop)
        factor = self._lane_blocks(loop)
        if isinstance(loop.extent, int):
            while factor > 1 and lanes * factor > loop.extent:
                factor //= 2
            while factor == 1 and lanes > 2 and lanes // 2 >= loop.extent:
                lanes //= 2
        return lanes * factor

    def _reduced(self, value: Value, combine: str) -> Value:
        """All lanes of a vector combined."""
        b, dtype = self.b, value.dtype
        kind = suffix(dtype, value.lanes)
        if is_float(dtype):
            start = "-0.0" if combine == "add" else "1.0"
            if combine in ("add", "mul"):
                name = f"llvm.vector.reduce.f{combine}.{kind}"
                element = ELEMENT[dtype]
                b.declarations[name] = (
                    f"declare {element} @{name}({element}, {value.type})"
                )
                return b.op(
                    f"call reassoc {element} @{name}({element} {start}, "
                    f"{value.type} {value.text})", dtype, 1,
                )  # fmt: skip
            # halves of the vector, with the primitive's own NaN rule
            return self._halved(value, combine)
        name = combine
        if combine in ("maximum", "minimum"):
            if dtype == "bool":
                name = "or" if combine == "maximum" else "and"
            else:
                name = ("s" if dtype in SIGNED else "u") + combine[:3]
        elif dtype == "bool":
            name = {"add": "or", "mul": "and"}.get(combine, combine)
        full = f"llvm.vector.reduce.{name}.{kind}"
        b.declarations[full] = f"declare {ELEMENT[dtype]} @{full}({value.type})"
        return b.op(
            f"call {ELEMENT[dtype]} @{full}({value.type} {value.text})", dtype, 1
        )

    def _halved(self, value: Value, combine: str) -> Value:
        b = self.b
        while value.lanes > 1:
            half = value.lanes // 2
            parts = []
            for start in (0, half):
                picks = ", ".join(f"i32 {start + i}" for i in range(half))
                parts.append(
                    b.op(
                        f"shufflevector {value.type} {value.text}, {value.type} poison, "
                        f"<{half} x i32> <{picks}>", value.dtype, half,
                    )
                    if half > 1
                    else b.extract(value, start)
                )  # fmt: skip
            value = primitives.emit(b, combine, parts, value.dtype)
        return value
